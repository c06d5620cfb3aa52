package contract_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator draws documents, requests and responses, out of what stock kin-openapi and this package have to agree on.
// The rest is in the table of differences.
type generator struct{ *rand.Rand }

type obj = map[string]any

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 1))} }

func (g generator) maybe(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g generator, items ...T) T { return items[g.IntN(len(items))] }

var (
	propertyNames = []string{"a", "b", "c", "x-d", "ü"}
	texts         = []string{"", "a", "ab", "abc", "äöü", "2020-02-03", "2020-02-03T04:05:06Z", "0", "x\ny", "😀😀"}
	patterns      = []string{"^a", "b$", "^[a-c]*$", "^.{2}$", "ö"}
	numbers       = []any{0, 1, 2, 3, 5, 10, -1, 1.5, 2.25, 100000}
	refs          = []string{"R0", "R1", "R2"}
)

func (g generator) number() any { return pick(g, numbers...) }

// schema draws any schema of JSON Schema 2020-12.
func (g generator) schema(depth int) any {
	if depth <= 0 || g.maybe(40) {
		return g.primitive()
	}
	switch g.IntN(14) {
	case 0, 1, 2, 3:
		return g.object(depth)
	case 4, 5:
		return g.array(depth)
	case 6:
		return obj{pick(g, "anyOf", "oneOf", "allOf"): []any{g.schema(depth - 1), g.schema(depth - 1)}}
	case 7:
		return obj{"not": g.schema(depth - 1)}
	case 8:
		return obj{"if": g.schema(depth - 1), "then": g.schema(depth - 1), "else": g.schema(depth - 1)}
	case 9:
		return obj{"const": g.value(depth-1, false)}
	case 10:
		return obj{"enum": []any{g.value(depth-1, true), g.value(0, true), nil}}
	case 11:
		s := obj{"$ref": "#/components/schemas/" + pick(g, refs...)}
		if g.maybe(30) {
			s["minLength"], s["minimum"], s["minProperties"] = 1, 1, 1
		}
		return s
	case 12:
		return pick[any](g, true, true, false)
	}
	return obj{}
}

func (g generator) primitive() obj {
	s := obj{}
	switch g.IntN(7) {
	case 0, 1, 2:
		s["type"] = "string"
		g.sometimes(s, 25, "minLength", g.IntN(3))
		g.sometimes(s, 25, "maxLength", 1+g.IntN(3))
		g.sometimes(s, 15, "pattern", pick(g, patterns...))
		g.sometimes(s, 20, "format", pick(g, "date", "date-time", "byte", "uuid", "email", "unheard-of"))
		g.sometimes(s, 10, "enum", []any{"a", "ab", "äöü"})
	case 3:
		s["type"] = "integer"
		g.sometimes(s, 30, "format", pick(g, "int32", "int64"))
		g.bounds(s)
	case 4:
		s["type"] = "number"
		g.bounds(s)
	case 5:
		s["type"] = "boolean"
	case 6:
		s["type"] = pick[any](g, "null", []any{"string", "null"}, []any{"integer", "boolean"}, []any{"object", "array"})
	}
	return s
}

func (g generator) sometimes(s obj, percent int, keyword string, value any) {
	if g.maybe(percent) {
		s[keyword] = value
	}
}

func (g generator) bounds(s obj) {
	g.sometimes(s, 25, pick(g, "minimum", "exclusiveMinimum"), g.number())
	g.sometimes(s, 25, pick(g, "maximum", "exclusiveMaximum"), g.number())
	g.sometimes(s, 10, "multipleOf", pick[any](g, 1, 2, 0.5))
}

