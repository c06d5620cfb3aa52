package program_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/server/store"
)

func TestMain(m *testing.M) { process.Main(m) }

func TestKeysCreateServeAndList(t *testing.T) {
	database := process.SQLite(t)
	admin := process.NewKey(t, database)
	viewer := process.NewKey(t, database, "--permission", "calls.view", "--permission", "agents.update", "--expires-at", "2999-01-01T00:00:00Z", "--creator", process.Project)
	if !regexp.MustCompile(`^diga_[0-9a-f]{72}$`).MatchString(admin.Key) || admin.LastFour != admin.Key[len(admin.Key)-4:] || admin.Restricted || admin.Expiry != "" {
		t.Errorf("created %+v", admin)
	}
	if !viewer.Restricted || strings.Join(viewer.Permissions, " ") != "calls.view agents.update" || viewer.Expiry != "2999-01-01T00:00:00Z" || viewer.Creator != process.Project {
		t.Errorf("created %+v", viewer)
	}

	s := process.Serve(t, "--database-url", database)
	for _, step := range []struct {
		secret, id string
		status     int
	}{
		{viewer.Key, admin.ID, 403}, {admin.Key, "nope", 422}, {admin.Key, viewer.ID, 200}, {viewer.Key, viewer.ID, 403}, {admin.Key, viewer.ID, 404},
	} {
		if got := s.Delete(t, step.secret, step.id); got != step.status {
			t.Errorf("delete %s answered %d, want %d", step.id, got, step.status)
		}
	}

	log, err := s.Stop(t, syscall.SIGTERM)
	if err != nil {
		t.Error(err)
	}
	live := process.Run(t, process.Command(t, "keys", "list", "--database-url", database, "--json"))
	all := process.Run(t, process.Command(t, "keys", "list", "--database-url", database, "--project", process.Project, "--deleted"))
	if live.Status != 0 || !strings.Contains(live.Stdout, admin.ID) || strings.Contains(live.Stdout, viewer.ID) {
		t.Errorf("live keys: %+v", live)
	}
	if all.Status != 0 || !strings.Contains(all.Stdout, admin.ID) || !strings.Contains(all.Stdout, "\t"+admin.ID+"\t") {
		t.Errorf("all keys: %+v", all)
	}
	for _, out := range []string{live.Stdout, all.Stdout, log} {
		if strings.Contains(out, admin.Key) || strings.Contains(out, viewer.Key) {
			t.Errorf("a secret is shown again: %s", out)
		}
	}
}

// SIGTERM, SIGINT and SIGHUP, as from a terminal that is closed, stop the program cleanly.
func TestSignalsStopIt(t *testing.T) {
	// A program inherits that its parent ignores SIGHUP, as these tests do under nohup, but not that its parent handles it.
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, syscall.SIGHUP)
	defer signal.Stop(handled)
	for _, stop := range []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGHUP} {
		s := process.Serve(t, "--database-url", process.SQLite(t))
		if log, err := s.Stop(t, stop); err != nil {
			t.Errorf("%s: %v\n%s", stop, err, log)
		}
	}
}

