// Package clienttest is an in-process Diga API for the tests of programs that use package client: the real server, with
// the contract, its validation and its statuses, and with keys in memory.
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
//			t.Error("the key still exists")
//		}
//	}
//
// A program that creates its own client gets the options of Server.Options, or the environment variables DIGA_BASE_URL
// (Server.URL) and DIGA_API_KEY (Server.Key.Secret). Examples and programs for local development call Start.
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

// Server is a running Diga. Its methods may be called by multiple goroutines.
type Server struct {
	URL string // for client.WithBaseURL; http://127.0.0.1 and a free port
	Key Key    // unrestricted; Client and Options use it

	fail    func(error)
	handler http.Handler
	http    *httptest.Server
	keys    memory
	closing chan struct{}
	close   sync.Once

	mu       sync.Mutex
	faults   []injected
	requests []Request
}

// Key is an API key of the server.
type Key struct {
	ID        client.UUID
	ProjectID client.UUID
	Secret    string // for client.WithAPIKey
}

// NewServer starts a server that stops when the test ends. Its log goes to the output of the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s, err := Start(slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.fail = func(err error) { t.Helper(); t.Fatal(err) }
	t.Cleanup(s.Close)
	return s
}

// Start starts a server that runs until Close, for examples and local development. Invalid arguments of its methods
// panic. A nil logger logs nothing.
func Start(logger *slog.Logger) (*Server, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{closing: make(chan struct{}), fail: func(err error) { panic(err) }}
	handler, err := server.New(server.Options{Keys: &s.keys, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("start a Diga: %w", err)
	}
	s.handler = handler
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	s.Key = s.CreateKey(InProject(apitype.NewUUID()))
	return s, nil
}

// Close ends the delays of faults, waits for the requests in progress, and stops the server.
func (s *Server) Close() {
	s.close.Do(func() {
		close(s.closing)
		s.http.Close()
	})
}

// KeyOption changes a key, which is otherwise valid, unrestricted, and in the project of Server.Key.
type KeyOption struct{ apply func(*apikey.Key) }

// Restricted limits a key to the given permissions. Deleting keys needs api_keys.delete.
func Restricted(permissions ...string) KeyOption {
	return KeyOption{func(key *apikey.Key) { key.Restricted, key.Permissions = true, slices.Clone(permissions) }}
}

// ExpiresAt makes a key expire at the given time, which may be in the past.
func ExpiresAt(t time.Time) KeyOption {
	return KeyOption{func(key *apikey.Key) { key.ExpiresAt = t }}
}

// InProject puts a key into the given project, such as client.UUID{1}. A key cannot delete those of other projects.
func InProject(id client.UUID) KeyOption {
	return KeyOption{func(key *apikey.Key) { key.ProjectID = id }}
}

// CreateKey creates a key.
func (s *Server) CreateKey(options ...KeyOption) Key {
	key, secret := apikey.New(s.Key.ProjectID, s.Key.ID, "test key")
	for _, option := range options {
		option.apply(&key)
	}
	if err := s.keys.create(context.Background(), key, secret.Hash()); err != nil {
		s.fail(err) // random ids do not collide
	}
	return Key{ID: key.ID, ProjectID: key.ProjectID, Secret: secret.Reveal()}
}

// Exists reports whether a key was created and not deleted since. An expired key exists.
func (s *Server) Exists(id client.UUID) bool {
	return len(s.keys.list(func(k stored) bool { return k.key.ID == id && k.key.Deleted == nil })) == 1
}

// Client returns a client with Options and the given options.
func (s *Server) Client(options ...client.Option) *client.Client {
	c, err := client.New(append(s.Options(), options...)...)
	if err != nil {
		s.fail(err)
	}
	return c
}

// Options returns options for client.New: the server's URL, Server.Key, connections that end with the server, and waits
// of a few milliseconds, even if a Retry-After asks for more. Options after these override them.
func (s *Server) Options() []client.Option {
	return []client.Option{
		client.WithBaseURL(s.URL),
		client.WithAPIKey(s.Key.Secret),
		client.WithHTTPClient(s.http.Client()),
		client.WithRetries(client.RetryPolicy{BaseDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond}),
	}
}

// Fault is what happens to one request instead of the server's answer.
type Fault struct {
	name  string
	serve func(*Server, *http.Request) *httptest.ResponseRecorder
	lost  bool // the connection breaks instead of the response
}

// String returns the name of the function that made the fault.
func (f Fault) String() string { return f.name }

// Respond answers with the given status, header and body, and does nothing else. A nil header means application/json.
func Respond(status int, header http.Header, body string) Fault {
	return Fault{name: "Respond", serve: func(*Server, *http.Request) *httptest.ResponseRecorder {
		return reply(status, header, body)
	}}
}

// LoseResponse does what the request asks for, and then closes the connection without a response.
func LoseResponse() Fault {
	return Fault{name: "LoseResponse", serve: (*Server).answer, lost: true}
}

// Delay answers after d, unless the client gives up before.
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
	fault := Respond(http.StatusTooManyRequests, http.Header{"Content-Type": {"application/json"}, "Retry-After": {seconds}},
		`{"status":"error","error_code":"TOO_MANY_REQUESTS","message":"Too many requests"}`)
	fault.name = "TooManyRequests"
	return fault
}

