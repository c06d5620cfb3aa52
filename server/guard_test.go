package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// wrong is the operation of a test, which may misbehave.
type wrong func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error)

// wrongHandler implements the operation by a wrong.
type wrongHandler struct {
	apiserver.StrictServerInterface
	operation wrong
}

func (h wrongHandler) DeleteAPIKey(ctx context.Context, _ apiserver.DeleteAPIKeyRequestObject) (apiserver.DeleteAPIKeyResponseObject, error) {
	return h.operation(ctx)
}

// visit writes the response of a test.
type visit func(http.ResponseWriter) error

func (f visit) VisitDeleteAPIKeyResponse(w http.ResponseWriter) error { return f(w) }

// anybody accepts every token.
type anybody struct{ Keys }

func (anybody) Authenticate(context.Context, apikey.Hash) (apikey.Key, error) {
	return apikey.Key{ID: apitype.NewUUID()}, nil
}

// handle returns a handler of document with that implementation, and its log. Without options.Keys it serves anybody.
func handle(t *testing.T, document []byte, implementation apiserver.StrictServerInterface, options Options) (http.Handler, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	options.Logger = slog.New(slog.NewJSONHandler(log, nil))
	if options.Keys == nil {
		options.Keys = anybody{}
	}
	handler, err := newHandler(document, implementation, options.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	return handler, log
}

// authenticated returns a request that anybody accepts.
func authenticated(ctx context.Context, method, path string) *http.Request {
	request := httptest.NewRequestWithContext(ctx, method, path, nil)
	request.Header.Set("Authorization", "Bearer x")
	return request
}

// operationPath is the path of a key that does not exist.
const operationPath = "/v1/api_key/019353e4-7d2a-7c5e-9d4f-0123456789ab"

// serveOnce answers one authenticated delete by implementation and returns the answer and the log.
func serveOnce(t *testing.T, implementation wrong) (*httptest.ResponseRecorder, string) {
	t.Helper()
	return serveRequest(t, api.Document, implementation, operationPath, "Bearer x")
}

func serveRequest(t *testing.T, document []byte, implementation wrong, path, authorization string) (*httptest.ResponseRecorder, string) {
	t.Helper()
	handler, log := handle(t, document, wrongHandler{operation: implementation}, Options{})
	request := authenticated(t.Context(), http.MethodDelete, path)
	request.Header.Set("Authorization", authorization)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer, log.String()
}

// undeclaring returns our document as FastAPI exports it: operations declare 200 and 422, and nothing else. It returns the
// number of operations as well.
func undeclaring(t *testing.T) (document []byte, operations int) {
	t.Helper()
	var decoded struct {
		OpenAPI    string                               `json:"openapi"`
		Info       any                                  `json:"info"`
		Paths      map[string]map[string]map[string]any `json:"paths"`
		Components any                                  `json:"components"`
	}
	if err := json.Unmarshal(api.Document, &decoded); err != nil {
		t.Fatal(err)
	}
	for _, methods := range decoded.Paths {
		for _, operation := range methods {
			operations++
			maps.DeleteFunc(operation["responses"].(map[string]any), func(status string, _ any) bool {
				return status != "200" && status != "422"
			})
		}
	}
	document, err := json.Marshal(decoded)
	if err != nil {
		t.Fatal(err)
	}
	return document, operations
}

// On a document that does not declare 403, 500 and 501, the server's own answers are sent all the same. A handler's
// undeclared answer is not.
func TestUndeclaredAnswers(t *testing.T) {
	fail := func(err error) wrong {
		return func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) { return nil, err }
	}
	teapot := func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
		return visit(func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusTeapot)
			return nil
		}), nil
	}
	document, operations := undeclaring(t)
	for name, test := range map[string]struct {
		handler             wrong
		path, authorization string
		status              int
		body                string
		errors              int // lines in the log
	}{
		"no key":                  {nil, operationPath, "", 403, bodyUnauthorized, 0},
		"unexpected error":        {fail(errors.New("disk full")), operationPath, "Bearer x", 500, bodyInternal, 1},
		"panic":                   {func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) { panic("bug") }, operationPath, "Bearer x", 500, bodyInternal, 1},
		"not implemented":         {unwritten, operationPath, "Bearer x", 501, bodyNotImplemented, 0},
		"declared":                {nil, "/v1/api_key/nope", "Bearer x", 422, "", 0},
		"handler: missing key":    {fail(apikey.ErrNotFound), operationPath, "Bearer x", 500, bodyInternal, 1},
		"handler: forbidden":      {fail(errForbidden), operationPath, "Bearer x", 500, bodyInternal, 1},
		"handler: undeclared":     {teapot, operationPath, "Bearer x", 500, bodyInternal, 1},
		"handler: token not sent": {fail(errMissing), operationPath, "Bearer x", 500, bodyInternal, 1},
	} {
		t.Run(name, func(t *testing.T) {
			answer, log := serveRequest(t, document, test.handler, test.path, test.authorization)
			if answer.Code != test.status || test.body != "" && answer.Body.String() != test.body || answer.Body.Len() == 0 {
				t.Errorf("answered %d %s, want %d %s", answer.Code, answer.Body, test.status, test.body)
			}
			if got := strings.Count(log, `"level":"ERROR"`); got != test.errors {
				t.Errorf("%d errors, want %d, in the log:\n%s", got, test.errors, log)
			}
			if !strings.Contains(log, `"msg":"contract incomplete"`) || !strings.Contains(log, fmt.Sprintf(`"operations_without_403_or_500":%d`, operations)) {
				t.Errorf("the log does not report that the contract is incomplete:\n%s", log)
			}
		})
	}
	if _, log := serveOnce(t, fail(apikey.ErrNotFound)); strings.Contains(log, "contract incomplete") {
		t.Errorf("our own contract is reported as incomplete:\n%s", log)
	}
}

