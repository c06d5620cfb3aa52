package contract_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
)

// discarding is a ResponseWriter that costs nothing, so that the benchmarks measure the layer.
type discarding struct{ header http.Header }

func (d *discarding) Header() http.Header         { return d.header }
func (d *discarding) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarding) WriteHeader(int)             {}

func BenchmarkNotFound(b *testing.B) {
	type errorBody struct {
		Status  string `json:"status"`
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	notFound := errorBody{"error", "API_KEY_NOT_FOUND", "Error from ApiKeyNotFoundException"}
	c, err := contract.Compile(api.Document, contract.Options{
		Authenticate: allow,
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, layer := range []bool{false, true} {
		name := "bare echo"
		if layer {
			name = "contract"
		}
		b.Run(name, func(b *testing.B) {
			e := echo.New()
			e.HTTPErrorHandler = func(_ error, c echo.Context) { _ = c.JSON(http.StatusNotFound, notFound) }
			if layer {
				e.Use(c.Middleware())
			}
			e.DELETE("/v1/api_key/:id", func(echo.Context) error { return echo.ErrNotFound })
			r := httptest.NewRequest(http.MethodDelete, "/v1/api_key/018f2b5e-0000-7000-8000-000000000000", nil)
			w := &discarding{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				e.ServeHTTP(w, r)
			}
		})
	}
}
