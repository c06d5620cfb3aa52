package contract

import (
	"slices"
	"strings"
)

// inlinePathItems replaces references to path items, wherever they lead, with copies: kin-openapi follows only some of
// them, and the generator none.
func (r *reader) inlinePathItems() {
	for i := 0; i < len(r.refs); i++ {
		o := r.refs[i]
		if o.kind != "path item" {
			continue
		}
		r.refs = slices.Delete(r.refs, i, i+1)
		i--
		target, _ := r.find(o, "path item")
		if target == nil {
			o.remove("$ref")
			continue
		}
		item := clone(target).(*node)
		for range 100 { // more is a cycle
			if item.find("$ref") < 0 {
				break
			}
			next, _ := r.find(item, "path item")
			item.remove("$ref")
			if next != nil {
				for _, m := range clone(next).(*node).members {
					if item.find(m.name) < 0 {
						item.set(m.name, m.value)
					}
				}
			}
		}
		if item.find("$ref") >= 0 {
			r.err(o, "", "cycle", "the reference leads in a circle")
			item.remove("$ref")
		}
		if strings.Contains(o.pointer, "/callbacks/") {
			// The copy of a callback would contain a copy of itself.
			for _, m := range item.members {
				if operation, ok := m.value.(*node); ok {
					operation.remove("callbacks")
				}
			}
		}
		r.quiet = true
		o.remove("$ref")
		r.visit(item, "path item", placeOf(o))
		r.quiet = false
		for _, m := range item.members {
			if o.find(m.name) < 0 {
				o.set(m.name, m.value)
			}
		}
	}
}

// find returns what the reference of o leads to.
func (r *reader) find(o *node, kind string) (*node, bool) {
	ref := o.text("$ref")
	target, ok := r.follow(o, ref, kind)
	if !ok && !strings.HasPrefix(ref, "#") {
		r.err(o, "$ref", "ref", "the reference %q leads out of the document", ref)
	} else if !ok {
		r.err(o, "$ref", "ref", "the reference %q leads to nothing", ref)
	}
	return target, ok
}

func (r *reader) follow(o *node, ref, kind string) (*node, bool) {
	if pointer, ok := fragment(ref); ok && o.base == nil {
		return r.lookup(r.root, pointer, kind)
	}
	if kind != "schema" {
		return nil, false
	}
	r.base = o.base
	uri, fragment, ok := r.absolute(ref)
	r.base = nil
	if !ok {
		return nil, false
	}
	if fragment != "" && fragment[0] != '/' {
		target := r.ids[uri+"#"+fragment]
		return target, target != nil
	}
	root := r.ids[uri]
	if uri == documentURL {
		root = r.root
	}
	if root != nil && (fragment == "" && root != r.root) {
		return root, true
	}
	if root != nil && fragment != "" {
		if target, ok := r.lookup(root, fragment, kind); ok {
			return target, true
		}
	}
	if strings.HasPrefix(ref, "#/") { // authors who write an $id do not always mean it
		return r.lookup(r.root, fragment, kind)
	}
	return nil, false
}

// lookup returns the object that a JSON pointer relative to root leads to. On its way it follows references.
func (r *reader) lookup(root *node, pointer, kind string) (*node, bool) {
	value := any(root)
	for _, token := range splitPointer(pointer) {
		next, ok := child(value, token)
		for range 100 {
			o, isObject := value.(*node)
			if ok || !isObject || o.text("$ref") == "" {
				break
			}
			inner, local := fragment(o.text("$ref"))
			if !local || strings.HasPrefix(pointer, inner+"/") && inner == o.pointer {
				break
			}
			if value, local = valueAt(r.root, inner); !local {
				break
			}
			next, ok = child(value, token)
		}
		if !ok {
			return nil, false
		}
		value = next
	}
	if flag, ok := value.(bool); ok && kind == "schema" {
		// A schema at an unknown place. kin-openapi and the generator follow references to objects only.
		o := &node{pointer: pointer, kind: "schema"}
		if !flag {
			o.set("not", &node{pointer: pointer, kind: "schema"})
		}
		r.schemas = append(r.schemas, o)
		value = o
	}
	o, ok := value.(*node)
	if !ok || o == r.root {
		return nil, false
	}
	if o.flag != nil {
		if !*o.flag {
			o.set("not", &node{pointer: o.pointer, kind: "schema", base: o.base})
		}
		o.flag = nil
		r.schemas = append(r.schemas, o)
	}
	if o.kind == "" {
		o.pointer = root.pointer + pointer
		r.visit(o, kind, placeOf(o))
	}
	return o, true
}

