package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/diga-io/diga-api/server/store"
)

type backupCommand struct {
	databaseFlags
	File string `arg:"" help:"The file to make."`
}

// Run copies the embedded store to a file, while others serve from it.
func (c *backupCommand) Run(ctx context.Context, terminal terminal) error {
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
	fmt.Fprintf(terminal.out, "backed up to %s\n", c.File)
	return nil
}
