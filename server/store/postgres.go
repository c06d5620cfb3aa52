package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

const (
	// postgresPatience bounds what pgx does behind a request's back, where the request's deadline does not reach:
	// connecting (unless the URL says connect_timeout), and asking an idle connection whether it still lives. A place
	// in the pool is lost for that long when the server hangs.
	postgresPatience = 5 * time.Second

	// migrationLock is the key of the advisory lock under which one server at a time migrates: "diga" in ASCII.
	migrationLock = 0x64696761

	// synchronousCommitSQL makes an acknowledged commit durable where the server or the role was set up otherwise.
	// Stronger settings, which wait for standbys, are left alone.
	synchronousCommitSQL = `SELECT set_config('synchronous_commit', 'on', false) ` +
		`WHERE current_setting('synchronous_commit') IN ('off', 'local')`
)

// errReadOnly says that the server takes no writes: a standby, or a primary that was demoted.
var errReadOnly = errors.New("the server is read-only")

func openPostgres(ctx context.Context, url string, options Options) (_ *Store, err error) {
	config, err := parsePostgres(url)
	if err != nil {
		return nil, err
	}
	if options.ReadOnly {
		// Not as a parameter of the connection, which would then look like a standby to target_session_attrs.
		durable := config.AfterConnect
		config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.PgConn().Exec(ctx, `SET default_transaction_read_only = on`).ReadAll()
			return errors.Join(err, durable(ctx, conn))
		}
	}
	s := &Store{name: postgresName(config.ConnConfig)}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, s.explainPostgres(err)
	}
	// database/sql lends a connection to each statement and gives it back; the pool proper is pgx's.
	db := stdlib.OpenDBFromPool(pool)
	s.read, s.write = db, db
	s.close = func() error {
		err := db.Close()
		pool.Close()
		return err
	}
	defer func() {
		if err != nil {
			_ = s.close() // the error that led here counts
		}
	}()
	s.stats = func() []PoolStats {
		stat := pool.Stat()
		return []PoolStats{{
			Name:  "postgres",
			Max:   int(stat.MaxConns()),
			Open:  int(stat.TotalConns()),
			InUse: int(stat.AcquiredConns()),
			Waits: stat.EmptyAcquireCount(),
			Wait:  stat.EmptyAcquireWaitTime(),
		}}
	}
	s.lost = func(err error) bool {
		lost := connectionLost(err)
		if lost {
			// What ended or demoted one connection did so to all that are as old: none is lent again.
			pool.Reset()
		}
		return lost
	}
	// The two statements of a request go past database/sql, which costs as much again as pgx does. pgx prepares each
	// of them once for a connection.
	s.lookUp = func(ctx context.Context, hash []byte, columns []any) error {
		return pool.QueryRow(ctx, authenticateSQL, hash).Scan(columns...)
	}
	s.remove = func(ctx context.Context, args ...any) (int64, error) {
		tag, err := pool.Exec(ctx, deleteSQL, args...)
		if err != nil && pgconn.SafeToRetry(err) && ctx.Err() == nil {
			// The connection was found dead before anything was sent, and only then may a delete be repeated: one that
			// was executed would be answered as if the key had never been there.
			tag, err = pool.Exec(ctx, deleteSQL, args...)
		}
		return tag.RowsAffected(), err
	}
	s.check = func(ctx context.Context) error {
		var readOnly string // "on" on a standby, too
		err := db.QueryRowContext(ctx, `SHOW transaction_read_only`).Scan(&readOnly)
		if err == nil && readOnly != "off" {
			err = errReadOnly
		}
		return err
	}

	version, err := postgresVersion(ctx, db)
	if err != nil {
		return nil, s.explainPostgres(err)
	}
	if err := s.fits(version, options.Migrate && !options.ReadOnly); err != nil {
		return nil, err
	}
	if version < Head {
		if err := s.migratePostgres(ctx, config.ConnConfig); err != nil {
			return nil, s.explainPostgres(err)
		}
	}
	return s, nil
}

