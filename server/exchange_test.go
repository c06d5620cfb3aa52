package server

import (
	"context"
	"errors"
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
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
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
func (w *witness) Shed()                              {}

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
	for name, test := range map[string]struct {
		handler   wrong
		method    string
		path      string
		operation bool
		status    int
		violation *violation
	}{
		"unfit request":    {nil, "DELETE", "/v1/api_key/nope", true, 422, &violation{nil, "request"}},
		"unfit response":   {teapot, "DELETE", operationPath, true, 500, &violation{nil, "response"}},
		"aborted":          {abort, "DELETE", operationPath, true, 200, nil},
		"unknown path":     {nil, "GET", "/secrets", false, 404, nil},
		"more segments":    {nil, "DELETE", "/v1/api_key/a/b", false, 404, nil},
		"unknown method":   {nil, "EXPLODE", operationPath, false, 405, nil},
		"the document":     {nil, "GET", "/openapi.json", false, 200, nil},
		"another document": {nil, "POST", "/openapi.json", false, 405, nil},
	} {
		t.Run(name, func(t *testing.T) {
			witness := new(witness)
			handler, log := handle(t, api.Document, wrongHandler{operation: test.handler}, Options{Observer: witness})
			func() {
				defer func() {
					if cause := recover(); cause != nil && cause != any(http.ErrAbortHandler) {
						panic(cause)
					}
				}()
				handler.ServeHTTP(httptest.NewRecorder(), authenticated(t.Context(), test.method, test.path))
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

// The context of a handler ends at the request's deadline, whether or not the client waits for it.
func TestRequestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended error
		wait := func(ctx context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
			<-ctx.Done()
			ended = ctx.Err()
			return nil, ended
		}
		const timeout = time.Minute
		handler, _ := handle(t, api.Document, wrongHandler{operation: wait}, Options{Timeout: timeout})
		client, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, hangUp)
		start := time.Now()
		handler.ServeHTTP(httptest.NewRecorder(), authenticated(client, "DELETE", operationPath))
		if took := time.Since(start); !errors.Is(ended, context.DeadlineExceeded) || took != timeout {
			t.Errorf("ended after %s with %v", took, ended)
		}
	})
}

// hangUps is an Observer that reports the statuses of requests. Its clients context is that of net/http.
type hangUps struct {
	noObserver
	clients  chan context.Context
	statuses chan int
}

func (h hangUps) Begin(ctx context.Context, _ *contract.Operation, _ string, _ http.Header) (context.Context, func(int, time.Duration)) {
	h.clients <- ctx
	return ctx, func(status int, _ time.Duration) { h.statuses <- status }
}

// A request whose client hangs up is carried out, and is no error of the server, whatever comes of it.
func TestHangUp(t *testing.T) {
	keys, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/keys.db", store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	caller, secret := apikey.New(apitype.NewUUID(), apitype.NewUUID(), "caller")
	if err := keys.Create(t.Context(), caller, secret.Hash()); err != nil {
		t.Fatal(err)
	}
	failing := func(context.Context, apitype.UUID) (apiserver.DeleteAPIKeyResponseObject, error) {
		return nil, errors.New("cause")
	}
	panicking := func(context.Context, apitype.UUID) (apiserver.DeleteAPIKeyResponseObject, error) { panic("cause") }
	deleting := func(ctx context.Context, id apitype.UUID) (apiserver.DeleteAPIKeyResponseObject, error) {
		real := operations{keys: keys, now: time.Now}
		return real.DeleteAPIKey(ctx, apiserver.DeleteAPIKeyRequestObject{ID: id})
	}
	for _, test := range []struct {
		name      string
		http2     bool
		operation func(context.Context, apitype.UUID) (apiserver.DeleteAPIKeyResponseObject, error)
		deleted   bool
	}{
		{"HTTP/1.1 deletes", false, deleting, true}, {"HTTP/2 deletes", true, deleting, true},
		{"HTTP/1.1 fails", false, failing, false}, {"HTTP/2 fails", true, failing, false},
		{"HTTP/1.1 panics", false, panicking, false}, {"HTTP/2 panics", true, panicking, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			target, targetSecret := apikey.New(caller.ProjectID, apitype.NewUUID(), "target")
			if err := keys.Create(t.Context(), target, targetSecret.Hash()); err != nil {
				t.Fatal(err)
			}
			observer := hangUps{clients: make(chan context.Context, 1), statuses: make(chan int, 1)}
			begun, hungUp, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
			implementation := wrongHandler{operation: func(ctx context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
				close(begun)
				<-hungUp
				return test.operation(ctx, target.ID)
			}}
			handler, log := handle(t, api.Document, implementation, Options{Keys: keys, Observer: observer, Timeout: time.Hour})
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(ended)
				handler.ServeHTTP(w, r)
			}))
			server.EnableHTTP2 = test.http2
			server.StartTLS()
			defer server.Close()

			ctx, cancel := context.WithCancel(t.Context())
			request, err := http.NewRequestWithContext(ctx, "DELETE", server.URL+"/v1/api_key/"+target.ID.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+secret.Reveal())
			request.Header.Set("X-Request-ID", test.name)
			go func() {
				<-begun
				cancel()
				<-(<-observer.clients).Done() // net/http has noticed
				close(hungUp)
			}()
			if response, err := server.Client().Do(request); err == nil {
				response.Body.Close() // it arrived between close_notify and the end of the connection
			}
			<-ended
			if status := <-observer.statuses; status != 499 || !strings.Contains(log.String(), `"status":499`) {
				t.Errorf("counted as %d, logged\n%s", status, log.String())
			}
			if strings.Contains(log.String(), `"level":"ERROR"`) || !test.deleted && !strings.Contains(log.String(), "cause") {
				t.Errorf("logged\n%s\nwant the cause, not as an error", log.String())
			}
			deleted := ""
			for key, err := range keys.List(t.Context(), store.Filter{Deleted: true}) {
				if err != nil {
					t.Fatal(err)
				}
				if key.ID == target.ID && key.Deleted != nil {
					deleted = key.Deleted.RequestID
				}
			}
			if (deleted == test.name) != test.deleted {
				t.Errorf("deleted by request %q", deleted)
			}
		})
	}
}
