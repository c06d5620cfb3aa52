package contract

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// report collects the violations of a value while a validation passes over it.
type report struct {
	in, name string
	path     []step // to the schema that is applied
	found    []found
}

// step leads from a schema to one within it.
type step struct {
	kind     stepKind
	offset   int    // of the schema in the document
	n        int    // number of the member or item
	name     string // of the member
	declared bool   // the document has the name
}

type stepKind uint8

const (
	toItself stepKind = iota // the schema is about the same value
	toItem
	toMember
)

// found is a violation and what sorts it: for each step the offset of the schema and the number in the value, and the offset
// of the keyword.
type found struct {
	Violation
	order []int
}

// collect returns the violations of a text that is not valid, in the order of the document.
func (s *schema) collect(data []byte, in, name string) []Violation {
	v := validation{text: readOnly(data), report: &report{in: in, name: name}}
	end := 0
	if err := inTime(func() { end = v.value(s, 0, nil) }); err != nil {
		v.report.found = append(v.report.found, found{gaveUp(in, name, err), nil})
	} else if !utf8.Valid(data) || !v.isWhole(end) {
		return []Violation{undecodable(in, name, "Input should be valid JSON", syntaxError(data))}
	}
	slices.SortStableFunc(v.report.found, func(a, b found) int { return slices.Compare(a.order, b.order) })
	violations := make([]Violation, len(v.report.found))
	for i, f := range v.report.found {
		violations[i] = f.Violation
	}
	return violations
}

// isWhole reports whether the text is one JSON value, after a pass with a report that returned end. Such a pass continues
// after a violation. It stops where the text is not JSON, and also when there are enough violations: then the rest of the
// text has to be read, too.
func (v *validation) isWhole(end int) bool {
	if end == 0 && len(v.report.found) >= maxViolations {
		end = (&validation{text: v.text}).skip(0)
	}
	return end > 0 && v.space(end) == len(v.text)
}

// within reads a value by a schema within the one that is applied.
func (v *validation) within(p part, to step, start int, seen *evaluated) int {
	if v.report == nil {
		return v.value(p.schema, start, seen)
	}
	to.offset = p.offset
	v.report.path = append(v.report.path, to)
	end := v.value(p.schema, start, seen)
	v.report.path = v.report.path[:len(v.report.path)-1]
	return end
}

// add adds a violation of a keyword. It reports whether there is room for more.
func (r *report) add(s *schema, v Violation) bool {
	pointer, place := make([]byte, 0, 128), make([]byte, 0, 128)
	order := make([]int, 0, 2*len(r.path)+1)
	for _, to := range r.path {
		order = append(order, to.offset, to.n)
		switch to.kind {
		case toItem:
			pointer = strconv.AppendInt(append(pointer, '/'), int64(to.n), 10)
			place = strconv.AppendInt(append(place, '/'), int64(to.n), 10)
		case toMember:
			token := escapeToken(to.name)
			pointer = append(append(pointer, '/'), token...)
			if !to.declared {
				token = "*"
			}
			place = append(append(place, '/'), token...)
		}
	}
	v.In, v.Name, v.Pointer, v.Place = r.in, r.name, string(pointer), string(place)
	if len(r.found) == 8 { // there are probably many
		r.found = slices.Grow(r.found, maxViolations)
	}
	r.found = append(r.found, found{v, append(order, s.node.offsetOf(v.Keyword))})
	return len(r.found) < maxViolations
}

// offsetOf returns where a keyword stands in the document.
func (o *node) offsetOf(keyword string) int {
	if i := o.find(keyword); i >= 0 {
		return o.members[i].offset
	}
	return o.offset
}

// fail is called for each violation of a keyword of s, with the offset up to which the text has been read. It returns
// whether to go on.
func (v *validation) fail(s *schema, keyword string, at int) bool {
	v.stopped = at
	if keyword == "type" { // a value of the wrong type is none of the permitted ones, and to name those helps more
		switch {
		case s.enum != nil:
			keyword = "enum"
		case s.constant != nil:
			keyword = "const"
		}
	}
	return v.report != nil && v.report.add(s, Violation{Keyword: keyword, Message: message(s, keyword)})
}

// failAt is fail for a member of the value.
func (v *validation) failAt(s *schema, keyword, member string, at int) bool {
	if v.report == nil {
		return v.fail(s, keyword, at)
	}
	v.report.path = append(v.report.path, step{
		kind: toMember, offset: s.node.offsetOf(keyword), name: member,
		declared: keyword != "additionalProperties" && keyword != "propertyNames",
	})
	goOn := v.fail(s, keyword, at)
	v.report.path = v.report.path[:len(v.report.path)-1]
	return goOn
}

func (v *validation) failFormat(s *schema, format string, err error, at int) bool {
	v.stopped = at
	return v.report != nil && v.report.add(s, Violation{
		Keyword: "format", Format: format, Message: "Input should be a valid " + format, Err: err,
	})
}

// messages are the messages of keywords that do not depend on the value of the keyword.
var messages = map[string]string{
	"const": "Input should be one of the permitted values", "enum": "Input should be one of the permitted values",
	"anyOf": "Input should fit one of the alternatives", "oneOf": "Input should fit one of the alternatives",
	"not": "Input is not permitted here", "false": "Input is not permitted here",
	"pattern": "String should match the declared pattern", "uniqueItems": "List should not have equal items",
	"contains":             "List should have more items of the declared kind",
	"minContains":          "List should have more items of the declared kind",
	"maxContains":          "List should have fewer items of the declared kind",
	"additionalProperties": "Extra inputs are not permitted", "required": "Field required",
	"dependentRequired": "Field required", "propertyNames": "Object should not have a member of this name",
}

// limits are the beginnings of the messages of the other keywords. count is for those that end with a number of things.
var limits = map[string]struct{ text, thing string }{
	"minLength": {"String should have at least ", "character"}, "maxLength": {"String should have at most ", "character"},
	"minItems": {"List should have at least ", "item"}, "maxItems": {"List should have at most ", "item"},
	"minProperties": {"Object should have at least ", "member"}, "maxProperties": {"Object should have at most ", "member"},
	"minimum":          {"Input should be greater than or equal to ", ""},
	"maximum":          {"Input should be less than or equal to ", ""},
	"exclusiveMinimum": {"Input should be greater than ", ""},
	"exclusiveMaximum": {"Input should be less than ", ""},
	"multipleOf":       {"Input should be a multiple of ", ""},
}

// message describes what a keyword of s wants. It never contains the value.
func message(s *schema, keyword string) string {
	if text := messages[keyword]; text != "" {
		return text
	}
	value, _ := s.node.get(keyword)
	if limit, ok := limits[keyword]; ok {
		text := limit.text + string(appendJSON(nil, value))
		switch {
		case limit.thing == "":
			return text
		case value == json.Number("1"):
			return text + " " + limit.thing
		}
		return text + " " + limit.thing + "s"
	}
	names, ok := value.([]any)
	if !ok {
		names = []any{value}
	}
	return typeMessage(names)
}

func typeMessage(types []any) string {
	names := make([]string, len(types))
	for i, t := range types {
		switch t {
		case "object", "integer", "array":
			names[i] = "an " + t.(string)
		case "null":
			names[i] = "null"
		default:
			names[i] = "a " + t.(string)
		}
	}
	return "Input should be " + strings.Join(names, " or ")
}
