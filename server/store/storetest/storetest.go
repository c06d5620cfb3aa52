// Package storetest is the conformance suite of the stores of keys.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// Store is the interface that Run tests.
type Store interface {
	Create(ctx context.Context, key apikey.Key, hash apikey.Hash) error
	Authenticate(ctx context.Context, hash apikey.Hash) (apikey.Key, error)
	Delete(ctx context.Context, project, id apitype.UUID, deletion apikey.Deletion) error
	List(ctx context.Context, filter store.Filter) iter.Seq2[apikey.Key, error]
}

// Run runs the suite. Each call of open returns an empty store.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Store)
	}{
		{"authenticate returns the key of a secret", testAuthenticate},
		{"authenticate returns expired keys as well", testExpired},
		{"a key comes back as it was stored", testRoundTrip},
		{"an id or a secret is stored once", testUnique},
		{"text that no engine can store is rejected", testInvalid},
		{"delete", testDelete},
		{"authenticate recognises the secret of a deleted key", testDeletedSecret},
		{"only the tombstone of a deleted key remains", testTombstone},
		{"of many concurrent deletes one succeeds", testConcurrentDeletes},
		{"after a delete no lookup succeeds", testAtOnce},
		{"list orders and filters", testList},
		{"the caller may stop a list early", testListBreak},
		{"every method ends with its context", testContext},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// NewKey returns an unrestricted key of project and its secret. The key is not stored yet.
func NewKey(project apitype.UUID) (apikey.Key, apikey.Secret) {
	return apikey.New(project, apitype.NewUUID(), "test key")
}

// Create stores a NewKey of project.
func Create(t testing.TB, s Store, project apitype.UUID) (apikey.Key, apikey.Secret) {
	t.Helper()
	key, secret := NewKey(project)
	if err := s.Create(t.Context(), key, secret.Hash()); err != nil {
		t.Fatal(err)
	}
	return key, secret
}

// NewDeletion returns a tombstone with the current time.
func NewDeletion() apikey.Deletion {
	return apikey.Deletion{
		At:        time.Now().UTC().Truncate(time.Microsecond),
		By:        apitype.NewUUID(),
		RequestID: "test request",
	}
}

func testAuthenticate(t *testing.T, s Store) {
	want, secret := Create(t, s, apitype.NewUUID())
	Create(t, s, want.ProjectID)
	got, err := s.Authenticate(t.Context(), secret.Hash())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, want)
	if _, err := s.Authenticate(t.Context(), apikey.NewSecret().Hash()); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("an unknown secret: error %v, want ErrNotFound", err)
	}
}

func testExpired(t *testing.T, s Store) {
	want, secret := NewKey(apitype.NewUUID())
	want.ExpiresAt = want.CreatedAt.Add(-time.Hour)
	if err := s.Create(t.Context(), want, secret.Hash()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Authenticate(t.Context(), secret.Hash())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, want)
}

func testRoundTrip(t *testing.T, s Store) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, change := range []func(*apikey.Key){
		func(k *apikey.Key) { k.Name = "" },
		func(k *apikey.Key) { k.Name = `'; DROP TABLE api_keys; -- " \ $1 %s` },
		func(k *apikey.Key) { k.Name = "Zoë 鍵 🔑 e\u0301 \u202e \ufeff \U0010ffff \x01\t\r\n\x7f" },
		func(k *apikey.Key) { k.Name = strings.Repeat("n", 100_000) },
		func(k *apikey.Key) { k.LastFourDigits = "" },
		func(k *apikey.Key) { k.ID, k.CreatorID = apitype.UUID{}, apitype.UUID{} },
		func(k *apikey.Key) { k.CreatorID = apitype.UUID(slices.Repeat([]byte{0xff}, 16)) },
		func(k *apikey.Key) { k.CreatedAt = at("1969-12-31T23:59:59.999999Z") },
		func(k *apikey.Key) { k.ExpiresAt = at("2024-02-29T12:00:00.000001Z") },
		func(k *apikey.Key) { k.ExpiresAt = at("9999-12-31T23:59:59.999999Z") },
		func(k *apikey.Key) { k.Restricted = true },
		func(k *apikey.Key) { k.Restricted, k.Permissions = true, []string{"api_keys.delete", "calls.view"} },
		func(k *apikey.Key) { k.Restricted, k.Permissions = true, []string{"", `"],["`, "鍵", "calls.view"} },
	} {
		want, secret := NewKey(apitype.NewUUID())
		change(&want)
		if err := s.Create(t.Context(), want, secret.Hash()); err != nil {
			t.Errorf("create %+v: %v", want, err)
			continue
		}
		got, err := s.Authenticate(t.Context(), secret.Hash())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, want)
		listed := list(t, s, store.Filter{Project: &want.ProjectID})
		if len(listed) != 1 {
			t.Fatalf("listed %d keys of the project, want 1", len(listed))
		}
		equal(t, listed[0], want)
	}

	// Times are truncated to microseconds and converted to UTC.
	want, secret := NewKey(apitype.NewUUID())
	want.CreatedAt = at("2024-05-06T07:08:09.123456789+02:00")
	if err := s.Create(t.Context(), want, secret.Hash()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Authenticate(t.Context(), secret.Hash())
	if err != nil {
		t.Fatal(err)
	}
	if want := at("2024-05-06T05:08:09.123456Z"); got.CreatedAt != want {
		t.Errorf("created at %v, want %v", got.CreatedAt, want)
	}
}

