package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
)

// answers is a transport that answers from a list, its last answer for ever, and keeps the bodies it was sent.
type answers struct {
	list   []func(*http.Request) (*http.Response, error)
	bodies []string
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		data, _ := io.ReadAll(r.Body)
		body = string(data)
	}
	a.bodies = append(a.bodies, body)
	return a.list[min(len(a.bodies), len(a.list))-1](r)
}

func reply(status int, mediaType, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		if mediaType != "" {
			w.Header().Set("Content-Type", mediaType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		resp := w.Result()
		resp.Request = r
		return resp, nil
	}
}

func testClient(t *testing.T, transport http.RoundTripper, options ...Option) *Client {
	t.Helper()
	c, err := New(append([]Option{
		WithAPIKey(testKey), WithBaseURL("https://a.example/base"), WithHTTPClient(&http.Client{Transport: transport}),
		WithRetries(RetryPolicy{BaseDelay: 1, MaxDelay: 1}),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// operation is a call of an operation with the given method, body and declared responses.
func operation(method string, body io.Reader, responses ...apitype.Response) apitype.Call {
	return apitype.Call{
		Operation: "Test", Method: method, Path: "/v1/{x}", Responses: responses,
		NewRequest: func(server string) (*http.Request, error) { return http.NewRequest(method, server+"v1/x", body) },
	}
}

const asJSON = "application/json"

func TestRetriesByMethod(t *testing.T) {
	done := apitype.Response{Status: "200", MediaType: asJSON}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"} {
		safe := method != "POST" && method != "PATCH"
		for status, retried := range map[int]bool{
			408: safe, 429: true, 500: safe, 502: safe, 503: true, 504: safe, 400: false, 409: false, 501: false,
		} {
			a := &answers{list: []func(*http.Request) (*http.Response, error){reply(status, "", ""), reply(200, asJSON, `{}`)}}
			result, err := testClient(t, a).call(t.Context(), operation(method, nil, done), nil)
			if (err == nil) != retried || err == nil && result.Attempts != 2 || result.Replayed {
				t.Errorf("%s, %d: got %+v, %v", method, status, result, err)
			}
		}
	}
}

// A POST is repeated after a connection error only if it was certainly not sent.
func TestConnectionErrorsByMethod(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", asJSON)
	}))
	defer server.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	done := apitype.Response{Status: "200", MediaType: asJSON}
	for _, test := range []struct {
		method, url string
		attempts    int
	}{{"PUT", server.URL, 2}, {"POST", server.URL, 1}, {"PATCH", server.URL, 1}, {"PUT", closed.URL, 4}, {"POST", closed.URL, 4}} {
		requests.Store(0)
		transport := &http.Transport{}
		c := testClient(t, transport, WithBaseURL(test.url))
		result, err := c.call(t.Context(), operation(test.method, strings.NewReader("body"), done), nil)
		attempts := result.Attempts
		if failure := (*Error)(nil); errors.As(err, &failure) {
			attempts = failure.Attempts
		}
		if attempts != test.attempts {
			t.Errorf("%s: %d attempts, %v", test.method, attempts, err)
		}
		transport.CloseIdleConnections()
	}
}

func TestBodies(t *testing.T) {
	list := []func(*http.Request) (*http.Response, error){reply(503, "", ""), reply(200, "", "")}
	done := apitype.Response{Status: "200"}
	a := &answers{list: list}
	if _, err := testClient(t, a).call(t.Context(), operation("POST", strings.NewReader("body"), done), nil); err != nil || fmt.Sprint(a.bodies) != "[body body]" {
		t.Errorf("sent %q, %v", a.bodies, err)
	}
	a = &answers{list: list}
	once := io.MultiReader(strings.NewReader("body"))
	if _, err := testClient(t, a).call(t.Context(), operation("PUT", once, done), nil); !errors.Is(err, ErrServer) || fmt.Sprint(a.bodies) != "[body]" {
		t.Errorf("a body that can be read once: sent %q, %v", a.bodies, err)
	}
}

// A Replayed success is for DELETE only: a GET of what is not there is not found.
func TestOnlyDeletesAreReplayed(t *testing.T) {
	type body struct {
		Code string `json:"error_code"`
	}
	gone := apitype.Response{Status: "404", MediaType: asJSON, Failure: apitype.DecodeFailure[body]}
	for method, want := range map[string]bool{"DELETE": true, "GET": false, "PUT": false} {
		a := &answers{list: []func(*http.Request) (*http.Response, error){reply(502, "", ""), reply(404, asJSON, `{"error_code":"GONE"}`)}}
		result, err := testClient(t, a).call(t.Context(), operation(method, nil, gone), nil)
		if result.Replayed != want || errors.Is(err, ErrNotFound) == want {
			t.Errorf("%s: got %+v, %v", method, result, err)
		}
	}
}

func TestJSON(t *testing.T) {
	for name, test := range map[string]struct {
		answer    func(*http.Request) (*http.Response, error)
		responses []apitype.Response // beside JSON for 200
		options   []CallOption
		want      int    // the value; 0 for none
		err       string // part of the error; "" for none
	}{
		"value":              {answer: reply(200, asJSON, `7`), want: 7},
		"null":               {answer: reply(200, asJSON, `null`)},
		"no JSON":            {answer: reply(200, asJSON, `{`), err: "decode the response: "},
		"other JSON":         {answer: reply(200, asJSON, `"7"`), err: "decode the response: "},
		"empty":              {answer: reply(200, asJSON, ``), err: "does not declare"},
		"empty, untyped":     {answer: reply(200, "", ``), err: "does not declare"},
		"other media type":   {answer: reply(200, "text/html", `7`), err: "does not declare"},
		"other status":       {answer: reply(201, asJSON, `7`), err: "does not declare"},
		"undeclared 204":     {answer: reply(204, "", ``), err: "does not declare"},
		"declared 204":       {answer: reply(204, "", ``), responses: []apitype.Response{{Status: "204"}}},
		"as large as can be": {answer: reply(200, asJSON, `7  `), options: []CallOption{WithMaxResponseSize(3)}, want: 7},
		"too large":          {answer: reply(200, asJSON, `7   `), options: []CallOption{WithMaxResponseSize(3)}, err: "longer than 3 bytes"},
		"error by default": {
			answer:    reply(201, asJSON, `7`),
			responses: []apitype.Response{{Status: "default", MediaType: asJSON, Failure: apitype.DecodeFailure[int]}}, err: "does not declare",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out *int
			a := &answers{list: []func(*http.Request) (*http.Response, error){test.answer}}
			op := operation("GET", nil, append([]apitype.Response{{Status: "200", MediaType: asJSON, JSON: &out}}, test.responses...)...)
			_, err := testClient(t, a).call(t.Context(), op, test.options)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) || len(a.bodies) != 1 {
				t.Errorf("got %v after %d requests, want %q in it", err, len(a.bodies), test.err)
			}
			if err == nil && (out != nil) != (test.want != 0) || err == nil && out != nil && *out != test.want {
				t.Errorf("got %v", out)
			}
		})
	}
}

