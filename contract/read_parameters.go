package contract

import (
	"slices"
)

// repairPart repairs a parameter, a header, a request body or a response.
func (r *reader) repairPart(o *node) {
	if o.target != nil {
		return // the component is repaired
	}
	switch o.kind {
	case "response":
		if o.find("description") < 0 {
			if !r.quiet && o.find("$ref") < 0 {
				r.warn(o, "", "description", "the response has no description")
			}
			o.set("description", "")
		}
		if headers := o.object("headers"); headers != nil {
			for _, m := range headers.members {
				r.repairPart(m.value.(*node))
			}
		}
	case "parameter", "header":
		r.repairParameter(o)
	}
}

var styles = map[string][]string{
	"path": {"simple", "label", "matrix"}, "query": {"form", "spaceDelimited", "pipeDelimited", "deepObject"},
	"header": {"simple"}, "cookie": {"form"},
}

// repairParameter repairs a parameter or a header.
func (r *reader) repairParameter(o *node) {
	if o.find("schema") >= 0 && o.find("content") >= 0 {
		r.warn(o, "content", "parameter", "the %s has a schema and a content; the content is ignored", o.kind)
		o.remove("content")
	}
	if content := o.object("content"); content != nil && len(content.members) != 1 {
		r.warn(o, "content", "parameter", "content of a %s has exactly one media type", o.kind)
		if len(content.members) == 0 {
			o.remove("content")
		} else {
			content.members, content.index = content.members[:1], nil
		}
	}
	if o.find("schema") < 0 && o.find("content") < 0 {
		r.warn(o, "", "parameter", "the %s has no schema; its value is any text", o.kind)
		schema := newNode(o, member{"type", "string", o.offset})
		schema.kind = "schema"
		o.set("schema", schema)
	}
	in := o.text("in")
	if o.kind == "header" {
		in = "header"
	}
	if style := o.text("style"); style != "" && !slices.Contains(styles[in], style) {
		r.warn(o, "style", "parameter", "a %s in the %s has no style %q", o.kind, in, style)
		o.remove("style")
		o.remove("explode")
	}
	if required, _ := o.get("required"); o.kind == "parameter" && in == "path" && required != true {
		r.warn(o, "required", "parameter", "a parameter of the path has to be required")
		o.set("required", true)
	}
}

// repairParameters repairs the parameters of a path item or an operation, and removes those that cannot be sent.
func (r *reader) repairParameters(o *node) {
	list := o.list("parameters")
	kept := list[:0:0]
	seen := map[[2]string]bool{}
	for _, item := range list {
		published := item.(*node)
		p := r.deref(published)
		in, name := p.text("in"), p.text("name")
		switch key := [2]string{in, name}; {
		case p.kind != "parameter" || styles[in] == nil:
			r.warn(published, "", "parameter", "a parameter in %q is ignored", in)
		case name == "":
			r.warn(published, "", "parameter", "a parameter without a name is ignored")
		case seen[key]:
			r.warn(published, "", "duplicate", "two parameters in the %s have the name %q; the first one counts", in, name)
		default:
			seen[key] = true
			kept = append(kept, item)
			r.repairPart(p)
		}
	}
	if len(kept) < len(list) {
		o.set("parameters", kept)
	}
}

// repairPathParameters declares the parameters that a path has and the document does not declare, and removes those that the
// path does not have.
func (r *reader) repairPathParameters(item *node, path string) {
	names := parameterNames(path)
	declared := func(o *node) map[string]bool {
		list := o.list("parameters")
		kept := list[:0:0]
		found := map[string]bool{}
		for _, entry := range list {
			published := entry.(*node)
			p := r.deref(published)
			if p.text("in") == "path" {
				if name := p.text("name"); !slices.Contains(names, name) {
					r.warn(published, "", "path-parameter", "the parameter %q is not in the path and is ignored", name)
					continue
				}
				found[p.text("name")] = true
			}
			kept = append(kept, entry)
		}
		if len(kept) < len(list) {
			o.set("parameters", kept)
		}
		return found
	}
	shared := declared(item)
	for _, o := range operations(item) {
		own := declared(o.node)
		for _, name := range names {
			if shared[name] || own[name] {
				continue
			}
			r.warn(o.node, "", "path-parameter", "the parameter %q of the path is not declared; it is read as a string", name)
			at := o.offset
			schema := &node{pointer: o.pointer, offset: at, kind: "schema", members: []member{{"type", "string", at}}}
			p := &node{pointer: o.pointer, offset: at, kind: "parameter", members: []member{
				{"name", name, at}, {"in", "path", at}, {"required", true, at}, {"schema", schema, at},
			}}
			o.set("parameters", append(slices.Clip(o.list("parameters")), p))
		}
	}
}
