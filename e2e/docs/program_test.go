// Package docs_test holds the documents to the program: what their tables name exists, and what exists is in them. It
// knows the program only from outside, as the operators do who read them.
package docs_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var (
	folder string

	// build builds the program as it is released: without the race detector, which takes several times the memory.
	build = sync.OnceValues(func() (string, error) {
		path := filepath.Join(folder, "diga-api")
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", path, "../cmd/diga-api")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		return path, cmd.Run()
	})
)

func TestMain(m *testing.M) {
	made, err := os.MkdirTemp("", "diga-api-docs-")
	if err != nil {
		panic(err)
	}
	folder = made
	status := m.Run()
	os.RemoveAll(folder)
	os.Exit(status)
}

func program(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// command is the program in an environment without settings.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	cmd.Env = []string{}
	return cmd
}

// output is what a command prints that has to succeed.
func output(t testing.TB, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := command(t, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("diga-api %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// serving is a program that serves an embedded store.
type serving struct {
	*exec.Cmd
	api, admin string // the addresses, as URLs
	secret     string // of a key that may do everything in its project
	stderr     bytes.Buffer
}

func serve(t testing.TB, args ...string) *serving {
	t.Helper()
	database := "sqlite:" + filepath.Join(t.TempDir(), "keys.db")
	var key struct{ Key string }
	err := json.Unmarshal([]byte(output(t, "keys", "create", "--json", "--database-url", database,
		"--project", "0f8fad5b-d9cb-469f-a165-70867728950e", "--name", "test")), &key)
	if err != nil {
		t.Fatal(err)
	}
	s := &serving{secret: key.Key}
	s.Cmd = command(t, append([]string{"serve", "--database-url", database, "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"}, args...)...)
	s.Stderr = &s.stderr
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Process.Kill(); s.Wait() })
	for lines := bufio.NewScanner(stdout); s.api == "" || s.admin == ""; {
		if !lines.Scan() {
			s.Wait()
			t.Fatalf("it did not serve: %v\n%s", s.ProcessState, s.stderr.String())
		}
		if address, ok := strings.CutPrefix(lines.Text(), "serving on "); ok {
			s.api = address
		}
		if address, ok := strings.CutPrefix(lines.Text(), "admin on "); ok {
			s.admin = address
		}
	}
	return s
}
