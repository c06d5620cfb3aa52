package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// exchange is what the server knows about one request. observe creates it, the layers below fill it, and the log line
// at the end of the request reports it.
type exchange struct {
	client        context.Context // of net/http: canceled when the client hangs up
	requestID     string
	operation     *contract.Operation // nil outside the contract
	caller        apikey.Key
	authenticated bool                 // whether caller is set
	failure       *authenticationError // why the request was not authenticated; nil otherwise
	violations    []contract.Violation // of the request
	body          *requestBody         // nil if the request announces none
	aborted       bool                 // whether the server gave up after the client had received part of the response
}

type exchangeKey struct{}

// exchangeOf returns the exchange of the request that ctx belongs to. It panics outside a request of this server.
func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// operationID returns the operationId of the document, or "" outside the contract.
func (x *exchange) operationID() string {
	if x.operation == nil {
		return ""
	}
	return x.operation.ID
}

// statusHungUp is what the log and the metrics say of a request whose client hung up before it was answered. It is never
// sent. The number is that of nginx.
const statusHungUp = 499

// hungUp reports whether the client closed the connection, or gave up the HTTP/2 stream, before it was answered. Net/http
// cancels its context for a read of the body that timed out, too.
func (x *exchange) hungUp() bool {
	return x.client.Err() != nil && (x.body == nil || !x.body.timedOut())
}

// Observer is notified of every request, for metrics and traces. Its methods are called by many goroutines at the same
// time. Package telemetry implements it, so that this package depends on no monitoring system.
type Observer interface {
	// Prepare is called once, before all others, with the operations of the contract.
	Prepare(operations []*contract.Operation)
	// Begin is called when a request has been routed to operation, which is nil outside the contract. It returns the
	// context of the request, and a function that is called with the status sent, or 499 if the client hung up, or 500
	// if the response was aborted, and the time taken. The method is one that HTTP defines, or "other", so that clients
	// cannot choose it freely.
	Begin(ctx context.Context, operation *contract.Operation, method string, header http.Header) (context.Context, func(status int, duration time.Duration))
	// Violation is called for each request, and for each response of this server, that violates the contract. The
	// direction is "request" or "response".
	Violation(operation *contract.Operation, direction string)
	// Shed is called for each request that is not served because too many are in flight.
	Shed()
	// AuthenticationFailed is called for each request without a valid key. The reason is missing, malformed, unknown,
	// expired or deleted.
	AuthenticationFailed(reason string)
}

// noObserver is used when Options has no Observer.
type noObserver struct{}

func (noObserver) Begin(ctx context.Context, _ *contract.Operation, _ string, _ http.Header) (context.Context, func(int, time.Duration)) {
	return ctx, func(int, time.Duration) {}
}
func (noObserver) Prepare([]*contract.Operation)         {}
func (noObserver) Violation(*contract.Operation, string) {}
func (noObserver) AuthenticationFailed(string)           {}
func (noObserver) Shed()                                 {}

