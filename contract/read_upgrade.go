package contract

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// prepareSchema turns what has another form in older dialects into the form of 2020-12, before the members are visited.
func (r *reader) prepareSchema(s *node) {
	if items, ok := s.get("items"); ok {
		if list, isList := items.([]any); isList {
			r.warn(s, "items", "old-keyword", "items is one schema in JSON Schema 2020-12; a list of schemas is prefixItems")
			s.replace("items", "prefixItems")
			if _, ok := s.get("additionalItems"); ok {
				s.replace("additionalItems", "items")
			}
			if len(list) == 0 {
				s.remove("prefixItems")
			}
		}
	}
	if dependencies := s.object("dependencies"); dependencies != nil {
		r.warn(s, "dependencies", "old-keyword", "dependencies is dependentRequired or dependentSchemas in JSON Schema 2020-12")
		s.remove("dependencies")
		for _, m := range dependencies.members {
			name := "dependentSchemas"
			if _, ok := m.value.([]any); ok {
				name = "dependentRequired"
			}
			if s.object(name) == nil {
				s.set(name, newNode(s))
			}
			s.object(name).set(m.name, m.value)
		}
	}
	if required, ok := s.get("required"); ok {
		if _, flag := required.(bool); flag {
			r.warn(s, "required", "type", "required is a list of names in the schema of the object; a boolean is ignored")
			s.remove("required")
		}
	}
	if name, ok := s.get("type"); ok && name == nil && len(s.members) == 1 {
		r.warn(s, "type", "type", "the type has to be a string; null is read as \"null\"")
		s.set("type", "null")
	}
	if examples, ok := s.get("examples"); ok {
		if named, isObject := examples.(*node); isObject {
			r.warn(s, "examples", "type", "the value has to be a list")
			list := []any{}
			for _, m := range named.members {
				value := m.value
				if o, ok := value.(*node); ok && o.find("value") >= 0 {
					value, _ = o.get("value")
				}
				list = append(list, value)
			}
			s.set("examples", list)
		}
	}
	for _, name := range [...]string{"additionalProperties", "unevaluatedProperties"} {
		if value, ok := s.get(name); ok && (value == "true" || value == "false") {
			r.warn(s, name, "type", "the value has to be a boolean or a schema")
			s.set(name, value == "true")
		}
	}
}

// enter takes the names by which references may find a schema, before its members are visited.
func (r *reader) enter(s *node) {
	if id := s.text("$id"); id != "" {
		if uri, fragment, ok := r.absolute(id); ok && fragment == "" && r.ids[uri] == nil {
			r.base = &resource{uri, s}
			r.ids[uri] = s
		}
		r.warn(s, "$id", "id", "$id matters to references only; other tools may not follow them")
		s.remove("$id")
	}
	s.base = r.base
	for _, name := range [...]string{"$anchor", "$dynamicAnchor"} {
		value, ok := s.get(name)
		if !ok {
			continue
		}
		anchor, _ := value.(string)
		if !anchorName.MatchString(anchor) {
			r.err(s, name, "schema", "the value has to be the name of an anchor")
			s.remove(name)
			continue
		}
		uri, _, _ := r.absolute("")
		if other := r.ids[uri+"#"+anchor]; other != nil && other != s {
			r.warn(s, name, "id", "two schemas have the anchor %q; the first one counts", anchor)
			s.remove(name)
			continue
		}
		r.ids[uri+"#"+anchor] = s
	}
}

var anchorName = regexp.MustCompile(`^[A-Za-z_][-A-Za-z0-9._]*$`)

// documentURL is the base of references in the document itself. It only has to be absolute.
const documentURL = "openapi:///document"

// absolute resolves a reference relative to the base of the schema that is visited.
func (r *reader) absolute(ref string) (uri, fragment string, ok bool) {
	base := documentURL
	if r.base != nil {
		base = r.base.uri
	}
	b, err := url.Parse(base)
	if err != nil {
		return "", "", false
	}
	target, err := b.Parse(ref)
	if err != nil {
		return "", "", false
	}
	fragment = target.Fragment
	target.Fragment, target.RawFragment = "", ""
	return target.String(), fragment, true
}

// replace gives the member from, which is there, the name of the member to, which it replaces.
func (o *node) replace(from, to string) {
	o.remove(to)
	o.rename(o.find(from), to)
}

// typeNames are names of types from programming languages and older dialects, with the type and the format that they mean.
var typeNames = map[string][2]string{
	"any": {}, "mixed": {}, "file": {"string", "binary"}, "binary": {"string", "binary"}, "date": {"string", "date"},
	"datetime": {"string", "date-time"}, "date-time": {"string", "date-time"}, "time": {"string"},
	"timestamp": {"string", "date-time"}, "uuid": {"string", "uuid"}, "email": {"string", "email"},
	"uri": {"string", "uri"}, "url": {"string", "uri"}, "str": {"string"}, "text": {"string"}, "enum": {},
	"int": {"integer"}, "int32": {"integer", "int32"}, "int64": {"integer", "int64"}, "long": {"integer", "int64"},
	"float": {"number"}, "double": {"number"}, "decimal": {"number"}, "numeric": {"number"}, "bool": {"boolean"},
	"list": {"array"}, "dict": {"object"}, "map": {"object"}, "json": {}, "none": {"null"}, "nil": {"null"},
}

