//go:build proof

package program_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// This file holds the program to what it promises about deletes, on both engines, with several processes on one store.

// onEngines runs test with the URL of an empty store that several processes can share, once for each engine.
func onEngines(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, process.SQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, postgres.Database(t)) })
}

// held is a key with its secret.
type held struct {
	apikey.Key
	secret apikey.Secret
}

func create(t testing.TB, keys *store.Store, project apitype.UUID) held {
	t.Helper()
	key, secret := storetest.Create(t, keys, project)
	return held{key, secret}
}

func createMany(t testing.TB, keys *store.Store, project apitype.UUID, count int) []held {
	t.Helper()
	made := make([]held, count)
	for i := range made {
		made[i] = create(t, keys, project)
	}
	return made
}

// tombstones are the deletions in the store at url, by the id of the deleted key. The store is opened for that: a
// connection from before an outage may be dead.
func tombstones(t testing.TB, url string) map[apitype.UUID]apikey.Deletion {
	t.Helper()
	keys := storetest.Open(t, url)
	defer keys.Close()
	found := make(map[apitype.UUID]apikey.Deletion)
	for key, err := range keys.List(t.Context(), store.Filter{Deleted: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if key.Deleted != nil {
			found[key.ID] = *key.Deleted
		}
	}
	return found
}

// replicas starts several servers on one store, and warm ones: what a test measures is not their start.
func replicas(t testing.TB, count int, url string, args ...string) []*process.Server {
	t.Helper()
	servers := make([]*process.Server, count)
	for i := range servers {
		servers[i] = process.Launch(t, append([]string{"--database-url", url, "--log-level", "error"}, args...)...)
	}
	for _, server := range servers {
		server.Await(t)
	}
	return servers
}

// answer is what came back of a request, and when, on the monotonic clock.
type answer struct {
	status        int
	body          string
	began, ended  time.Time
	header        http.Header
	withoutChance string // status line, header and body, without what differs between any two answers
}

// unauthorized says whether the caller's key was refused.
func (a answer) unauthorized() bool {
	return a.status == http.StatusForbidden && strings.Contains(a.body, `"UNAUTHORIZED"`)
}

// asker sends requests without repeating any.
type asker struct{ client *http.Client }

func newAsker(t testing.TB) asker {
	transport := &http.Transport{MaxIdleConnsPerHost: 500}
	t.Cleanup(transport.CloseIdleConnections)
	return asker{&http.Client{Transport: transport, Timeout: time.Minute}}
}

// delete asks server to delete id. The error says that no answer came.
func (a asker) delete(ctx context.Context, server *process.Server, secret apikey.Secret, id apitype.UUID, requestID string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, server.API+"/v1/api_key/"+id.String(), nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+secret.Reveal())
	request.Header.Set("X-Request-ID", requestID)
	got := answer{began: time.Now()}
	response, err := a.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	got.ended = time.Now()
	if err != nil {
		return answer{}, err
	}
	got.status, got.body, got.header = response.StatusCode, string(body), response.Header.Clone()
	response.Header.Del("Date")
	response.Header.Del("X-Request-Id")
	response.Body = io.NopCloser(bytes.NewReader(body))
	dump, err := httputil.DumpResponse(response, true)
	got.withoutChance = string(dump)
	return got, err
}

