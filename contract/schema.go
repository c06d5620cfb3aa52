package contract

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// documentURL is what the document is called within the compiler. It only has to be absolute.
const documentURL = "openapi:///document"

// schema validates decoded values against one schema of the document.
type schema struct {
	compiled *jsonschema.Schema
	quick    *acceptor
	offsets  map[string]int // of the keywords in the document, by their place in the compiled resource
}

// compiler compiles the schemas of one document.
type compiler struct {
	document *Document
	schemas  *jsonschema.Compiler
	formats  map[string]func(string) error
	offsets  map[string]int

	// requests is the compiler of the schemas of requests, if they differ from those of responses.
	requests *compiler

	acceptors map[*jsonschema.Schema]*acceptor
}

// newCompiler compiles every schema of the document.
func newCompiler(d *Document, formats map[string]func(string) error) (*compiler, error) {
	c, err := compileDefinitions(d, d.responses, formats)
	if err == nil && d.requests != d.responses {
		c.requests, err = compileDefinitions(d, d.requests, formats)
	}
	return c, err
}

func compileDefinitions(d *Document, b *definitions, formats map[string]func(string) error) (*compiler, error) {
	c := &compiler{
		document: d, formats: formats, schemas: jsonschema.NewCompiler(), offsets: b.offsets,
		acceptors: make(map[*jsonschema.Schema]*acceptor),
	}
	c.requests = c
	c.schemas.DefaultDraft(jsonschema.Draft2020)
	c.schemas.UseLoader(nothingElse{})
	c.schemas.UseRegexpEngine(compilePattern)
	c.schemas.AssertFormat()
	c.registerFormats()
	if err := c.schemas.AddResource(documentURL, map[string]any{"$defs": b.schemas}); err != nil {
		return nil, err
	}
	// What a schema refers to comes first: the library searches its queue of schemas to compile one by one.
	done := make(map[string]bool, len(b.order))
	var compile func(name string) error
	compile = func(name string) error {
		if done[name] {
			return nil
		}
		done[name] = true
		for _, ref := range b.refs[name] {
			if err := compile(ref); err != nil {
				return err
			}
		}
		_, err := c.schemas.Compile(schemaURL(definition(name)))
		return err
	}
	for _, name := range b.order {
		if err := compile(name); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// schemaURL returns the absolute URI of the schema at a location of the compiled resource.
func schemaURL(location string) string { return documentURL + reference(location) }

// definition returns the location of an outermost schema in the compiled resource.
func definition(name string) string { return "/$defs/" + escapeToken(name) }

// nothingElse rejects every resource other than the document.
type nothingElse struct{}

func (nothingElse) Load(string) (any, error) {
	return nil, errors.New("$ref leads out of the document")
}

// definitions are all schemas of a document, as definitions of one resource, because the jsonschema library copies its
// books for each schema outside of the resources it knows. Each outermost schema is named by where it was published.
type definitions struct {
	schemas map[string]any
	order   []string
	refs    map[string][]string // name -> names of the definitions that it refers to
	offsets map[string]int      // location of a keyword -> its rank in the document

	reader *reader
	flag   string // of properties that are not required
	nodes  map[string]*node
	walked map[*node]bool
	roots  []*node
	ids    map[*node]bool // schemas that keep their $id
}

// newDefinitions copies the schemas of the document. Every reference becomes the absolute URI of what it leads to.
func (r *reader) newDefinitions(flag string) *definitions {
	b := &definitions{
		schemas: make(map[string]any), refs: make(map[string][]string), offsets: make(map[string]int), reader: r, flag: flag,
		nodes: make(map[string]*node), walked: make(map[*node]bool), ids: make(map[*node]bool),
	}
	for _, s := range r.schemas {
		// Dynamic references depend on the resources that a validator has come through. Nothing else does.
		if s.find("$dynamicAnchor") >= 0 && s.base != nil {
			for _, s := range r.ids {
				b.ids[s] = s.base != nil && s.base.root == s
			}
			break
		}
	}
	b.walk(r.root, "document")
	for _, o := range r.refs { // some lead to where OpenAPI knows nothing
		target := r.targets[o]
		switch {
		case target == nil:
		case target.kind != "schema" && !b.walked[target]:
			b.walk(target, target.kind)
		case target.kind == "schema" && b.nodes[target.location] != target:
			b.outermost(target)
		}
	}
	for i := 0; i < len(b.roots); i++ {
		name := b.order[i]
		b.schemas[name] = b.schema(name, b.roots[i])
	}
	return b
}

// walk visits everything below an object that is not a schema.
func (b *definitions) walk(o *node, kind string) {
	b.walked[o] = true
	for _, m := range o.members {
		if memberKind, ok := memberKind(kind, m.name); ok && memberKind != "any" {
			b.value(m.value, memberKind)
		}
	}
}

func (b *definitions) value(value any, kind string) {
	o, _ := value.(*node)
	switch {
	case kind[0] == '[':
		list, _ := value.([]any)
		for _, item := range list {
			b.value(item, kind[1:len(kind)-1])
		}
	case o == nil:
	case kind[0] == '{':
		for _, m := range o.members {
			b.value(m.value, kind[1:len(kind)-1])
		}
	case kind == "schema":
		b.outermost(o)
	case shapes[kind] != nil || kind == "callback":
		b.walk(o, kind)
	}
}

func (b *definitions) outermost(o *node) {
	name := o.pointer
	for i := 2; b.nodes[definition(name)] != nil; i++ { // copies were published at one place
		name = o.pointer + " " + strconv.Itoa(i)
	}
	b.order, b.roots = append(b.order, name), append(b.roots, o)
	b.locate(definition(name), o)
}

// locate gives every schema its location.
func (b *definitions) locate(location string, o *node) {
	o.location = location
	b.nodes[location] = o
	o.eachSchema(func(path string, s *node) { b.locate(location+path, s) })
}

// eachSchema visits the schemas directly within a schema.
func (o *node) eachSchema(visit func(path string, s *node)) {
	for _, m := range o.members {
		path := "/" + escapeToken(m.name)
		switch shapes["schema"][m.name] {
		case "schema":
			if s, ok := m.value.(*node); ok {
				visit(path, s)
			}
		case "[schema]":
			for i, item := range m.value.([]any) {
				visit(path+"/"+strconv.Itoa(i), item.(*node))
			}
		case "{schema}":
			for _, entry := range m.value.(*node).members {
				visit(path+"/"+escapeToken(entry.name), entry.value.(*node))
			}
		}
	}
}

// schema returns a schema of the definition name.
func (b *definitions) schema(name string, o *node) any {
	b.offsets[o.location] = len(b.offsets)
	if o.flag != nil {
		return *o.flag
	}
	s := make(map[string]any, len(o.members))
	if b.ids[o] {
		s["$id"] = o.base.uri
	}
	for _, m := range o.members {
		b.offsets[o.location+"/"+escapeToken(m.name)] = len(b.offsets)
		switch kind := shapes["schema"][m.name]; {
		case m.name == "$ref":
			if target := b.reader.targets[o]; target != nil {
				b.refer(name, target)
				s["$ref"] = schemaURL(target.location)
			}
		case m.name == "$dynamicRef":
			s["$dynamicRef"] = b.dynamicRef(name, o, m.value.(string))
		case m.name == "$anchor":
		case m.name == "required" && b.flag != "":
			s[m.name] = plain(o.requiredIn(b.flag))
		case kind == "schema":
			s[m.name] = b.schema(name, m.value.(*node))
		case kind == "[schema]":
			list := []any{}
			for _, item := range m.value.([]any) {
				list = append(list, b.schema(name, item.(*node)))
			}
			s[m.name] = list
		case kind == "{schema}":
			members := make(map[string]any)
			for _, m := range m.value.(*node).members {
				members[m.name] = b.schema(name, m.value.(*node))
			}
			s[m.name] = members
		case kind == "":
			// An unknown keyword means nothing.
		case !assertions[m.name] && m.name != "const" && m.name != "format" && m.name != "$dynamicAnchor":
			// An annotation.
		default:
			s[m.name] = plain(m.value)
		}
	}
	return s
}

func (b *definitions) refer(name string, target *node) {
	root, _, _ := strings.Cut(strings.TrimPrefix(target.location, "/$defs/"), "/")
	b.refs[name] = append(b.refs[name], tokenUnescaper.Replace(root))
}

// dynamicRef returns a dynamic reference as the compiler has to read it.
func (b *definitions) dynamicRef(name string, o *node, ref string) string {
	r := b.reader
	target, ok := r.follow(o, ref, "schema")
	if !ok || b.nodes[target.location] != target {
		r.err(o, "$dynamicRef", "ref", "the reference %q leads to nothing", ref)
		return documentURL
	}
	b.refer(name, target)
	r.base = target.base
	uri, _, _ := r.absolute("")
	r.base = nil
	anchor := target.text("$dynamicAnchor")
	if anchor == "" || !strings.HasSuffix(ref, "#"+anchor) || target.base != nil && !b.ids[target.base.root] {
		return schemaURL(target.location)
	}
	return uri + "#" + anchor
}

// compile returns the schema at a pointer into the read document, ready for validation.
func (c *compiler) compile(pointer string) (*schema, error) {
	s := &schema{offsets: c.offsets}
	value, _ := c.document.at(pointer)
	o, ok := value.(*node)
	// Most schemas of an operation are nothing but a reference. They share what is compiled and its acceptor.
	if ok && len(o.members) == 1 && o.text("$ref") != "" {
		if target, found := fragment(o.text("$ref")); found {
			value, _ = c.document.at(target)
			o, ok = value.(*node)
		}
	}
	if !ok || o.location == "" {
		return nil, fmt.Errorf("compile schema %s: nothing is there", pointer)
	}
	var err error
	if s.compiled, err = c.schemas.Compile(schemaURL(o.location)); err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", pointer, err)
	}
	s.quick = c.acceptor(s.compiled)
	return s, nil
}

// at returns the value that the pointer into the read document leads to.
func (d *Document) at(pointer string) (any, bool) { return valueAt(d.root, pointer) }

// resolve follows $ref from the OpenAPI object (not schema) at pointer, and returns the pointer of the object that is no
// reference.
func (d *Document) resolve(pointer string) (string, error) {
	for range 100 { // the reader has removed cycles
		value, ok := d.at(pointer)
		if !ok {
			return "", fmt.Errorf("%s: nothing is there", pointer)
		}
		o, _ := value.(*node)
		if o == nil || o.text("$ref") == "" {
			return pointer, nil
		}
		if pointer, ok = fragment(o.text("$ref")); !ok {
			return "", fmt.Errorf("%s: $ref leads out of the document", pointer)
		}
	}
	return "", fmt.Errorf("%s: $ref leads in a circle", pointer)
}

// example returns the first example of the media type at pointer, as compact JSON.
func (d *Document) example(pointer string) []byte {
	value, _ := d.at(pointer)
	media, ok := value.(*node)
	if !ok {
		return nil
	}
	if example, ok := media.get("example"); ok {
		return appendJSON(nil, example)
	}
	examples := media.object("examples")
	if examples == nil || len(examples.members) == 0 {
		return nil
	}
	found, err := d.resolve(pointer + "/examples/" + escapeToken(examples.members[0].name))
	if err != nil {
		return nil
	}
	if example, ok := d.at(found + "/value"); ok {
		return appendJSON(nil, example)
	}
	return nil
}

// validate returns the violations of value, in the order of the document.
func (s *schema) validate(value any, in, name string) []Violation {
	c := collector{offsets: s.offsets, in: in, name: name}
	var err error
	if !matchInTime(func() { err = s.compiled.Validate(value) }) {
		c.add(Violation{Keyword: "pattern", Message: message(&kind.Pattern{}), Err: errMatchTimeout})
		return c.violations
	}
	if err == nil {
		return nil
	}
	if verr, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		c.collect(verr)
	} else {
		c.add(Violation{Keyword: "decode", Message: "Input should be a JSON value", Err: err})
	}
	return c.violations
}
