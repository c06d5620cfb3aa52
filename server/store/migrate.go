package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// The migrations of each engine, because column types differ. Versions are the same. A migration is additive, so that the
// previous release keeps working while the next one rolls out. One that is not has to raise oldest_program.
//
//go:embed migrations
var migrations embed.FS

// Head is the version of the schema that this program was written for: that of its last migration.
var Head = head("migrations/postgres")

// versionTable has a row for each migration.
const versionTable = "diga_schema_version"

const createVersionTableSQL = `CREATE TABLE ` + versionTable + ` (version_id bigint NOT NULL PRIMARY KEY, ` +
	`is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT current_timestamp)`

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// schema identifies the schema of a database.
type schema struct {
	version int64 // 0 before the first migration

	// oldestProgram is the oldest program, named by its Head, that works with the schema. It is read only if the schema is
	// newer than this program.
	oldestProgram int64
}

// SchemaVersion returns the version of the schema in the database. It is above Head if a newer program migrated it.
func (s *Store) SchemaVersion(ctx context.Context) (int64, error) {
	found, err := readSchema(ctx, s.read)
	if err != nil {
		return 0, s.fail("read schema version", err)
	}
	return found.version, nil
}

// readSchema reads the version table, which must exist.
func readSchema(ctx context.Context, db querier) (found schema, err error) {
	const versionSQL = `SELECT coalesce(max(version_id), 0) FROM ` + versionTable
	if err := db.QueryRowContext(ctx, versionSQL).Scan(&found.version); err != nil {
		return schema{}, err
	}
	if found.version <= Head {
		return found, nil
	}
	const windowSQL = `SELECT oldest_program FROM diga_schema_window WHERE schema_version = $1`
	err = db.QueryRowContext(ctx, windowSQL, found.version).Scan(&found.oldestProgram)
	if errors.Is(err, sql.ErrNoRows) {
		found.oldestProgram, err = found.version, nil
	}
	return found, err
}

// check checks that this program works with the schema, after a migration if migrate is set.
func (s schema) check(name string, migrate bool) error {
	switch {
	case s.version > Head && s.oldestProgram > Head:
		return fmt.Errorf("%s: %w: it is at version %d and needs a program that knows version %d, this one knows %d; "+
			"run a newer diga-api", name, ErrNewerSchema, s.version, s.oldestProgram, Head)
	case s.version == 0 && !migrate:
		// A mistyped URL must not be answered with the advice to create an empty store there.
		return &sentence{name + ": there is no store in this database: check the URL; `diga-api migrate` creates a new store",
			ErrOlderSchema}
	case s.version < Head && !migrate:
		return fmt.Errorf("%s: %w: it is at version %d, the program needs %d; run `diga-api migrate`", name,
			ErrOlderSchema, s.version, Head)
	}
	return nil
}

// migrate brings the schema up to date in tx, which holds a lock, and commits. It reads the schema anew, because another process,
// perhaps a newer program, may have migrated before tx got the lock.
func migrate(ctx context.Context, tx *sql.Tx, engine, name string, read func(context.Context, querier) (schema, error)) error {
	found, err := read(ctx, tx)
	if err != nil {
		return err
	}
	if err := found.check(name, true); err != nil {
		return err
	}
	if found.version == 0 {
		if _, err := tx.ExecContext(ctx, createVersionTableSQL); err != nil {
			return err
		}
	}
	folder := "migrations/" + engine
	for _, file := range migrationNames(folder) {
		number := migrationVersion(file)
		if number <= found.version {
			continue
		}
		statements, err := migrations.ReadFile(folder + "/" + file)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(statements)); err != nil {
			return fmt.Errorf("migration %s: %w", file, err)
		}
		const insertSQL = `INSERT INTO ` + versionTable + ` (version_id, is_applied) VALUES ($1, true)`
		if _, err := tx.ExecContext(ctx, insertSQL, number); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// migrationNames returns the names of the migrations in folder, in order.
func migrationNames(folder string) (names []string) {
	entries, err := fs.ReadDir(migrations, folder)
	if err != nil {
		panic(err) // the folder is embedded
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// migrationVersion returns the number at the start of the name of a migration.
func migrationVersion(name string) int64 {
	digits, _, _ := strings.Cut(name, "_")
	version, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		panic(err) // TestMigrationNames
	}
	return version
}

func head(folder string) int64 {
	names := migrationNames(folder)
	return migrationVersion(names[len(names)-1])
}
