package main

import (
	"context"
	"fmt"

	"github.com/diga-io/diga-api/server/store"
)

type migrateCommand struct{ databaseFlags }

// Run brings the schema up to date and says which version it has.
func (c *migrateCommand) Run(ctx context.Context, terminal terminal) error {
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
