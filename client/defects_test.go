package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/diga-io/diga-api/client"
)

// A 404 or 403 that is not the API's own says nothing about the key.
func TestForeignErrors(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		status  int
	}{
		"wrong base URL":      {answer(404, `{"status":"error","error_code":"NOT_FOUND","message":"Not Found"}`), 404},
		"page of a proxy":     {answer(404, `<html>`, "Content-Type", "text/html"), 404},
		"JSON of a proxy":     {answer(404, `{"message":"no route"}`), 404},
		"page of a firewall":  {answer(403, `<html>`, "Content-Type", "text/html"), 403},
		"JSON of a firewall":  {answer(403, `{"message":"Forbidden"}`), 403},
		"firewall, no body":   {answer(403, ``), 403},
		"our body, as HTML":   {answer(404, body404, "Content-Type", "text/html"), 404},
		"our body, truncated": {truncated(404, body404), 404},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, record(t, test.handler).URL).DeleteAPIKey(t.Context(), id)
			if e := asError(t, err); e.StatusCode != test.status || !strings.Contains(err.Error(), "check the base URL") != strings.Contains(name, "truncated") {
				t.Errorf("got %v", err)
			}
			for _, sentinel := range sentinels {
				if name != "our body, truncated" && errors.Is(err, sentinel) {
					t.Errorf("is %v", sentinel)
				}
			}
		})
	}
}

// A success that the contract does not declare is none: a proxy may have sent it.
func TestForeignSuccess(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"HTML":          answer(200, `<html>sign in</html>`, "Content-Type", "text/html"),
		"no media type": answer(200, `ok`, "Content-Type", ""),
		"not done":      answer(202, ``),
		"partial":       answer(206, `{}`),
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, handler)
			_, err := newClient(t, server.URL).DeleteAPIKey(t.Context(), id)
			if e := asError(t, err); e.StatusCode/100 != 2 || !strings.Contains(err.Error(), "check the base URL") || len(server.got()) != 1 {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, handler := range map[string]http.HandlerFunc{
		"empty HTML":   answer(200, ``, "Content-Type", "text/html"),
		"charset":      answer(200, `{}`, "Content-Type", "application/json; charset=utf-8"),
		"upper case":   answer(200, `{}`, "Content-Type", "Application/JSON"),
		"empty, plain": answer(200, ``, "Content-Type", ""),
	} {
		if _, err := newClient(t, record(t, handler).URL).DeleteAPIKey(t.Context(), id); err != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// net/http sends a request with an Idempotency-Key again by itself, if a reused connection breaks. The client sees one
// attempt, and the server may have handled two.
func TestResentByNetHTTP(t *testing.T) {
	server := record(t, answer(200, `{}`), cut, answer(404, body404))
	c := newClient(t, server.URL, client.WithHTTPClient(&http.Client{Transport: &http.Transport{}}))
	if _, err := c.DeleteAPIKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	result, err := c.DeleteAPIKey(t.Context(), id, client.WithHeader("Idempotency-Key", "1"))
	if err != nil || !result.Replayed || result.Attempts != 1 || len(server.got()) != 3 {
		t.Errorf("got %+v, %v, %d requests", result, err, len(server.got()))
	}
}

// A redirect uses a connection, too, but says that nothing was done.
func TestRedirectIsNotResent(t *testing.T) {
	server := record(t, answer(307, ``, "Location", "/moved"), answer(404, body404))
	if _, err := newClient(t, server.URL).DeleteAPIKey(t.Context(), id); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// Retries that lead to answers do not spend the budget, or a bulk job would fail on a server that is merely busy.
func TestBudgetOfBulkJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if n++; n%2 == 1 {
				return response(r, 429, ``), nil
			}
			return response(r, 200, `{}`), nil
		})}))
		for i := range 200 {
			if _, err := c.DeleteAPIKey(t.Context(), id); err != nil {
				t.Fatalf("delete %d: %v", i, err)
			}
		}
	})
}

func TestErrorNamesTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &clockwork{answers: []http.HandlerFunc{answer(503, ``)}}
		c := w.client(t, client.WithRetries(client.RetryPolicy{BaseDelay: 1, MaxDelay: 1, Budget: 3}))
		_, _ = c.DeleteAPIKey(t.Context(), id)
		_, err := c.DeleteAPIKey(t.Context(), id)
		if !errors.Is(err, client.ErrServer) || !strings.Contains(err.Error(), "retry budget is spent") || len(w.at) != 5 {
			t.Errorf("got %v after %d requests", err, len(w.at))
		}
		// Five answers without a retry give one back.
		w.answers = append([]http.HandlerFunc{}, answer(200, `{}`))
		for range 5 {
			_, _ = c.DeleteAPIKey(t.Context(), id)
		}
		w.at, w.answers = nil, []http.HandlerFunc{answer(503, ``), answer(200, `{}`)}
		if _, err := c.DeleteAPIKey(t.Context(), id); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

// JSON may spell the key in many ways.
func TestEscapedEcho(t *testing.T) {
	const key = "ab/cd+ef=0123456789"
	for _, spelled := range []string{key, `ab\/cd+ef=0123456789`, `ab\u002Fcd\u002bef=0123456789`, `\u0061b/cd+ef=012345678\u0039`} {
		body := `{"error_code":"X","message":"not ` + spelled + `"}`
		c, err := client.New(client.WithAPIKey(key), client.WithBaseURL(record(t, answer(403, body, "X-Echo", key)).URL))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.CloseIdleConnections)
		_, err = c.DeleteAPIKey(t.Context(), id)
		e := asError(t, err)
		if string(e.Body) != `{"error_code":"X","message":"not …"}` || e.Message != "not …" || e.Header.Get("X-Echo") != "…" || !errors.Is(err, client.ErrForbidden) {
			t.Errorf("got %s, %s, %v, %v", e.Body, e.Message, e.Header, err)
		}
	}
}

func TestRefusedRedirectShowsItsLocation(t *testing.T) {
	server := record(t, answer(301, ``, "Location", "https://login.example/sign-in?token=hush"))
	_, err := newClient(t, server.URL).DeleteAPIKey(t.Context(), id)
	if e := asError(t, err); !strings.Contains(err.Error(), "https://login.example/sign-in") || strings.Contains(err.Error(), "hush") || e.Header.Get("Location") == "" {
		t.Errorf("got %v", err)
	}
}

// A proxy that wants a password will want it next time, too.
func TestProxyAuthenticationIsNotRetried(t *testing.T) {
	proxy := record(t, answer(407, ``))
	at, _ := url.Parse(proxy.URL)
	c := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(at)}}))
	_, err := c.DeleteAPIKey(t.Context(), id)
	if e := asError(t, err); e.Attempts != 1 || len(proxy.got()) != 1 || !strings.Contains(err.Error(), "Proxy Authentication Required") {
		t.Errorf("got %v", err)
	}
}

