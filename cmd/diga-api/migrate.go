package main

import (
	"context"
	"errors"
	"fmt"

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
	var settings invalidSettings
	c.check(&settings)
	if err := settings.err(); err != nil {
		return err
	}
	keys, err := store.Open(ctx, c.DatabaseURL, store.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer keys.Close()
	schema, err := keys.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if schema > store.Head {
		fmt.Fprintf(std.out, "%s: schema version %d, newer than this program, which knows %d and works with it; nothing to migrate\n",
			keys, schema, store.Head)
		return nil
	}
	fmt.Fprintf(std.out, "%s: schema version %d\n", keys, schema)
	return nil
}

func (c *migrateCommand) copy(ctx context.Context, std streams) error {
	var settings invalidSettings
	for _, side := range []struct{ flag, url string }{{"from", c.From}, {"to", c.To}} {
		if side.url == "" {
			settings.reject(side.flag, "is missing: --from and --to need each other")
		} else {
			settings.databaseURL(side.flag, side.url)
		}
	}
	if c.From == c.To {
		settings.reject("to", "is the same store as --from")
	}
	if err := settings.err(); err != nil {
		return err
	}
	from, err := openExisting(ctx, "from", c.From, store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := store.Open(ctx, c.To, store.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer to.Close()
	report, done := std.progress("copying")
	copied, err := store.Copy(ctx, from, to, report)
	done()
	if errors.Is(err, store.ErrNotEmpty) {
		err = fmt.Errorf("%w; choose another one with --to (%s)", err, variable("to"))
	}
	if err != nil {
		return interrupted(ctx, err, fmt.Sprintf("nothing was copied to %s", to))
	}
	fmt.Fprintf(std.out, "copied and compared %s and %s from %s to %s\n", counted(copied.Keys, "key"), counted(copied.Tombstones, "tombstone"), from, to)
	return nil
}