// parsePostgres reads the URL. Its errors wrap ErrURL and repeat nothing that may be a password.
func parsePostgres(url string) (*pgxpool.Config, error) {
	_, rest, found := strings.Cut(url, "://")
	if !found {
		return nil, fmt.Errorf("%w: write postgres://USER:PASSWORD@HOST:PORT/DATABASE", ErrURL)
	}
	// A password with an unescaped @, / or ? is cut there, and its rest taken for a host or a database, which are
	// no secrets and are printed.
	if at := strings.LastIndexByte(rest, '@'); at >= 0 && strings.ContainsAny(rest[:at], "@/?#") {
		return nil, fmt.Errorf("%w: write the characters @ / ? # in a user name, password or parameter as "+
			"%%40 %%2F %%3F %%23", ErrURL)
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrURL, parseReason(err))
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = postgresPatience
	}
	config.PingTimeout = postgresPatience
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, synchronousCommitSQL).ReadAll()
		return err
	}
	return config, nil
}

var quoted = regexp.MustCompile("\"[^\"]*\"|`[^`]*`|'[^']*'")

// parseReason is what pgx says about a URL without the URL and without the parts of it that it quotes.
func parseReason(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+len("`: "):]
	}
	return quoted.ReplaceAllString(text, "…")
}

// postgresName is the URL without user, password and parameters.
func postgresName(config *pgx.ConnConfig) string {
	var hosts []string
	add := func(host string, port uint16) {
		if text := net.JoinHostPort(host, strconv.Itoa(int(port))); !slices.Contains(hosts, text) {
			hosts = append(hosts, text)
		}
	}
	add(config.Host, config.Port)
	for _, fallback := range config.Fallbacks {
		add(fallback.Host, fallback.Port)
	}
	return "postgres://" + strings.Join(hosts, ",") + "/" + config.Database
}

// postgresVersion is the version of the schema, zero in an empty database.
func postgresVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var exists bool
	err := db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, versionTable).Scan(&exists)
	if err != nil || !exists {
		return 0, err
	}
	return schemaVersion(ctx, db)
}

// migratePostgres brings the schema up to date on a connection of its own, which holds the advisory lock until it is
// closed and has no statement timeout, neither for the wait nor for the work.
func (s *Store) migratePostgres(ctx context.Context, config *pgx.ConnConfig) error {
	config = config.Copy()
	delete(config.RuntimeParams, "statement_timeout")
	db := stdlib.OpenDB(*config)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{`SET statement_timeout = 0`, `SET lock_timeout = 0`} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if _, err := db.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
		return err
	}
	// A newer server may have held the lock before.
	version, err := postgresVersion(ctx, db)
	if err != nil {
		return err
	}
	if err := s.fits(version, true); err != nil {
		return err
	}
	return migrateUp(ctx, db, goose.DialectPostgres, "postgres")
}

// connectionLost says whether a statement failed because its connection ended or was made read-only, as in a restart
// or a failover.
func connectionLost(err error) bool {
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // there was no connection, or it was given up from this side
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		// read_only_sql_transaction; admin_shutdown, crash_shutdown, cannot_connect_now
		return slices.Contains([]string{"25006", "57P01", "57P02", "57P03"}, server.Code)
	}
	var network *net.OpError
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, errReadOnly)
}

// explainPostgres makes one sentence of what went wrong with the connection. pgx names the hosts, one line for each
// attempt, and no password.
func (s *Store) explainPostgres(err error) error {
	if errors.Is(err, ErrNewerSchema) {
		return err
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return fmt.Errorf("%s: %s (SQLSTATE %s)", s.name, server.Message, server.Code)
	}
	what, text := "", err.Error()
	if errors.As(err, new(*pgconn.ConnectError)) {
		_, text, _ = strings.Cut(text, "`:")
		what = "cannot connect: "
	} else if errors.Is(err, context.DeadlineExceeded) {
		what = "no answer in time: "
	}
	var lines []string
	for line := range strings.Lines(text) {
		// With and without TLS, a host that is down says the same.
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return &sentence{s.name + ": " + what + strings.Join(lines, "; "), err}
}

// sentence is an error with another text.
type sentence struct {
	text string
	err  error
}

func (s *sentence) Error() string { return s.text }
func (s *sentence) Unwrap() error { return s.err }
