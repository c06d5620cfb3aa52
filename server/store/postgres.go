package store

import (
	"cmp"
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
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// postgresTimeout bounds what happens outside of a request's deadline: connecting (unless the URL sets connect_timeout),
	// the ping of an idle connection, and the query of the schema by Open. While the server hangs, a place in the pool is
	// occupied for that long.
	postgresTimeout = 5 * time.Second

	// postgresConnections is the maximum of connections unless the URL sets pool_max_conns. pgx's own default is the number of
	// processors of the machine, however many servers share the database. With 16, PostgreSQL flushes up to 16 deletes
	// together, and five servers stay below its default max_connections (BenchmarkPool).
	postgresConnections = 16

	// migrationLock is the key of the advisory lock that a migration holds: "diga" in ASCII.
	migrationLock = 0x64696761

	// tableLockTimeout is how long a statement of a migration waits for the lock of a table.
	tableLockTimeout = "1s"

	// durableSQL is a condition that always holds, and makes the transaction commit durably where the server, the database
	// or the role is configured otherwise. It keeps stronger settings, which wait for standbys. It is part of the statement
	// and not a setting of the session, because that would go to other clients of a pooler, and a configuration reload
	// changes the setting of open connections.
	durableSQL = `CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_write', 'remote_apply') THEN true ` +
		`ELSE set_config('synchronous_commit', 'on', true) = 'on' END`

	durableDeleteSQL = deleteSQL + ` AND ` + durableSQL
)

// errReadOnly means that the server accepts no writes: it is a standby, or a primary that was demoted.
var errReadOnly = errors.New("the server is read-only")

// errStandby means that the server has the state of some time ago: a key that was deleted may still be live there.
var errStandby = errors.New("the server is a standby, where deleted keys may still be live; name the primary, or all hosts, in the URL")

// postgresEngine is a database that several servers share. db lends connections of pool, which is pgx's own pool.
type postgresEngine struct {
	name     string
	pool     *pgxpool.Pool
	db       *sql.DB
	readOnly bool
	mode     pgx.QueryExecMode // of the statements of each request
	pooler   atomic.Bool       // connections lead to a pooler
}

func openPostgres(ctx context.Context, url string, options Options) (*Store, error) {
	config, err := parsePostgres(url)
	if err != nil {
		return nil, err
	}
	e := &postgresEngine{
		name:     postgresName(config.ConnConfig),
		readOnly: options.ReadOnly,
		mode:     config.ConnConfig.DefaultQueryExecMode,
	}
	if e.mode == pgx.QueryExecModeCacheStatement {
		// Prepared statements are for requests. Everything else is rare, and works with a pooler from the first statement on.
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	config.ConnConfig.ValidateConnect = e.validate(config.ConnConfig.ValidateConnect, !strings.Contains(url, "target_session_attrs="))
	if e.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, e.explain(err)
	}
	e.db = stdlib.OpenDBFromPool(e.pool)
	if err := e.prepare(ctx, options.Migrate && !options.ReadOnly); err != nil {
		_ = e.close() // the first error counts
		return nil, e.explain(err)
	}
	return &Store{name: e.name, read: e.db, engine: e}, nil
}

// validate returns the check of each new connection. Unless the store is read-only it rejects a standby and, if readWrite
// is set, a server that accepts no writes, so that the next host is tried. Then it calls next, which is nil unless the URL
// has target_session_attrs.
func (e *postgresEngine) validate(next pgconn.ValidateConnectFunc, readWrite bool) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		const query = `SELECT pg_backend_pid(), pg_is_in_recovery(), current_setting('transaction_read_only')`
		results, err := conn.Exec(ctx, query).ReadAll()
		if err != nil {
			return err
		}
		row := results[0].Rows[0]
		// A pooler announces a made-up process id, because the server changes with each transaction.
		if string(row[0]) != strconv.FormatUint(uint64(conn.PID()), 10) {
			e.pooler.Store(true)
		}
		switch {
		case !e.readOnly && string(row[1]) == "t":
			return errStandby
		case !e.readOnly && readWrite && string(row[2]) == "on":
			return errReadOnly
		case next != nil:
			return next(ctx, conn)
		}
		return nil
	}
}

// prepare checks the schema, and migrates it if migrate is set. Only the migration takes as long as it takes.
func (e *postgresEngine) prepare(ctx context.Context, migrate bool) error {
	limited, cancel := context.WithTimeout(ctx, postgresTimeout)
	defer cancel()
	found, err := postgresSchema(limited, e.db)
	if err != nil {
		return err
	}
	if err := found.check(e.name, migrate); err != nil {
		return err
	}
	if found.version >= Head {
		return nil
	}
	return e.migrate(ctx)
}

