package contract

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document is an OpenAPI document that was read without an error.
type Document struct {
	root  *node
	data  []byte
	model *openapi3.T

	// directional documents are of OpenAPI 3.0 and have schemas that mean something else in requests than in responses:
	// a readOnly property is not required in requests, and a writeOnly one not in responses.
	directional bool
	anchors     map[*resource]map[string]*node // of dynamic references, by name; nil without any
}

// JSON returns the document as the generator and New see it: compact OpenAPI 3.1 (or 3.2), upgraded and repaired. The
// published bytes stay as they are. The caller must not modify the result.
func (d *Document) JSON() []byte { return d.data }

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

// Read reads an OpenAPI document. The findings are all there are, sorted by place. The Document is nil if and only if one
// of them is an error.
func Read(data []byte) (*Document, []Finding) {
	r := reader{
		reported: make(map[Finding]bool), ids: make(map[string]*node),
		ignored: make(map[unknownKeyword]*ignoredKeyword),
	}
	d := r.read(data)
	slices.SortStableFunc(r.findings, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Message, b.Message))
	})
	findings := make([]Finding, len(r.findings))
	for i, f := range r.findings {
		findings[i] = f.Finding
	}
	if r.failed {
		return nil, findings
	}
	return d, findings
}

// reader reads one document.
type reader struct {
	root     *node
	version  string // as published
	old      bool   // 3.0
	findings []placed
	reported map[Finding]bool
	failed   bool
	quiet    bool // while a copy is visited, of which the original was reported

	refs    []*node // objects with a $ref, in the order of the document
	schemas []*node
	ignored map[unknownKeyword]*ignoredKeyword
	base    *resource        // of the schema that is visited
	ids     map[string]*node // schemas by their URI, which is that of their $id or ends with their anchor
	named   map[*node]string // names of components
	inlined int              // schemas that inlineBase copied
}

type placed struct {
	Finding
	offset int
}

func (r *reader) report(severity Severity, pointer string, offset int, rule, format string, arguments ...any) {
	if r.quiet {
		return
	}
	f := Finding{pointer, rule, fmt.Sprintf(format, arguments...), severity}
	if r.reported[f] {
		return
	}
	r.reported[f] = true
	r.failed = r.failed || severity == Error
	r.findings = append(r.findings, placed{f, offset})
}

// warn reports a warning about a member of o, or about o itself.
func (r *reader) warn(o *node, name, rule, format string, arguments ...any) {
	pointer, offset := o.at(name)
	r.report(Warning, pointer, offset, rule, format, arguments...)
}

func (r *reader) err(o *node, name, rule, format string, arguments ...any) {
	pointer, offset := o.at(name)
	r.report(Error, pointer, offset, rule, format, arguments...)
}

// at returns where the member name was published; where o was if it has no such member.
func (o *node) at(name string) (pointer string, offset int) {
	i := o.find(name)
	if name == "" || i < 0 {
		return o.pointer, o.offset
	}
	if child, ok := o.members[i].value.(*node); ok && child.kind != "" {
		return child.pointer, child.offset
	}
	return o.pointer + "/" + escapeToken(name), o.members[i].offset
}

func (r *reader) read(data []byte) *Document {
	if !r.parse(data) || !r.checkVersion() {
		return nil
	}
	r.visit(r.root, "document", &place{})
	r.inlinePathItems()
	r.resolve()
	r.resolveDynamic()
	r.breakCycles()
	for _, s := range r.schemas {
		r.upgrade(s)
	}
	r.repair()
	d := &Document{root: r.root, directional: r.directional(), anchors: r.dynamicAnchors()}
	r.reportIgnored()
	r.checkSchemas(d)
	if r.failed {
		return d
	}
	r.boundSiblings()
	r.nameComponents()
	d.data = appendJSON(nil, r.root)
	var err error
	if d.model, err = openapi3.NewLoader().LoadFromData(d.data); err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		r.report(Error, "", 0, "load", "kin-openapi cannot load the document: %s", message)
	}
	return d
}

