// Package admin serves operators: probes, metrics and profiles. It has no authentication, so it belongs on a listener of
// its own, on the loopback interface or in a private network.
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
	OK   func(context.Context) error // returns nil if the condition is met

	// Informative means that the check is no condition. /readyz?verbose runs and reports it.
	Informative bool
}

// timeout limits all checks of a probe together. It is the default timeout of a Kubernetes probe.
const timeout = time.Second

// Handler serves /livez, /readyz, /metrics and /debug/pprof. It logs when the readiness changes.
//
// It does not serve the command line as net/http/pprof does, because the command line may contain a password.
func Handler(metrics http.Handler, logger *slog.Logger, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) {
		// The store is not checked, because restarting the process would not fix it.
		write(w, http.StatusOK, "ok\n")
	})
	mux.Handle("GET /readyz", &readiness{checks: checks, logger: logger, ready: true})
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // used by go tool pprof
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// readiness answers 200 if every condition is met and 503 otherwise. It lists the failed ones, or with ?verbose all checks.
type readiness struct {
	checks []Check
	logger *slog.Logger

	mutex sync.Mutex
	ready bool // at the previous probe
}

// ServeHTTP implements http.Handler.
func (p *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	verbose := r.URL.Query().Has("verbose")
	errs := make([]error, len(p.checks))
	var group sync.WaitGroup
	for i, check := range p.checks {
		if !check.Informative || verbose {
			group.Go(func() { errs[i] = check.OK(ctx) })
		}
	}
	group.Wait()

	var all, failed strings.Builder
	var attributes []any
	for i, check := range p.checks {
		mark, result := "+", "ok"
		if errs[i] != nil {
			mark, result = "-", errs[i].Error()
		}
		if check.Informative {
			mark = "i"
		}
		line := fmt.Sprintf("[%s] %s: %s\n", mark, check.Name, result)
		all.WriteString(line)
		if errs[i] != nil && !check.Informative {
			failed.WriteString(line)
			attributes = append(attributes, slog.String(check.Name, result))
		}
	}
	ready := failed.Len() == 0
	if r.Context().Err() == nil { // otherwise the probe was canceled
		p.update(ready, attributes)
	}
	status, conclusion := http.StatusOK, "ready\n"
	if !ready {
		status, conclusion = http.StatusServiceUnavailable, "not ready\n"
	}
	report := &failed
	if verbose {
		report = &all
	}
	write(w, status, report.String()+conclusion)
}

// update logs a change of the readiness. It does not log every probe, because probes come every few seconds.
func (p *readiness) update(ready bool, attributes []any) {
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