func testUnique(t *testing.T, s Store) {
	stored, secret := Create(t, s, apitype.NewUUID())
	sameID, otherSecret := NewKey(stored.ProjectID)
	sameID.ID = stored.ID
	if err := s.Create(t.Context(), sameID, otherSecret.Hash()); err == nil {
		t.Error("a second key of the same id was stored")
	}
	sameSecret, _ := NewKey(stored.ProjectID)
	if err := s.Create(t.Context(), sameSecret, secret.Hash()); err == nil {
		t.Error("a second key of the same secret was stored")
	}
	if listed := list(t, s, store.Filter{Deleted: true}); len(listed) != 1 {
		t.Errorf("the store has %d keys, want 1", len(listed))
	}
	// Not even the tombstone's id is free again.
	if err := s.Delete(t.Context(), stored.ProjectID, stored.ID, NewDeletion()); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), sameID, otherSecret.Hash()); err == nil {
		t.Error("the id of a deleted key was used again")
	}
}

func testInvalid(t *testing.T, s Store) {
	for _, change := range []func(*apikey.Key){
		func(k *apikey.Key) { k.Name = "nul \x00" },
		func(k *apikey.Key) { k.Name = "\xff is not UTF-8" },
		func(k *apikey.Key) { k.LastFourDigits = "a\x00bc" },
		func(k *apikey.Key) { k.Restricted, k.Permissions = true, []string{"calls.view", "nul \x00"} },
		func(k *apikey.Key) { k.Restricted, k.Permissions = true, []string{"\xff"} },
	} {
		key, secret := NewKey(apitype.NewUUID())
		change(&key)
		if err := s.Create(t.Context(), key, secret.Hash()); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("create %+v: error %v, want ErrInvalid", key, err)
		}
	}
	if stored := list(t, s, store.Filter{Deleted: true}); len(stored) != 0 {
		t.Errorf("the store has %d keys, want none", len(stored))
	}
}

func testDelete(t *testing.T, s Store) {
	key, secret := Create(t, s, apitype.NewUUID())
	other, otherSecret := Create(t, s, apitype.NewUUID())
	remove := func(project, id apitype.UUID, want error) {
		t.Helper()
		if err := s.Delete(t.Context(), project, id, NewDeletion()); !errors.Is(err, want) {
			t.Errorf("delete: error %v, want %v", err, want)
		}
	}
	live := func(secret apikey.Secret, want error) {
		t.Helper()
		if _, err := s.Authenticate(t.Context(), secret.Hash()); !errors.Is(err, want) {
			t.Errorf("authenticate: error %v, want %v", err, want)
		}
	}
	remove(key.ProjectID, apitype.NewUUID(), apikey.ErrNotFound) // unknown
	remove(other.ProjectID, key.ID, apikey.ErrNotFound)          // another project's
	remove(apitype.NewUUID(), key.ID, apikey.ErrNotFound)        // of no project
	remove(apitype.UUID{}, apitype.UUID{}, apikey.ErrNotFound)   // nil is no wildcard
	live(secret, nil)
	live(otherSecret, nil)
	remove(key.ProjectID, key.ID, nil)
	live(secret, apikey.ErrNotFound)
	live(otherSecret, nil)
	remove(key.ProjectID, key.ID, apikey.ErrNotFound) // twice
}

