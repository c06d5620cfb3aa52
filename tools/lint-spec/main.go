// Command lint-spec checks an OpenAPI document against the rules of github.com/speakeasy-api/openapi/linter.
//
//	lint-spec config.yaml openapi.json
//
// All rules apply except those that the config turns off, each with the reason in a comment. Any finding is a failure.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/speakeasy-api/openapi/linter"
	"github.com/speakeasy-api/openapi/openapi"
	rules "github.com/speakeasy-api/openapi/openapi/linter"
	"go.yaml.in/yaml/v3"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: lint-spec config.yaml openapi.json")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, configPath, documentPath string, stdout io.Writer) error {
	if err := checkReasons(configPath); err != nil {
		return err
	}
	config, err := linter.LoadConfigFromFile(configPath)
	if err != nil {
		return err
	}
	file, err := os.Open(documentPath)
	if err != nil {
		return err
	}
	defer file.Close()
	document, invalid, err := openapi.Unmarshal(ctx, file)
	if err != nil {
		return fmt.Errorf("%s: %w", documentPath, err)
	}
	lint, err := rules.NewLinter(config)
	if err != nil {
		return fmt.Errorf("%s: %w", configPath, err)
	}
	for _, rule := range config.Rules {
		if _, known := lint.Registry().GetRule(rule.ID); !known {
			return fmt.Errorf("%s: there is no rule %s", configPath, rule.ID)
		}
	}
	found, err := lint.Lint(ctx, linter.NewDocumentInfo(document, documentPath), invalid, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", documentPath, err)
	}
	for _, finding := range found.Results {
		fmt.Fprintf(stdout, "%s: %v\n", documentPath, finding)
	}
	if n := len(found.Results); n > 0 {
		return fmt.Errorf("%s violates the rules %d times: fix it, or turn a rule off in %s with the reason", documentPath, n, configPath)
	}
	return nil
}

// checkReasons rejects a rule that is turned off without a comment.
func checkReasons(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var config struct{ Rules []yaml.Node }
	if err := yaml.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var faults []error
	for _, rule := range config.Rules {
		if rule.HeadComment == "" && rule.LineComment == "" {
			faults = append(faults, fmt.Errorf("%s:%d: add a comment with the reason why the rule is off", path, rule.Line))
		}
	}
	return errors.Join(faults...)
}