// An error that a transport makes before it sends anything does not make a later 404 a success.
func TestErrorBeforeSending(t *testing.T) {
	n := 0
	c := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if n++; n == 1 {
			return nil, errors.New("no token for this request")
		}
		return response(r, 404, body404), nil
	})}))
	if result, err := c.DeleteAPIKey(t.Context(), id); err == nil || asError(t, err).Attempts != 1 {
		t.Errorf("got %+v, %v", result, err)
	}
	dials := 0
	server := record(t, answer(404, body404))
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials == 1 {
			return nil, context.DeadlineExceeded // of the dialer
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	if _, err := newClient(t, server.URL, client.WithHTTPClient(&http.Client{Transport: transport})).DeleteAPIKey(t.Context(), id); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestReplacedDefaultTransport(t *testing.T) {
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	newClient(t, "https://a.example")
	used := 0
	http.DefaultTransport = roundTrip(func(r *http.Request) (*http.Response, error) {
		used++
		return response(r, 200, `{}`), nil
	})
	if _, err := newClient(t, "https://a.example").DeleteAPIKey(t.Context(), id); err != nil || used != 1 {
		t.Errorf("used %d times, %v", used, err)
	}
	http.DefaultTransport = &http.Transport{MaxConnsPerHost: 7}
	if got := client.DefaultTransport().(*http.Transport); got.MaxConnsPerHost != 7 {
		t.Errorf("the copy is of another transport: %v", got.MaxConnsPerHost)
	}
	if client.DefaultTransport() != client.DefaultTransport() {
		t.Error("clients do not share a transport")
	}
}

func TestTooManyRequests(t *testing.T) {
	server := record(t, answer(429, ``, "Retry-After", "7"))
	_, err := newClient(t, server.URL, client.WithRetries(client.RetryPolicy{MaxAttempts: 1})).DeleteAPIKey(t.Context(), id)
	if e := asError(t, err); !errors.Is(err, client.ErrTooManyRequests) || e.RetryAfter != 7*time.Second {
		t.Errorf("got %v, %v", err, e.RetryAfter)
	}
}

// Options of a call are in force for that call.
func TestCallOptions(t *testing.T) {
	server := record(t, answer(503, ``))
	c := newClient(t, server.URL, client.WithHeader("X-Team", "billing"))
	_, err := c.DeleteAPIKey(t.Context(), id, client.WithRetries(client.RetryPolicy{MaxAttempts: 1}), client.WithHeader("X-Job", "7"), client.WithHeader("Authorization", "mine"))
	if e := asError(t, err); e.Attempts != 1 {
		t.Errorf("got %v", err)
	}
	_, err = c.DeleteAPIKey(t.Context(), id)
	if e := asError(t, err); e.Attempts != 4 {
		t.Errorf("got %v", err)
	}
	first, second := server.got()[0].Header, server.got()[1].Header
	if first.Get("X-Team") != "billing" || first.Get("X-Job") != "7" || first.Get("Authorization") != "Bearer "+key || second.Get("X-Team") != "billing" || second.Get("X-Job") != "" {
		t.Errorf("got headers %v and %v", first, second)
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{Transport: hang}))
		if _, err := c.DeleteAPIKey(t.Context(), id, client.WithTimeout(3*time.Second)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
	for name, option := range map[string]client.CallOption{
		"nil": nil, "retries": client.WithRetries(client.RetryPolicy{MaxAttempts: -1}),
		"call": client.WithTimeout(-time.Second), "attempt": client.WithAttemptTimeout(-1), "size": client.WithMaxResponseSize(-1),
	} {
		if _, err := c.DeleteAPIKey(t.Context(), id, option); !errors.Is(err, client.ErrInvalid) || asError(t, err).Attempts != 0 {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, header := range [][2]string{{"X-Team", "a\nb"}, {"X-Team", "\x7f"}, {"X Team", "a"}, {"", "a"}, {"X-Têam", "a"}, {"X-Team:", "a"}} {
		_, err := c.DeleteAPIKey(t.Context(), id, client.WithHeader(header[0], header[1]))
		if !errors.Is(err, client.ErrInvalid) || asError(t, err).Attempts != 0 {
			t.Errorf("%q: got %v", header, err)
		}
	}
	if _, err := c.DeleteAPIKey(t.Context(), id, client.WithHeader("X-Team", "a\tb é")); !errors.Is(err, client.ErrServer) {
		t.Errorf("got %v", err)
	}
}

// The limit of an attempt is an error that says so, also when the transport does not know the cause.
func TestTimeoutIsNotACancellation(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer server.Close()
	_, err := newClient(t, server.URL, client.WithAttemptTimeout(time.Millisecond)).DeleteAPIKey(t.Context(), id)
	if e := asError(t, err); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || e.Attempts != 4 {
		t.Errorf("got %v", err)
	}
}