// observe assigns the request its id and deadline. When the request has been answered it writes the log line and
// notifies the observer.
//
// A client that hangs up does not cancel the context of the layers below. A canceled statement may or may not have
// been executed, and costs PostgreSQL its connection. So a request that has begun is carried out, even if its client has
// hung up.
func observe(compiled *contract.Contract, options Options) echo.MiddlewareFunc {
	peer := peerExtractor(options.TrustedProxies)
	operations := inFlight{limit: int64(options.MaxInFlight)}
	others := inFlight{limit: int64(options.MaxInFlight+3) / 4}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			request := c.Request()
			method := knownMethod(request.Method)
			x := &exchange{
				client:    request.Context(),
				requestID: requestID(request.Header),
				operation: compiled.OperationOf(c),
			}
			ctx, end := options.Observer.Begin(x.client, x.operation, method, request.Header)
			ctx = context.WithValue(context.WithoutCancel(ctx), exchangeKey{}, x)
			deadline := start.Add(options.Timeout)
			ctx, cancel := context.WithDeadline(ctx, deadline)
			defer cancel()
			c.SetRequest(request.WithContext(ctx))
			if request.ContentLength != 0 {
				x.limitBody(c, deadline, options.UnreadBody)
			}
			c.Response().Header().Set(echo.HeaderXRequestID, x.requestID)

			// Deferred, because a response that is aborted half-way ends in a panic, which net/http expects.
			defer func() {
				duration, status := time.Since(start), c.Response().Status
				switch {
				case x.hungUp():
					status = statusHungUp
				case x.aborted: // the status that was sent promised too much
					status = http.StatusInternalServerError
				}
				end(status, duration)
				if options.Logger.Enabled(ctx, slog.LevelInfo) {
					record := x.record(method, status, duration)
					if options.LogPeer {
						record.AddAttrs(slog.String("peer", peer(request)))
					}
					_ = options.Logger.Handler().Handle(ctx, record)
				}
			}()
			inFlight := &operations
			if x.operation == nil {
				inFlight = &others
			}
			if !inFlight.admit() {
				inFlight.shed(ctx, options)
				c.Error(errOverloaded)
				return nil
			}
			defer inFlight.release()
			if err := next(c); err != nil {
				c.Error(err)
			}
			return nil
		}
	}
}

// record returns the log line of the request. It names no source line, because slog would have to find it for each request.
func (x *exchange) record(method string, status int, duration time.Duration) slog.Record {
	record := slog.NewRecord(time.Now(), slog.LevelInfo, "request", 0)
	what := slog.String("method", method)
	if x.operation != nil {
		what = slog.String("operation", x.operation.ID)
	}
	record.AddAttrs(slog.String("request_id", x.requestID), what, slog.Int("status", status), slog.Int64("duration_us", duration.Microseconds()))
	if x.authenticated {
		record.AddAttrs(slog.String("caller", x.caller.ID.String()))
	}
	if x.failure != nil {
		record.AddAttrs(slog.String("reason", x.failure.reason))
		if x.failure.key != (apitype.UUID{}) {
			record.AddAttrs(slog.String("key", x.failure.key.String()))
		}
	}
	if len(x.violations) > 0 {
		record.AddAttrs(slog.Any("violations", describe(x.violations)))
	}
	return record
}

// maxLogged limits the violations in a log line.
const maxLogged = 10

// describe returns the place and the keyword of each violation, such as "path id format" or "body /items/0 required". It
// contains nothing that the client sent, not even names of properties.
func describe(violations []contract.Violation) []string {
	var described []string
	for _, violation := range violations[:min(len(violations), maxLogged)] {
		text := violation.In
		if violation.Name != "" {
			text += " " + violation.Name
		}
		if violation.Place != "" {
			text += " " + violation.Place
		}
		if text += " " + violation.Keyword; !slices.Contains(described, text) {
			described = append(described, text)
		}
	}
	return described
}

// peerExtractor returns a function that returns the IP address of the client. X-Forwarded-For counts as far as it was
// written by trusted proxies.
func peerExtractor(trusted []*net.IPNet) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, network := range trusted {
		options = append(options, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// knownMethod returns the method, or "other" for one that HTTP does not define, so that clients cannot write text of
// their choice into the log and the metrics.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}

// maxRequestID is the length in bytes up to which the client's request id is used.
const maxRequestID = 128

// requestID returns the id that the client sent if it is printable ASCII of at most maxRequestID bytes, and otherwise a
// new one. It also replaces an id that contains a key, because the log and the tombstone would reveal it.
func requestID(header http.Header) string {
	sent := header.Get(echo.HeaderXRequestID)
	valid := sent != "" && len(sent) <= maxRequestID && !revealsSecret(sent, header)
	for i := 0; valid && i < len(sent); i++ {
		valid = ' ' <= sent[i] && sent[i] <= '~'
	}
	if valid {
		return sent
	}
	var random [16]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(random[:])
}
