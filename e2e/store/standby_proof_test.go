//go:build proof

package store_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// TestStandby has a streaming standby, which is behind the primary, so that a deleted key is still live there. It is used
// once it is promoted.
func TestStandby(t *testing.T) {
	primary := postgres.Start(t)
	standby := primary.Standby(t)
	folder := func(server *postgres.Server) string {
		parsed, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.Query().Get("host")
	}
	both := postgres.With(t, primary.URL, "host", folder(standby)+","+folder(primary))

	s := storetest.Open(t, both) // passes the standby over
	key, secret := storetest.Create(t, s, apitype.NewUUID())
	last, lastSecret := storetest.Create(t, s, apitype.NewUUID())
	caughtUp := func() {
		t.Helper()
		var position string
		if err := storetest.Connect(t, primary.URL).QueryRow(`SELECT pg_current_wal_flush_lsn()`).Scan(&position); err != nil {
			t.Fatal(err)
		}
		db := storetest.Connect(t, standby.URL)
		process.Eventually(t, func() (caughtUp bool) {
			if err := db.QueryRow(`SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn`, position).Scan(&caughtUp); err != nil {
				t.Fatal(err)
			}
			return caughtUp
		})
	}
	caughtUp()
	storetest.Exec(t, storetest.Connect(t, standby.URL), `SELECT pg_wal_replay_pause()`)
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
		t.Fatal(err)
	}

	for _, attributes := range []string{"", "any", "read-write", "primary", "prefer-standby", "standby", "read-only"} {
		url := standby.URL
		if attributes != "" {
			url = postgres.With(t, url, "target_session_attrs", attributes)
		}
		for _, migrate := range []bool{false, true} {
			got, err := store.Open(t.Context(), url, store.Options{Migrate: migrate})
			if err == nil {
				_, err := got.Authenticate(t.Context(), secret.Hash())
				t.Errorf("target_session_attrs %q: the standby was opened, and answers a lookup of the deleted key with %v", attributes, err)
				got.Close()
			} else if !strings.Contains(err.Error(), "the server is a standby") || strings.Contains(err.Error(), "\n") {
				t.Errorf("target_session_attrs %q: %v, want one sentence that names the standby", attributes, err)
			}
		}
	}
	for _, attributes := range []string{"any", "read-write", "primary", "prefer-standby"} {
		s := storetest.Open(t, postgres.With(t, both, "target_session_attrs", attributes))
		if _, err := s.Authenticate(t.Context(), secret.Hash()); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("target_session_attrs %s: %v, want ErrNotFound from the primary", attributes, err)
		}
	}

	// A backup or a copy may be made from a standby.
	reader, err := store.Open(t.Context(), standby.URL, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if copied, err := store.Copy(t.Context(), reader, storetest.Open(t, postgres.Database(t)), nil); err != nil || copied.Keys != 2 {
		t.Errorf("copied %+v, %v; want both keys", copied, err)
	}
	if err := reader.CheckWritable(t.Context()); err == nil {
		t.Error("a standby is reported as writable")
	}

	storetest.Exec(t, storetest.Connect(t, standby.URL), `SELECT pg_wal_replay_resume()`)
	caughtUp()
	primary.Kill(t)
	if _, err := s.Authenticate(t.Context(), lastSecret.Hash()); err == nil || errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("authenticate between the crash and the promotion: %v, want an error", err)
	}
	storetest.Exec(t, storetest.Connect(t, standby.URL), `SELECT pg_promote()`)
	if err := s.Delete(t.Context(), last.ProjectID, last.ID, storetest.NewDeletion()); err != nil {
		t.Errorf("delete after the promotion: %v", err)
	}
	for _, secret := range []apikey.Secret{secret, lastSecret} {
		if _, err := s.Authenticate(t.Context(), secret.Hash()); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("authenticate with a deleted key: %v, want ErrNotFound", err)
		}
	}
	// The server that was the primary comes back as one: it does not know of the promotion. That is what fencing is for.
}
