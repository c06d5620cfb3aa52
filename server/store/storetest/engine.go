package storetest

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/diga-io/diga-api/server/store"
)

// RunEngine runs the suite on an engine of package store, and tests what operators and upgrades need of it. Each call of
// create returns the URL of an empty database.
func RunEngine(t *testing.T, create func(t testing.TB) (url string)) {
	Run(t, func(t *testing.T) Store { return Open(t, create(t)) })
	for _, test := range []struct {
		name string
		run  func(t *testing.T, url string)
	}{
		{"get", testGet},
		{"rotate", testRotate},
		{"purge", testPurge},
		{"an interrupted purge has whole batches", testPurgeInterrupted},
		{"copy nothing", testCopy(0, 0)},
		{"copy a tombstone", testCopy(1, 1)},
		{"copy more keys than go at a time", testCopy(501, 20)},
		{"inspect", testInspect},
		{"lookups use an index", testPlans},
		{"no key is deleted by half", testConstraint},
		{"the schema of the next release", testNewerSchema},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, create(t)) })
	}
}

// Open opens the store at url, and closes it at the end of the test.
func Open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// Connect opens the database at url past the store, and closes it at the end of the test. Of SQLite it is one connection. On
// PostgreSQL it drops the application_name, by which tests recognise the connections of the store.
func Connect(t testing.TB, url string) *sql.DB {
	t.Helper()
	var db *sql.DB
	if path, embedded := strings.CutPrefix(url, "sqlite:"); embedded {
		var err error
		if db, err = sql.Open("sqlite", path); err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
	} else {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		delete(config.RuntimeParams, "application_name")
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // works through a pooler, too
		db = stdlib.OpenDB(*config)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Exec executes a statement past the store.
func Exec(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// engineOf returns the engine of a URL: sqlite or postgres.
func engineOf(url string) string {
	if strings.HasPrefix(url, "sqlite:") {
		return "sqlite"
	}
	return "postgres"
}
