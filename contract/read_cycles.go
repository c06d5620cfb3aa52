package contract

import (
	"slices"
)

// breakCycles reports references in a circle. A validator, and the generator, would follow them for ever.
func (r *reader) breakCycles() {
	for before := -1; before < r.inlined; {
		before = r.inlined
		r.findCycles() // again, because what was inlined may close a circle through schemas that it had passed
	}
}

func (r *reader) findCycles() {
	const visiting, done = 1, 2
	state := make(map[*node]int)
	costs := make(map[*node]cost)
	var stack []*node
	var visit func(o *node)
	follow := func(target *node) {
		switch state[target] {
		case visiting:
			r.breakCycle(append(slices.Clone(stack[slices.Index(stack, target):]), target))
		case 0:
			visit(target)
		}
	}
	visit = func(o *node) {
		state[o] = visiting
		stack = append(stack, o)
		own := cost{depth: 1, schemas: 1}
		defer func() {
			state[o] = done
			stack = stack[:len(stack)-1]
			if own.depth > maxDepth || own.schemas > maxSchemas {
				r.err(o, "", "cost", "more than %d schemas, or a chain of more than %d, apply to one value", maxSchemas, maxDepth)
				own = cost{}
			}
			costs[o] = own
		}()
		if target := o.target; target != nil {
			follow(target)
			own.add(costs[target])
		}
		if o.kind != "schema" {
			return
		}
		below := func(value any) {
			if s, ok := value.(*node); ok {
				follow(s)
				own.add(costs[s])
			}
		}
		for _, name := range inPlace {
			value, _ := o.get(name)
			if list, ok := value.([]any); ok {
				for _, item := range list {
					below(item)
				}
			}
			below(value)
		}
		if dependent := o.object("dependentSchemas"); dependent != nil {
			for _, m := range dependent.members {
				below(m.value)
			}
		}
	}
	for i := 0; i < len(r.refs); i++ {
		if o := r.refs[i]; state[o] == 0 && o.target != nil {
			visit(o)
		}
	}
	for i := 0; i < len(r.schemas); i++ {
		if s := r.schemas[i]; state[s] == 0 {
			visit(s)
		}
	}
}

// maxSchemas bounds how many schemas a validator applies to one value, which doubles with every level of a document that
// refers to each level twice.
const maxSchemas = 100_000

// cost is what it costs to decide about one value.
type cost struct{ depth, schemas int }

func (c *cost) add(part cost) {
	c.depth = max(c.depth, part.depth+1)
	c.schemas += part.schemas
}

// breakCycle removes a reference from a cycle, of which the last element is the first. That is an error, apart from the
// cycle that authors write to express inheritance: the base lists its variants in oneOf or anyOf, and each variant refers
// to the base in allOf. The variants get a base without the list.
func (r *reader) breakCycle(cycle []*node) {
	var broken *node
	n := len(cycle) - 1
	for i, o := range cycle[:n] {
		base := cycle[i+1]
		if o.target != base {
			continue
		}
		broken = o
		if o.kind != "schema" || o.inherited || r.inlined > maxInlined ||
			!base.lists(cycle[(i+2)%n]) || cycle[(i+n-1)%n].lists(o) {
			continue
		}
		r.warn(o, "$ref", "cycle", "the reference leads back to a schema that lists this one; it is read without that list")
		r.inlineBase(o, base)
		return
	}
	if broken == nil { // the cycle was broken on the way back to its start
		return
	}
	r.err(broken, "$ref", "cycle", "the reference leads in a circle, so that nothing can be decided about a value")
	broken.remove("$ref")
	broken.target = nil
}

// lists reports whether a schema is one of the alternatives of s.
func (s *node) lists(alternative *node) bool {
	return slices.Contains(s.list("oneOf"), any(alternative)) || slices.Contains(s.list("anyOf"), any(alternative))
}

// maxInlined bounds how many schemas inlineBase copies. The number doubles with every level of bases that refer to the
// next one twice.
const maxInlined = 5_000

// inlineBase replaces the reference of o with what base says apart from its variants.
func (r *reader) inlineBase(o, base *node) {
	c := newNode(base)
	for _, m := range base.members {
		if m.name != "oneOf" && m.name != "anyOf" && m.name != "discriminator" && m.name != "$anchor" {
			c.set(m.name, clone(m.value))
		}
	}
	o.remove("$ref")
	o.target = nil
	before, schemas := len(r.refs), len(r.schemas)
	r.quiet, r.base = true, base.base
	r.visit(c, "schema", placeOf(base))
	r.inlined += len(r.schemas) - schemas
	for _, s := range r.schemas[schemas:] {
		s.inherited = true
	}
	r.quiet, r.base = false, nil
	for _, ref := range r.refs[before:] {
		if target, ok := r.find(ref, ref.kind); ok {
			ref.target = target
		}
	}
	for _, m := range c.members {
		if o.find(m.name) < 0 {
			o.set(m.name, m.value)
		}
	}
	if target := c.target; target != nil {
		o.target = target
		c.target = nil
	}
}
