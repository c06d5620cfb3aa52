package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

func testGet(t *testing.T, url string) {
	s := Open(t, url)
	key, _ := Create(t, s, apitype.NewUUID())
	Create(t, s, key.ProjectID)
	got, err := s.Get(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, key)

	deletion := apikey.Deletion{At: NewDeletion().At, RequestID: "keys revoke by operator"} // by the zero UUID
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, deletion); err != nil {
		t.Fatal(err)
	}
	key.Deleted = &deletion
	if got, err = s.Get(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	equal(t, got, key)

	if _, err := s.Get(t.Context(), apitype.NewUUID()); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("an unknown key: error %v, want ErrNotFound", err)
	}
}

func testRotate(t *testing.T, url string) {
	s := Open(t, url)
	key, old := Create(t, s, apitype.NewUUID())
	other, otherSecret := Create(t, s, key.ProjectID)
	fresh := apikey.NewSecret()
	if err := s.Rotate(t.Context(), key, fresh.Hash(), fresh.LastFour()); err != nil {
		t.Fatal(err)
	}
	// Another command that looked the key up before must not replace the secret that the first one printed.
	late := apikey.NewSecret()
	if err := s.Rotate(t.Context(), key, late.Hash(), late.LastFour()); !errors.Is(err, store.ErrRotated) {
		t.Errorf("a second rotation at the same time: error %v, want ErrRotated", err)
	}
	if _, err := s.Authenticate(t.Context(), old.Hash()); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("the old secret: error %v, want ErrNotFound", err)
	}
	got, err := s.Authenticate(t.Context(), fresh.Hash())
	if err != nil {
		t.Fatal(err)
	}
	key.LastFourDigits = fresh.LastFour()
	equal(t, got, key)

	// Only live keys have a secret.
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, NewDeletion()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []apitype.UUID{key.ID, apitype.NewUUID(), {}} {
		again, missing := apikey.NewSecret(), key
		missing.ID = id
		if err := s.Rotate(t.Context(), missing, again.Hash(), again.LastFour()); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("rotate %s: error %v, want ErrNotFound", id, err)
		}
		if _, err := s.Authenticate(t.Context(), again.Hash()); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("the secret of a rotation that failed: error %v, want ErrNotFound", err)
		}
	}
	if got, err := s.Authenticate(t.Context(), otherSecret.Hash()); err != nil || got.ID != other.ID {
		t.Errorf("the other key: %v, %v", got.ID, err)
	}
	// The deleted key is recognised by the secret that it had last.
	if _, err := s.Authenticate(t.Context(), fresh.Hash()); fmt.Sprint(err) != fmt.Sprint(&apikey.DeletedError{ID: key.ID}) {
		t.Errorf("the last secret of the deleted key: error %v, want a DeletedError", err)
	}
}

func testPurge(t *testing.T, url string) {
	s := Open(t, url)
	limit := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	project := apitype.NewUUID()
	kept := make(map[apitype.UUID]bool)
	secrets := make(map[apitype.UUID]apikey.Secret)
	largest := apitype.UUID(slices.Repeat([]byte{0xff}, 16))
	for i, id := range []apitype.UUID{{}, apitype.NewUUID(), apitype.NewUUID(), apitype.NewUUID(), largest} {
		key, secret := NewKey(project)
		key.ID = id
		if err := s.Create(t.Context(), key, secret.Hash()); err != nil {
			t.Fatal(err)
		}
		deletion := NewDeletion()
		switch i {
		case 1: // lives
			kept[id], secrets[id] = true, secret
			continue
		case 2: // not before, but at the limit
			kept[id], deletion.At = true, limit
		default:
			deletion.At = limit.Add(-time.Microsecond)
		}
		if err := s.Delete(t.Context(), project, id, deletion); err != nil {
			t.Fatal(err)
		}
	}
	if count, err := s.CountTombstones(t.Context(), limit); err != nil || count != 3 {
		t.Errorf("counted %d tombstones, %v; want 3", count, err)
	}
	for _, want := range []int64{3, 0} {
		if purged, err := s.Purge(t.Context(), limit, nil); err != nil || purged != want {
			t.Errorf("purged %d tombstones, %v; want %d", purged, err, want)
		}
	}
	for _, key := range list(t, s, store.Filter{Deleted: true}) {
		if !kept[key.ID] {
			t.Errorf("%s was not purged", key.ID)
		}
		delete(kept, key.ID)
	}
	if len(kept) > 0 {
		t.Errorf("purged %v", kept)
	}
	for id, secret := range secrets {
		if got, err := s.Authenticate(t.Context(), secret.Hash()); err != nil || got.ID != id {
			t.Errorf("the live key: %v, %v", got.ID, err)
		}
	}
}

// testPurgeInterrupted ends a purge after its second batch of 200 rows.
func testPurgeInterrupted(t *testing.T, url string) {
	s := Open(t, url)
	const rows = 3500
	FillTombstones(t, url, rows)
	ctx, cancel := context.WithCancel(t.Context())
	var reported []int64
	purged, err := s.Purge(ctx, time.Now(), func(done, total int64) {
		if total != rows {
			t.Errorf("reported a total of %d, want %d", total, rows)
		}
		if reported = append(reported, done); len(reported) == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || purged != 400 || fmt.Sprint(reported) != "[200 400]" {
		t.Errorf("purged %d, reported %v, error %v; want two batches of 200 and context.Canceled", purged, reported, err)
	}
	if left := len(list(t, s, store.Filter{Deleted: true})); left != rows-400 {
		t.Errorf("%d tombstones are left, want %d", left, rows-400)
	}
	if purged, err := s.Purge(t.Context(), time.Now(), nil); err != nil || purged != rows-400 {
		t.Errorf("the next purge removed %d, %v; want the other %d", purged, err, rows-400)
	}
}
