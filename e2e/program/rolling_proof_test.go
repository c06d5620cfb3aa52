//go:build proof

package program_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// balancer sends each request to a replica that was ready when it last looked, as load balancers do.
type balancer struct {
	mutex    sync.Mutex
	replicas map[*process.Server]bool // whether ready
	next     int
}

// watch follows the readiness of a replica until it is gone.
func (b *balancer) watch(ctx context.Context, replica *process.Server) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		status, _, err := process.Get(ctx, replica.Admin+"/readyz")
		b.mutex.Lock()
		b.replicas[replica] = status == http.StatusOK
		b.mutex.Unlock()
		if err != nil {
			return
		}
	}
}

// pick takes the replicas in turn.
func (b *balancer) pick() *process.Server {
	for {
		b.mutex.Lock()
		var ready []*process.Server
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

func (b *balancer) ready(replica *process.Server) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.replicas[replica]
}

// Two replicas on one PostgreSQL are replaced one after the other while callers delete keys: every request is answered,
// and every key deleted once.
func TestRollingRestart(t *testing.T) {
	url := postgres.Database(t)
	keys, err := store.Open(t.Context(), url, store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	admin := process.NewKey(t, url)
	start := func() *process.Server {
		return process.Serve(t, "--database-url", url, "--drain-delay", "1s", "--log-level", "warn")
	}
	balancer := &balancer{replicas: make(map[*process.Server]bool)}
	add := func() *process.Server {
		replica := start()
		go balancer.watch(t.Context(), replica)
		return replica
	}
	replicas := []*process.Server{add(), add()}

	projectID, err := apitype.ParseUUID(process.Project)
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
					request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, balancer.pick().API+"/v1/api_key/"+key.ID.String(), nil)
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
		process.Eventually(t, func() bool { return balancer.ready(replicas[i]) && deleted.Load() >= before+20 })
		if log, err := old.Stop(t, syscall.SIGTERM); err != nil {
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
