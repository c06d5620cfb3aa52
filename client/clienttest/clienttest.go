// Package clienttest is a Diga API for the tests of programs that use package client: the real server, with the real
// contract, validation and statuses, in the test's own process and with its keys in memory.
//
//	func TestCleanup(t *testing.T) {
//		diga := clienttest.NewServer(t)
//		key := diga.CreateKey()
//		diga.Inject(clienttest.LoseResponse())
//
//		if err := cleanup(t.Context(), diga.Client(), key.ID); err != nil {
//			t.Error(err)
//		}
//		if diga.Exists(key.ID) {
//			t.Error("the key is still there")
//		}
//	}
//
// A program that makes its own client is pointed at the server by the options of Server.Options, or by the environment
// variables DIGA_BASE_URL (Server.URL) and DIGA_API_KEY (Server.Key.Secret).
package clienttest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/apikey"
)

// Server is a Diga of one test. Its methods may be called by many goroutines at once.
type Server struct {
	URL string // for client.WithBaseURL; http://127.0.0.1 and a free port
	Key Key    // unrestricted; what Client and Options call with

	t       testing.TB
	handler http.Handler
	http    *httptest.Server
	keys    memory
	closing chan struct{}

	mu       sync.Mutex
	faults   []Fault
	requests []Request
}

// Key is an API key of the server.
type Key struct {
	ID        client.UUID
	ProjectID client.UUID
	Secret    string // for client.WithAPIKey
}

// NewServer starts a server, which stops when the test ends. What the server logs is in the test's output.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, closing: make(chan struct{})}
	handler, err := server.New(server.Options{Keys: &s.keys, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatalf("start the Diga of this test: %v", err)
	}
	s.handler = handler
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	t.Cleanup(func() {
		close(s.closing)
		s.http.Close()
	})
	s.Key = s.CreateKey(InProject(apitype.NewUUID()))
	return s
}

// KeyOption makes a key other than a good, unrestricted one of the project of Server.Key.
type KeyOption struct{ apply func(*apikey.Key) }

// Restricted makes a key that may do only what permissions list. Deleting keys needs api_keys.delete.
func Restricted(permissions ...string) KeyOption {
	return KeyOption{func(key *apikey.Key) { key.Restricted, key.Permissions = true, slices.Clone(permissions) }}
}

// ExpiresAt makes a key that is good until the given time, which may have passed.
func ExpiresAt(t time.Time) KeyOption {
	return KeyOption{func(key *apikey.Key) { key.ExpiresAt = t }}
}

// InProject makes a key of the given project, such as client.UUID{1}: keys of one cannot see those of another.
func InProject(id client.UUID) KeyOption {
	return KeyOption{func(key *apikey.Key) { key.ProjectID = id }}
}

// CreateKey creates a key, to delete or to call with.
func (s *Server) CreateKey(options ...KeyOption) Key {
	s.t.Helper()
	key, secret := apikey.New(s.Key.ProjectID, s.Key.ID, "test key")
	for _, option := range options {
		option.apply(&key)
	}
	if err := s.keys.create(context.Background(), key, secret.Hash()); err != nil {
		s.t.Fatal(err) // random ids do not collide
	}
	return Key{ID: key.ID, ProjectID: key.ProjectID, Secret: secret.Reveal()}
}

// Exists says whether a key was created and not deleted since. An expired key exists.
func (s *Server) Exists(id client.UUID) bool {
	return len(s.keys.list(func(k stored) bool { return k.key.ID == id && k.key.Deleted == nil })) == 1
}

