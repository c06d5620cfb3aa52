package contract

import (
	"slices"
	"strings"
)

// failAlternatives is called when the value at an offset fits none of the schemas of anyOf or oneOf. It reports as little
// as tells the client what to change: the violations of the one schema that the value is meant to fit, by its type, by the
// member that tells the schemas apart, or because it has the fewest violations. If no schema stands out, it reports one
// violation: that the value fits none.
func (v *validation) failAlternatives(s *schema, keyword string, alternatives []part, start int) bool {
	if v.report == nil {
		return v.fail(s, keyword, start)
	}
	end := v.skip(start)
	if end == 0 { // the value is not JSON
		return false
	}
	k := kindOf[v.text[start]]
	meant := keep(alternatives, func(p part) bool { return p.kinds(0)&k != 0 })
	if len(meant) == 0 {
		// A client that sends a value does not mean null.
		meant = keep(alternatives, func(p part) bool { return p.kinds(0)&^null != 0 })
		if len(meant) != 1 {
			return v.failType(s, meant)
		}
	}
	if len(meant) > 1 && k == object {
		var failed, more bool
		if meant, failed, more = v.byTag(s, meant, start); failed {
			return more
		}
	}
	// Nested alternatives would visit the same bytes again and again. What this visits is bounded by the size of the text.
	v.explored += len(meant) * (end - start)
	if v.explored > 1<<16+4*len(v.text) {
		return v.fail(s, keyword, start)
	}
	if len(meant) == 1 {
		return v.within(meant[0], step{}, start, nil) > 0
	}
	best := v.try(meant[0], start)
	unique := len(best) > 0
	for _, p := range meant[1:] {
		switch found := v.try(p, start); {
		case len(found) < len(best):
			best, unique = found, len(found) > 0
		case len(found) == len(best):
			unique = false
		}
	}
	if !unique {
		return v.fail(s, keyword, start)
	}
	v.report.found = append(v.report.found, best...)
	return len(v.report.found) < maxViolations
}

func keep(parts []part, wanted func(part) bool) []part {
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !wanted(p) })
}

// try returns the violations of the value at an offset by one schema.
func (v *validation) try(p part, start int) []found {
	outer, depth := v.report, v.depth
	v.report = &report{in: outer.in, name: outer.name, path: slices.Clone(outer.path)}
	v.within(p, step{}, start, nil)
	tried := v.report.found
	v.report, v.depth = outer, depth
	return tried
}

// maxNesting limits how many schemas are followed that apply to the same value.
const maxNesting = 8

// kinds returns the types that the values of a schema can have, as far as its own keywords and allOf tell.
func (s *schema) kinds(nesting int) kinds {
	if s.never {
		return 0
	}
	possible := s.types
	for _, values := range []*enumeration{s.constant, s.enum} {
		if values == nil {
			continue
		}
		var listed kinds
		for _, value := range values.list {
			listed |= kindOf[value[0]]
		}
		possible &= listed
	}
	for i := 0; i < len(s.allOf) && nesting < maxNesting; i++ {
		possible &= s.allOf[i].kinds(nesting + 1)
	}
	return possible
}

// failType reports that a value has none of the types of the alternatives.
func (v *validation) failType(s *schema, alternatives []part) bool {
	possible := kinds(0)
	for _, p := range alternatives {
		possible |= p.kinds(0)
	}
	if possible&number != 0 {
		possible &^= integer
	}
	var names []any
	for _, name := range []string{"string", "number", "integer", "boolean", "array", "object"} {
		if kind := kindNamed[name]; possible&kind != 0 && (name != "number" || possible&number != 0) {
			names = append(names, name)
		}
	}
	if names == nil {
		names = []any{"null"}
	}
	return v.report.add(s, Violation{Keyword: "type", Message: typeMessage(names)})
}

// byTag returns the alternatives that the object at an offset names by its tag: the member that the discriminator of s
// tells, or members for which every alternative permits certain values only. If the object names none, failed is true, and
// the reason is reported.
func (v *validation) byTag(s *schema, meant []part, start int) (rest []part, failed, more bool) {
	discriminator := s.node.object("discriminator")
	var names []string
	if discriminator != nil {
		names = append(names, discriminator.text("propertyName"))
	}
	for _, p := range meant[0].properties {
		if !slices.ContainsFunc(meant, func(other part) bool { return !other.property(p.name, 0).isTag() }) {
			names = append(names, p.name)
		}
	}
	for i, name := range names {
		value := v.memberOf(start, name)
		if value == "" {
			if !slices.ContainsFunc(meant, func(p part) bool { return !p.requires(name, 0) }) {
				return nil, true, v.failAt(s, "required", name, start)
			}
			continue
		}
		named := keep(meant, func(p part) bool {
			property := p.property(name, 0)
			if i == 0 && discriminator != nil && !property.isTag() {
				return p.isNamed(discriminator, value)
			}
			return (property.constant == nil || property.constant.contains(value)) && (property.enum == nil || property.enum.contains(value))
		})
		switch len(named) {
		case 0:
			return nil, true, v.failAt(s, "enum", name, start)
		case 1:
			return named, false, true
		}
		meant = named
	}
	return meant, false, true
}

// isTag reports whether a schema permits certain values only.
func (s *schema) isTag() bool { return s != nil && (s.constant != nil || s.enum != nil) }

// isNamed reports whether a discriminator means p by a value: by its mapping, or by the name of the schema.
func (p part) isNamed(discriminator *node, value string) bool {
	value = unescape(strings.Trim(value, `"`))
	if mapping := discriminator.object("mapping"); mapping != nil {
		if target := mapping.text(value); target != "" {
			return target == reference(p.node.pointer)
		}
	}
	tokens := splitPointer(p.node.pointer)
	return len(tokens) > 0 && tokens[len(tokens)-1] == value
}

// property returns the schema of a member of the objects that s describes, nil if it does not name the member.
func (s *schema) property(name string, nesting int) *schema {
	if i := s.find(name); i >= 0 && s.properties[i].schema != nil {
		return s.properties[i].schema
	}
	for i := 0; i < len(s.allOf) && nesting < maxNesting; i++ {
		if found := s.allOf[i].property(name, nesting+1); found != nil {
			return found
		}
	}
	return nil
}

// requires reports whether s requires a member.
func (s *schema) requires(name string, nesting int) bool {
	if i := s.find(name); i >= 0 && slices.Contains(s.required, i) {
		return true
	}
	return nesting < maxNesting && slices.ContainsFunc(s.allOf, func(p part) bool { return p.requires(name, nesting+1) })
}

// memberOf returns the value of a member of the object at an offset, "" if there is none.
func (v *validation) memberOf(start int, name string) string {
	scan := validation{text: v.text}
	for b, at := byte(','), start; b == ','; {
		member, value := scan.name(at + 1)
		if value == 0 { // the object is empty
			break
		}
		_, value = scan.peek(value)
		end := scan.skip(value)
		if member == name {
			return string(scan.text[value:end])
		}
		b, at = scan.peek(end)
	}
	return ""
}
