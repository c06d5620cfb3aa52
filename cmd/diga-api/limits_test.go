package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// pipes is a listener whose connections are in memory, so that the time of a test with them is that of its bubble.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.dialed:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return new(net.UnixAddr) }

// limitedServer serves within limits. Its handler responds when it has read the body.
type limitedServer struct {
	*http.Server
	listener    *pipes
	connections *connections
}

// newLimitedServer returns a server that listens on pipes. The caller has to start it.
func newLimitedServer(server *http.Server, conns *connections) *limitedServer {
	return &limitedServer{server, &pipes{dialed: make(chan net.Conn), closed: make(chan struct{})}, conns}
}

// serveLimited starts a server with the limits of production and few connections. The test has to close it.
func serveLimited(most int) *limitedServer {
	l := defaultLimits
	l.connections = most
	large := strings.Repeat("x", 1<<20)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
			return
		}
		if r.URL.Path == "/large" {
			io.WriteString(w, large)
		}
	})
	conns := newConnections(most, func() {})
	s := newLimitedServer(newAPIServer(handler, l, conns, slog.New(slog.DiscardHandler)), conns)
	go s.Serve(s.listener)
	return s
}

// dial opens a connection. It has a deadline beyond all limits, so that only the server ends it.
func (s *limitedServer) dial() net.Conn {
	client, server := net.Pipe()
	client.SetDeadline(time.Now().Add(time.Hour))
	s.listener.dialed <- server
	return client
}

// As many slow clients of each kind as there may be connections are disconnected at the limit, and others are served all
// the while.
func TestSlowClientsAreDisconnected(t *testing.T) {
	trickle := func(conn net.Conn, begin, more string) {
		for _, err := io.WriteString(conn, begin); err == nil; _, err = io.WriteString(conn, more) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	for name, test := range map[string]struct {
		attack func(net.Conn)
		limit  time.Duration
	}{
		"silence":     {func(net.Conn) {}, defaultLimits.header},
		"slow header": {func(conn net.Conn) { trickle(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", "a") }, defaultLimits.header},
		"slow body": {func(conn net.Conn) {
			trickle(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", "a")
		}, defaultLimits.header + defaultLimits.request},
		"idle": {func(conn net.Conn) { io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") }, defaultLimits.idle},
		"long header": {func(conn net.Conn) {
			io.WriteString(conn, "GET / HTTP/1.1\r\nX: "+strings.Repeat("a", 2*defaultLimits.headerBytes))
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const most = 50
				s := serveLimited(most)
				defer s.Close()
				began := time.Now()
				var attackers sync.WaitGroup
				for range most - 1 { // leaves one for others, because slow bodies do not give way
					conn := s.dial()
					attackers.Go(func() { test.attack(conn) })
					attackers.Go(func() {
						io.Copy(io.Discard, conn)
						// net/http lingers for half a second after a response that it sends to a client that still writes.
						if took := time.Since(began); took < test.limit || took > test.limit+time.Second {
							t.Errorf("disconnected after %s, the limit is %s", took, test.limit)
						}
						conn.Close()
					})
				}
				over := make(chan struct{})
				go func() { attackers.Wait(); close(over) }()
				client := &http.Client{Transport: &http.Transport{
					DialContext: func(context.Context, string, string) (net.Conn, error) { return s.dial(), nil },
				}}
				defer client.CloseIdleConnections()
				for served := 0; ; served++ {
					response, err := client.Get("http://server")
					if err != nil {
						t.Fatalf("another client after %d responses: %v", served, err)
					}
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
					select {
					case <-over:
						return
					case <-time.After(100 * time.Millisecond):
					}
				}
			})
		})
	}
}

// A client that requests much and reads nothing is disconnected.
func TestSlowReaderIsDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(50)
		defer s.Close()
		conn := s.dial()
		defer conn.Close()
		for {
			if _, err := io.WriteString(conn, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"); timedOut(err) {
				t.Fatal("not disconnected")
			} else if err != nil {
				return
			}
		}
	})
}

// timedOut reports whether err comes from the deadline that the test set.
func timedOut(err error) bool {
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout()
}

// When there are too many connections, the one that has been idle the longest gives way. When all are busy, the new
// one is closed.
func TestTooManyConnections(t *testing.T) { synctest.Test(t, testTooManyConnections) }

func testTooManyConnections(t *testing.T) {
	s := serveLimited(2)
	defer s.Close()
	busy, release := make(chan struct{}), make(chan struct{})
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			busy <- struct{}{}
			<-release
		}
	})
	ask := func(conn net.Conn, path string) error {
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
			return err
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	waiting := func(want int) {
		t.Helper()
		synctest.Wait()
		if got := s.connections.waiting.Len(); got != want {
			t.Errorf("%d connections wait, want %d", got, want)
		}
	}
	first, second := s.dial(), s.dial()
	for _, conn := range []net.Conn{first, second} {
		if err := ask(conn, "/"); err != nil {
			t.Error(err)
		}
		waiting(2)
	}
	third := s.dial()
	if err := ask(third, "/"); err != nil {
		t.Errorf("the third: %v", err)
	}
	if err := ask(first, "/"); err == nil || timedOut(err) {
		t.Errorf("the first should have given way: %v", err)
	}
	waiting(2)
	answers := make(chan error, 2)
	for _, conn := range []net.Conn{second, third} {
		go func() { answers <- ask(conn, "/busy") }()
		<-busy
	}
	if err := ask(s.dial(), "/"); err == nil || timedOut(err) {
		t.Errorf("one too many among busy ones: %v", err)
	}
	close(release)
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("a busy one: %v", err)
		}
	}
	waiting(2)
	if err := testutil.CollectAndCompare(s.connections, strings.NewReader(`
# HELP diga_http_connections Open connections to the API.
# TYPE diga_http_connections gauge
diga_http_connections 2
# HELP diga_http_connections_dropped_total Connections closed because of --max-connections: idle ones, new ones that were refused, or those with unread HTTP/2 responses.
# TYPE diga_http_connections_dropped_total counter
diga_http_connections_dropped_total{reason="idle"} 1
diga_http_connections_dropped_total{reason="refused"} 1
diga_http_connections_dropped_total{reason="unread"} 0
`)); err != nil {
		t.Error(err)
	}
}
