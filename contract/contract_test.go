package contract_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
)

// TestPublished holds the published document to what the layer is for.
func TestPublished(t *testing.T) {
	const id = "018f2b5e-0000-7000-8000-000000000000"
	options := contract.Options{Authenticate: allow}
	s := newService(t, string(api.Document), options, nil)
	s.answer = func(_ error, status int, c echo.Context) error {
		if status == http.StatusUnprocessableEntity {
			return c.JSON(status, map[string]any{"detail": []any{}})
		}
		return c.JSON(status, map[string]string{"error_code": "X", "message": "m"})
	}
	for _, test := range []struct {
		name, id string
		handler  echo.HandlerFunc
		status   int
	}{
		{"right", id, blob(200, "application/json", "{}"), 200},
		{"null fits the empty schema", id, blob(200, "application/json", "null"), 200},
		{"no UUID", "nope", nil, 422},
		{"undeclared status", id, blob(201, "application/json", "{}"), 500},
		{"wrong body", id, blob(404, "application/json", "{}"), 500},
		{"error", id, func(echo.Context) error { return echo.ErrNotFound }, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.handler = test.handler
			if w := s.do(request("DELETE", "/v1/api_key/"+test.id, "")); w.Code != test.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestOperations(t *testing.T) {
	c, err := contract.Compile([]byte(document("3.1.0", `{
		"/b/{id}":{"get":{"operationId":"b","parameters":[{"name":"id","in":"path","required":true,"schema":{}}],"responses":{"200":{"description":""}}}},
		"/a:go":{"put":{"operationId":"p","responses":{"200":{"description":""}}},"get":{"operationId":"g","responses":{"200":{"description":""}}}}}`)),
		contract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, o := range c.Operations() {
		got += fmt.Sprintln(o.ID, o)
	}
	if want := "g GET /a:go\np PUT /a:go\nb GET /b/{id}\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if c.Operation("GET", "/b/:id") == nil || c.Operation("PUT", `/a\:go`) == nil || c.Operation("PUT", "/b/:id") != nil {
		t.Error("wrong operation of a route")
	}
}

func TestExample(t *testing.T) {
	c, err := contract.Compile([]byte(document("3.1.0", `{"/":{"get":{"responses":{
		"200":{"description":"","content":{
			"text/plain":{"example":"no JSON"},
			"application/json":{"schema":{},"example":{"z": [1, 2.50],  "a":"<&>"}}}},
		"201":{"$ref":"#/components/responses/Created"},
		"202":{"description":"","content":{"application/json":{"schema":{}}}},
		"4XX":{"description":"","content":{"application/problem+json":{"example":null}}}}}}}`,
		`"components":{"examples":{"E":{"value":{"y":1,"x":2}}},"responses":{"Created":{"description":"","content":{
			"application/json":{"schema":{},"examples":{"z":{"$ref":"#/components/examples/E"},"a":{"value":0}}}}}}}`)),
		contract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := c.Operation("GET", "/")
	for status, want := range map[int]string{
		200: `{"z":[1,2.50],"a":"<&>"}`, 201: `{"y":1,"x":2}`, 202: "", 404: "null", 500: "", 0: "",
	} {
		if got := string(o.Example(status)); got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
	o.Example(200)[0] = 'x'
	if o.Example(200)[0] != '{' {
		t.Error("the caller has the contract's own bytes")
	}
}

// TestNewRefuses has a document for each way in which a start fails, and what the error has to name.
func TestNewRefuses(t *testing.T) {
	get := func(parameter string) string {
		return document("3.1.0", `{"/a/b":{"get":{"parameters":[`+parameter+`],"responses":{"200":{"description":""}}}}}`)
	}
	schemas := func(version, schemas string) string {
		return document(version, "{}", `"components":{"schemas":{`+schemas+`}}`)
	}
	for _, test := range []struct{ name, doc, want string }{
		{"nothing", "", "not one JSON value"},
		{"no object", "[]", "not one JSON value"},
		{"YAML", "openapi: 3.1.0", "JSON expected, this looks like YAML"},
		{"no OpenAPI", "{}", "openapi"},
		{"keyword of the wrong type", get(`{"name":"q","in":"query","schema":{"type":"object","properties":{"a":{"minLength":-1}}}}`),
			"/paths/~1a~1b/get/parameters/0/schema/properties/a/minLength:"},
		{"keyword of the wrong type in 3.0", schemas("3.0.3", `"A":{"type":"array","items":{"type":"string","maxLength":"x"}}`), "/components/schemas/A/items/maxLength:"},
		{"keyword only the metaschema knows", schemas("3.1.0", `"A":{"type":"object","properties":{"a":{"type":"array","uniqueItems":"x","minItems":1.5}}}`), "/components/schemas/A/properties/a"},
		{"pattern", schemas("3.1.0", `"A":{"type":"object","properties":{"x/y":{"pattern":"("}}}`),
			"/components/schemas/A/properties/x~1y"},
		{"pattern in 3.0", schemas("3.0.3", `"A":{"type":"string","pattern":"("}`), "/components/schemas/A/pattern:"},
		{"nested pattern in 3.0", schemas("3.0.3", `"A":{"type":"array","items":{"type":"string","pattern":"("}}`),
			"/components/schemas/A/items/pattern:"},
		{"type that is none", schemas("3.1.0", `"A":{"type":"Pet"}`), "/components/schemas/A/type:"},
		{"reference to nothing", schemas("3.1.0", `"A":{"$ref":"#/components/schemas/B"}`), "/components/schemas/B"},
		{"nested reference to nothing", schemas("3.1.0", `"A":{"if":{"$ref":"#/components/schemas/B"}}`), "/components/schemas/A/if/$ref:"},
		{"reference outside", schemas("3.1.0", `"A":{"$ref":"other.json#/A"}`), "other.json"},
		{"reference outside, below", schemas("3.1.0", `"A":{"$defs":{"x":{"$ref":"https://example.com/"}},"$ref":"#/components/schemas/A/$defs/x"}`), "example.com"},
		{"security without a callback", document("3.1.0", `{"/":{"get":{"security":[{"key":[]}],"responses":{"200":{"description":""}}}}}`,
			`"components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}}}`), "Authenticate"},
		{"schema of an unused body", document("3.1.0", "{}", `"components":{"requestBodies":{"B":{"content":{"a/b":{"schema":{"items":{"$anchor":"1 x"}}}}}}}`),
			"/components/requestBodies/B/content/a~1b/schema/items/$anchor"},
		{"another dialect", document("3.1.0", "{}", `"jsonSchemaDialect":"http://json-schema.org/draft-07/schema#"`), "/jsonSchemaDialect"},
		{"undeclared security scheme", document("3.1.0", `{"/":{"get":{"security":[{"key":[]}],"responses":{"200":{"description":""}}}}}`), `"key"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := contract.Compile([]byte(test.doc), contract.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %s", err, test.want)
			}
		})
	}
}

// TestNewOfHalves replaces values of documents with null, and with values of other types, one at a time: an error or a
// contract, but never a panic. It takes a sample of what can be replaced; the fuzz test takes more.
func TestNewOfHalves(t *testing.T) {
	for _, doc := range []string{responses("3.1.0"), bodies("3.0.3")} {
		var root any
		if err := json.Unmarshal([]byte(doc), &root); err != nil {
			t.Fatal(err)
		}
		var each func(value any)
		g := newGenerator(1)
		try := func() {
			if g.maybe(85) {
				return
			}
			data, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if reason := recover(); reason != nil {
					t.Fatalf("%v: %s", reason, data)
				}
			}()
			c, err := contract.Compile(data, contract.Options{Authenticate: allow})
			if (c == nil) == (err == nil) {
				t.Error("neither a contract nor an error, or both")
			}
		}
		others := []any{nil, map[string]any{}, map[string]any{"$ref": "#/"}, "x"}
		each = func(value any) {
			switch value := value.(type) {
			case map[string]any:
				for _, name := range slices.Sorted(maps.Keys(value)) {
					member := value[name]
					for _, other := range others {
						value[name] = other
						try()
					}
					value[name] = member
					each(member)
				}
			case []any:
				for i, item := range value {
					value[i] = nil
					try()
					value[i] = item
					each(item)
				}
			}
		}
		each(root)
	}
}

// large is a document of so many paths and schemas, ten schemas at a time with references to each other, in cycles.
func large(version string, paths, schemas int) string {
	var p, c strings.Builder
	for i := range paths {
		fmt.Fprintf(&p, `%s"/things%d/{id}":{"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string","format":"uuid"}}],
			"get":{"operationId":"get%[2]d","parameters":[{"name":"limit","in":"query","schema":{"type":"integer","minimum":1,"maximum":100,"default":10}}],
				"responses":{"200":{"description":"","content":{"application/json":{"schema":{"$ref":"#/components/schemas/S%[3]d"}}}},
				"4XX":{"description":"","content":{"application/json":{"schema":{"$ref":"#/components/schemas/S0"}}}}}},
			"put":{"operationId":"put%[2]d","requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/S%[3]d"}}}},
				"responses":{"200":{"description":"","content":{"application/json":{"schema":{"type":"array","items":{"$ref":"#/components/schemas/S%[3]d"}}}}},
				"default":{"description":"","content":{"application/json":{"schema":{"$ref":"#/components/schemas/S0"}}}}}}}`,
			strings.Repeat(",", min(i, 1)), i, i%schemas)
	}
	for i := range schemas {
		fmt.Fprintf(&c, `%s"S%d":{"type":"object","required":["id"],"additionalProperties":false,"properties":{
			"id":{"type":"string","format":"uuid"},"name":{"type":"string","minLength":1,"maxLength":64,"pattern":"^[a-z]+$"},
			"state":{"type":"string","enum":["on","off"]},"size":{"type":"integer","format":"int64"},
			"at":{"type":"string","format":"date-time"},"tags":{"type":"array","items":{"type":"string"},"maxItems":9},
			"next":{"$ref":"#/components/schemas/S%d"},"other":{"anyOf":[{"$ref":"#/components/schemas/S%d"},{"type":"boolean"}]}}}`,
			strings.Repeat(",", min(i, 1)), i, min(i-i%10+(i+1)%10, schemas-1), i-i%10)
	}
	return document(version, "{"+p.String()+"}", `"components":{"schemas":{`+c.String()+`}}`)
}

func BenchmarkNew(b *testing.B) {
	for name, doc := range map[string][]byte{
		"published": api.Document, "100 paths, 200 schemas": []byte(large("3.1.0", 100, 200)),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := contract.Compile(doc, contract.Options{Authenticate: allow}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzNew(f *testing.F) {
	f.Add(api.Document)
	f.Add([]byte(responses("3.1.0")))
	f.Add([]byte(responses("3.0.3")))
	f.Add([]byte(large("3.1.0", 1, 2)))
	f.Add([]byte(`{"openapi":"3.1.0","paths":{"/":{"get":null}}}`))
	f.Add([]byte(`{"openapi":"3.1.0","components":{"schemas":{"A":null}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		c, err := contract.Compile(doc, contract.Options{Authenticate: allow})
		if (c == nil) == (err == nil) {
			t.Error("neither a contract nor an error, or both")
		}
		if err != nil {
			return
		}
		for _, o := range c.Operations() {
			o.Example(http.StatusOK)
		}
	})
}
