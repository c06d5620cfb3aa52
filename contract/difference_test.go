package contract_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/contract"
)

// stock judges by openapi3filter alone, in the strictest way it offers.
type stock struct{ doc *openapi3.T }

func newStock(t testing.TB, doc string) stock {
	t.Helper()
	loaded, err := openapi3.NewLoader().LoadFromData([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return stock{loaded}
}

func (s stock) input(r *http.Request, path string, values map[string]string) *openapi3filter.RequestValidationInput {
	item := s.doc.Paths.Value(path)
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: values,
		Route:   &routers.Route{Spec: s.doc, Path: path, PathItem: item, Method: r.Method, Operation: item.GetOperation(r.Method)},
		Options: &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true},
	}
}

func (s stock) request(r *http.Request, path string, values map[string]string) error {
	return openapi3filter.ValidateRequest(context.Background(), s.input(r, path, values))
}

func (s stock) response(r *http.Request, path string, status int, header http.Header, body string) error {
	in := s.input(r, path, nil)
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Options: in.Options,
	})
}

// compare draws one document, and requests and responses for it, and fails where the verdicts differ.
func compare(t *testing.T, seed uint64, rounds int) (accepted, refused int) {
	// The formats are a difference of their own.
	stocks := maps.Clone(openapi3.SchemaStringFormats)
	defer func() { openapi3.SchemaStringFormats = stocks }()
	for name, check := range contract.TextFormats {
		openapi3.DefineStringFormatValidator(name, openapi3.NewCallbackValidator(check))
	}
	g := newGenerator(seed)
	model, operation, components := g.document()
	doc := text(model)
	judge := newStock(t, doc)

	var response struct {
		status int
		header http.Header
		body   string
	}
	s := newService(t, doc, contract.Options{}, func(c echo.Context) error {
		for name, values := range response.header {
			c.Response().Header()[name] = values
		}
		c.Response().WriteHeader(response.status)
		_, err := io.WriteString(c.Response(), response.body)
		return err
	})
	// What the error handler answers is not what is compared.
	s.echo.HTTPErrorHandler = func(err error, c echo.Context) { s.errs = append(s.errs, err) }

	disagree := func(what string, ours bool, theirs error) {
		if ours == (theirs == nil) {
			if ours {
				accepted++
			} else {
				refused++
			}
			return
		}
		t.Errorf("seed %d: %s\nours: %v\ntheirs: %v\ndocument: %s", seed, what, s.errs, theirs, doc)
	}
	for range rounds {
		draw, path := g.request(operation, components)
		err := judge.request(draw(), "/r/{p}", map[string]string{"p": path})
		response.status, response.header, response.body = g.response(operation, components)
		s.do(draw())
		var broken *contract.RequestError
		isBroken := len(s.errs) > 0 && errors.As(s.errs[0], &broken)
		disagree(describe(draw()), !isBroken, err)
		if isBroken {
			continue
		}
		err = judge.response(draw(), "/r/{p}", response.status, response.header, response.body)
		disagree(fmt.Sprint(response), len(s.errs) == 0, err)
	}
	return accepted, refused
}

func describe(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	return fmt.Sprintln(r.Method, r.URL, r.Header, string(body))
}

// request draws one, to be made twice: to validate one can change it. path is the value of its path parameter.
func (g generator) request(operation, components obj) (draw func() *http.Request, path string) {
	query := url.Values{}
	header := http.Header{}
	for _, item := range operation["parameters"].([]any) {
		p := item.(obj)
		name, value := p["name"].(string), g.sent(p)
		if p["in"] != "path" && g.maybe(20) {
			continue
		}
		switch p["in"] {
		case "path":
			path = value
		case "query":
			query.Add(name, value)
			if g.maybe(30) {
				query.Add(name, g.raw(name))
			}
			if p["style"] == "deepObject" || g.maybe(20) {
				query.Set(pick(g, name+"[a]", name+"[b]", "a", "b"), g.raw(name))
			}
		case "header":
			header.Set(name, value)
		case "cookie":
			header.Set("Cookie", name+`="`+value+`"`)
		}
	}
	body := operation["requestBody"].(obj)["content"].(obj)
	mime := "application/json"
	if g.maybe(30) {
		mime = pick(g, "application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", "application/problem+json", "text/html", "")
	}
	var payload string
	switch media, _ := body[mime].(obj); {
	case g.maybe(10):
	case mime == "application/x-www-form-urlencoded":
		payload = pick(g, "a=1", "a=6", "a=1&b=x&b=y", "a=1&b=", "b=x", "a=x")
	case mime == "text/plain":
		payload = pick(g, "a", "ab", "abc")
	case media != nil:
		payload = text(g.fitting(media["schema"], components, 5))
	default:
		payload = text(g.value(2, true))
	}
	if mime != "" {
		header.Set("Content-Type", mime)
	}
	if path == "" {
		path = "1"
	}
	target := "/r/" + url.PathEscape(path) + "?" + query.Encode()
	return func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, target, bytes.NewReader([]byte(payload)))
		r.Header = header.Clone()
		return r
	}, path
}

