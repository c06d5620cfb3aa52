//go:build proof

package program_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// The two statements of a delete, as the store issues them.
const (
	lookUpSQL = `SELECT id, project_id, creator_id, name, last_four_digits, permissions, created_at, expires_at ` +
		`FROM api_keys WHERE secret_hash = $1 AND deleted_at IS NULL`
	removeSQL = `UPDATE api_keys SET deleted_at = $1, deleted_by = $2, deleted_request_id = $3, secret_hash = NULL ` +
		`WHERE id = $4 AND project_id = $5 AND deleted_at IS NULL`
)

// direct issues both statements through the driver and nothing else, and gives the number of keys that it deleted.
type direct func(ctx context.Context, caller held, target apitype.UUID) (int64, error)

// directSQLite has the connections that the store has: one that writes, each commit on the disk, and four that read.
func directSQLite(b *testing.B, url string) direct {
	open := func(pragma string, connections int) *sql.DB {
		db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:")+"?_pragma=busy_timeout(1000)&_pragma="+pragma)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { db.Close() })
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		return db
	}
	lookUp, err := open("query_only(1)", 4).Prepare(lookUpSQL)
	if err != nil {
		b.Fatal(err)
	}
	remove, err := open("synchronous(FULL)", 1).Prepare(removeSQL)
	if err != nil {
		b.Fatal(err)
	}
	return func(ctx context.Context, caller held, target apitype.UUID) (int64, error) {
		var found row
		hash := caller.secret.Hash()
		if err := lookUp.QueryRowContext(ctx, hash[:]).Scan(found.columns()...); err != nil {
			return 0, err
		}
		result, err := remove.ExecContext(ctx, time.Now().UnixMicro(), found.id, "request", target.String(), found.project)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
}

func directPostgres(b *testing.B, url string) direct {
	pool, err := pgxpool.New(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return func(ctx context.Context, caller held, target apitype.UUID) (int64, error) {
		var found row
		hash := caller.secret.Hash()
		if err := pool.QueryRow(ctx, lookUpSQL, hash[:]).Scan(found.columns()...); err != nil {
			return 0, err
		}
		tag, err := pool.Exec(ctx, removeSQL, time.Now().UnixMicro(), found.id, "request", target.String(), found.project)
		return tag.RowsAffected(), err
	}
}

// row is what lookUpSQL gives.
type row struct {
	id, project, creator, name, digits string
	permissions                        sql.NullString
	created                            int64
	expires                            sql.NullInt64
}

func (r *row) columns() []any {
	return []any{&r.id, &r.project, &r.creator, &r.name, &r.digits, &r.permissions, &r.created, &r.expires}
}

// BenchmarkStore measures deletes, and answers of 404 to a good caller, by 32 clients at a time, in a store of a thousand
// keys and, without -short, in one of a million: over HTTP, asked of the program as it is started, beside the same two
// statements issued directly with the same durability and number of connections. Both take turns, so that what else the
// machine does is shared fairly; %direct is their ratio.
func BenchmarkStore(b *testing.B) {
	sizes := func(b *testing.B, run func(b *testing.B, size int)) {
		for _, size := range []int{1_000, 1_000_000} {
			b.Run(fmt.Sprint(size), func(b *testing.B) {
				if testing.Short() && size > 1_000 {
					b.Skip("a million keys take a while: run without -short")
				}
				run(b, size)
			})
		}
	}
	b.Run("SQLite", func(b *testing.B) {
		sizes(b, func(b *testing.B, size int) {
			url := process.SQLite(b)
			benchmarkStore(b, size, url, url, directSQLite)
		})
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		postgres := postgres.Start(b) // one that flushes, unlike that of the other tests
		for _, connections := range []string{"4", "32"} {
			b.Run(connections+" connections", func(b *testing.B) {
				sizes(b, func(b *testing.B, size int) {
					url := postgres.Database(b)
					benchmarkStore(b, size, url, withParameters(b, url, "pool_max_conns", connections), directPostgres)
				})
			})
		}
	})
}

// benchmarkStore fills the store at url and measures it through pooled, which is the same URL with the size of the pool.
func benchmarkStore(b *testing.B, size int, url, pooled string, open func(b *testing.B, url string) direct) {
	const clients, turn = 32, 512
	keys := openStore(b, url)
	project := apitype.NewUUID()
	caller := create(b, keys, project)
	if err := keys.Close(); err != nil {
		b.Fatal(err)
	}
	storetest.Fill(b, url, size)
	server := process.Serve(b, "--database-url", pooled)
	direct := open(b, pooled)
	connections := make([]*connection, clients)
	for i := range connections {
		connections[i] = connectTo(b, server, caller.secret)
	}
	// all has the clients do something with each of the targets.
	all := func(b *testing.B, targets []apitype.UUID, do func(client int, target apitype.UUID) error) time.Duration {
		start := time.Now()
		var next atomic.Int64
		var wg sync.WaitGroup
		for client := range clients {
			wg.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(targets)); i = next.Add(1) - 1 {
					if err := do(client, targets[i]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		return time.Since(start)
	}
	for _, operation := range []struct {
		name    string
		deleted int64
		status  string
		targets func(b *testing.B, n int) []apitype.UUID
	}{
		{"delete", 1, "200", func(b *testing.B, n int) []apitype.UUID { return claim(b, url, project, n) }},
		{"404", 0, "404", func(_ *testing.B, n int) []apitype.UUID {
			targets := make([]apitype.UUID, n)
			for i := range targets {
				targets[i] = apitype.NewUUID()
			}
			return targets
		}},
	} {
		b.Run(operation.name, func(b *testing.B) {
			targets := operation.targets(b, 2*b.N)
			// A thread that waits for the disk keeps a processor of Go's for a while. With as many as the machine has,
			// that would slow the direct statements down, which have few threads at work.
			runtime.GOMAXPROCS(4 * runtime.NumCPU()) // package testing puts it back
			b.ResetTimer()
			var directly, overHTTP time.Duration
			for begin := 0; begin < len(targets) && !b.Failed(); begin += 2 * turn {
				end := min(begin+2*turn, len(targets))
				middle := (begin + end) / 2
				directly += all(b, targets[begin:middle], func(_ int, target apitype.UUID) error {
					deleted, err := direct(b.Context(), caller, target)
					if err == nil && deleted != operation.deleted {
						err = fmt.Errorf("deleted %d keys", deleted)
					}
					return err
				})
				overHTTP += all(b, targets[middle:end], func(client int, target apitype.UUID) error {
					status, err := connections[client].delete(target)
					if err == nil && status != operation.status {
						err = errors.New("answered " + status)
					}
					return err
				})
			}
			b.ReportMetric(0, "ns/op") // of both together: means nothing
			b.ReportMetric(float64(b.N)/directly.Seconds(), "direct/s")
			b.ReportMetric(float64(b.N)/overHTTP.Seconds(), "HTTP/s")
			b.ReportMetric(100*directly.Seconds()/overHTTP.Seconds(), "%direct")
		})
	}
}

// claim makes n keys to delete.
func claim(b *testing.B, url string, project apitype.UUID, n int) []apitype.UUID {
	b.Helper()
	storetest.Fill(b, url, n)
	driver, source := "pgx", url
	if path, embedded := strings.CutPrefix(url, "sqlite:"); embedded {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(b.Context(), `UPDATE api_keys SET project_id = $1 WHERE id IN (SELECT id FROM api_keys `+
		`WHERE deleted_at IS NULL AND project_id <> $1 LIMIT $2) RETURNING id`, project.String(), n)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	ids := make([]apitype.UUID, 0, n)
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			b.Fatal(err)
		}
		id, err := apitype.ParseUUID(text)
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil || len(ids) != n {
		b.Fatalf("%d keys to delete, want %d: %v", len(ids), n, err)
	}
	return ids
}

// connection speaks HTTP with as little ado as it takes: what is measured is the server.
type connection struct {
	net.Conn
	reader *bufio.Reader
	head   string // of the request, up to the id
	tail   string
}

func connectTo(b *testing.B, server *process.Server, secret apikey.Secret) *connection {
	b.Helper()
	host := strings.TrimPrefix(server.API, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	c := &connection{conn, bufio.NewReader(conn), "DELETE /v1/api_key/",
		" HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + secret.Reveal() + "\r\n\r\n"}
	// The server gives a connection less time for its first request than for those after it.
	if status, err := c.delete(apitype.NewUUID()); err != nil || status != "404" {
		b.Fatal(status, err)
	}
	return c
}

func (c *connection) delete(id apitype.UUID) (status string, err error) {
	if _, err := io.WriteString(c, c.head+id.String()+c.tail); err != nil {
		return "", err
	}
	length := 0
	for first := true; ; first = false {
		line, err := c.reader.ReadSlice('\n')
		switch {
		case err != nil:
			return "", err
		case first:
			status = string(line[len("HTTP/1.1 "):][:3])
		case len(line) == len("\r\n"):
			_, err := c.reader.Discard(length)
			return status, err
		}
		if value, found := strings.CutPrefix(string(line), "Content-Length: "); found {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return "", err
			}
		}
	}
}
