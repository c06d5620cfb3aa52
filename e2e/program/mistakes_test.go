package program_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// mistake is a command line that fails. What it prints says what to do next.
type mistake struct {
	title  string
	env    []string
	args   []string
	change func(*exec.Cmd)
}

var requestID = regexp.MustCompile(`request [0-9a-f]{32}`)

// mistakesTranscript runs the mistakes and returns what people see. Each must fail with a message, which does not mention
// options of Go.
func mistakesTranscript(t *testing.T, mistakes []mistake) string {
	t.Helper()
	var text strings.Builder
	for _, m := range mistakes {
		cmd := process.Command(t, m.args...)
		cmd.Env = append(append(cmd.Env, "DIGA_LOG_FORMAT=text"), m.env...) // as on a terminal
		if m.change != nil {
			m.change(cmd)
		}
		got := process.Run(t, cmd)
		if got.Status == 0 || got.Stderr == "" {
			t.Errorf("%s: %+v", m.title, got)
		}
		if internal := regexp.MustCompile(`With[A-Z]\w+|DeleteAPIKey|diga client`).FindString(got.Stderr); internal != "" {
			t.Errorf("%s: people do not know %s: %s", m.title, internal, got.Stderr)
		}
		fmt.Fprintf(&text, "# %s\n", m.title)
		for _, variable := range m.env {
			fmt.Fprintf(&text, "%s ", variable)
		}
		fmt.Fprintf(&text, "diga-api %s\n%s%sexit status %d\n\n", strings.Join(m.args, " "), got.Stdout, got.Stderr, got.Status)
	}
	return requestID.ReplaceAllString(text.String(), "request ID")
}

func TestMistakes(t *testing.T) {
	database := process.SQLite(t)
	caller := process.NewKey(t, database)
	viewer := process.NewKey(t, database, "--permission", "calls.view")
	server := process.Serve(t, "--database-url", database)
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	nobody := refusing(t)
	readOnly := readOnlyStore(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.API, "http://"))

	withKey := []string{"DIGA_API_KEY=" + caller.Key}
	create := func(more ...string) []string {
		return append([]string{"keys", "create", "--database-url", database, "--name", "billing"}, more...)
	}
	text := mistakesTranscript(t, []mistake{
		{title: "wrong URL of the database", args: []string{"serve", "--database-url", "keys.db"}},
		{title: "wrong URL: no server there", env: withKey, args: []string{"delete", unknownID, "--base-url", "http://" + nobody}},
		{title: "wrong base URL: not the API", env: withKey, args: []string{"delete", unknownID, "--base-url", elsewhere.URL}},
		{title: "wrong base URL: with a part of the path", env: withKey, args: []string{"delete", unknownID, "--base-url", server.API + "/v1"}},
		{title: "wrong base URL: without http://", env: withKey, args: []string{"delete", unknownID, "--base-url", "127.0.0.1:8080"}},
		{title: "wrong base URL: plain http", env: withKey, args: []string{"delete", unknownID, "--base-url", "http://diga.example.com"}},
		{title: "missing permission", env: []string{"DIGA_API_KEY=" + viewer.Key}, args: []string{"delete", caller.ID, "--base-url", server.API}},
		{title: "missing key", args: []string{"delete", unknownID}},
		{title: "a key that is no good", env: []string{"DIGA_API_KEY=nobody"}, args: []string{"delete", unknownID, "--base-url", server.API}},
		{title: "an id that does not exist", env: withKey, args: []string{"delete", unknownID, "--base-url", server.API}},
		{title: "malformed id", env: withKey, args: []string{"delete", "billing", "--base-url", server.API}},
		{title: "malformed id of a key to revoke", args: []string{"keys", "revoke", "billing", "--database-url", database}},
		{title: "no id", env: withKey, args: []string{"delete"}},
		{title: "taken port", args: []string{"serve", "--addr", "127.0.0.1:" + port, "--database-url", database}},
		{title: "read-only file", args: []string{"serve", "--addr", "127.0.0.1:0", "--database-url", "sqlite:" + readOnly}, change: unprivileged(t, filepath.Dir(readOnly))},
		{title: "unknown flag", args: []string{"serve", "--port", "80"}},
		{title: "mistyped flag", args: []string{"keys", "list", "--jsn"}},
		{title: "flag without its value", args: []string{"keys", "create", "--name"}},
		{title: "flag without its value, before another", args: []string{"keys", "create", "--project", "--name", "billing"}},
		{title: "list without its values", args: []string{"keys", "create", "--permission"}},
		{title: "unknown command", args: []string{"serv"}},
		{title: "date in the past", args: create("--project", process.Project, "--expires-at", "2001-01-31T12:00:00Z")},
		{title: "missing project", args: create()},
		{title: "malformed project", args: create("--project", "billing")},
	})
	golden(t, "mistakes", text, database, "sqlite:/folder/keys.db", filepath.Dir(readOnly), "/folder", caller.Key, "diga_…",
		viewer.Key, "diga_…", caller.ID, "018fad5b-0000-4100-8000-000000000001", strings.TrimPrefix(server.API, "http://"),
		"127.0.0.1:8080", strings.TrimPrefix(elsewhere.URL, "http://"), "127.0.0.1:80", nobody, "127.0.0.1:8081")
}

