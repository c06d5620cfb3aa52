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
	"testing"
	"testing/synctest"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/docs"
)

// emptyStore has no keys to delete, and accepts every secret.
type emptyStore struct{}

func (emptyStore) Authenticate(context.Context, apikey.Hash) (apikey.Key, error) {
	return apikey.Key{ID: apitype.UUID{1}}, nil
}

func (emptyStore) Delete(context.Context, apitype.UUID, apitype.UUID, apikey.Deletion) error {
	return apikey.ErrNotFound
}

// serveAPI serves the API within the limits of production, with few connections. The test has to close it.
func serveAPI(t *testing.T, most int) *limitedServer {
	t.Helper()
	limits := defaultLimits
	limits.connections = most
	conns := newConnections(most, func() {})
	pages, err := docs.Pages()
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	handler, err := server.New(server.Options{Keys: emptyStore{}, Logger: logger, Pages: pages, UnreadBody: conns.giveWay})
	if err != nil {
		t.Fatal(err)
	}
	s := newLimitedServer(newAPIServer(handler, limits, conns, logger), conns)
	go s.Serve(s.listener)
	return s
}

// stop closes the server and waits until net/http has ended its connections, some of which linger.
func (s *limitedServer) stop() {
	s.Close()
	time.Sleep(time.Second) // of the test's bubble
}

// response reads one response from conn.
func response(t *testing.T, conn net.Conn, method string) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

const (
	operationPath = "/v1/api_key/00000000-0000-0000-0000-000000000000"
	bearer        = "Authorization: Bearer x\r\n"
)

// A body that is announced and does not arrive, or not all of it, is not waited for: the request is answered, and its
// connection gives way to others.
func TestUnreadBodiesGiveWay(t *testing.T) {
	bodies := map[string]string{
		"length":          "Content-Length: 1000\r\n\r\n",
		"part of it":      "Content-Length: 1000\r\n\r\n{",
		"long":            "Content-Length: 1000000\r\n\r\n",
		"chunked":         "Transfer-Encoding: chunked\r\n\r\n",
		"part of a chunk": "Transfer-Encoding: chunked\r\n\r\n10\r\n{",
		"expect":          "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
		"expect chunked":  "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
	}
	for _, request := range []struct {
		line   string
		status int
	}{
		{"DELETE " + operationPath + " HTTP/1.1\r\n" + bearer, 404},
		{"DELETE " + operationPath + " HTTP/1.1\r\n", 403},
		{"DELETE /v1/api_key/nope HTTP/1.1\r\n" + bearer, 422},
		{"POST " + operationPath + " HTTP/1.1\r\n" + bearer, 405},
		{"HEAD " + operationPath + " HTTP/1.1\r\n" + bearer, 405},
		{"OPTIONS * HTTP/1.1\r\n", 404},
		{"GET /nowhere HTTP/1.1\r\n", 404},
		{"GET /openapi.json HTTP/1.1\r\n", 200},
		{"HEAD /docs HTTP/1.1\r\n", 200},
		{"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\n", 200},
	} {
		for name, body := range bodies {
			t.Run(strings.TrimSpace(request.line)+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const most = 4
					s := serveAPI(t, most)
					defer s.stop()
					began := time.Now()
					method, _, _ := strings.Cut(request.line, " ")
					for range most {
						conn := s.dial()
						defer conn.Close()
						go io.WriteString(conn, request.line+"Host: x\r\n"+body)
						if got := response(t, conn, method); got.StatusCode != request.status || !got.Close {
							t.Errorf("answered %d, closes is %t", got.StatusCode, got.Close)
						}
					}
					honest := s.dial()
					defer honest.Close()
					go fmt.Fprintf(honest, "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
					if got := response(t, honest, "GET"); got.StatusCode != 200 || got.Close {
						t.Errorf("another client is answered %d, closes is %t", got.StatusCode, got.Close)
					}
					if took := time.Since(began); took > 100*time.Millisecond {
						t.Errorf("all of it took %s", took)
					}
				})
			})
		}
	}
}

// The connection closes soon even if nothing else needs it.
func TestUnreadBodiesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveAPI(t, 4)
		defer s.stop()
		conn := s.dial()
		defer conn.Close()
		began := time.Now()
		io.WriteString(conn, "DELETE "+operationPath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		response(t, conn, "DELETE")
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the connection ended with %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the connection ended after %s", took)
		}
	})
}

// A body that has arrived, or is on its way, does not cost the client its connection.
func TestArrivedBodiesKeepTheConnection(t *testing.T) {
	for name, parts := range map[string][]string{
		"with the header":  {"Content-Length: 2\r\n\r\n{}"},
		"after the header": {"Content-Length: 2\r\n\r\n", "{}"},
		"in parts":         {"Content-Length: 2\r\n\r\n", "{", "}"},
		"longer":           {"Content-Length: 100000\r\n\r\n" + strings.Repeat(" ", 100_000)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveAPI(t, 4)
				defer s.stop()
				conn := s.dial()
				defer conn.Close()
				for range 2 {
					go func() {
						io.WriteString(conn, "DELETE "+operationPath+" HTTP/1.1\r\nHost: x\r\n"+bearer)
						for _, part := range parts {
							io.WriteString(conn, part)
						}
					}()
					if got := response(t, conn, "DELETE"); got.StatusCode != 404 || got.Close {
						t.Fatalf("answered %d, closes is %t", got.StatusCode, got.Close)
					}
				}
			})
		})
	}
}

// A client that sends a long body is answered, although the server does not want the body.
func TestLongBodyIsAnswered(t *testing.T) {
	for name, header := range map[string]string{"length": "Content-Length: 200000", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveAPI(t, 4)
				defer s.stop()
				conn := s.dial()
				defer conn.Close()
				sent := make(chan error, 1)
				go func() {
					_, err := io.WriteString(conn, "DELETE "+operationPath+" HTTP/1.1\r\nHost: x\r\n"+header+"\r\n\r\n")
					for range 20 {
						if err == nil {
							time.Sleep(10 * time.Millisecond)
							body := strings.Repeat("x", 10_000)
							if name == "chunked" {
								body = fmt.Sprintf("%x\r\n%s\r\n", len(body), body)
							}
							_, err = io.WriteString(conn, body)
						}
					}
					sent <- err
				}()
				if got := response(t, conn, "DELETE"); got.StatusCode != 403 {
					t.Errorf("answered %d", got.StatusCode)
				}
				if err := <-sent; err != nil {
					t.Errorf("the connection ended while the client sent: %v", err)
				}
			})
		})
	}
}

// The admin listener does not wait for bodies either.
func TestUnreadBodiesOfTheAdminListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := closeUnread(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
		s := newLimitedServer(&http.Server{Handler: handler, ReadTimeout: time.Hour}, newConnections(1, func() {}))
		go s.Serve(s.listener)
		defer s.stop()
		conn := s.dial()
		defer conn.Close()
		began := time.Now()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		if got := response(t, conn, "GET"); got.StatusCode != 200 || time.Since(began) > 0 {
			t.Errorf("answered %d after %s", got.StatusCode, time.Since(began))
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) > time.Minute {
			t.Errorf("the connection ended with %v after %s", err, time.Since(began))
		}
	})
}
