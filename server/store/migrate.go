package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Head is the version of the schema that this program uses: the number of the last migration.
const Head = 1

// versionTable is where goose records migrations. It is not goose's default, because other programs may use goose in the
// same PostgreSQL schema.
const versionTable = "diga_schema_version"

// Each engine has its own folder, because column types differ. The numbers are the same.
//
//go:embed migrations
var migrations embed.FS

// SchemaVersion returns the version of the schema in the database, 0 before the first migration.
func (s *Store) SchemaVersion(ctx context.Context) (int64, error) {
	version, err := schemaVersion(ctx, s.read)
	if err != nil {
		return 0, s.fail("read schema version", err)
	}
	return version, nil
}

// schemaVersion reads the version table, which must exist.
func schemaVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	const query = `SELECT coalesce(max(version_id), 0) FROM ` + versionTable
	err = db.QueryRowContext(ctx, query).Scan(&version)
	return version, err
}

// checkVersion checks that this program can use a schema of that version, after a migration if migrate is set.
func checkVersion(name string, version int64, migrate bool) error {
	switch {
	case version > Head:
		return fmt.Errorf("%s: %w: it is at version %d, the program supports %d; run a newer diga-api", name,
			ErrNewerSchema, version, Head)
	case version < Head && !migrate:
		return fmt.Errorf("%s: %w: it is at version %d, the program needs %d; run `diga-api migrate`", name,
			ErrOlderSchema, version, Head)
	}
	return nil
}

// migrateUp applies the missing migrations. The caller holds the lock.
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
