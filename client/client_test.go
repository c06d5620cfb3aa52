package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diga-io/diga-api/client"
)

// The contract's own bodies.
const (
	body403 = `{"status":"error","error_code":"INTERNAL_SERVER_ERROR","message":"Missing required permissions"}`
	body404 = `{"status":"error","error_code":"API_KEY_NOT_FOUND","message":"Error from ApiKeyNotFoundException"}`
	body422 = `{"detail":[{"loc":["path","id",0],"msg":"Input should be a valid UUID","type":"uuid_parsing"}]}`
	body500 = `{"status":"error","error_code":"INTERNAL_SERVER_ERROR","message":"Error: Internal Server Error"}`
	bodyBad = `{"status":"error","error_code":"UNAUTHORIZED","message":"Invalid or missing API key"}`
)

const (
	key  = "diga_0123456789abcdef0123456789abcdefcafe"
	text = "550e8400-e29b-41d4-a716-446655440000"
	path = "/v1/api_key/" + text
)

var id = func() client.UUID {
	id, err := client.ParseUUID(text)
	if err != nil {
		panic(err)
	}
	return id
}()

// recorder is a server that answers from a list, its last answer for ever, and keeps the requests.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func record(t *testing.T, answers ...http.HandlerFunc) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(r.handler(answers))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) handler(answers []http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		r.requests = append(r.requests, request)
		n := len(r.requests)
		r.mu.Unlock()
		answers[min(n, len(answers))-1](w, request)
	}
}

func (r *recorder) got() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*http.Request(nil), r.requests...)
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// cut takes the request and closes the connection without an answer.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// quick are retries that do not make a test wait.
var quick = client.WithRetries(client.RetryPolicy{BaseDelay: time.Nanosecond, MaxDelay: time.Nanosecond})

func newClient(t *testing.T, baseURL string, options ...client.Option) *client.Client {
	t.Helper()
	base := []client.Option{client.WithAPIKey(key), client.WithBaseURL(baseURL), quick}
	c, err := client.New(append(base, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// outcome is the comparable part of a client.Result.
type outcome struct {
	replayed  bool
	attempts  int
	requestID string
}

func plain(r client.Result) outcome { return outcome{r.Replayed, r.Attempts, r.RequestID} }

func asError(t *testing.T, err error) *client.Error {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %T %v, want an *Error", err, err)
	}
	if strings.Contains(err.Error(), key) {
		t.Fatalf("the error shows the key: %v", err)
	}
	return e
}

func TestRequest(t *testing.T) {
	server := record(t, answer(200, `{}`, "X-Request-Id", "req-1"))
	result, err := newClient(t, server.URL).DeleteAPIKey(t.Context(), id)
	if err != nil || plain(result) != (outcome{attempts: 1, requestID: "req-1"}) {
		t.Fatalf("got %+v, %v", result, err)
	}
	requests := server.got()
	if len(requests) != 1 {
		t.Fatalf("%d requests", len(requests))
	}
	r := requests[0]
	if r.Method != http.MethodDelete || r.RequestURI != path || r.Host != strings.TrimPrefix(server.URL, "http://") || r.ContentLength != 0 {
		t.Errorf("got %s %s %s, length %d", r.Method, r.Host, r.RequestURI, r.ContentLength)
	}
	want := http.Header{
		"Authorization":   {"Bearer " + key},
		"Accept":          {"application/json"},
		"Accept-Encoding": {"gzip"},
		"User-Agent":      {"diga-api-go"},
	}
	if !reflect.DeepEqual(r.Header, want) {
		t.Errorf("got headers %v", r.Header)
	}
}

// A success of a declared media type, or without a body, is one with any body.
func TestOddSuccess(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"empty":      answer(200, ``),
		"null":       answer(200, `null`),
		"not JSON":   answer(200, `<html>`),
		"truncated":  truncated(200, `{}`),
		"huge":       answer(200, strings.Repeat("x", 1<<20)),
		"error body": answer(200, body404),
		"wrong gzip": answer(200, `{}`, "Content-Encoding", "gzip"),
		"204":        answer(204, ``),
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, handler)
			result, err := newClient(t, server.URL).DeleteAPIKey(t.Context(), id)
			if err != nil || plain(result) != (outcome{attempts: 1}) {
				t.Fatalf("got %+v, %v", result, err)
			}
		})
	}
}

