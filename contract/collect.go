package contract

import (
	"encoding/json"
	"slices"
	"strings"
)

// report collects the violations of a value while a validation passes over it.
type report struct {
	in, name string
	pointer  []byte // of the value that is visited
	place    []byte // the same without names that the document does not declare
	order    []int  // where the schema that is applied stands: for each step offset in the document and number in the value
	found    []found
}

// found is a violation and what sorts it: the order of its schema and the offset of its keyword.
type found struct {
	Violation
	order []int
}

// collect returns the violations of JSON text, in the order of the document.
func (s *schema) collect(data text, in, name string) []Violation {
	r := &report{in: in, name: name}
	v := validation{text: data, report: r}
	if err := inTime(func() { v.value(s, 0, nil) }); err != nil {
		r.found = append(r.found, found{gaveUp(in, name, err), nil})
	}
	slices.SortStableFunc(r.found, func(a, b found) int { return slices.Compare(a.order, b.order) })
	violations := make([]Violation, len(r.found))
	for i, f := range r.found {
		violations[i] = f.Violation
	}
	return violations
}

// mark is what enter changes and leave restores.
type mark struct{ pointer, place, order int }

// enter moves on to a schema at an offset in the document, for the number n of the members or items of the value.
func (r *report) enter(offset, n int) mark {
	m := mark{len(r.pointer), len(r.place), len(r.order)}
	r.order = append(r.order, offset, n)
	return m
}

func (r *report) leave(m mark) {
	r.pointer, r.place, r.order = r.pointer[:m.pointer], r.place[:m.place], r.order[:m.order]
}

// step moves on to a member or an item of the value.
func (r *report) step(token string, declared bool) {
	r.pointer = append(append(r.pointer, '/'), token...)
	if !declared {
		token = "*"
	}
	r.place = append(append(r.place, '/'), token...)
}

// add adds a violation of a keyword. It reports whether there is room for more.
func (r *report) add(s *schema, v Violation) bool {
	v.In, v.Name, v.Pointer, v.Place = r.in, r.name, string(r.pointer), string(r.place)
	r.found = append(r.found, found{v, append(slices.Clip(slices.Clone(r.order)), s.node.offsetOf(v.Keyword))})
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
	defer v.report.leave(v.report.enter(s.node.offsetOf(keyword), 0))
	v.report.step(escapeToken(member), keyword != "additionalProperties" && keyword != "propertyNames")
	return v.fail(s, keyword, at)
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