// requestMode returns how the statements of a request are sent. Direct connections prepare each statement once, which halves
// the time of a lookup (BenchmarkAuthenticate). Behind a pooler the next statement may reach a server that has not
// prepared it, and prepared statements stay behind for other clients.
func (e *postgresEngine) requestMode() pgx.QueryExecMode {
	if e.mode == pgx.QueryExecModeCacheStatement && e.pooler.Load() {
		return pgx.QueryExecModeCacheDescribe
	}
	return e.mode
}

// lookUp implements engine. Like delete it bypasses database/sql, which doubles the overhead of pgx (BenchmarkAuthenticate).
func (e *postgresEngine) lookUp(ctx context.Context, query string, args, columns []any) error {
	args = append([]any{e.requestMode()}, args...)
	return e.pool.QueryRow(ctx, query, args...).Scan(columns...)
}

// delete implements engine.
func (e *postgresEngine) delete(ctx context.Context, args ...any) (int64, error) {
	if e.readOnly {
		return 0, errReadOnly
	}
	args = append([]any{e.requestMode()}, args...)
	tag, err := e.pool.Exec(ctx, durableDeleteSQL, args...)
	if err != nil && pgconn.SafeToRetry(err) && ctx.Err() == nil {
		// The connection was found dead before anything was sent. Only then may a delete be repeated: if it had been
		// executed, the second one would report that the key does not exist.
		tag, err = e.pool.Exec(ctx, durableDeleteSQL, args...)
	}
	return tag.RowsAffected(), err
}

// begin implements engine.
func (e *postgresEngine) begin(ctx context.Context) (*sql.Tx, error) {
	if e.readOnly {
		return nil, errReadOnly
	}
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, `SELECT `+durableSQL); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

// checkWritable implements engine.
func (e *postgresEngine) checkWritable(ctx context.Context) error {
	var readOnly string // also "on" on a standby
	err := e.db.QueryRowContext(ctx, `SHOW transaction_read_only`).Scan(&readOnly)
	if err == nil && (e.readOnly || readOnly != "off") {
		err = errReadOnly
	}
	return err
}

// lost implements engine. The event that ended or demoted one connection did so to all of the same age, so none of them
// is used again.
func (e *postgresEngine) lost(err error) bool {
	if !connectionLost(err) {
		return false
	}
	e.pool.Reset()
	return true
}

// backup implements engine.
func (e *postgresEngine) backup(context.Context, string, Progress) error {
	return errors.New("back up PostgreSQL with pg_dump: this command is for the embedded store")
}

// stats implements engine.
func (e *postgresEngine) stats() []PoolStats {
	stat := e.pool.Stat()
	return []PoolStats{{
		Name:  "postgres",
		Max:   int(stat.MaxConns()),
		Open:  int(stat.TotalConns()),
		InUse: int(stat.AcquiredConns()),
		Waits: stat.EmptyAcquireCount(),
		Wait:  stat.EmptyAcquireWaitTime(),
	}}
}

// close implements engine.
func (e *postgresEngine) close() error {
	err := e.db.Close()
	e.pool.Close()
	return err
}

// parsePostgres parses the URL. Its errors wrap ErrURL and never contain a password.
func parsePostgres(url string) (*pgxpool.Config, error) {
	_, rest, found := strings.Cut(url, "://")
	if !found {
		return nil, fmt.Errorf("%w: write postgres://USER:PASSWORD@HOST:PORT/DATABASE", ErrURL)
	}
	// A password with an unescaped @, / or ? is cut there. The rest would be parsed as host or database, which are printed.
	if at := strings.LastIndexByte(rest, '@'); at >= 0 && strings.ContainsAny(rest[:at], "@/?#") {
		return nil, fmt.Errorf("%w: write the characters @ / ? # in a user name, password or parameter as "+
			"%%40 %%2F %%3F %%23", ErrURL)
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrURL, parseReason(err))
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = postgresTimeout
	}
	config.PingTimeout = postgresTimeout
	if !strings.Contains(url, "pool_max_conns=") {
		config.MaxConns = postgresConnections
	}
	return config, nil
}

var quoted = regexp.MustCompile("\"[^\"]*\"|`[^`]*`|'[^']*'")

// parseReason returns the text of a parse error of pgx without the URL and without the parts of it that pgx quotes.
func parseReason(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+len("`: "):]
	}
	return quoted.ReplaceAllString(text, "…")
}

// postgresName returns the URL without user, password and parameters.
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

// postgresSchema returns the schema, version 0 for an empty database.
func postgresSchema(ctx context.Context, db querier) (schema, error) {
	// Not to_regclass, which may still not see a table that was created while the transaction waited for its lock.
	const query = `SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = ANY (current_schemas(false)) AND tablename = $1)`
	var exists bool
	err := db.QueryRowContext(ctx, query, versionTable).Scan(&exists)
	if err != nil || !exists {
		return schema{}, err
	}
	return readSchema(ctx, db)
}

