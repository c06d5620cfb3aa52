package store

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrUnavailable means that Open failed for a reason that may pass by itself: the database does not respond or refuses
// connections, or another process holds a lock.
var ErrUnavailable = errors.New("the store is unavailable")

// unavailableError is ErrUnavailable with the text of its cause.
type unavailableError struct{ error }

// Unwrap supports errors.Is and errors.As.
func (e unavailableError) Unwrap() []error { return []error{e.error, ErrUnavailable} }

// markUnavailable returns err, an error of Open, as ErrUnavailable if it may pass by itself.
func markUnavailable(err error, mayPass func(error) bool) error {
	if err == nil || errors.Is(err, ErrURL) || errors.Is(err, ErrOlderSchema) || errors.Is(err, ErrNewerSchema) || !mayPass(err) {
		return err
	}
	return unavailableError{err}
}

// sqliteMayPass reports whether another process holds a lock. What else is wrong with a file stays wrong.
func sqliteMayPass(err error) bool { return sqliteCode(err, sqlite3.SQLITE_BUSY) }

// postgresMayPass reports false for what PostgreSQL answers until the operator changes something: an invalid user or
// password (class 28 of SQLSTATE), an unknown database (3D), a missing privilege, table or column (42).
func postgresMayPass(err error) bool {
	answer, answered := errors.AsType[*pgconn.PgError](err)
	if !answered {
		return true
	}
	code := sqlState(answer)
	return len(code) < 2 || !slices.Contains([]string{"28", "3D", "42"}, code[:2])
}

// sqlState returns the SQLSTATE of an error. PgBouncer reports everything as protocol_violation, a database that it waits for
// as well as a wrong password, so only its text says what PostgreSQL would have answered.
func sqlState(err *pgconn.PgError) string {
	switch text := err.Message; {
	case err.Code != "08P01":
	case strings.Contains(text, "authentication failed"), strings.Contains(text, "no such user"):
		return "28P01"
	case strings.Contains(text, "no such database"), strings.Contains(text, "database ") && strings.HasSuffix(text, " does not exist"):
		return "3D000"
	}
	return err.Code
}
