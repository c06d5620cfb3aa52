//go:build proof

package program_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/server/apikey"
)

// awaitReady waits until the server is ready, without a restart.
func awaitReady(t *testing.T, s *process.Server) {
	t.Helper()
	process.Eventually(t, func() bool { status, _ := s.Get(t, "/readyz"); return status == http.StatusOK })
}

// PostgreSQL starts after the server: deletes then work without a restart, and the metrics of the pool appear.
func TestPostgresStartsLater(t *testing.T) {
	database := postgres.Start(t)
	url := database.Database(t)
	process.NewKey(t, url) // the schema is there
	caller, target := process.NewKey(t, url), process.NewKey(t, url)
	database.Stop(t)
	s := process.Launch(t, "--database-url", url)
	s.AwaitStart(t)
	if status := s.Delete(t, caller.Key, target.ID); status != http.StatusInternalServerError {
		t.Errorf("without a database: %d", status)
	}
	if status, body := s.Get(t, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("without a database: %d %s", status, body)
	}
	database.Start(t)
	awaitReady(t, s)
	if status := s.Delete(t, caller.Key, target.ID); status != http.StatusOK {
		t.Errorf("with the database: %d", status)
	}
	_, metrics := s.Get(t, "/metrics")
	for _, line := range []string{"diga_store_up 1\n", `diga_store_connections_open{pool="postgres"} `} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no %s", line)
		}
	}
	log, err := s.Stop(t, syscall.SIGTERM)
	if err != nil || !strings.Contains(log, `"msg":"store opened"`) || !strings.Contains(log, `"schema":`) {
		t.Errorf("%v\n%s", err, log)
	}
}

// The demo is printed once the database is there.
func TestDemoWhosePostgresStartsLater(t *testing.T) {
	database := postgres.Start(t)
	url := database.Database(t)
	database.Stop(t)
	s := process.Launch(t, "--database-url", url, "--demo")
	s.AwaitStart(t)
	database.Start(t)
	s.Await(t)
	if demo := strings.Join(s.Lines, "\n"); !strings.Contains(demo, "# 200: ") {
		t.Errorf("it prints\n%s", demo)
	}
}

// A migration that waits for the lock of another one does not keep the server from starting, or from stopping.
func TestMigrationWaitsForALock(t *testing.T) {
	url := postgres.Database(t)
	lock := func() (release func()) {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), `SELECT pg_advisory_lock(1684629345)`); err != nil { // "diga" in ASCII
			t.Fatal(err)
		}
		return func() { conn.Close(t.Context()) }
	}
	release := lock()
	stopped := process.Launch(t, "--database-url", url)
	stopped.AwaitStart(t)
	if status, body := process.Send(t, http.MethodDelete, stopped.API+"/v1/api_key/"+process.Project, apikey.NewSecret().Reveal()); status != http.StatusInternalServerError || body != declaredError {
		t.Errorf("during the migration: %d %s", status, body)
	}
	if log, err := stopped.Stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
	s := process.Launch(t, "--database-url", url)
	s.AwaitStart(t)
	release()
	awaitReady(t, s)
	if status := s.Delete(t, apikey.NewSecret().Reveal(), process.Project); status != http.StatusForbidden {
		t.Errorf("after the migration: %d", status)
	}
}

// What the operator has to fix ends the program at once, behind PgBouncer, too.
func TestStartThatCannotSucceed(t *testing.T) {
	server := postgres.Start(t, "fsync=off")
	right := server.Database(t)
	user := strings.Index(right, "diga:")
	pooled := server.Pooled(t, 2)
	wrongPassword := right[:user] + "diga:s3cret" + right[strings.IndexByte(right, '@'):]
	wrongUser := right[:user] + "nobody:s3cret" + right[strings.IndexByte(right, '@'):]
	wrongDatabase := strings.Replace(right, "diga_test_", "missing_", 1)
	for name, test := range map[string]struct {
		url, told string
		args      []string
		status    int
	}{
		"password":          {wrongPassword, "(SQLSTATE 28P01); check the user and the password", nil, 1},
		"password, pooler":  {pooled(wrongPassword), "(SQLSTATE 08P01); check the user and the password", nil, 1},
		"user":              {wrongUser, "(SQLSTATE 28P01); check the user and the password", nil, 1},
		"user, pooler":      {pooled(wrongUser), "(SQLSTATE 08P01); check the user and the password", nil, 1},
		"database":          {wrongDatabase, "(SQLSTATE 3D000); create the database", nil, 1},
		"database, pooler":  {pooled(wrongDatabase), "(SQLSTATE 08P01); create the database", nil, 1},
		"no schema":         {right, "diga-api migrate", []string{"--migrate=false"}, 1},
		"no schema, pooler": {pooled(right), "diga-api migrate", []string{"--migrate=false"}, 1},
		"wrong setting":     {"postgres://diga:s3cret@db/diga?sslmode=sometimes", "sslmode", nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := process.Run(t, process.Command(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--database-url", test.url}, test.args...)...))
			if got.Status != test.status || !strings.Contains(got.Stderr, test.told) || strings.Count(got.Stderr, "\n") != 1 || strings.Contains(got.Stderr, "s3cret") {
				t.Errorf("%+v", got)
			}
		})
	}
}