// testDeletedSecret checks that a tombstone is found by its secret, and by no other.
func testDeletedSecret(t *testing.T, s Store) {
	deletedAs := func(secret apikey.Secret) (id apitype.UUID) {
		t.Helper()
		_, err := s.Authenticate(t.Context(), secret.Hash())
		if !errors.Is(err, apikey.ErrNotFound) {
			t.Fatalf("authenticate: error %v, want ErrNotFound", err)
		}
		if deleted, ok := errors.AsType[*apikey.DeletedError](err); ok {
			id = deleted.ID
		}
		return id
	}
	project := apitype.NewUUID()
	for range 3 {
		key, secret := Create(t, s, project)
		if err := s.Delete(t.Context(), project, key.ID, NewDeletion()); err != nil {
			t.Fatal(err)
		}
		if id := deletedAs(secret); id != key.ID {
			t.Errorf("the secret is that of the deleted key %s, want %s", id, key.ID)
		}
		if id := deletedAs(apikey.NewSecret()); id != (apitype.UUID{}) {
			t.Errorf("an unknown secret is that of the deleted key %s", id)
		}

		// A live key with the same secret comes first.
		again, _ := NewKey(project)
		if err := s.Create(t.Context(), again, secret.Hash()); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Authenticate(t.Context(), secret.Hash()); err != nil || got.ID != again.ID {
			t.Errorf("authenticate: %s, %v; want %s", got.ID, err, again.ID)
		}
	}
}

func testTombstone(t *testing.T, s Store) {
	key, _ := NewKey(apitype.NewUUID())
	key.Restricted, key.Permissions = true, []string{"calls.view"}
	key.ExpiresAt = key.CreatedAt.Add(time.Hour)
	secret := apikey.NewSecret()
	if err := s.Create(t.Context(), key, secret.Hash()); err != nil {
		t.Fatal(err)
	}
	first, second := NewDeletion(), NewDeletion()
	first.RequestID = "the first"
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, first); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, second); !errors.Is(err, apikey.ErrNotFound) {
		t.Fatalf("error %v, want ErrNotFound", err)
	}
	if listed := list(t, s, store.Filter{Project: &key.ProjectID}); len(listed) != 0 {
		t.Errorf("the deleted key is listed among the live ones: %+v", listed)
	}
	key.Deleted = &first
	listed := list(t, s, store.Filter{Project: &key.ProjectID, Deleted: true})
	if len(listed) != 1 {
		t.Fatalf("listed %d keys, want the tombstone", len(listed))
	}
	equal(t, listed[0], key)

	// The hash of the deleted key is gone, so the same secret can be stored again.
	again, _ := NewKey(key.ProjectID)
	if err := s.Create(t.Context(), again, secret.Hash()); err != nil {
		t.Errorf("the hash of the deleted key was kept: %v", err)
	}
}

func testConcurrentDeletes(t *testing.T, s Store) {
	const deleters = 200
	key, secret := Create(t, s, apitype.NewUUID())
	var succeeded atomic.Pointer[apikey.Deletion]
	var successes atomic.Int32
	var wg sync.WaitGroup
	for i := range deleters {
		wg.Go(func() {
			deletion := NewDeletion()
			deletion.RequestID = fmt.Sprint("request ", i)
			switch err := s.Delete(t.Context(), key.ProjectID, key.ID, deletion); {
			case err == nil:
				successes.Add(1)
				succeeded.Store(&deletion)
			case !errors.Is(err, apikey.ErrNotFound):
				t.Errorf("delete: %v", err)
			}
		})
	}
	wg.Wait()
	if n := successes.Load(); n != 1 {
		t.Fatalf("%d deletes succeeded, want 1", n)
	}
	if _, err := s.Authenticate(t.Context(), secret.Hash()); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("authenticate: error %v, want ErrNotFound", err)
	}
	key.Deleted = succeeded.Load()
	equal(t, list(t, s, store.Filter{Deleted: true})[0], key)
}

// testAtOnce looks keys up while they are deleted. A lookup that begins after the delete was acknowledged must fail.
func testAtOnce(t *testing.T, s Store) {
	var wg sync.WaitGroup
	for range 20 {
		key, secret := Create(t, s, apitype.NewUUID())
		var acknowledged atomic.Bool
		for range 4 {
			wg.Go(func() {
				for {
					late := acknowledged.Load()
					_, err := s.Authenticate(t.Context(), secret.Hash())
					switch {
					case errors.Is(err, apikey.ErrNotFound):
						return
					case err != nil:
						t.Errorf("authenticate: %v", err)
						return
					case late:
						t.Error("a lookup after the delete found the key")
						return
					}
				}
			})
		}
		wg.Go(func() {
			if err := s.Delete(t.Context(), key.ProjectID, key.ID, NewDeletion()); err != nil {
				t.Errorf("delete: %v", err)
			}
			acknowledged.Store(true)
		})
	}
	wg.Wait()
}

