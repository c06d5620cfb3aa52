package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
)

// Attempt is what middleware learns of the request it sees: see AttemptFromContext.
type Attempt struct {
	Operation string // the method of Client, such as DeleteAPIKey
	Path      string // the path template of the contract, such as /v1/api_key/{id}
	Number    int    // 1 for the first attempt of a call
}

type attemptKey struct{}

// AttemptFromContext returns the Attempt in the context of a request that middleware sees.
func AttemptFromContext(ctx context.Context) (Attempt, bool) {
	attempt, ok := ctx.Value(attemptKey{}).(Attempt)
	return attempt, ok
}

// call makes the call of an operation: it is the one policy for all of them.
func (c *Client) call(ctx context.Context, op apitype.Call, options []CallOption) (Result, error) {
	s := c.settings.calls
	var err error
	for _, option := range options {
		if option == nil {
			err = errNilOption
			continue
		}
		option(&s)
	}
	fail := func(err error) (Result, error) { return Result{}, &Error{Operation: op.Operation, Err: err} }
	if err = cmp.Or(err, s.check()); err != nil {
		return fail(fmt.Errorf("%w: %w", ErrInvalid, err))
	}
	if err := ended(ctx); err != nil {
		return fail(err)
	}
	request, err := op.NewRequest(c.server())
	if err == nil {
		err = c.checkPath(op.Path, request)
	}
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrInvalid, err))
	}
	request.Header.Set("User-Agent", c.settings.userAgent)
	request.Header.Set("Accept", accept(op.Responses))
	for name, values := range s.header {
		request.Header[name] = values
	}
	if err := checkHeader(request.Header); err != nil {
		return fail(fmt.Errorf("%w: %w", ErrInvalid, err))
	}
	call := &call{Client: c, op: op, callSettings: s, request: request, policy: s.retries.withDefaults()}
	return call.run(ctx)
}

var errPathParameter = errors.New("a path parameter is empty, or changes the path")

// checkPath rejects a request whose path does not have the segments of the template: the request builders resolve a
// parameter of ".." to the path of another operation.
func (c *Client) checkPath(template string, request *http.Request) error {
	want := strings.Split(template, "/")
	got := strings.Split(strings.TrimPrefix(request.URL.EscapedPath(), strings.TrimSuffix(c.base.EscapedPath(), "/")), "/")
	if len(got) != len(want) {
		return errPathParameter
	}
	for i := range want {
		if got[i] == "" && want[i] != "" {
			return errPathParameter
		}
	}
	return nil
}

// checkHeader rejects a header that net/http would not send.
func checkHeader(header http.Header) error {
	for name, values := range header {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
			return fmt.Errorf("%q is not the name of a header", name)
		}
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return fmt.Errorf("the value of the header %s has a control character, such as a line break", name)
			}
		}
	}
	return nil
}

// call is one call in progress.
type call struct {
	*Client
	callSettings
	op      apitype.Call
	policy  RetryPolicy
	request *http.Request // without a context; cloned for each attempt
	stop    func()        // ends the limits of the call, when it continues as a stream
	cancel  context.CancelCauseFunc
}

