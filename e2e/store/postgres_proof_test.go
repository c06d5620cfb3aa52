//go:build proof

// Package store_test holds the store on PostgreSQL to what server/store holds it to on SQLite, and to what only a server
// can do: stop, hang, fail over.
package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

func newerSchema(t *testing.T, db *sql.DB) {
	t.Helper()
	storetest.Exec(t, db, `INSERT INTO diga_schema_version (version_id, is_applied) VALUES ($1, $2)`, store.Head+1, true)
}

func TestPostgres(t *testing.T) { storetest.RunEngine(t, postgres.Database) }

// TestBackupRefused shows that PostgreSQL has a tool of its own for backups.
func TestBackupRefused(t *testing.T) {
	err := storetest.Open(t, postgres.Database(t)).Backup(t.Context(), filepath.Join(t.TempDir(), "copy"), nil)
	if err == nil || !strings.Contains(err.Error(), "pg_dump") {
		t.Errorf("of PostgreSQL: %v, want the name of the tool for it", err)
	}
}

func password(t *testing.T, text string) string {
	t.Helper()
	parsed, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := parsed.User.Password()
	return password
}

func TestPostgresManyServersOnAnEmptyDatabase(t *testing.T) {
	url := postgres.Database(t)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), url, store.Options{Migrate: true})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.CheckWritable(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	storetest.CheckMigratedOnce(t, storetest.Connect(t, url))
}

func TestPostgresOlderSchema(t *testing.T) {
	url := postgres.Database(t)
	for _, options := range []store.Options{{}, {Migrate: true, ReadOnly: true}} {
		_, err := store.Open(t.Context(), url, options)
		if !errors.Is(err, store.ErrOlderSchema) || !strings.Contains(err.Error(), "`diga-api migrate` creates a new store") {
			t.Errorf("error %v, want ErrOlderSchema and what mends it", err)
		}
	}
	var tables int
	if err := storetest.Connect(t, url).QueryRow(`SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables, %v; want an untouched database", tables, err)
	}
	storetest.Open(t, url)
	if _, err := store.Open(t.Context(), url, store.Options{}); err != nil {
		t.Errorf("after the migration: %v", err)
	}
}

func TestPostgresNewerSchemaUntouched(t *testing.T) {
	url := postgres.Database(t)
	serving := storetest.Open(t, url)
	db := storetest.Connect(t, url)
	storetest.Exec(t, db, `DROP TABLE api_keys`) // as a newer program may have done
	newerSchema(t, db)
	_, err := store.Open(t.Context(), url, store.Options{Migrate: true})
	if !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("error %v, want ErrNewerSchema", err)
	}
	if err := serving.CheckSchema(t.Context()); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("check: %v, want ErrNewerSchema", err)
	}
	var versions, tables int64
	err = db.QueryRow(`SELECT (SELECT count(*) FROM diga_schema_version), `+
		`(SELECT count(*) FROM pg_tables WHERE schemaname = 'public')`).Scan(&versions, &tables)
	if err != nil || versions != store.Head+1 || tables != 2 {
		t.Errorf("%d versions, %d tables, %v; want an untouched database", versions, tables, err)
	}
}

// TestPostgresEarlierPrograms sends the statements of every program in the window to the newest schema, as replicas of the
// previous release do during a rolling upgrade.
func TestPostgresEarlierPrograms(t *testing.T) {
	url := postgres.Database(t)
	storetest.Open(t, url)
	db := storetest.Connect(t, url)
	var oldest int64
	if err := db.QueryRow(`SELECT oldest_program FROM diga_schema_window WHERE schema_version = $1`, store.Head).Scan(&oldest); err != nil {
		t.Fatal(err)
	}
	for program := oldest; program <= store.Head; program++ {
		if err := storetest.RunStatements(t.Context(), db, "postgres", program); err != nil {
			t.Errorf("the program that knows %d: %v", program, err)
		}
	}
}

// TestPostgresURL has the parameters of the URL arrive where they belong.
func TestPostgresURL(t *testing.T) {
	plain := postgres.Database(t)
	url := postgres.With(t, plain, "pool_max_conns", "3", "pool_max_conn_lifetime", "1h",
		"pool_max_conn_idle_time", "1m", "statement_timeout", "150", "target_session_attrs", "read-write",
		"application_name", "diga")
	s := storetest.Open(t, url)
	if stats := s.Stats(); len(stats) != 1 || stats[0].Max != 3 {
		t.Errorf("stats %+v, want a pool of 3", stats)
	}
	key, _ := storetest.Create(t, s, apitype.NewUUID())

	// A lock makes the delete hang until the server's own timeout ends it.
	tx, err := storetest.Connect(t, plain).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE api_keys`); err != nil {
		t.Fatal(err)
	}
	err = s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion())
	if err == nil || !strings.Contains(err.Error(), "statement timeout") {
		t.Errorf("delete: %v, want the statement timeout", err)
	}
}

