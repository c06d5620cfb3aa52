package contract

import (
	"errors"
	"net/url"
	"slices"
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
		r.checkValues(c)
		r.checkExamples(c, r.root, "document", "")
	}
}

// checkValues checks the defaults and examples of schemas.
func (r *reader) checkValues(c *compiler) {
	for _, s := range r.schemas {
		if d := c.document.responses; d.nodes[s.location] != s {
			continue
		}
		if value, ok := s.get("default"); ok && !c.fits(s, value) {
			r.warn(s, "default", "default", "the default does not fit the schema and is ignored")
			s.remove("default")
		}
		if value, ok := s.get("example"); ok && !c.fits(s, value) {
			r.warn(s, "example", "example", "the example does not fit the schema")
		}
		if slices.ContainsFunc(s.list("examples"), func(value any) bool { return !c.fits(s, value) }) {
			r.warn(s, "examples", "example", "an example does not fit the schema")
		}
	}
}

// checkExamples checks the examples of parameters, headers and media types of JSON.
func (r *reader) checkExamples(c *compiler, o *node, kind, name string) {
	schema := o.object("schema")
	if kind != "schema" && schema != nil && (kind != "media type" || strings.Contains(name, "json")) {
		if value, ok := o.get("example"); ok && !c.fits(schema, value) {
			r.warn(o, "example", "example", "the example does not fit the schema")
		}
		if examples := o.object("examples"); examples != nil {
			for _, m := range examples.members {
				if value, ok := r.deref(m.value.(*node)).get("value"); ok && !c.fits(schema, value) {
					r.warn(examples, m.name, "example", "the example does not fit the schema")
				}
			}
		}
	}
	var below func(value any, kind, name string)
	below = func(value any, kind, name string) {
		child, _ := value.(*node)
		switch {
		case kind[0] == '[':
			list, _ := value.([]any)
			for _, item := range list {
				below(item, kind[1:len(kind)-1], "")
			}
		case child == nil || kind == "schema":
		case kind[0] == '{':
			for _, m := range child.members {
				below(m.value, kind[1:len(kind)-1], m.name)
			}
		case shapes[kind] != nil || kind == "callback":
			r.checkExamples(c, child, kind, name)
		}
	}
	for _, m := range o.members {
		if memberKind, ok := memberKind(kind, m.name); ok {
			below(m.value, memberKind, m.name)
		}
	}
}

// fits reports whether a value of the tree fits a schema.
func (c *compiler) fits(schema *node, value any) bool {
	s, err := c.schemas.Compile(schemaURL(schema.location))
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
		// The pointer of the innermost schema, and what is below it.
		for at := location; at != ""; at = at[:strings.LastIndexByte(at, '/')] {
			if s := d.responses.nodes[at]; s != nil {
				r.report(Error, s.pointer+location[len(at):], s.offset, "schema", "%s", message)
				return
			}
		}
		r.report(Error, "", 0, "schema", "%s", message)
	}
	if e, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if v, ok := errors.AsType[*jsonschema.ValidationError](e.Err); ok {
			seen := map[string]bool{}
			var leaves func(v *jsonschema.ValidationError)
			leaves = func(v *jsonschema.ValidationError) {
				for _, cause := range v.Causes {
					leaves(cause)
				}
				location := pointerTo(v.InstanceLocation)
				if len(v.Causes) == 0 && !seen[location] {
					seen[location] = true
					report(location, invalidBecause(v.ErrorKind))
				}
			}
			leaves(v)
			return
		}
	}
	location := ""
	if e, ok := errors.AsType[*jsonschema.InvalidRegexError](err); ok {
		_, rest, _ := strings.Cut(e.URL, "#")
		location, _ = url.PathUnescape(rest)
	}
	report(location, "the schema cannot be compiled: "+err.Error())
}
