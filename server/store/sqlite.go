package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteBusyTimeout is how long, in milliseconds, a statement waits for the lock of another process. It is shorter than
// the request timeout, so that the error names the lock and not the deadline.
const sqliteBusyTimeout = "1000"

// sqliteWALTimeout is how long Open tries to switch a file to a write-ahead log.
const sqliteWALTimeout = 2 * time.Second

// pragma is a setting of SQLite. It is set on each connection and read back, because SQLite ignores unknown pragmas.
type pragma struct{ name, value, readBack string }

var (
	writerPragmas = []pragma{
		{"busy_timeout", sqliteBusyTimeout, sqliteBusyTimeout},
		{"synchronous", "FULL", "2"}, // each commit reaches the disk before it is acknowledged
		// Pages of the write-ahead log, 16 MB, until a delete moves them into the file. Pages that change again before are moved
		// once. With SQLite's 1000, there were 10 % fewer deletes per second (BenchmarkRequests).
		{"wal_autocheckpoint", "4000", "4000"},
	}
	readerPragmas = []pragma{
		{"busy_timeout", sqliteBusyTimeout, sqliteBusyTimeout},
		queryOnly,
	}
	queryOnly = pragma{"query_only", "1", "1"}
)

func checkSQLitePath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("%w: sqlite: needs a path, as in sqlite:diga.db", ErrURL)
	case path == ":memory:":
		return fmt.Errorf("%w: a store in memory would lose its deletes; write sqlite:PATH", ErrURL)
	case strings.HasPrefix(path, "//"):
		return fmt.Errorf("%w: a path has no host; write sqlite:PATH, without //", ErrURL)
	case strings.ContainsRune(path, 0):
		return fmt.Errorf("%w: the path of sqlite:PATH contains a NUL", ErrURL)
	}
	return nil
}

// liveSQL reports whether deleteSQL would find its target. It takes the last two arguments of deleteSQL.
const liveSQL = `SELECT EXISTS (SELECT 1 FROM api_keys WHERE id = $1 AND project_id = $2 AND deleted_at IS NULL)`

// sqliteEngine is an embedded store: one connection that writes, because SQLite has one writer at a time and answers
// SQLITE_BUSY to others, and a pool that reads, which the writer does not block in WAL mode.
type sqliteEngine struct {
	name, path        string
	readOnly          bool
	read, write       *sql.DB
	writer            *sqliteWriter          // nil until the store is open
	opened            map[string]os.FileInfo // by path
	concurrentLookups chan struct{}          // a semaphore
	lookups           map[string]*sql.Stmt   // of read, by their SQL
}

func openSQLite(ctx context.Context, path string, options Options) (_ *Store, err error) {
	path, err = filepath.Abs(path) // a relative path in a message would not say which file it is
	if err != nil {
		return nil, err
	}
	e := &sqliteEngine{
		name: "sqlite:" + path, path: path, readOnly: options.ReadOnly,
		lookups: make(map[string]*sql.Stmt), concurrentLookups: make(chan struct{}, sqliteReaders()),
	}
	if err := e.findFile(options); err != nil {
		return nil, err
	}
	if err := e.checkFile(ctx, options); err != nil {
		return nil, err
	}

	mode := "rw"
	if options.ReadOnly {
		mode = e.traceless()
	}
	if e.write, err = connectSQLite(e.path, mode, e.writerPragmas()); err != nil {
		return nil, e.explain(err)
	}
	if e.read, err = connectSQLite(e.path, mode, readerPragmas); err != nil {
		return nil, e.explain(err)
	}
	e.write.SetMaxOpenConns(1)
	e.read.SetMaxIdleConns(sqliteReaders())
	if err := e.prepare(ctx, options); err != nil {
		_ = e.close() // the first error counts
		return nil, e.explain(err)
	}
	return &Store{name: e.name, read: e.read, engine: e}, nil
}

func (e *sqliteEngine) writerPragmas() []pragma {
	if e.readOnly {
		return append(slices.Clone(writerPragmas), queryOnly)
	}
	return writerPragmas
}