func (c *call) run(parent context.Context) (Result, error) {
	deadline, limited := parent.Deadline()
	ctx, cancel := context.WithCancelCause(parent)
	c.cancel, c.stop = cancel, func() {}
	if c.timeout > 0 {
		if own := time.Now().Add(c.timeout); !limited || own.Before(deadline) {
			deadline, limited = own, true
		}
		timer := time.AfterFunc(c.timeout, func() { cancel(context.DeadlineExceeded) })
		c.stop = func() { timer.Stop() }
	}
	streaming := false
	defer func() {
		if !streaming {
			c.stop()
			cancel(nil)
		}
	}()

	body := c.request.Body
	rereadable := body == nil || body == http.NoBody || c.request.GetBody != nil
	mayBeDone := false
	for number := 1; ; number++ {
		out := c.attempt(ctx, number)
		if out.err == nil {
			c.budget.answered(number - 1)
			streaming = out.streaming
			return out.result, nil
		}
		mayBeDone = mayBeDone || out.resent
		if mayBeDone && c.op.Method == http.MethodDelete && errors.Is(out.err, ErrNotFound) && !c.notFoundAfterRetry {
			c.budget.answered(number - 1)
			out.result.Replayed = true
			return out.result, nil
		}
		mayBeDone = mayBeDone || out.mayBeDone
		if !out.retry {
			if out.err.StatusCode != 0 {
				c.budget.answered(number - 1)
			}
			return Result{}, out.err
		}
		if number >= c.policy.MaxAttempts || !rereadable {
			return Result{}, out.err
		}
		wait := c.policy.delay(number, out.err.RetryAfter)
		if limited && time.Until(deadline) <= wait {
			return Result{}, out.err
		}
		if !c.budget.take() {
			c.log(ctx, "diga: retry budget spent", slog.Int("attempt", number))
			out.err.Err = because(errBudget, out.err.Err)
			return Result{}, out.err
		}
		c.log(ctx, "diga: wait", slog.Int("attempt", number), slog.Duration("wait", wait))
		if stopped := sleep(ctx, wait); stopped != nil {
			if out.err.Err != nil { // in the text only: the limit of an attempt is not why the call ended
				stopped = fmt.Errorf("%w: %v", stopped, out.err.Err) //nolint:errorlint // see above
			}
			out.err.Err = stopped
			return Result{}, out.err
		}
	}
}

// sleep waits, or returns why the context ended if that comes first.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// ended returns why ctx ended, or nil. The error is context.Canceled or context.DeadlineExceeded, which is also the cause
// with which the limits of the client cancel. The caller's cause is in the text only: errgroup sets the error of another
// call, whose sentinels do not apply to this one.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || cause == context.DeadlineExceeded || errors.Is(cause, err) { //nolint:errorlint // the limits' own cause
		return cause
	}
	return fmt.Errorf("%w: %v", err, cause) //nolint:errorlint // see above
}

// because returns err, which may be nil, preceded by the reason why the call ended with it.
func because(reason, err error) error {
	if err == nil {
		return reason
	}
	return fmt.Errorf("%w: %w", reason, err)
}

// outcome is what came of one attempt.
type outcome struct {
	result    Result // of a success, or of the 404 that becomes one
	streaming bool   // the success continues as a stream
	err       *Error // nil: a success
	retry     bool   // another attempt may succeed
	mayBeDone bool   // the server may have done what was asked, although there is an error
	resent    bool   // the same is true of a request that net/http sent before the one that was answered
	kind      string // of an error without a response, for the log
}

// attempt makes one request, and logs it.
func (c *call) attempt(ctx context.Context, number int) outcome {
	start := time.Now()
	out := c.exchange(ctx, number)
	attrs := []slog.Attr{slog.Int("attempt", number), slog.Duration("duration", time.Since(start))}
	if out.err != nil {
		out.err.Operation, out.err.Attempts = c.op.Operation, number
	}
	out.result.Attempts = number
	if out.kind != "" {
		attrs = append(attrs, slog.String("error_kind", out.kind))
	} else {
		attrs = append(attrs, slog.Int("status", out.result.StatusCode), slog.String("request_id", out.result.RequestID))
	}
	c.log(ctx, "diga: attempt", attrs...)
	return out
}

// log writes one line. Nothing is logged that this file does not name.
func (c *call) log(ctx context.Context, message string, attrs ...slog.Attr) {
	if !c.settings.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	c.settings.logger.LogAttrs(ctx, slog.LevelDebug, message, append([]slog.Attr{
		slog.String("operation", c.op.Operation),
		slog.String("method", c.op.Method),
		slog.String("host", c.base.Host),
		slog.String("path", c.op.Path),
	}, attrs...)...)
}

func (c *call) exchange(parent context.Context, number int) outcome {
	ctx, cancel := context.WithCancelCause(parent)
	stop := func() bool { return true }
	if c.attemptTimeout > 0 {
		stop = time.AfterFunc(c.attemptTimeout, func() { cancel(context.DeadlineExceeded) }).Stop
	}
	streaming := false
	defer func() {
		if !streaming {
			stop()
			cancel(nil)
		}
	}()

	var trip trip
	resp, err := c.send(context.WithValue(ctx, tripKey{}, &trip), number)
	if err != nil {
		return c.noResponse(parent, ctx, &trip, err)
	}
	out := c.respond(parent, ctx, cancel, resp)
	out.resent = trip.resent()
	if out.streaming {
		streaming = true
		stop()
		c.stop()
	}
	return out
}

