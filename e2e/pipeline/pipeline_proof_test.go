//go:build proof

// Package pipeline_test holds the pipeline to its promises: any contract of this style goes through it, and one that will not
// do changes nothing.
package pipeline_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// outputs are the generated files, from the root of the module.
var outputs = []string{"gen/apiserver/apiserver.gen.go", "gen/apiclient/apiclient.gen.go"}

// TestLargeDocument drops a document of sixty operations, with everything FastAPI can write, in the place of the
// contract: it is generated, compiled, and served with the contract's validator around a stub.
func TestLargeDocument(t *testing.T) {
	t.Parallel()
	module := copyModule(t)
	install(t, "testdata/large/openapi.json", module, "api/openapi.json")
	command(t, module, "go", "generate", "./...")
	generated := read(t, module, outputs...)
	command(t, module, "go", "generate", "./...")
	if again := read(t, module, outputs...); !bytes.Equal(generated[0], again[0]) || !bytes.Equal(generated[1], again[1]) {
		t.Error("the same document generated twice gives different bytes")
	}
	command(t, module, "go", "build", "./gen/...")

	t.Run("exchanges", func(t *testing.T) {
		install(t, "testdata/large/exchange_test.go", module, "large/exchange_test.go")
		install(t, "testdata/large/client_test.go", module, "large/client_test.go")
		write(t, module, "large/stub_test.go", stub(t, generated[0]))
		command(t, module, "go", "test", "./large")
	})

	t.Run("the compiler says what is missing", func(t *testing.T) {
		build := exec.Command("go", "build", "-gcflags=-e", "./server")
		build.Dir = module
		output, err := build.CombinedOutput()
		if err == nil {
			t.Fatal("the server compiles without the methods of sixty operations")
		}
		for line := range strings.Lines(string(output)) {
			if !strings.HasPrefix(line, "#") && !strings.Contains(line, "missing method ") {
				t.Errorf("beside missing methods the compiler says: %s", line)
			}
		}
	})

	t.Run("serves before all of it is written", func(t *testing.T) {
		const file, first = "server/server.go", "type operations struct {\n"
		source := strings.Replace(string(read(t, module, file)[0]), first, first+"\tapiserver.Unimplemented\n", 1)
		write(t, module, file, []byte(source))
		program := filepath.Join(t.TempDir(), "diga-api")
		command(t, module, "go", "build", "-buildvcs=false", "-o", program, "./cmd/diga-api")
		run := exec.CommandContext(t.Context(), program, "serve", "--demo", "--addr", "127.0.0.1:0", "--admin-addr", "", "--database-url", process.SQLite(t))
		run.Env = []string{"DIGA_DRAIN_DELAY=0s"}
		server := process.Start(t, run)
		server.Await(t)
		curl := regexp.MustCompile(`Bearer (diga_\w+)' \S+(/v1/api_key/\S+)`).FindStringSubmatch(strings.Join(server.Lines, "\n"))
		if curl == nil {
			t.Fatalf("no line of curl in %q", server.Lines)
		}
		secret, key := curl[1], curl[2]
		for _, step := range []struct {
			method, path, secret string
			status               int
		}{
			{http.MethodDelete, key, secret, 200}, {http.MethodDelete, key, secret, 404},
			{http.MethodGet, key, secret, 501}, {http.MethodGet, key, "diga_unknown", 403},
		} {
			if status, body := process.Send(t, step.method, server.API+step.path, step.secret); status != step.status {
				t.Errorf("%s %s is answered %d %s, want %d", step.method, step.path, status, body, step.status)
			}
		}
		log, err := server.Stop(t, os.Interrupt)
		if err != nil || !regexp.MustCompile(`contract incomplete.*operations_not_implemented\W+62\b`).MatchString(log) {
			t.Errorf("%v: the log does not say how many operations are missing:\n%s", err, log)
		}
	})
}

