package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/diga-io/diga-api/gen/apiclient"
	"github.com/diga-io/diga-api/gen/apitype"
)

// UUID is the id of an API key, in any version of RFC 9562.
type UUID = apitype.UUID

// ParseUUID reads 8-4-4-4-12 hexadecimal digits, either case, which is the one form the contract accepts: braces,
// urn:uuid: and undashed forms are refused. The error does not repeat s.
func ParseUUID(s string) (UUID, error) { return apitype.ParseUUID(s) }

// Client calls the Diga API. It may be used by many goroutines at once, and one for the whole program is best: the
// calls of a client share connections and a budget of retries. Make it with New.
type Client struct {
	settings
	key    secret
	base   *url.URL
	http   *http.Client
	api    *apiclient.Client
	budget *budget

	// bodyTime limits the wait for a body whose status is there already: the body only decorates.
	bodyTime time.Duration
}

// Result is how a key was deleted.
type Result struct {
	// Replayed says that this call cannot prove it deleted the key: an earlier attempt was sent but its response was
	// lost, or was a 5xx, and a later one learned that there is no such key. Had there never been one, the call would
	// have ended the same: see WithNotFoundAfterRetry.
	Replayed  bool
	Attempts  int    // requests made
	RequestID string // of the last one, as the server's operator knows it
}

// New makes a client. Key and base URL come from options or the environment: see WithAPIKey and WithBaseURL. The error
// names everything that is wrong with the settings, and never the key; nothing is sent.
func New(options ...Option) (*Client, error) {
	c := &Client{bodyTime: time.Second}
	c.settings = settings{
		httpClient:     &http.Client{Transport: defaultTransport()},
		userAgent:      userAgent(),
		timeout:        time.Minute,
		attemptTimeout: 10 * time.Second,
		logger:         slog.New(slog.DiscardHandler),
	}
	for _, option := range options {
		option(&c.settings)
	}
	c.retries = c.retries.withDefaults()
	problems := []error{c.check()}

	var err error
	if c.key, err = c.findKey(); err != nil {
		problems = append(problems, err)
	}
	if c.base, err = checkBaseURL(c.findBaseURL(), c.insecureHTTP); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("diga client: %w", err)
	}

	c.budget = newBudget(c.retries.Budget)
	c.http = c.safeHTTPClient()
	c.api, err = apiclient.NewClient(c.base.String(), apiclient.WithHTTPClient(sender(c.send)),
		apiclient.WithRequestEditorFn(c.edit))
	if err != nil {
		return nil, fmt.Errorf("diga client: %w", err)
	}
	return c, nil
}

func (s *settings) findKey() (secret, error) {
	if s.apiKey != nil {
		return newSecret(s.apiKey())
	}
	text := os.Getenv("DIGA_API_KEY")
	if text == "" {
		return secret{}, errKeyMissing
	}
	return newSecret(text)
}

func (s *settings) findBaseURL() string {
	if s.baseURL != nil {
		return s.baseURL()
	}
	if text := os.Getenv("DIGA_BASE_URL"); text != "" {
		return text
	}
	return apiclient.ServerURLProduction
}

// userAgent names this module in the version the program was built with.
func userAgent() string {
	const module = "github.com/diga-io/diga-api"
	agent := "diga-api-go"
	if build, ok := debug.ReadBuildInfo(); ok {
		i := slices.IndexFunc(build.Deps, func(m *debug.Module) bool { return m.Path == module })
		if i >= 0 && build.Deps[i].Version != "" {
			agent += "/" + build.Deps[i].Version
		}
	}
	return agent
}

// Format implements fmt.Formatter: every verb prints the base URL and the masked key.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "diga client of %v with key %v", c.base, c.key)
}

