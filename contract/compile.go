package contract

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// compiler compiles schemas of one document, each when it is needed for the first time.
type compiler struct {
	document *Document
	formats  map[string]func(string) error
	flag     string // of properties that are not required in this direction: readOnly or writeOnly

	// requests is the compiler of the schemas of requests, if they differ from those of responses.
	requests *compiler

	schemas map[scoped]*schema
	scope   *scope                                   // of the outermost schemas
	invalid func(o *node, keyword string, err error) // reports a keyword that cannot be compiled
	err     error                                    // of such keywords, unless invalid is replaced
}

// scoped is a schema and its dynamic scope, on which its dynamic references depend.
type scoped struct {
	node  *node
	scope *scope
}

func newCompiler(d *Document, formats map[string]func(string) error) *compiler {
	c := newDirection(d, formats, "")
	if d.directional {
		c.flag = "writeOnly"
		c.requests = newDirection(d, formats, "readOnly")
	}
	return c
}

func newDirection(d *Document, formats map[string]func(string) error, flag string) *compiler {
	c := &compiler{
		document: d, formats: formats, flag: flag, schemas: make(map[scoped]*schema),
		scope: &scope{inner: make(map[*resource]*scope)},
	}
	c.requests = c
	c.invalid = func(o *node, keyword string, err error) {
		c.err = errors.Join(c.err, fmt.Errorf("%s/%s: %w", o.pointer, keyword, err))
	}
	return c
}

// at returns the schema at a pointer into the read document, compiled.
func (c *compiler) at(pointer string) (*schema, error) {
	value, _ := c.document.at(pointer)
	o, ok := value.(*node)
	if !ok || o.kind != "schema" {
		return nil, fmt.Errorf("compile schema %s: nothing is there", pointer)
	}
	s := c.compile(o, nil)
	if c.err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", pointer, c.err)
	}
	return s, nil
}

// compile returns the schema of an object in the dynamic scope of the schema around it.
func (c *compiler) compile(o *node, sc *scope) *schema {
	// Most schemas of properties and bodies are nothing but a reference, and share what that leads to. The reader has
	// removed circles of them.
	for len(o.members) == 1 && o.target != nil && o.members[0].name == "$ref" {
		sc = c.enter(sc, o.base)
		o = o.target
	}
	sc = c.enter(sc, o.base)
	key := scoped{o, sc}
	if s, ok := c.schemas[key]; ok {
		return s
	}
	s := newSchema(o)
	c.schemas[key] = s // before its parts, which can refer back to it
	if o.flag != nil {
		if s.never = !*o.flag; s.never {
			s.plain = nil
		}
		return s
	}
	b := builder{c, s, sc}
	b.values()
	b.strings()
	b.numbers()
	b.objects()
	b.arrays()
	b.applicators()
	if s.applies || s.constant != nil || s.enum != nil || s.unevaluatedItems.schema != nil || s.unevaluatedMembers.schema != nil {
		bare := *s
		s.plain, bare.plain = &bare, &bare
	}
	if asserts := b.asserts(); len(asserts) == 1 && asserts[0] == "anyOf" && disjoint(s.anyOf) {
		s.choice = s.anyOf
	}
	return s
}

// disjoint reports whether no value has a type that two of the schemas permit.
func disjoint(parts []part) bool {
	var permitted kinds
	for _, p := range parts {
		types := p.types
		if types&(number|integer) != 0 {
			types |= number | integer // the first byte does not tell
		}
		if types&permitted != 0 {
			return false
		}
		permitted |= types
	}
	return true
}

// builder fills in one schema.
type builder struct {
	*compiler
	*schema
	scope *scope
}

// asserts returns the keywords that decide about values.
func (b *builder) asserts() []string {
	var found []string
	for _, m := range b.node.members {
		if assertions[m.name] || m.name == "const" || m.name == "format" || m.name == "$ref" || m.name == "$dynamicRef" {
			found = append(found, m.name)
		}
	}
	return found
}

// child returns the schema that is the value of a keyword, if there is one.
func (b *builder) child(keyword string) part {
	if o := b.node.object(keyword); o != nil {
		return part{b.compile(o, b.scope), b.node.members[b.node.find(keyword)].offset}
	}
	return part{}
}

// list returns the schemas of a keyword.
func (b *builder) list(keyword string) []part {
	var parts []part
	for _, item := range b.node.list(keyword) {
		o := item.(*node)
		parts = append(parts, part{b.compile(o, b.scope), o.offset})
	}
	return parts
}

// named returns the entries of a keyword that is an object.
func (b *builder) named(keyword string) []member {
	if o := b.node.object(keyword); o != nil {
		return o.members
	}
	return nil
}

