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

type keysRotateCommand struct {
	databaseFlags
	ID     string `arg:"" help:"The id of the key."`
	DryRun bool   `help:"Only print which key would be rotated."`
	JSON   bool   `name:"json" help:"Print one JSON object: the key with its new secret, or why it was not rotated."`
}

// Help implements kong.HelpProvider.
func (keysRotateCommand) Help() string {
	return fmt.Sprintf("Every server rejects the old secret, and accepts the new one, from the next request on. Exit status: 0 rotated, "+
		"%d the key does not exist or was deleted, %d the id is not a UUID, %d any other failure, %d invalid usage.",
		exitNotFound, exitInvalid, exitFailure, exitUsage)
}

// Run gives the key a new secret and prints it.
func (c *keysRotateCommand) Run(ctx context.Context, std streams) error {
	ids, keys, err := c.openForKeys(ctx, []string{c.ID})
	if err != nil {
		return err
	}
	defer keys.Close()
	key, secret, err := c.rotate(ctx, keys, ids[0])
	if failed, ok := errors.AsType[failure](err); ok && c.JSON {
		return reportedError{errors.Join(printJSON(std.out, printedRefusal{ids[0], failed.kind, failed.Error(), keys.String()}), err)}
	}
	switch {
	case err != nil:
		return err
	case c.DryRun:
		return printChange(std, c.JSON, true, "would rotate", keys, key)
	}
	audit(std, keys, "key rotated", "key", key.ID.String())
	return printSecret(std, c.JSON, keys, key, secret)
}

func (c *keysRotateCommand) rotate(ctx context.Context, keys *store.Store, id apitype.UUID) (key apikey.Key, secret apikey.Secret, err error) {
	key, err = liveKey(ctx, keys, id)
	switch {
	case err != nil:
		return key, secret, err
	case key.Expired(time.Now()):
		// The new secret would work nowhere.
		return key, secret, fmt.Errorf("key %s expired at %s: create a new one", id, timeText(key.ExpiresAt))
	case c.DryRun:
		return key, secret, nil
	}
	secret = apikey.NewSecret()
	err = keys.Rotate(ctx, key, secret.Hash(), secret.LastFour())
	key.LastFourDigits = secret.LastFour()
	return key, secret, notFound(err, keys, id)
}
