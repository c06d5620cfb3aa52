package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// TestNothingCompiledPerRequest serves requests and responses of each kind. That this package compiles nothing then is
// plain from its types: the compiler ends with New. So it remains to count what kin-openapi does.
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

// common is a schema of an everyday document, compiled.
func common(t testing.TB) *schema {
	t.Helper()
	const doc = `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/":{"get":{"responses":{"200":{"description":"","content":{"application/json":{"schema":{
		"type":"object","required":["id"],"additionalProperties":false,"properties":{
			"id":{"type":"string","format":"uuid","title":"T","description":"D","examples":["x"]},
			"name":{"type":["string","null"],"minLength":1,"maxLength":9,"pattern":"^[a-z]*$"},
			"state":{"type":"string","enum":["on","off"]},
			"kind":{"const":"cat"},
			"count":{"type":"integer","format":"int32","minimum":0,"maximum":100},
			"ratio":{"type":"number"},"flag":{"type":"boolean","default":true},"any":{},
			"tags":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":3},
			"loc":{"type":"array","items":{"anyOf":[{"type":"string"},{"type":"integer"}]}},
			"next":{"$ref":"#/components/schemas/Node"},
			"map":{"type":"object","additionalProperties":{"type":"integer"}},
			"odd":{"oneOf":[{"type":"string"},{"type":"integer"}]}}}}}}}}}},
		"components":{"schemas":{"Node":{"type":"object","properties":{"next":{"$ref":"#/components/schemas/Node"},"v":{"allOf":[{"type":"integer"}]}}}}}}`
	c, err := Compile([]byte(doc), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := c.operations[0].response(200)
	return r.content.schemas[r.content.declared["application/json"]]
}

// TestAcceptorKnowsTheCommon keeps the schemas of everyday documents within what an acceptor understands.
func TestAcceptorKnowsTheCommon(t *testing.T) {
	s := common(t)
	const id = "018f2b5e-0000-7000-8000-000000000000"
	for text, want := range map[string]bool{
		`{"id":"x"}`: true,
		` {"id" : "x" , "name":null, "state":"on","count":100,"ratio":0.5,"flag":false,"any":[{"a":1,"b":[]}],"tags":["a","b"],"loc":["body",0]} `: true,
		`{"id":"x","next":{"next":{"v":1}},"map":{"a":1,"b":2}}`:                                                                                   true,
		`{"id":"x","kind":"cat"}`:                true,
		`{"id":"x","ratio":3,"any":"\u0000\"}"}`: true,

		`{"id":"x","odd":1}`:     false, // valid, but beyond an acceptor
		`{"id":"x","ratio":1e2}`: false, `{"\u0069d":"x"}`: false, `{"id":"x","name":"\u0061"}`: false,

		``: false, `{}`: false, `{"id":1}`: false, `{"id":"x","x":1}`: false, `{"id":"x","id":"x"}`: false, `{"id":"x"`: false,
		`{"id":"x","any":{"a":1,"a":1}}`: false, `{"id":"x","map":{"a":1,"a":1}}`: false, `{"id":"x","map":{"a":1.5}}`: false,
		`{"id":"x","name":""}`: false, `{"id":"x","name":"A"}`: false, `{"id":"x","name":"aaaaaaaaaa"}`: false,
		`{"id":"x","state":"x"}`: false, `{"id":"x","kind":"dog"}`: false, `{"id":"x","kind":null}`: false, `{"id":"x","count":101}`: false, `{"id":"x","count":-1}`: false, `{"id":"x","count":1.0}`: false,
		`{"id":"x","tags":[]}`: false, `{"id":"x","tags":["a","b","c","d"]}`: false, `{"id":"x","tags":[1]}`: false,
		`{"id":"x","loc":[null]}`: false, `{"id":"x","next":{"next":{"v":"1"}}}`: false, `{"id":"x","flag":null}`: false, `[]`: false, `null`: false,
		"{\"id\":\"\xff\"}": false,
		`{"id":"y"}`:        false,
	} {
		text = strings.ReplaceAll(text, `"id":"x"`, `"id":"`+id+`"`)
		text = strings.ReplaceAll(text, `"id" : "x"`, `"id" : "`+id+`"`)
		if got := s.quick.accepts([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
		if want {
			value, err := decodeJSON([]byte(text))
			if err != nil || s.compiled.Validate(value) != nil {
				t.Errorf("%s is accepted, but wrong: %v", text, err)
			}
		}
	}
}

// FuzzAcceptor holds an acceptor to the one thing it must never do.
func FuzzAcceptor(f *testing.F) {
	for _, text := range []string{
		`{"id":"x"}`, `{"id":"x","any":"\u00e4\n"}`, `{"id":"x","next":{"next":{"v":1}},"map":{"a":1,"b":-0}}`, `{"id":"x",}`, `{"id":"x"}}`,
		`{"id":"x","any":[1,2.5,0.0,-1,{"a":{}},true,false,null]}`, `{"id":"x","any":01}`, `{"id":"x","any":1.}`, `{"id":"x","any":-}`,
		`{"id":"x","any":"\u12"}`, "{\"id\":\"\n\"}", `{"id":"x","any":[1,]}`, `{"id":"x","any":tru}`, `{"id":"x" "any":1}`, `{"id":"x","any":"\`,
	} {
		f.Add([]byte(strings.Replace(text, `"x"`, `"018f2b5e-0000-7000-8000-000000000000"`, 1)))
	}
	s := common(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if !s.quick.accepts(text) {
			return
		}
		value, err := decodeJSON(text)
		if err != nil {
			t.Fatalf("%q is accepted, but %v", text, err)
		}
		if err := s.compiled.Validate(value); err != nil {
			t.Fatalf("%q is accepted, but %v", text, err)
		}
	})
}

// list is a JSON list of 100 records of an everyday schema, 18 KB.
func list(b *testing.B) (s *schema, text []byte) {
	b.Helper()
	const record = `{"type":"object","required":["id","name","created_date","restricted"],"additionalProperties":false,"properties":{
		"id":{"type":"string","format":"uuid"},"creator_id":{"type":"string","format":"uuid"},
		"name":{"type":"string","minLength":1,"maxLength":64},"created_date":{"type":"string","format":"date-time"},
		"last_four_digits":{"type":"string","pattern":"^[A-Za-z0-9]{4}$"},"restricted":{"type":"boolean"},
		"calls":{"type":"integer","minimum":0},"permissions":{"anyOf":[{"type":"array","items":{"type":"string"}},{"type":"null"}]}}}`
	c, err := Compile([]byte(`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/":{"get":{"responses":{"200":{"description":"",
		"content":{"application/json":{"schema":{"type":"array","items":{"$ref":"#/components/schemas/Record"}}}}}}}}},
		"components":{"schemas":{"Record":`+record+`}}}`), Options{})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		text = fmt.Appendf(text, `,{"id":"018f2b5e-0000-7000-8000-%012d","name":"key %d","created_date":"2026-01-02T03:04:05Z","restricted":true,`+
			`"calls":%d,"last_four_digits":"aB%02d","permissions":["calls.view"]}`, i, i, i*1000, i)
	}
	text[0] = '['
	r := c.operations[0].response(200)
	return r.content.schemas[r.content.declared["application/json"]], append(text, ']')
}

// BenchmarkList has what the validation of a response may cost, and what its encoding costs.
func BenchmarkList(b *testing.B) {
	s, text := list(b)
	b.Run("accept", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if !s.quick.accepts(text) {
				b.Fatal("not accepted")
			}
		}
	})
	b.Run("decode and validate", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			value, err := decodeJSON(text)
			if err != nil || s.compiled.Validate(value) != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		type record struct {
			ID         string   `json:"id"`
			Name       string   `json:"name"`
			Created    string   `json:"created_date"`
			Restricted bool     `json:"restricted"`
			Calls      int      `json:"calls"`
			Digits     string   `json:"last_four_digits"`
			Permitted  []string `json:"permissions"`
		}
		var records []record
		if err := json.Unmarshal(text, &records); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if again, err := json.Marshal(records); err != nil || len(again) != len(text) {
				b.Fatal(err)
			}
		}
	})
}