// TestPostgresMigrationTimeout gives statements less time than a migration waits for its turn.
func TestPostgresMigrationTimeout(t *testing.T) {
	url := postgres.Database(t)
	lock, err := storetest.Connect(t, url).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := lock.ExecContext(t.Context(), `SELECT pg_advisory_lock(x'64696761'::int)`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := store.Open(ctx, url, store.Options{Migrate: true}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the wait for the lock does not end with the context: %v", err)
	}
	opened := make(chan error, 1)
	go func() {
		s, err := store.Open(t.Context(), postgres.With(t, url, "statement_timeout", "50"), store.Options{Migrate: true})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	db := storetest.Connect(t, url)
	for waited := false; !waited; { // for longer than the timeout
		err := db.QueryRowContext(t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) `+
			`WHERE locktype = 'advisory' AND NOT granted AND query_start < clock_timestamp() - interval '200 ms' `+
			`AND datname = current_database())`).Scan(&waited)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-opened:
			t.Fatalf("the migration did not wait: %v", err)
		default:
		}
	}
	lock.Close()
	db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`)
	if err := <-opened; err != nil {
		t.Errorf("open: %v", err)
	}
}

// TestPostgresOpenEnds has a lock make the query of the schema hang: opening the store ends without a deadline of the caller,
// and may be tried again.
func TestPostgresOpenEnds(t *testing.T) {
	url := postgres.Database(t)
	if err := storetest.Open(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	tx, err := storetest.Connect(t, url).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE diga_schema_version`); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), url, store.Options{})
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "no response in time") || strings.Contains(err.Error(), "\n") {
		t.Errorf("open: %v, want one sentence", err)
	}
	tx.Rollback()
	storetest.Open(t, url)
}

// TestPostgresDeadline has a lock make every statement hang: each ends with its context, and nothing is deleted.
func TestPostgresDeadline(t *testing.T) {
	url := postgres.Database(t)
	s := storetest.Open(t, postgres.With(t, url, "pool_max_conns", "2"))
	key, secret := storetest.Create(t, s, apitype.NewUUID())
	tx, err := storetest.Connect(t, url).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE api_keys`); err != nil {
		t.Fatal(err)
	}
	const deadline = 200 * time.Millisecond
	var wg sync.WaitGroup
	for range 10 { // some of which wait for a connection
		for name, call := range map[string]func(context.Context) error{
			"delete": func(ctx context.Context) error {
				return s.Delete(ctx, key.ProjectID, key.ID, storetest.NewDeletion())
			},
			"authenticate": func(ctx context.Context) error {
				_, err := s.Authenticate(ctx, secret.Hash())
				return err
			},
		} {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v, want context.DeadlineExceeded", name, err)
				}
			})
		}
	}
	wg.Wait()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), secret.Hash()); err != nil {
		t.Errorf("authenticate once the lock is gone: %v", err)
	}
}

