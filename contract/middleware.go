package contract

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// Middleware holds every request that echo routed to an operation of the document, and its response, to the document.
// Requests of other routes pass untouched.
//
// A request that is not allowed, or does not fit, does not reach the handler: echo's error handler gets a
// *SecurityError or *RequestError. So it gets the error of a handler, and a *ResponseError in place of a response that
// does not fit; its own response has to fit, too. Of a response that is not sent nothing remains, also no header. When
// even the error handler's response does not fit, the 500 of the document goes out, and the *ResponseError is returned.
//
// An error that comes when a streamed response has begun goes to the error handler, which can only log it; then the
// connection is aborted, by a panic with http.ErrAbortHandler, so that the client does not take the part for the whole.
func (c *Contract) Middleware() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(ctx echo.Context) error {
			o := c.routes[route{ctx.Request().Method, ctx.Path()}]
			if o == nil {
				return next(ctx)
			}
			if last := ctx.ParamValues(); len(last) > 0 && strings.Contains(last[len(last)-1], "/") {
				return echo.ErrNotFound // echo lets the last parameter of a route hold slashes, the document does not
			}
			return o.serve(ctx, next)
		}
	}
}

func (o *Operation) serve(c echo.Context, next echo.HandlerFunc) error {
	r := o.record(c)
	finished := false
	defer func() {
		if !finished && !r.sent() {
			r.discard() // a panic: whoever recovers from it answers
		}
		r.release()
	}()
	if err := o.handle(c, next); err != nil {
		if r.mode == hijacked {
			finished = true
			return err
		}
		if r.sent() {
			c.Error(err)
			finished = true
			panic(http.ErrAbortHandler)
		}
		r.discard()
		c.Error(err)
	}
	var last error
	if broken := r.verdict(); broken != nil {
		r.discard()
		c.Error(broken)
		if broken := r.verdict(); broken != nil {
			r.discard()
			o.fallback(r)
			last = broken
		}
	}
	finished = true
	if err := r.send(); err != nil {
		return fmt.Errorf("send response: %w", err)
	}
	return last
}

// handle lets the request through to next when it fits.
func (o *Operation) handle(c echo.Context, next echo.HandlerFunc) error {
	if err := o.authenticate(c); err != nil {
		return err
	}
	if err := o.checkRequest(c); err != nil {
		return err
	}
	return next(c)
}

// fallback answers 500 with nothing but the example of the document. It is not validated: this is the end of the line.
func (o *Operation) fallback(r *recorder) {
	r.mode, r.status = held, http.StatusInternalServerError
	if example := o.Example(r.status); example != nil {
		r.body = append(r.body, example...)
		r.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	}
	r.response.Status, r.response.Size, r.response.Committed = r.status, int64(len(r.body)), true
}

// OperationOf is the operation that the request of c was routed to, for whoever runs within the middleware: handlers,
// inner middleware, the error handler. Elsewhere, and on routes that are not in the document, it is nil; outside the
// middleware ask Contract.Operation.
func OperationOf(c echo.Context) *Operation {
	writer := c.Response().Writer
	for {
		if r, ok := writer.(*recorder); ok {
			return r.operation
		}
		wrapper, ok := writer.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		writer = wrapper.Unwrap()
	}
}
