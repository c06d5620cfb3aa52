package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/diga-io/diga-api/server/store"
)

// openExisting opens the store of a server, which the flag of that name selects, for a command that manages it. It neither
// creates nor migrates one: a mistyped URL must not become an empty store.
func (f databaseFlags) openExisting(ctx context.Context, flag string, options store.Options) (*store.Store, error) {
	keys, err := f.open(ctx, options)
	if errors.Is(err, fs.ErrNotExist) {
		path, _ := filepath.Abs(strings.TrimPrefix(f.DatabaseURL, "sqlite:"))
		return nil, fmt.Errorf("there is no store at sqlite:%s: set --%s (%s) to the store of the server", path, flag, variable(flag))
	}
	return keys, err
}

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
		fmt.Fprintf(std.out, "%s: schema version %d, newer than this program, which knows %d and works with it; nothing to migrate\n",
			keys, schema, store.Head)
		return nil
	}
	fmt.Fprintf(std.out, "%s: schema version %d\n", keys, schema)
	return nil
}

func (c *migrateCommand) copy(ctx context.Context, std streams) error {
	var settings wrongSettings
	for _, side := range []struct{ flag, url string }{{"from", c.From}, {"to", c.To}} {
		if side.url == "" {
			settings.wrong(side.flag, "is missing: --from and --to need each other")
		} else {
			settings.databaseURL(side.flag, side.url)
		}
	}
	if c.From == c.To {
		settings.wrong("to", "is the same store as --from")
	}
	if err := settings.err(); err != nil {
		return err
	}
	from, err := databaseFlags{c.From}.openExisting(ctx, "from", store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := databaseFlags{c.To}.open(ctx, store.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer to.Close()
	report, done := std.progress("copying")
	copied, err := store.Copy(ctx, from, to, report)
	done()
	if err != nil {
		return interrupted(ctx, err, fmt.Sprintf("nothing was copied to %s", to))
	}
	fmt.Fprintf(std.out, "copied and compared %d keys and %d tombstones from %s to %s\n", copied.Keys, copied.Tombstones, from, to)
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
	keys, err := c.openExisting(ctx, "database-url", store.Options{})
	if err != nil {
		return err
	}
	defer keys.Close()
	began := time.Now()
	report, done := std.progress("backing up")
	err = keys.Backup(ctx, c.File, report)
	done()
	if err != nil {
		return interrupted(ctx, err, "there is no backup")
	}
	// The time is for keys list --deleted-after: what was deleted later is not in the backup.
	fmt.Fprintf(std.out, "backed up %s to %s at %s\n", keys, c.File, timeText(began))
	return nil
}