// count sets n to the value of a keyword, and reports whether there is one.
func (b *builder) count(keyword string, n *int) bool {
	value, ok := b.node.get(keyword)
	if ok {
		*n, _ = strconv.Atoi(fmt.Sprint(value)) // the reader permits nothing else
	}
	return ok
}

func (b *builder) values() {
	switch names, _ := b.node.get("type"); names := names.(type) {
	case string:
		b.types = kindNamed[names]
	case []any:
		b.types = 0
		for _, name := range names {
			b.types |= kindNamed[name.(string)]
		}
	}
	if value, ok := b.node.get("const"); ok {
		b.constant = newEnumeration([]any{value})
	}
	if values, ok := b.node.get("enum"); ok {
		b.enum = newEnumeration(values.([]any))
	}
}

func newEnumeration(values []any) *enumeration {
	e := &enumeration{}
	for _, value := range values {
		e.list = append(e.list, canonical(string(appendJSON(nil, value))))
	}
	if len(e.list) > few {
		e.set = make(map[string]bool, len(e.list))
		for _, text := range e.list {
			e.set[text] = true
		}
	}
	return e
}

func (b *builder) strings() {
	hasMin, hasMax := b.count("minLength", &b.minLength), b.count("maxLength", &b.maxLength)
	if name := b.node.text("format"); name != "" {
		b.format = b.textFormat(name)
	}
	if source, ok := b.node.get("pattern"); ok {
		b.pattern = b.compilePattern("pattern", source.(string))
	}
	if name := b.node.text("format"); b.formats[name] == nil && !hasMin && !hasMax && b.pattern == nil {
		b.usual = usualForms[name]
	}
	if hasMin || hasMax || b.format != nil || b.pattern != nil {
		b.own |= str
	}
}

// compilePattern returns nil if source is no pattern, which invalid reports.
func (b *builder) compilePattern(keyword, source string) pattern {
	p, err := compilePattern(source)
	if err != nil {
		b.invalid(b.node, keyword, err)
		return nil
	}
	return p
}

func (b *builder) numbers() {
	for _, keyword := range [...]string{"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"} {
		if value, ok := b.node.get(keyword); ok {
			b.bounds = append(b.bounds, bound{
				keyword: keyword, limit: parseDecimal(fmt.Sprint(value)),
				upper: keyword == "maximum" || keyword == "exclusiveMaximum", strict: keyword[0] == 'e',
			})
		}
	}
	if name := b.node.text("format"); b.formats[name] == nil {
		b.bounds = append(b.bounds, numberFormats[name]...)
	}
	if value, ok := b.node.get("multipleOf"); ok {
		b.multipleOf, _ = new(big.Rat).SetString(fmt.Sprint(value))
		if b.multipleOf.Sign() <= 0 {
			b.invalid(b.node, "multipleOf", errors.New("the value has to be greater than 0"))
		}
	}
	if len(b.bounds) > 0 || b.multipleOf != nil || b.types&(number|integer) == integer {
		b.own |= number | integer
	}
	b.small = b.multipleOf == nil
	b.min, b.max = math.MinInt64, math.MaxInt64
	for i := range b.bounds {
		b.small = b.bounds[i].narrow(&b.min, &b.max) && b.small
	}
}

// narrow applies the bound to a range of integers. It reports false if the limit is no integer of 18 digits, unless it is
// so large that it makes no difference to integers of 18 digits.
func (b *bound) narrow(lowest, highest *int64) bool {
	if b.limit.isInteger() && len(b.limit.digits)+b.limit.exponent > 18 {
		return b.limit.negative != b.upper
	}
	limit, err := strconv.ParseInt(string(b.limit.append(nil)), 10, 64)
	if err != nil {
		return false
	}
	switch {
	case b.upper && b.strict:
		*highest = min(*highest, limit-1)
	case b.upper:
		*highest = min(*highest, limit)
	case b.strict:
		*lowest = max(*lowest, limit+1)
	default:
		*lowest = max(*lowest, limit)
	}
	return true
}

