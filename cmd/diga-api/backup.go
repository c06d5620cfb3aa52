package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/diga-io/diga-api/server/store"
)

type backupCommand struct {
	databaseFlags
	File string `arg:"" help:"The file to create."`
}

// Run copies the embedded store to a file while the server runs.
func (c *backupCommand) Run(ctx context.Context, std streams) error {
	var settings invalidSettings
	if store.CheckURL(c.DatabaseURL) == nil && !strings.HasPrefix(c.DatabaseURL, "sqlite:") {
		settings.reject("database-url", "is not an embedded store: back up PostgreSQL with pg_dump")
	}
	keys, err := c.open(ctx, &settings, store.Options{})
	if err != nil {
		return err
	}
	defer keys.Close()
	began := time.Now()
	report, done := std.progress("backing up")
	err = keys.Backup(ctx, c.File, report)
	done()
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w; choose another name, because a backup overwrites nothing", err)
	}
	if err != nil {
		return interrupted(ctx, err, "there is no backup")
	}
	// The time is for keys list --deleted-after: what was deleted later is not in the backup.
	fmt.Fprintf(std.out, "backed up %s to %s at %s\n", keys, c.File, timeText(began))
	return nil
}
