package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Head is the version of the schema that this program reads and writes: the last file in each folder of migrations.
const Head = 1

// versionTable is where goose notes the migrations done. It has our name because others use goose, too, perhaps in the
// same PostgreSQL schema.
const versionTable = "diga_schema_version"

// A folder for each engine, as column types differ; the numbers must not.
//
//go:embed migrations
var migrations embed.FS

// SchemaVersion is the version of the schema in the database; zero before the first migration.
func (s *Store) SchemaVersion(ctx context.Context) (int64, error) {
	version, err := schemaVersion(ctx, s.read)
	if err != nil {
		return 0, s.fail("read schema version", err)
	}
	return version, nil
}

// schemaVersion fails when there is no version table; the engines know how to ask for that first.
func schemaVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	const query = `SELECT coalesce(max(version_id), 0) FROM ` + versionTable
	err = db.QueryRowContext(ctx, query).Scan(&version)
	return version, err
}

// fits says whether this program may work on a schema of that version, or may once it has migrated it.
func (s *Store) fits(version int64, migrate bool) error {
	switch {
	case version > Head:
		return fmt.Errorf("%s: %w: it is at version %d, the program knows %d; run a newer diga-api", s.name,
			ErrNewerSchema, version, Head)
	case version < Head && !migrate:
		return fmt.Errorf("%s: %w: it is at version %d, the program needs %d; run `diga-api migrate`", s.name,
			ErrOlderSchema, version, Head)
	}
	return nil
}

// migrateUp applies what is missing. The caller sees to it that nobody else does so at the same time.
func migrateUp(ctx context.Context, db *sql.DB, dialect goose.Dialect, folder string, options ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return err
	}
	options = append(options, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	provider, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
