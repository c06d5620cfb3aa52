package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

type keysRevokeCommand struct {
	databaseFlags
	IDs    []string `arg:"" name:"id" help:"The ids of the keys to revoke."`
	DryRun bool     `help:"Only print what would be revoked."`
	JSON   bool     `name:"json" help:"Print one JSON object per line: each key with its deletion, or why it was not revoked."`
}

// Help implements kong.HelpProvider.
func (keysRevokeCommand) Help() string {
	return fmt.Sprintf("Every server rejects the keys from the next request on. Exit status: 0 all of them are revoked, "+
		"%d some do not exist or were deleted before, %d an id is not a UUID and no key was revoked, %d any other failure, %d invalid usage.",
		exitNotFound, exitInvalid, exitFailure, exitUsage)
}

// Run deletes the keys at the database. It goes on after keys that are not found.
func (c *keysRevokeCommand) Run(ctx context.Context, std streams) error {
	ids, keys, err := c.openForKeys(ctx, c.IDs)
	if err != nil {
		return err
	}
	defer keys.Close()
	var missing []error
	for _, id := range ids {
		key, err := c.revoke(ctx, std, keys, id)
		if failed, ok := errors.AsType[failure](err); ok {
			missing = append(missing, failed)
			if err = nil; c.JSON {
				err = printJSON(std.out, printedRefusal{id, failed.kind, failed.Error(), keys.String()})
			}
		} else if err == nil {
			err = printChange(std, c.JSON, c.DryRun, would(c.DryRun, "revoke", "revoked"), keys, key)
		}
		if err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		// With --json each of them has its line.
		return reportedError{failure{errors.Join(missing...), "not_found", exitNotFound}}
	}
	return nil
}

// revoke deletes the key and returns it with its tombstone.
func (c *keysRevokeCommand) revoke(ctx context.Context, std streams, keys *store.Store, id apitype.UUID) (apikey.Key, error) {
	key, err := liveKey(ctx, keys, id)
	if err != nil || c.DryRun {
		return key, err
	}
	// By the zero UUID, because no key did it.
	key.Deleted = &apikey.Deletion{At: time.Now(), RequestID: "keys revoke by " + operator()}
	if err := keys.Delete(ctx, key.ProjectID, id, *key.Deleted); err != nil {
		return key, notFound(err, keys, id)
	}
	audit(std, keys, "key revoked", "key", id.String())
	return key, nil
}