func (g generator) object(depth int) obj {
	properties := obj{}
	for range g.IntN(4) {
		properties[pick(g, propertyNames...)] = g.schema(depth - 1)
	}
	s := obj{"properties": properties}
	g.sometimes(s, 80, "type", "object")
	g.sometimes(s, 40, "required", []any{pick(g, propertyNames...)})
	if g.maybe(40) {
		s["additionalProperties"] = pick(g, any(false), any(true), g.schema(depth-1))
	}
	if g.maybe(10) {
		s["patternProperties"] = obj{"^x-": g.schema(depth - 1)}
	}
	g.sometimes(s, 10, "minProperties", g.IntN(3))
	g.sometimes(s, 10, "maxProperties", g.IntN(3))
	if g.maybe(10) {
		s["propertyNames"] = obj{"maxLength": 1}
	}
	g.sometimes(s, 10, "dependentRequired", obj{"a": []any{"b"}})
	if g.maybe(10) {
		s["unevaluatedProperties"] = g.schema(depth - 1)
	}
	return s
}

func (g generator) array(depth int) obj {
	s := obj{"items": g.schema(depth - 1)}
	g.sometimes(s, 80, "type", "array")
	g.sometimes(s, 20, "minItems", g.IntN(3))
	g.sometimes(s, 20, "maxItems", g.IntN(3))
	g.sometimes(s, 20, "uniqueItems", true)
	if g.maybe(20) {
		s["prefixItems"] = []any{g.schema(depth - 1), g.schema(depth - 1)}
	}
	if g.maybe(20) {
		s["contains"] = g.schema(depth - 1)
		g.sometimes(s, 30, "minContains", g.IntN(3))
	}
	return s
}

// value draws a JSON value.
func (g generator) value(depth int, null bool) any {
	n := 8
	if depth <= 0 {
		n = 5
	}
	switch g.IntN(n) {
	case 0, 1:
		return pick(g, texts...)
	case 2:
		return g.number()
	case 3:
		return g.maybe(50)
	case 4:
		if null {
			return nil
		}
		return 7
	case 5:
		list := []any{}
		for range g.IntN(4) {
			list = append(list, g.value(depth-1, true))
		}
		return list
	}
	o := obj{}
	for range g.IntN(4) {
		o[pick(g, propertyNames...)] = g.value(depth-1, true)
	}
	return o
}

// fitting draws a value that has a good chance to fit the schema.
func (g generator) fitting(schema any, components obj, depth int) any {
	s, ok := schema.(obj)
	if !ok || depth <= 0 || g.maybe(12) {
		return g.value(2, true)
	}
	if ref, ok := s["$ref"].(string); ok {
		return g.fitting(components[ref[strings.LastIndexByte(ref, '/')+1:]], components, depth-1)
	}
	for _, keyword := range []string{"anyOf", "oneOf", "allOf"} {
		if parts, ok := s[keyword].([]any); ok {
			return g.fitting(pick(g, parts...), components, depth-1)
		}
	}
	if enum, ok := s["enum"].([]any); ok {
		return pick(g, enum...)
	}
	if constant, ok := s["const"]; ok {
		return constant
	}
	if part, ok := s["then"]; ok {
		return g.fitting(part, components, depth-1)
	}
	switch s["type"] {
	case "string":
		return pick(g, texts...)
	case "integer":
		return pick[any](g, 0, 1, 2, 3, 5, 10)
	case "number":
		return g.number()
	case "boolean":
		return g.maybe(50)
	case "null":
		return nil
	}
	if _, ok := s["items"]; ok {
		list := []any{}
		prefix, _ := s["prefixItems"].([]any)
		for i := range g.IntN(4) {
			item := s["items"]
			if i < len(prefix) {
				item = prefix[i]
			}
			list = append(list, g.fitting(item, components, depth-1))
		}
		return list
	}
	if properties, ok := s["properties"].(obj); ok {
		o := obj{}
		required, _ := s["required"].([]any)
		for _, name := range propertyNames { // in one order, for one seed to draw one value
			if property, ok := properties[name]; ok && (g.maybe(60) || len(required) > 0 && required[0] == name) {
				o[name] = g.fitting(property, components, depth-1)
			}
		}
		if len(required) > 0 && g.maybe(80) && o[required[0].(string)] == nil {
			o[required[0].(string)] = g.value(1, true)
		}
		return o
	}
	return g.value(2, true)
}

