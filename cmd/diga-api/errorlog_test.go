package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// lockedBuffer is written to by the goroutines of a server.
type lockedBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}

// troubled fails the first Accept, as when the process has no more file descriptors.
type troubled struct {
	net.Listener
	once sync.Once
}

type temporary struct{ error }

func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

func (l *troubled) Accept() (conn net.Conn, err error) {
	l.once.Do(func() { err = temporary{errors.New("too many open files")} })
	if err != nil {
		return nil, err
	}
	return l.Listener.Accept()
}

// The messages of net/http are events with a level that fits.
func TestErrorLog(t *testing.T) {
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newAPIServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusOK)
		panic("of the handler")
	}), defaultLimits, newConnections(10, func() {}), logger)
	served := make(chan error, 1)
	go func() { served <- server.Serve(&troubled{Listener: listener}) }()
	response, err := http.Get("http://" + listener.Addr().String())
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	server.Close()
	<-served
	for _, want := range []string{
		`level=ERROR msg="accept failed" cause="too many open files; retrying in `,
		`level=WARN msg="response written incorrectly" cause="superfluous response.WriteHeader call`,
		`level=ERROR msg="connection panicked" cause="of the handler" stack="goroutine `,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%v, no %s in\n%s", err, want, log.String())
		}
	}
	if strings.Contains(log.String(), "127.0.0.1") {
		t.Errorf("the address of the client is logged:\n%s", log.String())
	}

	log = lockedBuffer{}
	errors := newErrorLog(logger)
	errors.Print("http: TLS handshake error from 192.0.2.1:1234: EOF")
	errors.Print("http2: server connection error from 192.0.2.1:1234: connection error: PROTOCOL_ERROR")
	if text := log.String(); strings.Count(text, "level=DEBUG ") != 2 || !strings.Contains(text, `msg="TLS handshake failed"`) || !strings.Contains(text, `msg="connection failed"`) {
		t.Errorf("what clients cause is logged as\n%s", text)
	}
}
