package contract_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/contract"
)

// responses is a document with GET / that declares the responses of these tests.
func responses(version string) string {
	return document(version, `{"/":{"get":{"operationId":"get","responses":{
		"200":{"description":"","content":{
			"application/json":{"schema":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"size":{"type":"integer"}}}},
			"application/vnd.x+json":{"schema":{"type":"array","items":{}}},
			"text/event-stream":{"schema":{"type":"string","maxLength":1}},
			"image/*":{}}},
		"201":{"description":"","headers":{
			"Location":{"required":true,"schema":{"type":"string","pattern":"^/"}},
			"X-Left":{"schema":{"type":"integer","minimum":0,"default":2}},
			"X-Name":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Name"}}}}},
			"content":{"application/json":{"schema":{}}}},
		"202":{"$ref":"#/components/responses/Accepted"},
		"204":{"description":""},
		"206":{"description":"","content":{"*/*":{"schema":{"type":"object"}}}},
		"304":{"description":""},
		`+errorAnswers+`}},
		"head":{"operationId":"head","responses":{"200":{"description":"","headers":{"X-Left":{"required":true,"schema":{"type":"integer"}}},
			"content":{"application/json":{"schema":{"type":"object"}}}},`+errorAnswers+`}}}}`,
		`"components":{"responses":{"Accepted":{"description":"","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Name"}}}}},
		"schemas":{"Name":{"type":"string","minLength":3}}}`)
}

func blob(status int, contentType, body string, header ...string) echo.HandlerFunc {
	return func(c echo.Context) error {
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			c.Response().Header().Add(name, value)
		}
		return c.Blob(status, contentType, []byte(body))
	}
}

