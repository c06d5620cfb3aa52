package contract_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
)

// withSchema is a document with one schema.
func withSchema(version, schema string) string {
	return document(version, "{}", `"components":{"schemas":{"A":`+schema+`}}`)
}

// withOperation is a document with one operation, of the members given, at a path.
func withOperation(path, members string, more ...string) string {
	if members != "" {
		members += ","
	}
	return document("3.1.0", `{"`+path+`":{"get":{"operationId":"o",`+members+`"responses":{"200":{"description":""}}}}}`, more...)
}

// TestRead has a document for each rule, and the findings it has to have.
func TestRead(t *testing.T) {
	const pet = `"components":{"schemas":{"Pet":{"type":"object"}}}`
	for _, test := range []struct {
		name, doc string
		want      []string // severity, rule and pointer
	}{
		{"clean", document("3.1.0", "{}"), nil},
		{"clean 3.0", document("3.0.3", "{}"), nil},
		{"clean 3.2", document("3.2.0", `{"/":{"query":{"operationId":"o","responses":{"200":{"description":""}}}}}`), nil},

		{"not JSON", `{"openapi":`, []string{"error json "}},
		{"text after the document", document("3.1.0", "{}") + "x", []string{"error json "}},
		{"YAML", "openapi: 3.1.0\n", []string{"error json "}},
		{"not UTF-8", "{\"openapi\":\"\xff\"}", []string{"error json "}},
		{"byte order mark", "\uFEFF" + document("3.1.0", "{}"), []string{"warning json "}},
		{"tabs", strings.ReplaceAll(document("3.1.0", "{}"), ",", ",\t\r\n"), nil},
		{"too deep", withSchema("3.1.0", strings.Repeat(`{"items":`, 10000)+"{}"+strings.Repeat("}", 10000)), []string{"error json "}},
		{"duplicate key", `{"openapi":"3.1.0","info":{"title":"t","version":"1","version":"2"},"paths":{}}`, []string{"warning duplicate-key /info/version"}},
		{"Swagger", `{"swagger":"2.0"}`, []string{"error openapi /swagger"}},
		{"no version", `{}`, []string{"error openapi "}},
		{"version of tomorrow", document("4.0.0", "{}"), []string{"error openapi /openapi"}},
		{"dialect", document("3.1.0", "{}", `"jsonSchemaDialect":"https://example.com/mine"`), []string{"error dialect /jsonSchemaDialect"}},
		{"dialect of a schema", withSchema("3.1.0", `{"$schema":"https://example.com/mine"}`), []string{"error dialect /components/schemas/A/$schema"}},
		{"older dialect of a schema", withSchema("3.1.0", `{"$schema":"http://json-schema.org/draft-07/schema#"}`), []string{"warning dialect /components/schemas/A/$schema"}},

		{"empty info", `{"openapi":"3.1.0","info":{"title":"","license":{"name":""}},"paths":{}}`,
			[]string{"warning info /info", "warning info /info/title", "warning info /info/license/name"}},
		{"no info", `{"openapi":"3.1.0","paths":{}}`, []string{"warning info ", "warning info /info", "warning info /info"}},
		{"no paths", `{"openapi":"3.1.0","info":{"title":"t","version":"1"}}`, []string{"warning paths "}},
		{"null for an object", document("3.1.0", `{"/":{"get":null}}`, `"components":null`), []string{"warning type /paths/~1/get", "warning type /components"}},
		{"null for a schema", withSchema("3.1.0", `null`), []string{"warning type /components/schemas/A"}},
		{"empty list for an object", document("3.1.0", "[]"), []string{"warning type /paths"}},
		{"unknown keyword", document("3.1.0", "{}", `"zebra":1`), []string{"warning keyword /zebra"}},
		{"misspelled keyword", withSchema("3.1.0", `{"min_length":1}`), []string{"warning keyword /components/schemas/A/min_length"}},
		{"extension", document("3.1.0", `{"x-a":1}`, `"x-b":1`), nil},
		{"duplicate tag", document("3.1.0", "{}", `"tags":[{"name":"a"},{"name":"a"}]`), []string{"warning duplicate /tags/1"}},
		{"server without a URL", document("3.1.0", "{}", `"servers":[{}]`), []string{"warning server /servers/0"}},
		{"malformed server", document("3.1.0", "{}", `"servers":[{"url":"https://{a"}]`), []string{"warning server /servers/0/url"}},
		{"undeclared server variable", document("3.1.0", "{}", `"servers":[{"url":"https://{a}"}]`), []string{"warning server /servers/0/url"}},
		{"server default that is no value", document("3.1.0", "{}", `"servers":[{"url":"{a}","variables":{"a":{"enum":["x"],"default":"y"}}}]`),
			[]string{"warning default /servers/0/variables/a/default"}},

		{"reference to nothing", withSchema("3.1.0", `{"$ref":"#/components/schemas/B"}`), []string{"error ref /components/schemas/A/$ref"}},
		{"reference to a flag", withOperation("/", `"deprecated":true,"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/paths/~1/get/deprecated"}}}}`), nil},
		{"reference outside", withSchema("3.1.0", `{"$ref":"other.json"}`), []string{"error ref /components/schemas/A/$ref"}},
		{"reference to another kind", withOperation("/", `"requestBody":{"$ref":"#/components/schemas/Pet"}`, pet), []string{"error ref /paths/~1/get/requestBody/$ref"}},
		{"reference that is not a string", withSchema("3.1.0", `{"$ref":1}`), []string{"error ref /components/schemas/A/$ref"}},
		{"every broken reference", withSchema("3.1.0", `{"anyOf":[{"$ref":"#/x"},{"$ref":"#/y"}]}`),
			[]string{"error ref /components/schemas/A/anyOf/0/$ref", "error ref /components/schemas/A/anyOf/1/$ref"}},
		{"circle", withSchema("3.1.0", `{"allOf":[{"$ref":"#/components/schemas/A"}]}`), []string{"error cycle /components/schemas/A/allOf/0/$ref"}},
		{"circle of path items", document("3.1.0", `{"/":{"$ref":"#/paths/~1"}}`), []string{"error cycle /paths/~1"}},
		{"recursion", withSchema("3.1.0", `{"properties":{"a":{"$ref":"#/components/schemas/A"}}}`), nil},
		{"base that lists its variants", document("3.1.0", "{}", `"components":{"schemas":{
			"A":{"properties":{"t":{}},"oneOf":[{"$ref":"#/components/schemas/B"}]},"B":{"allOf":[{"$ref":"#/components/schemas/A"}]}}}`),
			[]string{"warning cycle /components/schemas/B/allOf/0/$ref"}},
		{"variant that lists its variants", document("3.1.0", "{}", `"components":{"schemas":{"A":{"oneOf":[{"$ref":"#/components/schemas/B"}]},
			"B":{"allOf":[{"$ref":"#/components/schemas/A"}],"oneOf":[{"$ref":"#/components/schemas/C"}]},"C":{}}}`),
			[]string{"warning cycle /components/schemas/B/allOf/0/$ref"}},
		{"variant of a variant", document("3.1.0", "{}", `"components":{"schemas":{"A":{"oneOf":[{"$ref":"#/components/schemas/B"}]},
			"B":{"anyOf":[{"$ref":"#/components/schemas/C"}]},"C":{"allOf":[{"$ref":"#/components/schemas/A"}]}}}`),
			[]string{"warning cycle /components/schemas/C/allOf/0/$ref"}},
		{"base that is its own variant", withSchema("3.1.0", `{"oneOf":[{"$ref":"#/components/schemas/A"},{"type":"string"}]}`),
			[]string{"error cycle /components/schemas/A/oneOf/0/$ref"}},
		{"circle beside a list of variants", withSchema("3.1.0", `{"oneOf":[{}],"dependentSchemas":{"a":{"$ref":"#/components/schemas/A"}}}`),
			[]string{"error cycle /components/schemas/A/dependentSchemas/a/$ref"}},
		{"circle in a part of a base", document("3.1.0", "{}", `"components":{"schemas":{
			"A":{"oneOf":[{"$ref":"#/components/schemas/B"}],"not":{"$ref":"#/components/schemas/A"}},"B":{"$ref":"#/components/schemas/A/not"}}}`),
			[]string{"warning cycle /components/schemas/A/not/$ref", "error cycle /components/schemas/A/not/$ref"}},
		{"sibling of a reference in 3.0", withSchema("3.0.3", `{"properties":{"a":{"$ref":"#/components/schemas/A","minProperties":1}}}`),
			[]string{"warning ref-sibling /components/schemas/A/properties/a/minProperties"}},
		{"schema in the name of another", withSchema("3.1.0", `{"$id":"pet","properties":{"a":{"$ref":"pet"}}}`), []string{"warning id /components/schemas/A/$id"}},
		{"reference within a resource", withSchema("3.1.0", `{"$id":"https://example.com/a/b","$defs":{"x":{"$anchor":"y"}},"allOf":[{"$ref":"#/$defs/x"},{"$ref":"b#y"},{"$ref":"#/components/schemas/A/$defs/x"}]}`),
			[]string{"warning id /components/schemas/A/$id"}},
		{"dynamic reference to nothing", withSchema("3.1.0", `{"$dynamicRef":"#x"}`), []string{"error ref /components/schemas/A/$dynamicRef"}},
		{"anchor", withSchema("3.1.0", `{"$anchor":"1 x"}`), []string{"error schema /components/schemas/A/$anchor"}},
		{"name of a component", document("3.1.0", "{}", `"components":{"schemas":{"A[B]":{},"C":{"$ref":"#/components/schemas/A%5BB%5D"}}}`),
			[]string{"warning component-name /components/schemas/A[B]"}},
		{"component that begins and ends with an underscore", document("3.1.0", "{}", `"components":{"schemas":{"_A_":{}}}`), nil},
		{"request body in the place of a response", document("3.1.0", `{"/":{"get":{"operationId":"o","responses":{"200":{"$ref":"#/components/requestBodies/B"}}}}}`,
			`"components":{"requestBodies":{"B":{"description":"","required":true,"content":{"application/json":{"schema":{}}}}}}`), []string{"warning ref /paths/~1/get/responses/200/$ref"}},
		{"parameter in the place of a header", document("3.1.0", `{"/":{"get":{"operationId":"o","responses":{"200":{"description":"","headers":{"X":{"$ref":"#/components/parameters/P"}}}}}}}`,
			`"components":{"parameters":{"P":{"name":"X","in":"header","schema":{}}}}`), []string{"warning ref /paths/~1/get/responses/200/headers/X/$ref"}},

		{"nullable in 3.1", withSchema("3.1.0", `{"type":"string","nullable":true}`), []string{"warning nullable /components/schemas/A/nullable"}},
		{"nullable in 3.0", withSchema("3.0.3", `{"type":"string","nullable":true}`), nil},
		{"exclusive bound in 3.1", withSchema("3.1.0", `{"minimum":1,"exclusiveMinimum":true}`), []string{"warning old-keyword /components/schemas/A/exclusiveMinimum"}},
		{"items as a list", withSchema("3.1.0", `{"items":[{}],"additionalItems":false}`), []string{"warning old-keyword /components/schemas/A/items"}},
		{"dependencies", withSchema("3.1.0", `{"dependencies":{"a":["b"],"c":{"required":["d"]}}}`), []string{"warning old-keyword /components/schemas/A/dependencies"}},
		{"required as a boolean", withSchema("3.1.0", `{"properties":{"a":{"required":true}}}`), []string{"warning type /components/schemas/A/properties/a/required"}},
		{"required twice", withSchema("3.1.0", `{"required":["a","a"]}`), []string{"warning duplicate /components/schemas/A/required"}},
		{"enum of another type", withSchema("3.1.0", `{"type":"string","enum":["a",1,true,null]}`), []string{"warning enum /components/schemas/A/enum"}},
		{"enum twice", withSchema("3.1.0", `{"enum":[1,1]}`), []string{"warning duplicate /components/schemas/A/enum"}},
		{"empty anyOf", withSchema("3.1.0", `{"anyOf":[]}`), []string{"warning empty /components/schemas/A/anyOf"}},
		{"type of a language", withSchema("3.1.0", `{"type":"any"}`), []string{"warning type /components/schemas/A/type"}},
		{"number as a string", withSchema("3.1.0", `{"minLength":"1"}`), []string{"warning type /components/schemas/A/minLength"}},
		{"examples as an object", withSchema("3.1.0", `{"examples":{"a":{"value":1}}}`), []string{"warning type /components/schemas/A/examples"}},
		{"unknown type", withSchema("3.1.0", `{"type":"Pet"}`), []string{"error schema /components/schemas/A/type"}},
		{"impossible keyword", withSchema("3.1.0", `{"multipleOf":0}`), []string{"error schema /components/schemas/A/multipleOf"}},
		{"every invalid schema", withSchema("3.1.0", `{"minLength":-1,"properties":{"a":"x","b":{"pattern":"("}}}`),
			[]string{"error schema /components/schemas/A/minLength", "error schema /components/schemas/A/properties/a", "error schema /components/schemas/A/properties/b/pattern"}},
		{"too many schemas", document("3.1.0", "{}", `"components":{"schemas":{`+doubling(20)+`}}`), []string{"error cost /components/schemas/S5"}},
		{"default", withSchema("3.1.0", `{"type":"string","default":1}`), []string{"warning default /components/schemas/A/default"}},
		{"example", withSchema("3.1.0", `{"type":"string","examples":[1]}`), []string{"warning example /components/schemas/A/examples"}},
		{"example of a media type", document("3.1.0", `{"/":{"get":{"operationId":"o","responses":{"200":{"description":"","content":{"application/json":{"schema":{"type":"string"},"example":1}}}}}}}`),
			[]string{"warning example /paths/~1/get/responses/200/content/application~1json/example"}},
		{"mapping to nothing", withSchema("3.1.0", `{"discriminator":{"propertyName":"t","mapping":{"a":"B"}}}`),
			[]string{"warning discriminator /components/schemas/A/discriminator/mapping/a"}},

		{"undefined scheme", withOperation("/", `"security":[{"key":[]}]`), []string{"error security /paths/~1/get/security/0/key"}},
		{"security that is no list", withOperation("/", `"security":{}`), []string{"error security /paths/~1/get/security"}},
		{"scheme that says too little", document("3.1.0", "{}", `"components":{"securitySchemes":{"key":{"type":"apiKey"}}}`),
			[]string{"warning security-scheme /components/securitySchemes/key", "warning security-scheme /components/securitySchemes/key"}},

		{"path without a slash", withOperation("a", ""), []string{"warning path /paths/a"}},
		{"path with a query", withOperation("/a?b", ""), []string{"error path /paths/~1a?b"}},
		{"two parameters in a segment", withOperation("/{a}-{b}", `"parameters":[{"name":"a","in":"path","required":true,"schema":{}},{"name":"b","in":"path","required":true,"schema":{}}]`),
			nil},
		{"adjacent parameters", withOperation("/{a}{b}", `"parameters":[{"name":"a","in":"path","required":true,"schema":{}},{"name":"b","in":"path","required":true,"schema":{}}]`),
			[]string{"warning path /paths/~1{a}{b}"}},
		{"one template twice", document("3.1.0", `{"/{a}":{"get":`+operation("a")+`},"/{b}":{"get":`+operation("b")+`}}`),
			[]string{"warning path-names /paths/~1{b}", "error path /paths/~1{b}/get"}},
		{"templates that differ in names", document("3.1.0", `{"/{a}":{"get":`+operation("a")+`},"/{b}":{"put":`+operation("b")+`}}`),
			[]string{"warning path-names /paths/~1{b}"}},
		{"templates that echo cannot tell apart", document("3.1.0", `{"/{a}":{"get":`+operation("a")+`},"/{b}:x":{"get":`+operation("b")+`}}`),
			nil},
		{"operationId twice", document("3.1.0", `{"/a":{"get":{"operationId":"o","responses":{}},"put":{"operationId":"o","responses":{}}}}`),
			[]string{"warning operation-id /paths/~1a/put/operationId"}},
		{"no operationId", document("3.1.0", `{"/a":{"get":{"responses":{}}}}`), []string{"warning operation-id /paths/~1a/get"}},
		{"no responses", document("3.1.0", `{"/a":{"get":{"operationId":"o"}}}`), []string{"warning responses /paths/~1a/get"}},
		{"no description", document("3.1.0", `{"/a":{"get":{"operationId":"o","responses":{"200":{}}}}}`), []string{"warning description /paths/~1a/get/responses/200"}},
		{"status", document("3.1.0", `{"/a":{"get":{"operationId":"o","responses":{"20":{"description":""},"5xx":{"description":""}}}}}`),
			[]string{"warning status /paths/~1a/get/responses/20", "warning status /paths/~1a/get/responses/5xx"}},
		{"undeclared path parameter", withOperation("/{id}", ""), []string{"warning path-parameter /paths/~1{id}/get"}},
		{"path parameter that is not in the path", withOperation("/", `"parameters":[{"name":"id","in":"path","required":true,"schema":{}}]`),
			[]string{"warning path-parameter /paths/~1/get/parameters/0"}},
		{"optional path parameter", withOperation("/{id}", `"parameters":[{"name":"id","in":"path","schema":{}}]`), []string{"warning parameter /paths/~1{id}/get/parameters/0"}},
		{"parameter twice", withOperation("/", `"parameters":[{"name":"q","in":"query","schema":{}},{"name":"q","in":"query","schema":{}}]`),
			[]string{"warning duplicate /paths/~1/get/parameters/1"}},
		{"parameter of Swagger", withOperation("/", `"parameters":[{"name":"b","in":"body","schema":{}}]`), []string{"warning parameter /paths/~1/get/parameters/0"}},
		{"parameter without a schema", withOperation("/", `"parameters":[{"name":"q","in":"query"}]`), []string{"warning parameter /paths/~1/get/parameters/0"}},
		{"style of another place", withOperation("/", `"parameters":[{"name":"q","in":"query","style":"matrix","schema":{}}]`),
			[]string{"warning parameter /paths/~1/get/parameters/0/style"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, findings := contract.Read([]byte(test.doc))
			var got []string
			failed := false
			for _, f := range findings {
				got = append(got, f.Severity.String()+" "+f.Rule+" "+f.Pointer)
				failed = failed || f.Severity == contract.Error
				if f.Message == "" || strings.HasSuffix(f.Message, ".") || strings.Contains(f.Message, "\n") {
					t.Errorf("message %q is not one sentence without its stop", f.Message)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("findings %q, want %q", got, test.want)
			}
			if (d == nil) != failed || (contract.Errors(findings) != nil) != failed {
				t.Errorf("document %v, errors %v", d, contract.Errors(findings))
			}
			if d == nil {
				return
			}
			if _, err := contract.New(d, contract.Options{Authenticate: allow}); err != nil {
				t.Error(err)
			}
			if _, findings := contract.Read(d.JSON()); slices.ContainsFunc(findings, func(f contract.Finding) bool { return f.Severity == contract.Error }) {
				t.Errorf("the document cannot be read again: %v", findings)
			}
		})
	}
}

func operation(id string) string {
	return `{"operationId":"` + id + `","parameters":[{"name":"` + id + `","in":"path","required":true,"schema":{}}],"responses":{"200":{"description":""}}}`
}

// doubling is schemas that refer to the next one twice.
func doubling(levels int) string {
	var b strings.Builder
	for i := range levels {
		ref := fmt.Sprintf(`{"$ref":"#/components/schemas/S%d"}`, i+1)
		fmt.Fprintf(&b, `"S%d":{"allOf":[%s,%s]},`, i, ref, ref)
	}
	fmt.Fprintf(&b, `"S%d":{}`, levels)
	return b.String()
}

// TestReadJSON has documents with what everything downstream gets of them.
func TestReadJSON(t *testing.T) {
	for _, test := range []struct{ name, doc, want string }{
		{"order", withSchema("3.1.0", `{ "z": 1, "type": "string", "a": "é\n<\u0001" }`), withSchema("3.1.0", `{"z":1,"type":"string","a":"é\n<\u0001"}`)},
		{"nullable", withSchema("3.0.3", `{"type":"string","nullable":true,"enum":["a"]}`), withSchema("3.1.0", `{"type":["string","null"],"enum":["a",null]}`)},
		{"nullable reference", withSchema("3.0.3", `{"properties":{"a":{"description":"d","allOf":[{"$ref":"#/components/schemas/A"}],"nullable":true}}}`),
			withSchema("3.1.0", `{"properties":{"a":{"description":"d","anyOf":[{"$ref":"#/components/schemas/A"},{"type":"null"}]}}}`)},
		{"not nullable", withSchema("3.0.3", `{"type":"string","nullable":false}`), withSchema("3.1.0", `{"type":"string"}`)},
		{"bounds", withSchema("3.0.3", `{"minimum":1,"exclusiveMinimum":true,"maximum":2,"exclusiveMaximum":false}`), withSchema("3.1.0", `{"maximum":2,"exclusiveMinimum":1}`)},
		{"example", withSchema("3.0.3", `{"type":"string","example":"x"}`), withSchema("3.1.0", `{"type":"string","examples":["x"]}`)},
		{"binary", withSchema("3.0.3", `{"type":"string","format":"binary"}`), withSchema("3.1.0", `{"type":"string","format":"binary"}`)},
		{"definitions", withSchema("3.1.0", `{"$defs":{"B":{"type":"string"}},"properties":{"b":{"$ref":"#/components/schemas/A/$defs/B"}}}`),
			document("3.1.0", "{}", `"components":{"schemas":{"A":{"$defs":{"B":{"$ref":"#/components/schemas/A_B"}},"properties":{"b":{"$ref":"#/components/schemas/A_B"}}},"A_B":{"type":"string"}}}`)},
		{"boolean schema", document("3.1.0", "{}", `"components":{"schemas":{"A":{"$ref":"#/components/schemas/B"},"B":false}}`),
			document("3.1.0", "{}", `"components":{"schemas":{"A":{"$ref":"#/components/schemas/B"},"B":{"not":{}}}}`)},
		{"response of another operation", document("3.1.0", `{"/a":{"get":{"operationId":"a","responses":{"200":{"description":"d"}}},"put":{"operationId":"b","responses":{"200":{"$ref":"#/paths/~1a/get/responses/200"}}}}}`),
			document("3.1.0", `{"/a":{"get":{"operationId":"a","responses":{"200":{"$ref":"#/components/responses/a_get_200"}}},"put":{"operationId":"b","responses":{"200":{"$ref":"#/components/responses/a_get_200"}}}}}`,
				`"components":{"responses":{"a_get_200":{"description":"d"}}}`)},
		{"path item", document("3.1.0", `{"/a":{"$ref":"#/components/pathItems/P"}}`, `"components":{"pathItems":{"P":{"get":{"operationId":"a","responses":{}}}}}`),
			document("3.1.0", `{"/a":{"get":{"operationId":"a","responses":{}}}}`, `"components":{}`)},
		{"enum of numbers and booleans for text", withSchema("3.1.0", `{"type":["string","null"],"enum":["a",1.0,true,null]}`), withSchema("3.1.0", `{"type":["string","null"],"enum":["a","1.0","true",null]}`)},
		{"enum of text for integers", withSchema("3.0.3", `{"type":"integer","enum":["1","-2","1.5","x"]}`), withSchema("3.1.0", `{"type":"integer","enum":[1,-2,"1.5","x"]}`)},
		{"enum of text for numbers", withSchema("3.1.0", `{"type":"number","enum":["1.5","1e3","x",""]}`), withSchema("3.1.0", `{"type":"number","enum":[1.5,1e3,"x",""]}`)},
		{"enum of text for booleans", withSchema("3.1.0", `{"type":"boolean","enum":["true","no"]}`), withSchema("3.1.0", `{"type":"boolean","enum":[true,"no"]}`)},
		{"default", withSchema("3.1.0", `{"properties":{"a":{"type":"integer","default":"x"}}}`), withSchema("3.1.0", `{"properties":{"a":{"type":"integer"}}}`)},
		{"operationId", document("3.1.0", `{"/a/{b}":{"get":{"parameters":[{"name":"b","in":"path","required":true,"schema":{}}],"responses":{}}}}`),
			document("3.1.0", `{"/a/{b}":{"get":{"parameters":[{"name":"b","in":"path","required":true,"schema":{}}],"responses":{},"operationId":"get-a-{b}"}}}`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, findings := contract.Read([]byte(test.doc))
			if d == nil {
				t.Fatal(findings)
			}
			if got := string(d.JSON()); got != test.want {
				t.Errorf("read as\n%s, want\n%s", got, test.want)
			}
			if _, err := openapi3.NewLoader().LoadFromData(d.JSON()); err != nil {
				t.Error(err)
			}
		})
	}
	d, _ := contract.Read(api.Document)
	var compact bytes.Buffer
	if err := json.Compact(&compact, api.Document); err != nil || !bytes.Equal(compact.Bytes(), d.JSON()) {
		t.Errorf("our own document is read as something else: %s", d.JSON())
	}
}

// TestFindings has the order and the text of findings.
func TestFindings(t *testing.T) {
	_, findings := contract.Read([]byte(document("3.1.0", `{"/a":{"get":{"responses":{"200":{"$ref":"#/x"}}}}}`, `"security":[{"key":[]}]`, `"zebra":1`)))
	const want = `#/paths/~1a/get/responses/200/$ref: the reference "#/x" leads to nothing (ref)
#/security/0/key: the security scheme "key" is not defined (security)`
	if err := contract.Errors(findings); err == nil || err.Error() != want {
		t.Errorf("errors %v", err)
	}
	if contract.Errors(nil) != nil {
		t.Error("no finding is an error")
	}
}

// TestRequiredInOneDirection is about OpenAPI 3.0, where readOnly and writeOnly decide in which direction a property is
// required.
func TestRequiredInOneDirection(t *testing.T) {
	for version, want := range map[string][2][]string{
		"3.0.3": {{"body /b required", "body /c required"}, {"body /a required", "body /c required"}},
		"3.1.0": {{"body /a required", "body /b required", "body /c required"}, {"body /a required", "body /b required", "body /c required"}},
	} {
		s := newService(t, document(version, `{"/":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/A"}}}},
			"responses":{"200":{"description":"","content":{"application/json":{"schema":{"$ref":"#/components/schemas/A"}}}},`+errorAnswers+`}}}}`,
			`"components":{"schemas":{"A":{"type":"object","required":["a","b","c"],"properties":{"a":{"readOnly":true},"b":{"writeOnly":true},"c":{}}}}}`),
			contract.Options{}, blob(200, "application/json", "{}"))
		s.do(request("POST", "/", "{}", "Content-Type: application/json"))
		expect(t, s.requestViolations(t), want[0]...)
		s.do(request("POST", "/", `{"a":1,"b":1,"c":1}`, "Content-Type: application/json"))
		expect(t, s.responseViolations(), want[1]...)
	}
}

// TestSchemeName says that a scheme keeps its published name, whatever the characters: Authenticate compares it.
func TestSchemeName(t *testing.T) {
	doc := document("3.1.0", `{"/":{"get":{"security":[{"API Key":[]}],"responses":{"204":{"description":""},`+errorAnswers+`}}}}`,
		`"security":[{"API Key":[]}],"components":{"securitySchemes":{"API Key":{"type":"http","scheme":"bearer"}}}`)
	met := ""
	s := newService(t, doc, contract.Options{Authenticate: func(_ context.Context, input *contract.AuthenticationInput) error {
		met = input.Scheme.Name
		return nil
	}}, noContent)
	if w := s.do(request("GET", "/", "")); w.Code != 204 || met != "API Key" {
		t.Errorf("%d, scheme %q", w.Code, met)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"openapi":"3.0.0","paths":{"/{a}":{"$ref":"#/paths/~1b"},"/b":{"get":{"parameters":[{"$ref":"#/x"}]}}},"x":{"in":"query","name":"q"}}`))
	f.Add([]byte(`{"openapi":"3.1.0","components":{"schemas":{"A":{"$ref":"#/components/schemas/A/allOf/0","allOf":[true,{"nullable":true,"$ref":"#a"}],"$anchor":"a"}}}}`))
	f.Add([]byte(withSchema("3.0.3", `{"properties":[],"required":true,"type":[null],"items":[{}],"enum":{},"discriminator":"x"}`)))
	f.Add([]byte(document("3.1.0", `{"/":{"get":{"callbacks":{"c":{"{$url}":{"$ref":"#/paths/~1"}}},"responses":{"2xx":{"headers":{"a":{"$ref":"#/paths"}}}}}}}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, findings := contract.Read(data)
		if (d == nil) != (contract.Errors(findings) != nil) {
			t.Fatalf("document %v with findings %v", d, findings)
		}
		if d == nil {
			return
		}
		if _, err := contract.New(d, contract.Options{Authenticate: allow}); err != nil {
			t.Errorf("read without an error, but %v", err)
		}
		again, findings := contract.Read(d.JSON())
		if again == nil {
			t.Fatalf("%s cannot be read again: %v", d.JSON(), contract.Errors(findings))
		}
	})
}