// send sends the request through the middleware.
func (c *call) send(ctx context.Context, number int) (*http.Response, error) {
	request := c.request.Clone(context.WithValue(ctx, attemptKey{}, Attempt{c.op.Operation, c.op.Path, number}))
	if request.GetBody != nil {
		var err error
		if request.Body, err = request.GetBody(); err != nil {
			return nil, err
		}
	}
	target, host := request.URL.String(), request.Host
	next := func(request *http.Request) (*http.Response, error) {
		if request.Method != c.op.Method || request.URL == nil || request.URL.String() != target || request.Host != host {
			return nil, errMiddleware
		}
		return c.http.Do(request)
	}
	for _, middleware := range slices.Backward(c.settings.middleware) {
		inner := next
		next = func(request *http.Request) (*http.Response, error) { return middleware(request, inner) }
	}
	resp, err := next(request)
	switch {
	case err != nil && resp != nil && resp.Body != nil:
		_ = resp.Body.Close()
	case err == nil && resp == nil:
		err = errors.New("a middleware returned neither a response nor an error")
	case err == nil && resp.Body == nil:
		resp.Body = http.NoBody
	}
	return resp, err
}

// noResponse returns the outcome of an attempt that ended in err. The call's context is parent, the attempt's is ctx.
func (c *call) noResponse(parent, ctx context.Context, trip *trip, err error) outcome {
	kind := trip.kind(err)
	// A limit of the client cancels the context with a cause, which transports may not report.
	if cause := ended(ctx); cause != nil && (kind != kindSetup || errors.Is(err, context.Cause(ctx))) {
		kind = kindTimeout
		if errors.Is(cause, context.Canceled) {
			kind = kindCanceled
		}
		if !errors.Is(err, cause) {
			err = cause
		}
	}
	return outcome{
		err:       &Error{Err: c.key.redactError(err)},
		kind:      kind,
		mayBeDone: trip.sent(),
		resent:    trip.resent(),
		retry:     parent.Err() == nil && kind != kindSetup && (repeatable(c.op.Method) || trip.unsent()),
	}
}

// respond returns the outcome of an attempt with a response, whose body it closes unless it becomes a stream.
func (c *call) respond(parent, ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response) outcome {
	out := outcome{result: Result{
		StatusCode: resp.StatusCode,
		RequestID:  requestID(resp.Header, c.key),
		Header:     c.key.redactHeader(resp.Header),
	}}
	declared := declaredFor(c.op.Responses, resp.StatusCode)
	matching := withMediaType(declared, resp.Header.Get("Content-Type"))
	success := resp.StatusCode/100 == 2
	if success && len(matching) > 0 && c.op.Method != http.MethodHead {
		if matching[0].Stream != nil {
			*matching[0].Stream = &stream{resp.Body, func() { cancel(nil); c.cancel(nil) }}
			out.streaming = true
			return out
		}
		if matching[0].JSON != nil {
			c.decode(parent, ctx, resp, matching[0], &out)
			return out
		}
	}

	defer resp.Body.Close()
	// The body is read to its end, so that the connection can be used again, but neither without limit nor for long,
	// because the status has decided.
	timer := time.AfterFunc(time.Second, func() { cancel(context.DeadlineExceeded) })
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	timer.Stop()
	if success {
		empty := len(body) == 0 && err == nil || resp.StatusCode == http.StatusNoContent
		if len(matching) > 0 || empty && c.mayBeEmpty(declared, resp.StatusCode) {
			return out
		}
	}
	out.err = newError(resp, body, err != nil || len(body) == maxErrorBody, matching, c.key)
	if success {
		out.err.Err = errUndeclared
		return out
	}
	bare := c.op.Method == http.MethodHead || slices.ContainsFunc(declared, func(r apitype.Response) bool { return r.MediaType == "" })
	if !bare && out.err.foreign() {
		out.err.Err = errUndeclared
		if err != nil {
			out.err.Err = fmt.Errorf("read the response: %w", c.key.redactError(cmp.Or(ended(ctx), err)))
		}
	}
	out.retry = retryStatus(c.op.Method, resp.StatusCode)
	// A 5xx may come from a proxy that lost the response of a server which had done what was asked.
	out.mayBeDone = resp.StatusCode >= 500
	return out
}