func TestResponse(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler echo.HandlerFunc
		want    []string // violations; none: the response arrives as it was written
		status  int
		body    string
	}{
		{"right", blob(200, "application/json", `{"name":"a","size":1}`), nil, 200, `{"name":"a","size":1}`},
		{"parameters of the media type", blob(200, "Application/JSON; charset=UTF-8", `{"name":"a"}`), nil, 200, `{"name":"a"}`},
		{"suffix", blob(200, "application/vnd.x+json", `[]`), nil, 200, `[]`},
		{"suffix, wrong", blob(200, "application/vnd.x+json", `{}`), []string{"body type"}, 500, ""},
		{"no schema", blob(200, "image/png", "\x89PNG"), nil, 200, "\x89PNG"},
		{"any media type", blob(206, "text/plain", "x"), nil, 206, "x"},
		{"any media type, JSON", blob(206, "application/json", "[]"), []string{"body type"}, 500, ""},
		{"anything", blob(201, "application/json", "null", "Location: /1"), nil, 201, "null"},
		{"reference", blob(202, "application/json", `"abc"`), nil, 202, `"abc"`},
		{"reference, wrong", blob(202, "application/json", `"ab"`), []string{"body minLength"}, 500, ""},
		{"no content", noContent, nil, 204, ""},
		{"not modified", func(c echo.Context) error { return c.NoContent(304) }, nil, 304, ""},
		{"range", blob(418, "application/json", "{}"), nil, 418, "{}"},
		{"range, wrong", blob(418, "application/json", "0"), []string{"body type"}, 500, ""},
		{"error", func(echo.Context) error { return echo.NewHTTPError(409) }, nil, 409, `{"status":409}`},
		{"error after a response", func(c echo.Context) error {
			c.Response().Header().Set("X-Mine", "1")
			if err := c.Blob(200, "application/json", []byte(`{"name":"a"}`)); err != nil {
				return err
			}
			return echo.NewHTTPError(409)
		}, nil, 409, `{"status":409}`},

		{"undeclared status", blob(203, "application/json", "{}"), []string{"status responses"}, 500, ""},
		{"undeclared status, empty", func(c echo.Context) error { return c.NoContent(302) }, []string{"status responses"}, 500, ""},
		{"every mistake", blob(200, "application/json", `{"size":"1"}`), []string{"body /name required", "body /size type"}, 500, ""},
		{"not JSON", blob(200, "application/json", `{"name":`), []string{"body decode"}, 500, ""},
		{"empty body", blob(200, "application/json", ``), []string{"body decode"}, 500, ""},
		{"two values", blob(200, "application/json", `{"name":"a"}{}`), []string{"body decode"}, 500, ""},
		{"duplicate member", blob(200, "application/json", `{"name":"a","name":"b"}`), []string{"body /name decode"}, 500, ""},
		{"invalid UTF-8", blob(200, "application/json", "{\"name\":\"\xff\"}"), []string{"body decode"}, 500, ""},
		{"wrong media type", blob(200, "text/html", "<p>"), []string{"header Content-Type content"}, 500, ""},
		{"no media type", func(c echo.Context) error { _, err := c.Response().Write([]byte("{}")); return err },
			[]string{"header Content-Type content"}, 500, ""},
		{"no body at all", func(c echo.Context) error { return c.NoContent(200) }, []string{"header Content-Type content"}, 500, ""},
		{"nothing written", func(echo.Context) error { return nil }, []string{"status responses"}, 500, ""},
		{"body where none is", blob(204, "application/json", "{}"), []string{"body content"}, 500, ""},
		{"header missing", blob(201, "application/json", "{}"), []string{"header Location required"}, 500, ""},
		{"header wrong", blob(201, "application/json", "{}", "Location: 1"), []string{"header Location pattern"}, 500, ""},
		{"headers and body wrong", blob(201, "application/json", "{", "Location: /1", "X-Left: -1"),
			[]string{"header X-Left minimum", "body decode"}, 500, ""},
		{"header undecodable", blob(201, "application/json", "{}", "Location: /1", "X-Left: many"), []string{"header X-Left decode"}, 500, ""},
		{"header empty", blob(201, "application/json", "{}", "Location: /1", "X-Left: "), []string{"header X-Left allowEmptyValue"}, 500, ""},
		{"header of JSON wrong", blob(201, "application/json", "{}", "Location: /1", `X-Name: "ab"`), []string{"header X-Name minLength"}, 500, ""},
		{"header of JSON right", blob(201, "application/json", "{}", "Location: /1", `X-Name: "abc"`), nil, 201, "{}"},
		{"header right", blob(201, "application/json", "{}", "Location: /1", "X-Left: 0"), nil, 201, "{}"},
	} {
		for _, version := range []string{"3.0.3", "3.1.0"} {
			t.Run(version+"/"+test.name, func(t *testing.T) {
				test := test
				if test.want != nil {
					test.body = `{"status":500}`
				}
				s := newService(t, responses(version), contract.Options{}, test.handler)
				s.echo.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
					return func(c echo.Context) error {
						c.Response().Header().Add("X-Request-ID", "r1")
						c.Response().Header().Add("X-Request-ID", "r2")
						err := next(c)
						if c.Response().Status != test.status || !c.Response().Committed || int(c.Response().Size) < len(test.body) {
							t.Errorf("outer middleware sees %d, %d bytes", c.Response().Status, c.Response().Size)
						}
						return err
					}
				})
				w := s.do(request("GET", "/", ""))
				expect(t, s.responseViolations(), test.want...)
				if w.Code != test.status || strings.TrimSpace(w.Body.String()) != test.body {
					t.Errorf("answer %d %q, want %d %q", w.Code, w.Body, test.status, test.body)
				}
				if got := w.Header().Values("X-Request-ID"); len(got) != 2 {
					t.Errorf("X-Request-ID %q of the outer middleware is gone", got)
				}
				if test.status >= 400 {
					for _, name := range []string{"Location", "X-Left", "X-Mine"} {
						if w.Header().Get(name) != "" {
							t.Errorf("header %s of a response that was not sent", name)
						}
					}
				}
			})
		}
	}
}

func TestResponseToHead(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, blob(200, "application/json", "not looked at", "X-Left: 1"))
	if w := s.do(request("HEAD", "/", "")); w.Code != 200 || w.Body.Len() != 0 || s.errs != nil {
		t.Error(w.Code, w.Body, s.errs)
	}
	s.handler = blob(200, "application/json", "")
	s.do(request("HEAD", "/", ""))
	expect(t, s.responseViolations(), "header X-Left required")
}

// TestLastResort is for an error handler that breaks the document itself.
func TestLastResort(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, blob(200, "text/html", ""))
	s.answer = func(_ error, _ int, c echo.Context) error {
		c.Response().Header().Set("X-Mine", "1")
		return c.String(500, "sorry")
	}
	w := s.do(request("GET", "/", ""))
	if w.Code != 500 || w.Body.String() != `{"last":"resort"}` || w.Header().Get("X-Mine") != "" ||
		w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if len(s.errs) != 2 { // the handler's response, and that of the error handler
		t.Errorf("errors %v", s.errs)
	}
}

