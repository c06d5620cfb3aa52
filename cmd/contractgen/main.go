// Command generate turns the contract into Go: every target or none.
//
//	generate openapi.json config.yaml ...
//
// Each config is one of oapi-codegen's, and what comes out is what oapi-codegen makes of it, in the version that go.mod
// names. Around it stand three things it does not do: a document that it would take wrongly or silently is refused with
// the place of the fault, Go names that would collide are told apart, and no file is written before the code of every
// target compiles.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	"go.yaml.in/yaml/v3"

	"github.com/diga-io/diga-api/contract"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: generate openapi.json config.yaml ...")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// target is one config of oapi-codegen with the code made of it.
type target struct {
	codegen.Configuration `yaml:",inline"`
	Output                string `yaml:"output"`

	code []byte
}

// run generates the code of each config and, when all of it compiles, writes it.
func run(ctx context.Context, document string, configs []string, stderr io.Writer) (err error) {
	published, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	d, findings := contract.Read(published)
	for _, finding := range findings {
		fmt.Fprintf(stderr, "%s%s: %s\n", document, finding, finding.Severity)
	}
	if d == nil {
		return fmt.Errorf("%s has errors, so nothing was written", document)
	}
	// The server would refuse to start with a document that cannot be compiled.
	accept := func(context.Context, *contract.AuthenticationInput) error { return nil }
	if _, err := contract.New(d, contract.Options{Authenticate: accept}); err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	targets := make([]*target, len(configs))
	for i, config := range configs {
		if targets[i], err = readConfig(config); err != nil {
			return err
		}
	}
	if targets, err = generateAll(d.JSON(), targets, newNames()); err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	temporary, err := os.MkdirTemp("", "generate")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	if err := compile(ctx, temporary, targets, stderr); err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	return write(targets)
}

// generateAll makes the code of all targets.
func generateAll(document []byte, targets []*target, names *names) ([]*target, error) {
	document, _, err := withoutGo(document)
	if err != nil {
		return nil, err
	}
	overlaid := map[string][]byte{}
	// What collides is seen in the code, and only there: each round generates with the names that the last one learnt.
	for again := true; again; {
		again = false
		for _, t := range targets {
			overlay := t.OutputOptions.Overlay
			if overlaid[overlay.Path] == nil {
				if overlaid[overlay.Path], err = withOverlay(document, overlay.Path, overlay.Strict == nil || *overlay.Strict); err != nil {
					return nil, err
				}
			}
			collisions, err := t.generate(overlaid[overlay.Path], names)
			if err != nil {
				return nil, err
			}
			again = again || collisions
		}
	}
	return targets, nil
}

func readConfig(path string) (*target, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t := new(target)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(t); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// generate makes the code of the target, and says whether names were found in it that collide.
func (t *target) generate(document []byte, names *names) (collisions bool, err error) {
	contents, err := load(document)
	if err != nil {
		return false, err
	}
	if err := t.prime(new(openapi3.Components)); err != nil {
		return false, err
	}
	prune(contents)
	names.renameComponents(contents)
	names.nameOperations(contents)
	repair(contents, names.note)
	names.hoistAmbiguous(contents)
	names.apply(contents)
	if err := t.prime(contents.Components); err != nil {
		return false, err
	}
	nameTypes(contents, names.note)
	configuration := t.Configuration
	configuration.OutputOptions.SkipPrune = true
	code, err := codegen.Generate(contents, configuration)
	if err != nil {
		if duplicate := ambiguous.FindStringSubmatch(err.Error()); duplicate != nil && !(names.inline[duplicate[1]] && names.merged) {
			names.merged = names.inline[duplicate[1]]
			names.inline[duplicate[1]] = true
			return true, nil
		}
		return false, fmt.Errorf("oapi-codegen: %w", err)
	}
	if code, err = signed(code); err != nil {
		return false, err
	}
	if t.code, err = restoreMethods([]byte(code)); err != nil {
		return false, err
	}
	return names.collisions(t.code, contents)
}

// prime has oapi-codegen set the package variables that hold its configuration, its rules of naming, and the names of
// components, which nothing but Generate does.
func (t *target) prime(components *openapi3.Components) error {
	configuration := t.Configuration
	configuration.Generate, configuration.OutputOptions.SkipPrune = codegen.GenerateOptions{}, true
	_, err := codegen.Generate(&openapi3.T{OpenAPI: "3.1.0", Components: components, Paths: openapi3.NewPaths()}, configuration)
	if err != nil {
		return fmt.Errorf("oapi-codegen: %w", err)
	}
	return nil
}

// signed puts the name and version of oapi-codegen where it puts those of the program it is part of.
func signed(code string) (string, error) {
	const generator = "github.com/oapi-codegen/oapi-codegen/v2"
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "", errors.New("this program was built without information on its modules")
	}
	i := slices.IndexFunc(build.Deps, func(module *debug.Module) bool { return module.Path == generator })
	if i < 0 {
		return "", fmt.Errorf("this program was built without %s", generator)
	}
	header := regexp.MustCompile(`(?m)^// Code generated by .* DO NOT EDIT\.$`)
	return header.ReplaceAllString(code, fmt.Sprintf("// Code generated by %s version %s DO NOT EDIT.", generator, build.Deps[i].Version)), nil
}

// compile builds the code of every target as if it stood where it is to be written, which leaves that place alone.
func compile(ctx context.Context, temporary string, targets []*target, stderr io.Writer) error {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	arguments := []string{"build", "-overlay", filepath.Join(temporary, "overlay.json")}
	for i, t := range targets {
		output, err := filepath.Abs(t.Output)
		if err != nil {
			return err
		}
		candidate := filepath.Join(temporary, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(candidate, t.code, 0o600); err != nil {
			return err
		}
		overlay.Replace[output] = candidate
		arguments = append(arguments, filepath.Dir(output))
	}
	data, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(temporary, "overlay.json"), data, 0o600); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Stdout, command.Stderr = stderr, stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("the generated code does not compile, so nothing was written: %w", err)
	}
	return nil
}

// write puts the code of every target in its place. Everything that can fail comes before the first of the renames.
func write(targets []*target) (err error) {
	for _, t := range targets {
		if err := os.MkdirAll(filepath.Dir(t.Output), 0o755); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ignoreMissing(os.Remove(t.Output+".new"))) }()
		if err := os.WriteFile(t.Output+".new", t.code, 0o644); err != nil {
			return err
		}
	}
	for _, t := range targets {
		if err := os.Rename(t.Output+".new", t.Output); err != nil {
			return err
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