// parameterSchema draws one that kin-openapi can decode.
func (g generator) parameterSchema() obj {
	typed := func() obj {
		for {
			if s := g.primitive(); s["type"] != "null" {
				if _, ok := s["type"].(string); ok {
					return s
				}
			}
		}
	}
	switch g.IntN(6) {
	case 0:
		s := obj{"type": "array", "items": typed()}
		g.sometimes(s, 50, "maxItems", g.IntN(3))
		g.sometimes(s, 30, "uniqueItems", true)
		return s
	case 1:
		s := obj{"type": "object", "properties": obj{"a": typed(), "b": typed()}}
		g.sometimes(s, 50, "required", []any{"a"})
		return s
	case 2:
		one, other := typed(), typed()
		for other["type"] != one["type"] { // of different types, kin-openapi decodes by one of them only
			other = typed()
		}
		return obj{pick(g, "anyOf", "oneOf", "allOf"): []any{one, other}}
	}
	s := typed()
	if s["type"] == "integer" && g.maybe(20) {
		s["default"] = 2
		delete(s, "minimum")
		delete(s, "maximum")
		delete(s, "exclusiveMinimum")
		delete(s, "exclusiveMaximum")
		delete(s, "multipleOf")
	}
	return s
}

var styles = map[string][]obj{
	"path": {{}, {"explode": true}, {"style": "label"}, {"style": "label", "explode": true}, {"style": "matrix"},
		{"style": "matrix", "explode": true}},
	"query":  {{}, {"explode": false}, {"style": "spaceDelimited", "explode": false}, {"style": "pipeDelimited", "explode": false}, {"style": "deepObject", "explode": true}},
	"header": {{}, {"explode": true}},
	"cookie": {{}, {"explode": false}},
}

func (g generator) parameter(in, name string) obj {
	p := obj{"name": name, "in": in}
	for keyword, value := range pick(g, styles[in]...) {
		p[keyword] = value
	}
	if in == "path" || g.maybe(30) {
		p["required"] = true
	}
	g.sometimes(p, 10, "allowEmptyValue", in == "query")
	schema := g.parameterSchema()
	if in == "query" && g.maybe(10) {
		delete(p, "style")
		delete(p, "explode")
		p["content"] = obj{"application/json": obj{"schema": g.object(2)}}
		return p
	}
	style, _ := p["style"].(string)
	if style != "" && in == "query" { // those are for one kind of schema only
		schema = obj{"type": "array", "items": obj{"type": "integer"}, "maxItems": 2}
		if style == "deepObject" {
			schema = obj{"type": "object", "properties": obj{"a": obj{"type": "integer", "maximum": 5}, "b": obj{"type": "string"}}}
		}
	}
	p["schema"] = schema
	return p
}

// raw draws the text of a parameter.
func (g generator) raw(name string) string {
	return pick(g, "1", "5", "2", "abc", "a", "ab", "äöü", "true", "1.5", "1,2", "1,2,3", "a,b", "a,1,b,ab", "a=1,b=ab", "a=1", ".1", ".1.2", ".1,2",
		".a=1.b=a", ";"+name+"=1", ";"+name+"=1,2", ";a=1;b=ab", ";"+name+"=1;"+name+"=2", "1|2", "1 2", "2020-02-03", `{"a":1}`, "null", "")
}