// TestPostgresFailover makes the connections read-only, as a failover does when the old primary comes back as a standby:
// they leave the pool, and new ones go where writing is possible.
func TestPostgresFailover(t *testing.T) {
	url := postgres.Database(t)
	s := storetest.Open(t, postgres.With(t, url, "pool_max_conns", "4", "target_session_attrs", "any"))
	key, secret := storetest.Create(t, s, apitype.NewUUID())
	db := storetest.Connect(t, url)
	var database string
	if err := db.QueryRow(`SELECT current_database()`).Scan(&database); err != nil {
		t.Fatal(err)
	}
	fill := func() { // the pool
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := s.Authenticate(t.Context(), secret.Hash()); err != nil {
					t.Errorf("authenticate: %v", err)
				}
			})
		}
		wg.Wait()
	}
	storetest.Exec(t, db, `ALTER DATABASE "`+database+`" SET default_transaction_read_only = on`)
	storetest.Exec(t, db, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()`, database)
	fill()
	err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion())
	if err == nil || errors.Is(err, apikey.ErrNotFound) || !strings.Contains(err.Error(), "25006") {
		t.Errorf("delete: %v, want 25006", err)
	}
	if err := s.CheckWritable(t.Context()); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("check: %v, want that it is read-only", err)
	}
	fill()
	storetest.Exec(t, db, `SET default_transaction_read_only = off`)
	storetest.Exec(t, db, `ALTER DATABASE "`+database+`" SET default_transaction_read_only = off`)
	// The connections in the pool are still read-only: one answer says so, and all of them are gone.
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err == nil || errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("delete: %v, want an error", err)
	}
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
		t.Errorf("delete: %v", err)
	}
	if err := s.CheckWritable(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}

// TestPostgresHosts has two servers of which one at a time can be written to, as after a failover.
func TestPostgresHosts(t *testing.T) {
	first, second := postgres.Start(t), postgres.Start(t)
	firstURL, err := url.Parse(first.URL)
	if err != nil {
		t.Fatal(err)
	}
	secondURL, err := url.Parse(second.URL)
	if err != nil {
		t.Fatal(err)
	}
	both := postgres.With(t, first.URL, "host", "/missing,"+firstURL.Query().Get("host")+","+secondURL.Query().Get("host"))

	standby := func(server *postgres.Server, readOnly string) {
		t.Helper()
		db := storetest.Connect(t, server.URL)
		storetest.Exec(t, db, `ALTER SYSTEM SET default_transaction_read_only = `+readOnly)
		storetest.Exec(t, db, `SELECT pg_reload_conf()`)
		for got := ""; got != readOnly; { // by new connections
			db := storetest.Connect(t, server.URL)
			if err := db.QueryRowContext(t.Context(), `SHOW default_transaction_read_only`).Scan(&got); err != nil {
				t.Fatal(err)
			}
			db.Close()
		}
	}
	original := storetest.Open(t, first.URL)
	key, secret := storetest.Create(t, original, apitype.NewUUID())
	if _, err := store.Copy(t.Context(), original, storetest.Open(t, second.URL), nil); err != nil {
		t.Fatal(err)
	}

	standby(first, "on")
	s := storetest.Open(t, both)
	if err := s.CheckWritable(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := original.Authenticate(t.Context(), secret.Hash()); err != nil {
		t.Errorf("the delete went to the standby: %v", err)
	}

	standby(first, "off")
	standby(second, "on")
	err = s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion())
	if err == nil || errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("delete: %v, want the error of the demoted server", err)
	}
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := original.Authenticate(t.Context(), secret.Hash()); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("the delete did not go to the new primary: %v", err)
	}

	// One that is only read needs no primary, and is content with one.
	reader, err := store.Open(t.Context(), both, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := reader.CheckWritable(t.Context()); err == nil {
		t.Error("a read-only store says that it can be written to")
	}
}

// TestPostgresTerminated ends every connection behind the pool's back.
func TestPostgresTerminated(t *testing.T) {
	url := postgres.Database(t)
	s := storetest.Open(t, postgres.With(t, url, "pool_max_conns", "8"))
	_, secret := storetest.Create(t, s, apitype.NewUUID())
	db := storetest.Connect(t, url)
	db.SetMaxOpenConns(1)
	for range 8 {
		key, _ := storetest.Create(t, s, apitype.NewUUID())
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { s.Authenticate(t.Context(), secret.Hash()) })
		}
		wg.Wait()
		storetest.Exec(t, db, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity `+
			`WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`)
		// A look-up is repeated on a fresh connection: the restart goes unnoticed, and the pool is clean.
		if _, err := s.Authenticate(t.Context(), secret.Hash()); err != nil {
			t.Errorf("authenticate: %v", err)
		}
		if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
}