func (b *builder) objects() {
	for _, m := range b.named("properties") {
		b.properties = append(b.properties, property{
			name: m.name, start: startOf(m.name), part: part{b.compile(m.value.(*node), b.scope), m.offset},
		})
	}
	known := make(map[string]int, len(b.properties))
	for i := range b.properties {
		known[b.properties[i].name] = i
	}
	// property returns the index of a name, which it makes known.
	property := func(name any) int {
		i, ok := known[name.(string)]
		if !ok {
			i = len(b.properties)
			known[name.(string)] = i
			b.properties = append(b.properties, property{name: name.(string), start: startOf(name.(string))})
		}
		return i
	}
	for _, name := range b.node.requiredIn(b.flag) {
		b.required = append(b.required, property(name))
	}
	for _, m := range b.named("dependentRequired") {
		d := dependency{property: property(m.name)}
		for _, name := range m.value.([]any) {
			d.required = append(d.required, property(name))
		}
		b.dependent = append(b.dependent, d)
	}
	for _, m := range b.named("dependentSchemas") {
		b.dependent = append(b.dependent, dependency{
			property: property(m.name), schema: part{b.compile(m.value.(*node), b.scope), m.offset},
		})
	}
	if len(b.properties) > few {
		b.index = known
	}
	for _, m := range b.named("patternProperties") {
		if p := b.compilePattern("patternProperties", m.name); p != nil {
			b.patterns = append(b.patterns, patternProperty{p, part{b.compile(m.value.(*node), b.scope), m.offset}})
		}
	}
	b.additional = b.child("additionalProperties")
	b.names = b.child("propertyNames")
	b.usualMembers = len(b.properties) > 0 && len(b.properties) <= few && b.patterns == nil && b.names.schema == nil
	hasMin, hasMax := b.count("minProperties", &b.minProperties), b.count("maxProperties", &b.maxProperties)
	b.separate = !hasMin && !hasMax && b.dependent == nil
	for _, i := range b.required {
		b.requiredMask |= 1 << i
		b.separate = b.separate && i < 64
	}
	if len(b.properties)+len(b.patterns) > 0 || b.additional.schema != nil || b.names.schema != nil || hasMin || hasMax {
		b.own |= object
	}
}

func (b *builder) arrays() {
	b.prefix = b.list("prefixItems")
	b.items = b.child("items")
	b.contains = b.child("contains")
	if b.contains.schema != nil {
		b.minContains = 1
		b.count("minContains", &b.minContains)
		b.count("maxContains", &b.maxContains)
	}
	hasMin, hasMax := b.count("minItems", &b.minItems), b.count("maxItems", &b.maxItems)
	unique, _ := b.node.get("uniqueItems")
	b.unique = unique == true
	b.usualItems = b.prefix == nil && b.contains.schema == nil && !b.unique
	if b.prefix != nil || b.items.schema != nil || b.contains.schema != nil || hasMin || hasMax || b.unique {
		b.own |= array
	}
}

func (b *builder) applicators() {
	b.allOf = b.list("allOf")
	for _, keyword := range [...]string{"$ref", "$dynamicRef"} {
		target := b.node.target
		if keyword == "$dynamicRef" {
			target = b.scope.resolve(b.node)
		}
		if i := b.node.find(keyword); i >= 0 && target != nil {
			b.allOf = append(b.allOf, part{b.compile(target, b.scope), b.node.members[i].offset})
		}
	}
	b.anyOf, b.oneOf = b.list("anyOf"), b.list("oneOf")
	b.not = b.child("not")
	if b.condition = b.child("if"); b.condition.schema != nil {
		b.then, b.otherwise = b.child("then"), b.child("else")
	}
	b.unevaluatedItems, b.unevaluatedMembers = b.child("unevaluatedItems"), b.child("unevaluatedProperties")
	b.applies = len(b.allOf)+len(b.anyOf)+len(b.oneOf) > 0 || b.not.schema != nil || b.condition.schema != nil
}

// scope is the dynamic scope of a schema: by the name of each $dynamicAnchor, the outermost schema that has it in a
// resource through which a validator has come. It is nil in documents without dynamic references.
type scope struct {
	anchors map[string]*node
	inner   map[*resource]*scope // of schemas in another resource
}

// enter returns the scope within a schema of resource r.
func (c *compiler) enter(sc *scope, r *resource) *scope {
	if c.document.anchors == nil {
		return nil
	}
	if sc == nil {
		sc = c.scope
	}
	anchors := make(map[string]*node)
	maps.Copy(anchors, c.document.anchors[r])
	maps.Copy(anchors, sc.anchors)
	if len(anchors) == len(sc.anchors) {
		return sc
	}
	if sc.inner[r] == nil {
		sc.inner[r] = &scope{anchors, make(map[*resource]*scope)}
	}
	return sc.inner[r]
}

// resolve returns what the $dynamicRef of o leads to.
func (sc *scope) resolve(o *node) *node {
	target := o.dynamic
	if target == nil {
		return nil
	}
	for len(target.members) == 1 && target.target != nil { // the schema has moved into components
		target = target.target
	}
	anchor := target.text("$dynamicAnchor")
	if outer := sc.anchors[anchor]; outer != nil && strings.HasSuffix(o.text("$dynamicRef"), "#"+anchor) {
		return outer
	}
	return target
}
