package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/diga-io/diga-api/gen/apiclient"
	"github.com/diga-io/diga-api/gen/apitype"
)

// UUID is the id of an API key, in any version of RFC 9562.
type UUID = apitype.UUID

// ParseUUID parses 8-4-4-4-12 hexadecimal digits in either case, the only form that the contract accepts: it rejects
// braces, urn:uuid: and undashed forms. The error does not repeat s.
func ParseUUID(s string) (UUID, error) { return apitype.ParseUUID(s) }

// operations are the generated methods. The name keeps the embedded field out of the exported API.
type operations = apiclient.Operations[CallOption, Result]

// Client calls the Diga API. It has one method for each operation of the contract; the package documentation lists them.
// Use one Client for the whole program, in any number of goroutines: its calls share connections and a budget of
// retries. Create it with New.
type Client struct {
	operations
	settings settings
	key      secret
	base     *url.URL
	http     *http.Client
	budget   *budget
}

// Result says how a successful call went. It is zero if there is an error.
type Result struct {
	// Replayed means that this DELETE cannot prove that it deleted anything: the response of an earlier attempt was lost,
	// or was a 5xx, and a later attempt was answered with the API's own 404. The call would have ended the same if the
	// object had never existed: see WithNotFoundAfterRetry.
	Replayed   bool
	Attempts   int         // requests made
	StatusCode int         // of the last response
	RequestID  string      // of the last response, as the server's operator knows it
	Header     http.Header // of the last response, without the API key
}

// New returns a client. The API key and the base URL come from options or the environment: see WithAPIKey and
// WithBaseURL. All invalid settings are reported together, and never with the key. New sends nothing.
func New(options ...Option) (*Client, error) {
	s := settings{
		userAgent: userAgent(),
		logger:    slog.New(slog.DiscardHandler),
		calls:     callSettings{timeout: time.Minute, attemptTimeout: 10 * time.Second, maxResponse: 32 << 20},
	}
	var problems []error
	for _, option := range options {
		if call, ok := option.(CallOption); option == nil || ok && call == nil {
			problems = append(problems, errNilOption)
			continue
		}
		option.apply(&s)
	}
	problems = append(problems, s.check())
	if s.httpClient == nil {
		s.httpClient = &http.Client{Transport: defaultTransport()}
	}

	c := &Client{settings: s, budget: newBudget(s.calls.retries.withDefaults().Budget)}
	var err error
	if c.key, err = s.findKey(); err != nil {
		problems = append(problems, err)
	}
	if c.base, err = checkBaseURL(s.findBaseURL(), s.insecureHTTP); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("diga client: %w", err)
	}
	c.http = c.safeHTTPClient()
	c.operations = apiclient.NewOperations(c.call)
	return c, nil
}

var errNilOption = errors.New("an option is nil")

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

// server returns the base URL with a slash at its end, which the request builders need.
func (c *Client) server() string { return strings.TrimSuffix(c.base.String(), "/") + "/" }

// userAgent returns the name of this module and the version that the program was built with.
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

// String returns the base URL and the masked key.
func (c *Client) String() string { return fmt.Sprintf("diga client of %v with key %v", c.base, c.key) }

// CloseIdleConnections closes the connections that are not in use. Few programs need it; tests that count goroutines do.
// Without WithHTTPClient the connections are shared with other clients.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// DeleteAPIKeyString is DeleteAPIKey for an id in text form. If ParseUUID rejects the id, the error is ErrInvalid, and
// nothing is sent.
func (c *Client) DeleteAPIKeyString(ctx context.Context, id string, options ...CallOption) (Result, error) {
	parsed, err := ParseUUID(id)
	if err != nil {
		return Result{}, &Error{Operation: "DeleteAPIKey", Err: fmt.Errorf("%w: the id is not a UUID: %w", ErrInvalid, err)}
	}
	return c.DeleteAPIKey(ctx, parsed, options...)
}
