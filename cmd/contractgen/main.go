// Command contractgen generates Go from an OpenAPI document: every target or none.
//
//	contractgen openapi.json [config.yaml ...]
//
// Each config is one of oapi-codegen's, and the output is what oapi-codegen writes, in the version that go.mod names.
// Without a config it generates a strict echo server and a client, in gen/apiserver and gen/apiclient. Around
// oapi-codegen stand a few things that it does not do:
//
//   - Package contract reads the document, upgrades and repairs it in memory, and reports what is wrong with it.
//   - What oapi-codegen refuses, or makes Go of that does not compile, is generated as something else, with a warning.
//   - Go names that would collide are made unique, and those of components have at most 60 characters.
//   - A strict server binds forms from the value that package contract validated.
//   - Beside a strict server there is a type Unimplemented that implements every operation by an error.
//   - No file is written before the code of every target compiles.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/diga-io/diga-api/contract"

	// What generated code imports is a dependency of this program, so that after go get -tool, and go mod vendor, it
	// compiles in any module.
	_ "github.com/diga-io/diga-api/gen/apitype"
	_ "github.com/oapi-codegen/runtime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "contractgen:", err)
		os.Exit(1)
	}
}

// run generates the code of each config and, when all of it compiles, writes it.
func run(ctx context.Context, arguments []string, stderr io.Writer) (err error) {
	if len(arguments) == 0 || strings.HasPrefix(arguments[0], "-") {
		return errors.New("usage: contractgen openapi.json [config.yaml ...]")
	}
	document, configs := arguments[0], arguments[1:]
	targets, err := readConfigs(configs)
	if err != nil {
		return err
	}
	published, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	d, err := read(document, published, stderr)
	if err != nil {
		return err
	}
	g, err := newGeneration(d.JSON(), targets, stderr)
	if err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	temporary, err := os.MkdirTemp("", "contractgen")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	if err := g.compiled(ctx, temporary); err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	for _, subject := range slices.Sorted(maps.Keys(g.names.notes)) {
		fmt.Fprintf(stderr, "%s: %s: %s (go): warning\n", document, subject, g.names.notes[subject])
	}
	return write(targets)
}

// mostPlaces is how many places of the same warning are printed. Exporters repeat a fault in every operation, and hundreds
// of equal lines would hide the others.
const mostPlaces = 5

// read reads the document and prints all that is wrong with it.
func read(document string, published []byte, stderr io.Writer) (*contract.Document, error) {
	d, findings := contract.Read(published)
	type text struct{ rule, message string }
	total, printed := make(map[text]int), make(map[text]int)
	for _, f := range findings {
		total[text{f.Rule, f.Message}]++
	}
	for _, f := range findings {
		key := text{f.Rule, f.Message}
		printed[key]++
		more := total[key] - mostPlaces
		switch {
		case f.Severity == contract.Error || more <= 0 || printed[key] < mostPlaces:
		case printed[key] == mostPlaces:
			f.Message += fmt.Sprintf(" (and in %d more places)", more)
		default:
			continue
		}
		fmt.Fprintf(stderr, "%s%s: %s\n", document, f, f.Severity)
	}
	if d == nil {
		return nil, fmt.Errorf("%s has errors, so nothing was written", document)
	}
	accept := func(context.Context, *contract.AuthenticationInput) error { return nil }
	compiled, err := contract.New(d, contract.Options{Authenticate: accept})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", document, err)
	}
	for _, warning := range serverWarnings(compiled) {
		fmt.Fprintf(stderr, "%s: %s: warning\n", document, warning)
	}
	fmt.Fprintf(stderr, "%s: %d operations, %d warnings\n", document, len(compiled.Operations()), len(findings))
	return d, nil
}

// serverWarnings returns what a server has to know about a document before it can serve it.
func serverWarnings(compiled *contract.Contract) []string {
	var warnings []string
	for _, scheme := range compiled.SecuritySchemes() {
		if scheme.Type != "http" || !strings.EqualFold(scheme.Scheme, "bearer") {
			warnings = append(warnings, fmt.Sprintf("#/components/securitySchemes/%s: authentication by %s has to be written in Options.Authenticate (security)",
				escape(scheme.Name), strings.TrimSpace(scheme.Type+" "+scheme.Scheme)))
		}
	}
	for _, operation := range compiled.Operations() {
		var undeclared []string
		if operation.RequiresAuthentication() && !operation.Declares(http.StatusUnauthorized) && !operation.Declares(http.StatusForbidden) {
			undeclared = append(undeclared, "401 or 403 for missing authentication")
		}
		if !operation.Declares(http.StatusInternalServerError) {
			undeclared = append(undeclared, "500 for an unexpected error")
		}
		if len(undeclared) > 0 {
			warnings = append(warnings, fmt.Sprintf("#/paths/%s/%s: the operation does not declare %s, which a server has to send all the same (responses)",
				escape(operation.Path), strings.ToLower(operation.Method), strings.Join(undeclared, ", nor ")))
		}
	}
	return warnings
}
