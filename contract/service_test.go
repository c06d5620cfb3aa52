package contract_test

import (
	"context"
	"errors"
	"fmt"
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

// service serves a document with one handler for all its operations, and keeps the errors that reach its error handler.
type service struct {
	contract *contract.Contract
	echo     *echo.Echo
	handler  echo.HandlerFunc
	// answer is what the error handler writes. Without it, that is a JSON body with the status of the error.
	answer func(err error, status int, c echo.Context) error

	mu   sync.Mutex
	errs []error
}

// document is an OpenAPI document of one version, with the JSON of paths and, after it, of more members.
func document(version, paths string, more ...string) string {
	doc := fmt.Sprintf(`{"openapi":%q,"info":{"title":"t","version":"1"},"paths":%s`, version, paths)
	for _, member := range more {
		doc += "," + member
	}
	return doc + "}"
}

// errorAnswers are the responses of the error handler, as ranges.
const errorAnswers = `"4XX":{"description":"","content":{"application/json":{"schema":{"type":"object"}}}},
	"5XX":{"description":"","content":{"application/json":{"schema":{"type":"object"},"example":{"last":"resort"}}}}`

func newService(t testing.TB, doc string, options contract.Options, handler echo.HandlerFunc) *service {
	t.Helper()
	c, err := contract.Compile([]byte(doc), options)
	if err != nil {
		t.Fatal(err)
	}
	return serve(c, handler)
}

func serve(c *contract.Contract, handler echo.HandlerFunc) *service {
	s := &service{contract: c, echo: echo.New(), handler: handler}
	s.answer = func(_ error, status int, c echo.Context) error {
		return c.JSON(status, map[string]int{"status": status})
	}
	s.echo.HTTPErrorHandler = s.handleError
	c.Route(s.echo)
	s.echo.Use(c.Middleware())
	for _, o := range c.Operations() {
		s.echo.Add(o.Method, echoRoute(o), func(c echo.Context) error { return s.handler(c) })
	}
	return s
}

func echoRoute(o *contract.Operation) string {
	return strings.NewReplacer(":", `\:`, "{", ":", "}", "").Replace(o.Path)
}

func (s *service) handleError(err error, c echo.Context) {
	s.mu.Lock()
	s.errs = append(s.errs, err)
	s.mu.Unlock()
	if c.Response().Committed {
		return
	}
	status := http.StatusInternalServerError
	if _, ok := errors.AsType[*contract.SecurityError](err); ok {
		status = http.StatusForbidden
	} else if _, ok := errors.AsType[*contract.RequestError](err); ok {
		status = http.StatusUnprocessableEntity
	} else if e, ok := errors.AsType[*echo.HTTPError](err); ok {
		status = e.Code
	}
	if err := s.answer(err, status, c); err != nil {
		panic(err)
	}
}

// do serves one request and forgets the errors of earlier ones.
func (s *service) do(r *http.Request) *httptest.ResponseRecorder {
	s.errs = nil
	w := httptest.NewRecorder()
	s.echo.ServeHTTP(w, r)
	return w
}

// request makes a request, with header lines like "Accept: x".
func request(method, target, body string, header ...string) *http.Request {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// requestViolations are those of the one *RequestError, or nil, and fail the test for any other error.
func (s *service) requestViolations(t testing.TB) []contract.Violation {
	t.Helper()
	if len(s.errs) == 0 {
		return nil
	}
	e, ok := errors.AsType[*contract.RequestError](s.errs[0])
	if !ok || len(s.errs) > 1 {
		t.Fatalf("errors %v", s.errs)
	}
	return e.Violations
}

// responseViolations are those of the first *ResponseError, or nil.
func (s *service) responseViolations() []contract.Violation {
	for _, err := range s.errs {
		if e, ok := errors.AsType[*contract.ResponseError](err); ok {
			return e.Violations
		}
	}
	return nil
}

// brief is violations as "in name pointer keyword", without what is empty.
func brief(violations []contract.Violation) []string {
	var lines []string
	for _, v := range violations {
		fields := slices.DeleteFunc([]string{v.In, v.Name, v.Pointer, v.Keyword}, func(s string) bool { return s == "" })
		lines = append(lines, strings.Join(fields, " "))
	}
	return lines
}

func expect(t testing.TB, got []contract.Violation, want ...string) {
	t.Helper()
	if !slices.Equal(brief(got), want) {
		t.Errorf("violations %q, want %q", brief(got), want)
	}
	for _, v := range got {
		if v.Message == "" || v.Message[0] < 'A' || v.Message[0] > 'Z' {
			t.Errorf("message %q of %v is no phrase", v.Message, brief([]contract.Violation{v}))
		}
	}
}

// noContent is a handler for operations that declare 204.
func noContent(c echo.Context) error { return c.NoContent(http.StatusNoContent) }

func allow(context.Context, *contract.AuthenticationInput) error { return nil }
