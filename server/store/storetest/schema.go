package storetest

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store"
)

// testInspect tests what a healthy store says of itself and of its engine.
func testInspect(t *testing.T, url string) {
	keys := Open(t, url)
	inspection, err := keys.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(strings.ToLower(inspection.Engine), engineOf(url)) || len(inspection.Settings) < 5 || inspection.Ahead.Abs() > time.Minute {
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

// testConstraint tries to delete a key by half, past the store, which the schema must reject.
func testConstraint(t *testing.T, url string) {
	Create(t, Open(t, url), apitype.NewUUID())
	db := Connect(t, url)
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

// testNewerSchema has the next release migrate a store that this program serves: within the window of the new schema this
// program goes on, and changes nothing of it. Outside of it this program is rejected.
func testNewerSchema(t *testing.T, url string) {
	serving, db := Open(t, url), Connect(t, url)
	exec := func(statement string, args ...any) {
		t.Helper()
		Exec(t, db, statement, args...)
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
