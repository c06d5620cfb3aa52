package contract

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// checkSchemas compiles all schemas and reports those that cannot be compiled. It checks the defaults and examples of the
// others, and drops the defaults that are invalid, because a request would get them.
func (r *reader) checkSchemas(d *Document) {
	c, err := newCompiler(d, nil)
	if err != nil {
		r.reportUncompilable(d, err)
		return
	}
	if !r.failed {
		r.checkValues(c, "", d.root, "document", nil)
	}
}

// checkValues checks the defaults and examples in everything below an object at a pointer. The location is where the
// schema is in the compiled resource, if the object is one.
func (r *reader) checkValues(c *compiler, pointer string, o *node, kind string, location *string) {
	for _, m := range o.members {
		if memberKind, ok := memberKind(kind, m.name); ok && memberKind != "any" && memberKind != "[any]" {
			below := pointer + "/" + escapeToken(m.name)
			var inside *string
			if location != nil {
				text := *location + "/" + escapeToken(m.name)
				inside = &text
			}
			r.checkMember(c, below, m.value, memberKind, inside)
		}
	}
	switch {
	case kind == "schema" && location != nil:
		if value, ok := o.get("default"); ok && !c.fits(*location, value) {
			r.warn(o, "default", "default", "the default does not fit the schema and is ignored")
			o.remove("default")
		}
		if value, ok := o.get("example"); ok && !c.fits(*location, value) {
			r.warn(o, "example", "example", "the example does not fit the schema")
		}
		for _, value := range o.list("examples") {
			if !c.fits(*location, value) {
				r.warn(o, "examples", "example", "an example does not fit the schema")
				break
			}
		}
	case kind == "media type" || kind == "parameter" || kind == "header":
		if _, ok := o.get("schema"); !ok || kind == "media type" && !strings.Contains(pointer[strings.LastIndexByte(pointer, '/'):], "json") {
			return
		}
		schema := definition(pointer + "/schema")
		if value, ok := o.get("example"); ok && !c.fits(schema, value) {
			r.warn(o, "example", "example", "the example does not fit the schema")
		}
		if examples := o.object("examples"); examples != nil {
			for _, m := range examples.members {
				example, ok := m.value.(*node)
				if !ok {
					continue
				}
				if value, ok := r.deref(example).get("value"); ok && !c.fits(schema, value) {
					r.warn(examples, m.name, "example", "the example does not fit the schema")
				}
			}
		}
	}
}

func (r *reader) checkMember(c *compiler, pointer string, value any, kind string, location *string) {
	inside := func(token string) *string {
		if location == nil {
			return nil
		}
		text := *location + "/" + escapeToken(token)
		return &text
	}
	switch kind[0] {
	case '[':
		list, _ := value.([]any)
		for i, item := range list {
			token := strconv.Itoa(i)
			r.checkMember(c, pointer+"/"+token, item, kind[1:len(kind)-1], inside(token))
		}
	case '{':
		o, _ := value.(*node)
		if o == nil {
			return
		}
		for _, m := range o.members {
			r.checkMember(c, pointer+"/"+escapeToken(m.name), m.value, kind[1:len(kind)-1], inside(m.name))
		}
	default:
		o, ok := value.(*node)
		if !ok || shapes[kind] == nil && kind != "callback" {
			return
		}
		if kind == "schema" && location == nil {
			text := definition(pointer)
			location = &text
		}
		r.checkValues(c, pointer, o, kind, location)
	}
}

// fits reports whether a value of the tree fits the schema at a location of the compiled resource.
func (c *compiler) fits(location string, value any) bool {
	s, err := c.schemas.Compile(documentURL + reference(location))
	if err != nil {
		return true
	}
	fits := true
	return !matchInTime(func() { fits = s.Validate(plain(value)) == nil }) || fits
}

// invalidBecause says in a sentence what the metaschema says about a schema.
func invalidBecause(k jsonschema.ErrorKind) string {
	if format, ok := k.(*kind.Format); ok {
		return "the value is not a valid " + format.Want + ": " + format.Err.Error()
	}
	text := message(k)
	return "the schema is invalid: " + strings.ToLower(text[:1]) + text[1:]
}

func (r *reader) reportUncompilable(d *Document, err error) {
	report := func(location, message string) {
		o, pointer, offset := d.published(location)
		if o == nil {
			pointer, offset = location, 0
		}
		r.report(Error, pointer, offset, "schema", "%s", message)
	}
	if e, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if v, ok := errors.AsType[*jsonschema.ValidationError](e.Err); ok {
			seen := map[string]bool{}
			var leaves func(v *jsonschema.ValidationError)
			leaves = func(v *jsonschema.ValidationError) {
				for _, cause := range v.Causes {
					leaves(cause)
				}
				if len(v.Causes) > 0 || len(v.InstanceLocation) < 2 {
					return
				}
				location := v.InstanceLocation[1] + pointerTo(v.InstanceLocation[2:])
				if !seen[location] {
					seen[location] = true
					report(location, invalidBecause(v.ErrorKind))
				}
			}
			if leaves(v); len(seen) > 0 {
				return
			}
		}
	}
	location := ""
	if e, ok := errors.AsType[*jsonschema.InvalidRegexError](err); ok {
		_, rest, _ := strings.Cut(e.URL, "#/$defs/")
		if rest, err := url.PathUnescape(rest); err == nil {
			name, below, _ := strings.Cut(rest, "/")
			if location = tokenUnescaper.Replace(name); below != "" {
				location += "/" + below
			}
		}
	}
	report(location, "the schema cannot be compiled: "+err.Error())
}

// published returns where what is now at a pointer was published.
func (d *Document) published(pointer string) (o *node, published string, offset int) {
	var value any = d.root
	o = d.root
	rest := splitPointer(pointer)
	for i, token := range rest {
		next, ok := child(value, token)
		if !ok {
			break
		}
		if offsetOf, isObject := value.(*node); isObject {
			offset = offsetOf.members[offsetOf.find(token)].offset
		}
		value = next
		if child, ok := value.(*node); ok && child.pointer != "" {
			o, published, offset = child, child.pointer, child.offset
		} else {
			published += pointerTo(rest[i : i+1])
		}
	}
	return o, published, offset
}
