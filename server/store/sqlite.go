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
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteBusyTimeout is how long, in milliseconds, a statement waits for another process's lock: less than a request
// has, so that the answer names the lock and not merely the deadline.
const sqliteBusyTimeout = "1000"

// pragma is a setting of SQLite that is set on each connection and read back, because SQLite ignores what it does not
// understand.
type pragma struct{ name, value, readBack string }

var (
	writerPragmas = []pragma{
		{"busy_timeout", sqliteBusyTimeout, sqliteBusyTimeout},
		{"synchronous", "FULL", "2"}, // each commit reaches the disk before it is acknowledged
	}
	readerPragmas = []pragma{
		{"busy_timeout", sqliteBusyTimeout, sqliteBusyTimeout},
		{"query_only", "1", "1"},
	}
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

// openSQLite opens the file path: one connection that writes, as SQLite has one writer at a time and would answer
// SQLITE_BUSY to the others, and a pool that reads, which in WAL mode the writer does not hinder.
func openSQLite(ctx context.Context, path string, options Options) (_ *Store, err error) {
	s := &Store{name: "sqlite:" + path, lost: func(error) bool { return false }}
	if s.path, err = filepath.Abs(path); err != nil {
		return nil, s.explainSQLite(err)
	}
	if err := s.findFile(options); err != nil {
		return nil, err
	}
	if err := s.inspect(ctx, options); err != nil {
		return nil, err
	}

	mode := "rw"
	if options.ReadOnly {
		mode = "ro"
	}
	if s.write, err = connectSQLite(s.path, mode, writerPragmas); err != nil {
		return nil, s.explainSQLite(err)
	}
	if s.read, err = connectSQLite(s.path, mode, readerPragmas); err != nil {
		return nil, s.explainSQLite(err)
	}
	s.write.SetMaxOpenConns(1)
	s.read.SetMaxIdleConns(sqliteReaders())
	s.stats = func() []PoolStats {
		return []PoolStats{sqliteStats("write", s.write), sqliteStats("read", s.read)}
	}
	s.close = func() error {
		// The writer goes last: the last connection moves the write-ahead log into the file.
		return errors.Join(s.read.Close(), s.write.Close())
	}
	defer func() {
		if err != nil {
			_ = s.close() // the error that led here counts
		}
	}()
	if err := s.prepare(ctx, options); err != nil {
		return nil, s.explainSQLite(err)
	}
	return s, nil
}

// findFile sees to it that there is a file, if options allow it.
func (s *Store) findFile(options Options) error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && options.Migrate && !options.ReadOnly:
		// SQLite would create it readable for everybody.
		file, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			err = errors.Join(file.Close(), syncFolder(filepath.Dir(s.path)))
		}
		if err != nil {
			return s.explainSQLite(err)
		}
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w: there is no such file; run `diga-api migrate`", s.name, ErrOlderSchema)
	case err != nil:
		return s.explainSQLite(err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a file", s.name)
	}
	return nil
}