// Client is a client that calls the server with Server.Key, as Options say.
func (s *Server) Client(options ...client.Option) *client.Client {
	s.t.Helper()
	c, err := client.New(append(s.Options(), options...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// Options point a client at the server, with Server.Key. Its connections end with the test, and its waits, those that
// a Retry-After asks for included, last a few milliseconds. Options after these override them.
func (s *Server) Options() []client.Option {
	return []client.Option{
		client.WithBaseURL(s.URL),
		client.WithAPIKey(s.Key.Secret),
		client.WithHTTPClient(s.http.Client()),
		client.WithRetries(client.RetryPolicy{BaseDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond}),
	}
}

// Fault is something that goes wrong with one request.
type Fault struct {
	name  string
	serve func(*Server, *http.Request) *httptest.ResponseRecorder
	lost  bool // the connection breaks instead of the response
}

// String names the fault.
func (f Fault) String() string { return f.name }

// LoseResponse does what the request asks for, and then breaks the connection without a response.
func LoseResponse() Fault {
	return Fault{name: "LoseResponse", serve: (*Server).answer, lost: true}
}

// Delay answers after d, or ends when the client gives up waiting.
func Delay(d time.Duration) Fault {
	return Fault{name: "Delay", serve: func(s *Server, r *http.Request) *httptest.ResponseRecorder {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return s.answer(r)
		case <-r.Context().Done():
		case <-s.closing:
		}
		return nil
	}}
}

// TooManyRequests answers 429 with a Retry-After of that many seconds, rounded up, and does nothing else.
func TooManyRequests(retryAfter time.Duration) Fault {
	seconds := fmt.Sprint(int64((retryAfter + time.Second - 1) / time.Second))
	return Fault{name: "TooManyRequests", serve: func(*Server, *http.Request) *httptest.ResponseRecorder {
		return reply(http.StatusTooManyRequests, "application/json",
			`{"status":"error","error_code":"TOO_MANY_REQUESTS","message":"Too many requests"}`, "Retry-After", seconds)
	}}
}

// BadGateway answers 502 with the HTML page of a proxy that does not reach the server, and does nothing else.
func BadGateway() Fault {
	return Fault{name: "BadGateway", serve: func(*Server, *http.Request) *httptest.ResponseRecorder {
		return reply(http.StatusBadGateway, "text/html",
			"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n")
	}}
}

// StoreOutage has the server's store out of order: the server answers with the 500 of the contract.
func StoreOutage() Fault {
	return Fault{name: "StoreOutage", serve: func(s *Server, r *http.Request) *httptest.ResponseRecorder {
		return s.answer(r.WithContext(context.WithValue(r.Context(), outage{}, true)))
	}}
}

// BreakContract does what the request asks for and sends the status that the contract has for it, but with a body that
// the contract does not allow there.
func BreakContract(body string) Fault {
	return Fault{name: "BreakContract", serve: func(s *Server, r *http.Request) *httptest.ResponseRecorder {
		kept := s.answer(r)
		broken := reply(kept.Code, kept.Header().Get("Content-Type"), body)
		broken.Header().Set("X-Request-Id", kept.Header().Get("X-Request-Id"))
		return broken
	}}
}

// Inject has the next requests meet these faults, one each, in this order. Requests after them are answered as usual.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Request is what the server was asked, and how it answered.
type Request struct {
	Method string
	Path   string
	Header http.Header // the key in Authorization is masked
	Fault  string      // the name of the fault it met, such as LoseResponse
	Status int         // decided by the server, even when the response was lost; 0: the client did not wait for it
}

// Requests are those answered so far, in the order of the answers.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := slices.Clone(s.requests)
	for i := range requests {
		requests[i].Header = requests[i].Header.Clone()
	}
	return requests
}

// answer has the real server answer.
func (s *Server) answer(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// serve answers one request. The answer is sent after the request was noted, so that a test finds in Requests what its
// client got an answer to.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	fault := Fault{serve: (*Server).answer}
	s.mu.Lock()
	if len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	s.mu.Unlock()

	noted := Request{Method: r.Method, Path: r.URL.EscapedPath(), Header: mask(r.Header), Fault: fault.name}
	answer := fault.serve(s, r)
	if answer != nil {
		noted.Status = answer.Code
	}
	s.mu.Lock()
	s.requests = append(s.requests, noted)
	s.mu.Unlock()

	if answer == nil || fault.lost {
		panic(http.ErrAbortHandler) // ends the connection
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// mask copies a header without the secret.
func mask(header http.Header) http.Header {
	header = header.Clone()
	for i, value := range header["Authorization"] {
		scheme, token, ok := strings.Cut(value, " ")
		if !ok {
			scheme, token = "", value
		}
		header["Authorization"][i] = strings.TrimSpace(scheme + " " + apikey.SecretOf(token).String())
	}
	return header
}

func reply(status int, contentType, body string, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	return w
}