// A document that declares nothing but a default response means successes by it, too.
func TestDefaultResponse(t *testing.T) {
	for status, want := range map[string]string{"default": "", "2XX": "", "4XX": "does not declare"} {
		var out *int
		a := &answers{list: []func(*http.Request) (*http.Response, error){reply(203, asJSON, `7`)}}
		_, err := testClient(t, a).call(t.Context(), operation("GET", nil, apitype.Response{Status: status, MediaType: asJSON, JSON: &out}), nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err == nil && (out == nil || *out != 7) {
			t.Errorf("%s: got %v, %v", status, out, err)
		}
	}
}

// cutBody ends early.
type cutBody struct{ io.Reader }

func (cutBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
func (cutBody) Close() error             { return nil }

// A success whose JSON is cut is repeated if the method allows it, and is an error otherwise.
func TestCutJSON(t *testing.T) {
	cut := func(r *http.Request) (*http.Response, error) {
		resp, _ := reply(200, asJSON, "")(r)
		resp.Body = cutBody{}
		return resp, nil
	}
	for method, want := range map[string]bool{"GET": true, "POST": false} {
		var out *int
		a := &answers{list: []func(*http.Request) (*http.Response, error){cut, reply(200, asJSON, `7`)}}
		_, err := testClient(t, a).call(t.Context(), operation(method, nil, apitype.Response{Status: "200", MediaType: asJSON, JSON: &out}), nil)
		if (err == nil) != want || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %v", method, err)
		}
	}
}

// slow is a body that takes an hour for each byte, and ends with its context.
type slow struct {
	ctx   context.Context
	bytes int
}

func (s *slow) Read(p []byte) (int, error) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	select {
	case <-s.ctx.Done():
		return 0, context.Cause(s.ctx)
	case <-timer.C:
	}
	if s.bytes--; s.bytes < 0 {
		return 0, io.EOF
	}
	return copy(p, "x"), nil
}
func (s *slow) Close() error { return nil }

// The limits of time are for the answer; a stream goes on until its end, its Close, or the end of the context.
func TestStreamsHaveNoTimeLimit(t *testing.T) {
	stream := func(t *testing.T, ctx context.Context, bytes int) io.ReadCloser {
		var seen context.Context
		var out io.ReadCloser
		c := testClient(t, &answers{list: []func(*http.Request) (*http.Response, error){func(r *http.Request) (*http.Response, error) {
			seen = r.Context()
			resp, _ := reply(200, "text/event-stream", "")(r)
			resp.Body = &slow{seen, bytes}
			return resp, nil
		}}})
		if _, err := c.call(ctx, operation("GET", nil, apitype.Response{Status: "200", MediaType: "text/event-stream", Stream: &out}), nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			out.Close()
			if seen.Err() == nil {
				t.Error("Close does not end the request")
			}
		})
		return out
	}
	synctest.Test(t, func(t *testing.T) {
		if data, err := io.ReadAll(stream(t, t.Context(), 5)); string(data) != "xxxxx" || err != nil {
			t.Errorf("read %q, %v", data, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
		defer cancel()
		if data, err := io.ReadAll(stream(t, ctx, 5)); string(data) != "x" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("read %q, %v", data, err)
		}
	})
}

