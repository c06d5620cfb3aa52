package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// lateStore is a store that may be opened after the server has started, because the database may be away at start. It
// implements server.Keys. Until it is open its methods return an error, so that callers get the declared 500.
type lateStore struct {
	keys  atomic.Pointer[store.Store] // nil until it is open
	cause atomic.Pointer[error]       // why the last attempt to open it failed
}

var errNotOpen = errors.New("the store is not open yet")

// open returns the open store, or the reason why it is not open.
func (l *lateStore) open() (*store.Store, error) {
	if keys := l.keys.Load(); keys != nil {
		return keys, nil
	}
	if cause := l.cause.Load(); cause != nil {
		return nil, fmt.Errorf("%w: %w", errNotOpen, *cause)
	}
	return nil, errNotOpen
}

// Authenticate implements server.Keys.
func (l *lateStore) Authenticate(ctx context.Context, hash apikey.Hash) (apikey.Key, error) {
	keys, err := l.open()
	if err != nil {
		return apikey.Key{}, err
	}
	return keys.Authenticate(ctx, hash)
}

// Delete implements server.Keys.
func (l *lateStore) Delete(ctx context.Context, project, id apitype.UUID, tombstone apikey.Deletion) error {
	keys, err := l.open()
	if err != nil {
		return err
	}
	return keys.Delete(ctx, project, id, tombstone)
}

// CheckWritable reports why the store does not respond or cannot be written to.
func (l *lateStore) CheckWritable(ctx context.Context) error {
	keys, err := l.open()
	if err != nil {
		return err
	}
	return keys.CheckWritable(ctx)
}

// Stats returns the statistics of the connection pools, none until the store is open.
func (l *lateStore) Stats() []store.PoolStats {
	if keys := l.keys.Load(); keys != nil {
		return keys.Stats()
	}
	return nil
}

// Close closes the store if it is open.
func (l *lateStore) Close() {
	if keys := l.keys.Load(); keys != nil {
		_ = keys.Close()
	}
}

// retryLogInterval is the shortest time between two log lines about attempts to open the store.
const retryLogInterval = 30 * time.Second

// retry calls open until it succeeds, fails for a reason that will not pass by itself, or ctx ends. It calls failed after
// each failure that it retries.
func (l *lateStore) retry(ctx context.Context, open func() (*store.Store, error), logger *slog.Logger, failed func()) (*store.Store, error) {
	var logged time.Time
	return backoff.Retry(ctx, func() (*store.Store, error) {
		keys, err := open()
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			return nil, backoff.Permanent(err)
		}
		return keys, err
	},
		// The randomization adds up to a quarter to the interval, so the longest wait is 5 s.
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval: 100 * time.Millisecond, MaxInterval: 4 * time.Second, Multiplier: 2, RandomizationFactor: 0.25,
		}),
		backoff.WithMaxElapsedTime(0), // no limit
		backoff.WithNotify(func(err error, _ time.Duration) {
			l.cause.Store(&err)
			if time.Since(logged) >= retryLogInterval {
				logged = time.Now()
				logger.WarnContext(ctx, "store unavailable, retrying", slog.String("cause", err.Error()))
			}
			failed()
		}),
	)
}