// mayBeEmpty reports whether a success without a body is one: not if the contract declares JSON for it.
func (c *call) mayBeEmpty(declared []apitype.Response, status int) bool {
	if len(declared) == 0 { // RFC 9110: a 204 says that everything was done
		wanted := func(r apitype.Response) bool { return r.JSON != nil || r.Stream != nil }
		return status == http.StatusNoContent && !slices.ContainsFunc(c.op.Responses, wanted)
	}
	return c.op.Method == http.MethodHead || slices.ContainsFunc(declared, func(r apitype.Response) bool { return r.JSON == nil })
}

// decode stores the JSON of a success, and closes the body.
func (c *call) decode(parent, ctx context.Context, resp *http.Response, response apitype.Response, out *outcome) {
	defer resp.Body.Close()
	limit := min(c.maxResponse, 1<<62)
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		err = fmt.Errorf("read the response: %w", cmp.Or(ended(ctx), err))
		out.retry, out.mayBeDone = repeatable(c.op.Method) && parent.Err() == nil, true
	case int64(len(body)) > limit:
		err = fmt.Errorf("the response is longer than %d bytes: see WithMaxResponseSize", limit)
	case len(body) == 0:
		err = errUndeclared
	default:
		if err = json.Unmarshal(body, response.JSON); err != nil {
			err = fmt.Errorf("decode the response: %w", err)
		}
	}
	if err != nil {
		out.err = newError(resp, body[:min(len(body), maxErrorBody)], true, nil, c.key)
		out.err.Err = c.key.redactError(err)
	}
}

// stream is the body of a success that the caller reads and closes. Closing it ends the call.
type stream struct {
	io.ReadCloser
	end func()
}

func (s *stream) Close() error {
	err := s.ReadCloser.Close()
	s.end()
	return err
}

// declaredFor returns the responses that the contract declares for status: those of the status itself, those of its
// class, or the default ones. The default is for errors if the contract declares a success.
func declaredFor(responses []apitype.Response, status int) []apitype.Response {
	of := func(pattern string) (found []apitype.Response) {
		for _, response := range responses {
			if strings.EqualFold(response.Status, pattern) {
				found = append(found, response)
			}
		}
		return found
	}
	if found := of(strconv.Itoa(status)); found != nil {
		return found
	}
	if found := of(strconv.Itoa(status/100) + "XX"); found != nil {
		return found
	}
	if status/100 == 2 && slices.ContainsFunc(responses, func(r apitype.Response) bool { return strings.HasPrefix(r.Status, "2") }) {
		return nil
	}
	return of("default")
}

// withMediaType returns the responses whose media type, or range of media types, has that of contentType in it.
func withMediaType(responses []apitype.Response, contentType string) (found []apitype.Response) {
	got, _, _ := mime.ParseMediaType(contentType)
	if got == "" {
		return nil
	}
	for _, response := range responses {
		switch want, _, _ := mime.ParseMediaType(response.MediaType); {
		case want == got:
			found = slices.Insert(found, 0, response) // before the ranges
		case want == "*/*", strings.HasSuffix(want, "/*") && strings.HasPrefix(got, strings.TrimSuffix(want, "*")):
			found = append(found, response)
		}
	}
	return found
}

// accept returns the media types that the contract declares, those of successes first.
func accept(responses []apitype.Response) string {
	var types []string
	for _, success := range []bool{true, false} {
		for _, response := range responses {
			isSuccess := response.Failure == nil
			if isSuccess == success && response.MediaType != "" && !slices.Contains(types, response.MediaType) {
				types = append(types, response.MediaType)
			}
		}
	}
	return cmp.Or(strings.Join(types, ", "), "*/*")
}
