package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	"go.yaml.in/yaml/v3"
)

// target is one config of oapi-codegen with the files made of it, by path.
type target struct {
	codegen.Configuration `yaml:",inline"`
	Output                string `yaml:"output"`

	document []byte // with the overlay of the config over it
	code     []byte
	stub     []byte
}

// files returns the content of every file of the target, by path.
func (t *target) files() map[string][]byte {
	files := map[string][]byte{t.Output: t.code}
	if t.stub != nil {
		files[filepath.Join(filepath.Dir(t.Output), "unimplemented.gen.go")] = t.stub
	}
	return files
}

// defaultConfig is the config of a target for which there is none, but for the package and what to generate.
const defaultConfig = `
package: %[1]s
output: gen/%[1]s/%[1]s.gen.go
generate: {models: true, %[2]s}
output-options:
  name-normalizer: ToCamelCaseWithInitialisms
  resolve-type-name-collisions: true
  type-mapping:
    number:
      # Without a format a number is a double, and float32 would round it.
      default: {type: float64}
    string:
      formats:
        # A mail address is any string here: what the contract accepts must not fail in a decoder.
        email: {type: string}
        uuid: {type: apitype.UUID, import: ` + apitypePath + `}
`

// readConfigs reads the configs at the paths, or the default ones if there are no paths.
func readConfigs(paths []string) ([]*target, error) {
	if len(paths) == 0 {
		var targets []*target
		for _, config := range []string{
			fmt.Sprintf(defaultConfig, "apiserver", "echo-server: true, strict-server: true"),
			fmt.Sprintf(defaultConfig, "apiclient", "client: true"),
		} {
			t, err := parseConfig([]byte(config))
			if err != nil {
				return nil, err
			}
			targets = append(targets, t)
		}
		return targets, nil
	}
	targets := make([]*target, len(paths))
	for i, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if targets[i], err = parseConfig(data); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return targets, nil
}

func parseConfig(data []byte) (*target, error) {
	t := new(target)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(t); err != nil {
		return nil, err
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if t.Output == "" {
		return nil, errors.New("output is missing: the file to write")
	}
	return t, nil
}

// generation makes the code of all targets from one document.
type generation struct {
	targets []*target
	names   *names
	stderr  io.Writer
}

func newGeneration(document []byte, targets []*target, stderr io.Writer) (*generation, error) {
	g := &generation{targets: targets, names: newNames(), stderr: stderr}
	document, ignored, err := withoutGo(document)
	if err != nil {
		return nil, err
	}
	if len(ignored) > 0 {
		g.names.note([]string{"#"}, "Go-only facts belong in an overlay, so these extensions of the document are ignored: "+strings.Join(ignored, ", "))
	}
	overlaid := map[string][]byte{}
	for _, t := range targets {
		overlay := t.OutputOptions.Overlay
		if overlaid[overlay.Path] == nil {
			if overlaid[overlay.Path], err = withOverlay(document, overlay.Path, overlay.Strict == nil || *overlay.Strict); err != nil {
				return nil, err
			}
		}
		t.document = overlaid[overlay.Path]
	}
	return g, nil
}

// compiled generates all targets until they compile. What collides is seen in the code, and only there: each round
// generates with the names that the last one learnt. A type that does not compile nevertheless gives way to apitype.JSON.
func (g *generation) compiled(ctx context.Context, temporary string) error {
	const rounds = 4
	for round := 1; ; round++ {
		if err := g.generate(); err != nil {
			return err
		}
		fmt.Fprintln(g.stderr, "compiling")
		failure, err := build(ctx, temporary, g.targets)
		if err != nil {
			return err
		}
		if failure == "" {
			return nil
		}
		if round == rounds || !g.giveWay(failure) {
			fmt.Fprint(g.stderr, failure)
			return errors.New("the generated code does not compile, so nothing was written")
		}
	}
}

func (g *generation) generate() error {
	for again := true; again; {
		again = false
		for _, t := range g.targets {
			fmt.Fprintf(g.stderr, "generating %s\n", t.Output)
			collisions, err := t.generate(g.names)
			if err != nil {
				return err
			}
			if again = collisions; again {
				break
			}
		}
	}
	return nil
}

// generate makes the code of the target, and reports whether it has names that collide.
func (t *target) generate(names *names) (collisions bool, err error) {
	contents, err := load(t.document)
	if err != nil {
		return false, err
	}
	if err := t.prime(new(openapi3.Components)); err != nil {
		return false, err
	}
	prune(contents)
	names.renameComponents(contents)
	names.renameParts(contents)
	names.nameOperations(contents)
	repair(contents, names.note)
	names.hoistAmbiguous(contents)
	names.nameConstants(contents)
	names.giveWay(contents)
	names.apply(contents)
	if err := t.prime(contents.Components); err != nil {
		return false, err
	}
	nameTypes(contents, names.note)
	configuration := t.Configuration
	configuration.OutputOptions.SkipPrune = true
	code, err := codegen.Generate(contents, configuration)
	if err != nil {
		if duplicate := ambiguous.FindStringSubmatch(err.Error()); duplicate != nil && (!names.inline[duplicate[1]] || !names.merged) {
			names.merged = names.inline[duplicate[1]]
			names.inline[duplicate[1]] = true
			return true, nil
		}
		return false, fmt.Errorf("oapi-codegen: %w", err)
	}
	version := generatorVersion()
	if t.code, err = restoreMethods([]byte(bindValidated(signed(code, version)))); err != nil {
		return false, err
	}
	if t.stub, err = stub(t.code, version); err != nil {
		return false, err
	}
	return names.collisions(contents, t.code, t.stub)
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

const generator = "github.com/oapi-codegen/oapi-codegen/v2"

var header = regexp.MustCompile(`(?m)^// Code generated by .* DO NOT EDIT\.$`)

// signed puts the name and version of oapi-codegen where it puts those of the program it is part of.
func signed(code, version string) string {
	return header.ReplaceAllString(code, fmt.Sprintf("// Code generated by %s version %s DO NOT EDIT.", generator, version))
}

const bindForm = "if err := runtime.BindForm(&body, form, nil, nil); err != nil {"

// bindValidated has a form bound from the value that package contract validated, as a JSON body is. BindForm ignores dates
// and unions, panics for p[=1, and allocates a list of n items for p[n]=1.
func bindValidated(code string) string {
	return strings.ReplaceAll(code, bindForm, `if vb, ok := ctx.Request().Body.(interface{ ValidatedValue() any }); ok {
			if err := runtime.BindJSONValue(vb.ValidatedValue(), &body); err != nil {
				return echo.ErrBadRequest.WithInternal(err)
			}
		} else `+bindForm)
}

// generatorVersion returns the version of oapi-codegen that is part of this program.
func generatorVersion() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		if i := slices.IndexFunc(build.Deps, func(module *debug.Module) bool { return module.Path == generator }); i >= 0 {
			return build.Deps[i].Version
		}
	}
	return "(devel)"
}