// unwritten is an operation that is generated and not implemented.
func unwritten(ctx context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
	return apiserver.Unimplemented{}.DeleteAPIKey(ctx, apiserver.DeleteAPIKeyRequestObject{})
}

// A server that embeds apiserver.Unimplemented serves: 501, no error in the log, and one line at start.
func TestNotImplemented(t *testing.T) {
	handler, log := handle(t, api.Document, struct{ apiserver.Unimplemented }{}, Options{})
	_, operations := undeclaring(t)
	if strings.Count(log.String(), fmt.Sprintf(`"operations_not_implemented":%d`, operations)) != 1 {
		t.Errorf("the log does not report the missing operation:\n%s", log)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, authenticated(t.Context(), http.MethodDelete, operationPath))
	if answer.Code != 501 || answer.Body.String() != bodyNotImplemented || strings.Contains(log.String(), "ERROR") {
		t.Errorf("answered %d %s, logged\n%s", answer.Code, answer.Body, log)
	}
}

// If a handler violates the contract or fails, the client gets the declared 500 without anything that the handler wrote,
// and the log one line.
func TestWrongHandler(t *testing.T) {
	write := func(status int, contentType, body string) wrong {
		return func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
			return visit(func(w http.ResponseWriter) error {
				w.Header().Set("X-Leaked", "handler")
				w.Header().Set("Content-Type", contentType)
				w.WriteHeader(status)
				_, err := w.Write([]byte(body))
				return err
			}), nil
		}
	}
	for name, test := range map[string]struct {
		handler wrong
		logged  string
	}{
		"undeclared status":     {write(http.StatusTeapot, "application/json", `{}`), "418"},
		"undeclared media type": {write(http.StatusOK, "text/html", `<p>hello`), "200"},
		"no media type":         {write(http.StatusOK, "", `{}`), "200"},
		"not JSON":              {write(http.StatusOK, "application/json", `{"secret":`), "200"},
		"field missing":         {write(http.StatusNotFound, "application/json", `{"message":"secret"}`), "required"},
		"field of another type": {write(http.StatusNotFound, "application/json", `{"error_code":7,"message":"secret"}`), "/error_code"},
		"no body":               {write(http.StatusOK, "application/json", ``), "200"},
		"nothing written":       {func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) { return nil, nil }, "DeleteAPI"},
		"panic":                 {func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) { panic("secret plan") }, "secret plan"},
		"error": {func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
			return nil, errors.New("secret cause")
		}, "secret cause"},
		"deadline": {func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
			return nil, context.DeadlineExceeded
		}, "deadline"},
		"written, then error": {wroteThen(func() error { return errors.New("too late") }), "too late"},
		"written, then panic": {wroteThen(func() error { panic("too late") }), "too late"},
		"generated type, bad value": {func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
			return apiserver.DeleteAPIKey200JSONResponse(apitype.Of(func() {})), nil
		}, "unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, log := serveOnce(t, test.handler)
			if answer.Code != 500 || answer.Body.String() != bodyInternal {
				t.Errorf("answered %d %s", answer.Code, answer.Body)
			}
			if answer.Header().Get("X-Leaked") != "" || answer.Header().Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", answer.Header())
			}
			if answer.Header().Get("X-Request-Id") == "" {
				t.Error("the request id is gone")
			}
			if name == "nothing written" {
				test.logged = "delete_api_key_v1_api_key__id__delete"
			}
			if !strings.Contains(log, test.logged) || strings.Count(log, `"level":"ERROR"`) != 1 {
				t.Errorf("logged\n%s\nwant one error with %q", log, test.logged)
			}
		})
	}
}

