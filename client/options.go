package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Option is one setting of New. Options print as addresses: one that holds the key does not show it.
type Option func(*settings)

type settings struct {
	apiKey, baseURL         func() string // nil: not given
	insecureHTTP            bool
	httpClient              *http.Client
	userAgent               string
	timeout, attemptTimeout time.Duration
	retries                 RetryPolicy
	notFoundAfterRetry      bool
	logger                  *slog.Logger
	requestHooks            []func(*http.Request)
	responseHooks           []func(Attempt)
}

// WithAPIKey sets the API key the client calls with. Without it, the environment variable DIGA_API_KEY is read.
func WithAPIKey(key string) Option {
	return func(s *settings) { s.apiKey = func() string { return key } }
}

// WithBaseURL sets where the API is, such as https://proxy.example.com/diga. Without it, the environment variable
// DIGA_BASE_URL is read; without that, the server that the contract names is called. The URL is https, or http to this
// very machine (see WithInsecureHTTP), and may have a path, which the paths of the contract are appended to.
func WithBaseURL(url string) Option {
	return func(s *settings) { s.baseURL = func() string { return url } }
}

// WithInsecureHTTP allows a base URL of plain http to other machines. Whoever is on the way can read the API key.
func WithInsecureHTTP() Option {
	return func(s *settings) { s.insecureHTTP = true }
}

// WithHTTPClient sets what requests are made with; its transport, cookies and timeout (for each attempt) are used. The
// client is copied, not changed. Its CheckRedirect is asked about the redirects that the client would follow: 307 and
// 308 to the same scheme, host and port. Without this option, clients share a copy of http.DefaultTransport with
// tighter limits, which honours HTTPS_PROXY and its like.
func WithHTTPClient(client *http.Client) Option {
	return func(s *settings) { s.httpClient = client }
}

// WithUserAgent replaces the User-Agent header.
func WithUserAgent(agent string) Option {
	return func(s *settings) { s.userAgent = agent }
}

// WithTimeout limits a call with all its attempts and waits; default 1 minute, 0 for no limit but the context's.
func WithTimeout(limit time.Duration) Option {
	return func(s *settings) { s.timeout = limit }
}

// WithAttemptTimeout limits each attempt, from connecting to the end of the response; default 10 seconds, 0 for no limit.
func WithAttemptTimeout(limit time.Duration) Option {
	return func(s *settings) { s.attemptTimeout = limit }
}

// WithRetries sets how calls are repeated. RetryPolicy{MaxAttempts: 1} turns retries off.
func WithRetries(policy RetryPolicy) Option {
	return func(s *settings) { s.retries = policy }
}

// WithNotFoundAfterRetry makes a 404 that follows an attempt which may have deleted the key an error, too, instead of
// a success with Result.Replayed set.
func WithNotFoundAfterRetry() Option {
	return func(s *settings) { s.notFoundAfterRetry = true }
}

// WithLogger has each attempt and each wait logged at level debug: operation, method, host, key id, attempt, status,
// duration, request id, kind of error, wait, and nothing else. Headers, bodies and texts of errors are never logged.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) { s.logger = logger }
}

// WithRequestHook has hook called before each attempt, to add headers such as those of tracing. The request does not
// have its Authorization header yet. A hook that changes method, URL or host makes the call fail.
func WithRequestHook(hook func(*http.Request)) Option {
	return func(s *settings) { s.requestHooks = append(s.requestHooks, hook) }
}

// WithResponseHook has hook called after each attempt, for metrics and the like.
func WithResponseHook(hook func(Attempt)) Option {
	return func(s *settings) { s.responseHooks = append(s.responseHooks, hook) }
}

// Attempt is what a response hook is told.
type Attempt struct {
	Number     int           // 1 for the first of a call
	StatusCode int           // 0 when there was no response
	RequestID  string        // of the response
	Duration   time.Duration // until the response, its body included
	Err        error         // an *Error, or nil when the key was deleted
}

// check reports everything that is wrong with the settings but key and base URL.
func (s *settings) check() error {
	var problems []error
	if s.httpClient == nil {
		problems = append(problems, errors.New("the http client is nil"))
	}
	if s.logger == nil {
		problems = append(problems, errors.New("the logger is nil"))
	}
	if s.userAgent == "" || strings.ContainsFunc(s.userAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		problems = append(problems, errors.New("the user agent is empty or has a character that no header may have"))
	}
	if s.timeout < 0 || s.attemptTimeout < 0 {
		problems = append(problems, errors.New("a timeout is negative"))
	}
	for _, hook := range s.requestHooks {
		if hook == nil {
			problems = append(problems, errors.New("a request hook is nil"))
		}
	}
	for _, hook := range s.responseHooks {
		if hook == nil {
			problems = append(problems, errors.New("a response hook is nil"))
		}
	}
	return errors.Join(append(problems, s.retries.check())...)
}

// checkBaseURL parses where the API is. Its errors do not repeat the URL, for a password may stand in it.
func checkBaseURL(text string, insecureHTTP bool) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL
		}
		return nil, fmt.Errorf("the base URL cannot be read: %w", err)
	}
	switch {
	case base.Scheme != "https" && base.Scheme != "http":
		return nil, errors.New("the base URL does not begin with https://")
	case base.Hostname() == "" || base.Opaque != "":
		return nil, errors.New("the base URL has no host")
	case base.User != nil:
		return nil, errors.New("the base URL has a user or password: the API key is what the client authenticates with")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "" || strings.Contains(text, "#"):
		return nil, errors.New("the base URL has a query or a fragment")
	case base.Scheme == "http" && !insecureHTTP && !loopback(base.Hostname()):
		return nil, errors.New("the base URL is plain http to another machine, which would show the API key to" +
			" whoever is on the way: use https, or allow it by WithInsecureHTTP")
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

// defaultTransport is http.DefaultTransport with tighter limits. It is shared, so that making a client for each call
// does not leave connections behind. A program that put a transport of its own in http.DefaultTransport, for
// instrumentation say, is respected.
var defaultTransport = sync.OnceValue(func() http.RoundTripper {
	shared, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	transport := shared.Clone()
	transport.MaxIdleConnsPerHost = 16 // 2 would close most connections of many calls at once
	transport.MaxResponseHeaderBytes = 64 << 10
	// A connection that died without a word is noticed before many calls ran into their timeouts on it.
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
	return transport
})
