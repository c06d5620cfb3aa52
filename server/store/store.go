// Package store stores the API keys in one SQLite file, or in a PostgreSQL database that several servers share. Both
// engines run the same SQL text and pass the same conformance suite (package storetest).
//
// Nothing is cached: a key that one server has deleted is gone for the next lookup of every other server. An acknowledged
// delete survives a crash of the process and a power loss.
package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// Errors of Open. The text wrapped around them is one sentence that says what to fix. It never contains a password.
var (
	ErrURL         = errors.New("invalid database url")
	ErrOlderSchema = errors.New("the schema is older than this program")
	ErrNewerSchema = errors.New("the schema is newer than this program")
)

// ErrInvalid means that a key cannot be stored, because its text is not valid UTF-8 or contains a NUL, which PostgreSQL
// cannot store.
var ErrInvalid = errors.New("invalid key")

// The SQL of both engines.
const (
	createSQL = `INSERT INTO api_keys (id, project_id, creator_id, name, last_four_digits, permissions, created_at, ` +
		`expires_at, secret_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	authenticateSQL = `SELECT id, project_id, creator_id, name, last_four_digits, permissions, created_at, expires_at ` +
		`FROM api_keys WHERE secret_hash = $1 AND deleted_at IS NULL`

	// deletedSQL finds the deleted key that had a secret, or one of them: a secret can be stored again after its delete.
	deletedSQL = `SELECT id FROM api_keys WHERE deleted_fingerprint = $1 LIMIT 1`

	// A single statement checks and deletes, so that of many concurrent deletes exactly one changes the row. The row that
	// remains is the audit record. The right-hand sides see the row as it was, with its hash.
	deleteSQL = `UPDATE api_keys SET deleted_at = $1, deleted_by = $2, deleted_request_id = $3, ` +
		`deleted_fingerprint = substr(secret_hash, 1, 8), secret_hash = NULL ` +
		`WHERE id = $4 AND project_id = $5 AND deleted_at IS NULL`

	listSQL = `SELECT id, project_id, creator_id, name, last_four_digits, permissions, created_at, expires_at, ` +
		`deleted_at, deleted_by, deleted_request_id FROM api_keys`
	listOrderSQL = ` ORDER BY created_at, id`
)

// The conditions of Filter. %d is the number of the argument.
const (
	projectSQL       = `project_id = $%d`
	nameSQL          = `replace(name, $%d, '') <> name` // contains: LIKE ignores case on SQLite only, and has wildcards
	expiresBeforeSQL = `expires_at < $%d`
	deletedAfterSQL  = `deleted_at >= $%d`
	notDeletedSQL    = `deleted_at IS NULL`
)

// Options of Open.
type Options struct {
	// Migrate brings the schema up to date, and creates the SQLite file if there is none. Without it Open rejects a schema
	// that is older than the program.
	Migrate bool

	// ReadOnly opens the store for reading, as the source of Copy. The store need not be writable, and the files of SQLite
	// stay as they are. CheckWritable then reports whether a server could write to them.
	ReadOnly bool
}

// Store is an open store. Its methods may be called concurrently, and return early when their context ends.
type Store struct {
	name   string // the URL without secrets, for messages
	read   *sql.DB
	engine engine
}

// engine is what differs between SQLite and PostgreSQL.
type engine interface {
	// lookUp runs authenticateSQL or deletedSQL and scans the row into columns. The error is sql.ErrNoRows if there is none.
	lookUp(ctx context.Context, query string, args, columns []any) error
	// delete runs deleteSQL and returns the number of rows affected.
	delete(ctx context.Context, args ...any) (rows int64, err error)
	// begin begins a transaction that writes. An acknowledged commit is on disk.
	begin(ctx context.Context) (*sql.Tx, error)
	// checkWritable reports why the store cannot be written to.
	checkWritable(ctx context.Context) error
	// lost reports whether a statement failed because its connection was lost, and discards such connections.
	lost(err error) bool
	inspect(ctx context.Context) (Inspection, error)
	backup(ctx context.Context, file string, progress Progress) error
	stats() []PoolStats
	close() error
}

// Open opens the store at url, whose scheme chooses the engine: sqlite:PATH or postgres://... with the parameters that
// pgxpool.ParseConfig accepts. The error wraps ErrURL if the URL is invalid, ErrOlderSchema or ErrNewerSchema if the schema
// is not that of this program, and ErrUnavailable if the same call may succeed later. A store that Open rejects is not changed.
func Open(ctx context.Context, url string, options Options) (*Store, error) {
	if err := CheckURL(url); err != nil {
		return nil, err
	}
	if path, found := strings.CutPrefix(url, "sqlite:"); found {
		opened, err := openSQLite(ctx, path, options)
		return opened, markUnavailable(err, sqliteMayPass)
	}
	opened, err := openPostgres(ctx, url, options)
	return opened, markUnavailable(err, postgresMayPass)
}

// Close waits for the running statements and closes the store.
func (s *Store) Close() error { return s.engine.close() }

// String returns the URL of the store without secrets.
func (s *Store) String() string { return s.name }

// Create stores a key with the hash of its secret. The error wraps ErrInvalid if the key cannot be stored. A second key
// with the same id or secret is an error as well.
func (s *Store) Create(ctx context.Context, key apikey.Key, hash apikey.Hash) error {
	permissions, err := permissionsColumn(key)
	if err != nil {
		return err
	}
	for _, text := range []string{key.Name, key.LastFourDigits} {
		if !storable(text) {
			return fmt.Errorf("%w: name and last four digits must be UTF-8 text without NUL", ErrInvalid)
		}
	}
	_, err = s.exec(ctx, createSQL, key.ID.String(), key.ProjectID.String(), key.CreatorID.String(),
		key.Name, key.LastFourDigits, permissions, key.CreatedAt.UnixMicro(), timeColumn(key.ExpiresAt), hash[:])
	if err != nil {
		return s.fail("create key", err)
	}
	return nil
}

// exec executes a statement in a transaction of its own and returns the number of rows affected.
func (s *Store) exec(ctx context.Context, query string, args ...any) (rows int64, err error) {
	tx, err := s.engine.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	if rows, err = result.RowsAffected(); err != nil {
		return 0, err
	}
	return rows, tx.Commit()
}

// fingerprintSize is the number of bytes of a hash that a tombstone keeps.
const fingerprintSize = 8

// Authenticate returns the live key whose secret hashes to hash, expired or not. If there is none, the error is an
// *apikey.DeletedError if the secret was that of a deleted key, and apikey.ErrNotFound otherwise.
func (s *Store) Authenticate(ctx context.Context, hash apikey.Hash) (apikey.Key, error) {
	var found row
	err := s.lookUp(ctx, authenticateSQL, []any{hash[:]}, found.liveColumns())
	if err == nil {
		return found.key()
	}
	if errors.Is(err, apikey.ErrNotFound) {
		// A second statement, so that the lookup of a live key stays as cheap as it is.
		err = s.lookUp(ctx, deletedSQL, []any{hash[:fingerprintSize]}, []any{&found.id})
	}
	if err == nil {
		var id apitype.UUID
		if id, err = apitype.ParseUUID(found.id); err == nil {
			return apikey.Key{}, &apikey.DeletedError{ID: id}
		}
	}
	return apikey.Key{}, err
}

// lookUp runs a lookup, which changes nothing, and once more if its connection was lost: a restart of the database between
// two requests does not become an error.
func (s *Store) lookUp(ctx context.Context, query string, args, columns []any) error {
	err := s.engine.lookUp(ctx, query, args, columns)
	if err != nil && s.engine.lost(err) {
		err = s.engine.lookUp(ctx, query, args, columns)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return apikey.ErrNotFound
	}
	return s.fail("look up key", err)
}

// Delete deletes the live key id of project in one statement and leaves the tombstone deletion. The error is
// apikey.ErrNotFound if project has no such live key. After any other error the key may have been deleted, because the
// response of the database may have been lost. The statement is never repeated.
func (s *Store) Delete(ctx context.Context, project, id apitype.UUID, deletion apikey.Deletion) error {
	rows, err := s.engine.delete(ctx, deletion.At.UnixMicro(), deletion.By.String(), deletion.RequestID, id.String(),
		project.String())
	// The error is checked first: an outage affects no rows either, and must not become a 404.
	if err != nil {
		return s.fail("delete key", err)
	}
	if rows == 0 {
		return apikey.ErrNotFound
	}
	return nil
}

// Filter selects the keys that List returns. A zero field does not restrict them.
type Filter struct {
	Project       *apitype.UUID
	Name          string    // the name contains it
	ExpiresBefore time.Time // the key expires, or has expired, before
	Deleted       bool      // include tombstones
	DeletedAfter  time.Time // only tombstones, of keys deleted at that time or later
}

// query returns the statement that List runs, and its arguments.
func (f Filter) query() (query string, args []any) {
	var conditions []string
	where := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	if f.Project != nil {
		where(projectSQL, f.Project.String())
	}
	if f.Name != "" {
		where(nameSQL, f.Name)
	}
	if !f.ExpiresBefore.IsZero() {
		where(expiresBeforeSQL, f.ExpiresBefore.UnixMicro())
	}
	if !f.DeletedAfter.IsZero() {
		where(deletedAfterSQL, f.DeletedAfter.UnixMicro())
	} else if !f.Deleted {
		conditions = append(conditions, notDeletedSQL)
	}
	query = listSQL
	if len(conditions) > 0 {
		query += " WHERE " + strings.Join(conditions, " AND ")
	}
	return query + listOrderSQL, args
}

// List returns the keys that match filter, oldest first, as they are read from the database. It ends with the first
// error.
func (s *Store) List(ctx context.Context, filter Filter) iter.Seq2[apikey.Key, error] {
	query, args := filter.query()
	return func(yield func(apikey.Key, error) bool) {
		rows, err := s.read.QueryContext(ctx, query, args...)
		if err != nil {
			yield(apikey.Key{}, s.fail("list keys", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var found row
			if err := rows.Scan(found.columns()...); err != nil {
				yield(apikey.Key{}, s.fail("list keys", err))
				return
			}
			key, err := found.key()
			if !yield(key, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(apikey.Key{}, s.fail("list keys", err))
		}
	}
}

// PoolStats are the statistics of a connection pool.
type PoolStats struct {
	Name  string // "write" or "read" of SQLite, "postgres"
	Max   int    // maximum of open connections; 0: no limit
	Open  int    // open connections
	InUse int
	Waits int64         // number of waits for a connection
	Wait  time.Duration // total time of these waits
}

// Stats returns the statistics of each pool of the store.
func (s *Store) Stats() []PoolStats { return s.engine.stats() }

// fail wraps the error of a statement. It lets the engine discard connections that were lost.
func (s *Store) fail(action string, err error) error {
	s.engine.lost(err)
	return fmt.Errorf("%s: %w", action, err)
}

// row is a row of api_keys as database/sql scans it from either engine.
type row struct {
	id, projectID, creatorID, name, lastFourDigits string
	permissions                                    sql.NullString
	createdAt                                      int64
	expiresAt, deletedAt                           sql.NullInt64
	deletedBy, deletedRequestID                    sql.NullString
}

// liveColumns returns the destinations for the columns of authenticateSQL.
func (r *row) liveColumns() []any {
	return []any{&r.id, &r.projectID, &r.creatorID, &r.name, &r.lastFourDigits, &r.permissions, &r.createdAt,
		&r.expiresAt}
}

// columns returns the destinations for the columns of listSQL.
func (r *row) columns() []any {
	return append(r.liveColumns(), &r.deletedAt, &r.deletedBy, &r.deletedRequestID)
}

func (r *row) key() (key apikey.Key, err error) {
	parse := func(text string) (id apitype.UUID) {
		if err == nil {
			id, err = apitype.ParseUUID(text)
		}
		return id
	}
	key = apikey.Key{
		ID:             parse(r.id),
		ProjectID:      parse(r.projectID),
		CreatorID:      parse(r.creatorID),
		Name:           r.name,
		LastFourDigits: r.lastFourDigits,
		CreatedAt:      time.UnixMicro(r.createdAt).UTC(),
		Restricted:     r.permissions.Valid,
	}
	if r.expiresAt.Valid {
		key.ExpiresAt = time.UnixMicro(r.expiresAt.Int64).UTC()
	}
	if r.deletedAt.Valid {
		key.Deleted = &apikey.Deletion{
			At:        time.UnixMicro(r.deletedAt.Int64).UTC(),
			By:        parse(r.deletedBy.String),
			RequestID: r.deletedRequestID.String,
		}
	}
	if err == nil && key.Restricted {
		err = json.Unmarshal([]byte(r.permissions.String), &key.Permissions)
	}
	if err != nil {
		return apikey.Key{}, fmt.Errorf("read stored key %s: %w", r.id, err)
	}
	return key, nil
}

// permissionsColumn returns NULL for an unrestricted key and a JSON array for a restricted one. A restricted key without
// permissions has an empty array, so that it can never become unrestricted.
func permissionsColumn(key apikey.Key) (sql.NullString, error) {
	if !key.Restricted {
		return sql.NullString{}, nil
	}
	for _, permission := range key.Permissions {
		if !storable(permission) {
			return sql.NullString{}, fmt.Errorf("%w: a permission must be UTF-8 text without NUL", ErrInvalid)
		}
	}
	text, err := json.Marshal(append([]string{}, key.Permissions...))
	return sql.NullString{String: string(text), Valid: true}, err
}

func timeColumn(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func storable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}
