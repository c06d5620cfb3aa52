package main

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// The watchdog sees a listener that no longer accepts, and needs no slot of the limit of connections.
func TestAccepts(t *testing.T) {
	handled := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the check is a request") })
	flags := pairIn(t)
	newPair(t, flags, 1)
	certificate, err := flags.certificate(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		connections int
		tls         *tls.Config
	}{"HTTP": {1, nil}, "HTTPS": {1, certificate.config()}, "no connection left": {0, nil}} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := newAPIServer(handled, defaultLimits, newConnections(test.connections, func() {}), slog.New(slog.DiscardHandler))
		server.TLSConfig = test.tls
		served := make(chan error, 1)
		go func() {
			if test.tls != nil {
				served <- server.ServeTLS(listener, "", "")
				return
			}
			served <- server.Serve(listener)
		}()
		if err := accepts(t.Context(), listener.Addr(), time.Minute); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
		<-served
		if err := accepts(t.Context(), listener.Addr(), time.Minute); err == nil {
			t.Errorf("%s: it accepts after the end", name)
		}
	}

	// The kernel completes connections that no server accepts.
	stuck, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if err := accepts(t.Context(), stuck.Addr(), 50*time.Millisecond); err == nil {
		t.Error("a listener without a server accepts")
	}
}