// truncated promises more than it sends.
func truncated(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(status)
		io.WriteString(w, body)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

var sentinels = []error{client.ErrNotFound, client.ErrForbidden, client.ErrUnauthorized, client.ErrInvalid, client.ErrServer, client.ErrTooManyRequests}

func TestErrors(t *testing.T) {
	const html = "<html>\r\n<h1>Bad Gateway</h1></html>"
	const undeclared = "the contract does not declare this response: check the base URL, and what is between client and server"
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		is      error // nil: none of the sentinels
		want    client.Error
		text    string
	}{
		"403": {
			answer(403, body403, "WWW-Authenticate", `Bearer error="insufficient_scope"`, "X-Request-Id", "req-2"), client.ErrForbidden,
			client.Error{StatusCode: 403, Code: "INTERNAL_SERVER_ERROR", Message: "Missing required permissions", RequestID: "req-2", Body: []byte(body403)},
			"DeleteAPIKey: 403 Forbidden: INTERNAL_SERVER_ERROR: Missing required permissions (request req-2)",
		},
		"403 without a header": {
			answer(403, body403), client.ErrForbidden,
			client.Error{StatusCode: 403, Code: "INTERNAL_SERVER_ERROR", Message: "Missing required permissions", Body: []byte(body403)},
			"DeleteAPIKey: 403 Forbidden: INTERNAL_SERVER_ERROR: Missing required permissions",
		},
		"403 of a bad key": {
			answer(403, bodyBad, "WWW-Authenticate", `Bearer error="invalid_token"`), client.ErrUnauthorized,
			client.Error{StatusCode: 403, Code: "UNAUTHORIZED", Message: "Invalid or missing API key", Body: []byte(bodyBad)},
			"DeleteAPIKey: 403 Forbidden: UNAUTHORIZED: Invalid or missing API key",
		},
		"403 of a bad key, known by the code": {
			answer(403, bodyBad, "WWW-Authenticate", `Bearer`), client.ErrUnauthorized,
			client.Error{StatusCode: 403, Code: "UNAUTHORIZED", Message: "Invalid or missing API key", Body: []byte(bodyBad)},
			"DeleteAPIKey: 403 Forbidden: UNAUTHORIZED: Invalid or missing API key",
		},
		"403 of a bad key, known by the header": {
			answer(403, ``, "WWW-Authenticate", `Bearer realm="diga", error="invalid_token"`), client.ErrUnauthorized,
			client.Error{StatusCode: 403},
			"DeleteAPIKey: 403 Forbidden",
		},
		"401": {
			answer(401, `who are you?`), client.ErrUnauthorized,
			client.Error{StatusCode: 401, Body: []byte(`who are you?`)},
			"DeleteAPIKey: 401 Unauthorized",
		},
		"404": {
			answer(404, body404), client.ErrNotFound,
			client.Error{StatusCode: 404, Code: "API_KEY_NOT_FOUND", Message: "Error from ApiKeyNotFoundException", Body: []byte(body404)},
			"DeleteAPIKey: 404 Not Found: API_KEY_NOT_FOUND: Error from ApiKeyNotFoundException",
		},
		"422": {
			answer(422, body422), client.ErrInvalid,
			client.Error{
				StatusCode: 422, Message: "path.id.0: Input should be a valid UUID", Body: []byte(body422),
				Details: []client.FieldDetail{{Loc: []string{"path", "id", "0"}, Msg: "Input should be a valid UUID", Type: "uuid_parsing"}},
			},
			"DeleteAPIKey: 422 Unprocessable Entity: path.id.0: Input should be a valid UUID",
		},
		"422 with odd details": {
			answer(422, `{"detail":[null,{"loc":[1e99,{},null]},7]}`), client.ErrInvalid,
			client.Error{
				StatusCode: 422, Message: ": ", Body: []byte(`{"detail":[null,{"loc":[1e99,{},null]},7]}`),
				Details: []client.FieldDetail{{}, {Loc: []string{"1e99", "{}", ""}}, {}},
			},
			"DeleteAPIKey: 422 Unprocessable Entity: : ",
		},
		"400": {
			answer(400, ``), client.ErrInvalid, client.Error{StatusCode: 400}, "DeleteAPIKey: 400 Bad Request",
		},
		"500": {
			answer(500, body500), client.ErrServer,
			client.Error{StatusCode: 500, Code: "INTERNAL_SERVER_ERROR", Message: "Error: Internal Server Error", Attempts: 4, Body: []byte(body500)},
			"DeleteAPIKey: 500 Internal Server Error: INTERNAL_SERVER_ERROR: Error: Internal Server Error (4 attempts)",
		},
		"502 of a proxy": {
			answer(502, html, "Content-Type", "text/html", "X-Request-Id", "r"), client.ErrServer,
			client.Error{StatusCode: 502, RequestID: "r", Attempts: 4, Body: []byte(html)},
			"DeleteAPIKey: 502 Bad Gateway (request r, 4 attempts)",
		},
		"501, which is not repeated": {
			answer(501, ``), client.ErrServer, client.Error{StatusCode: 501}, "DeleteAPIKey: 501 Not Implemented",
		},
		"undeclared": {
			answer(418, `null`), nil, client.Error{StatusCode: 418, Body: []byte(`null`)}, "DeleteAPIKey: 418 I'm a teapot: " + undeclared,
		},
		"unknown": {
			answer(799, ``), nil, client.Error{StatusCode: 799}, "DeleteAPIKey: 799: " + undeclared,
		},
		"accepted, not done": {
			answer(202, `{}`), nil, client.Error{StatusCode: 202, Body: []byte(`{}`)}, "DeleteAPIKey: 202 Accepted: " + undeclared,
		},
		"truncated": {
			truncated(404, body404[:20]), nil,
			client.Error{StatusCode: 404, Body: []byte(body404[:20])}, "DeleteAPIKey: 404 Not Found: read the response: unexpected EOF",
		},
		"empty": {
			answer(404, ``), nil, client.Error{StatusCode: 404}, "DeleteAPIKey: 404 Not Found: " + undeclared,
		},
		"fields of the wrong type": {
			answer(404, `{"error_code":7,"message":"gone","detail":"x"}`), nil,
			client.Error{StatusCode: 404, Message: "gone", Body: []byte(`{"error_code":7,"message":"gone","detail":"x"}`)},
			"DeleteAPIKey: 404 Not Found: gone: " + undeclared,
		},
		"a text that would forge lines of a log": {
			answer(404, `{"message":"a\nlevel=ERROR\u001b[31m"}`), nil,
			client.Error{StatusCode: 404, Message: "a level=ERROR [31m", Body: []byte(`{"message":"a\nlevel=ERROR\u001b[31m"}`)},
			"DeleteAPIKey: 404 Not Found: a level=ERROR [31m: " + undeclared,
		},
		"a request id that is none": {
			answer(404, ``, "X-Request-Id", strings.Repeat("x", 129)), nil, client.Error{StatusCode: 404}, "DeleteAPIKey: 404 Not Found: " + undeclared,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, test.handler)
			result, err := newClient(t, server.URL).DeleteAPIKey(t.Context(), id)
			if plain(result) != (outcome{}) {
				t.Errorf("got result %+v", result)
			}
			e := asError(t, err)
			if test.want.Attempts == 0 {
				test.want.Attempts = 1
			}
			if n := len(server.got()); n != test.want.Attempts {
				t.Errorf("%d requests, want %d", n, test.want.Attempts)
			}
			if e.StatusCode != test.want.StatusCode || e.Code != test.want.Code || e.Message != test.want.Message ||
				e.RequestID != test.want.RequestID || e.Attempts != test.want.Attempts || (e.Err != nil) != (test.is == nil) || e.Operation != "DeleteAPIKey" ||
				!bytes.Equal(e.Body, test.want.Body) || !reflect.DeepEqual(e.Details, test.want.Details) {
				t.Errorf("got  %#v\nwant %#v", e, &test.want)
			}
			if err.Error() != test.text {
				t.Errorf("got  %q\nwant %q", err, test.text)
			}
			for _, sentinel := range sentinels {
				if errors.Is(err, sentinel) != errors.Is(test.is, sentinel) {
					t.Errorf("errors.Is(%v) = %v", sentinel, errors.Is(err, sentinel))
				}
			}
		})
	}
}

