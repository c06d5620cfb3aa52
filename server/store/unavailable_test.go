package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What the operator has to fix is told apart from what passes by itself.
func TestUnavailable(t *testing.T) {
	e := &postgresEngine{name: "postgres://db/diga"}
	answer := func(code string) error { return &pgconn.PgError{Code: code, Message: "m"} }
	pooler := func(text string) error { return &pgconn.PgError{Code: "08P01", Message: text} }
	for _, test := range []struct {
		err  error
		want bool
	}{
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true},
		{answer("57P03"), true}, // the database system is starting up
		{answer("53300"), true}, // too many connections
		{answer("55P03"), true}, // a lock was not available in time
		{answer("25006"), true}, // a standby, which may be promoted
		{answer("28P01"), false},
		{answer("28000"), false},
		{answer("3D000"), false},
		{answer("42501"), false}, // insufficient privilege
		// PgBouncer
		{pooler("query_wait_timeout"), true},
		{pooler("server login has been failing, try again later (server_login_retry)"), true},
		{pooler("server login failed: FATAL the database system is starting up"), true},
		{pooler("password authentication failed"), false},
		{pooler("SASL authentication failed"), false},
		{pooler("no such user"), false},
		{pooler("no such database: diga"), false},
		{pooler(`server login failed: FATAL database "diga" does not exist`), false},
		{fmt.Errorf("%w: it is at version 9", ErrNewerSchema), false},
		{fmt.Errorf("%w: it is at version 0", ErrOlderSchema), false},
		{fmt.Errorf("%w: no host", ErrURL), false},
	} {
		err := markUnavailable(e.explain(test.err), postgresMayPass)
		if got := errors.Is(err, ErrUnavailable); got != test.want {
			t.Errorf("%v is unavailable: %t, want %t", err, got, test.want)
		}
		if err.Error() != e.explain(test.err).Error() {
			t.Errorf("the text is %q", err)
		}
	}
	if markUnavailable(nil, postgresMayPass) != nil {
		t.Error("no error became one")
	}
}

// Another process that holds the lock of a file makes it unavailable. What else is wrong with a file stays wrong.
func TestUnavailableSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	open := func() error {
		keys, err := Open(t.Context(), "sqlite:"+path, Options{Migrate: true})
		if err == nil {
			err = keys.Close()
		}
		return err
	}
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.ExecContext(t.Context(), `BEGIN EXCLUSIVE`); err != nil {
		t.Fatal(err)
	}
	if err := open(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("locked: %v", err)
	}
	if _, err := other.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("unlocked: %v", err)
	}
	// A file without a write-ahead log, as after a restore, cannot be given one while another process is about to write.
	for _, statement := range []string{`PRAGMA journal_mode = DELETE`, `BEGIN IMMEDIATE`} {
		if _, err := other.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("locked, without a write-ahead log: %v", err)
	}
	path = t.TempDir()
	if err := open(); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("a folder: %v", err)
	}
}
