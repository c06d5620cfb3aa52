package client_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/diga-io/diga-api/client"
)

// clockwork runs calls on fake time: the transport answers at once, from a list, and notes when it was asked.
type clockwork struct {
	answers []http.HandlerFunc
	start   time.Time
	at      []time.Duration
}

func (w *clockwork) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.start.IsZero() {
		w.start = time.Now()
	}
	w.at = append(w.at, time.Since(w.start))
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	w.answers[min(len(w.at), len(w.answers))-1](recorder, r)
	return recorder.Result(), nil
}

func (w *clockwork) client(t *testing.T, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(append([]client.Option{
		client.WithAPIKey(key), client.WithBaseURL("https://a.example"), client.WithHTTPClient(&http.Client{Transport: w}),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *clockwork) waits() []time.Duration {
	waits := make([]time.Duration, len(w.at)-1)
	for i := range waits {
		waits[i] = w.at[i+1] - w.at[i]
	}
	return waits
}

func TestRetriedStatuses(t *testing.T) {
	retried := map[int]bool{408: true, 429: true, 500: true, 502: true, 503: true, 504: true}
	for status := 201; status < 600; status++ {
		if status == 204 {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			w := &clockwork{answers: []http.HandlerFunc{answer(status, ``), answer(200, `{}`)}}
			result, err := w.client(t).DeleteAPIKey(t.Context(), id)
			switch {
			case retried[status] && (err != nil || result.Attempts != 2 || result.Replayed):
				t.Errorf("%d: got %+v, %v", status, result, err)
			case !retried[status] && (asError(t, err).StatusCode != status || len(w.at) != 1):
				t.Errorf("%d: got %v after %d attempts", status, err, len(w.at))
			}
		})
	}
}

// Full jitter: each wait is random between nothing and a ceiling, which doubles up to a limit.
func TestBackoff(t *testing.T) {
	policy := client.RetryPolicy{MaxAttempts: 8, BaseDelay: time.Second, MaxDelay: 10 * time.Second, Budget: 1000}
	ceilings := []time.Duration{1, 2, 4, 8, 10, 10, 10}
	longest := make([]time.Duration, len(ceilings))
	for range 40 {
		synctest.Test(t, func(t *testing.T) {
			w := &clockwork{answers: []http.HandlerFunc{answer(500, ``)}}
			_, err := w.client(t, client.WithRetries(policy), client.WithTimeout(0)).DeleteAPIKey(t.Context(), id)
			if e := asError(t, err); e.Attempts != 8 || len(w.at) != 8 {
				t.Fatalf("%d attempts, %d requests", e.Attempts, len(w.at))
			}
			for i, wait := range w.waits() {
				longest[i] = max(longest[i], wait)
			}
		})
	}
	for i, ceiling := range ceilings {
		if ceiling *= time.Second; longest[i] > ceiling || longest[i] < ceiling/2 {
			t.Errorf("wait %d: the longest of 40 was %v, the ceiling is %v", i+1, longest[i], ceiling)
		}
	}
}

// No number of attempts and no delay, however great, makes the arithmetic overflow.
func TestBackoffOfGreatNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := client.RetryPolicy{MaxAttempts: 80, BaseDelay: time.Hour, MaxDelay: 2 * time.Hour, Budget: 80}
		w := &clockwork{answers: []http.HandlerFunc{answer(500, ``)}}
		w.client(t, client.WithRetries(policy), client.WithTimeout(0)).DeleteAPIKey(t.Context(), id)
		if len(w.at) != 80 {
			t.Errorf("%d attempts", len(w.at))
		}
	})
}