func TestErrorBodyLimit(t *testing.T) {
	server := record(t, answer(404, strings.Repeat("x", 1<<20)))
	_, err := newClient(t, server.URL).DeleteAPIKey(t.Context(), id)
	if n := len(asError(t, err).Body); n != 64<<10 {
		t.Errorf("a body of %d bytes", n)
	}
	server = record(t, answer(404, `{"message":"`+strings.Repeat("é", 10000)+`"}`))
	_, err = newClient(t, server.URL).DeleteAPIKey(t.Context(), id)
	if n := len([]rune(asError(t, err).Message)); n != 1000 {
		t.Errorf("a message of %d characters", n)
	}
}

func TestString(t *testing.T) {
	server := record(t, answer(200, `{}`))
	c := newClient(t, server.URL)
	if _, err := c.DeleteAPIKeyString(t.Context(), strings.ToUpper(text)); err != nil {
		t.Fatal(err)
	}
	if got := server.got()[0].RequestURI; got != path {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{
		"", "nope", "{" + text + "}", "urn:uuid:" + text, strings.ReplaceAll(text, "-", ""), text + " ", "../" + text, text + "/x",
	} {
		_, err := c.DeleteAPIKeyString(t.Context(), bad)
		e := asError(t, err)
		if !errors.Is(err, client.ErrInvalid) || e.Attempts != 0 || e.StatusCode != 0 {
			t.Errorf("%q: got %#v", bad, e)
		}
		if len(bad) > 1 && strings.Contains(err.Error(), bad) {
			t.Errorf("%q is echoed: %v", bad, err)
		}
	}
	if n := len(server.got()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestSettings(t *testing.T) {
	for name, test := range map[string]struct {
		options []client.Option
		env     map[string]string
		want    string // part of the error; "" for none
	}{
		"environment":           {env: map[string]string{"DIGA_API_KEY": key, "DIGA_BASE_URL": "https://a.example"}},
		"default server":        {env: map[string]string{"DIGA_API_KEY": key}},
		"no key":                {want: "no API key"},
		"empty key":             {[]client.Option{client.WithAPIKey("")}, map[string]string{"DIGA_API_KEY": key}, "API key is empty"},
		"key with space":        {[]client.Option{client.WithAPIKey("Bearer " + key)}, nil, "character"},
		"key with a line":       {env: map[string]string{"DIGA_API_KEY": key + "\r\n"}, want: "character"},
		"key not ASCII":         {[]client.Option{client.WithAPIKey("diga_schlüssel")}, nil, "character"},
		"empty URL":             {[]client.Option{client.WithAPIKey(key), client.WithBaseURL("")}, nil, "https://"},
		"no scheme":             {base("api.diga.io"), nil, "https://"},
		"no scheme, a port":     {base("127.0.0.1:8080"), nil, "https://"},
		"other scheme":          {base("ftp://api.diga.io"), nil, "https://"},
		"no host":               {base("https:///v1"), nil, "no host"},
		"opaque":                {base("https:api://diga.io"), nil, "no host"},
		"only a port":           {base("https://:8080"), nil, "no host"},
		"password":              {base("https://user:hush@api.diga.io"), nil, "user or password"},
		"unreadable":            {base("https://user:hush@api.diga.io:port\x7f"), nil, "cannot be parsed"},
		"query":                 {base("https://api.diga.io?a=b"), nil, "query"},
		"empty query":           {base("https://api.diga.io?"), nil, "query"},
		"fragment":              {base("https://api.diga.io#x"), nil, "fragment"},
		"empty fragment":        {base("https://api.diga.io#"), nil, "fragment"},
		"port":                  {base("https://api.diga.io:65536"), nil, "port"},
		"path":                  {base("https://api.diga.io:443/prefix/"), nil, ""},
		"plain http":            {base("http://api.diga.io"), nil, "plain http"},
		"looks local":           {base("http://localhost.example.com"), nil, "plain http"},
		"looks local too":       {base("http://127.0.0.1.example.com"), nil, "plain http"},
		"private, not loopback": {base("http://10.0.0.1"), nil, "plain http"},
		"plain, allowed":        {append(base("http://api.diga.io"), client.WithInsecureHTTP()), nil, ""},
		"localhost":             {base("http://LocalHost:8080"), nil, ""},
		"IPv4 loopback":         {base("http://127.1.2.3:8080"), nil, ""},
		"IPv6 loopback":         {base("http://[::1]:8080"), nil, ""},
		"nil option":            {append(base("https://a.example"), nil), nil, "option is nil"},
		"nil call option":       {append(base("https://a.example"), client.CallOption(nil)), nil, "option is nil"},
		"nil middleware":        {append(base("https://a.example"), client.WithMiddleware(nil)), nil, "middleware is nil"},
		"negative limit":        {append(base("https://a.example"), client.WithAttemptTimeout(-1)), nil, "negative"},
		"retries":               {append(base("https://a.example"), client.WithRetries(client.RetryPolicy{MaxAttempts: -1})), nil, "retry policy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DIGA_API_KEY", test.env["DIGA_API_KEY"])
			t.Setenv("DIGA_BASE_URL", test.env["DIGA_BASE_URL"])
			c, err := client.New(test.options...)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q in it", err, test.want)
			}
			for _, hidden := range []string{key, "schlüssel", "hush"} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the error shows %q: %v", hidden, err)
				}
			}
		})
	}
}