// LogValue implements slog.LogValuer like Format.
func (c *Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// CloseIdleConnections closes connections that wait for the next call. Programs seldom need it; tests that count
// goroutines do. Without WithHTTPClient the connections are shared with other clients.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// DeleteAPIKeyString is DeleteAPIKey for an id in text form. One that ParseUUID refuses is an ErrInvalid, and nothing
// is sent.
func (c *Client) DeleteAPIKeyString(ctx context.Context, id string) (Result, error) {
	parsed, err := ParseUUID(id)
	if err != nil {
		return Result{}, &Error{Err: fmt.Errorf("%w: the id is not a UUID: %w", ErrInvalid, err)}
	}
	return c.DeleteAPIKey(ctx, parsed)
}

// DeleteAPIKey deletes the API key with the given id, for good. No error means that no such key is left. Every error is
// an *Error: ask errors.Is for one of the sentinels, and for context.Canceled and context.DeadlineExceeded. After an
// error without a response the key may be deleted or not: call again.
//
// The call is repeated as the RetryPolicy says. It ends with the context, or earlier: a wait that would outlast the
// context's deadline is not begun.
func (c *Client) DeleteAPIKey(ctx context.Context, id UUID) (Result, error) {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	if err := ctx.Err(); err != nil {
		return Result{}, &Error{Err: err}
	}
	mayBeDeleted := false
	for number := 1; ; number++ {
		last := c.attempt(ctx, id, number)
		err := last.err
		if err == nil {
			return Result{Attempts: number, RequestID: last.requestID}, nil
		}
		if mayBeDeleted && err.StatusCode == http.StatusNotFound && !c.notFoundAfterRetry && !foreign(err, last.header) {
			return Result{Replayed: true, Attempts: number, RequestID: last.requestID}, nil
		}
		mayBeDeleted = mayBeDeleted || last.mayHaveDeleted
		if !last.retry || number >= c.retries.MaxAttempts {
			return Result{}, err
		}
		wait := c.retries.delay(number, last.header, time.Now())
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return Result{}, err
		}
		if !c.budget.take() {
			c.log(ctx, id, "diga: no retry, the budget is spent", slog.Int("attempt", number))
			return Result{}, err
		}
		c.log(ctx, id, "diga: wait", slog.Int("attempt", number), slog.Duration("wait", wait))
		if stopped := sleep(ctx, wait); stopped != nil {
			ended := *err // which a hook may have kept
			ended.Err = because(stopped, err.Err)
			return Result{}, &ended
		}
	}
}

// foreign says whether a 404 is evidently not the API's own, and proves nothing: a proxy whose backend is away answers
// 502 and then 404, with a page, a line of text or JSON of its own. A body that was cut or is missing is not foreign.
func foreign(err *Error, header http.Header) bool {
	if err.Code != "" {
		return err.Code != codeKeyNotFound
	}
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return len(err.Body) > 0 && (mediaType != "application/json" || json.Valid(err.Body))
}

// sleep waits, or returns the context's error when that ends first.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// because puts the reason why a call ended before what it had come to, which may be nil.
func because(reason, err error) error {
	if err == nil {
		return reason
	}
	return fmt.Errorf("%w: %w", reason, err)
}

// outcome is one attempt, seen from the loop of attempts.
type outcome struct {
	err            *Error // nil: deleted
	status         int    // 0: no response
	header         http.Header
	requestID      string
	retry          bool
	mayHaveDeleted bool   // although there is an error
	kind           string // of an error without a response, for the log
}

func (c *Client) attempt(ctx context.Context, id UUID, number int) outcome {
	start := time.Now()
	out := c.exchange(ctx, id)
	told := Attempt{Number: number, StatusCode: out.status, RequestID: out.requestID, Duration: time.Since(start)}
	if out.err != nil {
		out.err.Attempts = number
		told.Err = out.err // not a nil *Error, which would be an error
	}
	attrs := []slog.Attr{slog.Int("attempt", number), slog.Duration("duration", told.Duration)}
	if out.kind != "" {
		attrs = append(attrs, slog.String("error_kind", out.kind))
	} else {
		attrs = append(attrs, slog.Int("status", told.StatusCode), slog.String("request_id", told.RequestID))
	}
	c.log(ctx, id, "diga: attempt", attrs...)
	for _, hook := range c.responseHooks {
		hook(told)
	}
	return out
}

