package main

import (
	"bufio"
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
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program: a test that needs a real process runs it with DIGA_API_MAIN set.
func TestMain(m *testing.M) {
	if os.Getenv("DIGA_API_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command is the program, as a process of its own in an environment that sets only what lets many run at a time and
// stop without delay.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(cmd.Env, "DIGA_API_MAIN=1", "DIGA_ADMIN_ADDR=127.0.0.1:0", "DIGA_DRAIN_DELAY=0s")
	return cmd
}

// outcome is how a process ended.
type outcome struct {
	status         int
	stdout, stderr string
}

func finish(t testing.TB, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func database(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "keys.db") }

// serving is a process that serves.
type serving struct {
	*exec.Cmd
	base   string
	admin  string // empty when off
	stdout *bufio.Scanner
	lines  []string // of standard output up to the address
	stderr *bytes.Buffer
}

// serve starts the program and waits for the line with its address.
func serve(t testing.TB, args ...string) *serving {
	t.Helper()
	s := launch(t, args...)
	s.await(t)
	return s
}

// launch starts the program. At the end of the test it is killed, and what the race detector found there fails the test.
func launch(t testing.TB, args ...string) *serving {
	t.Helper()
	return boot(t, command(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...))
}

// boot is launch of a command whose environment the test has set.
func boot(t testing.TB, cmd *exec.Cmd) *serving {
	t.Helper()
	s := &serving{Cmd: cmd, stderr: new(bytes.Buffer)}
	s.Stderr = s.stderr
	s.begin(t)
	return s
}

func (s *serving) begin(t testing.TB) {
	t.Helper()
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Process.Kill()
		s.Wait()
		if strings.Contains(s.stderr.String(), "DATA RACE") {
			t.Error(s.stderr)
		}
	})
	s.stdout = bufio.NewScanner(stdout)
}

// await waits for the line with the address.
func (s *serving) await(t testing.TB) {
	t.Helper()
	for s.stdout.Scan() {
		s.lines = append(s.lines, s.stdout.Text())
		if base, ok := strings.CutPrefix(s.stdout.Text(), "serving on "); ok {
			s.base = base
			if !strings.Contains(strings.Join(s.Args, " "), "--admin-addr") && s.stdout.Scan() {
				s.admin = strings.TrimPrefix(s.stdout.Text(), "admin on ")
			}
			return
		}
	}
	s.Wait()
	t.Fatalf("it did not serve: %v\n%s", s.ProcessState, s.stderr)
}

// stop ends the process by signal and returns how it ended, with all it has written to standard error.
func (s *serving) stop(t testing.TB, signal os.Signal) (string, error) {
	t.Helper()
	if err := s.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	err := s.Wait()
	return s.stderr.String(), err
}