// mustDelete is delete where an answer has to come.
func (a asker) mustDelete(t testing.TB, server *process.Server, secret apikey.Secret, id apitype.UUID) answer {
	t.Helper()
	got, err := a.delete(t.Context(), server, secret, id, "")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Exactly once: of many deletes of one key, asked of several servers by several callers at the same time, one gets 200,
// and the tombstone names that one.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, url string) {
		keys := storetest.Open(t, url)
		project := apitype.NewUUID()
		callers, targets := createMany(t, keys, project, 8), createMany(t, keys, project, 40)
		servers := replicas(t, 3, url, "--request-timeout", "30s")
		asker := newAsker(t)

		var mutex sync.Mutex
		winners := make(map[apitype.UUID][]apikey.Deletion)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for _, caller := range callers {
			for _, i := range rand.Perm(len(targets)) {
				target, server := targets[i], servers[rand.IntN(len(servers))]
				wg.Go(func() {
					<-start
					requestID := caller.ID.String() + " deletes " + target.ID.String()
					got, err := asker.delete(t.Context(), server, caller.secret, target.ID, requestID)
					switch {
					case err != nil:
						t.Error(err)
					case got.status == http.StatusOK:
						mutex.Lock()
						defer mutex.Unlock()
						winners[target.ID] = append(winners[target.ID], apikey.Deletion{By: caller.ID, RequestID: requestID})
					case got.status != http.StatusNotFound:
						t.Errorf("a delete of many got %d", got.status)
					}
				})
			}
		}
		close(start)
		wg.Wait()

		found := tombstones(t, url)
		if len(found) != len(targets) {
			t.Errorf("%d tombstones, want %d", len(found), len(targets))
		}
		for _, target := range targets {
			won, tombstone := winners[target.ID], found[target.ID]
			if len(won) != 1 {
				t.Errorf("%d deletes of one key got 200", len(won))
			} else if tombstone.By != won[0].By || tombstone.RequestID != won[0].RequestID {
				t.Errorf("the tombstone is %+v, the 200 was for %+v", tombstone, won[0])
			}
		}
	})
}

// At once: no request that began after a delete was acknowledged is let in with the deleted key, on any server.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, url string) {
		keys := storetest.Open(t, url)
		project := apitype.NewUUID()
		administrator := create(t, keys, project)
		targets := createMany(t, keys, project, 25)
		servers := replicas(t, 3, url, "--request-timeout", "30s")
		asker := newAsker(t)

		// The history: for each key, how it was used, and its delete.
		type history struct {
			uses    []answer
			deleted answer
		}
		histories := make([]history, len(targets))
		var deleting sync.WaitGroup
		slots := make(chan struct{}, 5) // keys that are used and deleted at the same time
		for i, target := range targets {
			slots <- struct{}{}
			deleting.Go(func() {
				defer func() { <-slots }()
				h := &histories[i]
				var mutex sync.Mutex
				used := make(chan struct{}, 1000)
				use := func(server *process.Server) {
					got, err := asker.delete(t.Context(), server, target.secret, apitype.NewUUID(), "")
					if err != nil {
						t.Error(err)
					}
					mutex.Lock()
					defer mutex.Unlock()
					h.uses = append(h.uses, got)
					used <- struct{}{}
				}
				var using sync.WaitGroup
				done := make(chan struct{})
				for _, server := range servers {
					using.Go(func() {
						for {
							select {
							case <-done:
								return
							default:
								use(server)
							}
						}
					})
				}
				for range 1 + rand.IntN(10) { // let it be used for a while
					<-used
				}
				var err error
				h.deleted, err = asker.delete(t.Context(), servers[i%len(servers)], administrator.secret, target.ID, "")
				if err != nil {
					t.Error(err)
				}
				close(done)
				for _, server := range servers { // the very next request
					use(server)
				}
				using.Wait()
			})
		}
		deleting.Wait()

		var before, after int
		for i, h := range histories {
			if h.deleted.status != http.StatusOK {
				t.Fatalf("delete of key %d: %d", i, h.deleted.status)
			}
			for _, use := range h.uses {
				switch {
				case use.began.After(h.deleted.ended):
					after++
					if !use.unauthorized() {
						t.Errorf("key %d was let in %s after its delete was acknowledged: %d %s", i,
							use.began.Sub(h.deleted.ended), use.status, use.body)
					}
				case use.ended.Before(h.deleted.began):
					before++
					if use.status != http.StatusNotFound {
						t.Errorf("key %d was refused before its delete: %d %s", i, use.status, use.body)
					}
				}
			}
		}
		if before < len(targets) || after < len(targets)*len(servers) {
			t.Errorf("a history of %d uses before and %d after a delete shows nothing", before, after)
		}

		// The caller's own key is no exception.
		if got := asker.mustDelete(t, servers[0], administrator.secret, administrator.ID); got.status != http.StatusOK {
			t.Errorf("delete of the own key: %d", got.status)
		}
		for _, server := range servers {
			if got := asker.mustDelete(t, server, administrator.secret, administrator.ID); !got.unauthorized() {
				t.Errorf("after it the own key is answered %d", got.status)
			}
		}
	})
}

