package server

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/server/apikey"
)

// exchange is what the server learns about one request on its way: made by observe, filled by those it passes, and
// read by the log line at its end. It is the request's context, too, so that carrying it costs nothing more.
type exchange struct {
	context.Context // of the connection

	deadline time.Time
	arming   sync.Mutex
	armed    atomic.Pointer[armed] // nil until somebody waits

	requestID     string
	caller        apikey.Key
	authenticated bool // whether caller says who is calling
	violations    []Violation
}

// armed is the deadline with a timer.
type armed struct {
	context.Context
	cancel context.CancelFunc
}

// Deadline implements context.Context.
func (x *exchange) Deadline() (time.Time, bool) {
	if outer, ok := x.Context.Deadline(); ok && outer.Before(x.deadline) {
		return outer, true
	}
	return x.deadline, true
}

// Done implements context.Context. The timer is made here, for the first who waits: an eighth of what a request costs
// in this package would go into timers that nobody looks at.
func (x *exchange) Done() <-chan struct{} {
	a := x.armed.Load()
	if a == nil {
		x.arming.Lock()
		defer x.arming.Unlock()
		if a = x.armed.Load(); a == nil {
			a = new(armed)
			a.Context, a.cancel = context.WithDeadline(x.Context, x.deadline)
			x.armed.Store(a)
		}
	}
	return a.Done()
}

// Err implements context.Context.
func (x *exchange) Err() error {
	if a := x.armed.Load(); a != nil {
		return a.Err()
	}
	if err := x.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(x.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// end stops the timer. Who still waits is told when net/http ends the context of the connection's request.
func (x *exchange) end() {
	if a := x.armed.Load(); a != nil {
		a.cancel()
	}
}

type exchangeKey struct{}

// Value implements context.Context.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// exchangeOf finds the exchange of the request that ctx belongs to. Outside a request of this server it panics.
func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// observe gives the request its id and its deadline, and tells the log and the observer when it has been answered.
func observe(compiled *contract.Contract, options Options) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			request := c.Request()
			operation := compiled.Operation(request.Method, c.Path())
			method := knownMethod(request.Method)
			observed := options.Observer.Begin(request.Context(), operation, method, request.Header)
			x := &exchange{
				Context:   observed,
				deadline:  start.Add(options.Timeout),
				requestID: requestID(request.Header.Get(echo.HeaderXRequestID)),
			}
			defer x.end()
			c.SetRequest(request.WithContext(x))
			c.Response().Header().Set(echo.HeaderXRequestID, x.requestID)

			// Deferred, because a response that breaks off in the middle ends in a panic, which net/http expects.
			defer func() {
				duration := time.Since(start)
				status := c.Response().Status
				defer options.Observer.End(x, Outcome{
					Operation: operation, Method: method, Status: status, Duration: duration, Violations: x.violations,
				})
				if !options.Logger.Enabled(x, slog.LevelInfo) {
					return
				}
				// Five attributes, no more, fit into a log record without an allocation.
				routed := slog.String("method", method)
				if operation != nil {
					routed = slog.String("operation", operation.ID)
				}
				attributes := append(make([]slog.Attr, 0, 5),
					slog.String("request_id", x.requestID),
					routed,
					slog.Int("status", status),
					slog.Int64("duration_us", duration.Microseconds()))
				if x.authenticated {
					attributes = append(attributes, slog.String("caller", x.caller.ID.String()))
				}
				options.Logger.LogAttrs(x, slog.LevelInfo, "request", attributes...)
			}()
			if err := next(c); err != nil {
				c.Error(err)
			}
			return nil
		}
	}
}

// operationID is the operationId of the document; empty outside the document.
func operationID(operation *contract.Operation) string {
	if operation == nil {
		return ""
	}
	return operation.ID
}

// maxRequestID is the length in bytes up to which the caller's request id is taken over.
const maxRequestID = 128

// requestID takes over the id that the caller sent, if it is sane: printable ASCII of at most maxRequestID bytes.
// Otherwise it makes one.
func requestID(sent string) string {
	sane := sent != "" && len(sent) <= maxRequestID
	for i := 0; sane && i < len(sent); i++ {
		sane = ' ' <= sent[i] && sent[i] <= '~'
	}
	if sane {
		return sent
	}
	// Unique, not secret, so the cheaper generator will do.
	var random [16]byte
	binary.NativeEndian.PutUint64(random[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(random[8:], rand.Uint64())
	return hex.EncodeToString(random[:])
}
