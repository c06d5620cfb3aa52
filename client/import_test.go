package client_test

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What an importing team gets with the client. The list is short on purpose: each module in it is one that others
// must trust, update and agree on a version of.
var modules = []string{
	"github.com/apapsch/go-jsonmerge/v2",
	"github.com/google/uuid",
	"github.com/oapi-codegen/runtime",
}

func goCommand(t *testing.T, dir string, env []string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s%s", strings.Join(arguments, " "), err, out, &stderr)
	}
	return string(out)
}

// The client is small because of what it does not import: no server, no database, no telemetry.
func TestImports(t *testing.T) {
	const own = "github.com/diga-io/diga-api/"
	direct := strings.Fields(goCommand(t, ".", nil, "list", "-f", `{{join .Imports "\n"}}`, "."))
	var foreign []string
	for _, path := range direct {
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
			foreign = append(foreign, path)
		}
	}
	if want := []string{own + "gen/apiclient", own + "gen/apitype"}; !slices.Equal(foreign, want) {
		t.Errorf("beside the standard library, the client imports %q, want %q", foreign, want)
	}

	allowed := append([]string{own + "client", own + "gen/apiclient", own + "gen/apitype", own + "internal/uuid", modules[2] + "/types"}, modules...)
	all := strings.Fields(goCommand(t, ".", nil, "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "."))
	slices.Sort(all)
	slices.Sort(allowed)
	if !slices.Equal(all, allowed) {
		t.Errorf("the client brings in\n%s\nwant\n%s", strings.Join(all, "\n"), strings.Join(allowed, "\n"))
	}
	for _, path := range strings.Fields(goCommand(t, ".", nil, "list", "-deps", ".")) {
		for _, heavy := range []string{"database/sql", "net/http/httptest", "testing", "expvar", "net/http/pprof"} {
			if path == heavy {
				t.Errorf("the client brings in %s", path)
			}
		}
	}
}
