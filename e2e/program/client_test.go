package program_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

func TestRealServer(t *testing.T) { testRealServer(t, process.SQLite(t)) }

// testRealServer has the client call the server with the database at url: every declared answer, and a lost response.
func testRealServer(t *testing.T, url string) {
	t.Helper()
	keys, err := store.Open(t.Context(), url, store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	handler, err := server.New(server.Options{Keys: keys, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	var losing atomic.Bool
	diga := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if losing.CompareAndSwap(true, false) {
			handler.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(diga.Close)

	caller, secret := storetest.NewKey(client.UUID{1})
	create := func(key apikey.Key, secret apikey.Secret) apikey.Key {
		if err := keys.Create(t.Context(), key, secret.Hash()); err != nil {
			t.Fatal(err)
		}
		return key
	}
	create(caller, secret)
	first := create(storetest.NewKey(client.UUID{1}))
	second := create(storetest.NewKey(client.UUID{1}))
	foreign := create(storetest.NewKey(client.UUID{2}))
	viewer, viewersSecret := storetest.NewKey(client.UUID{1})
	viewer.Restricted, viewer.Permissions = true, []string{"calls.view"}
	create(viewer, viewersSecret)
	expired, expiredSecret := storetest.NewKey(client.UUID{1})
	expired.ExpiresAt = time.Now().Add(-time.Second)
	create(expired, expiredSecret)

	check := func(what string, secret apikey.Secret, id client.UUID, replayed bool, want error) {
		t.Helper()
		caller, err := client.New(client.WithBaseURL(diga.URL), client.WithAPIKey(secret.Reveal()), client.WithRetries(client.RetryPolicy{BaseDelay: time.Nanosecond, MaxDelay: time.Nanosecond}))
		if err != nil {
			t.Fatal(err)
		}
		defer caller.CloseIdleConnections()
		result, err := caller.DeleteAPIKey(t.Context(), id)
		if !errors.Is(err, want) || (err == nil) != (want == nil) || result.Replayed != replayed {
			t.Errorf("%s: got %+v, %v", what, result, err)
		}
	}
	check("no permission", viewersSecret, first.ID, false, client.ErrForbidden)
	check("expired", expiredSecret, first.ID, false, client.ErrUnauthorized)
	check("unknown caller", apikey.NewSecret(), first.ID, false, client.ErrUnauthorized)
	check("another project's", secret, foreign.ID, false, client.ErrNotFound)
	check("unknown", secret, client.UUID{}, false, client.ErrNotFound)
	check("delete", secret, first.ID, false, nil)
	check("deleted already", secret, first.ID, false, client.ErrNotFound)
	losing.Store(true)
	check("lost response", secret, second.ID, true, nil)
	check("delete the caller", secret, caller.ID, false, nil)
	check("the caller is gone", secret, foreign.ID, false, client.ErrUnauthorized)
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
	check("store down", secret, foreign.ID, false, client.ErrServer)
}