// load deletes keys through several servers that may die under it, and keeps the record.
type load struct {
	asker  asker
	caller held

	mutex        sync.Mutex
	left         []held
	asked        map[apitype.UUID]string // the request id of the delete, answered or not
	acknowledged map[apitype.UUID]bool
}

// next is the next key to delete, as long as fewer than most were asked for.
func (l *load) next(most int) (key held, requestID string, ok bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.left) == 0 || len(l.asked) >= most {
		return held{}, "", false
	}
	key, l.left = l.left[0], l.left[1:]
	requestID = "delete " + key.ID.String()
	l.asked[key.ID] = requestID
	return key, requestID, true
}

// run deletes until enough more deletes were acknowledged and then until stop, which makes the servers or their store
// go away under it, has returned.
func (l *load) run(t testing.TB, servers []*process.Server, enough int, stop func()) {
	t.Helper()
	// Without this limit a fast machine would delete all keys before stop has begun.
	most := len(l.asked) + enough + 25
	enough += len(l.acknowledged)
	reached, done := make(chan struct{}), make(chan struct{})
	// remove asks until the key is known to be deleted, and says whether to go on with the next.
	remove := func(server *process.Server, key held, requestID string) bool {
		for attempt := 1; ; attempt++ {
			got, err := l.asker.delete(t.Context(), server, l.caller.secret, key.ID, requestID)
			switch {
			case err != nil:
				return false // the server died
			case got.status == http.StatusOK, got.status == http.StatusNotFound && attempt > 1:
				// The attempt that got 500 may have deleted it.
				l.mutex.Lock()
				defer l.mutex.Unlock()
				l.acknowledged[key.ID] = true
				if len(l.acknowledged) == enough {
					close(reached)
				}
				return true
			case got.status != http.StatusInternalServerError:
				t.Errorf("delete under load: %d %s", got.status, got.body)
			}
			select {
			case <-done:
				return false
			default:
			}
		}
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for {
				key, requestID, ok := l.next(most)
				if !ok || !remove(servers[i%len(servers)], key, requestID) {
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(time.Minute):
		t.Error("the deletes do not get on")
	}
	stop()
	close(done)
	wg.Wait()
}

// check compares the store with the record: what was acknowledged is deleted, what was never asked for is not.
func (l *load) check(t testing.TB, url string, server *process.Server) {
	t.Helper()
	found := tombstones(t, url)
	for id := range l.acknowledged {
		if _, deleted := found[id]; !deleted {
			t.Errorf("the acknowledged delete of %s is lost", id)
		}
		if got := l.asker.mustDelete(t, server, l.caller.secret, id); got.status != http.StatusNotFound {
			t.Errorf("the deleted key %s is answered %d", id, got.status)
		}
	}
	for id, tombstone := range found {
		if requestID, asked := l.asked[id]; !asked || tombstone.RequestID != requestID || tombstone.By != l.caller.ID {
			t.Errorf("key %s has the tombstone %+v, which nobody asked for", id, tombstone)
		}
	}
	if len(found) > len(l.asked) || len(l.left) == 0 {
		t.Errorf("%d tombstones of %d deletes, %d keys left", len(found), len(l.asked), len(l.left))
	}
}

func newLoad(t testing.TB, keys *store.Store, count int) *load {
	t.Helper()
	project := apitype.NewUUID()
	return &load{
		asker:        newAsker(t),
		caller:       create(t, keys, project),
		left:         createMany(t, keys, project, count),
		asked:        make(map[apitype.UUID]string),
		acknowledged: make(map[apitype.UUID]bool),
	}
}

// Never lost: servers are killed under load, again and again.
func TestNeverLostWhenServersAreKilled(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, url string) {
		keys := storetest.Open(t, url)
		const rounds, enough = 5, 20
		load := newLoad(t, keys, rounds*(enough+30))
		servers := replicas(t, 2, url)
		for range rounds {
			load.run(t, servers, enough, func() {
				for _, server := range servers {
					if err := server.Process.Kill(); err != nil {
						t.Error(err)
					}
				}
			})
			for _, server := range servers {
				server.Wait()
			}
			servers = replicas(t, 2, url)
			load.check(t, url, servers[0])
		}
	})
}

