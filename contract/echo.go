package contract

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"
)

// This file and routes.go are the only ones that know echo.

// Middleware validates every request that echo routed to an operation of the document, and its response. Requests of
// other routes pass unchanged.
//
// A request that is not authenticated or not valid does not reach the handler: echo's error handler gets a
// *SecurityError or a *RequestError. The error handler also gets the error of a handler, and a *ResponseError in place
// of an invalid response. Nothing of a response that is not sent remains, headers included.
//
// The response of the error handler has to be valid, too, with one exception: where the server itself speaks, because
// the error is one of this package or because of ServerAnswer, the operation need not declare the status. If the
// response of the error handler is invalid, the client gets the document's example of a 500, or else Options.Fallback,
// and Middleware returns the *ResponseError.
//
// If an error occurs after a streamed response has begun, the error handler gets it within a *StreamError and can only log
// it. Then Middleware aborts the connection by a panic with http.ErrAbortHandler, so that the client does not mistake the
// part for the whole. A panic of the handler passes; an outer middleware that recovers it has to abort the connection.
func (c *Contract) Middleware() echo.MiddlewareFunc {
	c.checkRouted()
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(ctx echo.Context) error {
			o := c.OperationOf(ctx)
			switch {
			case o != nil:
				return o.serve(ctx, next)
			case ctx.Path() == "":
				return echo.ErrNotFound
			}
			return next(ctx)
		}
	}
}

// ServerAnswer marks the answer that the error handler is about to write as the server's own: for an unexpected error, an
// overload, an operation that is not implemented. The server's own answer is sent even if the operation does not declare
// its status. If the operation declares the status, the answer has to be valid; if it declares it without content, the
// body is left out. Answers to a *SecurityError, *RequestError or *ResponseError need no mark.
//
// Only the error handler can speak for the server: ServerAnswer has no effect in a handler, whose undeclared answers are
// always rejected, nor outside Middleware.
func ServerAnswer(ctx echo.Context) {
	if r := recorderOf(ctx.Response().Writer); r != nil && r.author == errorHandler {
		r.author = server
	}
}

// recorderOf returns the recorder within w, or nil.
func recorderOf(w http.ResponseWriter) *recorder {
	for {
		if r, ok := w.(*recorder); ok {
			return r
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = wrapper.Unwrap()
	}
}

// exchange is one request of an operation and its response.
type exchange struct {
	echo.Context
	operation *Operation
	recorder  *recorder
	fresh     echo.Response // the response before the handler, with recorder as its writer
}

func (o *Operation) serve(ctx echo.Context, next echo.HandlerFunc) error {
	response := ctx.Response()
	x := exchange{Context: ctx, operation: o, recorder: newRecorder(o, response.Writer), fresh: *response}
	x.fresh.Writer = x.recorder
	response.Writer = x.recorder
	finished := false
	defer func() {
		if !finished && !x.recorder.sent() {
			x.discard() // a panic, which an outer middleware answers
		}
		response.Writer = x.recorder.writer
	}()
	err := x.run(next)
	finished = true
	return err
}

func (x *exchange) run(next echo.HandlerFunc) error {
	r := x.recorder
	if err := x.handle(next); err != nil {
		switch {
		case r.mode == hijacked:
			return err
		case r.sent():
			x.Error(&StreamError{Operation: x.operation, Err: err})
			panic(http.ErrAbortHandler)
		}
		x.answer(err)
	}
	var last error
	if invalid := r.verdict(); invalid != nil {
		x.answer(invalid)
		if invalid := r.verdict(); invalid != nil {
			last = invalid
			if err := x.fallBack(); err != nil {
				return err
			}
		}
	}
	if err := r.send(); err != nil {
		return fmt.Errorf("send response: %w", err)
	}
	return last
}

// handle calls next if the request is valid.
func (x *exchange) handle(next echo.HandlerFunc) error {
	request, err := x.operation.authenticate(x.Request())
	if err != nil {
		return err
	}
	if request != x.Request() {
		x.SetRequest(request)
	}
	s := source{request: request, path: x.ParamValues()}
	if x.operation.hasQuery {
		s.query = x.QueryParams() // which echo keeps, so that the handler's binding does not parse the query again
	}
	if err := x.operation.checkRequest(&s); err != nil {
		return err
	}
	return next(x.Context)
}

// answer has the error handler answer err in place of the recorded response.
func (x *exchange) answer(err error) {
	x.discard()
	x.recorder.author = errorHandler
	if isOurs(err) {
		x.recorder.author = server
	}
	x.Error(err)
}

// isOurs reports whether err is an error of this package, not of a handler.
func isOurs(err error) bool {
	_, security := errors.AsType[*SecurityError](err)
	_, request := errors.AsType[*RequestError](err)
	_, response := errors.AsType[*ResponseError](err)
	return security || request || response
}

// discard forgets the response, so that another can be written in its place.
func (x *exchange) discard() {
	x.recorder.discard()
	*x.Response() = x.fresh
}

// fallBack answers 500 when even the error handler's answer is invalid. What it writes is not validated.
func (x *exchange) fallBack() error {
	x.discard()
	x.recorder.author = lastResort
	body := x.operation.fallback()
	if len(body) == 0 {
		return x.NoContent(http.StatusInternalServerError)
	}
	return x.Blob(http.StatusInternalServerError, echo.MIMEApplicationJSON, body)
}