func (s *serving) delete(t testing.TB, secret, id string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.base+"/v1/api_key/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// created is what keys create --json prints.
type created struct {
	ID, Key, Name string
	ProjectID     string   `json:"project_id"`
	LastFour      string   `json:"last_four_digits"`
	Created       string   `json:"created_date"`
	Creator       string   `json:"creator_id"`
	Expiry        string   `json:"expiry_date"`
	Permissions   []string `json:"permissions"`
	Restricted    bool     `json:"restricted"`
}

const project = "0f8fad5b-d9cb-469f-a165-70867728950e"

func newKey(t testing.TB, database string, args ...string) created {
	t.Helper()
	got := finish(t, command(t, append([]string{"keys", "create", "--database-url", database, "--project", project, "--name", "test", "--json"}, args...)...))
	var key created
	if err := json.Unmarshal([]byte(got.stdout), &key); err != nil || got.status != 0 {
		t.Fatalf("%v: %+v", err, got)
	}
	return key
}

func TestKeysCreateServeAndList(t *testing.T) {
	database := database(t)
	admin := newKey(t, database)
	viewer := newKey(t, database, "--permission", "calls.view", "--permission", "agents.update", "--expires-at", "2999-01-01T00:00:00Z", "--creator", project)
	if !regexp.MustCompile(`^diga_[0-9a-f]{72}$`).MatchString(admin.Key) || admin.LastFour != admin.Key[len(admin.Key)-4:] || admin.Restricted || admin.Expiry != "" {
		t.Errorf("created %+v", admin)
	}
	if !viewer.Restricted || strings.Join(viewer.Permissions, " ") != "calls.view agents.update" || viewer.Expiry != "2999-01-01T00:00:00Z" || viewer.Creator != project {
		t.Errorf("created %+v", viewer)
	}

	s := serve(t, "--database-url", database)
	for _, step := range []struct {
		secret, id string
		status     int
	}{
		{viewer.Key, admin.ID, 403}, {admin.Key, "nope", 422}, {admin.Key, viewer.ID, 200}, {viewer.Key, viewer.ID, 403}, {admin.Key, viewer.ID, 404},
	} {
		if got := s.delete(t, step.secret, step.id); got != step.status {
			t.Errorf("delete %s answered %d, want %d", step.id, got, step.status)
		}
	}

	log, err := s.stop(t, syscall.SIGTERM)
	if err != nil {
		t.Error(err)
	}
	live := finish(t, command(t, "keys", "list", "--database-url", database, "--json"))
	all := finish(t, command(t, "keys", "list", "--database-url", database, "--project", project, "--deleted"))
	if live.status != 0 || !strings.Contains(live.stdout, admin.ID) || strings.Contains(live.stdout, viewer.ID) {
		t.Errorf("live keys: %+v", live)
	}
	if all.status != 0 || !strings.Contains(all.stdout, admin.ID) || !strings.Contains(all.stdout, "by "+admin.ID) {
		t.Errorf("all keys: %+v", all)
	}
	for _, out := range []string{live.stdout, all.stdout, log} {
		if strings.Contains(out, admin.Key) || strings.Contains(out, viewer.Key) {
			t.Errorf("a secret is shown again: %s", out)
		}
	}
}

// SIGTERM and SIGINT stop the program cleanly.
func TestSignalsStopIt(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		s := serve(t, "--database-url", database(t))
		if log, err := s.stop(t, signal); err != nil {
			t.Errorf("%s: %v\n%s", signal, err, log)
		}
	}
}

// The printed lines are run as a person would run them; a second start works as well.
func TestDemo(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is missing: apt-get install curl")
	}
	database := database(t)
	for range 2 {
		s := serve(t, "--demo", "--database-url", database)
		ran := 0
		for i, line := range s.lines {
			if !strings.HasPrefix(line, "curl ") {
				continue
			}
			ran++
			line = strings.Replace(line, "curl", curl+" -s", 1)
			out, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
			status := strings.TrimPrefix(s.lines[i-1], "# ")[:3]
			if err != nil || !strings.HasPrefix(string(out), "HTTP/1.1 "+status) {
				t.Errorf("%s\n%s\n%v %s", s.lines[i-1], line, err, out)
			}
		}
		if ran != 6 {
			t.Errorf("%d lines of curl in\n%s", ran, strings.Join(s.lines, "\n"))
		}
		s.stop(t, syscall.SIGTERM)
	}
	newKey(t, database)
	got := finish(t, command(t, "serve", "--addr", "127.0.0.1:0", "--demo", "--database-url", database))
	if got.status != 1 || !strings.Contains(got.stderr, "--demo needs a store") {
		t.Errorf("a demo among real keys: %+v", got)
	}
}

