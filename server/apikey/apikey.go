// Package apikey is the domain model: API keys, their permissions, and their secrets. It depends on neither HTTP nor SQL.
package apikey

import (
	"errors"
	"slices"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
)

// ErrNotFound means that there is no such live key. It does not distinguish between a key that never existed, one that was
// deleted, and one of another project.
var ErrNotFound = errors.New("no such api key")

// DeletedError means that a secret belonged to the key ID, which has been deleted. It is for the log: to a caller it is the
// same as ErrNotFound, which errors.Is reports it to be.
type DeletedError struct{ ID apitype.UUID }

// Error implements error.
func (e *DeletedError) Error() string { return "api key " + e.ID.String() + " has been deleted" }

// Is reports whether target is ErrNotFound.
func (e *DeletedError) Is(target error) bool { return target == ErrNotFound }

// PermissionDelete allows a restricted key to delete keys of its project.
const PermissionDelete = "api_keys.delete"

// Key is an API key without its secret. Times are in UTC, with microsecond precision.
type Key struct {
	ID             apitype.UUID
	ProjectID      apitype.UUID
	CreatorID      apitype.UUID
	Name           string
	LastFourDigits string
	CreatedAt      time.Time
	ExpiresAt      time.Time // zero: never
	Restricted     bool
	Permissions    []string  // of a restricted key; nil otherwise
	Deleted        *Deletion // nil for a live key
}

// New returns a new unrestricted key and its secret. The caller may restrict it and set its expiry before storing it.
func New(project, creator apitype.UUID, name string) (Key, Secret) {
	secret := NewSecret()
	return Key{
		ID:             apitype.NewUUID(),
		ProjectID:      project,
		CreatorID:      creator,
		Name:           name,
		LastFourDigits: secret.LastFour(),
		CreatedAt:      time.Now().UTC().Truncate(time.Microsecond),
	}, secret
}

// Deletion is the tombstone of a key: its audit record.
type Deletion struct {
	At        time.Time
	By        apitype.UUID // the key that deleted it; zero: the operator, at the database
	RequestID string       // of the request that deleted it, or the command of the operator
}

// May reports whether the key has permission. An unrestricted key has every permission in its project.
func (k *Key) May(permission string) bool {
	return !k.Restricted || slices.Contains(k.Permissions, permission)
}

// Expired reports whether the key has expired at the time now. A key is valid until, but not at, its expiry.
func (k *Key) Expired(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}
