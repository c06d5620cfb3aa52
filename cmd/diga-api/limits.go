package main

import (
	"log/slog"
	"net/http"
	"time"
)

// limits protect the API's listener from slow clients and from too many connections.
type limits struct {
	header      time.Duration // to read the header of a request
	request     time.Duration // to read the body and to answer, after that
	write       time.Duration // to write the response, after that
	idle        time.Duration // between two requests
	headerBytes int           // net/http allows 4 KiB more
	connections int
	inFlight    int // requests in the handler
	streams     int // requests on one HTTP/2 connection
}

// defaultLimits keep the memory that "Sizing" in docs/operations.md promises. A header of short fields takes almost thirty
// times its length.
var defaultLimits = limits{
	header:      5 * time.Second,
	request:     2 * time.Second,
	write:       5 * time.Second,
	idle:        2 * time.Minute,
	headerBytes: 8 << 10,
	connections: 1024,
	inFlight:    512,
	streams:     16,
}

// newAPIServer returns a server in which every wait for a client ends.
func newAPIServer(handler http.Handler, l limits, conns *connections, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      conns.limitRequests(handler),
		ReadHeaderTimeout:            l.header,
		ReadTimeout:                  l.header + l.request,
		WriteTimeout:                 l.request + l.write, // net/http starts the timer at the end of the header
		IdleTimeout:                  l.idle,
		MaxHeaderBytes:               l.headerBytes,
		DisableGeneralOptionsHandler: true, // the handler answers OPTIONS * like any other request
		ErrorLog:                     newErrorLog(logger),
		ConnState:                    conns.update,
		ConnContext:                  withConn,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          l.streams,
			MaxReadFrameSize:              16 << 10, // the smallest value; net/http allocates a buffer of this size
			MaxReceiveBufferPerConnection: 64 << 10, // the smallest value
			MaxReceiveBufferPerStream:     64 << 10,
			WriteByteTimeout:              l.write,
		},
	}
}
