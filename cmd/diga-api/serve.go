package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/docs"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/telemetry"
)

type serveCommand struct {
	databaseFlags
	logFlags
	tlsFlags
	Addr            string `default:":8080" placeholder:"HOST:PORT" help:"Where to serve the API; port 0 takes any free one. Default: ${default}."`
	AdminAddr       string `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Where to serve probes, metrics and profiles, to anybody who reaches it; empty turns it off. Default: ${default}."`
	Migrate         toggle `default:"true" help:"Bring the schema up to date first; with --migrate=false an older schema is refused."`
	Demo            toggle `help:"Fill an empty store with keys to try out, and print how."`
	Docs            toggle `default:"true" help:"Show the contract at /docs, to read and to try out."`
	MaxConnections  string `default:"2048" placeholder:"NUMBER" help:"Open connections to the API at most; then the one that has been idle the longest gives way. Default: ${default}."`
	RequestTimeout  string `default:"2s" placeholder:"DURATION" help:"After which a request is answered with 500. Default: ${default}."`
	DrainDelay      string `default:"5s" placeholder:"DURATION" help:"How long to keep serving after SIGTERM, when /readyz already says no, so that load balancers learn of it; 0s without one. Default: ${default}."`
	ShutdownTimeout string `default:"10s" placeholder:"DURATION" help:"How long requests under way may take to finish after that. Default: ${default}."`
}

// defaultAdminAddr is the default of --admin-addr.
const defaultAdminAddr = "127.0.0.1:9090"

// serveSettings are the flags of serve as understood.
type serveSettings struct {
	logger                      *slog.Logger
	addr, adminAddr             string // adminAddr is empty when off
	migrate, demo, docs         bool
	limits                      limits
	drainDelay, shutdownTimeout time.Duration
}

// settings reads the flags. The error tells everything that is wrong with them.
func (c *serveCommand) settings(stderr io.Writer) (serveSettings, error) {
	var wrong wrongSettings
	s := serveSettings{
		logger:          c.logger(stderr, &wrong),
		addr:            wrong.address("addr", c.Addr),
		migrate:         wrong.toggle("migrate", c.Migrate),
		demo:            wrong.toggle("demo", c.Demo),
		docs:            wrong.toggle("docs", c.Docs),
		limits:          defaultLimits,
		drainDelay:      wrong.delay("drain-delay", c.DrainDelay),
		shutdownTimeout: wrong.duration("shutdown-timeout", c.ShutdownTimeout),
	}
	if c.AdminAddr != "" {
		s.adminAddr = wrong.address("admin-addr", c.AdminAddr)
	}
	s.limits.connections = wrong.positive("max-connections", c.MaxConnections)
	s.limits.request = wrong.duration("request-timeout", c.RequestTimeout)
	c.databaseFlags.check(&wrong)
	c.tlsFlags.check(&wrong)
	if _, err := telemetry.CheckEnvironment(); err != nil {
		wrong = append(wrong, err)
	}
	return s, wrong.err()
}

// Run serves until ctx ends. Then it turns readiness off, keeps serving for --drain-delay, lets the requests under way
// finish, and closes in reverse order what it opened.
func (c *serveCommand) Run(ctx context.Context, terminal terminal) (err error) {
	settings, err := c.settings(terminal.err)
	if err != nil {
		return err
	}
	logger := settings.logger
	keys, err := c.open(ctx, store.Options{Migrate: settings.migrate})
	if err != nil {
		return err
	}
	defer keys.Close()
	built := buildOf()
	observer, err := telemetry.New(ctx, telemetry.Build{Version: built.Version, Revision: built.Revision, Contract: built.Contract}, logger)
	if err != nil {
		return err
	}
	defer closeTelemetry(ctx, observer, logger)
	logger = slog.New(observer.LogHandler(logger.Handler()))
	connections := newConnections(settings.limits.connections)
	observer.Register(poolMetrics{keys.Stats}, connections)
	options := server.Options{Keys: observer.Keys(keys), Logger: logger, Observer: observer, Timeout: settings.limits.request}
	if settings.docs {
		if options.Pages, err = docs.Pages(); err != nil {
			return err
		}
	}
	handler, err := server.New(options)
	if err != nil {
		return err
	}

	var draining atomic.Bool
	api := newAPIServer(closeWhile(&draining, handler), settings.limits, connections, logger)
	scheme := "http://"
	if c.TLSCert != "" {
		scheme = "https://"
		if api.TLSConfig, err = c.config(logger); err != nil {
			return err
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", settings.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	var adminListener net.Listener
	if settings.adminAddr != "" {
		adminListener, err = new(net.ListenConfig).Listen(ctx, "tcp", settings.adminAddr)
		switch {
		case err == nil:
			defer adminListener.Close()
		case settings.adminAddr == defaultAdminAddr && errors.Is(err, syscall.EADDRINUSE):
			// Nobody asked for this very address: a second server on the machine must not need a flag to start.
			logger.Warn("no admin listener: its default address is taken, choose another with --admin-addr")
		default:
			return fmt.Errorf("--admin-addr (DIGA_ADMIN_ADDR): %w", err)
		}
	}
	base := scheme + reachable(listener.Addr())
	if settings.demo {
		if err := printDemo(ctx, keys, base, terminal.out); err != nil {
			return err
		}
	}

	served := make(chan error, 2)
	go func() {
		if api.TLSConfig != nil {
			served <- api.ServeTLS(listener, "", "")
			return
		}
		served <- api.Serve(listener)
	}()
	fmt.Fprintf(terminal.out, "serving on %s\n", base)
	if adminListener != nil {
		admin := newAdminServer(keys, observer, &draining, logger)
		defer admin.Close()
		go func() { served <- admin.Serve(adminListener) }()
		fmt.Fprintf(terminal.out, "admin on http://%s\n", reachable(adminListener.Addr()))
	}

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	draining.Store(true)
	logger.Info("stopping: not ready any more, still serving", slog.String("for", settings.drainDelay.String()))
	select {
	case err := <-served:
		return err
	case <-time.After(settings.drainDelay):
	}
	logger.Info("stopping: finishing the requests under way", slog.String("at_most", settings.shutdownTimeout.String()))
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), settings.shutdownTimeout)
	defer cancel()
	if err := api.Shutdown(deadline); err != nil {
		return errors.Join(fmt.Errorf("requests were still under way after %s: %w", settings.shutdownTimeout, err), api.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// closeWhile has callers open new connections, which then lead elsewhere, while draining. Connections that wait for a
// request are left alone: closing one could meet a request on its way.
func closeWhile(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// flushTimeout bounds sending the last traces: a collector that is down must not keep the server from stopping.
const flushTimeout = 3 * time.Second

func closeTelemetry(ctx context.Context, observer *telemetry.Telemetry, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := observer.Close(ctx); err != nil {
		logger.Warn("the last traces are lost", slog.String("cause", err.Error()))
	}
}

// reachable is the address by which a program on this machine reaches a listener; one that listens on all interfaces
// is reached on the loopback one.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(tcp.Port))
	}
	return addr.String()
}
