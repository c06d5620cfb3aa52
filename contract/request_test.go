package contract_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/oapi-codegen/runtime"

	"github.com/diga-io/diga-api/contract"
)

// bodies is a document with one operation for each kind of body.
func bodies(version string) string {
	post := func(body string) string {
		return `{"post":{"requestBody":` + body + `,"responses":{"204":{"description":""},` + errorAnswers + `}}}`
	}
	return document(version, `{
		"/json":`+post(`{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Pet"}},
			"application/*":{"schema":{"type":"object"}}}}`)+`,
		"/optional":`+post(`{"content":{"application/json":{"schema":{"type":"object"}}}}`)+`,
		"/ref":`+post(`{"$ref":"#/components/requestBodies/Pet"}`)+`,
		"/form":`+post(`{"required":true,"content":{"application/x-www-form-urlencoded":{"schema":{"type":"object","required":["n"],
			"properties":{"n":{"type":"integer","maximum":9},"l":{"type":"array","items":{"type":"string"},"maxItems":2}}}}}}`)+`,
		"/multipart":`+post(`{"required":true,"content":{"multipart/form-data":{"schema":{"type":"object","required":["file"],
			"properties":{"file":{"type":"string","format":"binary"},"n":{"type":"integer","maximum":9},
			"meta":{"type":"object","properties":{"a":{"type":"integer"}}}}},"encoding":{"meta":{"contentType":"application/json"}}}}}`)+`,
		"/text":`+post(`{"required":true,"content":{"text/plain":{"schema":{"type":"string","maxLength":3}}}}`)+`,
		"/binary":`+post(`{"required":true,"content":{"application/octet-stream":{"schema":{"type":"string","format":"binary"}},"image/png":{}}}`)+`,
		"/any":`+post(`{"content":{"*/*":{"schema":{"type":"string","maxLength":3}}}}`)+`,
		"/none":{"post":{"responses":{"204":{"description":""},`+errorAnswers+`}}}}`,
		`"components":{"schemas":{"Pet":{"type":"object","required":["name"],"additionalProperties":false,
			"properties":{"name":{"type":"string"},"age":{"type":"integer"}}}},
			"requestBodies":{"Pet":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Pet"}}}}}}`)
}

func multipartBody(t *testing.T, fields map[string]string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range fields {
		header := map[string][]string{"Content-Disposition": {`form-data; name="` + name + `"`}}
		switch name {
		case "file":
			header["Content-Type"] = []string{"application/octet-stream"}
		case "meta":
			header["Content-Type"] = []string{"application/json"}
		}
		part, err := w.CreatePart(header)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write([]byte(value))
	}
	w.Close()
	return b.String(), w.FormDataContentType()
}

