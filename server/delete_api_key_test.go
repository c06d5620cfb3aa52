package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// Of 200 concurrent deletes of one key exactly one is answered 200.
func TestConcurrentDeletesOfOneKey(t *testing.T) {
	d := newDiga(t)
	_, caller := d.createKey(t)
	target, _ := d.createKey(t)
	var (
		start   = make(chan struct{})
		answers = make(chan answer, 200)
		group   sync.WaitGroup
	)
	for range cap(answers) {
		group.Go(func() {
			<-start
			answers <- d.delete(t, caller, target.ID.String())
		})
	}
	close(start)
	group.Wait()
	close(answers)
	count := make(map[int]int)
	for answer := range answers {
		count[answer.status]++
		switch answer.status {
		case 200:
			answer.check(t, 200, `{}`)
		default:
			answer.check(t, 404, notFound)
		}
	}
	if count[200] != 1 || count[404] != 199 {
		t.Errorf("answers by status: %v", count)
	}
}

// The tombstone is the audit record: when, by which key, in which request.
func TestTombstone(t *testing.T) {
	d := newDiga(t)
	at := time.Date(2026, 5, 4, 3, 2, 1, 987_654_000, time.UTC)
	d.now = func() time.Time { return at }
	callerKey, caller := d.createKey(t)
	target, _ := d.createKey(t)
	d.send(t, "DELETE", "/v1/api_key/"+target.ID.String(), "Authorization: Bearer "+caller.Reveal(), "X-Request-ID: order-4711").check(t, 200, `{}`)
	for key, err := range d.keys.List(t.Context(), store.Filter{Deleted: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if key.ID != target.ID {
			continue
		}
		if key.Deleted == nil || *key.Deleted != (apikey.Deletion{At: at, By: callerKey.ID, RequestID: "order-4711"}) {
			t.Errorf("tombstone %+v", key.Deleted)
		}
		return
	}
	t.Error("no tombstone")
}

// A key is valid until, but not at, its expiry.
func TestExpiry(t *testing.T) {
	d := newDiga(t)
	expiry := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	_, caller := d.createKey(t, func(key *apikey.Key) { key.ExpiresAt = expiry })
	d.now = func() time.Time { return expiry.Add(-time.Microsecond) }
	d.delete(t, caller, "nope").check(t, 422, uuidLength)
	d.now = func() time.Time { return expiry }
	d.delete(t, caller, "nope").check(t, 403, unauthorized)
}

// No secret reaches the log or the files of the database.
func TestSecretsStayOut(t *testing.T) {
	folder := t.TempDir()
	keys, err := store.Open(t.Context(), "sqlite:"+filepath.Join(folder, "keys.db"), store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	d := &diga{keys: keys, log: new(logBuffer), now: time.Now}
	d.serve(t, keys)
	_, admin := d.createKey(t)
	_, viewer := d.createKey(t, restrictedTo("calls.view"))
	target, deleted := d.createKey(t)
	stranger := apikey.NewSecret()
	for _, secret := range []apikey.Secret{admin, viewer, deleted, stranger} {
		d.delete(t, secret, "nope")
		d.delete(t, secret, target.ID.String())
		d.send(t, "DELETE", "/v1/api_key/"+secret.Reveal()+"?key="+secret.Reveal(), "Authorization: Bearer "+secret.Reveal())
		d.send(t, "DELETE", "/"+secret.Reveal(), "Authorization: Basic "+secret.Reveal())
	}
	places := map[string]string{"the log": d.log.String()}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		places[file.Name()] = string(content)
	}
	for place, content := range places {
		for _, secret := range []apikey.Secret{admin, viewer, deleted, stranger} {
			if strings.Contains(content, secret.Reveal()[len(apikey.Prefix):len(apikey.Prefix)+20]) {
				t.Errorf("%s contains the secret %s", place, secret)
			}
		}
	}
}
