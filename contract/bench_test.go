package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/api"
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
	c, err := Compile(api.Document, Options{
		Authenticate: func(context.Context, *AuthenticationInput) error { return nil },
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

// The bodies of the benchmarks have the schemas of everyday documents, with formats, bounds, a pattern and optional
// members, as FastAPI writes them.
type (
	record struct {
		ID         string   `json:"id"`
		Name       string   `json:"name"`
		Created    string   `json:"created_date"`
		Restricted bool     `json:"restricted"`
		Calls      int      `json:"calls"`
		Digits     string   `json:"last_four_digits"`
		Permitted  []string `json:"permissions"`
	}
	tree struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Children []tree `json:"children,omitempty"`
	}
	event struct {
		Kind   string  `json:"kind"`
		ID     string  `json:"id"`
		At     string  `json:"at"`
		Amount float64 `json:"amount,omitempty"`
		Reason string  `json:"reason,omitempty"`
		Target *record `json:"target,omitempty"`
	}
	contact struct {
		ID      string  `json:"id"`
		Creator string  `json:"creator_id"`
		Email   string  `json:"email"`
		Website *string `json:"website"`
		Born    string  `json:"born"`
		Country string  `json:"country"`
		Notes   string  `json:"notes"`
	}
	page struct {
		Items []contact `json:"items"`
		Next  string    `json:"next"`
	}
)

const benchComponents = `
	"Record":{"type":"object","required":["id","name","created_date","restricted"],"additionalProperties":false,"properties":{
		"id":{"type":"string","format":"uuid"},"creator_id":{"type":"string","format":"uuid"},
		"name":{"type":"string","minLength":1,"maxLength":64},"created_date":{"type":"string","format":"date-time"},
		"last_four_digits":{"type":"string","pattern":"^[A-Za-z0-9]{4}$"},"restricted":{"type":"boolean"},
		"calls":{"type":"integer","minimum":0},"permissions":{"anyOf":[{"type":"array","items":{"type":"string"}},{"type":"null"}]}}},
	"Records":{"type":"array","items":{"$ref":"#/components/schemas/Record"}},
	"Tree":{"type":"object","required":["id","name"],"properties":{"id":{"type":"string","format":"uuid"},"name":{"type":"string"},
		"children":{"type":"array","items":{"$ref":"#/components/schemas/Tree"}}}},
	"Event":{"anyOf":[{"$ref":"#/components/schemas/Created"},{"$ref":"#/components/schemas/Charged"},{"$ref":"#/components/schemas/Refused"},
		{"$ref":"#/components/schemas/Changed"},{"$ref":"#/components/schemas/Deleted"}]},
	"Events":{"type":"array","items":{"$ref":"#/components/schemas/Event"}},
	"Created":{"type":"object","required":["kind","id","at"],"properties":{"kind":{"type":"string","const":"created"},"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"}}},
	"Charged":{"type":"object","required":["kind","id","at","amount"],"properties":{"kind":{"type":"string","const":"charged"},"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"},"amount":{"type":"number"}}},
	"Refused":{"type":"object","required":["kind","id","at","reason"],"properties":{"kind":{"type":"string","const":"refused"},"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"},"reason":{"type":"string"}}},
	"Changed":{"type":"object","required":["kind","id","at","target"],"properties":{"kind":{"type":"string","const":"changed"},"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"},"target":{"$ref":"#/components/schemas/Record"}}},
	"Deleted":{"type":"object","required":["kind","id","at"],"properties":{"kind":{"type":"string","const":"deleted"},"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"}}},
	"Contact":{"type":"object","required":["id","email"],"properties":{
		"id":{"type":"string","format":"uuid"},"creator_id":{"type":"string","format":"uuid"},
		"email":{"type":"string","format":"email"},"website":{"anyOf":[{"type":"string","format":"uri"},{"type":"null"}]},
		"born":{"type":"string","format":"date"},"country":{"type":"string","enum":["CH","DE","FR","IT","AT"]},"notes":{"type":"string","maxLength":500}}},
	"Page":{"type":"object","required":["items"],"properties":{"items":{"type":"array","items":{"$ref":"#/components/schemas/Contact"}},"next":{"type":"string"}}}`

func records(n int) []record {
	list := make([]record, n)
	for i := range list {
		list[i] = record{
			ID: fmt.Sprintf("018f2b5e-0000-7000-8000-%012d", i), Name: fmt.Sprintf("key %d", i), Created: "2026-01-02T03:04:05Z",
			Restricted: true, Calls: i * 1000, Digits: fmt.Sprintf("aB%02d", i%100), Permitted: []string{"calls.view"},
		}
	}
	return list
}

func contacts(n int) []contact {
	list := make([]contact, n)
	for i := range list {
		list[i] = contact{
			ID: fmt.Sprintf("018f2b5e-0000-7000-8000-%012d", i), Creator: "018f2b5e-0000-7000-8000-000000000001",
			Email: fmt.Sprintf("user%d@example.com", i), Born: "1990-12-31", Country: "CH", Notes: "Called twice, wants an offer for the new contract.",
		}
		if i%2 == 0 {
			list[i].Website = new(fmt.Sprintf("https://example.com/users/%d", i))
		}
	}
	return list
}

func branches(depth int) tree {
	t := tree{ID: fmt.Sprintf("018f2b5e-0000-7000-8000-%012d", depth), Name: "a branch of a tree"}
	if depth > 1 {
		t.Children = []tree{branches(depth - 1), branches(depth - 1)}
	}
	return t
}

func events(n int) []event {
	list := make([]event, n)
	for i := range list {
		e := event{
			Kind: []string{"created", "charged", "refused", "changed", "deleted"}[i%5],
			ID:   fmt.Sprintf("018f2b5e-0000-7000-8000-%012d", i), At: "2026-01-02T03:04:05Z",
		}
		switch i % 5 {
		case 1:
			e.Amount = 12.5
		case 2:
			e.Reason = "insufficient funds"
		case 3:
			e.Target = &records(1)[0]
		}
		list[i] = e
	}
	return list
}

// benchBody is a body of the benchmarks.
type benchBody struct {
	name, schema string
	request      bool
	value        any
}

func benchBodies() []benchBody {
	return []benchBody{
		{name: "list of 100", schema: "Records", value: records(100)},
		{name: "list of 10000", schema: "Records", value: records(10_000)},
		{name: "tree of 1023", schema: "Tree", value: branches(10)},
		{name: "union of 5, 100 times", schema: "Events", value: events(100)},
		{name: "request of 100 KB", schema: "Page", request: true, value: page{contacts(400), "next"}},
	}
}

// benchService serves the document of the benchmarks, with and without the contract.
type benchService struct {
	contract *Contract
	stock    *openapi3.T
	echo     map[bool]*echo.Echo
	handler  echo.HandlerFunc
}

func newBenchService(b testing.TB) *benchService {
	var paths []string
	for _, body := range benchBodies() {
		content := `"content":{"application/json":{"schema":{"$ref":"#/components/schemas/` + body.schema + `"}}}`
		path := `"/` + body.schema + `":{"get":{"operationId":"get` + body.schema + `","responses":{"200":{"description":"",` + content + `}}},
			"post":{"operationId":"post` + body.schema + `","requestBody":{"required":true,` + content + `},"responses":{"204":{"description":""}}}}`
		if !strings.Contains(strings.Join(paths, ""), path) {
			paths = append(paths, path)
		}
	}
	doc := []byte(`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{` + strings.Join(paths, ",") + `},"components":{"schemas":{` + benchComponents + `}}}`)
	s := &benchService{echo: map[bool]*echo.Echo{true: echo.New(), false: echo.New()}}
	var err error
	if s.contract, err = Compile(doc, Options{}); err != nil {
		b.Fatal(err)
	}
	if s.stock, err = openapi3.NewLoader().LoadFromData(doc); err != nil {
		b.Fatal(err)
	}
	s.echo[true].Use(s.contract.Middleware())
	for _, e := range s.echo {
		e.HTTPErrorHandler = func(err error, c echo.Context) {
			if !c.Response().Committed {
				_ = c.NoContent(http.StatusTeapot)
			}
		}
		for _, o := range s.contract.operations {
			e.Add(o.Method, o.Path, func(c echo.Context) error { return s.handler(c) })
		}
	}
	return s
}

// schema returns the schema that bodies with the name are held to.
func (s *benchService) schema(name string) *schema {
	for _, o := range s.contract.operations {
		if o.ID == "get"+name {
			return o.responses[200].content.json["application/json"]
		}
	}
	panic(name)
}

// stockVerdict validates by openapi3filter.
func (s *benchService) stockVerdict(body benchBody, data []byte) error {
	path := "/" + body.schema
	item := s.stock.Paths.Value(path)
	method := http.MethodGet
	if body.request {
		method = http.MethodPost
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(data))
	r.Header.Set("Content-Type", "application/json")
	input := &openapi3filter.RequestValidationInput{
		Request: r, Route: &routers.Route{Spec: s.stock, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true},
	}
	if body.request {
		return openapi3filter.ValidateRequest(context.Background(), input)
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(data)), Options: input.Options,
	})
}