// sent draws the text of a parameter by its schema and style.
func (g generator) sent(p obj) string {
	name := p["name"].(string)
	if g.maybe(10) {
		return g.raw(name)
	}
	schema, _ := p["schema"].(obj)
	if p["content"] != nil || schema == nil {
		return pick(g, `{}`, `{"a":1}`, `{"a":"a"}`, `{"a":"ab","b":1,"c":null}`)
	}
	for _, keyword := range []string{"anyOf", "oneOf", "allOf"} {
		if parts, ok := schema[keyword].([]any); ok {
			schema = pick(g, parts...).(obj)
		}
	}
	style, _ := p["style"].(string)
	explode, _ := p["explode"].(bool)
	prefix, comma := "", ","
	switch style {
	case "label":
		prefix = "."
		if explode {
			comma = "."
		}
	case "matrix":
		prefix = ";" + name + "="
		if explode {
			comma = ";" + name + "="
		}
	case "spaceDelimited":
		comma = " "
	case "pipeDelimited":
		comma = "|"
	}
	switch schema["type"] {
	case "array":
		var items []string
		for range 1 + g.IntN(2) {
			items = append(items, g.primitiveText(schema["items"].(obj)))
		}
		return prefix + strings.Join(items, comma)
	case "object":
		properties := schema["properties"].(obj)
		a, b := g.primitiveText(properties["a"].(obj)), g.primitiveText(properties["b"].(obj))
		switch {
		case style == "matrix" && explode:
			return ";a=" + a + ";b=" + b
		case explode:
			return prefix + "a=" + a + comma + "b=" + b
		}
		return prefix + "a," + a + ",b," + b
	}
	return prefix + g.primitiveText(schema)
}

func (g generator) primitiveText(schema obj) string {
	if enum, ok := schema["enum"].([]any); ok {
		return pick(g, enum...).(string)
	}
	switch schema["type"] {
	case "integer":
		return pick(g, "0", "1", "2", "5", "10")
	case "number":
		return pick(g, "1", "1.5", "2", "10")
	case "boolean":
		return pick(g, "true", "false")
	}
	switch schema["format"] {
	case "date":
		return "2020-02-03"
	case "date-time":
		return "2020-02-03T04:05:06Z"
	}
	return pick(g, "a", "ab", "abc", "äöü")
}

// document draws a document with POST /r/{p}, and gives its parts for drawing values.
func (g generator) document() (doc, operation, components obj) {
	components = obj{}
	for _, name := range refs {
		// Without a keyword of 2020-12, like $defs, stock kin-openapi walks schemas with references by the rules of 3.0.
		s := g.object(2)
		s["$defs"] = obj{"unused": true}
		components[name] = s
	}
	parameters := []any{g.parameter("path", "p")}
	for i, in := range []string{"query", "query", "header", "cookie"} {
		if g.maybe(25) {
			parameters = append(parameters, g.parameter(in, fmt.Sprintf("%s%d", in[:1], i)))
		}
	}
	body := obj{"application/json": obj{"schema": g.schema(3)}}
	if g.maybe(30) {
		body["application/x-www-form-urlencoded"] = obj{"schema": obj{"type": "object", "required": []any{"a"}, "properties": obj{
			"a": obj{"type": "integer", "maximum": 5}, "b": obj{"type": "array", "items": obj{"type": "string", "minLength": 1}}}}}
	}
	if g.maybe(30) {
		body["text/plain"] = obj{"schema": obj{"type": "string", "maxLength": 2}}
	}
	if g.maybe(20) {
		body["application/*"] = obj{"schema": obj{"type": "object"}}
	}
	answer := obj{"schema": g.schema(3)}
	responses := obj{
		"200": obj{"description": "", "content": obj{"application/json": answer}, "headers": obj{
			"X-A": obj{"required": g.maybe(30), "schema": g.parameterSchema()},
			"X-B": obj{"schema": obj{"type": "integer", "maximum": 5}}}},
		"4XX": obj{"description": "", "content": obj{"application/*": obj{"schema": g.schema(2)}}},
	}
	if g.maybe(30) {
		responses["default"] = obj{"description": "", "content": obj{"application/json": obj{"schema": g.schema(1)}}}
	}
	operation = obj{
		"parameters":  parameters,
		"requestBody": obj{"required": g.maybe(50), "content": body},
		"responses":   responses,
	}
	doc = obj{
		"openapi": "3.1.0", "info": obj{"title": "t", "version": "1"},
		"paths":      obj{"/r/{p}": obj{"post": operation}},
		"components": obj{"schemas": components},
	}
	return doc, operation, components
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}
