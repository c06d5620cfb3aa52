package store

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestReadBack lets SQLite ignore a pragma, as it does with a word it does not know.
func TestReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "diga.db")
	for _, test := range []struct {
		pragma pragma
		want   string
	}{
		{pragma{"synchronous", "FULL", "2"}, ""},
		{pragma{"synchronous", "FUL", "2"}, "sqlite keeps synchronous 1 instead of FUL"},
		{pragma{"synchronous", "OFF", "2"}, "sqlite keeps synchronous 0 instead of OFF"},
		{pragma{"query_only", "maybe", "1"}, "sqlite keeps query_only 0 instead of maybe"},
	} {
		s, err := Open(t.Context(), "sqlite:"+path, Options{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		db, err := connectSQLite(path, "rw", []pragma{test.pragma})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		got := ""
		if err := readBack(t.Context(), db, []pragma{test.pragma}); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%v: %q, want %q", test.pragma, got, test.want)
		}
	}
}

// TestPragmas looks at the connections of an open store.
func TestPragmas(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "diga.db"), Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for query, want := range map[string]string{
		`PRAGMA journal_mode`: "wal",
		`PRAGMA synchronous`:  "2",
		`PRAGMA busy_timeout`: sqliteBusyTimeout,
		`PRAGMA query_only`:   "0",
	} {
		var got string
		if err := s.engine.(*sqliteEngine).write.QueryRow(query).Scan(&got); err != nil || got != want {
			t.Errorf("the writer's %s is %q, %v; want %q", query, got, err, want)
		}
	}
	if _, err := s.read.Exec(`DELETE FROM api_keys`); err == nil {
		t.Error("a reading connection wrote")
	}
	if n := s.engine.(*sqliteEngine).write.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("%d connections may write, want 1", n)
	}
}

func TestPostgresConnections(t *testing.T) {
	for url, want := range map[string]int32{
		"postgres://diga@db/diga":                                      postgresConnections,
		"postgres://diga@db/diga?sslmode=disable&pool_max_conns=3":     3,
		"postgresql://diga@db/diga?pool_max_conns=64&pool_min_conns=2": 64,
	} {
		config, err := parsePostgres(url)
		if err != nil {
			t.Fatal(err)
		}
		if config.MaxConns != want {
			t.Errorf("%s: %d connections, want %d", url, config.MaxConns, want)
		}
	}
}

// A statement whose connection was ended, by PostgreSQL or by a pooler, is told apart from one that failed.
func TestConnectionLost(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{&pgconn.PgError{Code: "57P01", Severity: "FATAL", SeverityUnlocalized: "FATAL"}, true},
		{&pgconn.PgError{Code: "57P02", Severity: "FATALE", SeverityUnlocalized: "FATAL"}, true},
		{&pgconn.PgError{Code: "08P01", Severity: "FATAL", Message: "server connection closed"}, true}, // PgBouncer
		{&pgconn.PgError{Code: "25006", Severity: "ERROR", SeverityUnlocalized: "ERROR"}, true},
		{&pgconn.PgError{Code: "23505", Severity: "ERROR", SeverityUnlocalized: "ERROR"}, false},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true},
		{context.DeadlineExceeded, false},
		{nil, false},
	} {
		if got := connectionLost(test.err); got != test.want {
			t.Errorf("%#v: %t, want %t", test.err, got, test.want)
		}
	}
}