// log writes one line; what is not named here or by a caller in this file is not logged.
func (c *Client) log(ctx context.Context, id UUID, message string, attrs ...slog.Attr) {
	if !c.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	c.logger.LogAttrs(ctx, slog.LevelDebug, message, append([]slog.Attr{
		slog.String("operation", "delete_api_key"),
		slog.String("method", http.MethodDelete),
		slog.String("host", c.base.Host),
		slog.String("id", id.String()),
	}, attrs...)...)
}

// exchange makes one request.
func (c *Client) exchange(parent context.Context, id UUID) outcome {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	if c.attemptTimeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.attemptTimeout)
		defer cancel()
	}
	var way journey
	resp, err := c.api.DeleteAPIKey(way.trace(ctx), id)
	if err != nil {
		out := outcome{err: &Error{Err: c.key.redactError(err)}, mayHaveDeleted: way.mayHaveArrived(err)}
		out.kind, out.retry = way.classify(err)
		var sent *url.Error
		switch {
		case parent.Err() != nil:
			out.retry = false
			if !errors.Is(out.err.Err, parent.Err()) {
				out.err.Err = because(parent.Err(), out.err.Err)
			}
		case !errors.As(err, &sent), resp != nil: // from a hook; from the user's CheckRedirect
			out.kind, out.retry = "setup", false
		}
		return out
	}
	defer resp.Body.Close()

	// The body is read to its end, so that the connection can be used again, but neither endlessly nor for long. How
	// reading ended does not matter: the status has decided.
	timer := time.AfterFunc(c.bodyTime, cancel)
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	timer.Stop()

	out := outcome{status: resp.StatusCode, header: resp.Header, requestID: requestID(resp.Header, c.key)}
	// RFC 9110, section 9.3.5: 200 and 204 say that the deletion was done, 202 does not.
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent {
		return out
	}
	out.err = newError(resp, body, c.key)
	out.retry = retryStatus(resp.StatusCode)
	// A 5xx may come from a proxy that lost the response of a server which had deleted the key.
	out.mayHaveDeleted = resp.StatusCode >= 500
	return out
}

// sender makes a function what the generated client sends with.
type sender func(*http.Request) (*http.Response, error)

func (s sender) Do(request *http.Request) (*http.Response, error) { return s(request) }

var errHook = errors.New("a request hook changed method, URL or host of the request")

// edit prepares the request and lets the hooks see it while it does not have the key.
func (c *Client) edit(_ context.Context, request *http.Request) error {
	request.Header.Set("User-Agent", c.userAgent)
	request.Header.Set("Accept", "application/json")
	method, target, host := request.Method, request.URL.String(), request.Host
	for _, hook := range c.requestHooks {
		hook(request)
	}
	if request.Method != method || request.URL == nil || request.URL.String() != target || request.Host != host {
		return errHook
	}
	return nil
}

// send adds the key to a copy of the request: a hook may have kept the request itself.
func (c *Client) send(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+c.key.reveal())
	return c.http.Do(request)
}

// safeHTTPClient copies the http client and takes redirects under control. net/http would turn a DELETE that gets a
// 301, 302 or 303 into a GET, whose 200 says nothing about the key, and would take the Authorization header along to
// subdomains and from https to http. What is not followed is returned as it is, and becomes an error.
func (c *Client) safeHTTPClient() *http.Client {
	safe := *c.httpClient
	theirs := safe.CheckRedirect
	safe.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		first := via[0].URL
		elsewhere := next.URL.Scheme != first.Scheme || next.URL.Host != first.Host
		if elsewhere || next.Method != http.MethodDelete || len(via) >= 10 {
			return http.ErrUseLastResponse
		}
		if theirs != nil {
			return theirs(next, via)
		}
		return nil
	}
	return &safe
}
