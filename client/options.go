package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Option is a setting of New. A CallOption is one, too.
type Option interface{ apply(*settings) }

// CallOption is a setting of one call. Passed to New, it is the default of all calls.
type CallOption func(*callSettings)

func (o CallOption) apply(s *settings) { o(&s.calls) }

// clientOption is an Option that does not make sense for a single call.
type clientOption func(*settings)

func (o clientOption) apply(s *settings) { o(s) }

type settings struct {
	apiKey, baseURL func() string // nil: not given. Functions do not print what they hold
	insecureHTTP    bool
	httpClient      *http.Client
	userAgent       string
	logger          *slog.Logger
	middleware      []Middleware
	calls           callSettings
}

type callSettings struct {
	timeout, attemptTimeout time.Duration
	retries                 RetryPolicy
	notFoundAfterRetry      bool
	maxResponse             int64
	header                  http.Header
}

// WithAPIKey sets the API key. The default is the environment variable DIGA_API_KEY.
func WithAPIKey(key string) Option {
	return clientOption(func(s *settings) { s.apiKey = func() string { return key } })
}

// WithBaseURL sets the URL of the API, such as https://proxy.example.com/diga. The default is the environment variable
// DIGA_BASE_URL, or the server that the contract names. The URL is https, or http to the local machine (see
// WithInsecureHTTP), and may have a path, to which the paths of the contract are appended.
func WithBaseURL(url string) Option {
	return clientOption(func(s *settings) { s.baseURL = func() string { return url } })
}

// WithInsecureHTTP allows a base URL of plain http to other machines. The API key can then be read on the way.
func WithInsecureHTTP() Option {
	return clientOption(func(s *settings) { s.insecureHTTP = true })
}

// WithHTTPClient sets the client that sends requests. Its transport, cookies and timeout (of an attempt) are used. It is
// copied, not changed. Its CheckRedirect is called for the redirects that would be followed: those that keep the method,
// scheme, host and port. By default, clients share a copy of http.DefaultTransport with tighter limits, which uses
// HTTPS_PROXY and the like.
func WithHTTPClient(client *http.Client) Option {
	return clientOption(func(s *settings) {
		if client != nil {
			s.httpClient = client
		}
	})
}

// WithUserAgent replaces the User-Agent header.
func WithUserAgent(agent string) Option {
	return clientOption(func(s *settings) { s.userAgent = agent })
}

// WithLogger logs each attempt and each wait at level debug: operation, method, host, path template, number of the
// attempt, status, duration, request id, kind of error, wait, and nothing else. Headers, bodies and texts of errors are
// never logged.
func WithLogger(logger *slog.Logger) Option {
	return clientOption(func(s *settings) {
		if logger != nil {
			s.logger = logger
		}
	})
}

// Next sends a request, through the middleware that was added later.
type Next = func(*http.Request) (*http.Response, error)

// Middleware sees each attempt of each call. It calls next at most once and returns its response, whose body it leaves
// to the client. The request does not have its Authorization header yet; its context has an Attempt. The call fails if
// the middleware changes method, URL or host, because the key is meant for the original ones only.
type Middleware = func(request *http.Request, next Next) (*http.Response, error)

// WithMiddleware adds middleware, for tracing, metrics and headers. The first one added is the outermost.
func WithMiddleware(middleware ...Middleware) Option {
	return clientOption(func(s *settings) { s.middleware = append(s.middleware, middleware...) })
}

// WithTimeout limits a call with all its attempts and waits. A stream (see Result) may be read for longer. The default
// is 1 minute; 0 means no limit but the context's.
func WithTimeout(limit time.Duration) CallOption {
	return func(s *callSettings) { s.timeout = limit }
}

// WithAttemptTimeout limits each attempt, from connecting to the end of the response, or to its header if it is a
// stream. The default is 10 seconds; 0 means no limit.
func WithAttemptTimeout(limit time.Duration) CallOption {
	return func(s *callSettings) { s.attemptTimeout = limit }
}

// WithRetries sets how calls are repeated. RetryPolicy{MaxAttempts: 1} turns retries off.
func WithRetries(policy RetryPolicy) CallOption {
	return func(s *callSettings) { s.retries = policy }
}

// WithNotFoundAfterRetry makes a DELETE return ErrNotFound, instead of a success with Result.Replayed set, when the 404
// follows an attempt that may have been successful.
func WithNotFoundAfterRetry() CallOption {
	return func(s *callSettings) { s.notFoundAfterRetry = true }
}

// WithMaxResponseSize limits the JSON of a success, after decompression. The default is 32 MiB. Bodies of errors are
// always cut at 64 KiB, and streams have no limit.
func WithMaxResponseSize(bytes int64) CallOption {
	return func(s *callSettings) { s.maxResponse = bytes }
}

// WithHeader sets a header of the request, such as Accept or If-Match. It cannot replace Authorization.
func WithHeader(name, value string) CallOption {
	return func(s *callSettings) {
		if s.header = s.header.Clone(); s.header == nil {
			s.header = http.Header{}
		}
		s.header.Set(name, value)
	}
}

// checkBaseURL parses the base URL. Its errors do not repeat the URL, which may contain a password.
func checkBaseURL(text string, insecureHTTP bool) (*url.URL, error) {
	errScheme := errors.New("the base URL does not begin with https://")
	if !strings.Contains(text, "://") { // url.Parse says something else of a host with a port
		return nil, errScheme
	}
	base, err := url.Parse(text)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL
		}
		return nil, fmt.Errorf("the base URL cannot be parsed: %w", err)
	}
	switch {
	case base.Scheme != "https" && base.Scheme != "http":
		return nil, errScheme
	case base.Hostname() == "" || base.Opaque != "":
		return nil, errors.New("the base URL has no host")
	case base.User != nil:
		return nil, errors.New("the base URL has a user or password, but the client authenticates with the API key")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "" || strings.Contains(text, "#"):
		return nil, errors.New("the base URL has a query or a fragment")
	case base.Scheme == "http" && !insecureHTTP && !loopback(base.Hostname()):
		return nil, errors.New("the base URL is plain http to another machine, which would reveal the API key:" +
			" use https, or allow it by WithInsecureHTTP")
	}
	if port := base.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, errors.New("the base URL has a port beyond 65535")
		}
	}
	return base, nil
}

func loopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

// check reports invalid settings other than key and base URL.
func (s *settings) check() error {
	if slices.ContainsFunc(s.middleware, func(m Middleware) bool { return m == nil }) {
		return errors.New("a middleware is nil")
	}
	return s.calls.check()
}

// check rejects a negative limit, such as the time until a deadline that has passed: it is not "no limit".
func (s *callSettings) check() error {
	if s.timeout < 0 || s.attemptTimeout < 0 || s.maxResponse < 0 {
		return errors.New("a limit is negative")
	}
	return s.retries.check()
}
