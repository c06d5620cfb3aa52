package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify reports the state of the service to systemd. It does nothing without Type=notify in the unit.
func (s *service) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.logger.Warn("systemd notification failed", slog.String("cause", err.Error()))
	}
}

// watch reports to systemd that the API's listener accepts connections, twice in each WatchdogSec= of the unit, until ctx ends.
func (s *service) watch(ctx context.Context) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.logger.Warn("systemd notification failed", slog.String("cause", err.Error()))
	}
	if limit <= 0 {
		return
	}
	tick := time.NewTicker(limit / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := accepts(ctx, s.listener.Addr(), limit/2); err != nil {
			if ctx.Err() == nil {
				s.logger.Error("listener does not respond", slog.String("cause", err.Error()))
			}
			continue
		}
		s.notify(daemon.SdNotifyWatchdog)
	}
}

// accepts reports why the http.Server that listens on addr does not accept connections. It sends what is neither HTTP nor
// TLS, so that net/http itself rejects it, and no request is logged and counted. A connection that is closed was accepted:
// during an overload --max-connections closes new ones, and a restart would not help.
func accepts(ctx context.Context, addr net.Addr, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, addr.Network(), addr.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if _, err = io.WriteString(conn, "watchdog\r\n\r\n"); err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}
