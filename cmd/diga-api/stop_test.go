package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// get asks the admin listener.
func (s *serving) get(t testing.TB, path string) (int, string) {
	t.Helper()
	status, body, err := get(t.Context(), http.DefaultClient, s.admin+path)
	if err != nil {
		t.Fatal(err)
	}
	return status, body
}

func get(ctx context.Context, client *http.Client, url string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func TestAdminListener(t *testing.T) {
	database := database(t)
	key := newKey(t, database)
	s := serve(t, "--database-url", database)
	s.delete(t, key.Key, "nope")
	for path, want := range map[string]string{
		"/livez":          "ok\n",
		"/readyz":         "ready\n",
		"/readyz?verbose": "[+] store: ok\n[+] schema: ok\n[+] not draining: ok\nready\n",
	} {
		if status, body := s.get(t, path); status != 200 || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	_, metrics := s.get(t, "/metrics")
	for _, line := range []string{
		`diga_http_requests_total{method="DELETE",operation="delete_api_key_v1_api_key__id__delete",status="422"} 1`,
		`diga_contract_violations_total{direction="request",keyword="format",operation="delete_api_key_v1_api_key__id__delete",status="422"} 1`,
		`diga_store_connections_max{pool="write"} 1`,
		`diga_http_connections_dropped_total{reason="idle"} 0`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/debug/pprof/"} {
		if status, _, err := get(t.Context(), http.DefaultClient, s.base+path); err != nil || status != 404 {
			t.Errorf("the API's listener answers %s with %d, %v", path, status, err)
		}
	}
	taken := finish(t, command(t, "serve", "--addr", "127.0.0.1:0", "--admin-addr", strings.TrimPrefix(s.admin, "http://"), "--database-url", database))
	if taken.status != 1 || !strings.Contains(taken.stderr, "--admin-addr") || !strings.Contains(taken.stderr, "address already in use") {
		t.Errorf("%+v", taken)
	}
	off := serve(t, "--admin-addr", "", "--database-url", database)
	if log, err := off.stop(t, syscall.SIGTERM); off.admin != "" || err != nil {
		t.Errorf("it listens at %q, %v\n%s", off.admin, err, log)
	}
}

// A second server on a machine starts without a flag. Whoever else may have the default port, one of these does not
// get it.
func TestDefaultAdminAddressTaken(t *testing.T) {
	var log string
	for range 2 {
		s := serve(t, "--admin-addr", defaultAdminAddr, "--database-url", database(t))
		if status := s.delete(t, "nobody", project); status != http.StatusForbidden {
			t.Errorf("answered %d", status)
		}
		defer func() {
			stderr, _ := s.stop(t, syscall.SIGTERM)
			if log += stderr; !strings.Contains(log, "no admin listener") {
				t.Errorf("nothing of it in\n%s", log)
			}
		}()
	}
}

func TestDocs(t *testing.T) {
	for args, want := range map[string]int{"--docs": 200, "--docs=false": 404} {
		s := serve(t, args, "--database-url", database(t))
		status, body, err := get(t.Context(), http.DefaultClient, s.base+"/docs")
		if err != nil || status != want || strings.Contains(body, "swagger-ui") != (want == 200) {
			t.Errorf("%s: %d %s, %v", args, status, body, err)
		}
	}
}

// A second signal does not wait.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	s := serve(t, "--drain-delay", "1h", "--database-url", database(t))
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { status, _ := s.get(t, "/readyz"); return status == 503 })
	if _, body := s.get(t, "/readyz"); !strings.Contains(body, "[-] not draining: the server is stopping\n") {
		t.Errorf("readiness %q", body)
	}
	if status := s.delete(t, "unknown", "nope"); status != 403 {
		t.Errorf("while draining: %d", status)
	}
	if _, err := s.stop(t, syscall.SIGTERM); err == nil || s.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended by %s", s.ProcessState)
	}
}

// eventually waits until what happens elsewhere has happened.
func eventually(t testing.TB, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !happened() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen")
		}
	}
}

// balancer sends each request to a replica that was ready when it last looked, as load balancers do.
type balancer struct {
	mutex    sync.Mutex
	replicas map[*serving]bool // whether ready
	next     int
}

// watch follows the readiness of a replica until it is gone.
func (b *balancer) watch(ctx context.Context, replica *serving) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		status, _, err := get(ctx, http.DefaultClient, replica.admin+"/readyz")
		b.mutex.Lock()
		b.replicas[replica] = status == http.StatusOK
		b.mutex.Unlock()
		if err != nil {
			return
		}
	}
}

// pick takes the replicas in turn.
func (b *balancer) pick() *serving {
	for {
		b.mutex.Lock()
		var ready []*serving
		for replica, ok := range b.replicas {
			if ok {
				ready = append(ready, replica)
			}
		}
		b.next++
		turn := b.next
		b.mutex.Unlock()
		if len(ready) > 0 {
			return ready[turn%len(ready)]
		}
		runtime.Gosched()
	}
}

func (b *balancer) ready(replica *serving) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.replicas[replica]
}

// Two replicas on one PostgreSQL are replaced one after the other while callers delete keys: every request is answered,
// and every key deleted once.
func TestRollingRestart(t *testing.T) {
	url := storetest.Postgres(t)
	keys, err := store.Open(t.Context(), url, store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	admin := newKey(t, url)
	start := func() *serving {
		return serve(t, "--database-url", url, "--drain-delay", "1s", "--log-level", "warn")
	}
	balancer := &balancer{replicas: make(map[*serving]bool)}
	add := func() *serving {
		replica := start()
		go balancer.watch(t.Context(), replica)
		return replica
	}
	replicas := []*serving{add(), add()}

	projectID, err := apitype.ParseUUID(project)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var (
		callers  sync.WaitGroup
		deleted  atomic.Int64
		byStatus [600]atomic.Int64
	)
	for range 8 {
		callers.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 8}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
			for {
				select {
				case <-done:
					return
				default:
				}
				secret := apikey.NewSecret()
				key := apikey.Key{ID: apitype.NewUUID(), ProjectID: projectID, Name: "target", LastFourDigits: secret.LastFour(), CreatedAt: time.Now()}
				if err := keys.Create(t.Context(), key, secret.Hash()); err != nil {
					t.Error(err)
					return
				}
				for _, want := range []int{200, 404} { // the other replica has to know at once
					request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, balancer.pick().base+"/v1/api_key/"+key.ID.String(), nil)
					if err != nil {
						t.Error(err)
						return
					}
					request.Header.Set("Authorization", "Bearer "+admin.Key)
					response, err := client.Do(request)
					if err != nil {
						t.Errorf("a request is lost: %v", err)
						return
					}
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
					byStatus[response.StatusCode].Add(1)
					if response.StatusCode != want {
						t.Errorf("answered %d, want %d", response.StatusCode, want)
					}
				}
				deleted.Add(1)
			}
		})
	}
	for i := range replicas {
		before := deleted.Load()
		old := replicas[i]
		replicas[i] = add()
		eventually(t, func() bool { return balancer.ready(replicas[i]) && deleted.Load() >= before+20 })
		if log, err := old.stop(t, syscall.SIGTERM); err != nil {
			t.Errorf("%v\n%s", err, log)
		}
	}
	close(done)
	callers.Wait()
	count := fmt.Sprintf("%d keys deleted, answers 200: %d, 404: %d", deleted.Load(), byStatus[200].Load(), byStatus[404].Load())
	if deleted.Load() < 100 || byStatus[200].Load() != deleted.Load() || byStatus[404].Load() != deleted.Load() {
		t.Error(count)
	}
	t.Log(count)
}
