package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/docs"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/telemetry"
)

// service is the running server.
type service struct {
	serveSettings
	build         build
	store         string // its URL without secrets
	keys          lateStore
	observed      *telemetry.Telemetry
	api, admin    *http.Server
	tls           bool         // of api; net/http sets api.TLSConfig in any case
	listener      net.Listener // of api
	adminListener net.Listener // nil when off
	stopOpening   func()       // ends the attempts to open the store, and waits until they have ended; nil before them
	stopWatching  func()       // the same for the watchdog
	started       bool
	opened        chan struct{} // closed when the store is open; nil once that is logged
	draining      atomic.Bool
	served        chan error // how each listener, or the attempts to open the store, ended
}

// run serves until ctx ends, and then drains. The caller closes what it opened.
func (s *service) run(ctx context.Context, c *serveCommand, out io.Writer) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if err := s.listen(ctx, c); err != nil {
		return err
	}
	if err := s.openStore(ctx, c, out); err != nil || ctx.Err() != nil {
		return err
	}
	s.serve(ctx, out)
	for {
		select {
		case <-s.opened:
			s.opened = nil
			s.notify("STATUS=Serving.")
			s.logger.LogAttrs(ctx, slog.LevelInfo, "store opened", s.storeAttributes(ctx)...)
		case err := <-s.served:
			return err
		case <-ctx.Done():
			return s.drain(ctx)
		}
	}
}

// prepare builds the handlers.
func (s *service) prepare(ctx context.Context) (err error) {
	running := telemetry.Build{Version: s.build.Version, Revision: s.build.Revision, Contract: s.build.Contract}
	s.observed, err = telemetry.New(ctx, running, s.logger)
	if err != nil {
		return err
	}
	s.logger = slog.New(s.observed.LogHandler(s.logger.Handler()))
	conns := newConnections(s.limits.connections, s.observed.Shed)
	options := server.Options{
		Keys: s.observed.Keys(&s.keys), Logger: s.logger, Observer: s.observed, Timeout: s.limits.request,
		MaxInFlight: s.limits.inFlight, UnreadBody: conns.giveWay,
		LogPeer: s.logPeer, TrustedProxies: s.trustedProxies,
	}
	if s.docs {
		if options.Pages, err = docs.Pages(); err != nil {
			return err
		}
	}
	handler, err := server.New(options)
	if err != nil {
		return err
	}
	s.observed.Register(poolMetrics{s.keys.Stats}, storeUp{s.keys.CheckWritable, new(singleflight.Group)}, conns)
	s.api = newAPIServer(closeWhile(&s.draining, handler), s.limits, conns, s.logger)
	s.admin = newAdminServer(&s.keys, s.observed, &s.draining, s.logger)
	return nil
}

// listen loads the certificate and opens the listeners.
func (s *service) listen(ctx context.Context, c *serveCommand) (err error) {
	if s.tls = c.TLSCert != ""; s.tls {
		loaded, err := c.certificate(s.logger)
		if err != nil {
			return err
		}
		s.api.TLSConfig = loaded.config()
		s.observed.Register(loaded.expiry())
	}
	var config net.ListenConfig
	s.listener, err = config.Listen(ctx, "tcp", s.addr)
	if host, _, _ := net.SplitHostPort(s.addr); s.demo && errors.Is(err, syscall.EADDRINUSE) {
		// What a newcomer pastes has to work, and all of it names the port.
		s.listener, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return listenError("addr", s.addr, err)
	}
	if s.adminAddr == "" {
		return nil
	}
	s.adminListener, err = config.Listen(ctx, "tcp", s.adminAddr)
	if !s.adminChosen && errors.Is(err, syscall.EADDRINUSE) {
		// The operator did not choose this address, so a second server on the machine starts without it.
		s.logger.Warn("no admin listener", slog.String("cause", err.Error()), slog.String("fix", "set --admin-addr"))
		return nil
	}
	if err != nil {
		return listenError("admin-addr", s.adminAddr, err)
	}
	return nil
}

// listenError returns the error of a listener, with what to do about a taken port.
func listenError(flag, addr string, err error) error {
	next := ""
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(addr)
		next = fmt.Sprintf("; stop the program that uses it, or choose another port, such as --%s %s for any that is free", flag, net.JoinHostPort(host, "0"))
	}
	return fmt.Errorf("--%s (%s) cannot be used: %w%s", flag, variable(flag), err, next)
}

// startPatience is how long the start waits for the first attempt to open the store. Clients that connect in the meantime
// wait as well, so that a start does not answer them with 500 if the database responds.
const startPatience = time.Second

// openStore starts to open the store, and returns after the first attempt or startPatience. The error is that of a store
// that will not open. If that becomes clear later, the error ends the server.
func (s *service) openStore(ctx context.Context, c *serveCommand, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	attempted, ended := make(chan struct{}), make(chan struct{})
	s.stopOpening = func() { cancel(); <-ended }
	first := sync.OnceFunc(func() { close(attempted) })
	go func() {
		defer close(ended)
		defer first()
		open := func() (*store.Store, error) { return store.Open(ctx, c.DatabaseURL, store.Options{Migrate: s.migrate}) }
		keys, err := s.keys.retry(ctx, open, s.logger, first)
		if err == nil && s.demo {
			if err = s.printDemo(ctx, keys, out); err != nil {
				_ = keys.Close()
			}
		}
		switch {
		case err == nil:
			s.keys.keys.Store(keys)
			close(s.opened)
		case ctx.Err() == nil:
			s.served <- err
		}
	}()
	select {
	case <-attempted:
	case <-time.After(startPatience):
	case <-ctx.Done():
	}
	select {
	case err := <-s.served:
		return err
	default:
		return nil
	}
}

