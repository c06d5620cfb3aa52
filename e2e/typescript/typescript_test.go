//go:build typescript

// Package typescript tests the TypeScript client of docs/clients.md. It takes Node.js, npm and a package registry, so
// only `make test-typescript`, which CI runs, builds it.
package typescript

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	servingLine = regexp.MustCompile(`^serving on (http://\S+)`)
	curlLine    = regexp.MustCompile(`Bearer (\S+)' http://\S+/v1/api_key/(\S+)`)
)

// TestPage takes the steps of docs/clients.md against a demo server.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../clients.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("delete-key.ts")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```ts\n"+string(program)+"```") {
		t.Error("docs/clients.md does not show delete-key.ts as it is")
	}
	project := t.TempDir()
	if err := os.CopyFS(project, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	demo := startDemo(t)
	environment := []string{"DIGA_URL=" + demo.url, "DIGA_API_KEY=" + demo.administrator}
	if err := os.Chdir(project); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		command []string
		key     string
		fails   bool
		want    string
	}{
		{command: []string{"npm", "ci", "--no-audit", "--no-fund"}},
		{command: []string{"npx", "openapi-typescript", demo.url + "/openapi.json", "--output", "diga.d.ts"}},
		{command: []string{"npx", "tsc"}},
		{command: []string{"node", "delete-key.js", demo.id}, want: "deleted\n"},
		{command: []string{"node", "delete-key.js", demo.id}, fails: true, want: "404 API_KEY_NOT_FOUND: Error from ApiKeyNotFoundException\n"},
		{command: []string{"node", "delete-key.js", "nope"}, fails: true, want: "422 path.id: Input should be a valid UUID, invalid length: expected 36 characters\n"},
		{command: []string{"node", "delete-key.js", demo.id}, key: "x", fails: true, want: "403 UNAUTHORIZED: Invalid or missing API key\n"},
	} {
		// The page has placeholders where the demo has values.
		shown := strings.NewReplacer(demo.url, "$DIGA_URL", demo.id, "9856769b-a771-40be-82a1-f432525667de",
			" --no-audit --no-fund", "").Replace(strings.Join(step.command, " "))
		if !step.fails && !strings.Contains(strings.ReplaceAll(string(page), `"`, ""), "\n"+shown+"\n") {
			t.Errorf("docs/clients.md does not say %s", shown)
		}
		command := exec.CommandContext(t.Context(), step.command[0], step.command[1:]...)
		command.Env = append(os.Environ(), environment...)
		if step.key != "" {
			command.Env = append(command.Env, "DIGA_API_KEY="+step.key)
		}
		output, err := command.Output()
		if exit := (*exec.ExitError)(nil); step.fails != (err != nil) {
			errors.As(err, &exit)
			t.Fatalf("%s: %v\n%s%s", command, err, output, exit.Stderr)
		}
		if step.want != "" && string(output) != step.want {
			t.Errorf("%s says %s, want %s", command, output, step.want)
		}
	}
}

type demo struct{ url, administrator, id string }

// startDemo builds the program, serves with it in demo mode, and reads what the demo prints.
func startDemo(t *testing.T) demo {
	t.Helper()
	directory := t.TempDir()
	binary := filepath.Join(directory, "diga-api")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../../cmd/diga-api").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	// t.Context ends too early: the program is to stop by itself.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	t.Cleanup(cancel)
	server := exec.CommandContext(ctx, binary, "serve", "--demo", "--addr", "127.0.0.1:0",
		"--admin-addr", "127.0.0.1:0", "--database-url", "sqlite:"+filepath.Join(directory, "demo.db"))
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := server.Wait(); err != nil {
			t.Error(err)
		}
	})
	var d demo
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if found := curlLine.FindStringSubmatch(lines.Text()); found != nil && d.id == "" {
			d.administrator, d.id = found[1], found[2]
		}
		if found := servingLine.FindStringSubmatch(lines.Text()); found != nil {
			d.url = found[1]
			go func() {
				for lines.Scan() { // The server must not stall on a full pipe.
				}
			}()
			return d
		}
	}
	t.Fatal("the demo did not say where it serves")
	return demo{}
}