// BadGateway answers 502 with the HTML page of a proxy that does not reach the server, and does nothing else.
func BadGateway() Fault {
	fault := Respond(http.StatusBadGateway, http.Header{"Content-Type": {"text/html"}},
		"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n")
	fault.name = "BadGateway"
	return fault
}

// StoreOutage makes the server's store fail, so that the server answers with the 500 of the contract.
func StoreOutage() Fault {
	return Fault{name: "StoreOutage", serve: func(s *Server, r *http.Request) *httptest.ResponseRecorder {
		return s.answer(r.WithContext(context.WithValue(r.Context(), outage{}, true)))
	}}
}

// BreakContract does what the request asks for and sends the status of the answer, but with a body that the contract does
// not allow.
func BreakContract(body string) Fault {
	return Fault{name: "BreakContract", serve: func(s *Server, r *http.Request) *httptest.ResponseRecorder {
		kept := s.answer(r)
		return reply(kept.Code, http.Header{"Content-Type": kept.Header()["Content-Type"], "X-Request-Id": kept.Header()["X-Request-Id"]}, body)
	}}
}

// injected is a fault that waits for its request.
type injected struct {
	Fault
	match func(*http.Request) bool
}

// Inject applies the faults to the next requests, one each, in this order.
func (s *Server) Inject(faults ...Fault) {
	s.inject(func(*http.Request) bool { return true }, faults)
}

// InjectFor is Inject for the requests of one operation, such as "DELETE /v1/api_key/{id}". Of the faults that match a
// request, the one that was injected first applies.
func (s *Server) InjectFor(operation string, faults ...Fault) {
	method, _, _ := strings.Cut(operation, " ")
	mux := http.NewServeMux()
	mux.Handle(operation, http.NotFoundHandler())
	s.inject(func(r *http.Request) bool {
		_, pattern := mux.Handler(r)
		return r.Method == method && pattern == operation
	}, faults)
}

func (s *Server) inject(match func(*http.Request) bool, faults []Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fault := range faults {
		s.faults = append(s.faults, injected{fault, match})
	}
}

// Request is a request to the server and its answer.
type Request struct {
	Method string
	Path   string
	Header http.Header // the key in Authorization is masked
	Fault  string      // the name of the fault that was applied, such as LoseResponse
	Status int         // of the answer, even if the response was lost; 0 if the client gave up before
}

// Requests returns the requests so far, in the order of their answers.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := slices.Clone(s.requests)
	for i := range requests {
		requests[i].Header = requests[i].Header.Clone()
	}
	return requests
}

// answer returns the answer of the server.
func (s *Server) answer(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// serve answers one request. It records the request before it sends the answer, so that a test finds the request of its
// call in Requests.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	fault := Fault{serve: (*Server).answer}
	s.mu.Lock()
	if i := slices.IndexFunc(s.faults, func(f injected) bool { return f.match(r) }); i >= 0 {
		fault = s.faults[i].Fault
		s.faults = slices.Delete(s.faults, i, i+1)
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

// mask returns a copy of header with the key masked.
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

func reply(status int, header http.Header, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	if header == nil {
		header = http.Header{"Content-Type": {"application/json"}}
	}
	for name, values := range header {
		w.Header()[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	return w
}
