package main

import (
	"log"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// newErrorLog returns the log of an http.Server, which writes each message of net/http as an event. What clients cause at
// will, such as a failed TLS handshake, is logged at DEBUG.
func newErrorLog(logger *slog.Logger) *log.Logger { return log.New(errorLog{logger}, "", 0) }

type errorLog struct{ logger *slog.Logger }

// panicServing matches the message of net/http for a panic outside of the server's handler, which recovers its own. The
// address of the client is not logged.
var panicServing = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s)^http2?: panic serving \S+: (.*?)\n(.*)$`) })

// Write implements io.Writer. It gets one message of net/http.
func (l errorLog) Write(text []byte) (int, error) {
	message := strings.TrimSpace(string(text))
	if found := panicServing().FindStringSubmatch(message); found != nil {
		l.logger.Error("connection panicked", slog.String("cause", found[1]), slog.String("stack", found[2]))
	} else if cause, found := strings.CutPrefix(message, "http: Accept error: "); found {
		l.logger.Error("accept failed", slog.String("cause", cause))
	} else if cause, found := strings.CutPrefix(message, "http: TLS handshake error from "); found {
		l.logger.Debug("TLS handshake failed", slog.String("cause", cause))
	} else if cause, found := strings.CutPrefix(message, "http: "); found {
		l.logger.Warn("response written incorrectly", slog.String("cause", cause))
	} else {
		l.logger.Debug("connection failed", slog.String("cause", message))
	}
	return len(text), nil
}