func base(url string) []client.Option {
	return []client.Option{client.WithAPIKey(key), client.WithBaseURL(url)}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Setenv("DIGA_API_KEY", "")
	_, err := client.New(nil, client.WithBaseURL("ftp://x"), client.WithRetries(client.RetryPolicy{Budget: -1}))
	for _, want := range []string{"no API key", "https://", "option is nil", "retry policy"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(r *http.Request, status int, body string, header ...string) *http.Response {
	w := httptest.NewRecorder()
	answer(status, body, header...)(w, r)
	resp := w.Result()
	resp.Request = r
	return resp
}

func TestDefaultServerIsTheContracts(t *testing.T) {
	t.Setenv("DIGA_BASE_URL", "")
	var target string
	c, err := client.New(client.WithAPIKey(key), client.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		target = r.URL.String()
		return response(r, 200, `{}`), nil
	})}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteAPIKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if target != "https://api.diga.io"+path {
		t.Errorf("called %s", target)
	}
}

func TestBaseURLPath(t *testing.T) {
	for base, want := range map[string]string{"": path, "/": path, "/a/b": "/a/b" + path, "/a/b/": "/a/b" + path, "/a%2Fb": "/a%2Fb" + path} {
		server := record(t, answer(200, `{}`))
		if _, err := newClient(t, server.URL+base).DeleteAPIKey(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got := server.got()[0].RequestURI; got != want {
			t.Errorf("%q: got %s, want %s", base, got, want)
		}
	}
}

func TestUserAgent(t *testing.T) {
	server := record(t, answer(200, `{}`))
	if _, err := newClient(t, server.URL, client.WithUserAgent("billing/1.2")).DeleteAPIKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := server.got()[0].UserAgent(); got != "billing/1.2" {
		t.Errorf("got %q", got)
	}
}

// The user's http client is used, not changed.
func TestHTTPClient(t *testing.T) {
	server := record(t, answer(200, `{}`))
	var used int
	jar, _ := cookiejar.New(nil)
	target, _ := url.Parse(server.URL)
	jar.SetCookies(target, []*http.Cookie{{Name: "sticky", Value: "1"}})
	mine := &http.Client{Jar: jar, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		used++
		return http.DefaultTransport.RoundTrip(r)
	})}
	if _, err := newClient(t, server.URL, client.WithHTTPClient(mine)).DeleteAPIKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if used != 1 || mine.CheckRedirect != nil || server.got()[0].Header.Get("Cookie") != "sticky=1" {
		t.Errorf("used %d times, cookie %q", used, server.got()[0].Header.Get("Cookie"))
	}
}

