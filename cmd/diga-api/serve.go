package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/store"
)

type serveCommand struct {
	databaseFlags
	logFlags
	Addr            string `default:":8080" placeholder:"HOST:PORT" help:"Where to serve the API; port 0 takes any free one. Default: ${default}."`
	Migrate         toggle `default:"true" help:"Bring the schema up to date first; with --migrate=false an older schema is refused."`
	Demo            toggle `help:"Fill an empty store with keys to try out, and print how."`
	RequestTimeout  string `default:"2s" placeholder:"DURATION" help:"After which a request is answered with 500. Default: ${default}."`
	ShutdownTimeout string `default:"10s" placeholder:"DURATION" help:"How long requests under way may take to finish after SIGTERM. Default: ${default}."`
}

// Limits of every connection to the API. They cut off who sends, or reads, too slowly.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 15 * time.Second // longer than any --request-timeout that makes sense
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 128 << 10
)

// Run serves until ctx ends, then lets the requests under way finish.
func (c *serveCommand) Run(ctx context.Context, terminal terminal) error {
	var settings wrongSettings
	logger := c.logger(terminal.err, &settings)
	addr := settings.address("addr", c.Addr)
	demo := settings.toggle("demo", c.Demo)
	migrate := settings.toggle("migrate", c.Migrate)
	requestTimeout := settings.duration("request-timeout", c.RequestTimeout)
	shutdownTimeout := settings.duration("shutdown-timeout", c.ShutdownTimeout)
	c.check(&settings)
	if err := settings.err(); err != nil {
		return err
	}

	keys, err := c.open(ctx, store.Options{Migrate: migrate})
	if err != nil {
		return err
	}
	defer keys.Close()
	handler, err := server.New(server.Options{Keys: keys, Logger: logger, Timeout: requestTimeout})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	base := "http://" + reachable(listener.Addr())
	if demo {
		if err := printDemo(ctx, keys, base, terminal.out); err != nil {
			return err
		}
	}

	httpServer := &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // OPTIONS * is answered like any other request
		ErrorLog:                     slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	fmt.Fprintf(terminal.out, "serving on %s\n", base)

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	logger.Info("stopping: finishing the requests under way", slog.Duration("at_most", shutdownTimeout))
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := httpServer.Shutdown(deadline); err != nil {
		return errors.Join(fmt.Errorf("requests were still under way after %s: %w", shutdownTimeout, err), httpServer.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
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