// TestServerAnswer is for documents that declare nothing but a success: undeclared answers of the server itself are sent,
// those of the handler are rejected.
func TestServerAnswer(t *testing.T) {
	doc := func(more string) string {
		return document("3.1.0", `{"/":{"get":{"parameters":[{"name":"n","in":"query","schema":{"type":"integer"}}],
			"security":[{"bearer":[]}],"responses":{"200":{"description":"","content":{"application/json":{"schema":{}}}}`+more+`}}}}`, secured)
	}
	const fallback = `{"title":"Internal Server Error","status":500}`
	fail := func(status int) echo.HandlerFunc {
		return func(echo.Context) error { return echo.NewHTTPError(status) }
	}
	unexpected := func(echo.Context) error { return io.ErrUnexpectedEOF }
	right := blob(200, "application/json", "{}")
	mark := func(status int) func(error, int, echo.Context) error { // of these errors of the handler
		return func(_ error, s int, c echo.Context) error {
			if s == status {
				contract.ServerAnswer(c)
			}
			return c.JSON(s, map[string]int{"status": s})
		}
	}
	for _, test := range []struct {
		name, declared string // responses, beside 200
		target         string
		handler        echo.HandlerFunc
		answer         func(error, int, echo.Context) error // of the error handler
		options        contract.Options
		status         int
		body           string
		errs           int // that reach the error handler
	}{
		{name: "right", handler: right, status: 200, body: "{}"},
		{name: "not authenticated", target: "/?refuse", handler: right, status: 403, body: `{"status":403}`, errs: 1},
		{name: "invalid request", target: "/?n=x", handler: right, status: 422, body: `{"status":422}`, errs: 1},
		{name: "not authenticated, declared without content", declared: `,"403":{"description":""}`, target: "/?refuse", handler: right, status: 403, errs: 1},
		{name: "invalid request, declared without content", declared: `,"4XX":{"description":""}`, target: "/?n=x", handler: right, status: 422, errs: 1},
		{name: "error of the handler, declared without content", declared: `,"404":{"description":""}`, handler: fail(404), status: 500, body: `{"status":500}`, errs: 2},
		{name: "invalid request, declared otherwise", declared: `,"422":{"description":"","content":{"application/json":{"schema":{"type":"string"}}}}`,
			target: "/?n=x", handler: right, status: 500, body: `{"status":500}`, errs: 2},
		{name: "undeclared response", handler: blob(404, "application/json", "{}"), status: 500, body: `{"status":500}`, errs: 1},
		{name: "undeclared response, marked by the handler", handler: func(c echo.Context) error {
			contract.ServerAnswer(c)
			return c.JSON(501, "mine")
		}, status: 500, body: `{"status":500}`, errs: 1},
		{name: "error with an undeclared status", handler: fail(404), status: 500, body: `{"status":500}`, errs: 2},
		{name: "error with a declared status", declared: `,"404":{"description":"","content":{"application/json":{"schema":{}}}}`,
			handler: fail(404), status: 404, body: `{"status":404}`, errs: 1},
		{name: "error, marked by the handler", handler: func(c echo.Context) error {
			contract.ServerAnswer(c)
			return echo.ErrNotFound
		}, status: 500, body: `{"status":500}`, errs: 2},
		{name: "not implemented", handler: fail(501), answer: mark(501), status: 501, body: `{"status":501}`, errs: 1},
		{name: "unexpected error", handler: unexpected, answer: mark(500), status: 500, body: `{"status":500}`, errs: 1},
		{name: "declared otherwise", declared: `,"501":{"description":"","content":{"application/json":{"schema":{"type":"string"}}}}`,
			handler: fail(501), answer: mark(501), status: 500, body: `{"status":500}`, errs: 2},

		{name: "empty", target: "/?refuse", handler: right, answer: func(_ error, s int, c echo.Context) error { return c.NoContent(s) },
			status: 500, body: fallback, errs: 3},
		{name: "nothing", handler: unexpected, answer: func(error, int, echo.Context) error { return nil }, status: 500, body: fallback, errs: 3},
		{name: "fallback of the options", handler: unexpected, answer: func(error, int, echo.Context) error { return nil },
			options: contract.Options{Fallback: []byte(`{"code":1}`)}, status: 500, body: `{"code":1}`, errs: 3},
		{name: "fallback of the document", declared: `,"500":{"description":"","content":{"application/json":{"example":[1]}}}`,
			handler: unexpected, answer: func(error, int, echo.Context) error { return nil },
			options: contract.Options{Fallback: []byte(`{"code":1}`)}, status: 500, body: `[1]`, errs: 3},
		{name: "empty because the document says so", declared: `,"500":{"description":""}`,
			handler: unexpected, status: 500, body: "", errs: 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := test.options
			options.Authenticate = func(_ context.Context, in *contract.AuthenticationInput) error {
				if in.Request.URL.RawQuery == "refuse" {
					return errors.New("refused")
				}
				return nil
			}
			s := newService(t, doc(test.declared), options, test.handler)
			if test.answer != nil {
				s.answer = test.answer
			}
			w := s.do(request("GET", cmp.Or(test.target, "/"), ""))
			if body := strings.TrimSpace(w.Body.String()); w.Code != test.status || body != test.body || len(s.errs) != test.errs {
				t.Errorf("%d %q, errors %v", w.Code, body, s.errs)
			}
			if hasType := w.Header().Get("Content-Type") == "application/json"; hasType != (test.body != "") {
				t.Error(w.Header())
			}
		})
	}
	contract.ServerAnswer(echo.New().NewContext(request("GET", "/", ""), httptest.NewRecorder())) // has no effect
}