// repairSchema repairs a schema after its members were visited.
func (r *reader) repairSchema(s *node) {
	r.mendTypes(s)
	if dialect := s.text("$schema"); dialect != "" && !isDialect(dialect) {
		if strings.Contains(dialect, "json-schema.org/") {
			r.warn(s, "$schema", "dialect", "the schema is read as JSON Schema 2020-12")
		} else {
			r.err(s, "$schema", "dialect", "the dialect %q is not JSON Schema 2020-12", dialect)
		}
	}
	s.remove("$schema")
	for _, name := range [...]string{"allOf", "anyOf", "oneOf", "prefixItems"} {
		if value, ok := s.get(name); ok && len(value.([]any)) == 0 {
			r.warn(s, name, "empty", "an empty %s is ignored", name)
			s.remove(name)
		}
	}
	r.mendEnum(s)
	if enum := s.list("enum"); enum != nil {
		seen := make(map[string]bool, len(enum))
		unique := enum[:0:0]
		for _, value := range enum {
			if key := string(appendJSON(nil, value)); !seen[key] {
				seen[key] = true
				unique = append(unique, value)
			}
		}
		if len(unique) < len(enum) {
			r.warn(s, "enum", "duplicate", "enum lists a value twice")
			s.set("enum", unique)
		}
	}
	if d := s.object("discriminator"); d != nil && d.text("propertyName") == "" {
		r.warn(s, "discriminator", "discriminator", "a discriminator without propertyName is ignored")
		s.remove("discriminator")
	}
}

func (r *reader) mendTypes(s *node) {
	value, ok := s.get("type")
	if !ok {
		return
	}
	names, isList := value.([]any)
	if !isList {
		names = []any{value}
	}
	var found []any
	anything := len(names) == 0
	for _, name := range names {
		name := name.(string)
		if kindNamed[name] != 0 {
			found = append(found, name)
			continue
		}
		lower := strings.ToLower(strings.TrimSpace(name))
		mended, known := typeNames[lower]
		if kindNamed[lower] != 0 {
			mended, known = [2]string{lower}, true
		}
		if !known {
			r.err(s, "type", "schema", "%q is not a type of JSON", name)
			anything = true
			continue
		}
		if r.warn(s, "type", "type", "%q is not a type of JSON", name); mended[0] == "" {
			anything = true
			continue
		}
		found = append(found, mended[0])
		if _, ok := s.get("format"); !ok && mended[1] != "" {
			s.set("format", mended[1])
		}
	}
	switch {
	case anything:
		if len(names) == 0 {
			r.warn(s, "type", "empty", "an empty list of types is ignored")
		}
		s.remove("type")
	case isList:
		unique := found[:0:0]
		for _, name := range found {
			if !slices.Contains(unique, name) {
				unique = append(unique, name)
			}
		}
		s.set("type", unique)
	default:
		s.set("type", found[0])
	}
}

// mendEnum gives values of an enumeration the type of the schema, if only quotation marks are missing or too many: in YAML,
// from which many documents are made, [1, true] is no list of texts. With another type the values are never accepted.
func (r *reader) mendEnum(s *node) {
	kind := s.text("type")
	if names := slices.DeleteFunc(slices.Clone(s.list("type")), func(name any) bool { return name == "null" }); len(names) == 1 {
		kind, _ = names[0].(string)
	}
	values := slices.Clone(s.list("enum"))
	for i, value := range values {
		text, isText := value.(string)
		_, isNumber := value.(json.Number)
		_, isBoolean := value.(bool)
		switch {
		case kind == "string" && (isNumber || isBoolean):
			values[i] = string(appendJSON(nil, value))
		case isText && (kind == "number" && isNumberText(text) || kind == "integer" && isNumberText(text) && !strings.ContainsAny(text, ".eE")):
			values[i] = json.Number(text)
		case kind == "boolean" && (text == "true" || text == "false"):
			values[i] = text == "true"
		default:
			continue
		}
		r.warn(s, "enum", "enum", "a value is read as the type of the schema, %s", kind)
	}
	if len(values) > 0 {
		s.set("enum", values)
	}
}

// isNumberText reports whether text is a number of JSON.
func isNumberText(text string) bool {
	return strings.Trim(text, "-+.eE0123456789") == "" && json.Valid([]byte(text))
}

