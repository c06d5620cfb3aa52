package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// The attempts to open the store continue while it is unavailable, ever more slowly, and are logged at a low rate.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			log      bytes.Buffer
			keys     lateStore
			attempts int
			longest  time.Duration
			last     = time.Now()
			refused  = fmt.Errorf("connection refused: %w", store.ErrUnavailable)
			opened   = new(store.Store)
		)
		start := time.Now()
		got, err := keys.retry(t.Context(), func() (*store.Store, error) {
			attempts++
			longest = max(longest, time.Since(last))
			last = time.Now()
			if time.Since(start) < 5*time.Minute {
				return nil, refused
			}
			return opened, nil
		}, slog.New(slog.NewTextHandler(&log, nil)), func() {
			if _, err := keys.Authenticate(t.Context(), apikey.Hash{}); !errors.Is(err, errNotOpen) || !errors.Is(err, refused) {
				t.Errorf("a call in the meantime: %v", err)
			}
		})
		if got != opened || err != nil {
			t.Fatal(got, err)
		}
		if longest > 5*time.Second || time.Since(start) > 5*time.Minute+5*time.Second || attempts < 5*60/5 || attempts > 120 {
			t.Errorf("%d attempts in %s, up to %s apart", attempts, time.Since(start), longest)
		}
		lines := strings.Count(log.String(), `msg="store unavailable, retrying" cause="connection refused`)
		if lines < 2 || lines > 11 || lines != strings.Count(log.String(), "\n") {
			t.Errorf("%d attempts logged:\n%s", attempts, &log)
		}
	})
}

// An error that does not pass by itself ends the attempts, and so does the end of the context.
func TestRetryEnds(t *testing.T) {
	wrong := errors.New("wrong password")
	var keys lateStore
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := keys.retry(ctx, func() (*store.Store, error) { return nil, wrong }, slog.New(slog.DiscardHandler), func() {
		t.Error("it is retried")
		cancel()
	}); err != wrong { //nolint:errorlint // exit status and text are those of the error itself
		t.Errorf("%v", err)
	}
	if _, err := keys.retry(ctx, func() (*store.Store, error) { return nil, store.ErrUnavailable }, slog.New(slog.DiscardHandler), cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
