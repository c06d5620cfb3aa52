//go:build proof

package store_test

import (
	"database/sql"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// TestPooler runs the suite through PgBouncer, which lends a connection for one transaction.
func TestPooler(t *testing.T) {
	server := postgres.Start(t, "fsync=off")
	pooled := server.Pooled(t, 2)
	storetest.RunEngine(t, func(t testing.TB) string { return pooled(server.Database(t)) })
}

// TestPoolerManyServers has many servers migrate an empty database and then delete the same keys.
func TestPoolerManyServers(t *testing.T) {
	server := postgres.Start(t, "fsync=off")
	plain := server.Database(t)
	url := server.Pooled(t, 3)(plain)
	var servers [10]*store.Store
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() {
			var err error
			if servers[i], err = store.Open(t.Context(), url, store.Options{Migrate: true}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	storetest.CheckMigratedOnce(t, storetest.Connect(t, plain))
	var deleted atomic.Int64
	const keys = 20
	for range keys {
		key, secret := storetest.Create(t, servers[0], apitype.NewUUID())
		for _, s := range servers {
			wg.Go(func() {
				switch err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err {
				case nil:
					deleted.Add(1)
				case apikey.ErrNotFound:
				default:
					t.Error(err)
				}
				if _, err := s.Authenticate(t.Context(), secret.Hash()); !errors.Is(err, apikey.ErrNotFound) {
					t.Errorf("authenticate after the delete: %v", err)
				}
			})
		}
	}
	wg.Wait()
	if deleted.Load() != keys {
		t.Errorf("%d deletes succeeded, want %d", deleted.Load(), keys)
	}
	for _, s := range servers {
		s.Close()
	}
}

// TestPoolerLeavesNothing shares one connection between a store and another client of the database, which finds it as it
// was.
func TestPoolerLeavesNothing(t *testing.T) {
	server := postgres.Start(t, "fsync=off", "synchronous_commit=off")
	url := server.Pooled(t, 1)(server.Database(t))
	other := storetest.Connect(t, url)
	state := func() string {
		t.Helper()
		var found sql.NullString
		err := other.QueryRowContext(t.Context(), `SELECT string_agg(line, E'\n' ORDER BY line) FROM (`+
			`SELECT 'process ' || pg_backend_pid() AS line `+
			`UNION ALL SELECT name || ' = ' || setting FROM pg_settings WHERE context = 'user' AND setting IS DISTINCT FROM reset_val `+
			`UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements `+
			`UNION ALL SELECT 'lock ' || locktype || ' ' || mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'`+
			`) AS lines`).Scan(&found)
		if err != nil {
			t.Fatal(err)
		}
		return found.String
	}
	before := state()
	if !strings.HasPrefix(before, "process ") || strings.Contains(before, "\n") {
		t.Fatalf("a fresh connection has\n%s", before)
	}
	s := storetest.Open(t, url)
	same := func(after string) {
		t.Helper()
		if got := state(); got != before {
			t.Errorf("after %s the connection has\n%s\nwant\n%s", after, got, before)
		}
	}
	same("the migration")
	key, secret := storetest.Create(t, s, apitype.NewUUID())
	same("a create")
	if _, err := s.Authenticate(t.Context(), secret.Hash()); err != nil {
		t.Error(err)
	}
	same("a lookup")
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
		t.Error(err)
	}
	same("a delete")
	storetest.Contents(t, s)
	same("a list")
	reader, err := store.Open(t.Context(), url, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := store.Copy(t.Context(), reader, storetest.Open(t, postgres.Database(t)), nil); err != nil {
		t.Error(err)
	}
	same("a copy from a read-only store")
	if err := reader.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("delete in a read-only store: %v", err)
	}
}
