//go:build proof

package program_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// TestServingRole runs deploy/postgres/roles.sql in an empty database and in one that another role has migrated. The server works
// with the role that cannot change the schema, also after the next release has migrated.
func TestServingRole(t *testing.T) {
	next := nextRelease(t, 1)
	for _, migrated := range []bool{false, true} {
		name := map[bool]string{false: "empty database", true: "migrated database"}[migrated]
		t.Run(name, func(t *testing.T) { testServingRole(t, migrated, next) })
	}
}

func testServingRole(t *testing.T, migrated bool, next string) {
	database := postgres.Start(t, "fsync=off").Database(t)
	superuser := storetest.Connect(t, database)
	must := func(statements string) {
		t.Helper()
		if _, err := superuser.ExecContext(t.Context(), statements); err != nil {
			t.Fatalf("%s: %v", statements, err)
		}
	}
	run := func(program, database string, args ...string) process.Outcome {
		t.Helper()
		cmd := process.Command(t, append(args, "--database-url", database)...)
		cmd.Path = program
		return process.Run(t, cmd)
	}
	must(`CREATE TABLE invoices (amount int)`)
	if migrated {
		process.Output(t, "migrate", "--database-url", database)
	}
	statements, err := os.ReadFile(filepath.Join(process.Root, "deploy/postgres/roles.sql"))
	if err != nil {
		t.Fatal(err)
	}
	must(string(statements))
	as := func(role string) string {
		must(`ALTER ROLE ` + role + ` PASSWORD '` + role + `'`)
		parsed, err := url.Parse(database)
		if err != nil {
			t.Fatal(err)
		}
		parsed.User = url.UserPassword(role, role)
		return parsed.String()
	}
	owner, server := as("diga_owner"), as("diga_server")
	present := process.Program(t)

	if !migrated {
		got := run(present, server, "migrate")
		if got.Status != 1 || !strings.Contains(got.Stderr, "permission denied for schema public (SQLSTATE 42501); run `diga-api migrate` as the role that owns the tables") {
			t.Errorf("migrate as the role that serves: %+v", got)
		}
	}
	process.Output(t, "migrate", "--database-url", owner)
	admin := process.NewKey(t, owner)

	serving := storetest.Connect(t, server)
	works := func(args ...string) {
		t.Helper()
		running := process.Serve(t, append(args, "--database-url", server)...)
		key := process.NewKey(t, owner)
		if status := running.Delete(t, admin.Key, key.ID); status != http.StatusOK {
			t.Errorf("answered %d", status)
		}
		if status := running.Delete(t, key.Key, admin.ID); status != http.StatusForbidden {
			t.Errorf("with the deleted key: answered %d", status)
		}
		if status, body := running.Get(t, "/readyz"); status != http.StatusOK {
			t.Errorf("not ready: %s", body)
		}
	}
	works("--migrate=false")
	works() // there is nothing to migrate
	leaked := process.NewKey(t, owner)
	process.Output(t, "keys", "revoke", leaked.ID, "--database-url", server)
	if got := run(present, server, "keys", "create", "--project", process.Project, "--name", "test"); got.Status != 1 || !strings.Contains(got.Stderr, "permission denied for table api_keys") {
		t.Errorf("keys create as the role that serves: %+v", got)
	}
	for _, statement := range []string{
		`ALTER TABLE api_keys ADD COLUMN mine text`,
		`DROP TABLE api_keys`,
		`TRUNCATE api_keys`,
		`DELETE FROM api_keys`,
		`INSERT INTO api_keys SELECT * FROM api_keys`,
		`CREATE INDEX ON api_keys (name)`,
		`CREATE TRIGGER mine BEFORE UPDATE ON api_keys EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
		`CREATE TABLE mine (id int)`,
		`CREATE TEMPORARY TABLE mine (id int)`,
		`CREATE SCHEMA mine`,
		`SELECT * FROM invoices`,
		`SELECT * FROM pg_authid`,
		`SET ROLE diga_owner`,
	} {
		_, err := serving.ExecContext(t.Context(), statement)
		if err == nil || !strings.Contains(err.Error(), "42501") { // insufficient_privilege
			t.Errorf("%s: %v, want 42501", statement, err)
		}
	}

	if got := run(next, server, "migrate"); got.Status != 1 || !strings.Contains(got.Stderr, "must be owner of table api_keys (SQLSTATE 42501); run `diga-api migrate` as the role that owns the tables") {
		t.Errorf("the next release as the role that serves: %+v", got)
	}
	if got := run(next, owner, "migrate"); got.Status != 0 {
		t.Fatalf("%+v", got)
	}
	works("--migrate=false")
	if _, err := serving.ExecContext(t.Context(), fmt.Sprintf(`SELECT * FROM release_%d`, store.Head+1)); err != nil {
		t.Errorf("the table of a later migration: %v", err)
	}
}