func testList(t *testing.T, s Store) {
	project, other := apitype.NewUUID(), apitype.NewUUID()
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var stored []apikey.Key // in the order in which they are to be listed
	for i := range 6 {
		key, _ := NewKey(project)
		key.CreatedAt = start.Add(time.Duration(i/2) * time.Second) // two share a time: ids decide
		stored = append(stored, key)
	}
	stored[4].ProjectID, stored[5].ProjectID = other, other
	slices.SortFunc(stored, func(a, b apikey.Key) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	stored[0].Name, stored[3].Name, stored[5].Name = "billing 100%_", "Billing", "old billing"
	stored[2].ExpiresAt, stored[4].ExpiresAt = start.Add(time.Hour), start.Add(time.Hour+time.Microsecond)
	for _, i := range []int{3, 0, 5, 1, 4, 2} {
		if err := s.Create(t.Context(), stored[i], apikey.NewSecret().Hash()); err != nil {
			t.Fatal(err)
		}
	}
	deletion := NewDeletion()
	if err := s.Delete(t.Context(), project, stored[1].ID, deletion); err != nil {
		t.Fatal(err)
	}
	stored[1].Deleted = &deletion

	unknown := apitype.NewUUID()
	for _, test := range []struct {
		name   string
		filter store.Filter
		want   []int
	}{
		{"all live", store.Filter{}, []int{0, 2, 3, 4, 5}},
		{"all", store.Filter{Deleted: true}, []int{0, 1, 2, 3, 4, 5}},
		{"live of a project", store.Filter{Project: &project}, []int{0, 2, 3}},
		{"all of a project", store.Filter{Project: &project, Deleted: true}, []int{0, 1, 2, 3}},
		{"of another project", store.Filter{Project: &other, Deleted: true}, []int{4, 5}},
		{"of an unknown project", store.Filter{Project: &unknown, Deleted: true}, nil},
		{"with a name", store.Filter{Name: "billing"}, []int{0, 5}},
		{"with a name that is a pattern elsewhere", store.Filter{Name: "%_"}, []int{0}},
		{"with a name, of a project", store.Filter{Name: "billing", Project: &other}, []int{5}},
		{"that expire", store.Filter{ExpiresBefore: start.Add(time.Hour + time.Microsecond)}, []int{2}},
		{"that expire, none", store.Filter{ExpiresBefore: start.Add(time.Hour)}, nil},
		{"deleted since", store.Filter{DeletedAfter: deletion.At}, []int{1}},
		{"deleted since, of a project", store.Filter{DeletedAfter: deletion.At, Project: &project, Deleted: true}, []int{1}},
		{"deleted since, none", store.Filter{DeletedAfter: deletion.At.Add(time.Microsecond)}, nil},
	} {
		got := list(t, s, test.filter)
		if len(got) != len(test.want) {
			t.Errorf("%s: listed %d keys, want %d", test.name, len(got), len(test.want))
			continue
		}
		for i := range got {
			equal(t, got[i], stored[test.want[i]])
		}
	}
}

func testListBreak(t *testing.T, s Store) {
	project := apitype.NewUUID()
	for range 3 {
		Create(t, s, project)
	}
	for range 100 { // more often than any pool has connections
		for _, err := range s.List(t.Context(), store.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
}

func testContext(t *testing.T, s Store) {
	key, secret := Create(t, s, apitype.NewUUID())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	canceled := func(doing string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", doing, err)
		}
	}
	_, err := s.Authenticate(ctx, secret.Hash())
	canceled("authenticate", err)
	canceled("delete", s.Delete(ctx, key.ProjectID, key.ID, NewDeletion()))
	canceled("delete an unknown key", s.Delete(ctx, key.ProjectID, apitype.NewUUID(), NewDeletion()))
	unstored, other := NewKey(key.ProjectID)
	canceled("create", s.Create(ctx, unstored, other.Hash()))
	for _, err := range s.List(ctx, store.Filter{}) {
		canceled("list", err)
	}
	// Nothing happened.
	if got := list(t, s, store.Filter{Deleted: true}); len(got) != 1 || got[0].Deleted != nil {
		t.Errorf("the store has %+v, want the one live key", got)
	}
}

func list(t *testing.T, s Store, filter store.Filter) (keys []apikey.Key) {
	t.Helper()
	for key, err := range s.List(t.Context(), filter) {
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		keys = append(keys, key)
	}
	return keys
}

// equal compares keys. Nil and empty permissions are equal.
func equal(t *testing.T, got, want apikey.Key) {
	t.Helper()
	text := func(key apikey.Key) string {
		deleted := "not deleted"
		if key.Deleted != nil {
			deleted = fmt.Sprintf("%+v", *key.Deleted)
		}
		key.Deleted = nil
		return fmt.Sprintf("%+v %q %s", key, key.Permissions, deleted)
	}
	if text(got) != text(want) {
		t.Errorf("got  %.500s\nwant %.500s", text(got), text(want))
	}
}
