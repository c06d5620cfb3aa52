package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp/syntax"
	"slices"
	"strings"
)

// drawer draws values from the schemas of a document. It knows what most documents say; whether a value is valid is for
// the validator to decide.
type drawer struct{ document map[string]any }

// deepest is how many schemas within each other are drawn. Below that only what is required is.
const deepest = 6

var texts = map[string]string{
	"uuid": "6f1c1b7e-5a0f-4c1e-9d5a-0d7b5a0f4c1e", "date-time": "2026-01-02T03:04:05Z", "date": "2026-01-02", "time": "03:04:05Z",
	"duration": "P1D", "email": "a@example.com", "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
	"uri": "https://example.com/a", "uri-reference": "/a", "url": "https://example.com/a", "byte": "YWJj", "decimal": "1.5", "char": "a", "http-date": "Fri, 02 Jan 2026 03:04:05 GMT", "regex": "a", "json-pointer": "/a",
}

// value returns a value for a schema, and false if it knows none.
func (d drawer) value(schema any, depth int) (any, bool) {
	s, ok := schema.(map[string]any)
	if !ok {
		return "any", schema != false
	}
	if depth > 4*deepest {
		return nil, false
	}
	if ref, ok := s["$ref"].(string); ok {
		return d.value(d.merge(s, d.resolve(ref), "$ref"), depth+1)
	}
	if value, ok := s["const"]; ok {
		return value, true
	}
	if values, ok := s["enum"].([]any); ok && len(values) > 0 {
		return values[0], true
	}
	if members, ok := s["allOf"].([]any); ok {
		merged := s
		for _, member := range members {
			if m, ok := member.(map[string]any); ok {
				if ref, ok := m["$ref"].(string); ok {
					member = d.merge(m, d.resolve(ref), "$ref")
				}
			}
			merged = d.merge(merged, member, "allOf")
		}
		return d.value(merged, depth+1)
	}
	for _, union := range []string{"oneOf", "anyOf"} {
		branches, _ := s[union].([]any)
		for _, branch := range branches {
			if branch == false {
				continue
			}
			if value, ok := d.value(d.merge(s, branch, union), depth+1); ok {
				return value, true
			}
		}
		if len(branches) > 0 {
			return nil, false
		}
	}
	switch kind := typeOf(s); kind {
	case "object":
		return d.object(s, depth)
	case "array":
		return d.array(s, depth)
	case "string":
		return d.text(s)
	case "integer", "number":
		return number(s, kind == "integer")
	case "boolean":
		return true, true
	case "null":
		return nil, true
	}
	return "any", true
}

func typeOf(s map[string]any) string {
	switch kind := s["type"].(type) {
	case string:
		return kind
	case []any:
		if len(kind) > 0 {
			name, _ := kind[0].(string)
			if name == "null" && len(kind) > 1 {
				name, _ = kind[1].(string)
			}
			return name
		}
	}
	switch {
	case s["properties"] != nil || s["required"] != nil:
		return "object"
	case s["items"] != nil:
		return "array"
	case s["pattern"] != nil || s["format"] != nil:
		return "string"
	}
	return ""
}

// merge returns one schema that says what both say, but for the keyword that joined them.
func (d drawer) merge(a map[string]any, b any, without string) map[string]any {
	merged := maps.Clone(a)
	delete(merged, without)
	other, ok := b.(map[string]any)
	if !ok {
		return merged
	}
	for name, value := range other {
		switch existing := merged[name].(type) {
		case map[string]any:
			if more, ok := value.(map[string]any); ok && name == "properties" {
				joined := maps.Clone(existing)
				maps.Copy(joined, more)
				value = joined
			}
		case []any:
			if more, ok := value.([]any); ok && (name == "required" || name == "allOf") {
				value = slices.Concat(existing, more)
			}
		}
		merged[name] = value
	}
	return merged
}

func (d drawer) resolve(ref string) any {
	var value any = d.document
	for token := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[token]
	}
	return value
}

func (d drawer) object(s map[string]any, depth int) (any, bool) {
	object := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	required := map[string]bool{}
	names, _ := s["required"].([]any)
	for _, name := range names {
		text, _ := name.(string)
		required[text] = true
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if depth > deepest && !required[name] {
			continue
		}
		if p, ok := properties[name].(map[string]any); ok && !required[name] && (p["readOnly"] == true || p["writeOnly"] == true) {
			continue
		}
		value, ok := d.value(properties[name], depth+1)
		if !ok && required[name] {
			return nil, false
		}
		if ok {
			object[name] = value
		}
	}
	for name := range required {
		if _, ok := properties[name]; !ok {
			value, ok := d.value(s["additionalProperties"], depth+1)
			if !ok {
				return nil, false
			}
			object[name] = value
		}
	}
	for i := len(object); i < int(limit(s, "minProperties", 0)); i++ {
		value, ok := d.value(s["additionalProperties"], depth+1)
		if !ok {
			return nil, false
		}
		object[fmt.Sprintf("more%d", i)] = value
	}
	return object, true
}