func TestMiddleware(t *testing.T) {
	server := record(t, answer(503, ``), cut, answer(200, `{}`))
	var kept []*http.Request
	var seen []string
	c := newClient(t, server.URL,
		client.WithMiddleware(func(r *http.Request, next client.Next) (*http.Response, error) {
			kept = append(kept, r)
			r.Header.Set("Traceparent", fmt.Sprint(len(kept)))
			r.Header.Set("Authorization", "Bearer of the middleware")
			attempt, ok := client.AttemptFromContext(r.Context())
			resp, err := next(r)
			status := 0
			if err == nil {
				status = resp.StatusCode
			}
			seen = append(seen, fmt.Sprint(attempt, ok, status))
			return resp, err
		}, func(r *http.Request, next client.Next) (*http.Response, error) {
			if r.Header.Get("Traceparent") == "" {
				t.Error("the second middleware was called before the first one")
			}
			return next(r)
		}))
	result, err := c.DeleteAPIKey(t.Context(), id)
	if err != nil || result.Attempts != 3 {
		t.Fatalf("got %+v, %v", result, err)
	}
	for i, r := range server.got() {
		if r.Header.Get("Traceparent") != fmt.Sprint(i+1) || r.Header.Get("Authorization") != "Bearer "+key {
			t.Errorf("attempt %d: got headers %v", i+1, r.Header)
		}
	}
	for _, r := range kept {
		if strings.Contains(fmt.Sprint(r.Header), key) {
			t.Error("a middleware can read the key")
		}
	}
	want := []string{
		"{DeleteAPIKey /v1/api_key/{id} 1} true 503", "{DeleteAPIKey /v1/api_key/{id} 2} true 0", "{DeleteAPIKey /v1/api_key/{id} 3} true 200",
	}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("the middleware saw %q", seen)
	}
}

