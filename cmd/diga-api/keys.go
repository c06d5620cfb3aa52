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

// openForKeys checks the settings and the ids of a command, and opens its store.
func (f databaseFlags) openForKeys(ctx context.Context, texts []string) (ids []apitype.UUID, keys *store.Store, err error) {
	var settings invalidSettings
	f.check(&settings)
	if err := settings.err(); err != nil {
		return nil, nil, err
	}
	for i, text := range texts {
		id, err := apitype.ParseUUID(text)
		if err != nil {
			// The text is not repeated: it may be a key that was passed by mistake.
			return nil, nil, failure{fmt.Errorf("id %d is not a UUID: %w; diga-api keys list shows the ids", i+1, err), "invalid", exitInvalid}
		}
		ids = append(ids, id)
	}
	keys, err = openExisting(ctx, "database-url", f.DatabaseURL, store.Options{})
	return ids, keys, err
}

// liveKey returns the key id, or a failure if it does not exist or was deleted.
func liveKey(ctx context.Context, keys *store.Store, id apitype.UUID) (apikey.Key, error) {
	key, err := keys.Get(ctx, id)
	if err == nil && key.Deleted != nil {
		err = fmt.Errorf("key %s was deleted at %s by %s, so nothing was changed in %s", id, timeText(key.Deleted.At), deleterText(key), keys)
		return key, failure{err, "not_found", exitNotFound}
	}
	return key, notFound(err, keys, id)
}

// notFound turns apikey.ErrNotFound into a failure.
func notFound(err error, keys *store.Store, id apitype.UUID) error {
	if errors.Is(err, apikey.ErrNotFound) {
		return failure{fmt.Errorf("key %s does not exist in %s", id, keys), "not_found", exitNotFound}
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
	logger, _ := logFlags{LogLevel: "info", LogFormat: "auto"}.logger(std, std.err, &invalidSettings{})
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

// printSecret prints a key together with its secret, the only time that it is shown.
func printSecret(std streams, asJSON bool, keys *store.Store, key apikey.Key, secret apikey.Secret) error {
	if asJSON {
		printed := printedKeyOf(key, keys)
		printed.Key = secret.Reveal()
		return printJSON(std.out, printed)
	}
	fmt.Fprintf(std.out, "store    %s\nproject  %s\nid       %s\nkey      %s\n\nThe key is not shown again; only its hash is stored.\n",
		keys, key.ProjectID, key.ID, secret.Reveal())
	return nil
}

// printChange prints what was done with a key, or would be done.
func printChange(std streams, asJSON, dryRun bool, done string, keys *store.Store, key apikey.Key) error {
	if asJSON {
		printed := printedKeyOf(key, keys)
		printed.DryRun = dryRun
		return printJSON(std.out, printed)
	}
	fmt.Fprintf(std.out, "%s %s (%s) of project %s in %s\n", done, key.ID, printable(key.Name), key.ProjectID, keys)
	return nil
}

// printedKey is the --json output for a key: the fields of the publisher's documentation, and at creation the secret.
type printedKey struct {
	ID             apitype.UUID     `json:"id"`
	ProjectID      apitype.UUID     `json:"project_id"`
	Name           string           `json:"name"`
	CreatedDate    time.Time        `json:"created_date"`
	LastFourDigits string           `json:"last_four_digits"`
	CreatorID      apitype.UUID     `json:"creator_id"`
	Restricted     bool             `json:"restricted"`
	Permissions    []string         `json:"permissions,omitempty"`
	ExpiryDate     *time.Time       `json:"expiry_date,omitempty"`
	Key            string           `json:"key,omitempty"`
	Deleted        *printedDeletion `json:"deleted,omitempty"`
	DryRun         bool             `json:"dry_run,omitempty"` // nothing was changed
	Store          string           `json:"store"`             // the URL without secrets
}

type printedDeletion struct {
	Date      time.Time    `json:"date"`
	By        apitype.UUID `json:"by"`
	RequestID string       `json:"request_id"`
}

func printedKeyOf(key apikey.Key, keys *store.Store) printedKey {
	printed := printedKey{
		ID:             key.ID,
		ProjectID:      key.ProjectID,
		Name:           key.Name,
		CreatedDate:    key.CreatedAt.UTC(),
		LastFourDigits: key.LastFourDigits,
		CreatorID:      key.CreatorID,
		Restricted:     key.Restricted,
		Permissions:    key.Permissions,
		Store:          keys.String(),
	}
	if !key.ExpiresAt.IsZero() {
		expiry := key.ExpiresAt.UTC()
		printed.ExpiryDate = &expiry
	}
	if key.Deleted != nil {
		printed.Deleted = &printedDeletion{Date: key.Deleted.At.UTC(), By: key.Deleted.By, RequestID: key.Deleted.RequestID}
	}
	return printed
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// printedRefusal is the --json output for a key that cannot be changed.
type printedRefusal struct {
	ID      apitype.UUID `json:"id"`
	Error   string       `json:"error"` // not_found
	Message string       `json:"message"`
	Store   string       `json:"store"`
}