// storeAttributes returns the store for a log line, with the version of its schema if it is open.
func (s *service) storeAttributes(ctx context.Context) []slog.Attr {
	attributes := []slog.Attr{slog.String("store", s.store)}
	if keys, err := s.keys.open(); err == nil {
		ctx, cancel := context.WithTimeout(ctx, startPatience)
		defer cancel()
		if schema, err := keys.SchemaVersion(ctx); err == nil {
			attributes = append(attributes, slog.Int64("schema", schema))
		}
	}
	return attributes
}

// serve starts both servers.
func (s *service) serve(ctx context.Context, out io.Writer) {
	go func() {
		if s.tls {
			s.served <- s.api.ServeTLS(s.listener, "", "")
			return
		}
		s.served <- s.api.Serve(s.listener)
	}()
	attributes := []slog.Attr{
		slog.String("addr", s.listener.Addr().String()),
		slog.Bool("tls", s.tls),
		slog.String("version", s.build.Version),
		slog.String("revision", s.build.Revision),
		slog.String("contract_sha256", s.build.Contract),
	}
	if s.adminListener != nil {
		go func() { s.served <- s.admin.Serve(s.adminListener) }()
		attributes = append(attributes, slog.String("admin_addr", s.adminListener.Addr().String()))
	}
	if s.demo || isTerminal(out) {
		fmt.Fprintf(out, "serving on %s\n", s.base())
	}
	s.started = true
	s.logAlways(ctx, slog.LevelInfo, "started", append(attributes, s.storeAttributes(ctx)...)...)
	// The service has started even if the store is not open yet: a restart would not open it.
	select {
	case <-s.opened:
		s.opened = nil
		s.notify("READY=1\nSTATUS=Serving.")
	default:
		s.notify("READY=1\nSTATUS=Waiting for the database.")
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	s.stopWatching = func() { cancel(); <-ended }
	go func() {
		defer close(ended)
		s.watch(ctx)
	}()
}

// logStopped logs why the server stopped.
func (s *service) logStopped(ctx context.Context, ran time.Duration, err error) {
	level, cause := slog.LevelInfo, context.Cause(ctx)
	if err != nil {
		level, cause = slog.LevelError, err
	}
	s.logAlways(ctx, level, "stopped", slog.String("cause", fmt.Sprint(cause)), slog.Int64("duration_s", int64(ran.Seconds())))
}

// logAlways logs an event whatever --log-level says: operators who silence requests still need to know what ran and when.
func (s *service) logAlways(ctx context.Context, level slog.Level, event string, attributes ...slog.Attr) {
	record := slog.NewRecord(time.Now(), level, event, 0)
	record.AddAttrs(attributes...)
	_ = s.logger.Handler().Handle(ctx, record)
}

// base returns the base URL of the API for a program on this machine.
func (s *service) base() string {
	if s.tls {
		return "https://" + reachable(s.listener.Addr())
	}
	return "http://" + reachable(s.listener.Addr())
}

// drain makes the server unready, keeps serving for --drain-delay, and then waits for the requests in flight.
func (s *service) drain(ctx context.Context) error {
	s.draining.Store(true)
	s.notify("STOPPING=1\nSTATUS=Draining.")
	s.logger.Info("draining", slog.String("delay", s.drainDelay.String()))
	select {
	case err := <-s.served:
		return err
	case <-time.After(s.drainDelay):
	}
	s.stopWatching()
	s.logger.Info("shutting down", slog.String("timeout", s.shutdownTimeout.String()))
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.shutdownTimeout)
	defer cancel()
	if err := s.api.Shutdown(deadline); err != nil {
		return errors.Join(fmt.Errorf("requests were still in flight after %s: %w", s.shutdownTimeout, err), s.api.Close())
	}
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// flushTimeout limits the export of the last traces, so that a collector that is down does not keep the server from
// stopping.
const flushTimeout = 3 * time.Second

// close closes what was opened, in reverse order.
func (s *service) close(ctx context.Context) {
	if s.stopWatching != nil {
		s.stopWatching()
	}
	if s.admin != nil {
		_ = s.admin.Close()
	}
	for _, listener := range []net.Listener{s.adminListener, s.listener} {
		if listener != nil {
			_ = listener.Close()
		}
	}
	if s.observed != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := s.observed.Close(ctx); err != nil {
			s.logger.Warn("trace flush failed", slog.String("cause", err.Error()))
		}
	}
	if s.stopOpening != nil {
		s.stopOpening()
	}
	s.keys.Close()
}

// closeWhile sends Connection: close while draining, so that clients reconnect to another server. It leaves idle
// connections open, because closing one could race with a request on it.
func closeWhile(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// reachable returns the address at which a program on this machine reaches a listener. A listener on all interfaces is
// reachable on the loopback interface.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}