// resolve finds what every reference leads to. A broken one is removed, so that the rest of the document can be checked.
func (r *reader) resolve() {
	for i := 0; i < len(r.refs); i++ {
		o := r.refs[i]
		target, ok := r.find(o, o.kind)
		if ok && target.kind != o.kind {
			ok = r.convert(o, target)
			if !ok {
				r.err(o, "$ref", "ref", "the reference leads to %s, where %s has to be", aKind(target.kind), aKind(o.kind))
			}
			if ok {
				continue
			}
		}
		if !ok {
			o.remove("$ref")
			continue
		}
		o.target = target
	}
}

// resolveDynamic finds what every dynamic reference leads to if no outer schema has the same anchor.
func (r *reader) resolveDynamic() {
	for i := 0; i < len(r.schemas); i++ {
		s := r.schemas[i]
		ref := s.text("$dynamicRef")
		if ref == "" {
			continue
		}
		target, ok := r.follow(s, ref, "schema")
		if !ok || target.kind != "schema" {
			r.err(s, "$dynamicRef", "ref", "the reference %q leads to nothing", ref)
			continue
		}
		s.dynamic = target
	}
}

// dynamicAnchors returns the schemas with a $dynamicAnchor of each resource, by name. It returns nil if nothing refers to
// them.
func (r *reader) dynamicAnchors() map[*resource]map[string]*node {
	if !slices.ContainsFunc(r.schemas, func(s *node) bool { return s.dynamic != nil }) {
		return nil
	}
	anchors := make(map[*resource]map[string]*node)
	for _, s := range r.schemas {
		name := s.text("$dynamicAnchor")
		if name == "" || anchors[s.base][name] != nil {
			continue
		}
		if anchors[s.base] == nil {
			anchors[s.base] = make(map[string]*node)
		}
		anchors[s.base][name] = s
	}
	return anchors
}

func aKind(kind string) string {
	switch {
	case kind == "" || kind[0] == '{':
		return "something else"
	case strings.ContainsRune("aeiou", rune(kind[0])):
		return "an " + kind
	}
	return "a " + kind
}

// convertible are the kinds that say enough to stand for another.
var convertible = map[[2]string]bool{
	{"header", "parameter"}: true, {"response", "request body"}: true, {"request body", "response"}: true,
}

// convert puts a copy of target in the place of o, without the members that an object of its kind does not have.
func (r *reader) convert(o, target *node) bool {
	if !convertible[[2]string{o.kind, target.kind}] {
		return false
	}
	r.warn(o, "$ref", "ref", "the reference leads to %s, which is read as %s", aKind(target.kind), aKind(o.kind))
	c := clone(target).(*node)
	for _, m := range slices.Clone(c.members) {
		if _, known := memberKind(o.kind, m.name); !known {
			c.remove(m.name)
		}
	}
	o.members, o.index = c.members, nil
	o.reindex()
	r.quiet = true
	r.visit(o, o.kind, placeOf(o))
	r.quiet = false
	return true
}

// deref follows references to the object that is none.
func (r *reader) deref(o *node) *node {
	for range 100 { // breakCycles has removed the cycles
		target := o.target
		if target == nil {
			break
		}
		o = target
	}
	return o
}

// placeOf returns the place where o was published.
func placeOf(o *node) *place {
	at := &place{offset: o.offset}
	for _, token := range splitPointer(o.pointer) {
		at = at.below(token, o.offset)
	}
	return at
}