// The requests of the printed lines get the printed status. A second start works as well.
func TestDemo(t *testing.T) {
	curl := regexp.MustCompile(`^curl -i -X DELETE(?: -H 'Authorization: (\S+ \S+)')? (\S+)$`)
	database := process.SQLite(t)
	testDemo(t, database, func(line string) string {
		found := curl.FindStringSubmatch(line)
		if found == nil {
			t.Fatalf("not understood: %s", line)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, found[2], nil)
		if err != nil {
			t.Fatal(err)
		}
		if found[1] != "" {
			request.Header.Set("Authorization", found[1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.Proto + " " + response.Status
	})
	process.NewKey(t, database)
	got := process.Run(t, process.Command(t, "serve", "--addr", "127.0.0.1:0", "--demo", "--database-url", database))
	if got.Status != 1 || !strings.Contains(got.Stderr, "--demo needs a store") {
		t.Errorf("a demo among real keys: %+v", got)
	}
}

// testDemo starts a demo on the database twice. send does what a line says and returns the beginning of the response.
func testDemo(t *testing.T, database string, send func(line string) string) {
	t.Helper()
	for range 2 {
		s := process.Serve(t, "--demo", "--database-url", database)
		sent := 0
		for i, line := range s.Lines {
			if strings.HasPrefix(line, "curl ") {
				sent++
				status := strings.TrimPrefix(s.Lines[i-1], "# ")[:3]
				if got := send(line); !strings.HasPrefix(got, "HTTP/1.1 "+status) {
					t.Errorf("%s\n%s\n%s", s.Lines[i-1], line, got)
				}
			}
		}
		if sent != 6 {
			t.Errorf("%d lines of curl in\n%s", sent, strings.Join(s.Lines, "\n"))
		}
		s.Stop(t, syscall.SIGTERM)
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
		"key": {
			[]string{"keys", "create", "--project", "p", "--permission", "all", "--expires-at", "2001-01-01T00:00:00Z", "--creator", "me"}, nil,
			[]string{"--project", "--name", "--permission", "--expires-at", "--creator"},
		},
		"list": {[]string{"keys", "list", "--project", "{" + process.Project + "}"}, nil, []string{"--project"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := process.Command(t, test.args...)
			cmd.Dir = t.TempDir()
			cmd.Env = append(cmd.Env, test.env...)
			got := process.Run(t, cmd)
			if got.Status != 2 {
				t.Errorf("exit status %d", got.Status)
			}
			for _, word := range test.told {
				if !strings.Contains(got.Stderr, word) {
					t.Errorf("nothing of %s in\n%s", word, got.Stderr)
				}
			}
			if strings.Contains(got.Stderr+got.Stdout, secret) {
				t.Errorf("the password is told:\n%s", got.Stderr)
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
		got := process.Run(t, process.Command(t, "serve", "--addr", "127.0.0.1:0", "--database-url", url))
		if got.Status != 1 || strings.Count(strings.TrimSpace(got.Stderr), "\n") != 0 {
			t.Errorf("%s: %+v", url, got)
		}
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, notes) {
		t.Error("the file is not what it was")
	}
}

func TestAddressInUse(t *testing.T) {
	first := process.Serve(t, "--database-url", process.SQLite(t))
	got := process.Run(t, process.Command(t, "serve", "--addr", strings.TrimPrefix(first.API, "http://"), "--database-url", process.SQLite(t)))
	if got.Status != 1 || !strings.Contains(got.Stderr, "--addr") || !strings.Contains(got.Stderr, "address already in use") {
		t.Errorf("%+v", got)
	}
}

func TestVersionAndHelp(t *testing.T) {
	got := process.Run(t, process.Command(t, "version", "--json"))
	var version struct {
		Contract string `json:"contract_sha256"`
		Go       string
	}
	if err := json.Unmarshal([]byte(got.Stdout), &version); err != nil || len(version.Contract) != 64 || version.Go == "" {
		t.Errorf("%v: %+v", err, got)
	}
	if got := process.Run(t, process.Command(t, "version")); got.Status != 0 || !strings.Contains(got.Stdout, version.Contract) {
		t.Errorf("%+v", got)
	}
	if got := process.Run(t, process.Command(t, "serve", "--help")); got.Status != 0 || !strings.Contains(got.Stdout, "$DIGA_ADDR") {
		t.Errorf("%+v", got)
	}
}

func TestMigrate(t *testing.T) {
	database := process.SQLite(t)
	if got := process.Run(t, process.Command(t, "serve", "--addr", "127.0.0.1:0", "--migrate=false", "--database-url", database)); got.Status != 1 || !strings.Contains(got.Stderr, "diga-api migrate") {
		t.Errorf("%+v", got)
	}
	for range 2 {
		if got := process.Run(t, process.Command(t, "migrate", "--database-url", database)); got.Status != 0 || got.Stdout != fmt.Sprintf("%s: schema version %d\n", database, store.Head) {
			t.Errorf("%+v", got)
		}
	}
	process.Serve(t, "--migrate=false", "--database-url", database)
}

// transcript runs each command line in folder and returns what a terminal would show, with standard output before standard
// error, and the exit status.
func transcript(t *testing.T, folder string, env []string, lines ...[]string) string {
	t.Helper()
	var text strings.Builder
	for _, args := range lines {
		cmd := process.Command(t, args...)
		cmd.Dir, cmd.Env = folder, append(cmd.Env, env...)
		got := process.Run(t, cmd)
		fmt.Fprintf(&text, "$ diga-api %s\n%s%sexit status %d\n\n", strings.Join(args, " "), got.Stdout, got.Stderr, got.Status)
	}
	return text.String()
}

// A key in a store that no server uses works nowhere, so only serve and migrate create a store.
func TestCommandsThatManageAStoreCreateNone(t *testing.T) {
	folder := t.TempDir()
	create := []string{"keys", "create", "--project", process.Project, "--name", "billing"}
	printed := transcript(t, folder, nil,
		create,
		append(create, "--database-url", "sqlite:mistyped.db"),
		[]string{"keys", "list"},
		[]string{"keys", "list", "--database-url", "sqlite:mistyped.db", "--json"},
		[]string{"backup", "--database-url", "sqlite:mistyped.db", "backup.db"},
		[]string{"migrate", "--from", "sqlite:mistyped.db", "--to", "sqlite:target.db"},
	)
	if err := os.WriteFile(filepath.Join(folder, "empty.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	printed += transcript(t, folder, nil, append(create, "--database-url", "sqlite:empty.db"))
	golden(t, "no_store", printed, folder, "/folder")
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("it made %v", files)
	}
}

func TestPermissions(t *testing.T) {
	database := process.SQLite(t)
	process.Output(t, "migrate", "--database-url", database)
	create := func(permissions ...string) []string {
		args := []string{"keys", "create", "--project", process.Project, "--name", "billing"}
		for _, permission := range permissions {
			args = append(args, "--permission", permission)
		}
		return args
	}
	printed := transcript(t, t.TempDir(), []string{"DIGA_DATABASE_URL=" + database},
		create("api_key.delete"), create("api-keys.delete", "calls.view"), create("API_KEYS.DELETE"), create("everything"),
		create("api_keys.delete"), create("api_keys.delete", "calls.view", "api_keys.view"))
	printed = regexp.MustCompile(`(?m)^id       .*\nkey .*$`).ReplaceAllString(printed, "id       ID\nkey      KEY")
	golden(t, "permissions", printed, database, "sqlite:/folder/keys.db")
}