// findFile checks that the file exists, or creates it if options allow it.
func (e *sqliteEngine) findFile(options Options) error {
	info, err := os.Stat(e.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && options.Migrate && !options.ReadOnly:
		// SQLite would create it readable for everybody.
		file, err := os.OpenFile(e.path, os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			err = errors.Join(file.Close(), syncFolder(filepath.Dir(e.path)))
		}
		if err != nil {
			return e.explain(err)
		}
		return nil
	case errors.Is(err, fs.ErrNotExist):
		// A mistyped path must not be answered with the advice to create an empty store there.
		text := e.name + ": there is no such file: check the path; `diga-api migrate` creates a new store"
		return &sentence{text, errors.Join(ErrOlderSchema, fs.ErrNotExist)}
	case err != nil:
		return e.explain(err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a file", e.name)
	}
	return nil
}

// traceless returns the mode in which connections that only query leave the file, and the folder, as they are.
func (e *sqliteEngine) traceless() string {
	if _, err := os.Stat(e.path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return "ro" // the last connection that can write would move the write-ahead log into the file
	}
	if e.checkAccess() == nil {
		return "rw" // SQLite creates a write-ahead log, which only a connection that can write removes
	}
	return immutable // no process uses the file, and none of this user can
}

// checkFile checks the schema without a trace, so that a file which is rejected stays byte for byte the same.
func (e *sqliteEngine) checkFile(ctx context.Context, options Options) error {
	db, err := connectSQLite(e.path, e.traceless(), readerPragmas)
	if err != nil {
		return e.explain(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	found, err := sqliteSchema(ctx, db)
	if err != nil {
		return e.explain(err)
	}
	return found.check(e.name, options.Migrate && !options.ReadOnly)
}

// prepare migrates the file, checks the connections, and prepares the statements.
func (e *sqliteEngine) prepare(ctx context.Context, options Options) (err error) {
	if !options.ReadOnly {
		if err := e.checkMode(ctx); err != nil {
			return err
		}
		if err := e.enableWAL(ctx); err != nil {
			return err
		}
		if err := e.migrate(ctx); err != nil {
			return err
		}
	}
	if err := readBack(ctx, e.write, e.writerPragmas()); err != nil {
		return err
	}
	if err := readBack(ctx, e.read, readerPragmas); err != nil {
		return err
	}
	for _, query := range []string{authenticateSQL, deletedSQL, liveSQL} {
		statement, err := e.read.PrepareContext(ctx, query) //nolint:sqlclosecheck // closing the pool closes it
		if err != nil {
			return err
		}
		e.lookups[query] = statement
	}
	deletion, err := e.write.PrepareContext(ctx, deleteSQL)
	if err != nil {
		return err
	}
	e.opened = make(map[string]os.FileInfo)
	for _, path := range []string{e.path, e.path + "-wal", e.path + "-shm"} {
		if e.opened[path], err = os.Stat(path); e.readOnly && errors.Is(err, fs.ErrNotExist) {
			delete(e.opened, path)
		} else if err != nil {
			return err
		}
	}
	e.writer = startSQLiteWriter(e.write, deletion, e.checkPlace)
	return nil
}

// lookUp implements engine, also for liveSQL. Only the wait for a turn ends with ctx. The statement itself takes less time than
// starting the goroutines with which database/sql and the driver watch a context (BenchmarkAuthenticate).
func (e *sqliteEngine) lookUp(ctx context.Context, query string, args, columns []any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case e.concurrentLookups <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.concurrentLookups }()
	return e.lookups[query].QueryRowContext(context.WithoutCancel(ctx), args...).Scan(columns...)
}

// delete implements engine. If no reader finds the key live, it returns without waiting for the writer.
//
// That is linearizable. The reader's snapshot begins after the request arrived, so it contains every create and delete
// that was acknowledged before, by any process, because both are acknowledged after their commit. And a key that the
// snapshot does not contain as live was not live at that moment, because a deleted key never comes back to life.
func (e *sqliteEngine) delete(ctx context.Context, args ...any) (int64, error) {
	var live bool
	if err := e.lookUp(ctx, liveSQL, args[3:], []any{&live}); err != nil || !live {
		return 0, err
	}
	return e.writer.delete(ctx, args)
}

// begin implements engine.
func (e *sqliteEngine) begin(ctx context.Context) (*sql.Tx, error) { return e.write.BeginTx(ctx, nil) }

// checkPlace reports whether the paths still lead to the open files. What is written to a file that was moved away, or
// replaced by a backup, is lost at the next start, and so is what is in a write-ahead log that was removed.
func (e *sqliteEngine) checkPlace() error {
	for path, opened := range e.opened {
		if now, err := os.Stat(path); err != nil || !os.SameFile(opened, now) {
			return errors.Join(err, errReplaced)
		}
	}
	return nil
}

// checkWritable implements engine.
func (e *sqliteEngine) checkWritable(ctx context.Context) error {
	if err := e.checkPlace(); err != nil {
		return err
	}
	if e.readOnly {
		return e.checkAccess()
	}
	// BEGIN IMMEDIATE succeeds in a read-only file, too.
	if err := e.checkMode(ctx); err != nil {
		return err
	}
	tx, err := e.write.BeginTx(ctx, nil) // BEGIN IMMEDIATE: takes the write lock
	if err != nil {
		return err
	}
	return tx.Rollback()
}

// lost implements engine. Connections to a file are never lost.
func (e *sqliteEngine) lost(error) bool { return false }

// stats implements engine.
func (e *sqliteEngine) stats() []PoolStats {
	write := sqliteStats("write", e.write)
	write.Waits += e.writer.waits.Load()
	write.Wait += time.Duration(e.writer.wait.Load())
	return []PoolStats{write, sqliteStats("read", e.read)}
}

// close implements engine. The writing connection is closed last, because the last connection moves the write-ahead log
// into the file.
func (e *sqliteEngine) close() error {
	if e.writer != nil {
		e.writer.close()
	}
	return errors.Join(e.read.Close(), e.write.Close())
}

// sqliteReaders returns the number of concurrent lookups: more than the processors, because some lookups wait for the
// disk. A list, which may take long, has a connection of its own.
func sqliteReaders() int { return max(4, 2*runtime.GOMAXPROCS(0)) }

func sqliteStats(name string, db *sql.DB) PoolStats {
	stats := db.Stats()
	return PoolStats{
		Name:  name,
		Max:   stats.MaxOpenConnections,
		Open:  stats.OpenConnections,
		InUse: stats.InUse,
		Waits: stats.WaitCount,
		Wait:  stats.WaitDuration,
	}
}

// immutable is a mode of connectSQLite: the file is read without locks and without files beside it.
const immutable = "immutable"

// connectSQLite returns a pool for the file; no connection is opened yet. The mode is "ro", "rw" or immutable. The driver
// reads pragmas from _pragma= only.
func connectSQLite(path, mode string, pragmas []pragma) (*sql.DB, error) {
	// A transaction takes the write lock when it begins, unless it is read-only.
	query := url.Values{"mode": {mode}, "_txlock": {"immediate"}}
	if mode == immutable {
		query.Set("mode", "ro")
		query.Set("immutable", "1")
	}
	for _, p := range pragmas {
		query.Add("_pragma", p.name+"("+p.value+")")
	}
	// A URL, so that a question mark, number sign, percent sign or space in the path is escaped.
	file := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	connector, err := sqlite.NewConnector(file.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

var errNotOurs = errors.New("not a store of diga-api: it contains the tables of another program")

// sqliteSchema returns the schema, version 0 for an empty file.
func sqliteSchema(ctx context.Context, db querier) (schema, error) {
	const query = `SELECT count(*), coalesce(sum(type = 'table' AND name = $1), 0) FROM sqlite_schema`
	var objects, versionTables int
	if err := db.QueryRowContext(ctx, query, versionTable).Scan(&objects, &versionTables); err != nil {
		return schema{}, err
	}
	switch {
	case objects == 0:
		return schema{}, nil
	case versionTables == 0:
		return schema{}, errNotOurs
	}
	return readSchema(ctx, db)
}

var errReplaced = errors.New("the file, or one of those beside it, was replaced after it was opened; restart the server")

var errSQLiteReadOnly = errors.New("the file, or its folder, is read-only: let the user that runs this program write to both")

// checkAccess reports whether the user of this process may write to the file, and create files beside it.
func (e *sqliteEngine) checkAccess() error {
	for _, path := range []string{e.path, filepath.Dir(e.path)} {
		if err := syscall.Access(path, 2); err != nil { // W_OK
			return fmt.Errorf("%w (%w)", errSQLiteReadOnly, err)
		}
	}
	return nil
}

// checkMode asks SQLite whether the file is read-only, because opening a read-only file for writing is not an error.
func (e *sqliteEngine) checkMode(ctx context.Context) error {
	conn, err := e.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driver any) error {
		readOnly, err := driver.(interface{ IsReadOnly(string) (bool, error) }).IsReadOnly("main")
		if err == nil && readOnly {
			err = errSQLiteReadOnly
		}
		return err
	})
}

// enableWAL switches the file to a write-ahead log permanently. If several processes do so at the same time on a new file,
// some get SQLITE_BUSY at once, regardless of the busy timeout, and have to try again. A process that keeps its lock on the
// file does not keep them trying for ever.
func (e *sqliteEngine) enableWAL(ctx context.Context) error {
	for began := time.Now(); ; {
		var mode string
		err := e.write.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode)
		switch {
		case err == nil && mode == "wal":
			return nil
		case err == nil:
			return fmt.Errorf("sqlite keeps journal_mode %s instead of wal", mode)
		case !sqliteCode(err, sqlite3.SQLITE_BUSY) || ctx.Err() != nil || time.Since(began) > sqliteWALTimeout:
			return err // not that of a deadline, because the lock may be gone the next time
		}
	}
}

// migrate brings the schema up to date in one transaction that holds the write lock from the start, so that one of several
// processes migrates and the others find it done.
func (e *sqliteEngine) migrate(ctx context.Context) error {
	found, err := sqliteSchema(ctx, e.write)
	if err != nil {
		return err
	}
	if found.version >= Head {
		return found.check(e.name, true)
	}
	tx, err := e.write.BeginTx(ctx, nil) // BEGIN IMMEDIATE
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return migrate(ctx, tx, "sqlite", e.name, sqliteSchema)
}

// readBack checks that the pragmas took effect.
func readBack(ctx context.Context, db *sql.DB, pragmas []pragma) error {
	for _, p := range pragmas {
		var got string
		if err := db.QueryRowContext(ctx, `PRAGMA `+p.name).Scan(&got); err != nil {
			return err
		}
		if got != p.readBack {
			return fmt.Errorf("sqlite keeps %s %s instead of %s", p.name, got, p.value)
		}
	}
	return nil
}

// explain turns an error of SQLite into one sentence for the operator.
func (e *sqliteEngine) explain(err error) error {
	switch {
	case sqliteCode(err, sqlite3.SQLITE_NOTADB):
		return fmt.Errorf("%s: not a database", e.name)
	case sqliteCode(err, sqlite3.SQLITE_CORRUPT):
		return fmt.Errorf("%s: the database is damaged, restore a backup: %w", e.name, err)
	case sqliteCode(err, sqlite3.SQLITE_READONLY):
		return fmt.Errorf("%s: %w", e.name, errSQLiteReadOnly)
	case sqliteCode(err, sqlite3.SQLITE_CANTOPEN):
		return fmt.Errorf("%s: the file cannot be opened, or no file can be created beside it", e.name)
	case sqliteCode(err, sqlite3.SQLITE_BUSY):
		return fmt.Errorf("%s: another process holds a lock on the file: %w", e.name, err)
	case errors.Is(err, ErrOlderSchema), errors.Is(err, ErrNewerSchema):
		return err
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err // the name contains the path already
	}
	return fmt.Errorf("%s: %w", e.name, err)
}

// sqliteCode reports whether err is an error of SQLite with the primary result code code.
func sqliteCode(err error, code int) bool {
	var sqliteErr *sqlite.Error
	return errors.As(err, &sqliteErr) && sqliteErr.Code()&0xff == code
}

// sqliteSynchronous maps the numbers that SQLite returns for the pragma synchronous to their names.
var sqliteSynchronous = map[string]string{"0": "off", "1": "normal", "2": "full", "3": "extra"}

// inspect implements engine.
func (e *sqliteEngine) inspect(ctx context.Context) (inspection Inspection, err error) {
	var version string
	if err := e.write.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version); err != nil {
		return Inspection{}, err
	}
	inspection.Engine = "SQLite " + version
	for _, name := range []string{"journal_mode", "synchronous", "busy_timeout", "foreign_keys", "auto_vacuum", "page_size", "wal_autocheckpoint"} {
		setting := Setting{Name: name}
		if err := e.write.QueryRowContext(ctx, `PRAGMA `+name).Scan(&setting.Value); err != nil {
			return Inspection{}, err
		}
		switch name {
		case "journal_mode":
			setting.Wrong = setting.Value != "wal" && !e.readOnly // a server switches it on
		case "synchronous":
			setting.Wrong = setting.Value != "2" && setting.Value != "3"
			setting.Value = sqliteSynchronous[setting.Value]
		}
		inspection.Settings = append(inspection.Settings, setting)
	}
	return inspection, nil
}
