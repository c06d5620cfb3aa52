package contract_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/contract"
)

func Example() {
	compiled, err := contract.Compile([]byte(`{
		"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"},
		"paths": {"/pets/{id}": {"get": {
			"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer", "minimum": 1}}],
			"responses": {
				"200": {"description": "", "content": {"application/json": {"schema": {"type": "object", "required": ["name"]}}}},
				"422": {"description": "", "content": {"application/json": {"schema": {}}}},
				"500": {"description": "", "content": {"application/json": {"schema": {}}}}}}}}}`), contract.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}

	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if malformed, ok := errors.AsType[*contract.RequestError](err); ok {
			_ = c.JSON(http.StatusUnprocessableEntity, malformed.Violations[0].Message)
			return
		}
		fmt.Println("log:", err)
		_ = c.JSON(http.StatusInternalServerError, "sorry")
	}
	e.Use(compiled.Middleware())
	e.GET("/pets/:id", func(c echo.Context) error {
		if c.Param("id") == "1" {
			return c.JSON(http.StatusOK, map[string]string{"name": "Rex"})
		}
		return c.JSON(http.StatusOK, map[string]string{"title": "Max"})
	})

	for _, path := range []string{"/pets/1", "/pets/0", "/pets/2"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"name":"Rex"}
	// 422 "Input should be greater than or equal to 1"
	// log: response 200 of GET /pets/{id} breaks the contract: body at /name: Field required (required)
	// 500 "sorry"
}
