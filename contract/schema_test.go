package contract_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/contract"
)

// TestSchema holds bodies to schemas: those of 3.1 with the meaning of JSON Schema 2020-12, those of 3.0 with that of
// OpenAPI 3.0.
func TestSchema(t *testing.T) {
	formats := map[string]func(string) error{"even": func(s string) error {
		if len(s)%2 != 0 {
			return fmt.Errorf("odd")
		}
		return nil
	}}
	const definitions = `"components":{"schemas":{
		"Node":{"type":"object","required":["v"],"properties":{"v":{"type":"integer"},"next":{"$ref":"#/components/schemas/Node"}}},
		"Loop":{"$ref":"#/components/schemas/Node"}}}`
	for _, test := range []struct {
		version, schema string
		right           []string
		wrong           map[string]string // value -> keywords
	}{
		{"3.1", `{}`, []string{`null`, `0`, `"x"`, `[]`, `{}`}, nil},
		{"3.1", `true`, []string{`null`, `0`}, nil},
		{"3.1", `false`, nil, map[string]string{`null`: "false"}},
		{"3.1", `{"type":["string","null"]}`, []string{`null`, `"x"`}, map[string]string{`0`: "type"}},
		{"3.1", `{"type":"integer"}`, []string{`1`, `1.0`, `-1e2`, `12345678901234567890`}, map[string]string{`1.5`: "type", `"1"`: "type"}},
		{"3.1", `{"const":{"a":[1,null]}}`, []string{`{"a":[1.0,null]}`}, map[string]string{`{"a":[1]}`: "const"}},
		{"3.1", `{"enum":["a",1,null]}`, []string{`"a"`, `1`, `null`}, map[string]string{`"b"`: "enum", `2`: "enum"}},
		{"3.1", `{"prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}`, []string{`["a",1]`, `["a"]`, `[]`},
			map[string]string{`[1]`: "type", `["a",1,2]`: "false"}},
		{"3.1", `{"if":{"properties":{"a":{"const":1}},"required":["a"]},"then":{"required":["b"]},"else":{"required":["c"]}}`,
			[]string{`{"a":1,"b":0}`, `{"a":2,"c":0}`}, map[string]string{`{"a":1}`: "required", `{}`: "required"}},
		{"3.1", `{"$ref":"#/components/schemas/Node"}`, []string{`{"v":1}`, `{"v":1,"next":{"v":2}}`},
			map[string]string{`{"v":1,"next":{"v":"2"}}`: "type", `{"v":1,"next":{"next":{"v":1}}}`: "required"}},
		{"3.1", `{"$ref":"#/components/schemas/Loop","properties":{"v":{"maximum":5}}}`, []string{`{"v":5}`}, map[string]string{`{"v":6}`: "maximum"}},
		{"3.1", `{"format":"date"}`, []string{`"2020-02-03"`, `1`}, map[string]string{`"2020-02-33"`: "format"}},
		{"3.1", `{"format":"date-time"}`, []string{`"2020-02-03T04:05:06Z"`}, map[string]string{`"2020-02-03"`: "format"}},
		{"3.1", `{"format":"even"}`, []string{`""`, `"ab"`}, map[string]string{`"a"`: "format"}},
		{"3.1", `{"format":"email"}`, []string{`"a@b.example"`}, map[string]string{`"no mail"`: "format"}},
		{"3.1", `{"format":"unheard-of"}`, []string{`"x"`}, nil},
		{"3.1", `{"format":"uint8"}`, []string{`255`, `0`, `"x"`}, map[string]string{`256`: "format", `-1`: "format"}},
		{"3.1", `{"format":"float"}`, []string{`3e38`, `-0.5`}, map[string]string{`3.5e38`: "format", `-1e39`: "format"}},
		{"3.1", `{"format":"double"}`, []string{`1e308`, `123456789012345678901234567890123456789012345678901234567890`}, map[string]string{`1e309`: "format"}},
		{"3.1", `{"format":"regex"}`, []string{`"a"`}, map[string]string{`"("`: "format"}},
		{"3.1", `{"format":"int32"}`, []string{`2147483647`, `"x"`, `1.5`}, map[string]string{`2147483648`: "format"}},
		{"3.1", `{"format":"int64"}`, []string{`9223372036854775807`}, map[string]string{`9223372036854775808`: "format", `1e300`: "format"}},
		{"3.1", `{"type":"string","minLength":1,"maxLength":2,"pattern":"^ä"}`, []string{`"ä"`, `"äx"`, `"\u00e4"`},
			map[string]string{`""`: "minLength pattern", `"äxx"`: "maxLength"}},
		{"3.1", `{"pattern":"^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"}`, []string{`"1.5"`}, map[string]string{`"-"`: "pattern", `"x"`: "pattern"}},
		{"3.1", `{"pattern":"^(a|b)\\1$"}`, []string{`"aa"`}, map[string]string{`"ab"`: "pattern"}},
		{"3.1", `{"patternProperties":{"^(?!x-)":{"type":"integer"}}}`, []string{`{"a":1,"x-a":""}`}, map[string]string{`{"a":""}`: "type"}},
		{"3.1", `{"minimum":1,"maximum":3}`, []string{`1`, `3`, `2.5`, `"x"`}, map[string]string{`0`: "minimum", `3.1`: "maximum", `1e9`: "maximum"}},
		{"3.1", `{"minimum":0.5,"multipleOf":0.5}`, []string{`0.5`, `10`}, map[string]string{`0.7`: "multipleOf", `0.4`: "minimum multipleOf"}},
		{"3.1", `{"exclusiveMinimum":1,"exclusiveMaximum":2}`, []string{`1.5`}, map[string]string{`1`: "exclusiveMinimum", `2`: "exclusiveMaximum"}},
		{"3.1", `{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2,"uniqueItems":true}`, []string{`[1]`, `[1,2]`},
			map[string]string{`[]`: "minItems", `[1,1.0]`: "uniqueItems", `[1,2,3]`: "maxItems", `["a"]`: "type"}},
		{"3.1", `{"contains":{"type":"integer"},"maxContains":1}`, []string{`["a",1]`}, map[string]string{`[1,2]`: "maxContains", `["a"]`: "contains"}},
		{"3.1", `{"minProperties":1,"maxProperties":1}`, []string{`{"a":0}`}, map[string]string{`{}`: "minProperties", `{"a":0,"b":0}`: "maxProperties"}},
		{"3.1", `{"propertyNames":{"maxLength":1}}`, []string{`{"a":0}`}, map[string]string{`{"ab":0}`: "propertyNames"}},
		{"3.1", `{"patternProperties":{"^x-":{"type":"integer"}},"additionalProperties":false}`, []string{`{"x-a":1}`},
			map[string]string{`{"x-a":""}`: "type", `{"y":1}`: "additionalProperties"}},
		{"3.1", `{"properties":{"a":{}},"additionalProperties":{"type":"integer"}}`, []string{`{"a":"","b":1}`}, map[string]string{`{"b":""}`: "type"}},
		{"3.1", `{"dependentRequired":{"a":["b"]}}`, []string{`{"a":0,"b":0}`, `{}`}, map[string]string{`{"a":0}`: "dependentRequired"}},
		{"3.1", `{"dependentSchemas":{"a":{"required":["b"]}}}`, []string{`{}`}, map[string]string{`{"a":0}`: "required"}},
		{"3.1", `{"allOf":[{"properties":{"a":{}}}],"unevaluatedProperties":false}`, []string{`{"a":0}`}, map[string]string{`{"b":0}`: "false"}},
		{"3.1", `{"allOf":[{"required":["a"]},{"required":["b"]}]}`, []string{`{"a":0,"b":0}`}, map[string]string{`{}`: "required required"}},
		{"3.1", `{"anyOf":[{"type":"string"},{"type":"integer","minimum":5}]}`, []string{`"a"`, `5`}, map[string]string{`4`: "minimum"}},
		{"3.1", `{"oneOf":[{"minimum":5},{"maximum":9}]}`, []string{`1`, `10`}, map[string]string{`7`: "oneOf"}},
		{"3.1", `{"not":{"type":"null"}}`, []string{`0`}, map[string]string{`null`: "not"}},
		{"3.1", `{"$dynamicRef":"#/components/schemas/Node"}`, []string{`{"v":1}`}, map[string]string{`{}`: "required"}},
		{"3.1", `{"type":"string","contentEncoding":"base64","contentMediaType":"application/json"}`, []string{`"?"`}, nil},
		{"3.1", `{"properties":{"a":{"readOnly":true},"b":{"writeOnly":true}},"required":["a","b"]}`, []string{`{"a":1,"b":1}`}, map[string]string{`{"a":1}`: "required"}},
		{"3.1", `{"nullable":true,"type":"string"}`, []string{`null`, `"x"`}, map[string]string{`0`: "type"}},
		{"3.1", `{"type":"integer","minimum":1,"exclusiveMinimum":true}`, []string{`2`}, map[string]string{`1`: "exclusiveMinimum"}},

		{"3.0", `{}`, []string{`null`, `0`, `"x"`, `[]`, `{}`}, nil},
		{"3.0", `{"type":"string","nullable":true}`, []string{`null`, `"x"`}, map[string]string{`0`: "type"}},
		{"3.0", `{"type":"integer","minimum":1,"exclusiveMinimum":true}`, []string{`2`}, map[string]string{`1`: "exclusiveMinimum", `1.5`: "type"}},
		{"3.0", `{"type":"string","format":"even","pattern":"^a*$"}`, []string{`"aa"`}, map[string]string{`"a"`: "format", `"bb"`: "pattern"}},
		{"3.0", `{"type":"string","enum":["a"]}`, []string{`"a"`}, map[string]string{`"b"`: "enum"}},
		{"3.0", `{"$ref":"#/components/schemas/Node"}`, []string{`{"v":1,"next":{"v":2}}`}, map[string]string{`{"v":1,"next":{"v":"2"}}`: "type"}},
		{"3.0", `{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":false,"required":["a"]}`, []string{`{"a":1}`},
			map[string]string{`{"b":1}`: "additionalProperties required", `{"a":"1"}`: "type"}},
		{"3.0", `{"type":"array","items":{"type":"integer"},"minItems":1}`, []string{`[1]`}, map[string]string{`[]`: "minItems", `[""]`: "type"}},
		{"3.0", `{"allOf":[{"type":"integer"},{"maximum":5}]}`, []string{`5`}, map[string]string{`6`: "maximum"}},
		{"3.0", `{"oneOf":[{"type":"integer"},{"type":"string"}]}`, []string{`5`, `""`}, map[string]string{`true`: "type"}},
		{"3.0", `{"type":"object","properties":{"a":{"type":"integer","readOnly":true}}}`, []string{`{}`, `{"a":1}`}, map[string]string{`{"a":""}`: "type"}},
		{"3.0", `{"type":"string","nullable":true,"enum":["a"]}`, []string{`null`, `"a"`}, map[string]string{`"b"`: "enum"}},
		{"3.0", `{"$ref":"#/components/schemas/Node","nullable":true}`, []string{`null`, `{"v":1}`}, map[string]string{`{}`: "required"}},
		{"3.0", `{"allOf":[{"$ref":"#/components/schemas/Node"}],"nullable":true}`, []string{`null`, `{"v":1}`}, map[string]string{`0`: "type"}},
		{"3.0", `{"oneOf":[{"type":"integer"},{"type":"boolean"}],"nullable":true}`, []string{`null`, `1`, `true`}, map[string]string{`""`: "type"}},
		{"3.0", `{"$ref":"#/components/schemas/Node","maxProperties":0}`, []string{`{"v":1}`}, map[string]string{`{}`: "required"}},
	} {
		t.Run(test.version+" "+test.schema, func(t *testing.T) {
			version := test.version + ".0"
			doc := document(version, `{"/":{"post":{"requestBody":{"required":true,"content":{"application/json":{"schema":`+test.schema+`}}},
				"responses":{"204":{"description":""},`+errorAnswers+`}},
				"put":{"responses":{"200":{"description":"","content":{"application/json":{"schema":`+test.schema+`}}},`+errorAnswers+`}}}}`,
				definitions)
			s := newService(t, doc, contract.Options{Formats: formats}, noContent)
			check := func(value string, want []string) {
				t.Helper()
				s.do(request("POST", "/", value, "Content-Type: application/json"))
				if got := keywords(s.requestViolations(t)); !slices.Equal(got, want) {
					t.Errorf("request %s: %q, want %q", value, got, want)
				}
				if strings.Contains(test.schema, "readOnly") {
					return
				}
				s.handler = blob(http.StatusOK, "application/json", value)
				s.do(request("PUT", "/", ""))
				if got := keywords(s.responseViolations()); !slices.Equal(got, want) {
					t.Errorf("response %s: %q, want %q", value, got, want)
				}
				s.handler = noContent
			}
			for _, value := range test.right {
				check(value, nil)
			}
			for value, want := range test.wrong {
				check(value, strings.Fields(want))
			}
		})
	}
}

func keywords(violations []contract.Violation) []string {
	var found []string
	for _, v := range violations {
		found = append(found, v.Keyword)
	}
	return found
}
