package contract_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/contract"
)

func allow(context.Context, *openapi3filter.AuthenticationInput) error { return nil }

// answer is an error handler that speaks the error shape of the API document.
func answer(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status := http.StatusInternalServerError
	var security *contract.SecurityError
	var request *contract.RequestError
	var broken *contract.ResponseError
	var he *echo.HTTPError
	switch {
	case errors.As(err, &security):
		status = 403
	case errors.As(err, &request):
		type detail struct {
			Loc  []string `json:"loc"`
			Msg  string   `json:"msg"`
			Type string   `json:"type"`
		}
		var details []detail
		for _, v := range request.Violations {
			details = append(details, detail{[]string{v.In, v.Name}, v.Message, v.Keyword})
		}
		c.JSON(422, map[string]any{"detail": details})
		return
	case errors.As(err, &broken):
	case errors.As(err, &he):
		status = he.Code
	}
	c.JSON(status, map[string]any{"error_code": "X", "message": "m"})
}

func TestAPI(t *testing.T) {
	c, err := contract.New(api.Document, contract.Options{
		Authenticate: allow, Formats: map[string]func(string) error{"uuid": apitype.CheckUUID},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.HTTPErrorHandler = answer
	e.Use(c.Middleware())
	var handler echo.HandlerFunc
	e.DELETE("/v1/api_key/:id", func(c echo.Context) error { return handler(c) })
	for _, test := range []struct {
		name, id string
		handler  echo.HandlerFunc
		status   int
		body     string
	}{
		{"right", "018f2b5e-0000-7000-8000-000000000000", func(c echo.Context) error { return c.JSON(200, struct{}{}) }, 200, "{}"},
		{"null", "018f2b5e-0000-7000-8000-000000000000", func(c echo.Context) error { return c.JSON(200, nil) }, 200, "null"},
		{"uuid", "nope", nil, 422, `{"detail":[{"loc":["path","id"],"msg":"Input should be a valid uuid","type":"format"}]}`},
		{"undeclared status", "018f2b5e-0000-7000-8000-000000000000", func(c echo.Context) error { return c.JSON(201, struct{}{}) }, 500, `{"error_code":"X","message":"m"}`},
		{"wrong body", "018f2b5e-0000-7000-8000-000000000000", func(c echo.Context) error { return c.JSON(404, struct{}{}) }, 500, `{"error_code":"X","message":"m"}`},
		{"nothing", "018f2b5e-0000-7000-8000-000000000000", func(c echo.Context) error { return nil }, 500, `{"error_code":"X","message":"m"}`},
		{"error", "018f2b5e-0000-7000-8000-000000000000", func(c echo.Context) error { return echo.ErrNotFound }, 404, `{"error_code":"X","message":"m"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			handler = test.handler
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest("DELETE", "/v1/api_key/"+test.id, nil))
			if w.Code != test.status || strings.TrimSpace(w.Body.String()) != test.body {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	op := c.Operation("DELETE", "/v1/api_key/:id")
	if got := string(op.Example(404)); got != `{"status":"error","error_code":"API_KEY_NOT_FOUND","message":"Error from ApiKeyNotFoundException"}` {
		t.Error(got)
	}
	_ = json.Valid
}
