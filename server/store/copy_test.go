package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// fill stores keys and deletes some, and gives the secrets of the live ones.
func fill(t *testing.T, s *store.Store, keys, deleted int) (secrets map[apitype.UUID]apikey.Secret) {
	t.Helper()
	secrets = map[apitype.UUID]apikey.Secret{}
	project := apitype.NewUUID()
	for i := range keys {
		key, secret := storetest.NewKey(project)
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
			if err := s.Delete(t.Context(), project, key.ID, storetest.NewDeletion()); err != nil {
				t.Fatal(err)
			}
			delete(secrets, key.ID)
		}
	}
	return secrets
}

// contents are all keys, one a line.
func contents(t *testing.T, s *store.Store) string {
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

func TestCopy(t *testing.T) {
	for _, target := range engines {
		for _, size := range []struct{ keys, deleted int }{{0, 0}, {1, 1}, {501, 20}} { // 500 go at a time
			t.Run(fmt.Sprint(target.name, size), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "diga.db")
				source, err := store.Open(t.Context(), "sqlite:"+path, store.Options{Migrate: true})
				if err != nil {
					t.Fatal(err)
				}
				secrets := fill(t, source, size.keys, size.deleted)
				want := contents(t, source)
				source.Close()
				before := snapshot(filepath.Dir(path))

				from, err := store.Open(t.Context(), "sqlite:"+path, store.Options{ReadOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				to := open(t, target.url(t))
				copied, err := store.Copy(t.Context(), from, to)
				if err != nil {
					t.Fatal(err)
				}
				if want := (store.Copied{Keys: size.keys - size.deleted, Tombstones: size.deleted}); copied != want {
					t.Errorf("copied %+v, want %+v", copied, want)
				}
				if got := contents(t, to); got != want {
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
				if snapshot(filepath.Dir(path))["diga.db"] != before["diga.db"] {
					t.Error("the source was touched")
				}

				if size.keys > 0 {
					from := open(t, "sqlite:"+path)
					if _, err := store.Copy(t.Context(), from, to); !errors.Is(err, store.ErrNotEmpty) {
						t.Errorf("a second copy: %v, want ErrNotEmpty", err)
					}
					if got := contents(t, to); got != want {
						t.Error("the second copy changed the target")
					}
				}
			})
		}
	}
}

// TestCopyBetweenPostgres shows that either engine may be either side.
func TestCopyBetweenPostgres(t *testing.T) {
	url := storetest.Postgres(t)
	fill(t, open(t, url), 30, 10)
	from, err := store.Open(t.Context(), url, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if err := from.Create(t.Context(), apikey.Key{ID: apitype.NewUUID()}, apikey.NewSecret().Hash()); err == nil {
		t.Error("a read-only store was written to")
	}
	for _, engine := range engines {
		to := open(t, engine.url(t))
		if _, err := store.Copy(t.Context(), from, to); err != nil {
			t.Error(err)
		}
		if got, want := contents(t, to), contents(t, from); got != want {
			t.Errorf("the target holds\n%.1000s\nwant\n%.1000s", got, want)
		}
	}
}

// TestCopyCompares has the target garble one row of what it is given: nothing is copied.
func TestCopyCompares(t *testing.T) {
	from := open(t, "sqlite:"+filepath.Join(t.TempDir(), "diga.db"))
	fill(t, from, 10, 2)
	for name, body := range map[string]string{
		"alters a name": `NEW.name := NEW.name || 'x'; RETURN NEW;`,
		"loses a row":   `RETURN NULL;`,
		"alters a hash": `NEW.secret_hash := sha256('x'); RETURN NEW;`,
	} {
		t.Run(name, func(t *testing.T) {
			url := storetest.Postgres(t)
			to := open(t, url)
			exec1(t, direct(t, url), `CREATE FUNCTION garble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+body+` END $$`)
			exec1(t, direct(t, url), `CREATE TRIGGER garble BEFORE INSERT ON api_keys FOR EACH ROW `+
				`WHEN (NEW.name LIKE '% 7') EXECUTE FUNCTION garble()`)
			if _, err := store.Copy(t.Context(), from, to); err == nil {
				t.Error("the copy was accepted")
			} else {
				t.Log(err)
			}
			if got := contents(t, to); got != "" {
				t.Errorf("the target holds\n%s", got)
			}
		})
	}
}
