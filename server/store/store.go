// Package store keeps the API keys, in one SQLite file or in a PostgreSQL database that several servers share. Both
// engines run the same SQL text, through database/sql, and the same conformance suite (package storetest).
//
// Nothing is cached: what one server deleted is gone for the very next look-up of every other. An acknowledged delete
// survives the death of the process and of the machine.
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

// The errors of Open that a caller may want to tell apart. What is wrapped around them is one sentence that says what
// to mend and never contains a password.
var (
	ErrURL         = errors.New("bad database url")
	ErrOlderSchema = errors.New("the schema is older than this program")
	ErrNewerSchema = errors.New("the schema is newer than this program")
)

// ErrInvalid says that a key cannot be stored as it is: its text is not valid UTF-8 or contains a NUL, which
// PostgreSQL cannot hold.
var ErrInvalid = errors.New("invalid key")

// The whole life of a key, in the SQL that both engines read.
const (
	createSQL = `INSERT INTO api_keys (id, project_id, creator_id, name, last_four_digits, permissions, created_at, ` +
		`expires_at, secret_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	authenticateSQL = `SELECT id, project_id, creator_id, name, last_four_digits, permissions, created_at, expires_at ` +
		`FROM api_keys WHERE secret_hash = $1 AND deleted_at IS NULL`

	// One statement decides and deletes, so that of many concurrent deletes exactly one changes the row, and what it
	// leaves is the audit record.
	deleteSQL = `UPDATE api_keys SET deleted_at = $1, deleted_by = $2, deleted_request_id = $3, secret_hash = NULL ` +
		`WHERE id = $4 AND project_id = $5 AND deleted_at IS NULL`

	listSQL = `SELECT id, project_id, creator_id, name, last_four_digits, permissions, created_at, expires_at, ` +
		`deleted_at, deleted_by, deleted_request_id FROM api_keys`
	listOrderSQL = ` ORDER BY created_at, id`

	emptySQL = `SELECT NOT EXISTS (SELECT 1 FROM api_keys)`
)

// Options of Open.
type Options struct {
	// Migrate brings the schema up to date, creating the SQLite file where there is none. Without it Open refuses a
	// schema that is older than the program.
	Migrate bool

	// ReadOnly opens the store to be read, as by Copy: nothing in it can be changed, and it need not be writable.
	ReadOnly bool
}

// Store is an open store. Its methods may be called concurrently, and give up when their context ends.
type Store struct {
	name  string  // the store in messages: the URL without secrets
	path  string  // of the SQLite file; empty on PostgreSQL
	read  *sql.DB // on PostgreSQL the same pool as write
	write *sql.DB

	lookUp func(ctx context.Context, hash []byte, columns []any) error
	remove func(ctx context.Context, args ...any) (rows int64, err error)
	check  func(ctx context.Context) error
	lost   func(error) bool // whether a statement failed with its connection, which is then out of the pool
	stats  func() []PoolStats
	close  func() error
}

// Open opens the store at url, whose scheme chooses the engine: sqlite:PATH or postgres://... with the parameters that
// pgxpool.ParseConfig understands. The error wraps ErrURL when the URL is at fault, ErrOlderSchema or ErrNewerSchema
// when the schema is not that of this program; a store that is refused is left as it was.
func Open(ctx context.Context, url string, options Options) (*Store, error) {
	if err := CheckURL(url); err != nil {
		return nil, err
	}
	if path, found := strings.CutPrefix(url, "sqlite:"); found {
		return openSQLite(ctx, path, options)
	}
	return openPostgres(ctx, url, options)
}

// CheckURL says what is wrong with url itself, as Open would, without opening anything.
func CheckURL(url string) error {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		return checkSQLitePath(rest)
	case "postgres", "postgresql":
		_, err := parsePostgres(url)
		return err
	default:
		// The text is not repeated: whatever it is, it may contain a password.
		return fmt.Errorf("%w: write sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE", ErrURL)
	}
}

// Close closes the store once the statements under way are done.
func (s *Store) Close() error { return s.close() }

// String is the URL of the store without secrets.
func (s *Store) String() string { return s.name }

// Create stores a key with the hash of its secret. The error wraps ErrInvalid when the key cannot be stored; a second
// key with the same id or secret is an error too.
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
	_, err = s.write.ExecContext(ctx, createSQL, key.ID.String(), key.ProjectID.String(), key.CreatorID.String(),
		key.Name, key.LastFourDigits, permissions, key.CreatedAt.UnixMicro(), timeColumn(key.ExpiresAt), hash[:])
	if err != nil {
		return s.fail("create key", err)
	}
	return nil
}

// Authenticate finds the live key whose secret hashes to hash, expired or not; apikey.ErrNotFound when there is none.
func (s *Store) Authenticate(ctx context.Context, hash apikey.Hash) (apikey.Key, error) {
	for attempt := 1; ; attempt++ {
		var row row
		err := s.lookUp(ctx, hash[:], row.liveColumns())
		switch {
		case err == nil:
			return row.key()
		case errors.Is(err, sql.ErrNoRows):
			return apikey.Key{}, apikey.ErrNotFound
		case s.lost(err) && attempt == 1:
			// A look-up changes nothing and may be repeated, so that a restart of the database between two
			// requests goes unnoticed.
		default:
			return apikey.Key{}, fmt.Errorf("look up key: %w", err)
		}
	}
}

// Delete deletes the live key id of project in one statement, leaving the tombstone deletion; apikey.ErrNotFound when
// project has no such live key. Any other error leaves open whether the key was deleted, as the answer of the database
// may be what got lost; the statement is never repeated.
func (s *Store) Delete(ctx context.Context, project, id apitype.UUID, deletion apikey.Deletion) error {
	rows, err := s.remove(ctx, deletion.At.UnixMicro(), deletion.By.String(), deletion.RequestID, id.String(),
		project.String())
	// The error comes first: an outage affects no rows either, and must not become a 404.
	if err != nil {
		return s.fail("delete key", err)
	}
	if rows == 0 {
		return apikey.ErrNotFound
	}
	return nil
}

// Filter says which keys List gives.
type Filter struct {
	Project *apitype.UUID // nil: of every project
	Deleted bool          // the tombstones as well
}

// List gives the keys that fit filter, oldest first, as they come from the database; an error ends it.
func (s *Store) List(ctx context.Context, filter Filter) iter.Seq2[apikey.Key, error] {
	var conditions []string
	var args []any
	if filter.Project != nil {
		conditions, args = append(conditions, "project_id = $1"), append(args, filter.Project.String())
	}
	if !filter.Deleted {
		conditions = append(conditions, "deleted_at IS NULL")
	}
	query := listSQL
	if len(conditions) > 0 {
		query += " WHERE " + strings.Join(conditions, " AND ")
	}
	return func(yield func(apikey.Key, error) bool) {
		rows, err := s.read.QueryContext(ctx, query+listOrderSQL, args...)
		if err != nil {
			yield(apikey.Key{}, s.fail("list keys", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var row row
			if err := rows.Scan(row.columns()...); err != nil {
				yield(apikey.Key{}, s.fail("list keys", err))
				return
			}
			key, err := row.key()
			if !yield(key, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(apikey.Key{}, s.fail("list keys", err))
		}
	}
}

// PoolStats are the figures of a pool of connections.
type PoolStats struct {
	Name  string // "write" or "read" of SQLite, "postgres"
	Max   int    // connections at most; zero: no limit
	Open  int    // connections now
	InUse int
	Waits int64         // how often a statement had to wait for a connection,
	Wait  time.Duration // and for how long altogether
}

// Stats are the figures of each pool of the store.
func (s *Store) Stats() []PoolStats { return s.stats() }

// fail wraps the error of a statement, after telling the engine of it.
func (s *Store) fail(doing string, err error) error {
	s.lost(err)
	return fmt.Errorf("%s: %w", doing, err)
}

// row is a row of api_keys as database/sql scans it from either engine.
type row struct {
	id, projectID, creatorID, name, lastFourDigits string
	permissions                                    sql.NullString
	createdAt                                      int64
	expiresAt, deletedAt                           sql.NullInt64
	deletedBy, deletedRequestID                    sql.NullString
}

// liveColumns are those of authenticateSQL.
func (r *row) liveColumns() []any {
	return []any{&r.id, &r.projectID, &r.creatorID, &r.name, &r.lastFourDigits, &r.permissions, &r.createdAt,
		&r.expiresAt}
}

// columns are those of listSQL.
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

// permissionsColumn is NULL for an unrestricted key, and a JSON array, empty if need be, for a restricted one, so that
// losing the permissions can never turn into holding them all.
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
