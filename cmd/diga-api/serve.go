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
	Addr            string `default:":8080" placeholder:"HOST:PORT" help:"Address of the API; port 0 is any free port. Default: ${default}."`
	AdminAddr       string `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Address of probes, metrics and profiles, without authentication; empty turns it off. Default: ${default}."`
	Migrate         toggle `default:"true" help:"Bring the schema up to date at start; with --migrate=false an older schema is an error."`
	Demo            toggle `help:"Create keys in an empty store and print curl commands to try."`
	Docs            toggle `default:"true" help:"Serve Swagger UI at /docs."`
	LogPeer         toggle `help:"Log the IP address of each client."`
	TrustedProxies  string `placeholder:"CIDR,..." help:"Proxies whose X-Forwarded-For is believed with --log-peer."`
	MaxConnections  string `default:"2048" placeholder:"NUMBER" help:"Maximum of open connections to the API; beyond it the longest idle connection is closed. Default: ${default}."`
	MaxInFlight     string `default:"512" placeholder:"NUMBER" help:"Maximum of requests served at the same time; more are answered with 500 and Retry-After. Default: ${default}."`
	RequestTimeout  string `default:"2s" placeholder:"DURATION" help:"Time after which a request is answered with 500. Default: ${default}."`
	DrainDelay      string `default:"5s" placeholder:"DURATION" help:"How long to keep serving after SIGTERM, while /readyz answers 503, until load balancers have noticed; 0s without one. Default: ${default}."`
	ShutdownTimeout string `default:"10s" placeholder:"DURATION" help:"How long requests in flight may take to finish after that. Default: ${default}."`
}

// defaultAdminAddr is the default of --admin-addr.
const defaultAdminAddr = "127.0.0.1:9090"

// serveSettings are the parsed flags of serve.
type serveSettings struct {
	logger                      *slog.Logger
	addr, adminAddr             string // adminAddr is empty when off
	migrate, demo, docs         bool
	logPeer                     bool
	trustedProxies              []*net.IPNet
	limits                      limits
	drainDelay, shutdownTimeout time.Duration
}

// settings parses the flags. The error reports all invalid settings.
func (c *serveCommand) settings(stderr io.Writer) (serveSettings, error) {
	var wrong wrongSettings
	s := serveSettings{
		logger:          c.logger(stderr, &wrong),
		addr:            wrong.address("addr", c.Addr),
		migrate:         wrong.toggle("migrate", c.Migrate),
		demo:            wrong.toggle("demo", c.Demo),
		docs:            wrong.toggle("docs", c.Docs),
		logPeer:         wrong.toggle("log-peer", c.LogPeer),
		trustedProxies:  wrong.networks("trusted-proxies", c.TrustedProxies),
		limits:          defaultLimits,
		drainDelay:      wrong.delay("drain-delay", c.DrainDelay),
		shutdownTimeout: wrong.duration("shutdown-timeout", c.ShutdownTimeout),
	}
	if c.AdminAddr != "" {
		s.adminAddr = wrong.address("admin-addr", c.AdminAddr)
	}
	s.limits.connections = wrong.positive("max-connections", c.MaxConnections)
	s.limits.inFlight = wrong.positive("max-in-flight", c.MaxInFlight)
	s.limits.request = wrong.duration("request-timeout", c.RequestTimeout)
	c.databaseFlags.check(&wrong)
	c.tlsFlags.check(&wrong)
	if c.TrustedProxies != "" && !s.logPeer {
		wrong.wrong("trusted-proxies", "has no effect without --log-peer")
	}
	if _, err := telemetry.CheckEnvironment(); err != nil {
		wrong = append(wrong, err)
	}
	return s, wrong.err()
}

// Run serves until ctx ends, and then drains.
func (c *serveCommand) Run(ctx context.Context, std streams) error {
	settings, err := c.settings(std.err)
	if err != nil {
		return err
	}
	s := &service{serveSettings: settings, served: make(chan error, 2)}
	defer s.close(ctx)
	if err := s.open(ctx, c); err != nil {
		return err
	}
	if err := s.listen(ctx, c); err != nil {
		return err
	}
	if err := s.serve(ctx, std.out); err != nil {
		return err
	}
	select {
	case err := <-s.served:
		return err
	case <-ctx.Done():
		return s.drain(ctx)
	}
}

