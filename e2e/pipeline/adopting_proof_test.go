//go:build proof

package pipeline_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// TestAdopting takes the steps of docs/adopting.md in an empty folder: it writes what is there as file, runs what is there
// as sh, and looks for what is there as text in what the last command printed. Only the way to get this module differs:
// the checkout replaces what would be downloaded.
func TestAdopting(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(process.Root)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/adopting.md"))
	if err != nil {
		t.Fatal(err)
	}
	const download = "go get -tool github.com/diga-io/diga-api/cmd/contractgen@latest"
	if !bytes.Contains(page, []byte(download)) {
		t.Fatalf("the page does not run %s", download)
	}
	local := "go mod edit -require=github.com/diga-io/diga-api@v0.0.0 -replace=github.com/diga-io/diga-api=" + root +
		" -tool=github.com/diga-io/diga-api/cmd/contractgen && go mod tidy"
	module := t.TempDir()
	var said string
	steps := 0
	for block := range blocks(string(page)) {
		kind, argument, _ := strings.Cut(block.info, " ")
		switch kind {
		case "file":
			write(t, module, argument, []byte(block.text))
		case "sh":
			c := exec.CommandContext(t.Context(), "bash", "-e", "-x")
			c.Dir = module
			c.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
			c.Stdin = strings.NewReader(strings.ReplaceAll(block.text, download, local))
			output, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", block.text, err, output)
			}
			said = string(output)
		case "text":
			if !strings.Contains(said, strings.TrimSpace(block.text)) {
				t.Errorf("the last command does not print %s, but %s", block.text, said)
			}
		default:
			t.Errorf("a block of %q cannot be executed", block.info)
		}
		steps++
	}
	if steps < 11 {
		t.Errorf("the page has %d steps", steps)
	}

	// Nothing generated is about Diga, but for the packages that it imports.
	for name, content := range files(t, filepath.Join(module, "gen")) {
		for line := range strings.Lines(content) {
			if strings.Contains(strings.ToLower(line), "diga") && strings.TrimSpace(line) != `"github.com/diga-io/diga-api/gen/apitype"` {
				t.Errorf("gen/%s has %s", name, line)
			}
		}
	}
}