func TestBody(t *testing.T) {
	right, boundary := multipartBody(t, map[string]string{"file": "\x00\xff", "n": "9", "meta": `{"a":1}`})
	wrong, wrongBoundary := multipartBody(t, map[string]string{"n": "10", "meta": `{"a":"x"}`})
	broken, brokenBoundary := multipartBody(t, map[string]string{"file": "", "meta": `{"a":`})
	for _, test := range []struct {
		name, path, body, contentType string
		want                          []string
	}{
		{"JSON", "/json", `{"name":"a","age":1}`, "application/json", nil},
		{"JSON with parameters", "/json", ` {"name":"ä"} `, "Application/JSON;charset=utf-8", nil},
		{"JSON suffix by range", "/json", `{}`, "application/vnd.x+json", nil},
		{"JSON suffix by range, wrong", "/json", `[]`, "application/vnd.x+json", []string{"body type"}},
		{"JSON, wrong", "/json", `{"age":"1","b":0,"a":0}`, "application/json",
			[]string{"body /name required", "body /b additionalProperties", "body /a additionalProperties", "body /age type"}},
		{"JSON null", "/json", `null`, "application/json", []string{"body type"}},
		{"JSON missing", "/json", ``, "application/json", []string{"body required"}},
		{"JSON broken", "/json", `{"name"`, "application/json", []string{"body decode"}},
		{"JSON twice", "/json", `{"name":"a"} {}`, "application/json", []string{"body decode"}},
		{"JSON duplicate", "/json", `{"name":"a","na\u006de":"b"}`, "application/json", []string{"body /name decode"}},
		{"JSON not UTF-8", "/json", "{\"name\":\"\xff\"}", "application/json", []string{"body decode"}},
		{"JSON absurd number", "/json", `{"name":"a","age":1e999999999}`, "application/json", []string{"body decode"}},
		{"media type", "/json", `{}`, "text/plain", []string{"header Content-Type content"}},
		{"no media type", "/json", `{}`, "", []string{"header Content-Type content"}},
		{"optional", "/optional", ``, "", nil},
		{"optional, present", "/optional", `0`, "application/json", []string{"body type"}},
		{"reference", "/ref", `{}`, "application/json", []string{"body /name required"}},
		{"form", "/form", `n=9&l=a&l=b`, "application/x-www-form-urlencoded", nil},
		{"form, wrong", "/form", `l=a&l=b&l=c`, "application/x-www-form-urlencoded", []string{"body /n required", "body /l maxItems"}},
		{"form broken", "/form", `n=x`, "application/x-www-form-urlencoded", []string{"body /n decode"}},
		{"form malformed", "/form", `n=%zz`, "application/x-www-form-urlencoded", []string{"body decode"}},
		{"multipart", "/multipart", right, boundary, nil},
		{"multipart, wrong", "/multipart", wrong, wrongBoundary, []string{"body /file required", "body /n maximum", "body /meta/a type"}},
		{"multipart broken", "/multipart", broken, brokenBoundary, []string{"body /meta decode"}},
		{"multipart without boundary", "/multipart", right, "multipart/form-data", []string{"body decode"}},
		{"text", "/text", "abc", "text/plain; charset=utf-8", nil},
		{"text, wrong", "/text", "abcd", "text/plain", []string{"body maxLength"}},
		{"binary", "/binary", "\x00\xff", "application/octet-stream", nil},
		{"binary without schema", "/binary", "\x89PNG", "image/png", nil},
		{"any", "/any", "abc", "text/plain", nil},
		{"any JSON", "/any", `"abcd"`, "application/json", []string{"body maxLength"}},
		{"any without decoder", "/any", "abc", "video/mp4", nil},
		{"any without decoder, wrong", "/any", "abcd", "video/mp4", []string{"body maxLength"}},
		{"none declared", "/none", "anything", "text/html", nil},
	} {
		for _, version := range []string{"3.0.3", "3.1.0"} {
			t.Run(version+"/"+test.name, func(t *testing.T) {
				s := newService(t, bodies(version), contract.Options{}, func(c echo.Context) error {
					if data, err := io.ReadAll(c.Request().Body); string(data) != test.body || err != nil {
						t.Errorf("the handler reads %q, %v", data, err)
					}
					return noContent(c)
				})
				r := request("POST", test.path, test.body)
				if test.contentType != "" {
					r.Header.Set("Content-Type", test.contentType)
				}
				s.do(r)
				expect(t, s.requestViolations(t), test.want...)
			})
		}
	}
}

