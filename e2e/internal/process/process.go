// Package process builds the program and runs it as operators do: as a process, with flags, environment variables and
// signals, over HTTP. All tests of the built program use it.
package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Root is the repository. Test packages are folders of e2e, and tests run in the folder of their package.
const Root = "../.."

var (
	folder string // of the built programs

	debug   = sync.OnceValues(func() (string, error) { return build("diga-api", debugFlags()...) })
	release = sync.OnceValues(func() (string, error) { return build("release", "-trimpath", "-ldflags", "-s -w") })
)

// debugFlags has the program watched by the race detector if the test is, and its coverage recorded if GOCOVERDIR says
// where to.
func debugFlags() (flags []string) {
	if raceEnabled {
		flags = append(flags, "-race")
	}
	if os.Getenv("GOCOVERDIR") != "" {
		flags = append(flags, "-cover", "-coverpkg=github.com/diga-io/diga-api/...")
	}
	return flags
}

func build(name string, flags ...string) (string, error) {
	path := filepath.Join(folder, name)
	cmd := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-o", path}, flags...), "./cmd/diga-api")...)
	cmd.Dir = Root
	if name == "release" {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
}

// Main is the TestMain of a package that runs the program. The program is built once, by the first test that needs it.
func Main(m *testing.M) {
	made, err := os.MkdirTemp("", "diga-api-e2e-")
	if err != nil {
		panic(err)
	}
	folder = made
	status := m.Run()
	os.RemoveAll(folder)
	os.Exit(status)
}

// Program returns the path of the program.
func Program(t testing.TB) string {
	t.Helper()
	return must(t, debug)
}

// Release returns the path of the program built as for a release: without the race detector, static and stripped.
func Release(t testing.TB) string {
	t.Helper()
	return must(t, release)
}

func must(t testing.TB, build func() (string, error)) string {
	t.Helper()
	if folder == "" {
		t.Fatal("the package has no TestMain that calls process.Main")
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Command returns a command that runs the program. Its environment contains only what lets several servers run at the
// same time and stop without delay.
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Program(t), args...)
	cmd.Env = []string{"DIGA_ADMIN_ADDR=127.0.0.1:0", "DIGA_DRAIN_DELAY=0s"}
	if coverage := os.Getenv("GOCOVERDIR"); coverage != "" {
		cmd.Env = append(cmd.Env, "GOCOVERDIR="+coverage)
	}
	return cmd
}

// GoMemory are the settings of Go's garbage collector in deploy/, for a server of 1024 connections. "Sizing" in
// docs/operations.md explains them.
var GoMemory = []string{"GOMEMLIMIT=290MiB", "GOGC=400"}

// Outcome is how a process ended.
type Outcome struct {
	Status         int
	Stdout, Stderr string
}

// Run runs cmd until it ends.
func Run(t testing.TB, cmd *exec.Cmd) Outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return Outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// Output runs the program with args, which must succeed, and returns its standard output.
func Output(t testing.TB, args ...string) string {
	t.Helper()
	got := Run(t, Command(t, args...))
	if got.Status != 0 {
		t.Fatalf("diga-api %s: %+v", strings.Join(args, " "), got)
	}
	return got.Stdout
}

// SQLite returns the URL of a new SQLite database, removed at the end of the test.
func SQLite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "keys.db") }

// Project is the project of the keys that NewKey creates.
const Project = "0f8fad5b-d9cb-469f-a165-70867728950e"

// Key is what keys create --json prints.
type Key struct {
	ID, Key, Name string
	ProjectID     string   `json:"project_id"`
	LastFour      string   `json:"last_four_digits"`
	Created       string   `json:"created_date"`
	Creator       string   `json:"creator_id"`
	Expiry        string   `json:"expiry_date"`
	Permissions   []string `json:"permissions"`
	Restricted    bool     `json:"restricted"`
}

var migrated sync.Map // the databases that NewKey has migrated

