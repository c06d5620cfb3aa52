//go:build proof

package deploy_test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
)

// psql runs the SQL in files on the database, as the image of PostgreSQL runs those of /docker-entrypoint-initdb.d.
func psql(t *testing.T, database string, files ...string) (string, error) {
	t.Helper()
	args := []string{"--no-psqlrc", "--set=ON_ERROR_STOP=1", database}
	for _, file := range files {
		args = append(args, "--file="+file)
	}
	out, err := exec.CommandContext(t.Context(), "psql", args...).CombinedOutput()
	return string(out), err
}

// The roles of deploy/postgres/roles.sql, with the passwords that deploy/compose.yaml gives them, are enough to migrate and
// to serve. e2e/program has what they may not do.
func TestRoles(t *testing.T) {
	admin := postgres.Start(t).Database(t)
	parsed, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	secrets := t.TempDir()
	urls := make(map[string]string)
	for _, role := range []string{"diga_owner", "diga_server"} {
		file := filepath.Join(secrets, role)
		if err := os.WriteFile(file, []byte("*:*:*:"+role+":the secret of "+role+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		own := *parsed
		own.User = url.User(role)
		query := own.Query()
		query.Set("passfile", file)
		own.RawQuery = query.Encode()
		urls[role] = own.String()
	}
	passwords := filepath.Join(secrets, "passwords.sql")
	content := strings.ReplaceAll(compose(t).Configs["passwords"].Content, "/run/secrets", secrets)
	if err := os.WriteFile(passwords, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := psql(t, admin, folder+"/postgres/roles.sql", passwords); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	if out, err := run(t, "migrate", "--database-url", urls["diga_server"]); err == nil || !strings.Contains(out, "permission denied") {
		t.Errorf("the role that serves migrates: %s", out)
	}
	if out, err := run(t, "migrate", "--database-url", urls["diga_owner"]); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	key := newKey(t, urls["diga_owner"])
	if out, err := run(t, "keys", "create", "--project", process.Project, "--name", "x", "--database-url", urls["diga_server"]); err == nil {
		t.Errorf("the role that serves creates a key: %s", out)
	}
	if out, err := run(t, "doctor", "--migrate=false", "--database-url", urls["diga_server"]); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	server := serve(t, "DIGA_MIGRATE=false", "DIGA_DATABASE_URL="+urls["diga_server"])
	if status, body := server.Get(t, "/readyz"); status != 200 {
		t.Errorf("not ready: %s", body)
	}
	for _, want := range []int{200, 403} {
		if got := server.Delete(t, key.Key, key.ID); got != want {
			t.Errorf("answered %d, want %d", got, want)
		}
	}
}

// newKey creates a key that may do everything in its project.
func newKey(t *testing.T, database string) process.Key {
	t.Helper()
	out, err := run(t, "keys", "create", "--json", "--project", process.Project, "--name", "test", "--database-url", database)
	var key process.Key
	if err != nil || json.Unmarshal([]byte(out[strings.IndexByte(out, '{'):]), &key) != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return key
}