// TestPostgresRestarted stops the server hard and starts it again: errors in between, never a "not found", and
// afterwards all is as it was acknowledged.
func TestPostgresRestarted(t *testing.T) {
	server := postgres.Start(t)
	s := storetest.Open(t, server.Database(t))
	kept, secret := storetest.Create(t, s, apitype.NewUUID())
	gone, goneSecret := storetest.Create(t, s, apitype.NewUUID())
	if err := s.Delete(t.Context(), gone.ProjectID, gone.ID, storetest.NewDeletion()); err != nil {
		t.Fatal(err)
	}
	for _, stop := range []func(testing.TB){server.Kill, server.Stop} {
		stop(t)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := s.Authenticate(ctx, secret.Hash()); err == nil || errors.Is(err, apikey.ErrNotFound) {
				t.Errorf("authenticate without a server: %v", err)
			}
			if err := s.Delete(ctx, kept.ProjectID, kept.ID, storetest.NewDeletion()); err == nil || errors.Is(err, apikey.ErrNotFound) {
				t.Errorf("delete without a server: %v", err)
			}
			if err := s.CheckWritable(ctx); err == nil {
				t.Error("check without a server is content")
			}
			if ctx.Err() != nil {
				t.Error("a stopped server is not noticed in time")
			}
		}
		server.Start(t)
		if err := s.CheckWritable(t.Context()); err != nil {
			t.Errorf("check: %v", err)
		}
		if got, err := s.Authenticate(t.Context(), secret.Hash()); err != nil || got.ID != kept.ID {
			t.Errorf("authenticate: %v, %v", got, err)
		}
		if _, err := s.Authenticate(t.Context(), goneSecret.Hash()); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("authenticate with the deleted key: %v, want ErrNotFound", err)
		}
	}
	if err := s.Delete(t.Context(), kept.ProjectID, kept.ID, storetest.NewDeletion()); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// TestPostgresFrozen has a server that hangs: each call ends with its deadline, and once the server goes on so does the
// pool, by itself.
func TestPostgresFrozen(t *testing.T) {
	server := postgres.Start(t)
	s := storetest.Open(t, postgres.With(t, server.Database(t), "pool_max_conns", "4"))
	key, secret := storetest.Create(t, s, apitype.NewUUID())
	const deadline, patience = 300 * time.Millisecond, 30 * time.Second // without the deadline it would hang for as long as the server
	hangs := func(name string, call func(context.Context) error) {
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		started := time.Now()
		if err := call(ctx); err == nil || errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("%s: %v, want another error", name, err)
		}
		if took := time.Since(started); took > patience {
			t.Errorf("%s took %v", name, took)
		}
	}
	server.Freeze(t)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			hangs("authenticate", func(ctx context.Context) error {
				_, err := s.Authenticate(ctx, secret.Hash())
				return err
			})
			hangs("delete", func(ctx context.Context) error {
				return s.Delete(ctx, key.ProjectID, apitype.NewUUID(), storetest.NewDeletion())
			})
			hangs("check", s.CheckWritable)
		})
	}
	wg.Wait()
	server.Thaw()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	started := time.Now()
	if _, err := s.Authenticate(ctx, secret.Hash()); err != nil {
		t.Errorf("authenticate once the server goes on: %v", err)
	}
	if err := s.Delete(ctx, key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
		t.Errorf("delete once the server goes on: %v", err)
	}
	t.Logf("well again after %v", time.Since(started))
}

