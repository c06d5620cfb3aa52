package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
)

// witness is an Observer that records the calls for one request.
type witness struct {
	operation  *contract.Operation
	method     string
	begun      int
	statuses   []int
	violations []violation
	reasons    []string
}

type violation struct {
	operation *contract.Operation
	direction string
}

func (w *witness) Prepare([]*contract.Operation) {}

func (w *witness) Begin(ctx context.Context, operation *contract.Operation, method string, _ http.Header) (context.Context, func(int, time.Duration)) {
	w.operation, w.method = operation, method
	w.begun++
	return ctx, func(status int, _ time.Duration) { w.statuses = append(w.statuses, status) }
}

func (w *witness) Violation(operation *contract.Operation, direction string) {
	w.violations = append(w.violations, violation{operation, direction})
}

func (w *witness) AuthenticationFailed(reason string) { w.reasons = append(w.reasons, reason) }

// However a request ends, the observer is notified once, and the log has one line.
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
		handler   wrong
		method    string
		path      string
		operation bool
		status    int
		violation *violation
	}{
		"unfit request":    {nil, "DELETE", "/v1/api_key/nope", true, 422, &violation{nil, "request"}},
		"unfit response":   {teapot, "DELETE", "/v1/api_key/" + id, true, 500, &violation{nil, "response"}},
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
			if witness.begun != 1 || !slices.Equal(witness.statuses, []int{test.status}) {
				t.Errorf("notified of %d requests with statuses %v, want one of %d", witness.begun, witness.statuses, test.status)
			}
			if (witness.operation != nil) != test.operation || witness.method != strings.Replace(test.method, "EXPLODE", "other", 1) {
				t.Errorf("notified of %v %s", witness.operation, witness.method)
			}
			var want []violation
			if test.violation != nil {
				test.violation.operation = witness.operation
				want = append(want, *test.violation)
			}
			if !slices.Equal(witness.violations, want) {
				t.Errorf("violations %+v", witness.violations)
			}
			if strings.Count(log.String(), `"msg":"request"`) != 1 {
				t.Errorf("logged %s", log.String())
			}
		})
	}
}

// The context of a handler ends at the request's deadline, or as soon as the client hangs up.
func TestRequestContext(t *testing.T) {
	for name, test := range map[string]struct {
		hangUp time.Duration
		want   error
	}{
		"deadline": {time.Hour, context.DeadlineExceeded},
		"hung up":  {time.Second, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended error
				wait := func(ctx context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
					<-ctx.Done()
					ended = ctx.Err()
					return nil, ended
				}
				options := Options{Keys: anybody{}, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
				handler, err := newHandler(api.Document, wrongHandler{operation: wait}, options)
				if err != nil {
					t.Fatal(err)
				}
				client, hangUp := context.WithCancel(t.Context())
				time.AfterFunc(test.hangUp, hangUp)
				request := httptest.NewRequestWithContext(client, "DELETE", "/v1/api_key/"+apitype.NewUUID().String(), nil)
				request.Header.Set("Authorization", "Bearer x")
				start := time.Now()
				handler.ServeHTTP(httptest.NewRecorder(), request)
				if !errors.Is(ended, test.want) || time.Since(start) > options.Timeout {
					t.Errorf("ended after %s with %v", time.Since(start), ended)
				}
				hangUp()
			})
		})
	}
}