// upgrade turns keywords of OpenAPI 3.0 into those of JSON Schema 2020-12. Authors of 3.1 documents mean the same by
// them, so they are honoured there too, with a warning.
func (r *reader) upgrade(s *node) {
	r.upgradeBound(s, "exclusiveMinimum", "minimum")
	r.upgradeBound(s, "exclusiveMaximum", "maximum")
	if example, ok := s.get("example"); ok && r.old && s.find("$ref") < 0 {
		if s.find("examples") < 0 {
			s.set("examples", []any{example})
		}
		s.remove("example")
	}
	nullable, ok := s.get("nullable")
	if !ok {
		return
	}
	if !r.old {
		r.warn(s, "nullable", "nullable", "OpenAPI 3.1 has no nullable; null is added to the types")
	} else if s.find("$ref") >= 0 {
		r.warn(s, "nullable", "ref-sibling", "OpenAPI 3.0 ignores nullable beside a $ref; it is honoured all the same")
	}
	s.remove("nullable")
	if nullable == true {
		r.allowNull(s)
	}
}

func (r *reader) upgradeBound(s *node, exclusive, inclusive string) {
	value, ok := s.get(exclusive)
	flag, isFlag := value.(bool)
	if !ok || !isFlag {
		return
	}
	if !r.old {
		r.warn(s, exclusive, "old-keyword", "%s is a number in OpenAPI 3.1", exclusive)
	}
	s.remove(exclusive)
	if limit, ok := s.get(inclusive); ok && flag {
		s.remove(inclusive)
		s.set(exclusive, limit)
	}
}

// annotations are the keywords that stay with a schema when what it asserts moves into one of several alternatives.
var annotations = map[string]bool{
	"title": true, "description": true, "default": true, "deprecated": true, "readOnly": true, "writeOnly": true,
	"example": true, "examples": true, "externalDocs": true, "xml": true, "$comment": true, "$defs": true,
	"definitions": true,
}

// allowNull makes null a value of the schema.
func (r *reader) allowNull(s *node) {
	if enum := s.list("enum"); enum != nil && !slices.Contains(enum, nil) {
		s.set("enum", append(slices.Clip(enum), nil))
	}
	wrap := s.find("$ref") >= 0 || s.find("allOf") >= 0 || s.find("not") >= 0 || s.find("if") >= 0 || s.find("const") >= 0
	if !wrap {
		switch value, _ := s.get("type"); value := value.(type) {
		case string:
			if value != "null" {
				s.set("type", []any{value, "null"})
			}
		case []any:
			if !slices.Contains(value, any("null")) {
				s.set("type", append(slices.Clip(value), "null"))
			}
		}
		for _, name := range [...]string{"anyOf", "oneOf"} {
			if branches := s.list(name); branches != nil && !slices.ContainsFunc(branches, isNullSchema) {
				s.set(name, append(slices.Clip(branches), newNode(s, member{"type", "null", s.offset})))
			}
		}
		return
	}
	var kept, moved []member
	for _, m := range s.members {
		if annotations[m.name] || strings.HasPrefix(m.name, "x-") {
			kept = append(kept, m)
		} else {
			moved = append(moved, m)
		}
	}
	var inner any
	if all := s.list("allOf"); len(moved) == 1 && len(all) == 1 {
		inner = all[0]
	} else {
		o := newNode(s, moved...)
		r.schemas = append(r.schemas, o)
		if target := s.target; target != nil && s.find("$ref") >= 0 {
			o.target = target
			r.refs = append(r.refs, o)
			s.target = nil
		}
		inner = o
	}
	kept = append(kept, member{"anyOf", []any{inner, newNode(s, member{"type", "null", s.offset})}, s.offset})
	s.members = kept
	s.index = nil
	s.reindex()
}

func isNullSchema(value any) bool {
	s, ok := value.(*node)
	if !ok {
		return false
	}
	if s.text("type") == "null" {
		return true
	}
	if types := s.list("type"); slices.Contains(types, any("null")) {
		return true
	}
	nullable, _ := s.get("nullable")
	return nullable == true
}

// directional reports whether readOnly and writeOnly change what is required, as they do in OpenAPI 3.0.
func (r *reader) directional() bool {
	return r.old && slices.ContainsFunc(r.schemas, func(s *node) bool {
		return len(s.requiredIn("readOnly")) < len(s.list("required")) ||
			len(s.requiredIn("writeOnly")) < len(s.list("required"))
	})
}

// requiredIn returns the names that are required where a property with the flag is not sent.
func (s *node) requiredIn(flag string) []any {
	required := s.list("required")
	properties := s.object("properties")
	if properties == nil {
		return required
	}
	return slices.DeleteFunc(slices.Clone(required), func(name any) bool {
		p := properties.object(name.(string))
		if p == nil {
			return false
		}
		set, _ := p.get(flag)
		return set == true
	})
}
