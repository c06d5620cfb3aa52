package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/diga-io/diga-api/server/store"
)

type migrateCommand struct {
	databaseFlags
	From string `placeholder:"URL" help:"Copy all keys and tombstones from this store. Stop its servers first."`
	To   string `placeholder:"URL" help:"Copy them to this store, which must be empty. Its schema is brought up to date."`
}

// Run brings the schema of --database-url up to date, or copies from one store to another.
func (c *migrateCommand) Run(ctx context.Context, std streams) error {
	if c.From != "" || c.To != "" {
		return c.copy(ctx, std)
	}
	keys, err := c.open(ctx, store.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer keys.Close()
	schema, err := keys.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if schema > store.Head {
		fmt.Fprintf(std.out, "schema version %d, newer than this program, which knows %d and works with it; nothing to migrate\n", schema, store.Head)
		return nil
	}
	fmt.Fprintf(std.out, "schema version %d\n", schema)
	return nil
}

func (c *migrateCommand) copy(ctx context.Context, std streams) error {
	var settings wrongSettings
	for _, side := range []struct{ flag, url string }{{"from", c.From}, {"to", c.To}} {
		if side.url == "" {
			settings.wrong(side.flag, "is missing: --from and --to need each other")
		} else if err := store.CheckURL(side.url); err != nil {
			settings.wrong(side.flag, err.Error())
		}
	}
	if c.From == c.To {
		settings.wrong("to", "is the same store as --from")
	}
	if err := settings.err(); err != nil {
		return err
	}
	from, err := databaseFlags{c.From}.open(ctx, store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := databaseFlags{c.To}.open(ctx, store.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer to.Close()
	copied, err := store.Copy(ctx, from, to)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "copied and compared %d keys and %d tombstones\n", copied.Keys, copied.Tombstones)
	return nil
}

type backupCommand struct {
	databaseFlags
	File string `arg:"" help:"The file to create."`
}

// Run copies the embedded store to a file while the server runs.
func (c *backupCommand) Run(ctx context.Context, std streams) error {
	var settings wrongSettings
	c.check(&settings)
	if settings == nil && !strings.HasPrefix(c.DatabaseURL, "sqlite:") {
		settings.wrong("database-url", "is not an embedded store: back up PostgreSQL with pg_dump")
	}
	if err := settings.err(); err != nil {
		return err
	}
	keys, err := c.open(ctx, store.Options{})
	if err != nil {
		return err
	}
	defer keys.Close()
	if err := keys.Backup(ctx, c.File); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "backed up to %s\n", c.File)
	return nil
}