// NewKey creates a key in the database, and before the first one the schema.
func NewKey(t testing.TB, database string, args ...string) Key {
	t.Helper()
	if _, done := migrated.LoadOrStore(database, true); !done {
		Output(t, "migrate", "--database-url", database)
	}
	var key Key
	text := Output(t, append([]string{"keys", "create", "--database-url", database, "--project", Project, "--name", "test", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(text), &key); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return key
}

// Server is a process that serves.
type Server struct {
	*exec.Cmd
	API   string   // the base URL
	Admin string   // the base URL of the admin listener, empty when it is off
	Lines []string // of standard output, up to when it was ready
	Log   *Log     // standard error, complete once the process has ended

	stdout string // the file of standard output
	ended  chan struct{}
	err    error // of Cmd.Wait
}

// Serve starts a server and waits until it is ready.
func Serve(t testing.TB, args ...string) *Server {
	t.Helper()
	s := Launch(t, args...)
	s.Await(t)
	return s
}

// Launch starts a server without waiting for it.
func Launch(t testing.TB, args ...string) *Server {
	t.Helper()
	return Start(t, Command(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...))
}

// Start starts cmd, a server. At the end of the test it is killed; a report of the race detector fails the test.
func Start(t testing.TB, cmd *exec.Cmd) *Server {
	t.Helper()
	s := &Server{Cmd: cmd, Log: &Log{started: make(chan struct{})}, ended: make(chan struct{})}
	cmd.Stderr = s.Log
	// A file has what the server wrote as soon as it has written it, which a pipe has not.
	stdout, err := os.CreateTemp(t.TempDir(), "stdout")
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	cmd.Stdout, s.stdout = stdout, stdout.Name()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		s.Wait()
		if strings.Contains(s.Log.String(), "DATA RACE") {
			t.Error(s.Log)
		}
	})
	return s
}

// Wait waits until the process has ended, and returns how.
func (s *Server) Wait() error {
	<-s.ended
	return s.err
}

// AwaitStart waits until the server listens. Its store need not be open yet.
func (s *Server) AwaitStart(t testing.TB) {
	t.Helper()
	select {
	case <-s.Log.started:
	case <-s.ended:
		t.Fatalf("it did not serve: %v\n%s", s.ProcessState, s.Log)
	case <-time.After(time.Minute):
		t.Fatalf("it does not serve\n%s", s.Log)
	}
	s.API, s.Admin = s.Log.api, s.Log.admin
}

// Await waits until the server is ready.
func (s *Server) Await(t testing.TB) {
	t.Helper()
	s.AwaitStart(t)
	if s.Admin != "" {
		Eventually(t, func() bool {
			status, _, err := Get(t.Context(), s.Admin+"/readyz")
			if err != nil {
				t.Fatalf("it is not ready: %v\n%s", err, s.Log)
			}
			return status == http.StatusOK
		})
	}
	written, err := os.ReadFile(s.stdout)
	if err != nil {
		t.Fatal(err)
	}
	s.Lines = strings.Split(strings.TrimSuffix(string(written), "\n"), "\n")
}

// Stop ends the process by signal and returns its log and how it ended. It kills a process that ignores the signal.
func (s *Server) Stop(t testing.TB, signal os.Signal) (string, error) {
	t.Helper()
	defer time.AfterFunc(time.Minute, func() { _ = s.Process.Kill() }).Stop()
	if err := s.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	err := s.Wait()
	return s.Log.String(), err
}

// Log collects what a server logs, and finds its addresses.
type Log struct {
	mutex   sync.Mutex
	text    bytes.Buffer
	started chan struct{} // closed after the line "started"

	api, admin string // valid once started is closed
}

var (
	startedLine = regexp.MustCompile(`(?m)^(?:.*"msg":"|\S+ INFO +)started\b.*\n`)
	addrField   = regexp.MustCompile(`\baddr"?[:=]"?([^"\s,]+)`)
	adminField  = regexp.MustCompile(`\badmin_addr"?[:=]"?([^"\s,]+)`)
	tlsField    = regexp.MustCompile(`\btls"?[:=]true\b`)
)

// Write implements io.Writer.
func (l *Log) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	n, err := l.text.Write(text)
	if l.api != "" {
		return n, err
	}
	line := startedLine.Find(l.text.Bytes())
	if line == nil {
		return n, err
	}
	if found := addrField.FindSubmatch(line); found != nil {
		l.api = "http://" + string(found[1])
		if tlsField.Match(line) {
			l.api = "https://" + string(found[1])
		}
		if found := adminField.FindSubmatch(line); found != nil {
			l.admin = "http://" + string(found[1])
		}
		close(l.started)
	}
	return n, err
}

// String returns what was logged so far.
func (l *Log) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// Delete asks the server to delete the key id and returns the status.
func (s *Server) Delete(t testing.TB, secret, id string) int {
	t.Helper()
	status, _ := Send(t, http.MethodDelete, s.API+"/v1/api_key/"+id, secret)
	return status
}

// Send sends a request with secret as bearer token and returns status and body of the response.
func Send(t testing.TB, method, url, secret string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// Get asks the admin listener.
func (s *Server) Get(t testing.TB, path string) (int, string) {
	t.Helper()
	status, body, err := Get(t.Context(), s.Admin+path)
	if err != nil {
		t.Fatal(err)
	}
	return status, body
}

// Get returns status and body of the response to a GET.
func Get(ctx context.Context, url string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// Eventually waits until happened returns true.
func Eventually(t testing.TB, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !happened() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen")
		}
	}
}