func TestRetryAfter(t *testing.T) {
	const jitter = 250 * time.Millisecond // no more than this after the first attempt
	for name, test := range map[string]struct {
		value    func() string
		min, max time.Duration
	}{
		"seconds":     {func() string { return "3" }, 3 * time.Second, 3 * time.Second},
		"zero":        {func() string { return "0" }, 0, jitter},
		"date":        {func() string { return time.Now().Add(5 * time.Second).UTC().Format(http.TimeFormat) }, 5 * time.Second, 5 * time.Second},
		"past":        {func() string { return "Sun, 06 Nov 1994 08:49:37 GMT" }, 0, jitter},
		"far":         {func() string { return "Fri, 31 Dec 9999 23:59:59 GMT" }, 10 * time.Second, 10 * time.Second},
		"long":        {func() string { return "3600" }, 10 * time.Second, 10 * time.Second},
		"overflow":    {func() string { return "9223372036854775807" }, 10 * time.Second, 10 * time.Second},
		"overflow 64": {func() string { return strings.Repeat("9", 40) }, 10 * time.Second, 10 * time.Second},
		"negative":    {func() string { return "-5" }, 0, jitter},
		"fraction":    {func() string { return "1.5" }, 0, jitter},
		"text":        {func() string { return "soon" }, 0, jitter},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &clockwork{answers: []http.HandlerFunc{answer(429, ``, "Retry-After", test.value()), answer(200, `{}`)}}
				if _, err := w.client(t).DeleteAPIKey(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				if wait := w.waits()[0]; wait < test.min || wait > test.max {
					t.Errorf("waited %v, want %v to %v", wait, test.min, test.max)
				}
			})
		})
	}
}

// A server with too many requests in flight answers 500 with Retry-After.
func TestRetryAfterOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &clockwork{answers: []http.HandlerFunc{answer(500, body500, "Retry-After", "1"), answer(200, `{}`)}}
		result, err := w.client(t).DeleteAPIKey(t.Context(), id)
		if err != nil || result.Attempts != 2 || w.waits()[0] != time.Second {
			t.Errorf("got %+v, %v after waiting %v", result, err, w.waits())
		}
	})
}

// A wait that would outlast the deadline is not begun, whether it is of the context or of the client.
func TestWaitBeyondDeadline(t *testing.T) {
	slow := []http.HandlerFunc{answer(503, ``, "Retry-After", "5")}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		start := time.Now()
		_, err := (&clockwork{answers: slow}).client(t).DeleteAPIKey(ctx, id)
		if e := asError(t, err); e.StatusCode != http.StatusServiceUnavailable || e.Err != nil || time.Since(start) != 0 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := (&clockwork{answers: slow}).client(t, client.WithTimeout(7*time.Second)).DeleteAPIKey(t.Context(), id)
		if e := asError(t, err); e.StatusCode != http.StatusServiceUnavailable || e.Attempts != 2 || time.Since(start) != 5*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestCancelDuringWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		w := &clockwork{answers: []http.HandlerFunc{answer(503, body500, "Retry-After", "5")}}
		start := time.Now()
		_, err := w.client(t).DeleteAPIKey(ctx, id)
		e := asError(t, err)
		if time.Since(start) != 2*time.Second || !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrServer) || e.StatusCode != 503 || e.Attempts != 1 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// A call that is canceled in the wait after an attempt that timed out did not time out.
func TestCancelAfterTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second+time.Nanosecond, cancel)
		c := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{Transport: hang}), client.WithTimeout(0),
			client.WithAttemptTimeout(time.Second), client.WithRetries(client.RetryPolicy{BaseDelay: time.Hour, MaxDelay: time.Hour}))
		_, err := c.DeleteAPIKey(ctx, id)
		if e := asError(t, err); !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || e.Attempts != 1 {
			t.Errorf("got %v", err)
		}
	})
}

// The context of an errgroup ends with the error of another call as its cause, whose sentinel is not that of this call.
func TestCancelWithCause(t *testing.T) {
	other := &client.Error{StatusCode: http.StatusInternalServerError}
	hang := roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context()) // as net/http does
	})
	busy := &clockwork{answers: []http.HandlerFunc{answer(429, ``, "Retry-After", "5")}}
	for name, test := range map[string]struct {
		transport http.RoundTripper
		after     time.Duration
	}{"before": {hang, 0}, "attempt": {hang, time.Second}, "wait": {busy, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			canceled, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(test.after, func() { cancel(other) })
			synctest.Wait()
			late, stop := context.WithTimeoutCause(t.Context(), test.after, other)
			defer stop()
			c := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{Transport: test.transport}), client.WithRetries(client.RetryPolicy{}))
			for want, ctx := range map[error]context.Context{context.Canceled: canceled, context.DeadlineExceeded: late} {
				if name == "wait" && ctx == late {
					continue // the wait would outlast the deadline
				}
				_, err := c.DeleteAPIKey(ctx, id)
				e := asError(t, err)
				if !errors.Is(err, want) || errors.Is(err, client.ErrServer) || errors.Is(err, client.ErrTooManyRequests) || !strings.Contains(e.Err.Error(), other.Error()) {
					t.Errorf("%s: got %v, want %v", name, err, want)
				}
			}
		})
	}
}

