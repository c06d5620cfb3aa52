package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
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
	var notFound []error
	for _, id := range ids {
		key, err := c.revoke(ctx, std, keys, id)
		if missing, ok := errors.AsType[deleteError](err); ok {
			notFound = append(notFound, missing)
			if err = nil; c.JSON {
				err = printJSON(std.out, printedRefusal{id, missing.kind, missing.Error(), keys.String()})
			}
		} else if err == nil {
			err = c.print(std, keys, key)
		}
		if err != nil {
			return err
		}
	}
	if len(notFound) > 0 {
		// With --json each of them has its line.
		return reportedError{deleteError{errors.Join(notFound...), "not_found", exitNotFound}}
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

func (c *keysRevokeCommand) print(std streams, keys *store.Store, key apikey.Key) error {
	if c.JSON {
		printed := printedKeyOf(key, keys)
		printed.DryRun = c.DryRun
		return printJSON(std.out, printed)
	}
	fmt.Fprintf(std.out, "%s %s (%s) of project %s in %s\n", would(c.DryRun, "revoke", "revoked"), key.ID, printable(key.Name), key.ProjectID, keys)
	return nil
}

// printedRefusal is the --json output for a key that cannot be changed.
type printedRefusal struct {
	ID      apitype.UUID `json:"id"`
	Error   string       `json:"error"` // not_found
	Message string       `json:"message"`
	Store   string       `json:"store"`
}

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
	if missing, ok := errors.AsType[deleteError](err); ok && c.JSON {
		return reportedError{errors.Join(printJSON(std.out, printedRefusal{ids[0], missing.kind, missing.Error(), keys.String()}), err)}
	}
	switch {
	case err != nil:
		return err
	case c.DryRun && c.JSON:
		printed := printedKeyOf(key, keys)
		printed.DryRun = true
		return printJSON(std.out, printed)
	case c.DryRun:
		fmt.Fprintf(std.out, "would rotate %s (%s) of project %s in %s\n", key.ID, printable(key.Name), key.ProjectID, keys)
		return nil
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
	var settings wrongSettings
	var before time.Time
	if c.DeletedBefore == "" {
		settings.wrong("deleted-before", "is missing: tombstones are the audit record, and the time says which of them may go")
	} else if before = settings.time("deleted-before", c.DeletedBefore); before.After(time.Now()) {
		settings.wrong("deleted-before", "is in the future")
	}
	c.check(&settings)
	if err := settings.err(); err != nil {
		return err
	}
	keys, err := c.openExisting(ctx, "database-url", store.Options{ReadOnly: c.DryRun})
	if err != nil {
		return err
	}
	defer keys.Close()
	purged, err := c.purge(ctx, std, keys, before)
	if purged > 0 && !c.DryRun { // also if it was interrupted
		audit(std, keys, "tombstones purged", "count", purged, "deleted_before", timeText(before))
	}
	if err != nil {
		return interrupted(ctx, err, fmt.Sprintf("%d tombstones were purged; run it again to go on", purged))
	}
	if c.JSON {
		return printJSON(std.out, printedPurge{purged, before.UTC(), c.DryRun, keys.String()})
	}
	fmt.Fprintf(std.out, "%s %d tombstones of keys deleted before %s in %s\n", would(c.DryRun, "purge", "purged"), purged, timeText(before), keys)
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

// openForKeys checks the settings and the ids of a command, and opens its store.
func (f databaseFlags) openForKeys(ctx context.Context, texts []string) (ids []apitype.UUID, keys *store.Store, err error) {
	var settings wrongSettings
	f.check(&settings)
	if err := settings.err(); err != nil {
		return nil, nil, err
	}
	for i, text := range texts {
		id, err := apitype.ParseUUID(text)
		if err != nil {
			// The text is not repeated: it may be a key that was passed by mistake.
			return nil, nil, deleteError{fmt.Errorf("id %d is not a UUID: %w; diga-api keys list shows the ids", i+1, err), "invalid", exitInvalid}
		}
		ids = append(ids, id)
	}
	keys, err = f.openExisting(ctx, "database-url", store.Options{})
	return ids, keys, err
}

// liveKey returns the key id, or a deleteError if it does not exist or was deleted.
func liveKey(ctx context.Context, keys *store.Store, id apitype.UUID) (apikey.Key, error) {
	key, err := keys.Get(ctx, id)
	if err == nil && key.Deleted != nil {
		err = fmt.Errorf("key %s was deleted at %s by %s, so nothing was changed in %s", id, timeText(key.Deleted.At), deleterText(key), keys)
		return key, deleteError{err, "not_found", exitNotFound}
	}
	return key, notFound(err, keys, id)
}

// notFound turns apikey.ErrNotFound into a deleteError.
func notFound(err error, keys *store.Store, id apitype.UUID) error {
	if errors.Is(err, apikey.ErrNotFound) {
		return deleteError{fmt.Errorf("key %s does not exist in %s", id, keys), "not_found", exitNotFound}
	}
	return err
}

// deleterText names who deleted the key.
func deleterText(key apikey.Key) string {
	if key.Deleted.By == (apitype.UUID{}) {
		return "the operator"
	}
	return key.Deleted.By.String()
}

func would(dryRun bool, verb, past string) string {
	if dryRun {
		return "would " + verb
	}
	return past
}

// audit logs a change that an operator made at the database.
func audit(std streams, keys *store.Store, event string, attributes ...any) {
	logger, _ := logFlags{LogLevel: "info", LogFormat: "auto"}.logger(std, &wrongSettings{})
	logger.With("by", operator(), "store", keys.String()).Info(event, attributes...)
}

// operator returns the name of the user that runs the program.
func operator() string {
	current, err := user.Current()
	if err != nil || strings.TrimSpace(current.Username) == "" {
		return "uid " + strconv.Itoa(os.Getuid()) // as in the container image, which has no names
	}
	return current.Username
}
