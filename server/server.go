// Package server serves the Diga API: New returns one http.Handler for the operations of the contract.
//
// A request passes observe (request id, deadline, log line), recoverPanic, package contract (authentication, validation),
// the code that oapi-codegen generated (binding of parameters) and one method of operations. The response, or the response
// that errors.go writes for an error, passes package contract on the way back.
package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// Keys is what the server needs of a store. Any error other than apikey.ErrNotFound becomes a 500.
type Keys interface {
	// Authenticate returns the live key whose secret has the given hash, expired or not, or apikey.ErrNotFound if there
	// is none. It must not cache: the next request with a deleted key is rejected.
	Authenticate(ctx context.Context, hash apikey.Hash) (apikey.Key, error)

	// Delete deletes the live key id of project and leaves tombstone in its place, in one atomic and durable step. Of
	// concurrent calls for one key exactly one returns nil. The error is apikey.ErrNotFound if project has no such live
	// key.
	Delete(ctx context.Context, project, id apitype.UUID, tombstone apikey.Deletion) error
}

// Options configure New. Keys is required.
type Options struct {
	Keys     Keys
	Logger   *slog.Logger            // nil: slog.Default
	Observer Observer                // nil: none
	Pages    map[string]http.Handler // served for GET and HEAD beside the contract, by path, such as /docs
	Now      func() time.Time        // nil: time.Now
	Timeout  time.Duration           // of one request, including the store; 0: 2 s

	// MaxInFlight limits the requests for operations of the contract that are served at the same time, and a quarter of it
	// those for everything else; 0: no limit. Any more get a 500 with Retry-After.
	MaxInFlight int

	// UnreadBody is called when the response to a request is about to be sent and the request's body has not arrived. The
	// connection closes after the response, within a second, and serves no other request meanwhile. nil: ignored.
	UnreadBody func(*http.Request)

	LogPeer        bool         // whether the log has the IP address of each client
	TrustedProxies []*net.IPNet // whose X-Forwarded-For is believed
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Observer == nil {
		o.Observer = noObserver{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	if o.UnreadBody == nil {
		o.UnreadBody = func(*http.Request) {}
	}
	return o
}

// maxBodyBytes limits the request body of an operation that declares one, and the Content-Length of a body that is ignored
// because the operation declares none.
const maxBodyBytes = 1 << 20

// operations implements the operations of the contract, one file each.
type operations struct {
	keys Keys
	now  func() time.Time
}

// New returns a handler that serves the contract in api.Document.
func New(options Options) (http.Handler, error) {
	if options.Keys == nil {
		return nil, fmt.Errorf("server needs a store of keys: set Options.Keys")
	}
	options = options.withDefaults()
	return newHandler(api.Document, &operations{keys: options.Keys, now: options.Now}, options)
}

// newHandler serves document with the given implementation. Tests pass documents and implementations of their own.
func newHandler(document []byte, implementation apiserver.StrictServerInterface, options Options) (http.Handler, error) {
	loaded, findings, err := loadContract(document, options)
	if err != nil {
		return nil, err
	}
	logIncomplete(loaded, findings, implementation, options.Logger)
	options.Observer.Prepare(loaded.Operations())

	e := echo.New()
	e.HTTPErrorHandler = errorWriter{logger: options.Logger, observer: options.Observer}.write
	loaded.Route(e)
	e.Use(observe(loaded, options), recoverPanic, rejectOtherRoutes, loaded.Middleware())
	apiserver.RegisterHandlers(e, apiserver.NewStrictHandler(implementation, nil))
	for _, route := range e.Routes() {
		// A generated route that is not in the document would be served without authentication and validation.
		if loaded.Operation(route.Method, route.Path) == nil {
			return nil, fmt.Errorf("%s %s is served but not in the contract: run make generate", route.Method, route.Path)
		}
	}
	serveDocument := func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
		http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(document))
		return nil
	}
	e.GET("/openapi.json", serveDocument)
	e.HEAD("/openapi.json", serveDocument)
	for path, page := range options.Pages {
		e.Match([]string{http.MethodGet, http.MethodHead}, path, echo.WrapHandler(page))
	}
	return e, nil
}

// loadContract compiles document with the authentication of auth.go. It also returns the warnings of the reader.
func loadContract(document []byte, options Options) (*contract.Contract, []contract.Finding, error) {
	read, findings := contract.Read(document)
	if read == nil {
		return nil, findings, fmt.Errorf("load the contract: %w", contract.Errors(findings))
	}
	loaded, err := contract.New(read, contract.Options{
		Authenticate: authenticator{keys: options.Keys, now: options.Now}.authenticate,
		MaxBodyBytes: maxBodyBytes,
		Fallback:     []byte(bodyInternal),
	})
	if err != nil {
		return nil, findings, fmt.Errorf("load the contract: %w", err)
	}
	return loaded, findings, nil
}

// logIncomplete logs one line if the document or the implementation is incomplete.
func logIncomplete(loaded *contract.Contract, warnings []contract.Finding, implementation apiserver.StrictServerInterface, logger *slog.Logger) {
	missing := apitype.Unimplemented(implementation, apiserver.Unimplemented{})
	undeclared := 0
	for _, operation := range loaded.Operations() {
		if !operation.Declares(http.StatusInternalServerError) || operation.RequiresAuthentication() && !operation.Declares(http.StatusForbidden) {
			undeclared++
		}
	}
	closed := []string{}
	for _, scheme := range loaded.SecuritySchemes() {
		if !isBearer(scheme) {
			closed = append(closed, scheme.Name)
		}
	}
	if len(warnings) > 0 || undeclared > 0 || len(missing) > 0 || len(closed) > 0 {
		logger.Warn("contract incomplete", slog.Int("warnings", len(warnings)),
			slog.Int("operations_without_403_or_500", undeclared), slog.Int("operations_not_implemented", len(missing)),
			slog.Any("security_schemes_not_implemented", closed))
	}
}

// rejectOtherRoutes answers 404 and 405 for what the document does not have, including OPTIONS, which echo's router would
// answer by itself.
func rejectOtherRoutes(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Path() == "" {
			return echo.ErrNotFound
		}
		if c.Get(echo.ContextKeyHeaderAllow) != nil {
			return echo.ErrMethodNotAllowed
		}
		return next(c)
	}
}
