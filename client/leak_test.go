package client_test

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/diga-io/diga-api/client"
)

// counted are the connections of a transport.
type counted struct{ opened, closed atomic.Int32 }

type countedConn struct {
	net.Conn
	once   sync.Once
	closed *atomic.Int32
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.closed.Add(1) })
	return c.Conn.Close()
}

func (c *counted) transport() *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.opened.Add(1)
		return &countedConn{Conn: conn, closed: &c.closed}, nil
	}}
}

// settle yields until done, or gives up after a while that is far too long.
func settle(done func() bool) bool {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); runtime.Gosched() {
		if done() {
			return true
		}
	}
	return done()
}

// Whatever the answer, calls one after the other use one connection, or close the one they cannot use any more.
func TestConnectionsAreReused(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		opened  int32 // by 12 requests
	}{
		"deleted":         {answer(200, `{}`), 1},
		"not found":       {answer(404, body404), 1},
		"invalid":         {answer(422, body422), 1},
		"server error":    {answer(500, body500), 1},
		"page of a proxy": {answer(502, strings.Repeat("<p>", 1000)), 1},
		"empty":           {answer(403, ``), 1},
		"redirect":        {answer(302, ``, "Location", "/elsewhere"), 1},
		"endless":         {answer(404, strings.Repeat("x", 1<<20)), 12},
		"truncated":       {truncated(404, `{`), 12},
		"cut":             {cut, 12},
	} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			server := record(t, test.handler)
			var conns counted
			c := newClient(t, server.URL, client.WithHTTPClient(&http.Client{Transport: conns.transport()}))
			for len(server.got()) < 12 {
				c.DeleteAPIKey(t.Context(), id)
			}
			if n := conns.opened.Load(); n != test.opened {
				t.Errorf("%d connections for %d requests, want %d", n, len(server.got()), test.opened)
			}
			c.CloseIdleConnections()
			if !settle(func() bool { return conns.opened.Load() == conns.closed.Load() }) {
				t.Errorf("%d of %d connections were closed", conns.closed.Load(), conns.opened.Load())
			}
			server.Close()
			if !settle(func() bool { return runtime.NumGoroutine() <= before }) {
				t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks())
			}
		})
	}
}

func stacks() []byte {
	buffer := make([]byte, 1<<20)
	return buffer[:runtime.Stack(buffer, true)]
}

// Timeouts and cancellations leave nothing behind, nor do many callers at once; the race detector watches them share
// a client.
func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	var n atomic.Int32
	server := record(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 4 {
		case 0:
			<-r.Context().Done() // until the client gives up
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			answer(503, body500)(w, r)
		default:
			answer(200, `{}`)(w, r)
		}
	})
	var conns counted
	c := newClient(t, server.URL, client.WithAttemptTimeout(20*time.Millisecond), client.WithHTTPClient(&http.Client{Transport: conns.transport()}))
	var calls sync.WaitGroup
	for range 40 {
		calls.Go(func() { c.DeleteAPIKey(t.Context(), id) })
	}
	calls.Wait()
	c.CloseIdleConnections()
	if !settle(func() bool { c.CloseIdleConnections(); return conns.opened.Load() == conns.closed.Load() }) {
		t.Errorf("%d of %d connections were closed", conns.closed.Load(), conns.opened.Load())
	}
	server.Close()
	if !settle(func() bool { return runtime.NumGoroutine() <= before }) {
		t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks())
	}
}
