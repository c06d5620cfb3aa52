//go:build proof

package pipeline_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// TestGrowth takes the steps of docs/adding-an-operation.md in a copy of the module: it applies what stands there as
// diff, writes what stands there as file, runs what stands there as sh, and looks for what stands there as text in what
// the last command said. Afterwards nothing may have changed but the document, what is generated of it, and one file in
// server/ with its test.
func TestGrowth(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(process.Root + "/docs/adding-an-operation.md")
	if err != nil {
		t.Fatal(err)
	}
	module := copyModule(t)
	before := files(t, module)
	var said string
	steps := 0
	for block := range blocks(string(page)) {
		kind, argument, _ := strings.Cut(block.info, " ")
		switch kind {
		case "diff":
			run(t, module, block.text, false, "git", "apply", "-")
		case "go":
			write(t, module, argument, []byte(block.text))
		case "sh":
			said = run(t, module, block.text, argument == "fails", "bash", "-e", "-x")
		case "text":
			if !strings.Contains(said, strings.TrimSpace(block.text)) {
				t.Errorf("the last command does not say %s, but %s", block.text, said)
			}
		default:
			t.Errorf("there is nothing to do with a block of %q", block.info)
		}
		steps++
	}
	if steps < 8 {
		t.Errorf("the page has %d steps", steps)
	}

	var changed []string
	after := files(t, module)
	for name, content := range after {
		if before[name] != content {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	want := []string{
		"api/openapi.json", "api/openapi.json.sha256",
		"client/clienttest/get_api_key_test.go", "client/operations.gen.go", "client/testdata/api.txt", "gen/apiclient/apiclient.gen.go", "gen/apiserver/apiserver.gen.go",
		"gen/apiserver/unimplemented.gen.go",
		"server/get_api_key.go", "server/get_api_key_test.go",
	}
	if !slices.Equal(changed, want) || len(after) != len(before)+3 {
		t.Errorf("what changed is %v, want %v", changed, want)
	}
	command(t, module, "go", "build", "./...")
}

// block is fenced code in a page.
type block struct{ info, text string }

func blocks(page string) func(yield func(block) bool) {
	return func(yield func(block) bool) {
		for {
			_, rest, ok := strings.Cut(page, "\n```")
			if !ok {
				return
			}
			info, rest, _ := strings.Cut(rest, "\n")
			text, rest, _ := strings.Cut(rest, "\n```")
			if !yield(block{info, text + "\n"}) {
				return
			}
			page = rest
		}
	}
}

// run runs a command in the module, gives it input, and returns what it says.
func run(t *testing.T, module, input string, fails bool, name string, arguments ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, arguments...)
	c.Dir = module
	c.Stdin = strings.NewReader(input)
	// Above the copy there may be a repository, which git must not take for the one to apply to.
	c.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(module))
	output, err := c.CombinedOutput()
	if fails != (err != nil) {
		t.Fatalf("%s: %v\n%s", input, err, output)
	}
	return string(output)
}

// files is the content of every file of the module.
func files(t *testing.T, module string) map[string]string {
	t.Helper()
	contents := map[string]string{}
	err := fs.WalkDir(os.DirFS(module), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(module, path))
		contents[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return contents
}
