//go:build proof

package program_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
)

// While the database hangs, requests up to --max-in-flight wait for it and any more are answered at once, with HTTP/2 as
// with HTTP/1.1.
func TestOverload(t *testing.T) {
	const limit, beyond = 512, 88
	url := postgres.Database(t)
	key := process.NewKey(t, url)
	certificate, certificateKey, pool := process.Certificate(t)
	server := process.Serve(t, "--database-url", url, "--request-timeout", "1m", "--tls-cert", certificate, "--tls-key", certificateKey)
	control, _ := control(t, url)
	exec := func(statement string) {
		t.Helper()
		if _, err := control.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	inFlight := func() int {
		_, text := server.Get(t, "/metrics")
		return metric(t, text, "diga_http_requests_in_flight")
	}
	var statuses [600]atomic.Int64
	var retryAfter atomic.Int64
	send := func(group *sync.WaitGroup, client *http.Client) {
		group.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, server.API+"/v1/api_key/"+process.Project, nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+key.Key)
			response, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode == 500 && string(body) != declared500 {
				t.Errorf("answered %d %s, %v", response.StatusCode, body, err)
			}
			statuses[response.StatusCode].Add(1)
			if response.Header.Get("Retry-After") == "1" {
				retryAfter.Add(1)
			}
		})
	}
	newClient := func(http2 bool) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(!http2)
		transport.Protocols.SetHTTP2(http2)
		if http2 {
			transport.MaxConnsPerHost = 1 // to begin with; the client opens more when the server takes no more requests on one
		}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: time.Minute}
	}

	exec(`BEGIN`)
	exec(`LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE`)
	var group sync.WaitGroup
	plain := newClient(false)
	for range limit {
		send(&group, plain)
	}
	process.Eventually(t, func() bool { return inFlight() == limit })
	var shed sync.WaitGroup
	for range beyond {
		send(&shed, plain)
	}
	shed.Wait()
	if statuses[500].Load() != beyond || retryAfter.Load() != beyond || inFlight() != limit {
		t.Errorf("%d answers with 500, %d with Retry-After, %d in flight", statuses[500].Load(), retryAfter.Load(), inFlight())
	}
	exec(`ROLLBACK`)
	group.Wait()
	if statuses[404].Load() != limit {
		t.Errorf("%d answers with 404", statuses[404].Load())
	}

	const clients, requests = 12, 250
	exec(`BEGIN`)
	exec(`LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE`)
	for range clients {
		client := newClient(true)
		for range requests {
			send(&group, client)
		}
	}
	process.Eventually(t, func() bool { return statuses[500].Load() >= beyond+clients*requests-limit })
	if now := inFlight(); now > limit {
		t.Errorf("%d requests in flight on HTTP/2", now)
	}
	exec(`ROLLBACK`)
	group.Wait()
	shedTotal := statuses[500].Load()
	if statuses[404].Load()+shedTotal != limit+beyond+clients*requests || retryAfter.Load() != shedTotal {
		t.Errorf("%d answers with 404, %d with 500, %d with Retry-After", statuses[404].Load(), shedTotal, retryAfter.Load())
	}
	t.Logf("%d of %d requests on HTTP/2 were shed", shedTotal-beyond, clients*requests)
	log, err := server.Stop(t, syscall.SIGTERM)
	if err != nil || strings.Count(log, `"level":"WARN","msg":"requests shed","max_in_flight":512`) != 1 || strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("%v\n%s", err, log)
	}
}
