package clienttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// memory is a store of keys in memory. It passes the conformance suite of the real stores.
type memory struct {
	mu   sync.Mutex
	keys []stored // in the order of their creation
}

type stored struct {
	key         apikey.Key
	hash        apikey.Hash // of the secret; erased by deletion
	fingerprint [8]byte     // of a deleted key: the beginning of its hash
}

var errOutage = errors.New("the store fails, as the test asked")

// outage marks the context of a request for which the store fails.
type outage struct{}

func check(ctx context.Context) error {
	if ctx.Value(outage{}) != nil {
		return errOutage
	}
	return ctx.Err()
}

// create stores a key. Neither id nor secret may have been stored before.
func (m *memory) create(ctx context.Context, key apikey.Key, hash apikey.Hash) error {
	if err := check(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.keys {
		if s.key.ID == key.ID || s.hash == hash {
			return fmt.Errorf("key %s or its secret is stored already", key.ID)
		}
	}
	key.CreatedAt, key.ExpiresAt = exact(key.CreatedAt), exact(key.ExpiresAt)
	m.keys = append(m.keys, stored{key: key, hash: hash})
	return nil
}

// Authenticate implements server.Keys.
func (m *memory) Authenticate(ctx context.Context, hash apikey.Hash) (apikey.Key, error) {
	if err := check(ctx); err != nil {
		return apikey.Key{}, err
	}
	for _, key := range m.list(func(s stored) bool { return s.key.Deleted == nil && s.hash == hash }) {
		return key, nil
	}
	for _, key := range m.list(func(s stored) bool { return s.key.Deleted != nil && s.fingerprint == [8]byte(hash[:8]) }) {
		return apikey.Key{}, &apikey.DeletedError{ID: key.ID}
	}
	return apikey.Key{}, apikey.ErrNotFound
}

// Delete implements server.Keys.
func (m *memory) Delete(ctx context.Context, project, id apitype.UUID, tombstone apikey.Deletion) error {
	if err := check(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.keys {
		if s := &m.keys[i]; s.key.ID == id && s.key.ProjectID == project && s.key.Deleted == nil {
			s.key.Deleted, s.fingerprint, s.hash = &tombstone, [8]byte(s.hash[:8]), apikey.Hash{}
			return nil
		}
	}
	return apikey.ErrNotFound
}

// exact returns t in the precision of the other stores.
func exact(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// list returns copies of the keys that are wanted.
func (m *memory) list(wanted func(stored) bool) []apikey.Key {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []apikey.Key
	for _, s := range m.keys {
		if wanted(s) {
			s.key.Permissions = slices.Clone(s.key.Permissions)
			keys = append(keys, s.key)
		}
	}
	return keys
}
