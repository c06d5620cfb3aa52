package clienttest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/client/clienttest"
)

func TestDelete(t *testing.T) {
	diga := clienttest.NewServer(t)
	key, other := diga.CreateKey(), diga.CreateKey()
	c := diga.Client()
	result, err := c.DeleteAPIKey(t.Context(), key.ID)
	if err != nil || result.Attempts != 1 || result.Replayed || result.RequestID == "" {
		t.Errorf("got %+v, %v", result, err)
	}
	if diga.Exists(key.ID) || !diga.Exists(other.ID) || diga.Exists(client.UUID{}) {
		t.Error("another key is gone than the one that was deleted")
	}
	if _, err := c.DeleteAPIKey(t.Context(), key.ID); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// The errors of the real server, through the real contract.
func TestErrors(t *testing.T) {
	diga := clienttest.NewServer(t)
	victim := diga.CreateKey()
	foreign := diga.CreateKey(clienttest.InProject(client.UUID{1}))
	deleted := diga.CreateKey()
	if _, err := diga.Client().DeleteAPIKey(t.Context(), deleted.ID); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key    clienttest.Key
		id     client.UUID
		want   error
		status int
	}{
		"unknown":            {diga.Key, client.UUID{}, client.ErrNotFound, 404},
		"of another project": {diga.Key, foreign.ID, client.ErrNotFound, 404},
		"restricted":         {diga.CreateKey(clienttest.Restricted("calls.view")), victim.ID, client.ErrForbidden, 403},
		"restricted to nil":  {diga.CreateKey(clienttest.Restricted()), victim.ID, client.ErrForbidden, 403},
		"expired":            {diga.CreateKey(clienttest.ExpiresAt(time.Now())), victim.ID, client.ErrUnauthorized, 403},
		"deleted caller":     {deleted, victim.ID, client.ErrUnauthorized, 403},
		"unknown caller":     {clienttest.Key{Secret: "nobody's"}, victim.ID, client.ErrUnauthorized, 403},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := diga.Client(client.WithAPIKey(test.key.Secret)).DeleteAPIKey(t.Context(), test.id)
			var failure *client.Error
			if !errors.Is(err, test.want) || !errors.As(err, &failure) || failure.StatusCode != test.status || failure.Attempts != 1 || failure.RequestID == "" {
				t.Errorf("got %v", err)
			}
		})
	}
	if !diga.Exists(victim.ID) || !diga.Exists(foreign.ID) {
		t.Error("a key was deleted")
	}
	able := diga.CreateKey(clienttest.Restricted("api_keys.delete"), clienttest.ExpiresAt(time.Now().Add(time.Hour)))
	if _, err := diga.Client(client.WithAPIKey(able.Secret)).DeleteAPIKey(t.Context(), victim.ID); err != nil {
		t.Error(err)
	}
}

// A caller may delete its own key, and is refused from then on.
func TestOwnKey(t *testing.T) {
	diga := clienttest.NewServer(t)
	c := diga.Client()
	if _, err := c.DeleteAPIKey(t.Context(), diga.Key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteAPIKey(t.Context(), diga.Key.ID); !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
}

// What the client refuses to send, the real server refuses to take: one rule.
func TestValidation(t *testing.T) {
	diga := clienttest.NewServer(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, diga.URL+"/v1/api_key/nope", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+diga.Key.Secret)
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("got %s", resp.Status)
	}
}

