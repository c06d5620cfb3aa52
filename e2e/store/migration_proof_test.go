//go:build proof

package store_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// earlier brings an empty database to an earlier version of the schema.
func earlier(t *testing.T, url string, version int) {
	t.Helper()
	db := storetest.Connect(t, url)
	storetest.Exec(t, db, `CREATE TABLE diga_schema_version (version_id bigint NOT NULL, is_applied boolean NOT NULL)`)
	files, err := filepath.Glob(process.Root + "/server/store/migrations/postgres/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files[:version] {
		statements, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		storetest.Exec(t, db, string(statements))
		storetest.Exec(t, db, `INSERT INTO diga_schema_version VALUES ($1, true)`, i+1)
	}
}

// TestMigrationLock has another transaction, such as that of pg_dump, hold the lock of the table for as long as it likes.
// The migration gives up before the requests that wait behind it do.
func TestMigrationLock(t *testing.T) {
	url := postgres.Database(t)
	const version = 2 // the next migration changes api_keys
	earlier(t, url, version)
	db := storetest.Connect(t, url)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE api_keys IN ACCESS SHARE MODE`); err != nil {
		t.Fatal(err)
	}

	migrated := make(chan error, 1)
	go func() {
		// The URL cannot weaken the lock timeout, which the statements of requests depend on.
		s, err := store.Open(t.Context(), postgres.With(t, url, "lock_timeout", "0"), store.Options{Migrate: true})
		if err == nil {
			s.Close()
		}
		migrated <- err
	}()
	const requestTimeout = 2 * time.Second // the default of --request-timeout
	var slowest time.Duration
	for running := true; running; {
		started := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), requestTimeout)
		if err := storetest.RunStatements(ctx, db, "postgres", version); err != nil {
			t.Fatalf("a program of the previous release during the migration: %v", err)
		}
		cancel()
		slowest = max(slowest, time.Since(started))
		select {
		case err := <-migrated:
			running = false
			if err == nil || !strings.Contains(err.Error(), "55P03") || !strings.Contains(err.Error(), "run the migration again") ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("migrate: %v, want one sentence about the lock", err)
			}
		default:
		}
	}
	t.Logf("the slowest run of statements took %v", slowest)

	// Nothing was changed, and the next attempt finds the table free.
	if err := storetest.RunStatements(t.Context(), db, "postgres", version); err != nil {
		t.Error(err)
	}
	if _, err := store.Open(t.Context(), url, store.Options{}); err == nil || !strings.Contains(err.Error(), "it is at version 2") {
		t.Errorf("open: %v, want the old version", err)
	}
	tx.Rollback()
	s := storetest.Open(t, url)
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	for program := int64(1); program <= version; program++ {
		if err := storetest.RunStatements(t.Context(), db, "postgres", program); err != nil {
			t.Errorf("the program that knows %d, after the migration: %v", program, err)
		}
	}
}

// TestStatementsAreRecorded compares the statements that PostgreSQL receives from this program with those that
// storetest/testdata/statements.json keeps for the migrations to come.
func TestStatementsAreRecorded(t *testing.T) {
	recorded, err := storetest.Statements("postgres", store.Head)
	if err != nil {
		t.Fatal(err)
	}
	// Copy inserts many rows with one statement, and List combines conditions: each condition has to be recorded once.
	parts := func(statement string) (table string, clauses []string) {
		statement, _, _ = strings.Cut(statement, " VALUES ")
		statement = regexp.MustCompile(`\$\d+`).ReplaceAllString(statement, "$")
		split := regexp.MustCompile(` WHERE | AND | ORDER BY `).Split(statement, -1)
		return split[0], split[1:]
	}
	known := make(map[string][]string)
	for _, statement := range recorded {
		table, clauses := parts(statement.SQL)
		known[table] = append(known[table], clauses...)
	}

	server := postgres.Start(t, "fsync=off", "log_statement=all", "log_line_prefix=%a ")
	storetest.RunEngine(t, func(t testing.TB) string {
		return postgres.With(t, server.Database(t), "application_name", "program")
	})

	received := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)^program LOG:  (?:execute|statement)[^:]*: (.*api_keys.*)$`).FindAllStringSubmatch(server.Log(), -1) {
		received[match[1]] = true
	}
	for statement := range received {
		table, clauses := parts(statement)
		recorded, found := known[table]
		if !found || slices.ContainsFunc(clauses, func(clause string) bool { return !slices.Contains(recorded, clause) }) {
			t.Errorf("record this statement in storetest/testdata/statements.json, so that later migrations keep it working: %s", statement)
		}
	}
	if len(received) < len(known) {
		t.Errorf("received %d statements, recorded are %d", len(received), len(known))
	}
}
