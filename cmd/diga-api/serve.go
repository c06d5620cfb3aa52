package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/alecthomas/kong"

	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/telemetry"
)

type serveCommand struct {
	databaseFlags
	logFlags
	tlsFlags
	Addr            string `default:":8080" placeholder:"HOST:PORT" help:"Address of the API; port 0 is any free port."`
	AdminAddr       string `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Address of probes, metrics and profiles, without authentication; empty turns it off."`
	Migrate         toggle `default:"true" help:"Bring the schema up to date at start; with --migrate=false an older schema is an error."`
	Demo            toggle `help:"Create keys in an empty store and print curl commands to try."`
	Docs            toggle `default:"true" help:"Serve Swagger UI at /docs."`
	LogPeer         toggle `help:"Log the IP address of each client."`
	TrustedProxies  string `placeholder:"CIDR,..." help:"Proxies whose X-Forwarded-For is believed with --log-peer."`
	MaxConnections  string `default:"1024" placeholder:"NUMBER" help:"Maximum of open connections to the API; beyond it the longest idle connection is closed."`
	MaxInFlight     string `default:"512" placeholder:"NUMBER" help:"Maximum of requests served at the same time; more are answered with 500 and Retry-After."`
	RequestTimeout  string `default:"2s" placeholder:"DURATION" help:"Time after which a request is answered with 500."`
	DrainDelay      string `default:"5s" placeholder:"DURATION" help:"How long to keep serving after SIGTERM, while /readyz answers 503, until load balancers have noticed; 0s without one."`
	ShutdownTimeout string `default:"10s" placeholder:"DURATION" help:"How long requests in flight may take to finish after that."`
}

// serveSettings are the parsed flags of serve.
type serveSettings struct {
	logger                      *slog.Logger
	jsonLog                     bool
	addr, adminAddr             string // adminAddr is empty when off
	adminChosen                 bool   // the operator set --admin-addr
	migrate, demo, docs         bool
	logPeer                     bool
	trustedProxies              []*net.IPNet
	limits                      limits
	drainDelay, shutdownTimeout time.Duration
}

// settings parses the flags. The error reports all invalid settings.
func (c *serveCommand) settings(std streams, log io.Writer) (serveSettings, error) {
	var settings invalidSettings
	logger, isJSON := c.logger(std, log, &settings)
	s := serveSettings{
		logger:          logger,
		jsonLog:         isJSON,
		addr:            settings.address("addr", c.Addr),
		migrate:         settings.toggle("migrate", c.Migrate),
		demo:            settings.toggle("demo", c.Demo),
		docs:            settings.toggle("docs", c.Docs),
		logPeer:         settings.toggle("log-peer", c.LogPeer),
		trustedProxies:  settings.networks("trusted-proxies", c.TrustedProxies),
		limits:          defaultLimits,
		drainDelay:      settings.delay("drain-delay", c.DrainDelay),
		shutdownTimeout: settings.duration("shutdown-timeout", c.ShutdownTimeout),
	}
	if c.AdminAddr != "" {
		s.adminAddr = settings.address("admin-addr", c.AdminAddr)
	}
	s.limits.connections = settings.positive("max-connections", c.MaxConnections)
	s.limits.inFlight = settings.positive("max-in-flight", c.MaxInFlight)
	s.limits.request = settings.duration("request-timeout", c.RequestTimeout)
	c.databaseFlags.check(&settings)
	c.tlsFlags.check(&settings)
	if c.TrustedProxies != "" && !s.logPeer {
		settings.reject("trusted-proxies", "has no effect without --log-peer")
	}
	if _, err := telemetry.CheckEnvironment(); err != nil {
		settings = append(settings, err)
	}
	return s, settings.err()
}

// Run serves until ctx ends, and then drains. In a JSON log, the reason of a failure is a line of the log as well.
func (c *serveCommand) Run(ctx context.Context, parsed *kong.Context, env environment, std streams) error {
	log := newLogWriter(std.err)
	defer log.Close()
	settings, err := c.settings(std, log)
	settings.adminChosen = origin(parsed, env, "admin-addr") != fromDefault
	s := &service{
		serveSettings: settings, build: currentBuild(), store: store.Redact(c.DatabaseURL), opened: make(chan struct{}),
		served: make(chan error, 3),
	}
	start := time.Now()
	if err == nil {
		err = s.run(ctx, c, std.out)
		s.close(ctx)
	}
	switch {
	case s.started:
		s.logStopped(ctx, time.Since(start), err)
	case err != nil && s.jsonLog:
		s.logger.Error("start failed", slog.String("cause", err.Error()))
	default:
		return err
	}
	if err != nil {
		return loggedError{err}
	}
	return nil
}
