package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/diga-io/diga-api/server/admin"
	"github.com/diga-io/diga-api/server/telemetry"
)

var errDraining = errors.New("the server is stopping")

// newAdminServer returns the server of the admin listener. /readyz answers 200 if the store was opened and the server is not
// draining. It does not ask the database: an outage of a database that all servers share is no reason to take them out of
// rotation, because callers would get refused connections instead of the declared 500.
func newAdminServer(keys *lateStore, observed *telemetry.Telemetry, draining *atomic.Bool, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: closeUnread(admin.Handler(observed.Metrics(), logger,
			admin.Check{Name: "store", OK: func(context.Context) error {
				_, err := keys.open()
				return err
			}},
			admin.Check{Name: "not draining", OK: func(context.Context) error {
				if draining.Load() {
					return errDraining
				}
				return nil
			}},
			admin.Check{Name: "store responds", OK: keys.CheckWritable, Informative: true},
		)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // limits the duration of a profile
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    128 << 10,
		ErrorLog:          newErrorLog(logger),
	}
}

// closeUnread closes the connection after a request with a body. Otherwise net/http would wait for the rest of the body
// before it sends the response.
func closeUnread(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
			defer func() { _ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second)) }()
		}
		next.ServeHTTP(w, r)
	})
}
