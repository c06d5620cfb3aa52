package contract

import (
	"errors"
	"fmt"
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

// newCompiler compiles every schema of the document. All of them are subschemas of one resource, because the library
// copies its books for each schema outside of those it knows.
func newCompiler(d *Document, formats map[string]func(string) error) (*compiler, error) {
	c, err := newDirection(d, formats, "writeOnly")
	if err == nil && d.directional {
		c.requests, err = newDirection(d, formats, "readOnly")
	}
	return c, err
}

// newDirection compiles the schemas of responses, or those of requests. In 3.0, properties with the flag are not required
// there.
func newDirection(d *Document, formats map[string]func(string) error, flag string) (*compiler, error) {
	c := &compiler{
		document: d, formats: formats, schemas: jsonschema.NewCompiler(), offsets: make(map[string]int),
		acceptors: make(map[*jsonschema.Schema]*acceptor),
	}
	c.requests = c
	c.schemas.DefaultDraft(jsonschema.Draft2020)
	c.schemas.UseLoader(nothingElse{})
	c.schemas.UseRegexpEngine(compilePattern)
	c.schemas.AssertFormat()
	b := resourceBuilder{offsets: c.offsets, definitions: make(map[string]any), refs: make(map[string][]string)}
	if d.directional {
		b.flag = flag
	}
	b.walk("", d.root, "document")
	resource := map[string]any{"$defs": b.definitions}
	c.registerFormats()
	if err := c.schemas.AddResource(documentURL, resource); err != nil {
		return nil, err
	}
	// What a schema refers to comes first: the library searches its queue of schemas to compile one by one.
	done := make(map[string]bool, len(b.order))
	var compile func(pointer string) error
	compile = func(pointer string) error {
		if done[pointer] {
			return nil
		}
		done[pointer] = true
		for _, ref := range b.refs[pointer] {
			if err := compile(ref); err != nil {
				return err
			}
		}
		_, err := c.schemas.Compile(schemaURL(pointer))
		return err
	}
	for _, pointer := range b.order {
		if err := compile(pointer); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// schemaURL returns where the outermost schema at pointer is in the compiled resource.
func schemaURL(pointer string) string { return documentURL + reference(definition(pointer)) }

func definition(pointer string) string { return "/$defs/" + escapeToken(pointer) }

// nothingElse is the loader of whatever is not the document.
type nothingElse struct{}

func (nothingElse) Load(string) (any, error) {
	return nil, errors.New("$ref leads out of the document")
}

// resourceBuilder puts all schemas of a document into one resource, as definitions named by their pointers.
type resourceBuilder struct {
	flag        string
	definitions map[string]any
	order       []string
	refs        map[string][]string // pointer -> pointers of the components that its schema refers to
	offsets     map[string]int
	current     string
}

// walk visits everything below an object that is not a schema.
func (b *resourceBuilder) walk(pointer string, o *node, kind string) {
	for _, m := range o.members {
		memberKind, ok := memberKind(kind, m.name)
		if !ok || memberKind == "any" {
			continue
		}
		b.value(pointer+"/"+escapeToken(m.name), m.value, memberKind)
	}
}

func (b *resourceBuilder) value(pointer string, value any, kind string) {
	switch kind[0] {
	case '[':
		list, _ := value.([]any)
		for i, item := range list {
			b.value(fmt.Sprintf("%s/%d", pointer, i), item, kind[1:len(kind)-1])
		}
	case '{':
		o, _ := value.(*node)
		if o == nil {
			return
		}
		for _, m := range o.members {
			b.value(pointer+"/"+escapeToken(m.name), m.value, kind[1:len(kind)-1])
		}
	default:
		if kind == "schema" {
			b.current = pointer
			b.order = append(b.order, pointer)
			b.definitions[pointer] = b.schema(definition(pointer), value)
			return
		}
		if o, ok := value.(*node); ok && (shapes[kind] != nil || kind == "callback") {
			b.walk(pointer, o, kind)
		}
	}
}

// schema returns a schema with references to the definitions.
func (b *resourceBuilder) schema(location string, value any) any {
	o, ok := value.(*node)
	if !ok {
		return value
	}
	b.offsets[location] = len(b.offsets)
	s := make(map[string]any, len(o.members))
	for _, m := range o.members {
		below := location + "/" + escapeToken(m.name)
		b.offsets[below] = len(b.offsets)
		switch kind := shapes["schema"][m.name]; {
		case m.name == "$ref", m.name == "$dynamicRef":
			s[m.name] = m.value
			ref, _ := m.value.(string)
			if pointer, ok := fragment(ref); ok {
				if m.name == "$ref" {
					b.refs[b.current] = append(b.refs[b.current], pointer)
				}
				s[m.name] = reference(definition(pointer))
			}
		case m.name == "required" && b.flag != "":
			s[m.name] = plain(o.requiredIn(b.flag))
		case kind == "schema":
			s[m.name] = b.schema(below, m.value)
		case kind == "[schema]":
			list := []any{}
			for i, item := range m.value.([]any) {
				list = append(list, b.schema(fmt.Sprintf("%s/%d", below, i), item))
			}
			s[m.name] = list
		case kind == "{schema}":
			members := make(map[string]any)
			for _, m := range m.value.(*node).members {
				members[m.name] = b.schema(below+"/"+escapeToken(m.name), m.value)
			}
			s[m.name] = members
		case kind == "":
			// An unknown keyword means nothing.
		case !assertions[m.name] && m.name != "const" && m.name != "format" && !strings.HasPrefix(m.name, "$") && m.name != "contentSchema":
			// An annotation.
		default:
			s[m.name] = plain(m.value)
		}
	}
	return s
}

// compile returns the outermost schema at pointer, ready for validation.
func (c *compiler) compile(pointer string) (*schema, error) {
	s := &schema{offsets: c.offsets}
	// Most schemas of an operation are nothing but a reference. They share what is compiled and its acceptor.
	value, _ := c.document.at(pointer)
	if o, ok := value.(*node); ok && len(o.members) == 1 && o.text("$ref") != "" {
		if target, ok := fragment(o.text("$ref")); ok {
			pointer = target
		}
	}
	var err error
	if s.compiled, err = c.schemas.Compile(schemaURL(pointer)); err != nil {
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