// TestPlainGenerator compares the output of the pipeline for our contract with that of oapi-codegen alone. They are equal,
// so that readers of gen/ need to know nothing but oapi-codegen.
func TestPlainGenerator(t *testing.T) {
	t.Parallel()
	for i, config := range []string{"gen/apiserver.yaml", "gen/apiclient.yaml"} {
		directory := t.TempDir()
		elsewhere := strings.Replace(string(read(t, process.Root, config)[0]), "output: "+outputs[i], "output: "+directory+"/plain.go", 1)
		write(t, directory, "config.yaml", []byte(elsewhere))
		command(t, process.Root, "go", "run", "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen",
			"-config", filepath.Join(directory, "config.yaml"), "api/openapi.json")
		if !bytes.Equal(read(t, directory, "plain.go")[0], read(t, process.Root, outputs[i])[0]) {
			t.Errorf("%s: oapi-codegen by itself writes something else than stands in %s", config, outputs[i])
		}
	}
}

// TestBadInput gives the pipeline invalid documents. It has to stop with file, JSON pointer and a sentence, and leave gen/
// unchanged.
func TestBadInput(t *testing.T) {
	t.Parallel()
	module := copyModule(t)
	command(t, module, "go", "build", "-o", "generate", "./cmd/contractgen")
	document := read(t, module, "api/openapi.json")[0]

	const operation = "#/paths/~1v1~1api_key~1{id}/delete"
	for _, test := range []struct {
		name, old, new, want string
		goesOn               bool // with a warning
	}{
		{name: "not JSON", old: `"paths": {`, new: `"paths": {,`, want: "#: the text is not one JSON value: line 14: "},
		{name: "unknown type", old: `"type": "string",
              "format": "uuid"`, new: `"type": "strin"`, want: operation + `/parameters/0/schema/type: "strin" is not a type of JSON`},
		{name: "keyword that leads nowhere", old: `"format": "uuid",`, new: `"$dynamicRef": "#id",`, want: operation + `/parameters/0/schema/$dynamicRef: the reference "#id" leads to nothing`},
		{name: "undeclared security", old: `"CustomHTTPBearer": []`, new: `"Other": []`, want: operation + `/security/0/Other: the security scheme "Other" is not defined`},
		{name: "reference that leads to nothing", old: `"$ref": "#/components/schemas/HTTPValidationError"`, new: `"$ref": "#/components/schemas/Nope"`,
			want: operation + `/responses/422/content/application~1json/schema/$ref: the reference "#/components/schemas/Nope" leads to nothing`},
		{name: "reference to a file", old: `"$ref": "#/components/schemas/HTTPValidationError"`, new: `"$ref": "other.json#/Nope"`,
			want: operation + `/responses/422/content/application~1json/schema/$ref: the reference "other.json#/Nope" leads out of the document`},
		{name: "reference to a host", old: `"$ref": "#/components/schemas/HTTPValidationError"`, new: `"$ref": "https://example.com/x"`,
			want: operation + `/responses/422/content/application~1json/schema/$ref: the reference "https://example.com/x" leads out of the document`},

		{name: "no object", old: `"paths": {`, new: `"paths": [], "x-paths": {`, want: "#/paths: ", goesOn: true},
		{name: "twice the same member", old: `"title": "Diga API",`, new: `"title": "Diga API", "title": "Diga",`, want: "#/info/title: ", goesOn: true},
		{name: "misspelled keyword", old: `"format": "uuid",`, new: `"fromat": "uuid",`,
			want: operation + `/parameters/0/schema/fromat: the schema has the unknown keyword "fromat"`, goesOn: true},
		{name: "keyword of OpenAPI 3.0", old: `"format": "uuid",`, new: `"nullable": true,`, want: operation + "/parameters/0/schema/nullable: ", goesOn: true},
		{name: "misspelled member of an operation", old: `"summary": "Delete Api Key",`, new: `"brief": "Delete Api Key",`,
			want: operation + `/brief: the operation has the unknown keyword "brief"`, goesOn: true},
		{name: "no status", old: `"422": {`, new: `"42": {`, want: operation + `/responses/42: "42" is not a status`, goesOn: true},
		{name: "no description", old: `"description": "Successful Response",`, want: operation + "/responses/200: the response has no description", goesOn: true},
		{name: "operations of one name", old: `"paths": {`, new: `"paths": {` + another("/v1/other", "delete_api_key_v1_api_key__id__delete"),
			want: operation + `/operationId: the operationId "delete_api_key_v1_api_key__id__delete" is not unique`, goesOn: true},
		{name: "operations of one Go name", old: `"paths": {`, new: `"paths": {` + another("/v1/other", "get-other") + another("/v1/others", "getOther"),
			want: "GET /v1/others: the operation is GetOtherGet in Go", goesOn: true},
		{name: "method of the generated client", old: `"paths": {`, new: `"paths": {` + another("/v1/server", "server"),
			want: "GET /v1/server: the operation is ServerGet in Go", goesOn: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			bad := strings.Replace(string(document), test.old, test.new, 1)
			if bad == string(document) {
				t.Fatalf("the contract does not hold %s", test.old)
			}
			write(t, module, "api/openapi.json", []byte(bad))
			before := tree(t, filepath.Join(module, "gen"))
			generate := exec.Command("./generate", "api/openapi.json", "gen/apiserver.yaml", "gen/apiclient.yaml")
			generate.Dir = module
			output, err := generate.CombinedOutput()
			if err != nil == test.goesOn {
				t.Errorf("contractgen: %v", err)
			}
			if !strings.Contains(string(output), test.want) || !strings.Contains(string(output), "api/openapi.json") {
				t.Errorf("it says %s, and not %s", output, test.want)
			}
			if after := tree(t, filepath.Join(module, "gen")); after != before && !test.goesOn {
				t.Error("gen/ is not as it was")
			}
		})
	}
}

