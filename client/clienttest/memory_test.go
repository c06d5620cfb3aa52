package clienttest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Store { return whole{new(memory)} })
}

// whole adds what the suite wants of a store and this package does not need.
type whole struct{ *memory }

func (w whole) Create(ctx context.Context, key apikey.Key, hash apikey.Hash) error {
	for _, text := range append([]string{key.Name, key.LastFourDigits}, key.Permissions...) {
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return fmt.Errorf("create: %w", store.ErrInvalid)
		}
	}
	return w.create(ctx, key, hash)
}

func (w whole) List(ctx context.Context, filter store.Filter) iter.Seq2[apikey.Key, error] {
	return func(yield func(apikey.Key, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(apikey.Key{}, err)
			return
		}
		keys := w.list(func(s stored) bool {
			since := !filter.DeletedAfter.IsZero()
			return (filter.Project == nil || s.key.ProjectID == *filter.Project) && strings.Contains(s.key.Name, filter.Name) &&
				(filter.ExpiresBefore.IsZero() || !s.key.ExpiresAt.IsZero() && s.key.ExpiresAt.Before(filter.ExpiresBefore)) &&
				(since || filter.Deleted || s.key.Deleted == nil) &&
				(!since || s.key.Deleted != nil && !s.key.Deleted.At.Before(filter.DeletedAfter))
		})
		slices.SortFunc(keys, func(a, b apikey.Key) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
		})
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}
