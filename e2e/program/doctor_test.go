package program_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// report is what doctor --json prints.
type report struct {
	OK    bool
	Build struct {
		Contract string `json:"contract_sha256"`
	}
	Generators map[string]string
	Settings   []setting
	Database   *struct {
		Engine   string
		Schema   int64 `json:"schema_version"`
		Head     int64 `json:"schema_head"`
		Settings map[string]string
	}
	Checks []struct {
		Name   string
		OK     bool
		Detail string
	}
}

type setting struct{ Name, Value, From string }

func doctor(t *testing.T, env []string, args ...string) (report, process.Outcome) {
	t.Helper()
	cmd := process.Command(t, append([]string{"doctor", "--json"}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	got := process.Run(t, cmd)
	var r report
	if err := json.Unmarshal([]byte(got.Stdout), &r); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	return r, got
}

// failed are the names of the checks that failed, with their details.
func (r report) failed() string {
	var failed []string
	for _, check := range r.Checks {
		if !check.OK {
			failed = append(failed, check.Name+": "+check.Detail)
		}
	}
	return strings.Join(failed, "\n")
}

func TestDoctor(t *testing.T) { testDoctor(t, "SQLite", process.SQLite(t)) }

// testDoctor examines a healthy server on the database at url.
func testDoctor(t *testing.T, engine, url string) {
	t.Helper()
	certificate, key, _ := process.Certificate(t)
	process.NewKey(t, url)
	r, got := doctor(t, []string{"DIGA_REQUEST_TIMEOUT=3s"}, "--database-url", url, "--tls-cert", certificate, "--tls-key", key, "--docs=false")
	if got.Status != 0 || !r.OK || r.failed() != "" {
		t.Fatalf("%+v", got)
	}
	var names []string
	for _, check := range r.Checks {
		names = append(names, check.Name)
	}
	if strings.Join(names, " ") != "settings contract certificate store schema durability clock" {
		t.Errorf("checks %v", names)
	}
	if len(r.Build.Contract) != 64 || r.Generators["github.com/oapi-codegen/oapi-codegen/v2"] == "" || r.Generators["github.com/getkin/kin-openapi"] == "" {
		t.Errorf("%+v %v", r.Build, r.Generators)
	}
	if r.Database == nil || !strings.HasPrefix(r.Database.Engine, engine+" ") || r.Database.Schema != r.Database.Head {
		t.Fatalf("database %+v", r.Database)
	}
	sure := map[string]map[string]string{
		"SQLite":     {"journal_mode": "wal", "synchronous": "full"},
		"PostgreSQL": {"synchronous_commit": "on", "in_recovery": "false"},
	}
	for name, want := range sure[engine] {
		if r.Database.Settings[name] != want {
			t.Errorf("%s is %q", name, r.Database.Settings[name])
		}
	}
	settings := make(map[string]setting)
	for _, s := range r.Settings {
		settings[s.Name] = s
	}
	for _, want := range []setting{
		{"request-timeout", "3s", "DIGA_REQUEST_TIMEOUT"}, {"docs", "false", "flag"}, {"addr", ":8080", "default"},
	} {
		if settings[want.Name] != want {
			t.Errorf("%+v, want %+v", settings[want.Name], want)
		}
	}
	people := process.Run(t, process.Command(t, "doctor", "--database-url", url))
	for _, part := range []string{"[+] durability", r.Build.Contract, engine, "max-connections"} {
		if people.Status != 0 || !strings.Contains(people.Stdout, part) {
			t.Errorf("no %s in %+v", part, people)
		}
	}
	for _, out := range []string{got.Stdout, people.Stdout} {
		if strings.Contains(out, "pa55-w0rd") {
			t.Errorf("the password is shown: %s", out)
		}
	}
}

// Each thing that can be wrong is found, named, and changes nothing.
func TestDoctorFindsWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	diary := filepath.Join(folder, "diary.txt")
	if err := os.WriteFile(diary, []byte(strings.Repeat("dear diary, ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	good := process.SQLite(t)
	process.NewKey(t, good)
	for name, test := range map[string]struct {
		args []string
		told []string
	}{
		"settings":     {[]string{"--database-url", good, "--addr", "nowhere", "--request-timeout", "soon"}, []string{"settings: ", "DIGA_ADDR", "DIGA_REQUEST_TIMEOUT"}},
		"no file":      {[]string{"--database-url", "sqlite:" + filepath.Join(folder, "new.db")}, []string{"schema: ", "diga-api migrate"}},
		"no database":  {[]string{"--database-url", "sqlite:" + diary}, []string{"store: ", "not a database"}},
		"no server":    {[]string{"--database-url", "postgres://diga:" + mark + "@127.0.0.1:1/keys"}, []string{"store: ", "connection refused"}},
		"no URL":       {[]string{"--database-url", "mysql://root:" + mark + "@db/keys"}, []string{"settings: ", "DIGA_DATABASE_URL"}},
		"certificate":  {[]string{"--database-url", good, "--tls-cert", diary, "--tls-key", diary}, []string{"certificate: "}},
		"lonely key":   {[]string{"--database-url", good, "--tls-key", diary}, []string{"settings: ", "DIGA_TLS_CERT"}},
		"two problems": {[]string{"--database-url", "sqlite:" + diary, "--drain-delay", "x"}, []string{"settings: ", "DIGA_DRAIN_DELAY", "store: "}},
	} {
		t.Run(name, func(t *testing.T) {
			r, got := doctor(t, nil, test.args...)
			if got.Status != 1 || r.OK {
				t.Errorf("exit status %d, OK %t", got.Status, r.OK)
			}
			for _, part := range test.told {
				if !strings.Contains(r.failed(), part) {
					t.Errorf("nothing of %q in\n%s", part, r.failed())
				}
			}
			reveal(t, "the report", got.Stdout+got.Stderr)
		})
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("it made %v", files)
	}
}
