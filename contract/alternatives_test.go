package contract_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/contract"
)

// The schemas are as FastAPI 0.165 writes them for the types in the comments. For null and one other type pydantic 2.14 has
// the same violations. Where several types are left, pydantic lists those of each, under its name, and this package those of
// the one that is meant.
func TestAlternatives(t *testing.T) {
	const components = `"components":{"schemas":{
		"Color":{"type":"string","enum":["red","blue"]},
		"Cat":{"type":"object","properties":{"kind":{"type":"string","const":"cat"},"lives":{"type":"integer"}},"required":["kind","lives"]},
		"Dog":{"type":"object","properties":{"kind":{"type":"string","const":"dog"},"name":{"type":"string"},"age":{"type":"integer"}},"required":["kind","name","age"]},
		"Person":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"]},
		"Post":{"type":"object","properties":{"title":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}}},"required":["title","tags"]},
		"Car":{"allOf":[{"$ref":"#/components/schemas/Vehicle"},{"properties":{"doors":{"type":"integer"}},"required":["doors"]}]},
		"Bike":{"allOf":[{"$ref":"#/components/schemas/Vehicle"},{"properties":{"gears":{"type":"integer"}},"required":["gears"]}]},
		"Vehicle":{"type":"object","properties":{"type":{"type":"string"}},"required":["type"]}}}`
	const cat, dog, person, post, null = `{"$ref":"#/components/schemas/Cat"}`, `{"$ref":"#/components/schemas/Dog"}`, `{"$ref":"#/components/schemas/Person"}`, `{"$ref":"#/components/schemas/Post"}`, `{"type":"null"}`
	for _, test := range []struct {
		schema string
		want   map[string]string // by value: pointer, keyword and message of the violations, one a line
	}{
		// Color | None
		{`{"anyOf":[{"$ref":"#/components/schemas/Color"},` + null + `]}`, map[string]string{
			`"green"`: ` enum Input should be one of the permitted values`,
			`7`:       ` enum Input should be one of the permitted values`,
		}},
		// Literal["auto"] | None
		{`{"anyOf":[{"type":"string","const":"auto"},` + null + `]}`, map[string]string{
			`7`: ` const Input should be one of the permitted values`,
		}},
		// Annotated[int, Field(ge=1, le=10)] | None
		{`{"anyOf":[{"type":"integer","maximum":10.0,"minimum":1.0},` + null + `]}`, map[string]string{
			`11`: ` maximum Input should be less than or equal to 10.0`, `1.5`: ` type Input should be an integer`, `"x"`: ` type Input should be an integer`,
		}},
		// UUID | None
		{`{"anyOf":[{"type":"string","format":"uuid"},` + null + `]}`, map[string]string{
			`"nope"`: ` format Input should be a valid uuid`, `7`: ` type Input should be a string`,
		}},
		// Person | None
		{`{"anyOf":[` + person + `,` + null + `]}`, map[string]string{
			`{"name":1}`: "/name type Input should be a string\n/age required Field required", `"s"`: ` type Input should be an object`,
		}},
		// list[Color | None] | None
		{`{"anyOf":[{"items":{"anyOf":[{"$ref":"#/components/schemas/Color"},` + null + `]},"type":"array"},` + null + `]}`, map[string]string{
			`["red",null,"x"]`: `/2 enum Input should be one of the permitted values`, `"x"`: ` type Input should be an array`,
		}},
		// int | str
		{`{"anyOf":[{"type":"integer"},{"type":"string"}]}`, map[string]string{
			`1.5`: ` type Input should be an integer`, `[]`: ` type Input should be a string or an integer`, `null`: ` type Input should be a string or an integer`,
		}},
		// int | list[int]
		{`{"anyOf":[{"type":"integer"},{"items":{"type":"integer"},"type":"array"}]}`, map[string]string{
			`["a",1,"b"]`: "/0 type Input should be an integer\n/2 type Input should be an integer", `{}`: ` type Input should be an integer or an array`,
		}},
		// Person | str
		{`{"anyOf":[` + person + `,{"type":"string"}]}`, map[string]string{
			`{"name":1,"age":2}`: `/name type Input should be a string`, `7`: ` type Input should be a string or an object`,
		}},
		// Cat | Dog, without and with Field(discriminator="kind")
		{`{"anyOf":[` + cat + `,` + dog + `]}`, tagged},
		{`{"oneOf":[` + cat + `,` + dog + `],"discriminator":{"propertyName":"kind","mapping":{"cat":"#/components/schemas/Cat","dog":"#/components/schemas/Dog"}}}`, tagged},
		// Person | Post
		{`{"anyOf":[` + person + `,` + post + `]}`, map[string]string{
			`{"name":"n","age":"x"}`: `/age type Input should be an integer`, `{"title":"t"}`: `/tags required Field required`,
			`{"title":"t","tags":["a",1]}`: `/tags/1 type Input should be a string`, `{}`: ` anyOf Input should fit one of the alternatives`,
			`"s"`: ` type Input should be an object`,
		}},
		// date | datetime
		{`{"anyOf":[{"type":"string","format":"date"},{"type":"string","format":"date-time"}]}`, map[string]string{
			`"nope"`: ` anyOf Input should fit one of the alternatives`,
		}},
		// Not of FastAPI: a discriminator that names the schemas, by mapping or by name.
		{`{"oneOf":[{"$ref":"#/components/schemas/Car"},{"$ref":"#/components/schemas/Bike"}],"discriminator":{"propertyName":"type","mapping":{"b":"#/components/schemas/Bike"}}}`, map[string]string{
			`{"type":"b"}`: `/gears required Field required`, `{"type":"Car"}`: `/doors required Field required`,
			`{"type":"x"}`: `/type enum Input should be one of the permitted values`, `{"doors":1}`: `/type required Field required`,
		}},
	} {
		doc := document("3.1.0", `{"/":{"post":{"requestBody":{"required":true,"content":{"application/json":{"schema":`+test.schema+`}}},
			"responses":{"204":{"description":""},`+errorAnswers+`}}}}`, components)
		s := newService(t, doc, contract.Options{}, noContent)
		for value, want := range test.want {
			s.do(request("POST", "/", value, "Content-Type: application/json"))
			var lines []string
			for _, v := range s.requestViolations(t) {
				lines = append(lines, v.Pointer+" "+v.Keyword+" "+v.Message)
			}
			if got := strings.Join(lines, "\n"); got != want {
				t.Errorf("%s\n%s:\n%s\nwant\n%s", test.schema, value, got, want)
			}
		}
	}
}