// another is a path with one operation, in JSON.
func another(path, id string) string {
	return fmt.Sprintf(`%q: {"get": {"operationId": %q, "responses": {"200": {"description": "OK"}}}},`, path, id)
}

// stub makes the methods of a stub of the server: each keeps its request, and answers with what the test put there.
func stub(t *testing.T, server []byte) []byte {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", server, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	source := bytes.NewBufferString("package large\n\nimport (\n\"context\"\n\n\"github.com/diga-io/diga-api/gen/apiserver\"\n)\n")
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "StrictServerInterface" {
			return true
		}
		for _, method := range spec.Type.(*ast.InterfaceType).Methods.List {
			fmt.Fprintf(source, `
func (s *stub) %[1]s(_ context.Context, request apiserver.%[1]sRequestObject) (apiserver.%[1]sResponseObject, error) {
	s.request = request
	if answer, ok := s.answer.(apiserver.%[1]sResponseObject); ok {
		return answer, nil
	}
	return nil, errNoAnswer
}
`, method.Names[0].Name)
		}
		return false
	})
	formatted, err := format.Source(source.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return formatted
}

// copyModule returns a copy of the main module, without what is not its source.
func copyModule(t *testing.T) string {
	t.Helper()
	module := t.TempDir()
	err := filepath.WalkDir(process.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if name == ".git" && !entry.IsDir() { // of a worktree
			return nil
		}
		if entry.IsDir() && (name == ".git" || name == "node_modules" || name == "bin" || name == "dist") {
			return fs.SkipDir
		}
		relative, err := filepath.Rel(process.Root, path)
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil {
			write(t, module, relative, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func install(t *testing.T, source, module, name string) {
	t.Helper()
	data, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	write(t, module, name, data)
}

func write(t *testing.T, module, name string, data []byte) {
	t.Helper()
	path := filepath.Join(module, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, module string, names ...string) [][]byte {
	t.Helper()
	var contents [][]byte
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, data)
	}
	return contents
}

// tree is every file below dir with its time and content.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s %s %q\n", path, info.ModTime(), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// command runs a command in the module.
func command(t *testing.T, dir, name string, arguments ...string) {
	t.Helper()
	c := exec.Command(name, arguments...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false")
	if output, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, passed.ReplaceAll(output, nil))
	}
}

// passed are the lines that go test prints of what went well.
var passed = regexp.MustCompile(`(?m)^\s*(=== RUN|--- PASS).*\n`)