func (g generator) response(operation, components obj) (status int, header http.Header, body string) {
	declared := operation["responses"].(obj)["200"].(obj)
	answer := declared["content"].(obj)["application/json"].(obj)
	header = http.Header{"Content-Type": {"application/json"}}
	status = pick(g, 200, 200, 200, 200, 200, 404, 418, 500, 201)
	if g.maybe(10) {
		header.Set("Content-Type", pick(g, "application/json; charset=UTF-8", "application/problem+json", "text/html"))
	}
	if g.maybe(80) {
		header.Set("X-A", g.sent(obj{"name": "X-A", "schema": declared["headers"].(obj)["X-A"].(obj)["schema"]}))
	}
	if g.maybe(50) {
		header.Set("X-B", pick(g, "1", "6", "x"))
	}
	return status, header, text(g.fitting(answer["schema"], components, 5))
}

// TestSameVerdicts compares with stock kin-openapi in 3.1 mode.
func TestSameVerdicts(t *testing.T) {
	documents := uint64(60)
	if testing.Short() {
		documents = 20
	}
	accepted, refused := 0, 0
	for seed := range documents {
		a, r := compare(t, seed, 12)
		accepted, refused = accepted+a, refused+r
		if t.Failed() {
			return
		}
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted < int(documents) || refused < int(documents) {
		t.Errorf("too one-sided to mean anything: %d accepted, %d refused", accepted, refused)
	}
}

func FuzzSameVerdicts(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { compare(t, seed, 10) })
}