func TestFaults(t *testing.T) {
	// What the server noted, as status and fault.
	for name, test := range map[string]struct {
		faults  []clienttest.Fault
		options []client.Option
		deleted bool
		result  client.Result // RequestID aside
		is      error         // nil: no error
		noted   string
	}{
		"none":          {nil, nil, true, client.Result{Attempts: 1}, nil, "[200 ]"},
		"lost response": {[]clienttest.Fault{clienttest.LoseResponse()}, nil, true, client.Result{Attempts: 2, Replayed: true}, nil, "[200 LoseResponse] [404 ]"},
		"lost response, 404 wanted": {
			[]clienttest.Fault{clienttest.LoseResponse()}, []client.Option{client.WithNotFoundAfterRetry()},
			true, client.Result{}, client.ErrNotFound, "[200 LoseResponse] [404 ]",
		},
		"short delay": {[]clienttest.Fault{clienttest.Delay(time.Millisecond)}, nil, true, client.Result{Attempts: 1}, nil, "[200 Delay]"},
		"too many requests": {
			[]clienttest.Fault{clienttest.TooManyRequests(time.Minute), clienttest.TooManyRequests(1)}, nil,
			true, client.Result{Attempts: 3}, nil, "[429 TooManyRequests] [429 TooManyRequests] [200 ]",
		},
		"bad gateway": {[]clienttest.Fault{clienttest.BadGateway()}, nil, true, client.Result{Attempts: 2}, nil, "[502 BadGateway] [200 ]"},
		"bad gateway for long": {
			[]clienttest.Fault{clienttest.BadGateway(), clienttest.BadGateway(), clienttest.BadGateway(), clienttest.BadGateway()}, nil,
			false, client.Result{}, client.ErrServer, "[502 BadGateway] [502 BadGateway] [502 BadGateway] [502 BadGateway]",
		},
		"store outage":                        {[]clienttest.Fault{clienttest.StoreOutage()}, nil, true, client.Result{Attempts: 2}, nil, "[500 StoreOutage] [200 ]"},
		"a body that is none of the contract": {[]clienttest.Fault{clienttest.BreakContract(`<html>`)}, nil, true, client.Result{Attempts: 1}, nil, "[200 BreakContract]"},
		"everything in its turn": {
			[]clienttest.Fault{clienttest.BadGateway(), clienttest.StoreOutage(), clienttest.LoseResponse()}, nil,
			true, client.Result{Attempts: 4, Replayed: true}, nil, "[502 BadGateway] [500 StoreOutage] [200 LoseResponse] [404 ]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			diga := clienttest.NewServer(t)
			key := diga.CreateKey()
			diga.Inject(test.faults...)
			result, err := diga.Client(test.options...).DeleteAPIKey(t.Context(), key.ID)
			if got := (client.Result{Attempts: result.Attempts, Replayed: result.Replayed}); fmt.Sprint(got) != fmt.Sprint(test.result) || !errors.Is(err, test.is) || (err == nil) != (test.is == nil) {
				t.Errorf("got %+v, %v", result, err)
			}
			if diga.Exists(key.ID) == test.deleted {
				t.Errorf("deleted: %v", !test.deleted)
			}
			var noted []string
			for _, r := range diga.Requests() {
				noted = append(noted, fmt.Sprintf("[%d %s]", r.Status, r.Fault))
			}
			if got := strings.Join(noted, " "); got != test.noted {
				t.Errorf("noted %s, want %s", got, test.noted)
			}
		})
	}
}

// A 404 with a body that the contract does not declare says nothing about the key.
func TestBreakContractOfAnError(t *testing.T) {
	diga := clienttest.NewServer(t)
	diga.Inject(clienttest.BreakContract(`{"error_code":7}`))
	_, err := diga.Client().DeleteAPIKey(t.Context(), client.UUID{})
	var failure *client.Error
	if errors.Is(err, client.ErrNotFound) || !errors.As(err, &failure) || failure.StatusCode != 404 || failure.Code != "" || string(failure.Body) != `{"error_code":7}` || failure.RequestID == "" {
		t.Errorf("got %#v", err)
	}
}

func TestRespond(t *testing.T) {
	diga := clienttest.NewServer(t)
	diga.Inject(
		clienttest.Respond(418, http.Header{"content-type": {"text/plain"}, "X-A": {"1", "2"}}, "tea"),
		clienttest.Respond(503, nil, `{}`))
	c := diga.Client(client.WithRetries(client.RetryPolicy{MaxAttempts: 1}))
	_, err := c.DeleteAPIKey(t.Context(), client.UUID{})
	var failure *client.Error
	if !errors.As(err, &failure) || failure.StatusCode != 418 || string(failure.Body) != "tea" || len(failure.Header["X-A"]) != 2 || failure.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %#v", err)
	}
	if _, err = c.DeleteAPIKey(t.Context(), client.UUID{}); !errors.As(err, &failure) || failure.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %#v", err)
	}
}