// TestForm has forms as FastAPI declares them, with alternatives and contentMediaType, and what clients add to them.
func TestForm(t *testing.T) {
	const file = `{"type":"string","contentMediaType":"application/octet-stream"}`
	body := func(schema, more string) string {
		return `{"requestBody":{"required":true,"content":{"application/x-www-form-urlencoded":{"schema":` + schema + more + `},"multipart/form-data":{"schema":` + schema + more + `}}},
			"responses":{"204":{"description":""},` + errorAnswers + `}}`
	}
	s := newService(t, document("3.1.0", `{"/":{"post":`+body(`{"$ref":"#/components/schemas/Form"}`, `,"encoding":{"png":{"contentType":"image/png"},"deep":{"style":"deepObject"}}`)+`,
		"put":`+body(`{"anyOf":[{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}},{"type":"object","required":["b"],
			"properties":{"b":{"type":"boolean"}}}],"unevaluatedProperties":false}`, "")+`}}`,
		`"components":{"schemas":{"Form":{"type":"object","properties":{"file":`+file+`,"files":{"anyOf":[{"type":"array","items":`+file+`},{"type":"null"}]},"png":`+file+`,
			"n":{"anyOf":[{"type":"integer","maximum":9},{"type":"null"}]},"either":{"anyOf":[{"type":"integer"},{"enum":["a"]}]},
			"N":{"type":"integer"},"List":{"type":"array"},"Text":{"type":"string"},"Object":{"type":"object"},
			"deep":{"type":"object","additionalProperties":false,"properties":{"x":{"type":"integer","maximum":9},"l":{"type":"array","items":{"type":"integer"}}}},
			"list":{"anyOf":[{"type":"array","maxItems":2,"items":{"anyOf":[{"type":"integer"},{"type":"boolean"}]}},{"type":"null"}]},
			"object":{"type":"object","required":["x"]},"objects":{"type":"array","items":{"type":"object","required":["x"]}},
			"text":{"type":"string"},"tree":{"$ref":"#/components/schemas/Tree"}}},
			"Tree":{"anyOf":[{"type":"array","items":{"$ref":"#/components/schemas/Tree"}},{"type":"integer"}]}}}`), contract.Options{}, noContent)
	part := func(disposition, contentType, content string) string {
		if contentType != "" {
			contentType = "\r\nContent-Type: " + contentType
		}
		return "--x\r\nContent-Disposition: form-data; " + disposition + contentType + "\r\n\r\n" + content + "\r\n"
	}
	for _, test := range []struct {
		method, body string // urlencoded, or parts
		want         []string
	}{
		{"POST", "n=9&either=a&list=1&list=true&other=1&tree=1", nil},
		{"POST", "n=x&either=b&list=1&list=x", []string{"body /list decode", "body /n decode"}},
		{"POST", "n=10&either=b&list=1&list=2&list=3", []string{"body /n maximum", "body /either enum", "body /list maxItems"}},
		{"POST", "n=&text=", []string{"body /n decode"}},
		{"POST", `object={"x":1}&objects={"x":1}&objects={"x":2}`, nil},
		{"POST", `object={"y":1}&objects={"x":1}&objects={"y":2}`, []string{"body /object/x required", "body /objects/1/x required"}},
		{"POST", `object={`, []string{"body /object decode"}},
		{"POST", "deep[x]=9&deep[l][0]=1", nil},
		{"POST", "deep[x]=10", []string{"body /deep/x maximum"}},
		{"POST", "deep[l][300000000]=1", []string{"body /deep decode"}},
		{"PUT", "a=1", nil},
		{"PUT", "b=true", nil},
		{"PUT", "a=x", []string{"body /a decode"}},
		{"PUT", "a=1&c=1", []string{"body /c false"}},
		{"POST", part(`name="file"; filename="a.pdf"`, "application/pdf", "%PDF\xff"), nil},
		{"POST", part(`name="file"; filename="a.json"`, "application/json", "{}"), nil},
		{"POST", part(`name="text"; filename="a.json"`, "application/json", "{}"), nil},
		{"POST", part(`name="text"`, "application/json", `"a"`), nil},
		{"POST", part(`name="text"`, "application/json", `1`) + part(`name="text"`, "", "later"), []string{"body /text type"}},
		{"POST", part(`name="files"; filename="a"`, "image/png", "") + part(`name="files"; filename="b"`, "text/plain", ""), nil},
		{"POST", part(`name="png"; filename="a"`, "image/png", ""), nil},
		{"POST", part(`name="png"; filename="a"`, "image/gif", ""), []string{"body /png decode"}},
		{"POST", part(`name="n"`, "", "9") + part(`name="other"`, "", "1") + part(`name="more"; filename="a"`, "image/png", ""), nil},
		{"POST", part(`name="n"`, "text/plain", "x") + part(`name="list"`, "", "x"), []string{"body /list decode", "body /n decode"}},
		{"POST", part(`name="n"; filename="a"`, "image/png", "9"), []string{"body /n type"}},
		{"POST", part(`name="object"`, "", `{"x":1}`) + part(`name="objects"`, "application/json", `{"x":1}`) + part(`name="objects"`, "", `{}`),
			[]string{"body /objects/1/x required"}},
		{"PUT", part(`name="a"`, "", "1"), nil},
		{"PUT", part(`name="a"`, "", "1") + part(`name="c"`, "", "1"), []string{"body /c false"}},
	} {
		contentType := "application/x-www-form-urlencoded"
		if strings.HasPrefix(test.body, "--") {
			contentType = "multipart/form-data; boundary=x"
			test.body += "--x--\r\n"
		}
		s.handler = func(c echo.Context) error {
			if c.Request().Body.(interface{ ValidatedValue() any }).ValidatedValue() == nil {
				t.Error("no value")
			}
			return noContent(c)
		}
		s.do(request(test.method, "/", test.body, "Content-Type: "+contentType))
		t.Logf("%s %q", test.method, test.body)
		expect(t, s.requestViolations(t), test.want...)
	}
	s.handler = func(c echo.Context) error { // as the generated code does
		var form struct {
			N      int
			List   []any
			Text   *string
			Object struct{ X int }
		}
		value := c.Request().Body.(interface{ ValidatedValue() any }).ValidatedValue()
		if err := runtime.BindJSONValue(value, &form); err != nil || form.N != 9 || len(form.List) != 2 || *form.Text != "a" || form.Object.X != 1 {
			t.Error(value, err)
		}
		return noContent(c)
	}
	s.do(request("POST", "/", `N=9&List=1&List=true&Text=a&Object={"X":1}&List[300000000]=1&List[=1`, "Content-Type: application/x-www-form-urlencoded"))
	expect(t, s.requestViolations(t))
}

