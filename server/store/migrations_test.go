package store_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// TestMigrations holds the migrations to the rules that make a rolling upgrade possible.
func TestMigrations(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} { // e2e/store runs the statements on PostgreSQL
		if err := checkMigrations(t, engine, migrationFiles(t, engine)); err != nil {
			t.Error(err)
		}
	}
}

// TestMigrationRules adds migrations that break a rule.
func TestMigrationRules(t *testing.T) {
	next := store.Head + 1
	declare := func(oldest int64) string {
		return fmt.Sprintf("; INSERT INTO diga_schema_window (schema_version, oldest_program)\nVALUES (%d, %d);", next, oldest)
	}
	for _, test := range []struct{ sql, want string }{
		{`ALTER TABLE api_keys ADD COLUMN note TEXT` + declare(1), ""},
		{`CREATE TABLE notes (id TEXT); CREATE INDEX notes_by_id ON notes (id)` + declare(1), ""},
		{`-- not; two statements
			ALTER TABLE api_keys ADD COLUMN note TEXT NOT NULL DEFAULT ''` + declare(1), ""},
		{`DROP INDEX api_keys_by_project` + declare(store.Head), ""}, // no statement needs it

		{`ALTER TABLE api_keys ADD COLUMN note TEXT;`, "declares its oldest_program 0 times"},
		{`CREATE TABLE notes (id TEXT)` + declare(1) + declare(1), "declares its oldest_program 2 times"},
		{fmt.Sprintf(`INSERT INTO diga_schema_window (schema_version, oldest_program) VALUES (%d, 1)`, next+1), "declares its oldest_program 0 times"},
		{`CREATE TABLE notes (id TEXT)` + declare(next), "has to be less than its own version"},
		{`CREATE TABLE notes (id TEXT)` + declare(0), "has to be"},
		{`DROP INDEX api_keys_by_project` + declare(1), "is not additive"},
		{`ALTER TABLE api_keys DROP COLUMN name` + declare(1), "is not additive"},
		{`ALTER TABLE api_keys RENAME COLUMN name TO title` + declare(1), "is not additive"},
		{`ALTER TABLE api_keys ADD COLUMN note TEXT NOT NULL` + declare(1), "is not additive"},
		{`CREATE UNIQUE INDEX names ON api_keys (name)` + declare(1), "is not additive"},
		{`UPDATE api_keys SET name = ''` + declare(1), "is not additive"},
		// The previous release still uses it.
		{`ALTER TABLE api_keys DROP COLUMN last_four_digits` + declare(store.Head), fmt.Sprintf("the program that knows %d fails", store.Head)},
		{`ALTER TABLE api_keys RENAME TO keys` + declare(store.Head), "fails"},
		{`ALTER TABLE api_keys ADD COLUMN note TEXT CHECK (note IS NOT NULL)` + declare(1), "the program that knows 1 fails"},
	} {
		files := migrationFiles(t, "sqlite")
		files[fmt.Sprintf("%05d_next.sql", next)] = &fstest.MapFile{Data: []byte(test.sql)}
		err := checkMigrations(t, "sqlite", files)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s:\n%v, want %q", test.sql, err, test.want)
		}
	}
}

func migrationFiles(t *testing.T, engine string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	folder := os.DirFS("migrations/" + engine)
	names, err := fs.Glob(folder, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	return files
}

var (
	comment     = regexp.MustCompile(`--[^\n]*`)
	declaration = regexp.MustCompile(`^INSERT INTO diga_schema_window \(schema_version, oldest_program\) VALUES \((\d+), (\d+)\)$`)

	// additive matches the statements that no program of an earlier version can notice.
	additive = regexp.MustCompile(`^CREATE TABLE |^CREATE INDEX |^ALTER TABLE \w+ ADD COLUMN \w+ `)
	required = regexp.MustCompile(`NOT NULL( |$)`)
)

// checkMigrations returns the first rule that the migrations of an engine break. Migration N declares the oldest program
// that works with schema N, which is not N itself, so that the release before keeps working. If it does more than add, only
// the release before is declared. On SQLite the statements of each program in the window are executed.
func checkMigrations(t *testing.T, engine string, files fstest.MapFS) error {
	t.Helper()
	db := raw(t, filepath.Join(t.TempDir(), "diga.db"))
	previous := int64(0)
	for i, name := range slices.Sorted(maps.Keys(files)) {
		version := int64(i + 1)
		var declared []int64
		var changing string
		for statement := range strings.SplitSeq(comment.ReplaceAllString(string(files[name].Data), ""), ";") {
			statement = strings.Join(strings.Fields(statement), " ")
			if match := declaration.FindStringSubmatch(statement); match != nil {
				if match[1] == strconv.FormatInt(version, 10) {
					oldest, err := strconv.ParseInt(match[2], 10, 64)
					if err != nil {
						return err
					}
					declared = append(declared, oldest)
				}
			} else if statement != "" && (!additive.MatchString(statement) ||
				strings.HasPrefix(statement, "ALTER") && required.MatchString(statement) && !strings.Contains(statement, " DEFAULT ")) {
				changing = statement
			}
		}
		if version == 1 {
			declared, changing = []int64{0}, "" // no program is older
		}
		if len(declared) != 1 {
			return fmt.Errorf("%s declares its oldest_program %d times, want once: INSERT INTO diga_schema_window", name, len(declared))
		}
		oldest := declared[0]
		if oldest < previous || oldest >= version {
			return fmt.Errorf("%s: oldest_program %d has to be less than its own version, and not less than that of the version before, %d",
				name, oldest, previous)
		}
		if changing != "" && oldest != version-1 {
			return fmt.Errorf("%s: %q is not additive, and programs before %d may still need what it changes: declare oldest_program %d",
				name, changing, version-1, version-1)
		}
		if engine == "sqlite" {
			if _, err := db.ExecContext(t.Context(), string(files[name].Data)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		for program := max(oldest, 1); engine == "sqlite" && program <= min(version, store.Head); program++ {
			if err := storetest.RunStatements(t.Context(), db, engine, program); err != nil {
				return fmt.Errorf("%s: the program that knows %d fails: %w", name, program, err)
			}
		}
		previous = max(oldest, 1)
	}
	return nil
}

// TestStatements looks for the statements of this program among those that later migrations have to keep working.
func TestStatements(t *testing.T) {
	recorded, err := storetest.Statements("sqlite", store.Head)
	if err != nil {
		t.Fatal(err)
	}
	project, at := apitype.UUID{}, time.Unix(0, 0)
	for _, statement := range store.SQL(store.Filter{}, store.Filter{Deleted: true}, store.Filter{Project: &project}, store.Filter{DeletedAfter: at},
		store.Filter{Project: &project, Name: "n", ExpiresBefore: at}) {
		if !slices.ContainsFunc(recorded, func(s storetest.Statement) bool { return s.SQL == statement }) {
			t.Errorf("storetest/testdata/statements.json lacks\n%s", statement)
		}
	}
}