// A middleware may answer by itself, fail, or return nothing at all.
func TestMiddlewareWithoutServer(t *testing.T) {
	refusal := errors.New("no")
	for name, test := range map[string]struct {
		middleware client.Middleware
		check      func(error) bool
	}{
		"answer": {func(r *http.Request, _ client.Next) (*http.Response, error) { return response(r, 200, `{}`), nil },
			func(err error) bool { return err == nil }},
		"answer without a body": {func(r *http.Request, _ client.Next) (*http.Response, error) {
			return &http.Response{StatusCode: 200}, nil
		}, func(err error) bool { return err == nil }},
		"error":   {func(*http.Request, client.Next) (*http.Response, error) { return nil, refusal }, func(err error) bool { return errors.Is(err, refusal) }},
		"nothing": {func(*http.Request, client.Next) (*http.Response, error) { return nil, nil }, func(err error) bool { return err != nil }},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, answer(500, ``))
			_, err := newClient(t, server.URL, client.WithMiddleware(test.middleware)).DeleteAPIKey(t.Context(), id)
			if !test.check(err) || len(server.got()) != 0 {
				t.Errorf("got %v, %d requests", err, len(server.got()))
			}
			if err != nil && asError(t, err).Attempts != 1 {
				t.Errorf("an error of a middleware was retried: %v", err)
			}
		})
	}
}