// build compiles the files of every target as if they stood where they are to be written, which leaves that place alone.
// The failure is what the compiler says if the code is invalid.
func build(ctx context.Context, temporary string, targets []*target) (failure string, err error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	arguments := []string{"build", "-overlay", filepath.Join(temporary, "overlay.json")}
	for _, t := range targets {
		for path, content := range t.files() {
			output, err := filepath.Abs(path)
			if err != nil {
				return "", err
			}
			// The compiler names the candidate in its messages, so it has the name of the output.
			candidate := filepath.Join(temporary, strconv.Itoa(len(overlay.Replace)), filepath.Base(output))
			if err := os.MkdirAll(filepath.Dir(candidate), 0o700); err != nil {
				return "", err
			}
			if err := os.WriteFile(candidate, content, 0o600); err != nil {
				return "", err
			}
			overlay.Replace[output] = candidate
		}
		directory, err := filepath.Abs(filepath.Dir(t.Output))
		if err != nil {
			return "", err
		}
		arguments = append(arguments, directory)
	}
	data, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(temporary, "overlay.json"), data, 0o600); err != nil {
		return "", err
	}
	output, err := exec.CommandContext(ctx, "go", arguments...).CombinedOutput()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return string(output), nil
	}
	return "", err
}

// place in source of a message of the compiler
var sourceLine = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):`)

// giveWay marks the declarations that the compiler rejects, and reports whether there are new ones among them.
func (g *generation) giveWay(failure string) bool {
	found := false
	for _, match := range sourceLine.FindAllStringSubmatch(failure, -1) {
		line, err := strconv.Atoi(match[2])
		if err != nil {
			continue
		}
		for _, t := range g.targets {
			if filepath.Base(t.Output) != filepath.Base(match[1]) {
				continue
			}
			if name := declarationAt(t.code, line); name != "" && !g.names.rejected[name] {
				g.names.rejected[name], found = true, true
			}
		}
	}
	return found
}

// declarationAt returns the name of the type that the declaration on the line of the code belongs to, or the name of the
// function if there is no type.
func declarationAt(code []byte, line int) string {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", code, parser.SkipObjectResolution)
	if err != nil {
		return ""
	}
	for _, declaration := range file.Decls {
		if files.Position(declaration.Pos()).Line > line || files.Position(declaration.End()).Line < line {
			continue
		}
		switch declaration := declaration.(type) {
		case *ast.FuncDecl:
			if declaration.Recv != nil {
				return receiver(declaration)
			}
			return declaration.Name.Name
		case *ast.GenDecl:
			for _, spec := range declaration.Specs {
				if files.Position(spec.Pos()).Line > line || files.Position(spec.End()).Line < line {
					continue
				}
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					return spec.Name.Name
				case *ast.ValueSpec:
					if name, ok := typeName(spec.Type); ok {
						return name
					}
					return spec.Names[0].Name
				}
			}
		}
	}
	return ""
}

// write puts every file in its place. Everything that can fail comes before the first of the renames, and a file is
// whole or as it was, also when the program is killed.
func write(targets []*target) (err error) {
	files := map[string][]byte{}
	for _, t := range targets {
		maps.Copy(files, t.files())
	}
	paths := slices.Sorted(maps.Keys(files))
	for _, path := range paths {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ignoreMissing(os.Remove(path+".new"))) }()
		if err := os.WriteFile(path+".new", files[path], 0o644); err != nil {
			return err
		}
	}
	for _, path := range paths {
		if err := os.Rename(path+".new", path); err != nil {
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
