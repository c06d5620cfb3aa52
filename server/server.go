// Package server answers the Diga API: it puts the generated interface, the contract that every request and response
// is held to, and the store of keys into one http.Handler.
//
// A request passes observe (request id, deadline, log line), recovery, package contract (who is calling, does the
// request fit the document), the generated binding, and one method of operations. Its answer, or the answer that
// errors.go makes of an error, passes package contract on the way back.
package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// Keys is what the server needs of a store. Every error other than apikey.ErrNotFound means that the store could not
// answer, and becomes a 500.
type Keys interface {
	// Authenticate finds the live key whose secret has the given hash. It does not look at the expiry. It answers
	// from the store itself, never from memory: a deleted key is refused by the very next request.
	// apikey.ErrNotFound says that there is none.
	Authenticate(ctx context.Context, hash apikey.Hash) (apikey.Key, error)

	// Delete deletes the live key id of project and leaves tombstone in its place, in one atomic and durable step.
	// Of concurrent calls for one key exactly one returns nil. apikey.ErrNotFound says that project has no such
	// live key.
	Delete(ctx context.Context, project, id apitype.UUID, tombstone apikey.Deletion) error
}

// Options are what New needs beside the contract.
type Options struct {
	Keys     Keys
	Logger   *slog.Logger            // nil: slog.Default
	Observer Observer                // nil: nobody
	Pages    map[string]http.Handler // what GET and HEAD show beside the contract, by path, such as /docs
	Now      func() time.Time        // nil: time.Now
	Timeout  time.Duration           // for one request, the store included; 0: 2 s
}

// maxBodyBytes bounds the request body of an operation that declares one, and the announced length of a body that is
// ignored because none is declared.
const maxBodyBytes = 1 << 20

// operations implements the operations of the contract, one file each.
type operations struct {
	keys Keys
	now  func() time.Time
}

// New makes the handler that serves the contract in api.Document. The error says what in the document, or in the
// options, keeps it from being served.
func New(options Options) (http.Handler, error) {
	if options.Keys == nil {
		return nil, fmt.Errorf("server needs a store of keys: set Options.Keys")
	}
	options = options.withDefaults()
	return newHandler(api.Document, &operations{keys: options.Keys, now: options.Now}, options)
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
	return o
}

// newHandler serves document with the given implementation; tests give it ones that break the contract.
func newHandler(document []byte, implementation apiserver.StrictServerInterface, options Options) (http.Handler, error) {
	compiled, err := newContract(document, options)
	if err != nil {
		return nil, err
	}

	e := echo.New()
	e.HTTPErrorHandler = errorWriter{logger: options.Logger, observer: options.Observer}.write
	e.Use(observe(compiled, options), recoverPanic, refuseOtherRoutes, compiled.Middleware())
	apiserver.RegisterHandlers(e, apiserver.NewStrictHandler(implementation, nil))
	for _, route := range e.Routes() {
		// A generated route that the document does not know would be served unauthenticated and unchecked.
		if compiled.Operation(route.Method, route.Path) == nil {
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

// newContract compiles document with the authentication of auth.go, the only kind that is implemented.
func newContract(document []byte, options Options) (*contract.Contract, error) {
	authenticator := authenticator{keys: options.Keys, now: options.Now}
	compiled, err := contract.Compile(document, contract.Options{
		Authenticate: authenticator.authenticate,
		Formats:      map[string]func(string) error{"uuid": apitype.CheckUUID},
		MaxBodyBytes: maxBodyBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("load the contract: %w", err)
	}
	for _, scheme := range compiled.SecuritySchemes() {
		if scheme.Type != "http" || !strings.EqualFold(scheme.Scheme, "bearer") {
			return nil, fmt.Errorf("security scheme %s of the contract: only HTTP bearer is implemented", scheme.Name)
		}
	}
	return compiled, nil
}

// refuseOtherRoutes makes 404 and 405 mean what the document says. The router of echo answers OPTIONS by itself; the
// document does not know it. What is refused belongs to no operation.
func refuseOtherRoutes(next echo.HandlerFunc) echo.HandlerFunc {
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