func TestPanic(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		c.Response().Header().Set("X-Mine", "1")
		_ = c.JSON(200, map[string]string{"name": "a"})
		panic("boom")
	})
	var writer http.ResponseWriter
	s.echo.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			writer = c.Response().Writer
			c.Response().Header().Set("X-Request-ID", "r")
			defer func() {
				if recover() != "boom" {
					t.Error("the panic did not pass")
				}
				if c.Response().Writer != writer || c.Response().Committed || c.Response().Size != 0 {
					t.Error("the response is not as it was")
				}
				_ = c.String(500, "recovered")
			}()
			return next(c)
		}
	})
	w := s.do(request("GET", "/", ""))
	if w.Code != 500 || w.Body.String() != "recovered" || w.Header().Get("X-Mine") != "" || w.Header().Get("X-Request-ID") != "r" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}

func TestHooksOfDiscardedResponse(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		c.Response().Before(func() { c.Response().Header().Set("X-Mine", "1") })
		return c.String(200, "")
	})
	if w := s.do(request("GET", "/", "")); w.Code != 500 || w.Header().Get("X-Mine") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// TestMediaTypeChangedLate is for a handler that changes its headers when net/http would not look at them any more.
func TestMediaTypeChangedLate(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		err := c.JSON(200, map[string]string{"name": "a"})
		c.Response().Header().Set("Content-Type", "text/html")
		return err
	})
	if w := s.do(request("GET", "/", "")); w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestStreaming(t *testing.T) {
	step := make(chan struct{})
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		w := c.Response()
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		for _, event := range []string{"data: 1\n", "data: 2\n"} {
			if _, err := w.Write([]byte(event)); err != nil {
				return err
			}
			if event == "data: 1\n" {
				w.Flush()
			} else if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
			<-step
		}
		return nil
	})
	server := httptest.NewServer(s.echo)
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for _, want := range []string{"data: 1", "data: 2"} {
		if !lines.Scan() || lines.Text() != want { // before the handler goes on
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
		step <- struct{}{}
	}
	if lines.Scan() || s.errs != nil {
		t.Error(lines.Text(), s.errs)
	}
}

// TestStreamBroken is for an error when a part of the response is out: the client must see that it is a part.
func TestStreamBroken(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		_ = c.Blob(200, "text/event-stream", []byte("data: 1\n"))
		c.Response().Flush()
		return errors.New("lost")
	})
	server := httptest.NewServer(s.echo)
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	if !lines.Scan() || lines.Scan() || lines.Err() == nil {
		t.Errorf("the body ended well: %q", lines.Text())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.errs) != 1 || s.errs[0].Error() != "response of GET / was aborted: lost" {
		t.Errorf("errors %v", s.errs)
	}
}