// TestDifferences is the table of the deliberate differences: where this package and stock kin-openapi come to opposite
// verdicts, and why. The package's documentation has the same list, by name.
func TestDifferences(t *testing.T) {
	documentation, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	body := func(schema string) string {
		return `"requestBody":{"content":{"application/json":{"schema":` + schema + `}}},`
	}
	parameter := func(rest string) string { return `"parameters":[{"name":"p","in":"query",` + rest + `}],` }
	answer := func(media string) string {
		return `"responses":{"200":{"description":"","content":{` + media + `}},` + errorAnswers + `},`
	}
	jsonAnswer := func(schema string) string { return answer(`"application/json":{"schema":` + schema + `}`) }
	const components = `"components":{"schemas":{"Number":{"type":"integer","maximum":9007199254740992},
		"Entity":{"type":"object","properties":{"id":{"type":"string","readOnly":true}}},
		"Cat":{"type":"object","properties":{"kind":{"type":"string"}}},
		"Either":{"oneOf":[{"$ref":"#/components/schemas/Cat"},{"type":"string"}],"discriminator":{"propertyName":"kind","mapping":{"cat":"#/components/schemas/Cat"}}}}}`
	ref := func(name string) string { return `{"properties":{"x":{"$ref":"#/components/schemas/` + name + `"}}}` }
	type response struct {
		status            int
		contentType, body string
	}
	for _, test := range []struct {
		name, why       string
		operation       string
		target, payload string // of the request
		answer          *response
		method          string
		accepted        bool // by this package; stock says the opposite
	}{
		{name: "references", why: "stock walks a schema that contains $ref, but no keyword that is new in 2020-12, by the rules of OpenAPI 3.0, where discriminators are obeyed",
			operation: body(ref("Either")), payload: `{"x":{"kind":"dog"}}`, accepted: true},
		{name: "references", why: "and numbers are compared inexactly", operation: body(ref("Number")), payload: `{"x":9007199254740993}`},
		{name: "readOnly", why: "an annotation in 2020-12, and to stock where it does not fall back", operation: body(ref("Entity")), payload: `{"x":{"id":"1"}}`, accepted: true},
		{name: "const: null", why: "stock takes it for no const", operation: body(`{"const":null}`), payload: `0`},
		{name: "int64", why: "stock's conversion wraps around", operation: body(`{"type":"integer","format":"int64"}`), payload: `9223372036854775808`},
		{name: "duplicate members", why: "parsers differ in which one counts", operation: body(`{}`), payload: `{"a":1,"a":2}`},
		{name: "trailing data", why: "one body is one value", operation: body(`{}`), payload: `{} {}`},
		{name: "UTF-8", why: "JSON is UTF-8", operation: body(`{}`), payload: "\"\xff\""},
		{name: "UTF-8", why: "and so is what a schema says of a parameter", operation: parameter(`"schema":{"type":"string"}`), target: "/?p=%FF"},
		{name: "long numbers", why: "1e999999 is a few bytes, but megabytes of digits to an exact comparison", operation: body(`{"type":"number"}`), payload: `1e401`},
		{name: "long numbers", why: "conversion takes quadratic time", operation: body(`{"type":"integer"}`), payload: strings.Repeat("1", 1001)},
		{name: "deep nesting", why: "each level takes stack", operation: body(`{}`), payload: strings.Repeat("[", 501) + strings.Repeat("]", 501)},
		{name: "malformed queries", why: "a parameter must not vanish because it cannot be read", operation: parameter(`"schema":{"type":"string"}`), target: "/?p=%zz"},
		{name: "parameters without a type", why: "stock refuses any value; it is a string", operation: parameter(`"schema":{"enum":["a"]}`), target: "/?p=a", accepted: true},
		{name: "not, of a parameter", why: "stock cannot decode it", operation: parameter(`"schema":{"type":"integer","not":{"const":1}}`), target: "/?p=2", accepted: true},
		{name: "large bodies", why: "Options limit them", operation: body(`{}`), payload: `"` + strings.Repeat("x", 1<<20) + `"`},
		{name: "HEAD", why: "stock looks at nothing; the status and the headers of the answer are declared, too", method: http.MethodHead,
			answer: &response{204, "", ""}},
		{name: "redirects", why: "stock lets any 301, 304, 307 and 308 pass; undeclared is undeclared", answer: &response{304, "", ""}},
		{name: "bodies that are not JSON", why: "they are streamed, unseen", operation: answer(`"text/plain":{"schema":{"type":"string","maxLength":1}}`),
			answer: &response{200, "text/plain", "ab"}, accepted: true},
		{name: "undeclared bodies", why: "a response without content has none", operation: `"responses":{"200":{"description":""},` + errorAnswers + `},`,
			answer: &response{200, "text/plain", "ab"}},
		{name: "duplicate members", why: "in responses, too", operation: jsonAnswer(`{}`), answer: &response{200, "application/json", `{"a":1,"a":2}`}},
		{name: "trailing data", why: "in responses, too", operation: jsonAnswer(`{}`), answer: &response{200, "application/json", `{} x`}},
		{name: "patterns", why: "they are ECMA-262, where white space is Unicode", operation: body(`{"pattern":"^\\s$"}`), payload: "\"\u00a0\"", accepted: true},
		{name: "patterns", why: "and a dot matches no end of a line", operation: body(`{"pattern":"^.$"}`), payload: `"\u2028"`},
		{name: "formats", why: "they are enforced", operation: body(`{"format":"email"}`), payload: `"none"`},
		{name: "formats", why: "as their specifications say", operation: body(`{"format":"date"}`), payload: `"2021-02-30"`},
		{name: "headers without a type", why: "as parameters", operation: `"responses":{"200":{"description":"","headers":{"X-A":{"schema":{"const":"a"}}},
			"content":{"application/json":{}}},` + errorAnswers + `},`, answer: &response{200, "application/json", `{}`}, accepted: true},
	} {
		t.Run(test.name+"/"+test.why, func(t *testing.T) {
			if !strings.Contains(string(documentation), "\n//   - "+test.name+": ") {
				t.Errorf("doc.go does not list %q", test.name)
			}
			operation := test.operation
			if !strings.Contains(operation, `"responses"`) {
				operation += `"responses":{"200":{"description":"","content":{"application/json":{}}},` + errorAnswers + `},`
			}
			method := cmp.Or(test.method, http.MethodPost)
			doc := document("3.1.0", `{"/":{"`+strings.ToLower(method)+`":{`+operation+`"operationId":"o"}}}`, components)
			s := newService(t, doc, contract.Options{}, func(c echo.Context) error {
				if test.answer == nil {
					return c.JSONBlob(200, []byte("{}"))
				}
				c.Response().Header().Set("X-A", "a")
				return c.Blob(test.answer.status, test.answer.contentType, []byte(test.answer.body))
			})
			draw := func() *http.Request {
				return request(method, cmp.Or(test.target, "/"), test.payload, "Content-Type: application/json")
			}
			judge := newStock(t, doc)
			stocks := judge.request(draw(), "/", nil)
			if test.answer != nil {
				header := http.Header{"Content-Type": {test.answer.contentType}, "X-A": {"a"}}
				stocks = judge.response(draw(), "/", test.answer.status, header, test.answer.body)
			}
			s.do(draw())
			if ours := len(s.errs) == 0; ours != test.accepted {
				t.Errorf("we accept it: %v; %v", ours, s.errs)
			}
			if (stocks == nil) == test.accepted {
				t.Errorf("no difference any more: stock says %v", stocks)
			}
		})
	}
}

// TestDefaultsOfBodies is for what is no verdict: the defaults of a body stay unwritten, in 3.0 as in 3.1.
func TestDefaultsOfBodies(t *testing.T) {
	for _, version := range []string{"3.0.3", "3.1.0"} {
		s := newService(t, document(version, `{"/":{"post":{"requestBody":{"content":{"application/json":{"schema":
			{"type":"object","properties":{"a":{"type":"integer","default":1}}}}}},"responses":{"204":{"description":""},`+errorAnswers+`}}}}`),
			contract.Options{}, func(c echo.Context) error {
				if data, _ := io.ReadAll(c.Request().Body); string(data) != "{}" {
					t.Errorf("the handler reads %s", data)
				}
				return noContent(c)
			})
		s.do(request("POST", "/", "{}", "Content-Type: application/json"))
		expect(t, s.requestViolations(t))
	}
}