func TestWrongSettings(t *testing.T) {
	secret := "hunter2"
	for name, test := range map[string]struct {
		args, env []string
		told      []string
	}{
		"everything at once": {
			[]string{"serve", "--addr", "nowhere", "--request-timeout", "soon"},
			[]string{"DIGA_DATABASE_URL=mysql://root:" + secret + "@db/keys", "DIGA_DEMO=perhaps", "DIGA_LOG_LEVEL=loud", "DIGA_SHUTDOWN_TIMEOUT=-1s"},
			[]string{"DIGA_ADDR", "DIGA_REQUEST_TIMEOUT", "DIGA_DATABASE_URL", "DIGA_DEMO", "DIGA_LOG_LEVEL", "DIGA_SHUTDOWN_TIMEOUT"},
		},
		"port out of range": {[]string{"serve", "--addr", ":99999"}, nil, []string{"DIGA_ADDR"}},
		"unknown flag":      {[]string{"serve", "--port", "80"}, nil, []string{"--port"}},
		"unknown command":   {[]string{"destroy"}, nil, []string{"destroy"}},
		"no command":        {nil, nil, []string{"serve"}},
		"key": {
			[]string{"keys", "create", "--project", "p", "--permission", "all", "--expires-at", "2001-01-01T00:00:00Z", "--creator", "me"}, nil,
			[]string{"--project", "--name", "--permission", "--expires-at", "--creator"},
		},
		"list": {[]string{"keys", "list", "--project", "{" + project + "}"}, nil, []string{"--project"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := command(t, test.args...)
			cmd.Dir = t.TempDir()
			cmd.Env = append(cmd.Env, test.env...)
			got := finish(t, cmd)
			if got.status != 2 {
				t.Errorf("exit status %d", got.status)
			}
			for _, word := range test.told {
				if !strings.Contains(got.stderr, word) {
					t.Errorf("nothing of %s in\n%s", word, got.stderr)
				}
			}
			if strings.Contains(got.stderr+got.stdout, secret) {
				t.Errorf("the password is told:\n%s", got.stderr)
			}
			if files, _ := os.ReadDir(cmd.Dir); len(files) > 0 {
				t.Errorf("it made %v", files)
			}
		})
	}
}

// A file that cannot be the store is one clear sentence, exit status 1, and stays as it was.
func TestDatabaseFilesThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.txt")
	notes := []byte(strings.Repeat("dear diary, ", 1000))
	if err := os.WriteFile(file, notes, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"sqlite:" + file, "sqlite:" + filepath.Dir(file), "sqlite:" + file + "/x.db", "sqlite:/no/such/folder/x.db"} {
		got := finish(t, command(t, "serve", "--addr", "127.0.0.1:0", "--database-url", url))
		if got.status != 1 || strings.Count(strings.TrimSpace(got.stderr), "\n") != 0 {
			t.Errorf("%s: %+v", url, got)
		}
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, notes) {
		t.Error("the file is not what it was")
	}
}

func TestAddressInUse(t *testing.T) {
	first := serve(t, "--database-url", database(t))
	got := finish(t, command(t, "serve", "--addr", strings.TrimPrefix(first.base, "http://"), "--database-url", database(t)))
	if got.status != 1 || !strings.Contains(got.stderr, "address already in use") {
		t.Errorf("%+v", got)
	}
}

func TestVersionAndHelp(t *testing.T) {
	got := finish(t, command(t, "version", "--json"))
	var version build
	if err := json.Unmarshal([]byte(got.stdout), &version); err != nil || len(version.Contract) != 64 || version.Go == "" {
		t.Errorf("%v: %+v", err, got)
	}
	if got := finish(t, command(t, "version")); got.status != 0 || !strings.Contains(got.stdout, version.Contract) {
		t.Errorf("%+v", got)
	}
	if got := finish(t, command(t, "serve", "--help")); got.status != 0 || !strings.Contains(got.stdout, "$DIGA_ADDR") {
		t.Errorf("%+v", got)
	}
}

func TestMigrate(t *testing.T) {
	database := database(t)
	if got := finish(t, command(t, "serve", "--addr", "127.0.0.1:0", "--migrate=false", "--database-url", database)); got.status != 1 || !strings.Contains(got.stderr, "diga-api migrate") {
		t.Errorf("%+v", got)
	}
	for range 2 {
		if got := finish(t, command(t, "migrate", "--database-url", database)); got.status != 0 || got.stdout != "schema version 1\n" {
			t.Errorf("%+v", got)
		}
	}
	serve(t, "--migrate=false", "--database-url", database)
}

// run returns when its context ends, however early.
func TestRunHonoursItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--database-url", database(t)}, os.LookupEnv, io.Discard, io.Discard)
	if ctx.Err() == nil {
		t.Error("it returned before")
	}
}
