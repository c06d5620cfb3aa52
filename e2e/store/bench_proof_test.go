//go:build proof

package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

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
	benchDelete = `UPDATE api_keys SET deleted_at = $1, deleted_by = $2, deleted_request_id = $3, secret_hash = NULL ` +
		`WHERE id = $4 AND project_id = $5 AND deleted_at IS NULL`
)

// benchEngines say how to issue a statement through the driver of each engine.
var benchEngines = []struct {
	name   string
	url    func(testing.TB) string
	driver func(b *testing.B, url string) (lookUp func(ctx context.Context, hash []byte) error,
		remove func(ctx context.Context, args ...any) error)
}{
	{"SQLite", process.SQLite, driverSQLite},
	{"PostgreSQL", func(t testing.TB) string { return durable(t).Database(t) }, driverPostgres},
}

// durable is a server as it runs in earnest, with fsync.
func durable(t testing.TB) *postgres.Server { return postgres.Start(t) }

func driverSQLite(b *testing.B, url string) (func(context.Context, []byte) error, func(context.Context, ...any) error) {
	open := func(pragmas string, connections int) *sql.DB {
		db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:")+"?_pragma=busy_timeout(1000)&"+pragmas)
		if err != nil {
			b.Fatal(err)
		}
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		b.Cleanup(func() { db.Close() })
		return db
	}
	read, err := open("_pragma=query_only(1)", 4).Prepare(benchLookUp)
	if err != nil {
		b.Fatal(err)
	}
	write, err := open("_pragma=synchronous(FULL)", 1).Prepare(benchDelete)
	if err != nil {
		b.Fatal(err)
	}
	return func(ctx context.Context, hash []byte) error {
			var id, project, creator, name, digits string
			var permissions sql.NullString
			var created int64
			var expires sql.NullInt64
			return read.QueryRowContext(ctx, hash).Scan(&id, &project, &creator, &name, &digits, &permissions, &created, &expires)
		}, func(ctx context.Context, args ...any) error {
			_, err := write.ExecContext(ctx, args...)
			return err
		}
}

func driverPostgres(b *testing.B, url string) (func(context.Context, []byte) error, func(context.Context, ...any) error) {
	pool, err := pgxpool.New(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return func(ctx context.Context, hash []byte) error {
			var id, project, creator, name, digits string
			var permissions *string
			var created int64
			var expires *int64
			return pool.QueryRow(ctx, benchLookUp, hash).Scan(&id, &project, &creator, &name, &digits, &permissions, &created, &expires)
		}, func(ctx context.Context, args ...any) error {
			_, err := pool.Exec(ctx, benchDelete, args...)
			return err
		}
}

// benchKeys stores n keys at one go, and gives them with their hashes.
func benchKeys(b *testing.B, url string, n int) (keys []apikey.Key, hashes []apikey.Hash) {
	b.Helper()
	s := open(b, url)
	defer s.Close()
	project := apitype.NewUUID()
	var wg sync.WaitGroup
	keys, hashes = make([]apikey.Key, n), make([]apikey.Hash, n)
	var next atomic.Int64
	for range 4 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				key, secret := storetest.NewKey(project)
				keys[i], hashes[i] = key, secret.Hash()
				if err := s.Create(context.Background(), key, hashes[i]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return keys, hashes
}

// BenchmarkAuthenticate looks a key up, through the store and through the driver alone, in a small store and in a large
// one; the context can end, as a request's can.
func BenchmarkAuthenticate(b *testing.B) {
	each(b, func(b *testing.B, url string, s *store.Store, lookUp func(context.Context, []byte) error, _ func(context.Context, ...any) error) {
		_, hashes := benchKeys(b, url, 1000)
		run := func(name string, lookUp func(ctx context.Context, hash apikey.Hash) error) {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						ctx, cancel := context.WithCancel(context.Background())
						if err := lookUp(ctx, hashes[i%len(hashes)]); err != nil {
							b.Error(err)
						}
						cancel()
					}
				})
			})
		}
		run("driver", func(ctx context.Context, hash apikey.Hash) error { return lookUp(ctx, hash[:]) })
		run("store", func(ctx context.Context, hash apikey.Hash) error {
			_, err := s.Authenticate(ctx, hash)
			return err
		})
		run("unknown", func(ctx context.Context, hash apikey.Hash) error {
			hash[0]++
			if _, err := s.Authenticate(ctx, hash); !errors.Is(err, apikey.ErrNotFound) {
				return err
			}
			return nil
		})
	})
}

// BenchmarkDelete deletes each key once, 32 at a time on two processors, through the store and through the driver alone,
// in a small store and in a large one.
func BenchmarkDelete(b *testing.B) {
	each(b, func(b *testing.B, url string, s *store.Store, _ func(context.Context, []byte) error, remove func(context.Context, ...any) error) {
		run := func(name string, remove func(ctx context.Context, key apikey.Key, deletion apikey.Deletion) error) {
			b.Run(name, func(b *testing.B) {
				keys, _ := benchKeys(b, url, b.N)
				var next atomic.Int64
				b.ReportAllocs()
				b.SetParallelism(16)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						ctx, cancel := context.WithCancel(context.Background())
						if err := remove(ctx, keys[next.Add(1)-1], storetest.NewDeletion()); err != nil {
							b.Error(err)
						}
						cancel()
					}
				})
			})
		}
		run("driver", func(ctx context.Context, key apikey.Key, deletion apikey.Deletion) error {
			return remove(ctx, deletion.At.UnixMicro(), deletion.By.String(), deletion.RequestID, key.ID.String(), key.ProjectID.String())
		})
		run("store", func(ctx context.Context, key apikey.Key, deletion apikey.Deletion) error {
			return s.Delete(ctx, key.ProjectID, key.ID, deletion)
		})
	})
}

// each runs a benchmark on each engine with a thousand keys and with a million.
func each(b *testing.B, run func(b *testing.B, url string, s *store.Store, lookUp func(context.Context, []byte) error,
	remove func(context.Context, ...any) error)) {
	for _, engine := range benchEngines {
		b.Run(engine.name, func(b *testing.B) {
			for _, keys := range []int{1_000, 1_000_000} {
				b.Run(fmt.Sprint(keys), func(b *testing.B) {
					if testing.Short() && keys > 1_000 {
						b.Skip("a million keys take a while: run without -short")
					}
					url := engine.url(b)
					s := open(b, url)
					storetest.Fill(b, url, keys)
					lookUp, remove := engine.driver(b, url)
					run(b, url, s, lookUp, remove)
				})
			}
		})
	}
}