// BenchmarkBodies compares validating a body with encoding it, with stock kin-openapi on the same document, and with
// validating the same body with faults, and a request with the same request without the contract.
func BenchmarkBodies(b *testing.B) {
	s := newBenchService(b)
	for _, body := range benchBodies() {
		data, err := json.Marshal(body.value)
		if err != nil {
			b.Fatal(err)
		}
		run := func(name string, once func() bool) {
			b.Run(body.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					if !once() {
						b.Fatal("it fails")
					}
				}
			})
		}
		schema := s.schema(body.schema)
		run("validate", func() bool { return len(schema.validate(data, "body", "")) == 0 })
		const id, fault = `"id":"0`, `"id":"x`
		last := bytes.LastIndex(data, []byte(id))
		one := slices.Concat(data[:last], []byte(fault), data[last+len(id):])
		run("one fault", func() bool { return len(schema.validate(one, "body", "")) == 1 })
		every := bytes.ReplaceAll(data, []byte(id), []byte(fault))
		run("faults", func() bool { return len(schema.validate(every, "body", "")) == maxViolations })
		run("encode", func() bool {
			again, err := json.Marshal(body.value)
			return err == nil && len(again) == len(data)
		})
		run("stock", func() bool { return s.stockVerdict(body, data) == nil })
		for _, layer := range []bool{true, false} {
			name := map[bool]string{true: "serve", false: "serve without contract"}[layer]
			run(name, func() bool { return s.serve(body, layer, data) < 300 })
		}
	}
}

// serve has echo answer with the body, or decode the body of a request. It returns the status.
func (s *benchService) serve(body benchBody, layer bool, data []byte) int {
	method := http.MethodGet
	s.handler = func(c echo.Context) error { return c.JSON(http.StatusOK, body.value) }
	var sent io.Reader
	if body.request {
		method, sent = http.MethodPost, bytes.NewReader(data)
		s.handler = func(c echo.Context) error {
			var p page
			if err := json.NewDecoder(c.Request().Body).Decode(&p); err != nil {
				return err
			}
			return c.NoContent(http.StatusNoContent)
		}
	}
	r := httptest.NewRequest(method, "/"+body.schema, sent)
	r.Header.Set("Content-Type", "application/json")
	w := &statusWriter{discarding: discarding{http.Header{}}}
	s.echo[layer].ServeHTTP(w, r)
	return w.status
}

type statusWriter struct {
	discarding
	status int
}

func (w *statusWriter) WriteHeader(status int) { w.status = status }
