package contract

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// nameComponents moves what references lead to into components, where kin-openapi and the generator find it, and rewrites
// all references accordingly.
func (r *reader) nameComponents() {
	components := r.root.object("components")
	if components == nil {
		components = &node{pointer: "/components", kind: "components", offset: r.root.offset}
	}
	r.named = make(map[*node]string)
	taken := make(map[string]int)
	for _, m := range components.members {
		section, ok := m.value.(*node)
		kind := strings.Trim(shapes["components"][m.name], "{}")
		if !ok || kind == "" {
			continue
		}
		for _, entry := range section.members {
			taken[m.name+"/"+entry.name] = 1
		}
		for i, entry := range section.members {
			o, ok := entry.value.(*node)
			if badName.MatchString(entry.name) {
				r.warn(section, entry.name, "component-name",
					"the name %q has other characters than letters, digits, dots, hyphens and underscores", entry.name)
				if m.name != "securitySchemes" { // requirements use the published name, and so does Options.Authenticate
					section.rename(i, free(taken, m.name, strings.Trim(badName.ReplaceAllString(entry.name, "_"), "_")))
				}
			}
			if ok {
				r.named[o] = section.members[i].name
			}
		}
	}
	moved := make(map[*node]*node) // from where something was to where it is
	name := func(target *node, kind string) string {
		if to := moved[target]; to != nil {
			target = to
		}
		if name, ok := r.named[target]; ok {
			return name
		}
		section := components.object(sections[kind])
		if section == nil {
			section = &node{pointer: "/components/" + sections[kind], kind: "{" + kind + "}", offset: r.root.offset}
			components.set(sections[kind], section)
		}
		component := *target
		name := free(taken, sections[kind], componentName(target.pointer))
		section.set(name, &component)
		r.named[&component], moved[target] = name, &component
		if inner := target.target; inner != nil {
			component.target = inner
			r.refs = append(r.refs, &component)
		}
		if kind == "schema" {
			r.schemas = append(r.schemas, &component)
		}
		*target = node{pointer: target.pointer, offset: target.offset, kind: target.kind, base: target.base}
		target.set("$ref", reference("/components/"+sections[kind]+"/"+name))
		target.target = &component
		return name
	}
	for i := 0; i < len(r.refs); i++ {
		o := r.refs[i]
		target := o.target
		if target == nil {
			continue
		}
		if sections[o.kind] == "" || o.kind == "media type" {
			o.members, o.index = clone(r.deref(target)).(*node).members, nil
			o.reindex()
			continue
		}
		o.set("$ref", reference("/components/"+sections[o.kind]+"/"+name(target, o.kind)))
	}
	for _, s := range slices.Clone(r.schemas) {
		d := s.object("discriminator")
		if d == nil {
			continue
		}
		mapping := d.object("mapping")
		if mapping == nil {
			continue
		}
		kept := mapping.members[:0]
		for _, m := range mapping.members {
			value := m.value.(string)
			pointer, ok := fragment(value)
			if !ok {
				pointer = "/components/schemas/" + escapeToken(value)
			}
			if target, ok := r.lookup(r.root, pointer, "schema"); ok && target.kind == "schema" {
				m.value = reference("/components/schemas/" + name(target, "schema"))
				kept = append(kept, m)
			} else {
				r.warn(mapping, m.name, "discriminator", "the mapping to %q leads to no schema and is ignored", value)
			}
		}
		mapping.retain(kept)
	}
	if len(components.members) > 0 {
		r.root.set("components", components)
	}
}

// boundSiblings adds a bound that every value meets to each schema that has other schemas beside its $ref. kin-openapi's
// loader asks whether what stands beside a $ref is empty. It follows references to answer that, in a circle without end,
// and looks at bounds first.
func (r *reader) boundSiblings() {
	for _, s := range r.schemas {
		if s.find("$ref") < 0 || s.find("maxProperties") >= 0 {
			continue
		}
		if slices.ContainsFunc(s.members, func(m member) bool { return strings.Contains(shapes["schema"][m.name], "schema") }) {
			s.set("maxProperties", json.Number("2147483647"))
		}
	}
}

// free returns the first of name, name_2, name_3, ... that is not taken in the section.
func free(taken map[string]int, section, name string) string {
	candidate := name
	for candidate == "" || taken[section+"/"+candidate] > 0 {
		taken[section+"/"+name]++
		candidate = fmt.Sprintf("%s_%d", name, max(2, taken[section+"/"+name]))
	}
	taken[section+"/"+candidate] = 1
	return candidate
}

// componentName makes the name of a component from where it was found, without the words of OpenAPI.
func componentName(pointer string) string {
	var words []string
	tokens := splitPointer(pointer)
	for i, token := range tokens {
		switch token {
		case "components", "schemas", "paths", "properties", "$defs", "definitions", "schema", "content", "parameters",
			"responses", "requestBodies", "headers", "examples", "links", "callbacks", "pathItems":
			if i != len(tokens)-1 {
				continue
			}
		case "application/json":
			continue
		}
		words = append(words, strings.Trim(badName.ReplaceAllString(token, "_"), "_"))
	}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), "_")
}

var badName = regexp.MustCompile(`[^a-zA-Z0-9._-]+`)
