//go:build proof

// Package consumer_test imports the client as another team does: from a module of its own.
package consumer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

const (
	key  = "diga_0123456789abcdef"
	text = "550e8400-e29b-41d4-a716-446655440000"
)

// What an importing team gets with the client. client/import_test.go has the same list for the packages.
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

// recorder is a server that keeps the requests it gets.
type recorder struct {
	*httptest.Server
	mutex    sync.Mutex
	requests []*http.Request
}

func record(t *testing.T, status int, body string) *recorder {
	t.Helper()
	r := new(recorder)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mutex.Lock()
		r.requests = append(r.requests, request)
		r.mutex.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) got() []*http.Request {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(r.requests)
}

// A module of another team, in three lines, built as they would build it.
func TestConsumerModule(t *testing.T) {
	root, err := filepath.Abs(process.Root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/consumer\n\ngo 1.26.0\n\nrequire github.com/diga-io/diga-api v0.0.0\n\n" +
			fmt.Sprintf("replace github.com/diga-io/diga-api => %q\n", root),
		"main.go": `package main

import (
	"context"
	"log"
	"os"

	"github.com/diga-io/diga-api/client"
)

func main() {
	diga, err := client.New()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := diga.DeleteAPIKeyString(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off"}
	goCommand(t, dir, env, "build", "-o", "consumer", ".")

	// go.mod is what other builds of the consumer will select, go.sum what was downloaded for it, the binary what runs.
	got := map[string][]string{}
	var mod struct{ Require []struct{ Path string } }
	if err := json.Unmarshal([]byte(goCommand(t, dir, env, "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	for _, require := range mod.Require {
		got["go.mod"] = append(got["go.mod"], require.Path)
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(sum)) {
		if fields := strings.Fields(line); !strings.HasSuffix(fields[1], "/go.mod") {
			got["go.sum"] = append(got["go.sum"], fields[0])
		}
	}
	for line := range strings.Lines(goCommand(t, dir, nil, "version", "-m", "consumer")) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "dep" {
			got["binary"] = append(got["binary"], fields[1])
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "binary"} {
		list := slices.DeleteFunc(got[name], func(path string) bool { return path == "github.com/diga-io/diga-api" })
		slices.Sort(list)
		if !slices.Equal(list, modules) {
			t.Errorf("%s has %q, want %q", name, list, modules)
		}
	}

	server := record(t, http.StatusOK, `{}`)
	run := func(id string, env ...string) ([]byte, error) {
		command := exec.CommandContext(t.Context(), filepath.Join(dir, "consumer"), id)
		command.Env = append(env, "DIGA_API_KEY="+key)
		return command.CombinedOutput()
	}
	if out, err := run(text, "DIGA_BASE_URL="+server.URL); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	var exit *exec.ExitError
	if out, err := run("nope", "DIGA_BASE_URL="+server.URL); !errors.As(err, &exit) || !strings.Contains(string(out), "not a UUID") {
		t.Errorf("%v: %s", err, out)
	}

	// By default it calls the server of the contract, through the proxy of the environment, which gets to see no key.
	proxy := record(t, http.StatusBadGateway, ``)
	if out, err := run(text, "HTTPS_PROXY="+proxy.URL); !errors.As(err, &exit) || strings.Contains(string(out), key) {
		t.Errorf("%v: %s", err, out)
	}
	for _, r := range proxy.got() {
		if r.Method != http.MethodConnect || r.Host != "api.diga.io:443" || r.Header.Get("Authorization") != "" {
			t.Errorf("the proxy was asked %s %s with %v", r.Method, r.Host, r.Header)
		}
	}
	if n := len(proxy.got()); n != 4 {
		t.Errorf("%d requests to the proxy", n)
	}
	requests := server.got()
	if len(requests) != 1 || requests[0].Method != http.MethodDelete || !strings.HasPrefix(requests[0].UserAgent(), "diga-api-go/v") {
		t.Errorf("%d requests, first %v", len(requests), requests[0])
	}

	// Their tests use clienttest, which brings the server along, but not into their program.
	const test = `package main

import (
	"testing"

	"github.com/diga-io/diga-api/client/clienttest"
)

func TestDelete(t *testing.T) {
	diga := clienttest.NewServer(t)
	key := diga.CreateKey()
	diga.Inject(clienttest.LoseResponse())
	result, err := diga.Client().DeleteAPIKey(t.Context(), key.ID)
	if err != nil || !result.Replayed || diga.Exists(key.ID) {
		t.Errorf("got %+v, %v", result, err)
	}
}
`
	if err := os.WriteFile(filepath.Join(dir, "main_test.go"), []byte(test), 0o644); err != nil {
		t.Fatal(err)
	}
	goCommand(t, dir, env, "test", ".")
}
