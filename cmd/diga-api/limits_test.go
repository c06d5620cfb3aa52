package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// impatient are limits that a test can wait for, and that honest callers keep also on a busy machine.
var impatient = limits{
	header:      time.Second,
	read:        2 * time.Second,
	request:     time.Second,
	write:       time.Second,
	idle:        time.Second,
	headerBytes: 1 << 10,
	connections: 50,
}

// limited serves within limits. It answers when it has read the body.
func limited(t *testing.T, l limits) (*httptest.Server, *connections) {
	t.Helper()
	connections := newConnections(l.connections)
	large := strings.Repeat("x", 1<<20)
	s := httptest.NewUnstartedServer(nil)
	s.Config = newAPIServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
			return
		}
		if r.URL.Path == "/large" {
			io.WriteString(w, large)
		}
	}), l, connections, slog.New(slog.DiscardHandler))
	// Not Start, which puts its own bookkeeping in the place of ConnState.
	go s.Config.Serve(s.Listener)
	t.Cleanup(func() { s.Config.Close() })
	s.URL = "http://" + s.Listener.Addr().String()
	return s, connections
}

func dial(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute)) // longer than any limit: only the server ends it
	return conn
}

// Attackers of each kind, as many as there may be connections, are cut off, while others are served.
func TestSlowCallersAreCutOff(t *testing.T) {
	trickle := func(conn net.Conn, begin, more string) {
		if _, err := io.WriteString(conn, begin); err != nil {
			return
		}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(conn, more); err != nil {
				return
			}
		}
	}
	for name, attack := range map[string]func(net.Conn){
		"silence":     func(net.Conn) {},
		"slow header": func(conn net.Conn) { trickle(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", "a") },
		"slow body": func(conn net.Conn) {
			trickle(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", "a")
		},
		"idle":        func(conn net.Conn) { io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
		"long header": func(conn net.Conn) { io.WriteString(conn, "GET / HTTP/1.1\r\nX: "+strings.Repeat("a", 8<<10)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := limited(t, impatient)
			var attackers sync.WaitGroup
			for range impatient.connections - 5 { // leaves room for the others, as slow bodies do not give way
				conn := dial(t, s)
				attackers.Go(func() { attack(conn) })
				attackers.Go(func() {
					if _, err := io.Copy(io.Discard, conn); timedOut(err) {
						t.Error("not cut off")
					}
					conn.Close()
				})
			}
			over := make(chan struct{})
			go func() { attackers.Wait(); close(over) }()
			client := &http.Client{Transport: new(http.Transport)}
			defer client.CloseIdleConnections()
			for served := 0; ; served++ {
				response, err := client.Get(s.URL)
				if err != nil {
					t.Fatalf("another caller after %d answers: %v", served, err)
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
}

// Who asks for much and reads nothing is cut off.
func TestSlowReaderIsCutOff(t *testing.T) {
	s, _ := limited(t, impatient)
	conn := dial(t, s)
	for {
		if _, err := io.WriteString(conn, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"); timedOut(err) {
			t.Fatal("not cut off")
		} else if err != nil {
			return
		}
	}
}

// timedOut says whether err comes from the deadline that the test set.
func timedOut(err error) bool {
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout()
}

// When there are too many connections, the one that has been idle the longest gives way. When all are busy, the new
// one is closed.
func TestTooManyConnections(t *testing.T) {
	patient := defaultLimits
	patient.connections = 2
	s, connections := limited(t, patient)
	busy, release := make(chan struct{}), make(chan struct{})
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	// The server notes that a connection is idle only after the caller has the answer.
	waiting := func(want int) {
		t.Helper()
		eventually(t, func() bool {
			connections.mutex.Lock()
			defer connections.mutex.Unlock()
			return connections.waiting.Len() == want
		})
	}
	first, second := dial(t, s), dial(t, s)
	for _, conn := range []net.Conn{first, second} {
		if err := ask(conn, "/"); err != nil {
			t.Error(err)
		}
		waiting(2)
	}
	third := dial(t, s)
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
	if err := ask(dial(t, s), "/"); err == nil || timedOut(err) {
		t.Errorf("one too many among busy ones: %v", err)
	}
	close(release)
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("a busy one: %v", err)
		}
	}
	waiting(2)
	if err := testutil.CollectAndCompare(connections, strings.NewReader(`
# HELP diga_http_connections Open connections to the API.
# TYPE diga_http_connections gauge
diga_http_connections 2
# HELP diga_http_connections_dropped_total Connections closed because of --max-connections: idle ones, or new ones that were refused.
# TYPE diga_http_connections_dropped_total counter
diga_http_connections_dropped_total{reason="idle"} 1
diga_http_connections_dropped_total{reason="refused"} 1
`)); err != nil {
		t.Error(err)
	}
}

// eventually waits until what happens elsewhere has happened.
func eventually(t testing.TB, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}
