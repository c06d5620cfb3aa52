//go:build proof

package program_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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

// watch follows the readiness of a replica until it is gone. A replica that was ready stays ready until it is stopped.
func (b *balancer) watch(t *testing.T, replica *process.Server, stopped *atomic.Bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		status, body, err := process.Get(t.Context(), replica.Admin+"/readyz")
		b.mutex.Lock()
		if b.replicas[replica] && status != http.StatusOK && !stopped.Load() && t.Context().Err() == nil {
			t.Errorf("a replica is no longer ready: %d %s %v", status, body, err)
		}
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

// nextRelease builds a program with further migrations, each of which declares one of oldest as its oldest program.
func nextRelease(t *testing.T, oldest ...int64) string {
	t.Helper()
	folder := t.TempDir()
	replace := make(map[string]string)
	for i, oldest := range oldest {
		version := store.Head + 1 + int64(i)
		file := filepath.Join(folder, fmt.Sprintf("%d.sql", version))
		statements := fmt.Sprintf("ALTER TABLE api_keys ADD COLUMN release_%[1]d text;\nCREATE TABLE release_%[1]d (id bigint);\n"+
			"INSERT INTO diga_schema_window (schema_version, oldest_program) VALUES (%[1]d, %d);\n", version, oldest)
		if err := os.WriteFile(file, []byte(statements), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, engine := range []string{"postgres", "sqlite"} {
			target, err := filepath.Abs(fmt.Sprintf("%s/server/store/migrations/%s/%05d_next_release.sql", process.Root, engine, version))
			if err != nil {
				t.Fatal(err)
			}
			replace[target] = file
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "diga-api")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-overlay", filepath.Join(folder, "overlay.json"), "-o", program, "./cmd/diga-api")
	build.Dir = process.Root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// TestSchemaWindow has a newer program migrate the database. Within the window of the new schema the present program goes
// on, and outside of it no command runs.
func TestSchemaWindow(t *testing.T) {
	next, contracted := nextRelease(t, store.Head), nextRelease(t, store.Head, store.Head+1)
	for engine, url := range map[string]string{"SQLite": process.SQLite(t), "PostgreSQL": postgres.Database(t)} {
		t.Run(engine, func(t *testing.T) {
			run := func(program string, args ...string) process.Outcome {
				t.Helper()
				cmd := process.Command(t, append(args, "--database-url", url)...)
				cmd.Path = program
				return process.Run(t, cmd)
			}
			present := process.Program(t)
			if got := run(present, "migrate"); got.Status != 0 {
				t.Fatalf("%+v", got)
			}
			admin := process.NewKey(t, url)

			if got := run(next, "migrate"); got.Status != 0 || !strings.Contains(got.Stdout, fmt.Sprintf("schema version %d\n", store.Head+1)) {
				t.Fatalf("%+v", got)
			}
			want := fmt.Sprintf("schema version %d, newer than this program, which knows %d and works with it", store.Head+1, store.Head)
			if got := run(present, "migrate"); got.Status != 0 || !strings.Contains(got.Stdout, want) {
				t.Errorf("migrate: %+v, want %q", got, want)
			}
			if got := run(present, "doctor"); !strings.Contains(got.Stdout, "[+] schema ") {
				t.Errorf("doctor: %+v", got)
			}
			server := process.Serve(t, "--database-url", url)
			if status := server.Delete(t, admin.Key, process.NewKey(t, url).ID); status != http.StatusOK {
				t.Errorf("answered %d", status)
			}
			server.Stop(t, syscall.SIGTERM)

			if got := run(contracted, "migrate"); got.Status != 0 {
				t.Fatalf("%+v", got)
			}
			want = fmt.Sprintf("it is at version %d and needs a program that knows version %d, this one knows %d; run a newer diga-api",
				store.Head+2, store.Head+1, store.Head)
			for _, args := range [][]string{{"migrate"}, {"serve", "--addr", "127.0.0.1:0"}, {"doctor"}, {"keys", "list"}} {
				if got := run(present, args...); got.Status != 1 || !strings.Contains(got.Stdout+got.Stderr, want) {
					t.Errorf("%s: %+v, want status 1 and %q", args, got, want)
				}
			}
			if got := run(next, "migrate"); got.Status != 0 {
				t.Errorf("the release in the window: %+v", got)
			}
		})
	}
}

// Two replicas on one PostgreSQL are upgraded across a migration, rolled back and upgraded again, one after the other, while
// callers delete keys: every request is answered, every key is deleted once, and no replica becomes unready before it is
// stopped. This is what deploy/kubernetes does: the init container of the first new pod migrates.
func TestRollingUpgrade(t *testing.T) {
	url := postgres.Database(t)
	keys, err := store.Open(t.Context(), url, store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	admin := process.NewKey(t, url)
	present, next := process.Program(t), nextRelease(t, store.Head)

	balancer := &balancer{replicas: make(map[*process.Server]bool)}
	stopped := make(map[*process.Server]*atomic.Bool)
	add := func(program string) *process.Server {
		cmd := process.Command(t, "serve", "--addr", "127.0.0.1:0", "--database-url", url, "--migrate=false", "--drain-delay", "1s", "--log-level", "warn")
		cmd.Path = program
		replica := process.Start(t, cmd)
		replica.Await(t)
		stopped[replica] = new(atomic.Bool)
		go balancer.watch(t, replica, stopped[replica])
		return replica
	}
	replicas := []*process.Server{add(present), add(present)}

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
	progress := func() {
		before := deleted.Load()
		process.Eventually(t, func() bool { return deleted.Load() >= before+20 })
	}
	migrate := func(program string) {
		cmd := process.Command(t, "migrate", "--database-url", url)
		cmd.Path = program
		if got := process.Run(t, cmd); got.Status != 0 {
			t.Fatalf("%+v", got)
		}
	}
	replace := func(i int, program string) {
		migrate(program) // as the init container of the pod
		replica := add(program)
		process.Eventually(t, func() bool { return balancer.ready(replica) })
		progress()
		stopped[replicas[i]].Store(true)
		if log, err := replicas[i].Stop(t, syscall.SIGTERM); err != nil {
			t.Errorf("%v\n%s", err, log)
		}
		replicas[i] = replica
	}
	replace(0, present) // a restart

	migrate(next)
	if version, err := keys.SchemaVersion(t.Context()); err != nil || version != store.Head+1 {
		t.Fatalf("the schema is at version %d, %v", version, err)
	}
	progress()
	replace(0, next)
	replace(0, present) // the roll-back: the present program starts on the newer schema
	replace(0, next)
	replace(1, next)
	progress()

	close(done)
	callers.Wait()
	for _, replica := range replicas {
		stopped[replica].Store(true) // the end of the test kills it
	}
	count := fmt.Sprintf("%d keys deleted, answers 200: %d, 404: %d", deleted.Load(), byStatus[200].Load(), byStatus[404].Load())
	if deleted.Load() < 100 || byStatus[200].Load() != deleted.Load() || byStatus[404].Load() != deleted.Load() {
		t.Error(count)
	}
	t.Log(count)
}