// unreadable is a body that must not be read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }
func (unreadable) Close() error               { return nil }

func TestBodyLimit(t *testing.T) {
	s := newService(t, bodies("3.1.0"), contract.Options{MaxBodyBytes: 10}, noContent)
	try := func(r *http.Request, want ...string) {
		t.Helper()
		s.do(r)
		expect(t, s.requestViolations(t), want...)
	}
	json := "Content-Type: application/json"
	try(request("POST", "/optional", `{"a": 123}`, json))
	try(request("POST", "/optional", `{"a": 1234}`, json), "body maxBytes")

	chunked := request("POST", "/optional", "", json) // of unknown length
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader(`{"a": 1234}`)), -1
	try(chunked, "body maxBytes")

	announced := request("POST", "/optional", "", json)
	announced.Body, announced.ContentLength = unreadable{t}, 11
	try(announced, "body maxBytes")

	undeclared := request("POST", "/none", "")
	undeclared.Body, undeclared.ContentLength = unreadable{t}, 10
	try(undeclared)
	undeclared = request("POST", "/none", "")
	undeclared.Body, undeclared.ContentLength = unreadable{t}, 11
	try(undeclared, "body maxBytes")

	outer := request("POST", "/optional", "", json)
	outer.Body = http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader(`{"a": 1}`)), 5)
	outer.ContentLength = -1
	try(outer, "body maxBytes")
}

