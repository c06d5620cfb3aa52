// Package admin answers operators and their machines, on a listener that is not the API's: probes, metrics, profiles.
// It asks nobody who they are, so the listener belongs on the loopback interface or a network of the operator's.
package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"
)

// Check is a condition for being ready.
type Check struct {
	Name string
	OK   func(context.Context) error // nil when it holds
}

// patience bounds all checks of a probe together: the default of Kubernetes for a probe, after which it counts as
// failed anyway.
const patience = time.Second

// Handler serves /livez, /readyz, /metrics and /debug/pprof. It tells logger when the readiness changes.
//
// The command line, which net/http/pprof would show as well, is left out: it may hold a password.
func Handler(metrics http.Handler, logger *slog.Logger, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) {
		// Answering is the proof. A store that is down is no reason to restart the process.
		write(w, http.StatusOK, "ok\n")
	})
	mux.Handle("GET /readyz", &readiness{checks: checks, logger: logger, ready: true})
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // how go tool pprof asks
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// readiness answers 200 when every check passes, 503 otherwise. It names the checks that fail, or with ?verbose all.
type readiness struct {
	checks []Check
	logger *slog.Logger

	mutex sync.Mutex
	ready bool // at the probe before
}

// ServeHTTP implements http.Handler.
func (p *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	errs := make([]error, len(p.checks))
	var group sync.WaitGroup
	for i, check := range p.checks {
		group.Go(func() { errs[i] = check.OK(ctx) })
	}
	group.Wait()

	var all, failed strings.Builder
	var attributes []any
	for i, check := range p.checks {
		if errs[i] == nil {
			fmt.Fprintf(&all, "[+] %s: ok\n", check.Name)
			continue
		}
		fmt.Fprintf(&all, "[-] %s: %v\n", check.Name, errs[i])
		fmt.Fprintf(&failed, "[-] %s: %v\n", check.Name, errs[i])
		attributes = append(attributes, slog.String(check.Name, errs[i].Error()))
	}
	ready := failed.Len() == 0
	if r.Context().Err() == nil { // else it is the probe that failed
		p.note(ready, attributes)
	}
	status, conclusion := http.StatusOK, "ready\n"
	if !ready {
		status, conclusion = http.StatusServiceUnavailable, "not ready\n"
	}
	told := &failed
	if r.URL.Query().Has("verbose") {
		told = &all
	}
	write(w, status, told.String()+conclusion)
}

// note logs a change of the readiness, and only that: probes come every few seconds.
func (p *readiness) note(ready bool, attributes []any) {
	p.mutex.Lock()
	changed := p.ready != ready
	p.ready = ready
	p.mutex.Unlock()
	switch {
	case changed && ready:
		p.logger.Info("ready")
	case changed:
		p.logger.Warn("not ready", attributes...)
	}
}

func write(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	fmt.Fprint(w, text)
}
