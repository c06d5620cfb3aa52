package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// Populate stores keys and deletes some, and returns the secrets of the live ones.
func Populate(t *testing.T, s *store.Store, keys, deleted int) (secrets map[apitype.UUID]apikey.Secret) {
	t.Helper()
	secrets = map[apitype.UUID]apikey.Secret{}
	project := apitype.NewUUID()
	for i := range keys {
		key, secret := NewKey(project)
		key.Name = fmt.Sprint("'鍵' ", i)
		if i%3 == 0 {
			key.Restricted, key.Permissions = true, []string{"calls.view", `"`}
		}
		if i%2 == 0 {
			key.ExpiresAt = key.CreatedAt.Add(time.Hour)
		}
		if err := s.Create(t.Context(), key, secret.Hash()); err != nil {
			t.Fatal(err)
		}
		secrets[key.ID] = secret
		if i < deleted {
			if err := s.Delete(t.Context(), project, key.ID, NewDeletion()); err != nil {
				t.Fatal(err)
			}
			delete(secrets, key.ID)
		}
	}
	return secrets
}

// Contents returns all keys, one per line.
func Contents(t *testing.T, s *store.Store) string {
	t.Helper()
	var lines strings.Builder
	for key, err := range s.List(t.Context(), store.Filter{Deleted: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if key.Deleted != nil {
			fmt.Fprintf(&lines, "%+v ", *key.Deleted)
			key.Deleted = nil
		}
		fmt.Fprintf(&lines, "%+v\n", key)
	}
	return lines.String()
}

// RunCopy copies SQLite databases to the stores that open returns, an empty one at each call.
func RunCopy(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, size := range []struct{ keys, deleted int }{{0, 0}, {1, 1}, {501, 20}} { // 500 go at a time
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "diga.db")
			source, err := store.Open(t.Context(), "sqlite:"+path, store.Options{Migrate: true})
			if err != nil {
				t.Fatal(err)
			}
			secrets := Populate(t, source, size.keys, size.deleted)
			want := Contents(t, source)
			source.Close()
			before := content(t, path)

			from, err := store.Open(t.Context(), "sqlite:"+path, store.Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			to := open(t)
			if size.keys > 500 { // it can be interrupted while it copies, and while it compares
				for _, done := range []int64{500, int64(size.keys) + 500} {
					ctx, cancel := context.WithCancel(t.Context())
					_, err := store.Copy(ctx, from, to, func(n, total int64) {
						if total != 2*int64(size.keys) {
							t.Errorf("%d is reported of a total of %d", n, total)
						}
						if n == done {
							cancel()
						}
					})
					if !errors.Is(err, context.Canceled) {
						t.Errorf("interrupted at %d: %v, want context.Canceled", done, err)
					}
					if left := Contents(t, to); left != "" {
						t.Errorf("interrupted at %d it left\n%.1000s", done, left)
					}
				}
			}
			copied, err := store.Copy(t.Context(), from, to, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := (store.Copied{Keys: size.keys - size.deleted, Tombstones: size.deleted}); copied != want {
				t.Errorf("copied %+v, want %+v", copied, want)
			}
			if got := Contents(t, to); got != want {
				t.Errorf("the target holds\n%.1000s\nwant\n%.1000s", got, want)
			}
			for id, secret := range secrets {
				if got, err := to.Authenticate(t.Context(), secret.Hash()); err != nil || got.ID != id {
					t.Fatalf("authenticate in the target: %v, %v", got, err)
				}
			}
			if err := from.Close(); err != nil {
				t.Error(err)
			}
			if content(t, path) != before {
				t.Error("the source was touched")
			}

			if size.keys > 0 {
				from, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer from.Close()
				if _, err := store.Copy(t.Context(), from, to, nil); !errors.Is(err, store.ErrNotEmpty) {
					t.Errorf("a second copy: %v, want ErrNotEmpty", err)
				}
				if got := Contents(t, to); got != want {
					t.Error("the second copy changed the target")
				}
			}
		})
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// RunInspect tests what a healthy store says of itself and of its engine.
func RunInspect(t *testing.T, engine string, keys *store.Store) {
	inspection, err := keys.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(inspection.Engine, engine+" ") || len(inspection.Settings) < 5 || inspection.Ahead.Abs() > time.Minute {
		t.Errorf("%+v", inspection)
	}
	for _, setting := range inspection.Settings {
		switch setting.Name {
		case "journal_mode", "synchronous", "synchronous_commit", "in_recovery", "transaction_read_only":
			if setting.Wrong {
				t.Errorf("%+v", setting)
			}
		}
	}
	if err := keys.CheckWritable(t.Context()); err != nil {
		t.Error(err)
	}
	if err := keys.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}

// RunConstraint tries to delete the only key in db by half, past the store, which the schema must reject.
func RunConstraint(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, set := range []string{
		`deleted_at = 1`,
		`secret_hash = NULL`,
		`deleted_at = 1, secret_hash = NULL`,
		`deleted_at = 1, deleted_by = id, secret_hash = NULL`,
		`deleted_at = 1, deleted_by = id, deleted_request_id = 'r'`,
		`deleted_by = id, deleted_request_id = 'r', secret_hash = NULL`,
		`deleted_request_id = 'r'`,
	} {
		if _, err := db.ExecContext(t.Context(), `UPDATE api_keys SET `+set); err == nil {
			t.Errorf("SET %s was accepted", set)
		}
	}
	if _, err := db.ExecContext(t.Context(),
		`UPDATE api_keys SET deleted_at = 1, deleted_by = id, deleted_request_id = 'r', secret_hash = NULL`); err != nil {
		t.Errorf("a whole delete was refused: %v", err)
	}
}

// CheckMigratedOnce fails unless db has each migration noted once.
func CheckMigratedOnce(t *testing.T, db *sql.DB) {
	t.Helper()
	var rows int64
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM diga_schema_version`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows != store.Head {
		t.Errorf("%d migrations are noted, want %d", rows, store.Head)
	}
}

// RunNewerSchema has the next release migrate the store at url, which serving has open and db is a connection to: within
// the window of the new schema this program goes on, and changes nothing of it. Outside of it this program is rejected.
func RunNewerSchema(t *testing.T, url string, serving *store.Store, db *sql.DB) {
	t.Helper()
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`ALTER TABLE api_keys ADD COLUMN added_by_the_next_release INTEGER`)
	exec(`INSERT INTO diga_schema_version (version_id, is_applied) VALUES ($1, true)`, store.Head+1)
	exec(`INSERT INTO diga_schema_window (schema_version, oldest_program) VALUES ($1, $2)`, store.Head+1, store.Head)
	restarted, err := store.Open(t.Context(), url, store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer restarted.Close()
	for _, s := range []*store.Store{serving, restarted} {
		if err := s.CheckSchema(t.Context()); err != nil {
			t.Error(err)
		}
		if version, err := s.SchemaVersion(t.Context()); err != nil || version != store.Head+1 {
			t.Errorf("version %d, %v; want %d", version, err, store.Head+1)
		}
		key, _ := Create(t, s, apitype.NewUUID())
		if err := s.Delete(t.Context(), key.ProjectID, key.ID, NewDeletion()); err != nil {
			t.Error(err)
		}
		// It would leave out the new column.
		if _, err := store.Copy(t.Context(), s, s, nil); !errors.Is(err, store.ErrNewerSchema) {
			t.Errorf("copy: %v, want ErrNewerSchema", err)
		}
	}
	var rows int64
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM diga_schema_version`).Scan(&rows); err != nil || rows != store.Head+1 {
		t.Errorf("%d migrations are noted, %v; want %d", rows, err, store.Head+1)
	}

	exec(`INSERT INTO diga_schema_version (version_id, is_applied) VALUES ($1, true)`, store.Head+2)
	exec(`INSERT INTO diga_schema_window (schema_version, oldest_program) VALUES ($1, $2)`, store.Head+2, store.Head+1)
	want := fmt.Sprintf("it is at version %d and needs a program that knows version %d, this one knows %d; run a newer diga-api",
		store.Head+2, store.Head+1, store.Head)
	for _, options := range []store.Options{{}, {Migrate: true}, {ReadOnly: true}} {
		_, err := store.Open(t.Context(), url, options)
		if !errors.Is(err, store.ErrNewerSchema) || !strings.Contains(err.Error(), want) {
			t.Errorf("open %+v: %v, want ErrNewerSchema and %q", options, err, want)
		}
	}
	if err := serving.CheckSchema(t.Context()); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("check: %v, want ErrNewerSchema", err)
	}
}