func (r *reader) parse(data []byte) bool {
	fail := func(format string, arguments ...any) bool {
		r.report(Error, "", 0, "json", format, arguments...)
		return false
	}
	if rest, ok := bytes.CutPrefix(data, []byte("\uFEFF")); ok {
		r.report(Warning, "", 0, "json", "the text begins with a byte order mark")
		data = rest
	}
	if !utf8.Valid(data) {
		return fail("the text is not valid UTF-8")
	}
	type duplicate struct {
		o      *node
		name   string
		offset int
	}
	var duplicates []duplicate
	root, err := parseTree(data, func(o *node, name string, offset int) {
		duplicates = append(duplicates, duplicate{o, name, offset})
	})
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		if isYAML(data) {
			return fail("JSON expected, this looks like YAML")
		}
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		return fail("the text is not one JSON value: line %d: %v", line, err)
	}
	if err != nil {
		if isYAML(data) {
			return fail("JSON expected, this looks like YAML")
		}
		if errors.Is(err, errDepth) || errors.Is(err, errNumber) {
			return fail("%v", err)
		}
		return fail("the text is not one JSON value: %v", err)
	}
	var ok bool
	if r.root, ok = root.(*node); !ok {
		return fail("the text is not one JSON value of an OpenAPI document, which is an object")
	}
	if len(duplicates) > 0 {
		pointers := map[*node]string{}
		locate(pointers, "", r.root)
		for _, d := range duplicates {
			r.report(Warning, pointers[d.o]+"/"+escapeToken(d.name), d.offset, "duplicate-key",
				"the object has two members of this name; the last one counts")
		}
	}
	return true
}

// locate finds the pointers of all objects.
func locate(pointers map[*node]string, pointer string, value any) {
	switch value := value.(type) {
	case *node:
		pointers[value] = pointer
		for _, m := range value.members {
			locate(pointers, pointer+"/"+escapeToken(m.name), m.value)
		}
	case []any:
		for i, item := range value {
			locate(pointers, pointer+"/"+strconv.Itoa(i), item)
		}
	}
}

// isYAML reports whether text that is not JSON begins like an OpenAPI document in YAML.
func isYAML(data []byte) bool {
	for line := range bytes.Lines(data[:min(len(data), 1<<16)]) {
		if bytes.HasPrefix(line, []byte("openapi:")) || bytes.HasPrefix(line, []byte("swagger:")) ||
			bytes.HasPrefix(line, []byte("---")) {
			return true
		}
	}
	return false
}

func (r *reader) checkVersion() bool {
	if version := r.root.text("swagger"); version != "" {
		r.err(r.root, "swagger", "openapi", "Swagger %s is not supported; convert the document to OpenAPI 3", version)
		return false
	}
	switch value, _ := r.root.get("openapi"); value := value.(type) {
	case json.Number:
		r.version = value.String()
		r.warn(r.root, "openapi", "type", "the version has to be a string")
	case string:
		r.version = strings.TrimSpace(value)
	}
	switch {
	case strings.HasPrefix(r.version+".", "3.0."):
		r.old = true
		r.root.set("openapi", "3.1.0")
	case strings.HasPrefix(r.version+".", "3.1."):
		r.root.set("openapi", r.version)
	case strings.HasPrefix(r.version+".", "3.2."):
		r.root.set("openapi", r.version)
	default:
		r.err(r.root, "openapi", "openapi", "the version %q is none of OpenAPI 3.0, 3.1 and 3.2", r.version)
		return false
	}
	if r.version == "3.1" || r.version == "3.2" {
		r.root.set("openapi", r.version+".0")
	}
	dialect, ok := r.root.get("jsonSchemaDialect")
	if name, _ := dialect.(string); ok && !isDialect(name) {
		r.err(r.root, "jsonSchemaDialect", "dialect", "the dialect %q is not JSON Schema 2020-12", name)
	}
	return true
}

func isDialect(name string) bool {
	return strings.TrimSuffix(name, "#") == "https://json-schema.org/draft/2020-12/schema" ||
		strings.HasPrefix(name, "https://spec.openapis.org/oas/")
}