func (d drawer) array(s map[string]any, depth int) (any, bool) {
	array := []any{}
	prefix, _ := s["prefixItems"].([]any)
	for _, item := range prefix {
		value, ok := d.value(item, depth+1)
		if !ok {
			return nil, false
		}
		array = append(array, value)
	}
	least := int(limit(s, "minItems", 0))
	if least == 0 && depth <= deepest && len(prefix) == 0 && limit(s, "maxItems", 1) >= 1 {
		least = 1
	}
	for len(array) < least {
		value, ok := d.value(s["items"], depth+1)
		if !ok {
			return array, len(array) >= int(limit(s, "minItems", 0))
		}
		if s["uniqueItems"] == true && len(array) > 0 {
			return array, false
		}
		array = append(array, value)
	}
	return array, true
}

func (d drawer) text(s map[string]any) (any, bool) {
	if pattern, ok := s["pattern"].(string); ok {
		parsed, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			return nil, false
		}
		text := matching(parsed.Simplify())
		for len(text) < int(limit(s, "minLength", 0)) {
			return nil, false
		}
		return text, true
	}
	if format, ok := s["format"].(string); ok {
		if text, ok := texts[format]; ok {
			return text, true
		}
	}
	least, most := int(limit(s, "minLength", 0)), int(limit(s, "maxLength", math.MaxInt32))
	if least > 1<<16 {
		return nil, false
	}
	return strings.Repeat("a", max(least, min(3, most))), true
}

// matching returns a text that matches an expression, by its first alternative.
func matching(r *syntax.Regexp) string {
	switch r.Op {
	case syntax.OpLiteral:
		return string(r.Rune)
	case syntax.OpCharClass:
		for i := 0; i+1 < len(r.Rune); i += 2 { // a letter or digit, if there is one
			for _, c := range "a0A" {
				if c >= r.Rune[i] && c <= r.Rune[i+1] {
					return string(c)
				}
			}
		}
		if len(r.Rune) > 0 {
			return string(r.Rune[0])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "a"
	case syntax.OpCapture, syntax.OpPlus:
		return matching(r.Sub[0])
	case syntax.OpRepeat:
		return strings.Repeat(matching(r.Sub[0]), r.Min)
	case syntax.OpConcat:
		var text strings.Builder
		for _, sub := range r.Sub {
			text.WriteString(matching(sub))
		}
		return text.String()
	case syntax.OpAlternate:
		return matching(r.Sub[0])
	}
	return ""
}

func number(s map[string]any, integer bool) (any, bool) {
	value := 1.0
	if least := limit(s, "minimum", value); value < least {
		value = math.Ceil(least)
	}
	if least, ok := s["exclusiveMinimum"]; ok && value <= toFloat(least) {
		value = math.Floor(toFloat(least)) + 1
	}
	if most := limit(s, "maximum", value); value > most {
		value = most
	}
	if most, ok := s["exclusiveMaximum"]; ok && value >= toFloat(most) {
		value = toFloat(most) - 1
		if !integer {
			value = toFloat(most) / 2
		}
	}
	if step := limit(s, "multipleOf", 0); step > 0 {
		value = math.Ceil(value/step) * step
	}
	if integer {
		return json.Number(fmt.Sprintf("%.0f", value)), true
	}
	return json.Number(fmt.Sprint(value)), true
}

func limit(s map[string]any, name string, otherwise float64) float64 {
	if value, ok := s[name]; ok {
		return toFloat(value)
	}
	return otherwise
}

func toFloat(value any) float64 {
	n, _ := value.(json.Number)
	f, _ := n.Float64()
	return f
}

// breakings returns variants of a value with something else in one place each: first in the whole, then in its members.
func breakings(value any) []any {
	variants := []any{map[string]any{}, []any{map[string]any{}}, "\u0001", json.Number("-1.5"), true, nil}
	object, ok := value.(map[string]any)
	if !ok {
		return variants
	}
	var members []any
	for _, name := range slices.Sorted(maps.Keys(object)) {
		without := maps.Clone(object)
		delete(without, name)
		members = append(members, without)
		for _, other := range []any{[]any{map[string]any{}}, json.Number("-1.5")} {
			changed := maps.Clone(object)
			changed[name] = other
			members = append(members, changed)
		}
	}
	return append(members, variants...)
}

// formBreakings is breakings for a form, which has no types: each variant lacks a member, or has text in place of one that
// is none.
func formBreakings(object map[string]any) (variants []any) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		without := maps.Clone(object)
		delete(without, name)
		if len(without) > 0 {
			variants = append(variants, without)
		}
		changed := maps.Clone(object)
		changed[name] = "\u0001"
		if _, ok := object[name].([]any); ok {
			changed[name] = []any{"\u0001"}
		}
		variants = append(variants, changed)
	}
	return variants
}