var tagged = map[string]string{
	`{"kind":"dog","name":1}`:             "/name type Input should be a string\n/age required Field required",
	`{"kind":"dog","name":"n","age":"x"}`: `/age type Input should be an integer`,
	`{"kind":"cow"}`:                      `/kind enum Input should be one of the permitted values`,
	`{"name":"n"}`:                        `/kind required Field required`,
	`7`:                                   ` type Input should be an object`,
}

// The work on a value that fits none of many nested alternatives is bounded. Without a bound this would be 5^200 visits.
func TestNestedAlternatives(t *testing.T) {
	var alternatives []string
	for i := range 5 {
		alternatives = append(alternatives, fmt.Sprintf(`{"type":"object","properties":{"next":{"$ref":"#/components/schemas/Node"},"p%d":{}},"required":["next"]}`, i))
	}
	doc := document("3.1.0", `{"/":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Node"}}}},
		"responses":{"204":{"description":""},`+errorAnswers+`}}}}`,
		`"components":{"schemas":{"Node":{"anyOf":[{"type":"integer"},`+strings.Join(alternatives, ",")+`]}}}`)
	s := newService(t, doc, contract.Options{}, noContent)
	body := strings.Repeat(`{"next":`, 200) + `"wrong"` + strings.Repeat(`}`, 200)
	s.do(request("POST", "/", body, "Content-Type: application/json"))
	if violations := s.requestViolations(t); len(violations) != 1 {
		t.Errorf("violations %q", brief(violations))
	}
}
