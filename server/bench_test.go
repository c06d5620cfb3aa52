package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// benchKeys authenticates every request. Its deletes return deleteError.
type benchKeys struct{ deleteError error }

func (benchKeys) Authenticate(context.Context, apikey.Hash) (apikey.Key, error) {
	return apikey.Key{ID: apitype.UUID{1}, ProjectID: apitype.UUID{2}}, nil
}

func (k benchKeys) Delete(context.Context, apitype.UUID, apitype.UUID, apikey.Deletion) error {
	return k.deleteError
}

// BenchmarkAnswers compares the cost of an answer, in one run and in process:
//
//   - echo: echo, the generated strict handler and an implementation, nothing else;
//   - server: this server, with request id, deadline, log line, authentication and both directions validated;
//   - quiet: the same with log level warn, without a line for each request;
//   - uncontracted: this server without the contract layer;
//   - stock: echo behind openapi3filter.Validator, strict, on the same document;
//   - nothing: an empty handler, the cost of creating request and recorder.
func BenchmarkAnswers(b *testing.B) {
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	for _, answer := range []struct {
		name   string
		status int
		id     string
		err    error
	}{
		{"200", 200, apitype.NewUUID().String(), nil},
		{"404", 404, apitype.NewUUID().String(), apikey.ErrNotFound},
		{"422", 422, "not-a-uuid", nil},
	} {
		options := Options{Keys: benchKeys{answer.err}, Logger: logger}.withDefaults()
		implementation := &operations{keys: options.Keys, now: options.Now}
		contracted, err := newHandler(api.Document, implementation, options)
		if err != nil {
			b.Fatal(err)
		}
		quietly := options
		quietly.Logger = slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
		quiet, err := newHandler(api.Document, implementation, quietly)
		if err != nil {
			b.Fatal(err)
		}
		for _, handler := range []struct {
			name string
			http.Handler
		}{
			{"echo", bareEcho(answer.err)},
			{"server", contracted},
			{"quiet", quiet},
			{"uncontracted", uncontracted(b, implementation, options)},
			{"stock", stock(b, bareEcho(answer.err))},
			{"nothing", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})},
		} {
			b.Run(answer.name+"/"+handler.name, func(b *testing.B) {
				authorization := []string{"Bearer " + apikey.NewSecret().Reveal()}
				b.ReportAllocs()
				for b.Loop() {
					request := httptest.NewRequestWithContext(context.Background(), http.MethodDelete, "/v1/api_key/"+answer.id, nil)
					request.Header["Authorization"] = authorization
					recorder := httptest.NewRecorder()
					handler.ServeHTTP(recorder, request)
					if handler.name == "server" && recorder.Code != answer.status {
						b.Fatalf("answered %d", recorder.Code)
					}
				}
			})
		}
	}
}

// BenchmarkHTTP compares the server with and without the contract layer over loopback HTTP, with the embedded store, for
// authenticated 404s.
func BenchmarkHTTP(b *testing.B) {
	keys, err := store.Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "keys.db"), store.Options{Migrate: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { keys.Close() })
	key, secret := apikey.New(apitype.NewUUID(), apitype.NewUUID(), "bench")
	if err := keys.Create(b.Context(), key, secret.Hash()); err != nil {
		b.Fatal(err)
	}
	options := Options{Keys: keys, Logger: slog.New(slog.NewJSONHandler(io.Discard, nil))}.withDefaults()
	implementation := &operations{keys: options.Keys, now: options.Now}
	contracted, err := newHandler(api.Document, implementation, options)
	if err != nil {
		b.Fatal(err)
	}
	for _, handler := range []struct {
		name string
		http.Handler
	}{{"server", contracted}, {"uncontracted", uncontracted(b, implementation, options)}} {
		b.Run("404/"+handler.name, func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					request, _ := http.NewRequestWithContext(context.Background(), http.MethodDelete, server.URL+"/v1/api_key/"+apitype.NewUUID().String(), nil)
					request.Header.Set("Authorization", "Bearer "+secret.Reveal())
					response, err := client.Do(request)
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
					if response.StatusCode != http.StatusNotFound {
						b.Errorf("answered %d", response.StatusCode)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// bareEcho serves the generated code and nothing else.
func bareEcho(err error) http.Handler {
	e := echo.New()
	apiserver.RegisterHandlers(e, apiserver.NewStrictHandler(wrongHandler{operation: func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
		if err == nil {
			return apiserver.DeleteAPIKey200JSONResponse(apitype.Of(struct{}{})), nil
		}
		status := "error"
		return apiserver.DeleteAPIKey404JSONResponse{Status: &status, ErrorCode: "API_KEY_NOT_FOUND", Message: "Error from ApiKeyNotFoundException"}, nil
	}}, nil))
	return e
}

// uncontracted is the server with authentication instead of the contract layer.
func uncontracted(b *testing.B, implementation *operations, options Options) http.Handler {
	loaded, _, err := loadContract(api.Document, options)
	if err != nil {
		b.Fatal(err)
	}
	authenticate := authenticator{keys: options.Keys, now: options.Now}.authenticate
	e := echo.New()
	e.HTTPErrorHandler = errorWriter{logger: options.Logger, observer: options.Observer}.write
	e.Use(observe(loaded, options), recoverPanic, rejectOtherRoutes, func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			input := &contract.AuthenticationInput{Request: c.Request(), Scheme: contract.SecurityScheme{Type: "http", Scheme: "bearer"}}
			if err := authenticate(c.Request().Context(), input); err != nil {
				return err
			}
			return next(c)
		}
	})
	apiserver.RegisterHandlers(e, apiserver.NewStrictHandler(implementation, nil))
	return e
}

// stock is kin-openapi's own validation middleware.
func stock(b *testing.B, next http.Handler) http.Handler {
	document, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		b.Fatal(err)
	}
	document.Servers = nil // else only requests to api.diga.io match
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		b.Fatal(err)
	}
	return openapi3filter.NewValidator(router, openapi3filter.Strict(true), openapi3filter.OnLog(func(context.Context, string, error) {}), openapi3filter.ValidationOptions(openapi3filter.Options{
		IncludeResponseStatus: true,
		AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{
			openapi3.WithStringFormatValidator("uuid", openapi3.NewCallbackValidator(func(s string) error { _, err := apitype.ParseUUID(s); return err })),
		},
	})).Middleware(next)
}
