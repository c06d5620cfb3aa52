package contract

import (
	"slices"
	"strings"
)

// checkSchemas compiles all schemas and reports those that cannot be compiled. It checks the defaults and examples of the
// others, and drops the defaults that are invalid, because a request would get them.
func (r *reader) checkSchemas(d *Document) {
	c := newCompiler(d, nil)
	c.invalid = func(o *node, keyword string, err error) {
		r.err(o, keyword, "schema", "the schema cannot be compiled: %v", err)
	}
	for _, s := range r.schemas {
		c.compile(s, nil)
	}
	if s := c.circular(r.schemas); s != nil {
		r.err(s, "", "cycle", "the schema applies itself to the same value, so that nothing can be decided about it")
	}
	if !r.failed {
		r.checkValues(c)
		r.checkExamples(c, r.root, "document", "")
	}
}

// circular returns a schema that applies itself to the same value; nil if there is none. breakCycles does not
// see circles of dynamic references.
func (c *compiler) circular(schemas []*node) *node {
	const visiting, done = 1, 2
	state := make(map[*schema]int)
	var visit func(s *schema) *node
	visit = func(s *schema) *node {
		if s == nil || state[s] == done {
			return nil
		}
		if state[s] == visiting {
			return s.node
		}
		state[s] = visiting
		below := slices.Concat(s.allOf, s.anyOf, s.oneOf, []part{s.not, s.condition, s.then, s.otherwise})
		for i := range s.dependent {
			below = append(below, s.dependent[i].schema)
		}
		for _, p := range below {
			if circle := visit(p.schema); circle != nil {
				return circle
			}
		}
		state[s] = done
		return nil
	}
	for _, s := range schemas {
		if circle := visit(c.compile(s, nil)); circle != nil {
			return circle
		}
	}
	return nil
}

// checkValues checks the defaults and examples of schemas.
func (r *reader) checkValues(c *compiler) {
	for _, s := range r.schemas {
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

// fits reports whether a value of the tree fits a schema. A pattern that takes too long decides nothing.
func (c *compiler) fits(o *node, value any) bool {
	fits := true
	err := inTime(func() { fits = c.compile(o, nil).fits(appendJSON(nil, value)) })
	return fits || err != nil
}