// service is the running server.
type service struct {
	serveSettings
	keys          *store.Store
	observed      *telemetry.Telemetry
	api, admin    *http.Server
	listener      net.Listener // of api
	adminListener net.Listener // nil when off
	draining      atomic.Bool
	served        chan error // results of Serve of both listeners
}

// open opens the store and builds the handlers.
func (s *service) open(ctx context.Context, c *serveCommand) (err error) {
	if s.keys, err = c.open(ctx, store.Options{Migrate: s.migrate}); err != nil {
		return err
	}
	b := currentBuild()
	s.observed, err = telemetry.New(ctx, telemetry.Build{Version: b.Version, Revision: b.Revision, Contract: b.Contract}, s.logger)
	if err != nil {
		return err
	}
	s.logger = slog.New(s.observed.LogHandler(s.logger.Handler()))
	conns := newConnections(s.limits.connections)
	options := server.Options{
		Keys: s.observed.Keys(s.keys), Logger: s.logger, Observer: s.observed, Timeout: s.limits.request,
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
	s.observed.Register(poolMetrics{s.keys.Stats}, conns)
	s.api = newAPIServer(closeWhile(&s.draining, handler), s.limits, conns, s.logger)
	s.admin = newAdminServer(s.keys, s.observed, &s.draining, s.logger)
	return nil
}

// listen loads the certificate and opens the listeners.
func (s *service) listen(ctx context.Context, c *serveCommand) (err error) {
	if c.TLSCert != "" {
		loaded, err := c.certificate(s.logger)
		if err != nil {
			return err
		}
		s.api.TLSConfig = loaded.config()
		s.observed.Register(loaded.expiry())
	}
	var config net.ListenConfig
	if s.listener, err = config.Listen(ctx, "tcp", s.addr); err != nil {
		return err
	}
	if s.adminAddr == "" {
		return nil
	}
	s.adminListener, err = config.Listen(ctx, "tcp", s.adminAddr)
	if s.adminAddr == defaultAdminAddr && errors.Is(err, syscall.EADDRINUSE) {
		// The operator did not choose this address, so a second server on the machine starts without it.
		s.logger.Warn("no admin listener", slog.String("cause", err.Error()), slog.String("fix", "set --admin-addr"))
		return nil
	}
	if err != nil {
		return fmt.Errorf("--admin-addr (DIGA_ADMIN_ADDR): %w", err)
	}
	return nil
}

// serve starts both servers and prints their addresses.
func (s *service) serve(ctx context.Context, out io.Writer) error {
	base := "http://" + reachable(s.listener.Addr())
	if s.api.TLSConfig != nil {
		base = "https://" + reachable(s.listener.Addr())
	}
	if s.demo {
		if err := printDemo(ctx, s.keys, base, out); err != nil {
			return err
		}
	}
	go func() {
		if s.api.TLSConfig != nil {
			s.served <- s.api.ServeTLS(s.listener, "", "")
			return
		}
		s.served <- s.api.Serve(s.listener)
	}()
	fmt.Fprintf(out, "serving on %s\n", base)
	if s.adminListener != nil {
		go func() { s.served <- s.admin.Serve(s.adminListener) }()
		fmt.Fprintf(out, "admin on http://%s\n", reachable(s.adminListener.Addr()))
	}
	return nil
}

// drain makes the server unready, keeps serving for --drain-delay, and then waits for the requests in flight.
func (s *service) drain(ctx context.Context) error {
	s.draining.Store(true)
	s.logger.Info("draining", slog.String("delay", s.drainDelay.String()))
	select {
	case err := <-s.served:
		return err
	case <-time.After(s.drainDelay):
	}
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
	if s.keys != nil {
		_ = s.keys.Close()
	}
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
