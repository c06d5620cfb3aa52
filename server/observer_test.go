package server

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
)

// witness is an Observer that remembers.
type witness struct {
	begun    []*contract.Operation
	outcomes []Outcome
}

type witnessKey struct{}

func (w *witness) Begin(ctx context.Context, operation *contract.Operation, _ string, _ http.Header) context.Context {
	w.begun = append(w.begun, operation)
	return context.WithValue(ctx, witnessKey{}, len(w.begun))
}

func (w *witness) End(ctx context.Context, outcome Outcome) {
	if ctx.Value(witnessKey{}) != len(w.begun) {
		panic("not the context of Begin")
	}
	w.outcomes = append(w.outcomes, outcome)
}

// Whatever a request comes to, the observer is told once, and the log has one line.
func TestObserver(t *testing.T) {
	teapot := func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
		return visit(func(w http.ResponseWriter) error {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusTeapot)
			return nil
		}), nil
	}
	abort := func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) { panic(http.ErrAbortHandler) }
	id := apitype.NewUUID().String()
	for name, test := range map[string]struct {
		handler    wrong
		method     string
		path       string
		operation  bool
		status     int
		violations []Violation
	}{
		"unfit request":    {nil, "DELETE", "/v1/api_key/nope", true, 422, []Violation{{"request", 422, "format"}}},
		"unfit response":   {teapot, "DELETE", "/v1/api_key/" + id, true, 500, []Violation{{"response", 418, "responses"}}},
		"aborted":          {abort, "DELETE", "/v1/api_key/" + id, true, 200, nil},
		"unknown path":     {nil, "GET", "/secrets", false, 404, nil},
		"more segments":    {nil, "DELETE", "/v1/api_key/a/b", false, 404, nil},
		"unknown method":   {nil, "EXPLODE", "/v1/api_key/" + id, false, 405, nil},
		"the document":     {nil, "GET", "/openapi.json", false, 200, nil},
		"another document": {nil, "POST", "/openapi.json", false, 405, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			witness := new(witness)
			options := Options{Keys: anybody{}, Observer: witness, Logger: slog.New(slog.NewJSONHandler(&log, nil))}
			handler, err := newHandler(api.Document, wrongHandler{operation: test.handler}, options.withDefaults())
			if err != nil {
				t.Fatal(err)
			}
			request := httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil)
			request.Header.Set("Authorization", "Bearer x")
			func() {
				defer func() {
					if cause := recover(); cause != nil && cause != any(http.ErrAbortHandler) {
						panic(cause)
					}
				}()
				handler.ServeHTTP(httptest.NewRecorder(), request)
			}()
			if len(witness.outcomes) != 1 || len(witness.begun) != 1 {
				t.Fatalf("told %v %v", witness.begun, witness.outcomes)
			}
			outcome := witness.outcomes[0]
			if (outcome.Operation != nil) != test.operation || outcome.Operation != witness.begun[0] || outcome.Method != strings.Replace(test.method, "EXPLODE", "other", 1) || outcome.Status != test.status {
				t.Errorf("told %+v", outcome)
			}
			if !slices.Equal(outcome.Violations, test.violations) {
				t.Errorf("violations %+v", outcome.Violations)
			}
			if strings.Count(log.String(), `"msg":"request"`) != 1 {
				t.Errorf("logged %s", log.String())
			}
		})
	}
}
