package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// The error bodies for which the contract has no example, in the shape of its ErrorResponseSchema.
const (
	bodyUnauthorized     = `{"status":"error","error_code":"UNAUTHORIZED","message":"Invalid or missing API key"}`
	bodyForbidden        = `{"status":"error","error_code":"FORBIDDEN","message":"Missing required permissions"}`
	bodyNotFound         = `{"status":"error","error_code":"NOT_FOUND","message":"Not Found"}`
	bodyMethodNotAllowed = `{"status":"error","error_code":"METHOD_NOT_ALLOWED","message":"Method Not Allowed"}`
	bodyBadRequest       = `{"status":"error","error_code":"BAD_REQUEST","message":"Request body could not be read"}`
	bodyRequestTimeout   = `{"status":"error","error_code":"REQUEST_TIMEOUT","message":"Request body did not arrive in time"}`
	bodyNotImplemented   = `{"status":"error","error_code":"NOT_IMPLEMENTED","message":"Not Implemented"}`
	bodyInternal         = `{"status":"error","error_code":"INTERNAL_SERVER_ERROR","message":"Error: Internal Server Error"}`
)

// errorWriter turns errors into responses. It is the only writer of error bodies: the client gets a constant, the cause
// goes to the log.
type errorWriter struct {
	logger   *slog.Logger
	observer Observer
}

// write is echo's HTTPErrorHandler. Echo may call it after a response was sent, or twice: the first response stands.
func (w errorWriter) write(err error, c echo.Context) {
	response := c.Response()
	if response.Committed {
		w.tooLate(c.Request().Context(), err)
		return
	}
	status, body := w.answer(err, c)
	response.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	response.WriteHeader(status)
	if _, err := response.Write(body); err != nil {
		w.logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "response not sent", slog.String("cause", err.Error()))
	}
}

// tooLate logs an error after the response. The connection of an aborted response is closed by contract.Middleware or
// recoverPanic, so that the client does not mistake the part that it received for the whole.
func (w errorWriter) tooLate(ctx context.Context, err error) {
	_, invalid := errors.AsType[*contract.ResponseError](err) // the response of write itself violated the contract
	_, failed := errors.AsType[*contract.StreamError](err)
	_, panicked := errors.AsType[*panicError](err)
	switch {
	case invalid:
		w.log(ctx, "request failed", err)
	case failed || panicked:
		exchangeOf(ctx).aborted = true
		w.log(ctx, "response aborted", err)
	default:
		w.logger.LogAttrs(ctx, slog.LevelDebug, "response not sent", slog.String("cause", err.Error()))
	}
}

// answer returns the status and the body of the response to err, and sets the headers that belong to it.
func (w errorWriter) answer(err error, c echo.Context) (status int, body []byte) {
	var (
		ctx       = c.Request().Context()
		header    = c.Response().Header()
		x         = exchangeOf(ctx)
		operation = x.operation
	)
	if failure, ok := errors.AsType[*authenticationError](err); ok {
		x.failure = failure
		w.observer.AuthenticationFailed(failure.reason)
		header.Set(echo.HeaderWWWAuthenticate, failure.challenge)
		return http.StatusForbidden, []byte(bodyUnauthorized)
	}
	routing, isRouting := errors.AsType[*echo.HTTPError](err)
	switch {
	case errors.Is(err, errForbidden):
		header.Set(echo.HeaderWWWAuthenticate, `Bearer error="insufficient_scope"`)
		return http.StatusForbidden, example(operation, http.StatusForbidden, bodyForbidden)
	case errors.Is(err, errOverloaded):
		header.Set(echo.HeaderRetryAfter, "1")
		return http.StatusInternalServerError, example(operation, http.StatusInternalServerError, bodyInternal)
	case errors.Is(err, apikey.ErrNotFound):
		return http.StatusNotFound, example(operation, http.StatusNotFound, bodyNotFound)
	case isRouting && operation == nil && routing.Code == http.StatusNotFound:
		return http.StatusNotFound, []byte(bodyNotFound)
	case isRouting && operation == nil && routing.Code == http.StatusMethodNotAllowed:
		allow, _ := c.Get(echo.ContextKeyHeaderAllow).(string)
		// Echo lists OPTIONS first because it answers OPTIONS by itself; this server does not.
		header.Set(echo.HeaderAllow, strings.TrimPrefix(allow, http.MethodOptions+", "))
		return http.StatusMethodNotAllowed, []byte(bodyMethodNotAllowed)
	case isRouting && routing.Code == http.StatusBadRequest:
		// The generated code cannot bind some values that the document allows, such as an integer beyond 64 bits.
		contract.ServerAnswer(c)
		return http.StatusUnprocessableEntity, validationError([]contract.Violation{{In: "request", Message: "Input should fit its type"}})
	}
	if invalid, ok := errors.AsType[*contract.RequestError](err); ok {
		x.violations = invalid.Violations
		w.observer.Violation(operation, "request")
		return http.StatusUnprocessableEntity, validationError(invalid.Violations)
	}
	contract.ServerAnswer(c)
	if _, ok := errors.AsType[*apitype.NotImplementedError](err); ok {
		return http.StatusNotImplemented, []byte(bodyNotImplemented)
	}
	if _, ok := errors.AsType[bodyError](err); ok {
		if x.body.timedOut() {
			return http.StatusRequestTimeout, []byte(bodyRequestTimeout)
		}
		return http.StatusBadRequest, []byte(bodyBadRequest)
	}
	w.log(ctx, "request failed", err)
	return http.StatusInternalServerError, example(operation, http.StatusInternalServerError, bodyInternal)
}

