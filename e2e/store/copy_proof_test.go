//go:build proof

package store_test

import (
	"path/filepath"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// TestCopyBetweenPostgres shows that either engine may be either side.
func TestCopyBetweenPostgres(t *testing.T) {
	url := postgres.Database(t)
	storetest.Populate(t, storetest.Open(t, url), 30, 10)
	from, err := store.Open(t.Context(), url, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if err := from.Create(t.Context(), apikey.Key{ID: apitype.NewUUID()}, apikey.NewSecret().Hash()); err == nil {
		t.Error("a read-only store was written to")
	}
	for _, url := range []string{process.SQLite(t), postgres.Database(t)} {
		to := storetest.Open(t, url)
		if _, err := store.Copy(t.Context(), from, to, nil); err != nil {
			t.Error(err)
		}
		if got, want := storetest.Contents(t, to), storetest.Contents(t, from); got != want {
			t.Errorf("the target holds\n%.1000s\nwant\n%.1000s", got, want)
		}
	}
}

// TestCopyCompares has the target garble one row of what it is given: nothing is copied.
func TestCopyCompares(t *testing.T) {
	from := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "diga.db"))
	storetest.Populate(t, from, 10, 2)
	for name, body := range map[string]string{
		"alters a name": `NEW.name := NEW.name || 'x'; RETURN NEW;`,
		"loses a row":   `RETURN NULL;`,
		"alters a hash": `NEW.secret_hash := sha256('x'); RETURN NEW;`,
	} {
		t.Run(name, func(t *testing.T) {
			url := postgres.Database(t)
			to := storetest.Open(t, url)
			storetest.Exec(t, storetest.Connect(t, url), `CREATE FUNCTION garble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+body+` END $$`)
			storetest.Exec(t, storetest.Connect(t, url), `CREATE TRIGGER garble BEFORE INSERT ON api_keys FOR EACH ROW `+
				`WHEN (NEW.name LIKE '% 7') EXECUTE FUNCTION garble()`)
			if _, err := store.Copy(t.Context(), from, to, nil); err == nil {
				t.Error("the copy was accepted")
			} else {
				t.Log(err)
			}
			if got := storetest.Contents(t, to); got != "" {
				t.Errorf("the target holds\n%s", got)
			}
		})
	}
}