func TestMiddlewareThatSendsElsewhere(t *testing.T) {
	elsewhere := record(t, answer(200, `{}`))
	server := record(t, answer(200, `{}`))
	target, _ := url.Parse(elsewhere.URL + path)
	for name, change := range map[string]func(*http.Request){
		"URL":         func(r *http.Request) { r.URL = target },
		"URL's field": func(r *http.Request) { r.URL.Host = target.Host },
		"no URL":      func(r *http.Request) { r.URL = nil },
		"path":        func(r *http.Request) { r.URL.Path = "/" },
		"method":      func(r *http.Request) { r.Method = "GET" },
		"host":        func(r *http.Request) { r.Host = "elsewhere" },
	} {
		_, err := newClient(t, server.URL, client.WithMiddleware(func(r *http.Request, next client.Next) (*http.Response, error) {
			change(r)
			return next(r)
		})).DeleteAPIKey(t.Context(), id)
		if e := asError(t, err); e.Attempts != 1 || !strings.Contains(err.Error(), "a middleware changed") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n := len(elsewhere.got()) + len(server.got()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// What is logged is an allow-list; this test is its second copy.
func TestLog(t *testing.T) {
	server := record(t,
		answer(503, `{"message":"a body"}`, "X-Request-Id", "a", "X-Secret", "a header"), cut, answer(404, `{"message":"a body"}`, "X-Request-Id", "b"))
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	_, err := newClient(t, server.URL, client.WithLogger(logger)).DeleteAPIKey(t.Context(), id)
	if asError(t, err).StatusCode != http.StatusNotFound {
		t.Fatal(err)
	}
	for _, hidden := range []string{key, "a body", "a header", "Authorization", "Bearer"} {
		if strings.Contains(out.String(), hidden) {
			t.Errorf("the log has %q:\n%s", hidden, &out)
		}
	}
	var got []string
	decoder := json.NewDecoder(&out)
	for decoder.More() {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line["level"] != "DEBUG" || line["operation"] != "DeleteAPIKey" || line["method"] != "DELETE" ||
			line["host"] != strings.TrimPrefix(server.URL, "http://") || line["path"] != "/v1/api_key/{id}" {
			t.Errorf("got %v", line)
		}
		for _, name := range []string{"time", "level", "operation", "method", "host", "path", "duration"} {
			delete(line, name)
		}
		if _, ok := line["wait"]; ok {
			line["wait"] = 0
		}
		got = append(got, fmt.Sprint(line))
	}
	want := []string{
		"map[attempt:1 msg:diga: attempt request_id:a status:503]",
		"map[attempt:1 msg:diga: wait wait:0]",
		"map[attempt:2 error_kind:connection msg:diga: attempt]",
		"map[attempt:2 msg:diga: wait wait:0]",
		"map[attempt:3 msg:diga: attempt request_id:b status:404]",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestContext(t *testing.T) {
	server := record(t, answer(200, `{}`))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newClient(t, server.URL).DeleteAPIKey(ctx, id)
	if e := asError(t, err); !errors.Is(err, context.Canceled) || e.Attempts != 0 || len(server.got()) != 0 {
		t.Errorf("got %#v, %d requests", e, len(server.got()))
	}
	if want := "DeleteAPIKey: nothing was sent: context canceled"; err.Error() != want {
		t.Errorf("got %q", err)
	}
}

// The caller's cancellation ends an attempt, and there is no other.
func TestCancelDuringAttempt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := record(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := newClient(t, server.URL).DeleteAPIKey(ctx, id)
	if e := asError(t, err); !errors.Is(err, context.Canceled) || e.Attempts != 1 || len(server.got()) != 1 {
		t.Errorf("got %v, %d requests", err, len(server.got()))
	}
}
