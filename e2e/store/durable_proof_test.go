//go:build proof

package store_test

import (
	"errors"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// recordCommits has each change of a key record what its commit waits for, and what the session is configured to. The
// trigger is deferred: it runs when the transaction commits.
func recordCommits(t *testing.T, url string) {
	t.Helper()
	db := storetest.Connect(t, url)
	storetest.Exec(t, db, `CREATE TABLE commits (id uuid, setting text, configured text)`)
	storetest.Exec(t, db, `CREATE FUNCTION record_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+
		`INSERT INTO commits SELECT NEW.id, setting, reset_val FROM pg_settings WHERE name = 'synchronous_commit'; RETURN NEW; END $$`)
	storetest.Exec(t, db, `CREATE CONSTRAINT TRIGGER record_commit AFTER INSERT OR UPDATE ON api_keys DEFERRABLE INITIALLY DEFERRED `+
		`FOR EACH ROW EXECUTE FUNCTION record_commit()`)
}

// TestSynchronousCommit changes the configuration while connections are open, as ALTER SYSTEM and a reload do.
func TestSynchronousCommit(t *testing.T) {
	server := postgres.Start(t)
	s := storetest.Open(t, postgres.With(t, server.URL, "pool_max_conns", "1"))
	recordCommits(t, server.URL)
	db := storetest.Connect(t, server.URL)
	db.SetMaxOpenConns(1)
	for _, test := range []struct{ configured, want string }{
		{"off", "on"}, {"remote_apply", "remote_apply"}, {"local", "on"}, {"remote_write", "remote_write"}, {"on", "on"}, {"off", "on"},
	} {
		storetest.Exec(t, db, `ALTER SYSTEM SET synchronous_commit = `+test.configured)
		storetest.Exec(t, db, `SELECT pg_reload_conf()`)
		commit := func() string { // creates and deletes a key, whose id it returns
			key, _ := storetest.Create(t, s, apitype.NewUUID())
			if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
				t.Fatal(err)
			}
			return key.ID.String()
		}
		process.Eventually(t, func() bool { // the connection of the store has noticed
			var last string
			if err := db.QueryRow(`SELECT configured FROM commits WHERE id = $1 LIMIT 1`, commit()).Scan(&last); err != nil {
				t.Fatal(err)
			}
			return last == test.configured
		})
		// It may have noticed in the middle of a transaction.
		var commits, wrong int
		err := db.QueryRow(`SELECT count(*), count(*) FILTER (WHERE setting <> $1) FROM commits WHERE id = $2`,
			test.want, commit()).Scan(&commits, &wrong)
		if err != nil || commits != 2 || wrong > 0 {
			t.Errorf("configured %s: of %d commits %d did not wait as with %s, %v", test.configured, commits, wrong, test.want, err)
		}
		inspection, err := s.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, setting := range inspection.Settings {
			if setting.Name == "synchronous_commit" && (setting.Value != test.want || setting.Wrong) {
				t.Errorf("configured %s: inspect reports %+v, want %s", test.configured, setting, test.want)
			}
		}
	}
}

// TestSynchronousCommitCrash crashes a server that is configured to lose what was committed last.
func TestSynchronousCommitCrash(t *testing.T) {
	server := postgres.Start(t, "synchronous_commit=off", "wal_writer_delay=10s", "wal_writer_flush_after=1GB", "autovacuum=off")
	crash := func() *store.Store {
		server.Kill(t)
		server.Start(t)
		return storetest.Open(t, server.URL)
	}
	s := storetest.Open(t, server.URL)
	for range 3 {
		key, secret := storetest.Create(t, s, apitype.NewUUID())
		s = crash()
		if got, err := s.Authenticate(t.Context(), secret.Hash()); err != nil || got.ID != key.ID {
			t.Fatalf("the key that was created last is lost: %v", err)
		}
		if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
			t.Fatal(err)
		}
		s = crash()
		if _, err := s.Authenticate(t.Context(), secret.Hash()); !errors.Is(err, apikey.ErrNotFound) {
			t.Fatalf("the key that was deleted last is live: %v", err)
		}
	}
}