// hang is a transport that never answers.
var hang = roundTrip(func(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
})

func TestTimeouts(t *testing.T) {
	for name, test := range map[string]struct {
		options  []client.Option
		attempts int
		after    time.Duration
	}{
		"attempts": {[]client.Option{quick, client.WithAttemptTimeout(3 * time.Second)}, 4, 12 * time.Second},
		"overall":  {[]client.Option{quick, client.WithTimeout(3 * time.Second)}, 1, 3 * time.Second},
		"both":     {[]client.Option{quick, client.WithAttemptTimeout(3 * time.Second), client.WithTimeout(5 * time.Second)}, 2, 5 * time.Second},
		"defaults": {[]client.Option{quick}, 4, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c := newClient(t, "https://a.example", append(test.options, client.WithHTTPClient(&http.Client{Transport: hang}))...)
				_, err := c.DeleteAPIKey(t.Context(), id)
				e := asError(t, err)
				if e.Attempts != test.attempts || time.Since(start).Round(time.Second) != test.after || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v after %v", err, time.Since(start))
				}
			})
		})
	}
	// No limit but the context's.
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		c := newClient(t, "https://a.example", client.WithTimeout(0), client.WithAttemptTimeout(0), client.WithHTTPClient(&http.Client{Transport: hang}))
		start := time.Now()
		_, err := c.DeleteAPIKey(ctx, id)
		if e := asError(t, err); e.Attempts != 1 || time.Since(start) != time.Hour {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// stalled is a body that does not end.
type stalled struct {
	ctx    context.Context
	closed *bool
}

func (b stalled) Read([]byte) (int, error) { <-b.ctx.Done(); return 0, b.ctx.Err() }
func (b stalled) Close() error             { *b.closed = true; return nil }

// A body that does not come delays the answer, whose status is there, by a second and no more.
func TestStalledBody(t *testing.T) {
	for _, status := range []int{200, 404} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			closed := false
			c := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{
				Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					resp := response(r, status, ``)
					resp.Body = stalled{r.Context(), &closed}
					return resp, nil
				}),
			}))
			_, err := c.DeleteAPIKey(t.Context(), id)
			if (status == 200) != (err == nil) || (status == 404) != errors.Is(err, context.DeadlineExceeded) || errors.Is(err, client.ErrNotFound) || time.Since(start) != time.Second || !closed {
				t.Errorf("%d: got %v after %v, body closed: %v", status, err, time.Since(start), closed)
			}
		})
	}
}

// A server that is down gets one request for each call, and no more than the budget of retries beside.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &clockwork{answers: []http.HandlerFunc{answer(503, ``)}}
		c := w.client(t, client.WithRetries(client.RetryPolicy{BaseDelay: 1, MaxDelay: 1, Budget: 5}))
		for range 20 {
			_, err := c.DeleteAPIKey(t.Context(), id)
			if !errors.Is(err, client.ErrServer) {
				t.Fatal(err)
			}
		}
		if len(w.at) != 20+5 {
			t.Errorf("%d requests for 20 calls", len(w.at))
		}
		<-time.After(2 * time.Second) // of the bubble: gives two retries back
		w.at = nil
		c.DeleteAPIKey(t.Context(), id)
		c.DeleteAPIKey(t.Context(), id)
		if len(w.at) != 2+2 {
			t.Errorf("%d requests for 2 calls", len(w.at))
		}
		<-time.After(time.Hour) // gives no more than the budget back
		w.at = nil
		for range 20 {
			c.DeleteAPIKey(t.Context(), id)
		}
		if len(w.at) != 20+5 {
			t.Errorf("%d requests for 20 calls", len(w.at))
		}
	})
}

