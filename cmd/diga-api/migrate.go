package main

import (
	"context"
	"fmt"

	"github.com/diga-io/diga-api/server/store"
)

type migrateCommand struct {
	databaseFlags
	From string `placeholder:"URL" help:"Copy all keys and tombstones of this store, which is only read. Stop its servers first."`
	To   string `placeholder:"URL" help:"Copy them to this store, which must be empty. The schema is brought up to date there."`
}

// Run brings the schema of --database-url up to date, or copies from one store to another.
func (c *migrateCommand) Run(ctx context.Context, terminal terminal) error {
	if c.From != "" || c.To != "" {
		return c.copy(ctx, terminal)
	}
	keys, err := c.open(ctx, store.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer keys.Close()
	version, err := keys.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(terminal.out, "schema version %d\n", version)
	return nil
}

func (c *migrateCommand) copy(ctx context.Context, terminal terminal) error {
	var settings wrongSettings
	for _, side := range []struct{ flag, url string }{{"from", c.From}, {"to", c.To}} {
		if side.url == "" {
			settings.wrong(side.flag, "is missing: --from and --to go together")
		} else if err := store.CheckURL(side.url); err != nil {
			settings.wrong(side.flag, err.Error())
		}
	}
	if c.From == c.To {
		settings.wrong("to", "is the store that --from names")
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
	fmt.Fprintf(terminal.out, "copied and compared %d keys and %d tombstones\n", copied.Keys, copied.Tombstones)
	return nil
}