// TestBodyLost is no fault of the caller's JSON.
func TestBodyLost(t *testing.T) {
	s := newService(t, bodies("3.1.0"), contract.Options{}, noContent)
	r := request("POST", "/optional", "", "Content-Type: application/json")
	r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("{"), errorReader{})), -1
	if w := s.do(r); w.Code != 500 || len(s.errs) != 1 || !errors.Is(s.errs[0], io.ErrUnexpectedEOF) {
		t.Error(w.Code, s.errs)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestValidatedValue(t *testing.T) {
	s := newService(t, bodies("3.1.0"), contract.Options{}, func(c echo.Context) error {
		body, ok := c.Request().Body.(interface{ ValidatedValue() any })
		if !ok {
			t.Fatal("no value")
		}
		var pet struct {
			Name string
			Ages []int // which encoding/json does not decode from 1.0
			Sum  float64
		}
		if err := runtime.BindJSONValue(body.ValidatedValue(), &pet); err != nil || pet.Name != "a" || !slices.Equal(pet.Ages, []int{1, 1200, -3, 4}) || pet.Sum != 0.5 {
			t.Error(pet, err)
		}
		return noContent(c)
	})
	s.do(request("POST", "/optional", `{"Name":"a","Ages":[1.0,1.2E3,-30e-1,4],"Sum":0.50}`, "Content-Type: application/json"))
	expect(t, s.requestViolations(t))
}

// TestViolationsEnd is for a small body of many mistakes.
func TestViolationsEnd(t *testing.T) {
	s := newService(t, document("3.1.0", `{"/":{"post":{"requestBody":{"content":{"application/json":{"schema":
		{"type":"array","items":{"type":"integer"}}}}},"responses":{"204":{"description":""},`+errorAnswers+`}}}}`), contract.Options{}, noContent)
	s.do(request("POST", "/", "["+strings.Repeat(`"",`, 5000)+`""]`, "Content-Type: application/json"))
	if n := len(s.requestViolations(t)); n != 100 {
		t.Errorf("%d violations", n)
	}
}

// TestPatternTimeout is for values made to stall a backtracking engine. They are rejected, also below a not, and a list of
// them takes no longer than one.
func TestPatternTimeout(t *testing.T) {
	const pattern = `^((a+)+)+b\\1$`
	stalling := `"` + strings.Repeat("a", 60) + `"`
	for _, test := range []struct{ schema, right, body string }{
		{`{"type":"array","items":{"pattern":"` + pattern + `"}}`, `["aba"]`, "[" + strings.Repeat(stalling+",", 10_000) + stalling + "]"},
		{`{"not":{"pattern":"` + pattern + `"}}`, `"b"`, stalling},
		{`{"patternProperties":{"` + pattern + `":false}}`, `{"b":0}`, "{" + stalling + ":0}"},
	} {
		s := newService(t, document("3.1.0", `{"/":{"post":{"requestBody":{"content":{"application/json":{"schema":`+test.schema+`}}},
			"responses":{"204":{"description":""},`+errorAnswers+`}}}}`), contract.Options{}, noContent)
		s.do(request("POST", "/", test.right, "Content-Type: application/json"))
		expect(t, s.requestViolations(t))
		s.do(request("POST", "/", test.body, "Content-Type: application/json"))
		expect(t, s.requestViolations(t), "body pattern")
	}
}

// TestPlaces is for Violation.Place and the texts of errors, which are logged: the name of a property may be a secret.
func TestPlaces(t *testing.T) {
	s := newService(t, document("3.1.0", `{"/":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":"object","properties":{
			"list":{"type":"array","items":{"type":"object","required":["id"],"properties":{"name":{"type":"string"}},"additionalProperties":{"type":"integer"}}},
			"map":{"patternProperties":{"^h":{"properties":{"size":{"maximum":1}}}},"propertyNames":{"maxLength":3}},
			"either":{"anyOf":[{"$ref":"#/components/schemas/Cat"},{"$ref":"#/components/schemas/Dog"}]},
			"closed":{"unevaluatedProperties":false}},
		"additionalProperties":false}}}},"responses":{"204":{"description":""},`+errorAnswers+`}}}}`,
		`"components":{"schemas":{"Cat":{"type":"object","properties":{"kind":{"const":"cat"}},"required":["kind"]},"Dog":{"type":"object","properties":{"kind":{"const":"dog"}},"required":["kind"]}}}`),
		contract.Options{}, noContent)
	s.do(request("POST", "/", `{"list":[{"name":1,"hunter2":"x"}],"map":{"hunter2":{"size":2}},"either":{"kind":"hunter2"},"closed":{"hunter2":1},"hunter2":1}`, "Content-Type: application/json"))
	var places []string
	for _, v := range s.requestViolations(t) {
		places = append(places, v.Place+" "+v.Keyword)
	}
	want := []string{"/list/0/id required", "/list/0/name type", "/list/0/* type", "/map/*/size maximum", "/map/* propertyNames", "/either/kind enum", "/closed/* false", "/* additionalProperties"}
	if !slices.Equal(places, want) {
		t.Errorf("places %q", places)
	}
	s.do(request("POST", "/", `{"hunter2":1}`, "Content-Type: application/json"))
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := s.errs[len(s.errs)-1].Error(); strings.Contains(text, "hunter2") || !strings.Contains(text, "/*") {
		t.Errorf("error %q", text)
	}
}

// TestViolationsAreSilent is for errors and messages, which are logged and sent: the value may be a secret.
func TestViolationsAreSilent(t *testing.T) {
	const secret = "hunter2"
	s := newService(t, document("3.1.0", `{"/{p}":{"post":{
		"parameters":[{"name":"p","in":"path","required":true,"schema":{"type":"string","pattern":"^schema-word$"}},
			{"name":"n","in":"query","schema":{"type":"integer"}}],
		"requestBody":{"content":{"application/json":{"schema":{"type":"object","properties":{
			"a":{"enum":["schema-word"]},"b":{"const":"schema-word"},"c":{"pattern":"schema-word"},"d":{"format":"date"},"e":{"type":"integer"},
			"f":{"not":{"type":"string"}},"g":{"oneOf":[{"type":"integer"},{"type":"null"}]},"h":{"maxLength":1}}}}}},
		"responses":{"204":{"description":""},`+errorAnswers+`}}}}`), contract.Options{}, noContent)
	body := `{"a":"hunter2","b":"hunter2","c":"hunter2","d":"hunter2","e":"hunter2","f":"hunter2","g":"hunter2","h":"hunter2"}`
	s.do(request("POST", "/hunter2?n=hunter2", body, "Content-Type: application/json"))
	violations := s.requestViolations(t)
	if len(violations) != 10 {
		t.Errorf("violations %q", brief(violations))
	}
	for _, v := range violations {
		if strings.Contains(v.Message, secret) || strings.Contains(v.Message, "schema-word") {
			t.Errorf("message %q", v.Message)
		}
	}
	if text := s.errs[0].Error(); strings.Contains(text, secret) || strings.Contains(text, "schema-word") {
		t.Errorf("error %q", text)
	}
}

const secured = `"components":{"securitySchemes":{
	"bearer":{"type":"http","scheme":"bearer"},
	"key":{"type":"apiKey","in":"header","name":"X-Key"},
	"oauth":{"type":"oauth2","flows":{"clientCredentials":{"tokenUrl":"https://example.com/","scopes":{"read":"","write":""}}}}}},
	"security":[{"bearer":[]}]`

func TestSecurity(t *testing.T) {
	get := func(security string) string {
		return `{"get":{` + security + `"parameters":[{"name":"q","in":"query","required":true,"schema":{"type":"string"}}],
			"responses":{"204":{"description":""},` + errorAnswers + `}}}`
	}
	doc := document("3.1.0", `{
		"/inherited":`+get(``)+`,
		"/anonymous":`+get(`"security":[],`)+`,
		"/optional":`+get(`"security":[{"key":[]},{}],`)+`,
		"/both":`+get(`"security":[{"key":[],"bearer":[]}],`)+`,
		"/either":`+get(`"security":[{"oauth":["read","write"]},{"key":[]}],`)+`}`, secured)
	for _, test := range []struct {
		path, good string // the schemes that the callback approves of
		asked      string
		refused    bool
	}{
		{"/inherited", "bearer", "bearer[]", false},
		{"/inherited", "", "bearer[]", true},
		{"/anonymous", "", "", false},
		{"/optional", "key", "key[]", false},
		{"/optional", "", "key[]", false},
		{"/both", "bearer key", "bearer[] key[]", false},
		{"/both", "bearer", "bearer[] key[]", true},
		{"/both", "key", "bearer[]", true},
		{"/either", "oauth", "oauth[read write]", false},
		{"/either", "key", "oauth[read write] key[]", false},
		{"/either", "", "oauth[read write] key[]", true},
	} {
		t.Run(test.path+" "+test.good, func(t *testing.T) {
			cause := errors.New("cause")
			var asked []string
			s := newService(t, doc, contract.Options{Authenticate: func(ctx context.Context, in *contract.AuthenticationInput) error {
				asked = append(asked, in.Scheme.Name+"["+strings.Join(in.Scopes, " ")+"]")
				if in.Scheme.Type == "" || in.Operation == nil || ctx != in.Request.Context() {
					t.Error("input is not complete")
				}
				if strings.Contains(test.good, in.Scheme.Name) {
					return nil
				}
				return cause
			}}, noContent)
			w := s.do(request("GET", test.path, "")) // and q is missing
			if got := strings.Join(asked, " "); got != test.asked {
				t.Errorf("asked for %q, want %q", got, test.asked)
			}
			_, refused := errors.AsType[*contract.SecurityError](s.errs[0])
			if refused != test.refused || refused != errors.Is(s.errs[0], cause) || refused != (w.Code == 403) || len(s.errs) != 1 {
				t.Error(w.Code, s.errs) // who does not refuse tells of q
			}
		})
	}
}

// TestSecurityHandsOver is for a callback that puts what it learned where the handler finds it.
func TestSecurityHandsOver(t *testing.T) {
	type callerKey struct{}
	s := newService(t, document("3.1.0", `{"/":{"get":{"responses":{"204":{"description":""},`+errorAnswers+`}}}}`, secured),
		contract.Options{Authenticate: func(ctx context.Context, in *contract.AuthenticationInput) error {
			in.Request = in.Request.WithContext(context.WithValue(ctx, callerKey{}, "alice"))
			return nil
		}},
		func(c echo.Context) error {
			if c.Request().Context().Value(callerKey{}) != "alice" {
				t.Error("the handler does not know the caller")
			}
			return noContent(c)
		})
	s.do(request("GET", "/", ""))
}

func TestConcurrentRequests(t *testing.T) {
	s := newService(t, bodies("3.1.0"), contract.Options{}, noContent)
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			body, status := `{"name":"a"}`, http.StatusNoContent
			if i%2 == 0 {
				body, status = `{"name":1}`, http.StatusUnprocessableEntity
			}
			w := httptest.NewRecorder()
			s.echo.ServeHTTP(w, request("POST", "/json", body, "Content-Type: application/json"))
			if w.Code != status {
				t.Error(w.Code, w.Body)
			}
		})
	}
	group.Wait()
}

