package main

import (
	"context"
	"fmt"
	"time"

	"github.com/diga-io/diga-api/server/store"
)

type keysPurgeCommand struct {
	databaseFlags
	DeletedBefore string `placeholder:"RFC3339" help:"Remove the tombstones of keys that were deleted before, such as 2025-01-31T12:00:00Z."`
	DryRun        bool   `help:"Only print how many tombstones would be removed."`
	JSON          bool   `name:"json" help:"Print one JSON object."`
}

// Help implements kong.HelpProvider.
func (keysPurgeCommand) Help() string {
	return "Tombstones are the audit record of deletes. Nothing else removes them. Servers go on meanwhile, and the command may be interrupted and repeated."
}

// printedPurge is the --json output of keys purge.
type printedPurge struct {
	Purged        int64     `json:"purged"` // with dry_run: that would be
	DeletedBefore time.Time `json:"deleted_before"`
	DryRun        bool      `json:"dry_run,omitempty"`
	Store         string    `json:"store"`
}

// Run removes tombstones.
func (c *keysPurgeCommand) Run(ctx context.Context, std streams) error {
	var settings invalidSettings
	var before time.Time
	if c.DeletedBefore == "" {
		settings.reject("deleted-before", "is missing: tombstones are the audit record, and the time says which of them may go")
	} else if before = settings.time("deleted-before", c.DeletedBefore); before.After(time.Now()) {
		settings.reject("deleted-before", "is in the future")
	}
	keys, err := c.open(ctx, &settings, store.Options{ReadOnly: c.DryRun})
	if err != nil {
		return err
	}
	defer keys.Close()
	purged, err := c.purge(ctx, std, keys, before)
	if purged > 0 && !c.DryRun { // also if it was interrupted
		audit(std, keys, "tombstones purged", "count", purged, "deleted_before", timeText(before))
	}
	if err != nil {
		return interrupted(ctx, err, counted(purged, "tombstone")+" purged; run it again to go on")
	}
	if c.JSON {
		return printJSON(std.out, printedPurge{purged, before.UTC(), c.DryRun, keys.String()})
	}
	fmt.Fprintf(std.out, "%s %s of keys deleted before %s in %s\n", would(c.DryRun, "purge", "purged"), counted(purged, "tombstone"), timeText(before), keys)
	return nil
}

func (c *keysPurgeCommand) purge(ctx context.Context, std streams, keys *store.Store, before time.Time) (int64, error) {
	if c.DryRun {
		return keys.CountTombstones(ctx, before)
	}
	report, done := std.progress("purging")
	defer done()
	return keys.Purge(ctx, before, report)
}
