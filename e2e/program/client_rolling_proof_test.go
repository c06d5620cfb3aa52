//go:build proof

package program_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// forward accepts connections and forwards each to the replica that balancer picks, as a load balancer of connections
// does. It returns its address.
func forward(t *testing.T, balancer *balancer) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer near.Close()
				far, err := net.Dial("tcp", strings.TrimPrefix(balancer.pick().API, "https://"))
				if err != nil {
					return
				}
				defer far.Close()
				go func() {
					io.Copy(far, near)
					far.(*net.TCPConn).CloseWrite()
				}()
				io.Copy(near, far)
			}()
		}
	}()
	return listener.Addr().String()
}

// Clients that call without a pause notice nothing of a rolling restart behind TLS: no call fails, and no call is in doubt.
// On HTTP/2 the server says with GOAWAY that it stops, on HTTP/1.1 with Connection: close.
func TestClientDuringRollingRestart(t *testing.T) {
	for _, protocol := range []string{"HTTP/2.0", "HTTP/1.1"} {
		t.Run(protocol, func(t *testing.T) {
			const callers = 16
			certificate, key, pool := process.Certificate(t)
			url := postgres.Database(t)
			keys := storetest.Open(t, url)
			project := apitype.NewUUID()
			caller := create(t, keys, project)

			balancer := &balancer{replicas: make(map[*process.Server]bool)}
			add := func() (*process.Server, *atomic.Bool) {
				stopped := new(atomic.Bool)
				replica := process.Serve(t, "--database-url", url, "--tls-cert", certificate, "--tls-key", key,
					"--drain-delay", "2s", "--log-level", "warn")
				balancer.mutex.Lock()
				balancer.replicas[replica] = false
				balancer.mutex.Unlock()
				go balancer.watch(t, replica, stopped)
				process.Eventually(t, func() bool { return balancer.ready(replica) })
				return replica, stopped
			}
			type running struct {
				*process.Server
				stopped *atomic.Bool
			}
			var replicas []running
			for range 2 {
				replica, stopped := add()
				replicas = append(replicas, running{replica, stopped})
			}

			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: callers}
			transport.Protocols = new(http.Protocols)
			transport.Protocols.SetHTTP1(protocol == "HTTP/1.1")
			transport.Protocols.SetHTTP2(protocol == "HTTP/2.0")
			diga, err := client.New(client.WithBaseURL("https://"+forward(t, balancer)), client.WithAPIKey(caller.secret.Reveal()),
				client.WithHTTPClient(&http.Client{Transport: transport}))
			if err != nil {
				t.Fatal(err)
			}
			var calls, attempts, replayed atomic.Int64
			done := make(chan struct{})
			var group sync.WaitGroup
			for range callers {
				group.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
						}
						target := create(t, keys, project)
						result, err := diga.DeleteAPIKey(t.Context(), target.ID)
						if err != nil {
							t.Errorf("call %d: %v", calls.Load(), err)
							return
						}
						calls.Add(1)
						attempts.Add(int64(result.Attempts))
						if result.Replayed {
							replayed.Add(1)
						}
					}
				})
			}
			progress := func() {
				before := calls.Load()
				process.Eventually(t, func() bool { return calls.Load() >= before+50 || t.Failed() })
			}
			progress()
			for round := range 4 {
				old := replicas[round%2]
				replica, stopped := add()
				replicas[round%2] = running{replica, stopped}
				progress()
				old.stopped.Store(true)
				if log, err := old.Stop(t, syscall.SIGTERM); err != nil || strings.Contains(log, `"ERROR"`) {
					t.Errorf("%v\n%s", err, log)
				}
				progress()
			}
			close(done)
			group.Wait()
			for _, replica := range replicas {
				replica.stopped.Store(true) // the end of the test kills it
			}
			transport.CloseIdleConnections()
			count := fmt.Sprintf("%d calls, %d attempts, %d in doubt", calls.Load(), attempts.Load(), replayed.Load())
			if replayed.Load() > 0 || attempts.Load() > calls.Load() {
				t.Error(count)
			}
			t.Log(count)
		})
	}
}