// A delete that was done but whose response was lost is a success, marked as one that cannot be told from an earlier
// deletion.
func TestReplayed(t *testing.T) {
	gone := answer(404, body404, "X-Request-Id", "r")
	hijacked := func(reply string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			io.WriteString(conn, reply)
			conn.Close()
		}
	}
	for name, test := range map[string]struct {
		answers  []http.HandlerFunc
		options  []client.Option
		attempts int  // of a replayed success; 0 for not found
		foreign  bool // the 404 is not the API's own
	}{
		"cut":                       {[]http.HandlerFunc{cut, gone}, nil, 2, false},
		"cut in the status line":    {[]http.HandlerFunc{hijacked("HTTP/1.1 20"), gone}, nil, 2, false},
		"cut in the headers":        {[]http.HandlerFunc{hijacked("HTTP/1.1 200 OK\r\nContent-Ty"), gone}, nil, 2, false},
		"not HTTP":                  {[]http.HandlerFunc{hijacked("SSH-2.0-OpenSSH\r\n\r\n"), gone}, nil, 2, false},
		"headers without end":       {[]http.HandlerFunc{hijacked("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20)), gone}, nil, 2, false},
		"500":                       {[]http.HandlerFunc{answer(500, body500), gone}, nil, 2, false},
		"502":                       {[]http.HandlerFunc{answer(502, ``), gone}, nil, 2, false},
		"503":                       {[]http.HandlerFunc{answer(503, ``), gone}, nil, 2, false},
		"504":                       {[]http.HandlerFunc{answer(504, ``), gone}, nil, 2, false},
		"cut, then refused for now": {[]http.HandlerFunc{cut, answer(429, ``), gone}, nil, 3, false},
		"408":                       {[]http.HandlerFunc{answer(408, ``), gone}, nil, 0, false},
		"429":                       {[]http.HandlerFunc{answer(429, ``), gone}, nil, 0, false},
		"no earlier attempt":        {[]http.HandlerFunc{gone}, nil, 0, false},
		"asked not to":              {[]http.HandlerFunc{cut, gone}, []client.Option{client.WithNotFoundAfterRetry()}, 0, false},
		"404 of a proxy":            {[]http.HandlerFunc{answer(502, ``), answer(404, `<html>default backend</html>`, "Content-Type", "text/html")}, nil, 0, true},
		"404 with a cut body":       {[]http.HandlerFunc{cut, answer(404, `{"status":"err`, "Content-Type", "application/json", "X-Request-Id", "r")}, nil, 0, true},
		"404 without a body":        {[]http.HandlerFunc{cut, answer(404, ``, "X-Request-Id", "r")}, nil, 0, true},
		"404 in a line of text":     {[]http.HandlerFunc{answer(502, ``), answer(404, `default backend - 404`, "Content-Type", "text/plain")}, nil, 0, true},
		"404 in JSON of a proxy":    {[]http.HandlerFunc{answer(502, ``), answer(404, `{"message":"no route"}`)}, nil, 0, true},
		"404 of an unknown path":    {[]http.HandlerFunc{cut, answer(404, `{"error_code":"NOT_FOUND","message":"no such path"}`)}, nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, test.answers...)
			result, err := newClient(t, server.URL, test.options...).DeleteAPIKey(t.Context(), id)
			if test.attempts == 0 {
				if e := asError(t, err); e.StatusCode != 404 || errors.Is(err, client.ErrNotFound) == test.foreign || plain(result) != (outcome{}) {
					t.Errorf("got %+v, %v", result, err)
				}
				return
			}
			if want := (outcome{true, test.attempts, "r"}); err != nil || plain(result) != want {
				t.Errorf("got %+v, %v", result, err)
			}
		})
	}
}