// log logs the cause of a 500 or of an aborted response, once. It is not an error of the server if the client hung up before.
func (w errorWriter) log(ctx context.Context, event string, err error) {
	x := exchangeOf(ctx)
	if _, ok := errors.AsType[*contract.ResponseError](err); ok {
		w.observer.Violation(x.operation, "response")
	}
	attributes := []slog.Attr{
		slog.String("request_id", x.requestID),
		slog.String("operation", x.operationID()),
		slog.String("cause", err.Error()),
	}
	if panicked, ok := errors.AsType[*panicError](err); ok {
		attributes = append(attributes, slog.String("stack", string(panicked.stack)))
	}
	level := slog.LevelError
	if x.hungUp() {
		level = slog.LevelInfo
	}
	w.logger.LogAttrs(ctx, level, event, attributes...)
}

// example returns the example body that the document declares for status, or fallback if there is none.
func example(operation *contract.Operation, status int, fallback string) []byte {
	if operation != nil {
		if body := operation.Example(status); body != nil {
			return body
		}
	}
	return []byte(fallback)
}

// detail is an item of HTTPValidationError, worded as FastAPI words it.
type detail struct {
	Loc  []any  `json:"loc"`
	Msg  string `json:"msg"`
	Type string `json:"type"`
}

// detailTypes maps the keywords of JSON Schema to the error types of pydantic, which the publisher's clients know
// (https://docs.pydantic.dev/latest/errors/validation_errors/). type_error, format_error and parsing_error each stand for
// several of pydantic's, which depend on its Python types.
var detailTypes = map[string]string{
	"required":             "missing",
	"type":                 "type_error",
	"enum":                 "enum",
	"const":                "literal_error",
	"format":               "format_error",
	"pattern":              "string_pattern_mismatch",
	"minLength":            "string_too_short",
	"maxLength":            "string_too_long",
	"minimum":              "greater_than_equal",
	"exclusiveMinimum":     "greater_than",
	"maximum":              "less_than_equal",
	"exclusiveMaximum":     "less_than",
	"multipleOf":           "multiple_of",
	"minItems":             "too_short",
	"maxItems":             "too_long",
	"additionalProperties": "extra_forbidden",
	"decode":               "parsing_error",
	"maxBytes":             "too_large",
}

// detailOf converts a violation to FastAPI's form: loc leads from the part of the request to the invalid value.
func detailOf(violation contract.Violation) detail {
	d := detail{Loc: []any{violation.In}, Msg: violation.Message, Type: detailTypes[violation.Keyword]}
	if violation.Name != "" {
		d.Loc = append(d.Loc, violation.Name)
	}
	for token := range strings.SplitSeq(strings.TrimPrefix(violation.Pointer, "/"), "/") {
		if index, err := strconv.Atoi(token); err == nil {
			d.Loc = append(d.Loc, index)
		} else if token != "" {
			d.Loc = append(d.Loc, pointerToken.Replace(token))
		}
	}
	switch {
	case violation.Keyword == "format" && violation.Format == "uuid":
		d.Type = "uuid_parsing"
		d.Msg = "Input should be a valid UUID"
		if violation.Err != nil {
			d.Msg += ", " + violation.Err.Error()
		}
	case violation.Keyword == "required":
		d.Msg = "Field required"
	case d.Type == "":
		d.Type = "value_error"
	}
	return d
}

// pointerToken unescapes a token of a JSON pointer (RFC 6901).
var pointerToken = strings.NewReplacer("~1", "/", "~0", "~")

// validationError returns the body of a 422. It contains no value that the client sent.
func validationError(violations []contract.Violation) []byte {
	details := make([]detail, len(violations))
	for i, violation := range violations {
		details[i] = detailOf(violation)
	}
	body, err := json.Marshal(struct {
		Detail []detail `json:"detail"`
	}{details})
	if err != nil { // strings and integers always encode
		panic(err)
	}
	return body
}

// recoverPanic turns a panic into an error, so that the client gets the declared 500 and the log the stack. It aborts a
// response that has begun.
func recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause) // net/http aborts the connection
			default:
				err = &panicError{cause: cause, stack: debug.Stack()}
				if c.Response().Committed {
					c.Error(err) // which logs it
					panic(http.ErrAbortHandler)
				}
			}
		}()
		return next(c)
	}
}

// panicError is a panic of a handler.
type panicError struct {
	cause any
	stack []byte
}

// Error implements error.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.cause) }
