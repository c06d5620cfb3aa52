//go:build proof

package store_test

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// The statements of the store, issued through the driver and nothing else.
const (
	benchLookUp = `SELECT id, project_id, creator_id, name, last_four_digits, permissions, created_at, expires_at ` +
		`FROM api_keys WHERE secret_hash = $1 AND deleted_at IS NULL`
	benchDelete = `UPDATE api_keys SET deleted_at = $1, deleted_by = $2, deleted_request_id = $3, ` +
		`deleted_fingerprint = substr(secret_hash, 1, 8), secret_hash = NULL ` +
		`WHERE id = $4 AND project_id = $5 AND deleted_at IS NULL`
)

// openSQLite opens the file of a store with the pragma through database/sql.
func openSQLite(b *testing.B, url, pragma string, connections int) *sql.DB {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:")+"?_pragma=busy_timeout(1000)&_pragma="+pragma)
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	b.Cleanup(func() { db.Close() })
	return db
}

// BenchmarkAuthenticate looks a key up with a context that can end, as that of a request can: through the store, and
// through database/sql, which watches the context on SQLite and costs as much as pgx itself on PostgreSQL.
func BenchmarkAuthenticate(b *testing.B) {
	run := func(b *testing.B, name string, lookUp func(ctx context.Context) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					ctx, cancel := context.WithCancel(context.Background())
					if err := lookUp(ctx); err != nil {
						b.Error(err)
					}
					cancel()
				}
			})
		})
	}
	for name, engine := range map[string]struct {
		url    func() string
		driver func(b *testing.B, url string) *sql.DB
	}{
		"SQLite": {
			func() string { return process.SQLite(b) },
			func(b *testing.B, url string) *sql.DB { return openSQLite(b, url, "query_only(1)", 4) },
		},
		"PostgreSQL": {
			func() string { return postgres.Database(b) },
			func(b *testing.B, url string) *sql.DB {
				db, err := sql.Open("pgx", url)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { db.Close() })
				return db
			},
		},
	} {
		b.Run(name, func(b *testing.B) {
			url := engine.url()
			s := storetest.Open(b, url)
			_, secret := storetest.Create(b, s, apitype.NewUUID())
			hash := secret.Hash()
			run(b, "store", func(ctx context.Context) error {
				_, err := s.Authenticate(ctx, hash)
				return err
			})
			if name == "PostgreSQL" { // as behind a pooler
				s := storetest.Open(b, postgres.With(b, url, "default_query_exec_mode", "cache_describe"))
				run(b, "unprepared", func(ctx context.Context) error {
					_, err := s.Authenticate(ctx, hash)
					return err
				})
			}
			statement, err := engine.driver(b, url).PrepareContext(b.Context(), benchLookUp)
			if err != nil {
				b.Fatal(err)
			}
			run(b, "sql", func(ctx context.Context) error {
				var id, project, creator, name, digits string
				var permissions sql.NullString
				var created int64
				var expires sql.NullInt64
				return statement.QueryRowContext(ctx, hash[:]).Scan(&id, &project, &creator, &name, &digits, &permissions, &created, &expires)
			})
		})
	}
}

// BenchmarkDelete deletes each key once, 32 at a time, from an embedded store: through the store, where deletes share a
// flush, and through the driver, where each has its own.
func BenchmarkDelete(b *testing.B) {
	url := process.SQLite(b)
	s := storetest.Open(b, url)
	statement, err := openSQLite(b, url, "synchronous(FULL)", 1).PrepareContext(b.Context(), benchDelete)
	if err != nil {
		b.Fatal(err)
	}
	for name, remove := range map[string]func(ctx context.Context, key apikey.Key, deletion apikey.Deletion) error{
		"shared": func(ctx context.Context, key apikey.Key, deletion apikey.Deletion) error {
			return s.Delete(ctx, key.ProjectID, key.ID, deletion)
		},
		"single": func(ctx context.Context, key apikey.Key, deletion apikey.Deletion) error {
			_, err := statement.ExecContext(ctx, deletion.At.UnixMicro(), deletion.By.String(), deletion.RequestID,
				key.ID.String(), key.ProjectID.String())
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			storetest.Fill(b, url, b.N)
			keys := make([]apikey.Key, 0, b.N)
			for key, err := range s.List(b.Context(), store.Filter{}) {
				if err != nil {
					b.Fatal(err)
				}
				keys = append(keys, key)
			}
			var next atomic.Int64
			b.SetParallelism(16) // on two processors
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := remove(b.Context(), keys[next.Add(1)-1], storetest.NewDeletion()); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