// HTTP/2, through the transport that clients have by default but for its trust in the test's certificate.
func TestHTTP2(t *testing.T) {
	var protos []string
	replies := (&recorder{}).handler([]http.HandlerFunc{cut, answer(502, ``), answer(404, body404)})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protos = append(protos, r.Proto)
		replies(w, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quietLog()
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	transport := client.DefaultTransport().(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	result, err := newClient(t, server.URL, client.WithHTTPClient(&http.Client{Transport: transport})).DeleteAPIKey(t.Context(), id)
	if err != nil || plain(result) != (outcome{replayed: true, attempts: 3}) || strings.Join(protos, " ") != "HTTP/2.0 HTTP/2.0 HTTP/2.0" {
		t.Errorf("got %+v, %v over %q", result, err, protos)
	}
}

// An attempt that never connected cannot have deleted anything.
func TestNotReplayedAfterFailedDial(t *testing.T) {
	server := record(t, answer(404, body404))
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
		"transport of net/http": func(r http.RoundTripper) http.RoundTripper { return r },
		"one that hides its steps": func(r http.RoundTripper) http.RoundTripper {
			return roundTrip(func(request *http.Request) (*http.Response, error) {
				return r.RoundTrip(request.WithContext(context.WithoutCancel(context.Background())))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var dials atomic.Int32
			transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials.Add(1) == 1 {
					address = closedPort(t)
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}}
			c := newClient(t, server.URL, client.WithHTTPClient(&http.Client{Transport: wrap(transport)}))
			_, err := c.DeleteAPIKey(t.Context(), id)
			transport.CloseIdleConnections()
			if e := asError(t, err); !errors.Is(err, client.ErrNotFound) || e.Attempts != 2 {
				t.Errorf("got %v", err)
			}
		})
	}
}

// closedPort returns an address that refuses connections.
func closedPort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	return listener.Addr().String()
}

func TestNobodyListens(t *testing.T) {
	_, err := newClient(t, "http://"+closedPort(t)).DeleteAPIKey(t.Context(), id)
	var op *net.OpError
	if e := asError(t, err); e.Attempts != 4 || e.StatusCode != 0 || !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("got %v", err)
	}
	for _, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			t.Errorf("is %v", sentinel)
		}
	}
}

// A lost connection is tried again even where the transport hides its steps.
func TestReplayedBehindCustomTransport(t *testing.T) {
	n := 0
	c := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if n++; n == 1 {
			return nil, io.ErrUnexpectedEOF
		}
		return response(r, 404, body404), nil
	})}))
	result, err := c.DeleteAPIKey(t.Context(), id)
	if err != nil || !result.Replayed {
		t.Errorf("got %+v, %v", result, err)
	}
}

// Errors of set-up do not go away by trying again.
func TestSetupErrorsAreNotRetried(t *testing.T) {
	silent := func(config *tls.Config) *httptest.Server {
		server := httptest.NewUnstartedServer(answer(200, `{}`))
		server.TLS = config
		server.Config.ErrorLog = quietLog()
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	secure := silent(nil)
	old := silent(&tls.Config{MaxVersion: tls.VersionTLS12})
	picky := silent(&tls.Config{ClientAuth: tls.RequireAnyClientCert})
	plain := record(t, answer(200, `{}`))
	trusting := func(server *httptest.Server, change func(*tls.Config)) *http.Transport {
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		config := &tls.Config{RootCAs: pool}
		change(config)
		return &http.Transport{TLSClientConfig: config}
	}
	none := func(*tls.Config) {}
	for name, test := range map[string]struct {
		url       string
		transport http.RoundTripper
	}{
		"unknown authority": {secure.URL, &http.Transport{}},
		"wrong host name":   {secure.URL, trusting(secure, func(c *tls.Config) { c.ServerName = "other.example.org" })},
		"version too old":   {old.URL, trusting(old, func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 })},
		"pinned": {secure.URL, trusting(secure, func(c *tls.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error { return errors.New("not the pin") }
		})},
		"client certificate wanted":   {picky.URL, trusting(picky, none)},
		"plain http at the other end": {strings.Replace(plain.URL, "http", "https", 1), &http.Transport{}},
		"no such host": {"https://nowhere.invalid", &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "nowhere.invalid", IsNotFound: true}}
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, test.url, client.WithHTTPClient(&http.Client{Transport: test.transport}))
			_, err := c.DeleteAPIKey(t.Context(), id)
			if e := asError(t, err); e.Attempts != 1 || e.Err == nil {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("trusted", func(t *testing.T) {
		c := newClient(t, secure.URL, client.WithHTTPClient(&http.Client{Transport: trusting(secure, none)}))
		if _, err := c.DeleteAPIKey(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
}

// A name server that does not answer may do so next time; a handshake that was cut, too.
func TestPassingTroubleIsRetried(t *testing.T) {
	t.Run("name server", func(t *testing.T) {
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "a.example", IsTemporary: true}}
		}}
		_, err := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{Transport: transport})).DeleteAPIKey(t.Context(), id)
		if e := asError(t, err); e.Attempts != 4 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("handshake", func(t *testing.T) {
		address := listen(t, func(conn net.Conn) { bufio.NewReader(conn).ReadByte() })
		_, err := newClient(t, "https://"+address, client.WithHTTPClient(&http.Client{Transport: &http.Transport{}})).DeleteAPIKey(t.Context(), id)
		if e := asError(t, err); e.Attempts != 4 {
			t.Errorf("got %v", err)
		}
	})
}