// TestPostgresSecretsInURL gives URLs that are wrong in every way and looks for their password in what is said.
func TestPostgresSecretsInURL(t *testing.T) {
	right := postgres.Start(t, "fsync=off").Database(t) // which asks for a password for certain
	silent, err := net.Listen("tcp", "127.0.0.1:0")     // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()
	garbling, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer garbling.Close()
	go func() {
		for {
			conn, err := garbling.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			conn.Close()
		}
	}()

	const secret = "s3cret"
	for _, test := range []struct {
		url   string
		isURL bool
		want  string
	}{
		{"postgres:diga:s3cret", true, "postgres://USER:PASSWORD@HOST:PORT/DATABASE"},
		{"postgres://diga:s3cret@127.0.0.1:s3cret/diga", true, "port"},
		{"postgres://diga:s3cret@127.0.0.1:99999/diga", true, "port"},
		{"postgres://diga:s3cret@127.0.0.1/diga?sslmode=s3cret", true, "sslmode"},
		{"postgres://diga:s3cret@127.0.0.1/diga?pool_max_conns=s3cret", true, "pool_max_conns"},
		{"postgres://diga:s3cret@127.0.0.1/diga?pool_max_conns=0", true, "pool_max_conns"},
		{"postgres://diga:s3cret@127.0.0.1/diga?pool_max_conn_lifetime=s3cret", true, "pool_max_conn_lifetime"},
		{"postgres://diga:s3cret@127.0.0.1/diga?target_session_attrs=writable", true, "target_session_attrs"},
		{"postgres://diga:s3cret@127.0.0.1/diga?connect_timeout=s3cret", true, "connect_timeout"},
		{"postgres://diga:s3cret@127.0.0.1/diga?sslmode=verify-full&sslrootcert=/missing/ca.pem", true, "/missing/ca.pem"},
		{"postgres://diga:s3cret@127.0.0.1/diga?password=s3cret&sslmode=x", true, "sslmode"},
		{"postgres://diga:s3cret%@127.0.0.1/diga", true, ""},
		{"postgres://diga:s3cret%zz@127.0.0.1/diga", true, ""},
		{"postgres://diga:x@s3cret@127.0.0.1/diga", true, "%40"},
		{"postgres://diga:12/s3cret@127.0.0.1/diga", true, "%2F"},
		{"postgres://diga:12?s3cret@127.0.0.1/diga", true, "%3F"},
		{"postgres://diga:12#s3cret@127.0.0.1/diga", true, "%23"},
		{"postgres://diga:[s3cret@127.0.0.1/diga", false, ""},
		{"postgres://diga:s3cret@" + refusing.Addr().String() + "/diga", false, "refused"},
		{"postgres://diga:s3cret@" + silent.Addr().String() + "/diga", false, "context deadline exceeded"},
		{"postgres://diga:s3cret@" + garbling.Addr().String() + "/diga", false, ""},
		{"postgres://diga:s3cret@host.invalid/diga", false, "host.invalid"},
		{"postgres://diga:s3cret@" + refusing.Addr().String() + ",host.invalid/diga?target_session_attrs=read-write", false, "refused"},
		{strings.Replace(right, "pa55-w0rd", secret, 1), false, "password authentication failed"},
		{strings.Replace(right, "diga:pa55-w0rd", "nobody:s3cret", 1), false, `user "nobody"`},
		{strings.Replace(right, "diga_test_", "missing_", 1), false, "does not exist"},
		{postgres.With(t, right, "sslmode", "require", "password", "s3cret"), false, ""},
		{postgres.With(t, right, "statement_timeout", "soon"), false, "statement_timeout"},
		{postgres.With(t, right, "no_such_setting", "1"), false, "no_such_setting"},
	} {
		shown := strings.NewReplacer(right, "RIGHT").Replace(test.url)
		patience := time.Minute
		if strings.Contains(test.url, silent.Addr().String()) {
			patience = time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := store.Open(ctx, test.url, store.Options{Migrate: true})
		if err == nil {
			t.Errorf("%s was opened", shown)
			continue
		}
		var logged strings.Builder
		slog.New(slog.NewJSONHandler(&logged, nil)).Error("open", "error", err)
		said := err.Error() + fmt.Sprintf("%v %s", err, err) + logged.String()
		t.Log(err)
		if strings.Contains(said, secret) || strings.Contains(said, password(t, right)) {
			t.Errorf("%s: the password is printed: %s", shown, said)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a sentence: %s", shown, err)
		}
		if errors.Is(err, store.ErrURL) != test.isURL {
			t.Errorf("%s: error %v, ErrURL: want %v", shown, err, test.isURL)
		}
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v does not name %q", shown, err, test.want)
		}
	}
}