// A fault for one operation does not happen to the requests of another, and does not hold up the faults for all.
func TestInjectFor(t *testing.T) {
	diga := clienttest.NewServer(t)
	diga.InjectFor("GET /v1/api_key/{id}", clienttest.Respond(418, nil, ""))
	diga.InjectFor("DELETE /v1/api_key/{id}", clienttest.Respond(409, nil, ""), clienttest.BadGateway())
	diga.Inject(clienttest.Respond(410, nil, ""))
	c := diga.Client(client.WithRetries(client.RetryPolicy{MaxAttempts: 1}))
	for range 4 {
		_, _ = c.DeleteAPIKey(t.Context(), client.UUID{})
	}
	var statuses []int
	for _, r := range diga.Requests() {
		statuses = append(statuses, r.Status)
	}
	if fmt.Sprint(statuses) != "[409 502 410 404]" {
		t.Errorf("answered %v", statuses)
	}
	for _, path := range []string{"/v1/api_key/x", "/v1/other"} {
		resp, err := http.Get(diga.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if (resp.StatusCode == 418) != (path == "/v1/api_key/x") {
			t.Errorf("GET %s: answered %s", path, resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestStart(t *testing.T) {
	var log bytes.Buffer
	diga, err := clienttest.Start(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := diga.Client().DeleteAPIKey(t.Context(), diga.CreateKey().ID); err != nil {
		t.Error(err)
	}
	diga.Close()
	diga.Close()
	if _, err := diga.Client().DeleteAPIKey(t.Context(), client.UUID{}); err == nil {
		t.Error("the server answers after Close")
	}
	if !strings.Contains(log.String(), "status=200") {
		t.Errorf("logged %s", &log)
	}
	defer func() {
		if recover() == nil {
			t.Error("an invalid option does not panic without a test")
		}
	}()
	diga.Client(nil)
}

func TestRetryAfter(t *testing.T) {
	diga := clienttest.NewServer(t)
	for wait, want := range map[time.Duration]string{0: "0", 1: "1", time.Second: "1", 90 * time.Second: "90"} {
		diga.Inject(clienttest.TooManyRequests(wait))
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodDelete, diga.URL+"/v1/api_key/x", nil)
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Retry-After"); got != want || resp.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%v: got %s, %q", wait, resp.Status, got)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// A delay outlasts neither the client nor the test.
func TestDelay(t *testing.T) {
	before := runtime.NumGoroutine()
	start := time.Now()
	var calls sync.WaitGroup
	t.Run("", func(t *testing.T) {
		diga := clienttest.NewServer(t)
		key := diga.CreateKey()
		diga.Inject(clienttest.Delay(time.Hour), clienttest.Delay(time.Hour))
		_, err := diga.Client(client.WithTimeout(10*time.Millisecond)).DeleteAPIKey(t.Context(), key.ID)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		// The test ends while a call is under way.
		written := make(chan struct{})
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { close(written) },
		})
		c := diga.Client(client.WithRetries(client.RetryPolicy{MaxAttempts: 1}))
		calls.Go(func() { c.DeleteAPIKey(ctx, key.ID) })
		<-written
	})
	calls.Wait()
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	for deadline := start.Add(time.Minute); runtime.NumGoroutine() > before && time.Now().Before(deadline); runtime.Gosched() {
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

func TestRequests(t *testing.T) {
	diga := clienttest.NewServer(t)
	key := diga.CreateKey()
	c := diga.Client(client.WithUserAgent("billing/1"))
	if _, err := c.DeleteAPIKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	requests := diga.Requests()
	if len(requests) != 1 {
		t.Fatalf("%d requests", len(requests))
	}
	r := requests[0]
	masked := "Bearer diga_…" + diga.Key.Secret[len(diga.Key.Secret)-4:]
	if r.Method != http.MethodDelete || r.Path != "/v1/api_key/"+key.ID.String() || r.Header.Get("User-Agent") != "billing/1" || r.Header.Get("Authorization") != masked || r.Status != 200 || r.Fault != "" {
		t.Errorf("got %+v", r)
	}
	// What is returned belongs to the test.
	r.Header.Set("User-Agent", "changed")
	if diga.Requests()[0].Header.Get("User-Agent") != "billing/1" {
		t.Error("the server's own note changed")
	}
	// However odd the header is, the secret is not noted.
	for _, value := range []string{diga.Key.Secret, "Basic " + diga.Key.Secret, "Bearer  " + diga.Key.Secret} {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodDelete, diga.URL+"/v1/api_key/x", nil)
		request.Header.Set("Authorization", value)
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	if text := fmt.Sprintf("%+v", diga.Requests()); strings.Contains(text, diga.Key.Secret) {
		t.Errorf("the secret was noted: %s", text)
	}
}

// Of many callers exactly one deletes the key.
func TestConcurrentCallers(t *testing.T) {
	diga := clienttest.NewServer(t)
	key := diga.CreateKey()
	c := diga.Client()
	var calls sync.WaitGroup
	errs := make(chan error, 20)
	for range cap(errs) {
		calls.Go(func() {
			_, err := c.DeleteAPIKey(t.Context(), key.ID)
			errs <- err
		})
	}
	calls.Wait()
	close(errs)
	deleted := 0
	for err := range errs {
		switch {
		case err == nil:
			deleted++
		case !errors.Is(err, client.ErrNotFound):
			t.Error(err)
		}
	}
	if deleted != 1 || len(diga.Requests()) != 20 {
		t.Errorf("%d callers deleted the key, %d requests", deleted, len(diga.Requests()))
	}
}

// A test of another team should not have to compile databases.
func TestImportsNoDatabase(t *testing.T) {
	var stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)
		for _, heavy := range []string{
			"database/sql", "github.com/diga-io/diga-api/server/store", "github.com/diga-io/diga-api/cmd/diga-api",
			"modernc.org/sqlite", "github.com/jackc/pgx", "go.opentelemetry.io", "github.com/prometheus",
		} {
			// google/uuid brings the interfaces of database/sql/driver, which are no driver.
			if path == heavy || strings.HasPrefix(path, heavy+"/") && heavy != "database/sql" {
				t.Errorf("clienttest brings in %s", path)
			}
		}
	}
}