// listen accepts connections, hands each to serve, and closes it.
func listen(t *testing.T, serve func(net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String()
}

func TestRedirects(t *testing.T) {
	elsewhere := record(t, answer(200, `{}`))
	for status := 300; status < 309; status++ {
		for _, where := range []string{"elsewhere", "here"} {
			t.Run(fmt.Sprint(status, " ", where), func(t *testing.T) {
				location := elsewhere.URL + path
				if where == "here" {
					location = "/moved"
				}
				server := record(t, answer(status, ``, "Location", location), answer(200, `{}`))
				_, err := newClient(t, server.URL).DeleteAPIKey(t.Context(), id)
				if where == "here" && (status == 307 || status == 308) {
					r := server.got()
					if err != nil || len(r) != 2 || r[1].Method != http.MethodDelete || r[1].RequestURI != "/moved" || r[1].Header.Get("Authorization") != "Bearer "+key {
						t.Errorf("got %v, %d requests", err, len(r))
					}
					return
				}
				if e := asError(t, err); e.StatusCode != status || e.Attempts != 1 || len(server.got()) != 1 || !strings.Contains(err.Error(), "redirect") {
					t.Errorf("got %v, %d requests", err, len(server.got()))
				}
			})
		}
	}
	if n := len(elsewhere.got()); n != 0 {
		t.Errorf("%d requests, with the key, went elsewhere", n)
	}
}

// From https to http the host may be the same, and the key would be there to read.
func TestRedirectToPlainHTTP(t *testing.T) {
	var asked []string
	c := newClient(t, "https://a.example", client.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		return response(r, 307, ``, "Location", "http://a.example/"), nil
	})}))
	_, err := c.DeleteAPIKey(t.Context(), id)
	if e := asError(t, err); e.StatusCode != http.StatusTemporaryRedirect || len(asked) != 1 {
		t.Errorf("got %v; asked %q", err, asked)
	}
}

func TestRedirectLoop(t *testing.T) {
	server := record(t, answer(308, ``, "Location", "/again"))
	_, err := newClient(t, server.URL).DeleteAPIKey(t.Context(), id)
	if e := asError(t, err); e.StatusCode != http.StatusPermanentRedirect || len(server.got()) != 10 {
		t.Errorf("got %v, %d requests", err, len(server.got()))
	}
}

// Who gave a CheckRedirect is asked about what the client would follow, and about nothing else.
func TestCheckRedirect(t *testing.T) {
	refusal := errors.New("no redirects here")
	for _, test := range []struct {
		status int
		err    error
		asked  int
	}{{307, refusal, 1}, {307, http.ErrUseLastResponse, 1}, {307, nil, 1}, {302, nil, 0}} {
		server := record(t, answer(test.status, ``, "Location", "/moved"), answer(200, `{}`))
		asked := 0
		mine := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { asked++; return test.err }}
		_, err := newClient(t, server.URL, client.WithHTTPClient(mine)).DeleteAPIKey(t.Context(), id)
		mine.CloseIdleConnections()
		if asked != test.asked {
			t.Errorf("%d, %v: asked %d times", test.status, test.err, asked)
		}
		followed := test.status == 307 && test.err == nil
		if followed != (err == nil) || errors.Is(err, refusal) != errors.Is(test.err, refusal) {
			t.Errorf("%d, %v: got %v", test.status, test.err, err)
		}
		if want := map[bool]int{true: 2, false: 1}[followed]; len(server.got()) != want {
			t.Errorf("%d, %v: %d requests", test.status, test.err, len(server.got()))
		}
	}
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