// Neither goroutines nor connections are left by any kind of answer, a stream that is closed early included.
func TestNoKindOfAnswerLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("X-Want"))
		_, _ = w.Write(bytes.Repeat([]byte(" "), 200_000))
		w.(http.Flusher).Flush()
		if r.Header.Get("X-Want") == "text/event-stream" {
			<-r.Context().Done()
		}
	}))
	transport := &http.Transport{}
	c := testClient(t, transport, WithBaseURL(server.URL), WithRetries(RetryPolicy{MaxAttempts: 1}), WithMaxResponseSize(100_000))
	for _, want := range []string{"text/event-stream", "audio/wav", asJSON, "text/html"} {
		for range 3 {
			var value *int
			var out io.ReadCloser
			op := operation("GET", nil, apitype.Response{Status: "200", MediaType: asJSON, JSON: &value},
				apitype.Response{Status: "200", MediaType: "text/event-stream", Stream: &out}, apitype.Response{Status: "200", MediaType: "audio/*", Stream: &out})
			_, err := c.call(t.Context(), op, []CallOption{WithHeader("X-Want", want)})
			if (err == nil) != (out != nil) || (out != nil) != (want == "text/event-stream" || want == "audio/wav") {
				t.Errorf("%s: got %v, %v", want, out, err)
			}
			if out != nil {
				if n, err := io.ReadFull(out, make([]byte, 10)); n != 10 || err != nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
				out.Close()
			}
		}
	}
	transport.CloseIdleConnections()
	server.Close() // waits for every request to end
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestDeclaredErrorBody(t *testing.T) {
	type problem struct {
		Title string  `json:"title"`
		Type  *string `json:"type,omitempty"`
	}
	declared := apitype.Response{Status: "409", MediaType: "application/problem+json", Failure: apitype.DecodeFailure[problem]}
	for body, want := range map[string]bool{`{"title":"taken"}`: true, `{"title":7}`: false, `{"type":"x"}`: false, `{`: false, ``: false} {
		a := &answers{list: []func(*http.Request) (*http.Response, error){reply(409, "application/problem+json", body)}}
		_, err := testClient(t, a).call(t.Context(), operation("POST", nil, declared), nil)
		var got *ErrorBody[problem]
		if errors.As(err, &got) != want || want && got.Body.Title != "taken" || errors.Is(err, errUndeclared) == want {
			t.Errorf("%s: got %v, %v", body, got, err)
		}
		var other *ErrorBody[int]
		if errors.As(err, &other) {
			t.Errorf("%s: is of another type", body)
		}
	}
}

// Where the contract declares no body, an error without one is declared.
func TestErrorWithoutBody(t *testing.T) {
	for _, op := range []apitype.Call{
		operation("POST", nil, apitype.Response{Status: "409"}),
		operation("HEAD", nil, apitype.Response{Status: "4XX", MediaType: asJSON, Failure: apitype.DecodeFailure[int]}),
	} {
		a := &answers{list: []func(*http.Request) (*http.Response, error){reply(409, "", "")}}
		if _, err := testClient(t, a).call(t.Context(), op, nil); err == nil || errors.Is(err, errUndeclared) {
			t.Errorf("%s: got %v", op.Method, err)
		}
	}
}

// A parameter that is empty or consists of dots would lead to the path of another operation.
func TestPathParameters(t *testing.T) {
	a := &answers{list: []func(*http.Request) (*http.Response, error){reply(200, "", "")}}
	c := testClient(t, a)
	for path, good := range map[string]bool{"v1/x": true, "v1/a%2Fb": true, "v1/": false, "": false, "v1": false, "v1/x/y": false} {
		op := operation("GET", nil, apitype.Response{Status: "200"})
		op.NewRequest = func(server string) (*http.Request, error) { return http.NewRequest("GET", server+path, nil) }
		if _, err := c.call(t.Context(), op, nil); (err == nil) != good || errors.Is(err, ErrInvalid) == good {
			t.Errorf("%q: got %v", path, err)
		}
	}
	op := operation("GET", nil)
	op.NewRequest = func(string) (*http.Request, error) { return nil, errors.New("cannot be written as a parameter") }
	if _, err := c.call(t.Context(), op, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestAccept(t *testing.T) {
	failure := apitype.DecodeFailure[int]
	got := accept([]apitype.Response{
		{Status: "404", MediaType: asJSON, Failure: failure}, {Status: "200", MediaType: "audio/wav"}, {Status: "206", MediaType: "audio/wav"}, {Status: "204"},
	})
	if got != "audio/wav, application/json" || accept(nil) != "*/*" {
		t.Errorf("got %s, %s", got, accept(nil))
	}
}