// Never lost: PostgreSQL is stopped as a crash stops it, under load, again and again. The servers stay up.
func TestNeverLostWhenPostgresIsKilled(t *testing.T) {
	t.Parallel()
	primary := postgres.Start(t)
	url := primary.Database(t)
	keys := storetest.Open(t, url)
	const rounds, enough = 4, 20
	load := newLoad(t, keys, rounds*(enough+60))
	servers := replicas(t, 2, url)
	for range rounds {
		load.run(t, servers, enough, func() {
			primary.Kill(t)
			primary.Start(t)
		})
		load.check(t, url, servers[0])
	}
}

// No other tenant: for random pairs of caller and target a delete succeeds if and only if both are of one project and
// the caller is alive and permitted; and a refusal is the same bytes whether or not there is such a key.
func TestNoOtherTenant(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, url string) {
		keys := storetest.Open(t, url)
		kinds := []struct {
			name string
			make func(*apikey.Key)
			may  bool
		}{
			{"unrestricted", func(*apikey.Key) {}, true},
			{"restricted to delete", func(k *apikey.Key) { k.Restricted, k.Permissions = true, []string{"calls.view", "api_keys.delete"} }, true},
			{"restricted to view", func(k *apikey.Key) { k.Restricted, k.Permissions = true, []string{"calls.view"} }, false},
			{"restricted to nothing", func(k *apikey.Key) { k.Restricted = true }, false},
			{"good for an hour", func(k *apikey.Key) { k.ExpiresAt = time.Now().Add(time.Hour) }, true},
			{"expired", func(k *apikey.Key) { k.ExpiresAt = time.Now().Add(-time.Second) }, false},
			{"deleted", func(*apikey.Key) {}, false},
		}
		type tenant struct {
			held
			kind    int
			deleted bool
		}
		var pool []*tenant // each one caller and target
		for range 6 {
			project := apitype.NewUUID()
			for kind := range kinds {
				for range 6 {
					key, secret := storetest.NewKey(project)
					kinds[kind].make(&key)
					if err := keys.Create(t.Context(), key, secret.Hash()); err != nil {
						t.Fatal(err)
					}
					deleted := kinds[kind].name == "deleted"
					if deleted {
						if err := keys.Delete(t.Context(), project, key.ID, storetest.NewDeletion()); err != nil {
							t.Fatal(err)
						}
					}
					pool = append(pool, &tenant{held{key, secret}, kind, deleted})
				}
			}
		}

		servers := replicas(t, 2, url)
		asker := newAsker(t)
		refusals := make(map[string]map[string]bool) // the bytes of each refusal, by what is refused
		answers := make(map[string]int)
		for i := range 2000 {
			caller, target := pool[rand.IntN(len(pool))], &tenant{}
			target.ID = apitype.NewUUID()
			if rand.IntN(5) > 0 {
				target = pool[rand.IntN(len(pool))]
			}
			kind := kinds[caller.kind]
			var want string
			switch {
			case caller.deleted || kind.name == "expired":
				want = "403 UNAUTHORIZED"
			case !kind.may:
				want = "403"
			case target.deleted || target.ProjectID != caller.ProjectID:
				want = "404"
			default:
				want = "200"
			}
			got := asker.mustDelete(t, servers[i%len(servers)], caller.secret, target.ID)
			is := strconv.Itoa(got.status)
			if got.unauthorized() {
				is += " UNAUTHORIZED"
			}
			if is != want {
				t.Fatalf("a key that is %s asked for one of %s (deleted %t): %s, want %s", kind.name,
					map[bool]string{true: "its project", false: "elsewhere"}[caller.ProjectID == target.ProjectID],
					target.deleted, is, want)
			}
			answers[want]++
			if want == "200" {
				target.deleted = true
				continue
			}
			if refusals[want] == nil {
				refusals[want] = make(map[string]bool)
			}
			refusals[want][got.withoutChance] = true
		}
		for refused, texts := range refusals {
			if len(texts) != 1 {
				t.Errorf("%s is answered in %d ways: %v", refused, len(texts), texts)
			}
		}
		if len(answers) != 4 || answers["200"] < 20 {
			t.Errorf("the pairs show too little: %v", answers)
		}
		found := tombstones(t, url)
		for _, tenant := range pool {
			if _, deleted := found[tenant.ID]; deleted != tenant.deleted {
				t.Errorf("a key is deleted: %t, want %t", deleted, tenant.deleted)
			}
		}
	})
}
