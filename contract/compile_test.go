package contract

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"
)

// compilations counts how often kin-openapi compiles a schema: each time, it first writes the schema as JSON, with its
// extensions, one of which is this.
type compilations struct{ n *atomic.Int64 }

func (c compilations) MarshalJSON() ([]byte, error) {
	c.n.Add(1)
	return []byte("0"), nil
}

// TestNothingCompiledPerRequest serves requests and responses of each kind. This package compiles nothing then, because
// its compiler is discarded after New. The test counts what kin-openapi compiles.
func TestNothingCompiledPerRequest(t *testing.T) {
	const doc = `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/{id}":{"post":{
		"parameters":[
			{"name":"id","in":"path","required":true,"schema":{"type":"integer","maximum":5}},
			{"name":"list","in":"query","schema":{"type":"array","items":{"$ref":"#/components/schemas/S"}}},
			{"name":"deep","in":"query","style":"deepObject","explode":true,"schema":{"type":"object","properties":{"a":{"$ref":"#/components/schemas/S"}}}},
			{"name":"json","in":"query","content":{"application/json":{"schema":{"$ref":"#/components/schemas/O"}}}},
			{"name":"def","in":"query","schema":{"type":"string","default":"ab"}},
			{"name":"X-H","in":"header","schema":{"anyOf":[{"type":"integer"},{"$ref":"#/components/schemas/S"}]}},
			{"name":"c","in":"cookie","schema":{"$ref":"#/components/schemas/S"}}],
		"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/O"}},
			"application/x-www-form-urlencoded":{"schema":{"$ref":"#/components/schemas/O"}},
			"text/plain":{"schema":{"$ref":"#/components/schemas/S"}}}},
		"responses":{
			"200":{"description":"","headers":{"X-H":{"schema":{"type":"integer"}}},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/O"}}}},
			"422":{"description":"","content":{"application/json":{"schema":{"type":"object","patternProperties":{"a":{}}}}}},
			"500":{"description":"","content":{"application/json":{"schema":{"type":"object","patternProperties":{"a":{}}}}}}}}}},
		"components":{"schemas":{"S":{"type":"string","minLength":2},
			"O":{"type":"object","properties":{"s":{"$ref":"#/components/schemas/S"},"t":{"type":["string","null"],"const":"x"}}}}}}`
	c, err := Compile([]byte(doc), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	plant := func(_ string, ref *openapi3.SchemaRef) error {
		ref.Value.Extensions = map[string]any{"x-count": compilations{&n}}
		return nil
	}
	if err := c.doc.WalkSchemas(plant); err != nil {
		t.Fatal(err)
	}
	for _, o := range c.operations {
		for _, p := range o.parameters {
			if p.decoding.Schema != nil {
				_ = plant("", p.decoding.Schema)
			}
			for _, media := range p.decoding.Content {
				_ = plant("", media.Schema)
			}
		}
	}

	handler := func(c echo.Context) error {
		c.Response().Header().Set("X-H", "1")
		return c.JSONBlob(200, []byte(c.QueryParam("answer")))
	}
	e := echo.New()
	statuses := map[int]int{}
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		status := 500
		if _, ok := errors.AsType[*RequestError](err); ok {
			status = 422
		}
		_ = c.JSON(status, struct{}{})
	}
	e.Use(c.Middleware())
	e.POST("/:id", handler)
	for _, target := range []string{
		"/1?list=ab&list=cd&deep[a]=ab&json={%22s%22:%22ab%22}&answer={}",
		"/9?list=a&deep[a]=a&json={%22s%22:%22a%22}&answer={}",
		"/x?json={", "/1?answer={%22s%22:1}", "/1?answer=[]", "/1?answer={",
	} {
		for contentType, body := range map[string]string{
			"application/json": `{"s":"ab","t":"x"}`, "application/x-www-form-urlencoded": "s=ab&t=x", "text/plain": "a", "a/b": "x",
		} {
			r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("X-H", "hh")
			r.AddCookie(&http.Cookie{Name: "c", Value: "cc"})
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			statuses[w.Code]++
		}
	}
	if n.Load() != 0 {
		t.Errorf("kin-openapi compiled %d times", n.Load())
	}
	if statuses[200] == 0 || statuses[422] == 0 || statuses[500] == 0 || len(statuses) != 3 {
		t.Errorf("statuses %v", statuses)
	}

	// The counter counts: kin-openapi by itself compiles for each value.
	o := c.operations[0]
	input := &openapi3filter.RequestValidationInput{
		Request: httptest.NewRequest(http.MethodPost, "/1", nil), PathParams: map[string]string{"id": "1"}, Route: &o.route,
	}
	if err := openapi3filter.ValidateParameter(context.Background(), input, o.route.Operation.Parameters[0].Value); err != nil || n.Load() == 0 {
		t.Errorf("%v, %d compilations", err, n.Load())
	}
}
