package admin_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/server/admin"
)

func get(t *testing.T, handler http.Handler, path string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

func TestProbes(t *testing.T) {
	var log bytes.Buffer
	var outage error
	asked := 0 // how often the informative check ran
	handler := admin.Handler(http.NotFoundHandler(), slog.New(slog.NewTextHandler(&log, nil)),
		admin.Check{Name: "store", OK: func(ctx context.Context) error {
			if _, limited := ctx.Deadline(); !limited {
				t.Error("the context of a check has no deadline")
			}
			return outage
		}},
		admin.Check{Name: "not draining", OK: func(context.Context) error { return nil }},
		admin.Check{Name: "store responds", Informative: true, OK: func(ctx context.Context) error {
			asked++
			return errors.New("no response")
		}},
	)
	expect := func(path string, wantStatus int, want string) {
		t.Helper()
		if status, body := get(t, handler, path); status != wantStatus || body != want {
			t.Errorf("%s: %d %q, want %d %q", path, status, body, wantStatus, want)
		}
	}
	expect("/livez", 200, "ok\n")
	expect("/readyz", 200, "ready\n")
	expect("/readyz?verbose", 200, "[+] store: ok\n[+] not draining: ok\n[i] store responds: no response\nready\n")
	outage = errors.New("the disk is full")
	expect("/livez", 200, "ok\n")
	expect("/readyz", 503, "[-] store: the disk is full\nnot ready\n")
	expect("/readyz?verbose", 503, "[-] store: the disk is full\n[+] not draining: ok\n[i] store responds: no response\nnot ready\n")
	outage = nil
	expect("/readyz", 200, "ready\n")
	if asked != 2 {
		t.Errorf("the informative check ran %d times in 2 probes with ?verbose", asked)
	}
	if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != 2 ||
		!strings.Contains(lines[0], `msg="not ready" store="the disk is full"`) || !strings.Contains(lines[1], "msg=ready") {
		t.Errorf("want one line for each change of the readiness, got\n%s", log.String())
	}
}

func TestProfiles(t *testing.T) {
	handler := admin.Handler(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for path, want := range map[string]int{
		"/debug/pprof/":                  200,
		"/debug/pprof/heap?debug=1":      200,
		"/debug/pprof/goroutine?debug=1": 200,
		"/debug/pprof/symbol":            200,
		"/debug/pprof/cmdline":           404, // it may contain the password of the database
		"/":                              404,
		"/v1/api_key/nope":               404,
	} {
		if got, _ := get(t, handler, path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}