// TestFlushHeldBack is for a handler that flushes what is not validated yet.
func TestFlushHeldBack(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		c.Response().Header().Set("Content-Type", "application/json")
		c.Response().Flush()
		_, err := c.Response().Write([]byte("[]"))
		return err
	})
	if w := s.do(request("GET", "/", "")); w.Code != 500 || w.Flushed {
		t.Errorf("%d, flushed %v", w.Code, w.Flushed)
	}
}

func TestHijack(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		conn, rw, err := c.Response().Hijack()
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\nhello"); err != nil {
			return err
		}
		return rw.Flush()
	})
	server := httptest.NewServer(s.echo)
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols || s.errs != nil {
		t.Error(response.Status, s.errs)
	}
}

// TestHijackFails is for a handler that fails after it has taken the connection.
func TestHijackFails(t *testing.T) {
	failed := make(chan error, 1)
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		conn, _, err := c.Response().Hijack()
		if err != nil {
			return err
		}
		conn.Close()
		return errors.New("lost")
	})
	s.echo.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			failed <- next(c)
			return nil
		}
	})
	server := httptest.NewServer(s.echo)
	defer server.Close()
	if response, err := server.Client().Get(server.URL); err == nil {
		response.Body.Close()
		t.Error(response.Status)
	}
	if err := <-failed; err == nil || err.Error() != "lost" {
		t.Error(err)
	}
}

// unwritable is the writer of a client that went away.
type unwritable struct{ http.ResponseWriter }

func (unwritable) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestClientGone(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, blob(200, "application/json", `{"name":"a"}`))
	s.echo.ServeHTTP(unwritable{httptest.NewRecorder()}, request("GET", "/", ""))
	if len(s.errs) != 1 || !errors.Is(s.errs[0], io.ErrClosedPipe) {
		t.Errorf("errors %v", s.errs)
	}
}

// TestInformational responses come before the response, and are no part of the contract.
func TestInformational(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		c.Response().Writer.WriteHeader(http.StatusEarlyHints)
		return c.JSON(200, map[string]string{"name": "a"})
	})
	if w := s.do(request("GET", "/", "")); w.Code != 200 || s.errs != nil {
		t.Error(w.Code, s.errs)
	}
}

func TestOperationOf(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, nil)
	want := s.contract.Operation("GET", "/")
	s.handler = func(c echo.Context) error {
		if s.contract.OperationOf(c) != want {
			t.Error("not the operation")
		}
		return c.NoContent(204)
	}
	s.do(request("GET", "/", ""))
	c := s.echo.NewContext(request("GET", "/", ""), httptest.NewRecorder())
	if s.contract.OperationOf(c) != nil {
		t.Error("an operation outside the middleware")
	}
}

// TestOtherRoutes are none of the contract's business.
func TestOtherRoutes(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, nil)
	s.echo.GET("/other", func(c echo.Context) error { return c.String(299, "as it is") })
	if w := s.do(request("GET", "/other", "")); w.Code != 299 || w.Body.String() != "as it is" {
		t.Error(w.Code, w.Body)
	}
	if w := s.do(request("PUT", "/", "")); w.Code != 405 {
		t.Error(w.Code)
	}
}

func TestConcurrentResponses(t *testing.T) {
	s := newService(t, responses("3.1.0"), contract.Options{}, func(c echo.Context) error {
		return c.JSON(200, map[string]string{c.QueryParam("member"): "a"})
	})
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			member, status := "name", 200
			if i%3 == 0 {
				member, status = "wrong", 500
			}
			w := httptest.NewRecorder()
			s.echo.ServeHTTP(w, request("GET", "/?member="+member, ""))
			if w.Code != status {
				t.Errorf("%s: %d %s", member, w.Code, w.Body)
			}
		})
	}
	group.Wait()
}

func TestStatuses(t *testing.T) {
	compiled, err := contract.Compile([]byte(document("3.1.0", `{"/":{"get":{"operationId":"get","responses":{
		"default":{"description":""},"4XX":{"description":""},"404":{"description":""},"200":{"description":""}}}}}`)), contract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := compiled.Operations()[0].Statuses(); !slices.Equal(got, []int{200, 404}) {
		t.Errorf("statuses %v", got)
	}
}