// migrate brings the schema up to date in one transaction. The wait for a migration of another server ends with ctx only.
// A statement that waits for the lock of a table makes the deletes of running servers wait behind it, so it gives up
// before their requests do.
func (e *postgresEngine) migrate(ctx context.Context) error {
	// Each statement has to see what was committed while this transaction waited for the lock.
	tx, err := e.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	const wait = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0`
	if _, err := tx.ExecContext(ctx, wait); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationLock); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `SET LOCAL lock_timeout = '`+tableLockTimeout+`'`); err != nil {
		return err
	}
	return migrate(ctx, tx, "postgres", e.name, postgresSchema)
}

// connectionLost reports whether a statement failed because its connection ended or became read-only, as in a restart or
// a failover.
func connectionLost(err error) bool {
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // there was no connection, or this side closed it
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		// read_only_sql_transaction, or PostgreSQL or the pooler ends the connection. A pooler says so in English only.
		return server.Code == "25006" || slices.Contains([]string{"FATAL", "PANIC"}, cmp.Or(server.SeverityUnlocalized, server.Severity))
	}
	var network *net.OpError
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, errReadOnly)
}

// explain turns an error of pgx into one sentence for the operator. pgx writes one line for each host that it tried, and
// no password.
func (e *postgresEngine) explain(err error) error {
	if errors.Is(err, ErrNewerSchema) || errors.Is(err, ErrOlderSchema) {
		return err
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		text, advice := e.name+": "+server.Message, ""
		switch sqlState(server) {
		case "42501": // insufficient_privilege
			advice = "; run `diga-api migrate` as the role that owns the tables, see deploy/postgres/roles.sql"
		case "28P01", "28000": // invalid_password, invalid_authorization_specification
			advice = "; check the user and the password in the database URL"
		case "3D000": // invalid_catalog_name
			advice = "; create the database, or correct its name in the database URL"
		case "55P03": // lock_not_available
			advice = ": another transaction has held the lock of a table for " + tableLockTimeout +
				", see pg_stat_activity; nothing was changed, run the migration again"
		}
		return &sentence{text + " (SQLSTATE " + server.Code + ")" + advice, err}
	}
	prefix, text := "", err.Error()
	if errors.As(err, new(*pgconn.ConnectError)) {
		_, text, _ = strings.Cut(text, "`:")
		text = strings.ReplaceAll(text, "ValidateConnect failed: ", "")
		prefix = "cannot connect: "
	} else if errors.Is(err, context.DeadlineExceeded) {
		prefix = "no response in time: "
	}
	var lines []string
	for line := range strings.Lines(text) {
		// A host that is down gives the same error with and without TLS.
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return &sentence{e.name + ": " + prefix + strings.Join(lines, "; "), err}
}

// sentence is an error whose text is replaced.
type sentence struct {
	text string
	err  error
}

func (s *sentence) Error() string { return s.text }
func (s *sentence) Unwrap() error { return s.err }

// postgresRight maps settings to the values with which an acknowledged delete is not lost.
var postgresRight = map[string][]string{
	"fsync":                 {"on"},
	"full_page_writes":      {"on"},
	"in_recovery":           {"false"},
	"synchronous_commit":    {"on", "remote_write", "remote_apply"},
	"transaction_read_only": {"off"},
}

// inspect implements engine.
func (e *postgresEngine) inspect(ctx context.Context) (inspection Inspection, err error) {
	// The clock was read at some time between before and now, so the error is at most half of that time.
	var now time.Time
	before := time.Now()
	if err := e.db.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return Inspection{}, err
	}
	inspection.Ahead = now.Sub(before.Add(time.Since(before) / 2))

	rows, err := e.db.QueryContext(ctx, `SELECT 'in_recovery', pg_is_in_recovery()::text `+
		`UNION ALL SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'max_connections', `+
		`'server_version', 'statement_timeout', 'synchronous_commit', 'synchronous_standby_names', 'transaction_read_only') ORDER BY 1`)
	if err != nil {
		return Inspection{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var setting Setting
		if err := rows.Scan(&setting.Name, &setting.Value); err != nil {
			return Inspection{}, err
		}
		if setting.Name == "server_version" {
			inspection.Engine = "PostgreSQL " + setting.Value
			continue
		}
		if setting.Name == "synchronous_commit" && (setting.Value == "off" || setting.Value == "local") {
			setting.Value = "on" // durableSQL
		}
		right, matters := postgresRight[setting.Name]
		setting.Wrong = matters && !slices.Contains(right, setting.Value)
		inspection.Settings = append(inspection.Settings, setting)
	}
	return inspection, rows.Err()
}