// FuzzRequest throws anything at a document with every kind of parameter and body: nothing panics, and what is answered
// is declared.
func FuzzRequest(f *testing.F) {
	f.Add("a=1&d[a]=1&d[b][0]=x", "h", "c=1", "application/json", []byte(`{"n":1}`))
	f.Add("d[a]=1&d[a][b]=2", "a,b", "c", "application/x-www-form-urlencoded", []byte(`n=1`))
	f.Add("d[l][99999]=1&j={", "", "", "multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n--x--"))
	f.Add("", "", "", "multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"o\"\r\nContent-Type: application/json\r\n\r\n{\"n\":1e99999999}\r\n--x--"))
	f.Add("l=1&l=2&j=%FF", "", "", "text/plain", []byte("\xff"))
	f.Add("p=1e99999", "", "", "application/yaml", []byte("a: &a [*a]"))
	f.Add("", "", "", "text/csv", []byte("\""))
	f.Add("", "", "", "application/json", []byte(`{"n":1e9999999,"u":[1e400,{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},1e5]}`))
	s := newService(f, document("3.1.0", `{"/{id}":{"post":{"parameters":[
		{"name":"id","in":"path","required":true,"style":"matrix","explode":true,"schema":{"$ref":"#/components/schemas/O"}},
		{"name":"a","in":"query","schema":{"anyOf":[{"type":"integer"},{"type":"boolean"}]}},
		{"name":"d","in":"query","style":"deepObject","explode":true,"schema":{"$ref":"#/components/schemas/O"}},
		{"name":"l","in":"query","schema":{"type":"array","items":{"type":"number","multipleOf":0.1},"uniqueItems":true}},
		{"name":"p","in":"query","style":"pipeDelimited","explode":false,"schema":{"type":"array","items":{"type":"number","maximum":5}}},
		{"name":"j","in":"query","content":{"application/json":{"schema":{"$ref":"#/components/schemas/O"}}}},
		{"name":"X-H","in":"header","explode":true,"schema":{"$ref":"#/components/schemas/O"}},
		{"name":"c","in":"cookie","schema":{"type":"integer","format":"int32"}}],
		"requestBody":{"required":true,"content":{
			"application/json":{"schema":{"$ref":"#/components/schemas/O"}},
			"application/x-www-form-urlencoded":{"schema":{"type":"object","properties":{"n":{"type":"number","minimum":0}}}},
			"multipart/form-data":{"schema":{"type":"object","properties":{"n":{"type":"number"},"f":{"type":"string","format":"binary"},"o":{"$ref":"#/components/schemas/O"}}}},
			"text/plain":{"schema":{"type":"string","maxLength":3}},"text/csv":{"schema":{"type":"string"}},
			"application/yaml":{"schema":{"$ref":"#/components/schemas/O"}},
			"*/*":{"schema":{"type":"string","format":"binary"}}}},
		"responses":{"204":{"description":""},`+errorAnswers+`}}}}`,
		`"components":{"schemas":{"O":{"type":"object","properties":{"a":{"type":"integer"},"n":{"type":"number","minimum":-5,"maximum":5,"multipleOf":0.5},
			"b":{"type":"object","additionalProperties":{"type":"string"}},"l":{"type":"array","items":{"type":"integer"}},
			"u":{"type":"array","uniqueItems":true},"e":{"enum":[1,"a",null]},"r":{"$ref":"#/components/schemas/O"}},"unevaluatedProperties":false}}}`),
		contract.Options{}, noContent)
	f.Fuzz(func(t *testing.T, query, header, cookie, contentType string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/;a=1", bytes.NewReader(body))
		r.URL.RawQuery = query
		r.URL.Path = "/;" + header
		r.Header.Set("X-H", header)
		r.Header.Set("Cookie", cookie)
		r.Header.Set("Content-Type", contentType)
		if w := s.do(r); w.Code != 204 && w.Code != 422 && w.Code != 404 && w.Code != 405 {
			t.Errorf("%d: %v", w.Code, s.errs)
		}
		for _, err := range s.errs {
			_ = err.Error()
		}
	})
}
