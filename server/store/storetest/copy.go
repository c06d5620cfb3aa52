package storetest

import (
	"context"
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

// testCopy returns a test that copies a SQLite database of so many keys, some of them deleted, to the database at url.
func testCopy(keys, deleted int) func(t *testing.T, url string) {
	return func(t *testing.T, url string) {
		path := filepath.Join(t.TempDir(), "diga.db")
		source := Open(t, "sqlite:"+path)
		secrets := Populate(t, source, keys, deleted)
		want := Contents(t, source)
		source.Close()
		before := content(t, path)

		from, err := store.Open(t.Context(), "sqlite:"+path, store.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		to := Open(t, url)
		if keys > 500 { // it can be interrupted while it copies, and while it compares
			for _, done := range []int64{500, int64(keys) + 500} {
				ctx, cancel := context.WithCancel(t.Context())
				_, err := store.Copy(ctx, from, to, func(n, total int64) {
					if total != 2*int64(keys) {
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
		if want := (store.Copied{Keys: keys - deleted, Tombstones: deleted}); copied != want {
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

		if keys > 0 {
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
