// Package apikey is the domain: what an API key of Diga is, what it may do, and how its secret is made and recognised.
// It knows neither HTTP nor SQL.
package apikey

import (
	"errors"
	"slices"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
)

// ErrNotFound says that no live key fits: it never existed, was deleted, or belongs to another project. Nobody who
// gets it can tell which.
var ErrNotFound = errors.New("no such api key")

// PermissionDelete is what a restricted key needs to delete keys of its project.
const PermissionDelete = "api_keys.delete"

// Key is an API key without its secret. Times are in UTC, exact to the microsecond.
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
	Deleted        *Deletion // nil while the key lives
}

// Deletion is the tombstone of a key: its audit record.
type Deletion struct {
	At        time.Time
	By        apitype.UUID // the key that deleted it
	RequestID string       // of the request that deleted it
}

// May says whether the key holds permission: an unrestricted key holds every one in its project.
func (k *Key) May(permission string) bool {
	return !k.Restricted || slices.Contains(k.Permissions, permission)
}

// Expired says whether the key has expired at the time now. A key is good until, not at, its expiry.
func (k *Key) Expired(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}