// readOnlyStore returns the path of a store that the file permissions protect. Other accounts may enter its folder.
func readOnlyStore(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "diga-store-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	path := filepath.Join(folder, "keys.db")
	process.Output(t, "migrate", "--database-url", "sqlite:"+path)
	for name, mode := range map[string]os.FileMode{path: 0o444, folder: 0o755} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// unprivileged returns a function that has a command run as a user whom file permissions bind, which they do not bind root.
// The program is copied to folder, which that user may enter.
func unprivileged(t *testing.T, folder string) func(*exec.Cmd) {
	t.Helper()
	return func(cmd *exec.Cmd) {
		if os.Geteuid() != 0 {
			return
		}
		program, err := os.ReadFile(cmd.Path)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path = filepath.Join(folder, "diga-api")
		if err := os.WriteFile(cmd.Path, program, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}}
		if os.Getenv("GOCOVERDIR") != "" {
			coverage := filepath.Join(folder, "coverage")
			if err := os.Mkdir(coverage, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(coverage, 65534, 65534); err != nil {
				t.Fatal(err)
			}
			cmd.Env = append(cmd.Env, "GOCOVERDIR="+coverage)
		}
	}
}

// With --json every error is one JSON object on standard output, also that of an invalid command line.
func TestErrorsAsJSON(t *testing.T) {
	database := process.SQLite(t)
	process.NewKey(t, database)
	for _, test := range []struct {
		args, env []string
		status    int
		kind      string
		objects   int
	}{
		{[]string{"delete", "--json"}, nil, 2, "usage", 1},
		{[]string{"delete", "--json", unknownID}, nil, 2, "usage", 1},
		{[]string{"delete", unknownID, "--base-url", "127.0.0.1:8080", "--json"}, []string{"DIGA_API_KEY=x"}, 2, "usage", 1},
		{[]string{"delete", unknownID, "--json", "--api-key", "x"}, nil, 2, "usage", 1},
		{[]string{"keys", "list", "--json", "--project", "x", "--database-url", database}, nil, 2, "usage", 1},
		{[]string{"keys", "list", "--json", "--database-url", "sqlite:/no/such/folder/keys.db"}, nil, 1, "failure", 1},
		{[]string{"keys", "list", "--all"}, []string{"DIGA_JSON=true"}, 2, "usage", 1},
		{[]string{"keys", "create", "--json", "--database-url", database}, nil, 2, "usage", 1},
		{[]string{"keys", "revoke", "--json", "x", "--database-url", database}, nil, 5, "invalid", 1},
		{[]string{"keys", "revoke", "--json", unknownID, strings.Replace(unknownID, "0", "1", 1), "--database-url", database}, nil, 3, "not_found", 2},
		{[]string{"keys", "rotate", "--json", unknownID, "--database-url", database}, nil, 3, "not_found", 1},
		{[]string{"keys", "purge", "--json", "--database-url", database}, nil, 2, "usage", 1},
		{[]string{"doctor", "--json", "--addr", "nowhere"}, nil, 1, "", 1}, // the report
		{[]string{"version", "--jsn"}, []string{"DIGA_JSON=1"}, 2, "usage", 1},
		{[]string{"serve", "--addr", "nowhere"}, []string{"DIGA_JSON=1"}, 2, "", 0}, // serve has no --json
		{[]string{"delete", "--", "--json"}, nil, 2, "", 0},                         // an argument
	} {
		cmd := process.Command(t, test.args...)
		cmd.Env = append(cmd.Env, test.env...)
		got := process.Run(t, cmd)
		if got.Status != test.status || got.Stderr == "" {
			t.Errorf("%s: %+v", test.args, got)
		}
		decoder := json.NewDecoder(strings.NewReader(got.Stdout))
		objects := 0
		for decoder.More() {
			var printed struct{ Error, Message string }
			if err := decoder.Decode(&printed); err != nil || printed.Error != test.kind || (printed.Message == "") != (test.kind == "") {
				t.Errorf("%s: %v: %+v", test.args, err, got)
				break
			}
			objects++
		}
		if objects != test.objects {
			t.Errorf("%s: %d objects: %+v", test.args, objects, got)
		}
	}
}
