package server

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
)

// sheds is an Observer that counts the requests that are not served.
type sheds struct {
	noObserver
	atomic.Int64
}

func (s *sheds) Shed() { s.Add(1) }

// Requests beyond the limit are answered at once, and are no errors of the server. Those within it are served.
func TestMaxInFlight(t *testing.T) {
	const limit = 3
	undeclared, _ := undeclaring(t)
	for name, document := range map[string][]byte{"declared": api.Document, "undeclared": undeclared} {
		t.Run(name, func(t *testing.T) {
			observer, now := new(sheds), time.Now()
			begun, finish := make(chan struct{}), make(chan struct{})
			var served atomic.Int64
			handler, log := handle(t, document, wrongHandler{operation: func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
				if served.Add(1) <= limit { // one too many would wait for ever
					begun <- struct{}{}
					<-finish
				}
				return apiserver.DeleteAPIKey200JSONResponse(apitype.Of(struct{}{})), nil
			}}, Options{Observer: observer, MaxInFlight: limit, Timeout: time.Hour, Now: func() time.Time { return now }})
			ask := func(method, path string) *httptest.ResponseRecorder {
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, authenticated(t.Context(), method, path))
				return recorder
			}
			answers := make(chan int)
			for range limit {
				go func() { answers <- ask("DELETE", operationPath).Code }()
				<-begun
			}
			for i := range 3 {
				if got := ask("GET", "/openapi.json"); got.Code != 200 {
					t.Errorf("the document: %d", got.Code)
				}
				for _, path := range []string{operationPath, "/v1/api_key/nope"} {
					got := ask("DELETE", path)
					if got.Code != 500 || got.Header().Get("Retry-After") != "1" || got.Body.String() != bodyInternal {
						t.Errorf("%s: answered %d %s, %v", path, got.Code, got.Body, got.Header())
					}
				}
				if warnings := strings.Count(log.String(), `"requests shed","max_in_flight":3`); warnings != 1+i {
					t.Errorf("%d warnings in the log, want %d:\n%s", warnings, 1+i, log)
				}
				now = now.Add(time.Minute)
			}
			if observer.Load() != 6 || strings.Contains(log.String(), `"level":"ERROR"`) || strings.Count(log.String(), `"msg":"request"`) != 9 {
				t.Errorf("%d requests shed, logged\n%s", observer.Load(), log)
			}
			close(finish)
			for range limit {
				if status := <-answers; status != 200 {
					t.Errorf("a request within the limit is answered %d", status)
				}
			}
			if got := ask("DELETE", operationPath); got.Code != 200 {
				t.Errorf("after the overload: %d", got.Code)
			}
		})
	}
}