// wroteThen writes a valid answer and then fails.
func wroteThen(fail func() error) wrong {
	return func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
		return visit(func(w http.ResponseWriter) error {
			w.Header().Set("X-Leaked", "handler")
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(`{}`))
			return fail()
		}), nil
	}
}

func TestRightHandlerPasses(t *testing.T) {
	for name, value := range map[string]any{`{}`: struct{}{}, `null`: nil, `[1,"a"]`: []any{1, "a"}, `"x"`: "x"} {
		answer, log := serveOnce(t, func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
			return apiserver.DeleteAPIKey200JSONResponse(apitype.Of(value)), nil
		})
		if got := strings.TrimSpace(answer.Body.String()); answer.Code != 200 || got != name {
			t.Errorf("%s: answered %d %s", name, answer.Code, got)
		}
		if strings.Contains(log, "ERROR") {
			t.Errorf("%s: logged %s", name, log)
		}
	}
}

func TestAbortedHandlerEndsTheConnection(t *testing.T) {
	defer func() {
		if cause := recover(); cause != any(http.ErrAbortHandler) {
			t.Errorf("recovered %v, want http.ErrAbortHandler", cause)
		}
	}()
	serveOnce(t, func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) { panic(http.ErrAbortHandler) })
}

// An error after the client has received part of a streamed response is logged, counted as a 500, and ends the connection.
func TestAbortedResponse(t *testing.T) {
	var decoded map[string]any
	if err := json.Unmarshal(api.Document, &decoded); err != nil {
		t.Fatal(err)
	}
	responses := decoded["paths"].(map[string]any)["/v1/api_key/{id}"].(map[string]any)["delete"].(map[string]any)["responses"].(map[string]any)
	responses["200"] = map[string]any{"description": "", "content": map[string]any{"text/plain": map[string]any{}}}
	document, err := json.Marshal(decoded)
	if err != nil {
		t.Fatal(err)
	}
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("cause") },
		"panic": func() error { panic("cause") },
	} {
		t.Run(name, func(t *testing.T) {
			stream := func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
				return visit(func(w http.ResponseWriter) error {
					w.Header().Set("Content-Type", "text/plain")
					io.WriteString(w, "part")
					http.NewResponseController(w).Flush()
					return fail()
				}), nil
			}
			observer := new(witness)
			handler, log := handle(t, document, wrongHandler{operation: stream}, Options{Observer: observer})
			server := httptest.NewServer(handler)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, server.URL+operationPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer x")
			response, err := server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if string(body) != "part" || err == nil {
				t.Errorf("the client received %q, %v, want an error after the part", body, err)
			}
			server.Close() // waits for the handler
			if line := lineOf(t, log.String()); line["status"] != 500. || !slices.Equal(observer.statuses, []int{500}) {
				t.Errorf("logged %v, counted %v", line, observer.statuses)
			}
			if !regexp.MustCompile(`"level":"ERROR","msg":"response aborted".*"cause":"[^"]*cause"`).MatchString(log.String()) || strings.Count(log.String(), "ERROR") != 1 {
				t.Errorf("logged\n%s", log)
			}
		})
	}
}

// No request meets a security scheme that is not implemented. One line at start names it.
func TestOtherSecuritySchemes(t *testing.T) {
	document := []byte(strings.ReplaceAll(string(api.Document), `"scheme": "bearer"`, `"scheme": "basic"`))
	for _, authorization := range []string{"Bearer x", "Basic eDp4", ""} {
		answer, log := serveRequest(t, document, nil, operationPath, authorization)
		if answer.Code != 403 || answer.Body.String() != bodyUnauthorized {
			t.Errorf("%q is answered %d %s", authorization, answer.Code, answer.Body)
		}
		if !strings.Contains(log, `"security_schemes_not_implemented":["CustomHTTPBearer"]`) {
			t.Errorf("the log does not name the scheme:\n%s", log)
		}
	}
}

func TestDocumentsThatCannotBeServed(t *testing.T) {
	document := string(api.Document)
	for name, test := range map[string]struct{ document, complaint string }{
		"not JSON":     {`{`, "load the contract"},
		"another path": {strings.ReplaceAll(document, "/v1/api_key/{id}", "/v2/api_key/{id}"), "/v1/api_key/:id"},
		"bad schema":   {strings.Replace(document, `"format": "uuid"`, `"pattern": "("`, 1), "/parameters/0/schema"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newHandler([]byte(test.document), wrongHandler{}, Options{Keys: anybody{}}.withDefaults())
			if err == nil || !strings.Contains(err.Error(), test.complaint) {
				t.Errorf("%v, want %q", err, test.complaint)
			}
		})
	}
	if _, err := New(Options{}); err == nil {
		t.Error("New accepts a nil store")
	}
}
