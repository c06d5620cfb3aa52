//go:build proof

// Package typescript_test tests the TypeScript client of docs/clients.md with Node.js and npm.
package typescript_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

func TestMain(m *testing.M) { process.Main(m) }

const folder = process.Root + "/docs/clients/typescript"

// TestPage takes the steps of docs/clients.md against a demo server.
func TestPage(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: apt-get install nodejs npm", program)
		}
	}
	page, err := os.ReadFile(process.Root + "/docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(folder + "/delete-key.ts")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```ts\n"+string(program)+"```") {
		t.Error("docs/clients.md does not show delete-key.ts as it is")
	}
	project := t.TempDir()
	if err := os.CopyFS(project, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	demo := startDemo(t)
	environment := []string{"DIGA_URL=" + demo.url, "DIGA_API_KEY=" + demo.administrator}
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
		command.Dir = project
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

// startDemo starts a server in demo mode, and reads what it prints.
func startDemo(t *testing.T) demo {
	t.Helper()
	server := process.Serve(t, "--demo", "--database-url", process.SQLite(t))
	found := regexp.MustCompile(`Bearer (\S+)' http://\S+/v1/api_key/(\S+)`).FindStringSubmatch(strings.Join(server.Lines, "\n"))
	if found == nil {
		t.Fatalf("the demo does not print its key:\n%s", server.Lines)
	}
	return demo{server.API, found[1], found[2]}
}