// inspect looks at the file through a connection that cannot change it, so that a file which is refused stays byte for
// byte what it was.
func (s *Store) inspect(ctx context.Context, options Options) error {
	db, err := connectSQLite(s.path, "ro", readerPragmas)
	if err != nil {
		return s.explainSQLite(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	version, err := sqliteVersion(ctx, db)
	if err != nil {
		return s.explainSQLite(err)
	}
	return s.fits(version, options.Migrate && !options.ReadOnly)
}

// prepare makes the file and the connections ready to serve.
func (s *Store) prepare(ctx context.Context, options Options) error {
	if !options.ReadOnly {
		if err := s.checkWritable(ctx); err != nil {
			return err
		}
		if err := s.enableWAL(ctx); err != nil {
			return err
		}
		if err := s.migrateSQLite(ctx, options); err != nil {
			return err
		}
	}
	if err := readBack(ctx, s.write, writerPragmas); err != nil {
		return err
	}
	if err := readBack(ctx, s.read, readerPragmas); err != nil {
		return err
	}
	authenticate, err := s.read.PrepareContext(ctx, authenticateSQL) //nolint:sqlclosecheck // closed with the pool
	if err != nil {
		return err
	}
	remove, err := s.write.PrepareContext(ctx, deleteSQL) //nolint:sqlclosecheck // closed with the pool
	if err != nil {
		return err
	}
	opened, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	turns := make(chan struct{}, sqliteReaders())
	s.lookUp = func(ctx context.Context, hash []byte, columns []any) error {
		// Only the wait for a turn ends with the context. The look-up itself waits for nobody and is over sooner than
		// the goroutines would start with which database/sql and the driver watch a context.
		if err := ctx.Err(); err != nil {
			return err
		}
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-turns }()
		return authenticate.QueryRowContext(context.WithoutCancel(ctx), hash).Scan(columns...)
	}
	s.remove = func(ctx context.Context, args ...any) (int64, error) {
		result, err := remove.ExecContext(ctx, args...)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
	s.check = func(ctx context.Context) error {
		// What is written to a file that was moved away, or replaced by a backup, is lost with the next start.
		if now, err := os.Stat(s.path); err != nil || !os.SameFile(opened, now) {
			return errors.Join(err, errReplaced)
		}
		// In a file that is read-only BEGIN IMMEDIATE succeeds, too.
		if err := s.checkWritable(ctx); err != nil {
			return err
		}
		tx, err := s.write.BeginTx(ctx, nil) // BEGIN IMMEDIATE: takes the write lock
		if err != nil {
			return err
		}
		return tx.Rollback()
	}
	return nil
}

// sqliteReaders is the number of look-ups that go on at the same time: enough to occupy the processors, as reading waits
// for the disk at times. Beside them a list, which may take its time, has a connection of its own.
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

// connectSQLite describes a pool for the file; nothing is opened yet. Only _pragma= counts in the driver's URL.
func connectSQLite(path, mode string, pragmas []pragma) (*sql.DB, error) {
	// A transaction takes the write lock when it begins, unless it is declared to read only.
	query := url.Values{"mode": {mode}, "_txlock": {"immediate"}}
	for _, p := range pragmas {
		query.Add("_pragma", p.name+"("+p.value+")")
	}
	// As a URL, so that a question mark, number sign, percent sign or space in the path is one.
	file := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	connector, err := sqlite.NewConnector(file.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

var errNotOurs = errors.New("not a store of diga-api: it holds the tables of another program")

// sqliteVersion is the version of the schema, zero in an empty file.
func sqliteVersion(ctx context.Context, db *sql.DB) (int64, error) {
	const query = `SELECT count(*), coalesce(sum(type = 'table' AND name = $1), 0) FROM sqlite_schema`
	var objects, versionTables int
	if err := db.QueryRowContext(ctx, query, versionTable).Scan(&objects, &versionTables); err != nil {
		return 0, err
	}
	switch {
	case objects == 0:
		return 0, nil
	case versionTables == 0:
		return 0, errNotOurs
	}
	return schemaVersion(ctx, db)
}

var errReplaced = errors.New("the file is another than the one that was opened; start again")

var errSQLiteReadOnly = errors.New("the file, or its folder, is read-only")

// checkWritable asks SQLite, which opens what it cannot write to without a word.
func (s *Store) checkWritable(ctx context.Context) error {
	conn, err := s.write.Conn(ctx)
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

// enableWAL switches the file to a write-ahead log, once and for all. Of several processes that try at the same time
// on a new file some are told at once that it is locked, whatever the busy timeout; they find it done, or try again.
func (s *Store) enableWAL(ctx context.Context) error {
	for {
		var mode string
		err := s.write.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode)
		switch {
		case err == nil && mode == "wal":
			return nil
		case err == nil:
			return fmt.Errorf("sqlite keeps journal_mode %s instead of wal", mode)
		case !sqliteCode(err, sqlite3.SQLITE_BUSY) || ctx.Err() != nil:
			return err
		}
	}
}

// migrateSQLite brings the schema up to date in one transaction that holds the write lock from its beginning, so that
// of several processes one migrates and the others find it done. The pool has one connection: everything goose does
// happens inside.
func (s *Store) migrateSQLite(ctx context.Context, options Options) (err error) {
	version, err := sqliteVersion(ctx, s.write)
	if err != nil {
		return err
	}
	if version == Head {
		return nil
	}
	if _, err := s.write.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			_, err = s.write.ExecContext(ctx, `COMMIT`)
		}
		if err != nil {
			_, _ = s.write.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`) // which closing would do as well
		}
	}()
	if version, err = sqliteVersion(ctx, s.write); err != nil {
		return err
	}
	if err := s.fits(version, options.Migrate); err != nil {
		return err
	}
	// IsolateDDL is goose's name for not beginning transactions of its own.
	return migrateUp(ctx, s.write, goose.DialectSQLite3, "sqlite", goose.WithIsolateDDL(true))
}

// readBack makes sure that the pragmas took.
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

// explainSQLite turns what SQLite says about the file into a sentence for its operator.
func (s *Store) explainSQLite(err error) error {
	switch {
	case sqliteCode(err, sqlite3.SQLITE_NOTADB):
		return fmt.Errorf("%s: not a database", s.name)
	case sqliteCode(err, sqlite3.SQLITE_CORRUPT):
		return fmt.Errorf("%s: the database is damaged, restore a backup: %w", s.name, err)
	case sqliteCode(err, sqlite3.SQLITE_READONLY):
		return fmt.Errorf("%s: %w", s.name, errSQLiteReadOnly)
	case sqliteCode(err, sqlite3.SQLITE_CANTOPEN):
		return fmt.Errorf("%s: the file cannot be opened, or no file created beside it", s.name)
	case sqliteCode(err, sqlite3.SQLITE_BUSY):
		return fmt.Errorf("%s: another process holds a lock on the file: %w", s.name, err)
	case errors.Is(err, ErrOlderSchema), errors.Is(err, ErrNewerSchema):
		return err
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err // the name says the path already
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

// sqliteCode says whether err is SQLite's, of the primary result code code.
func sqliteCode(err error, code int) bool {
	var sqliteErr *sqlite.Error
	return errors.As(err, &sqliteErr) && sqliteErr.Code()&0xff == code
}
