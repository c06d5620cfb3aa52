package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	"github.com/speakeasy-api/openapi/overlay/loader"
	"gopkg.in/yaml.v3"
)

// The Go types that stand for schemas that oapi-codegen has no type for.
const (
	goType       = "x-go-type"
	goTypeImport = "x-go-type-import"
	anyType      = "apitype.JSON"
	apitypePath  = "github.com/diga-io/diga-api/gen/apitype"
)

// goOnly reports whether an extension decides a Go fact for oapi-codegen. Such facts belong in an overlay: those that a
// published document carries name the packages of its publisher.
func goOnly(name string) bool {
	return strings.HasPrefix(name, "x-go-") || strings.HasPrefix(name, "x-oapi-codegen-")
}

// withoutGo removes the extensions that decide Go facts from a document, and returns their names.
func withoutGo(document []byte) ([]byte, []string, error) {
	if !bytes.Contains(document, []byte(`"x-go-`)) && !bytes.Contains(document, []byte(`"x-oapi-codegen-`)) {
		return document, nil, nil
	}
	var tree any
	if err := decode(document, &tree); err != nil {
		return nil, nil, err
	}
	found := map[string]bool{}
	var clean func(value any, names bool)
	clean = func(value any, names bool) {
		switch value := value.(type) {
		case map[string]any:
			for name, member := range value {
				if !names && goOnly(name) {
					found[name] = true
					delete(value, name)
					continue
				}
				clean(member, name == "properties" && !names)
			}
		case []any:
			for _, item := range value {
				clean(item, false)
			}
		}
	}
	clean(tree, false)
	data, err := json.Marshal(tree)
	return data, slices.Sorted(maps.Keys(found)), err
}

func decode(document []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	return decoder.Decode(value)
}

// withOverlay returns the document with the overlay at path over it.
func withOverlay(document []byte, path string, strict bool) ([]byte, error) {
	if path == "" {
		return document, nil
	}
	overlay, err := loader.LoadOverlay(path)
	if err != nil {
		return nil, err
	}
	if err := overlay.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var tree any
	if err := decode(document, &tree); err != nil {
		return nil, err
	}
	node := &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{toYAML(tree)}}
	if strict {
		_, err = overlay.ApplyToStrict(node)
	} else {
		err = overlay.ApplyTo(node)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var overlaid any
	if err := node.Decode(&overlaid); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return json.Marshal(overlaid)
}

// toYAML returns a JSON value as the overlay library wants it. JSON is not YAML: YAML allows neither tabs nor control
// characters where JSON does.
func toYAML(value any) *yaml.Node {
	scalar := func(tag, text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text} }
	switch value := value.(type) {
	case map[string]any:
		node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			node.Content = append(node.Content, scalar("!!str", name), toYAML(value[name]))
		}
		return node
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range value {
			node.Content = append(node.Content, toYAML(item))
		}
		return node
	case string:
		return scalar("!!str", value)
	case json.Number:
		if _, err := value.Int64(); err == nil {
			return scalar("!!int", value.String())
		}
		return scalar("!!float", value.String())
	case bool:
		return scalar("!!bool", strconv.FormatBool(value))
	}
	return scalar("!!null", "null")
}

// load returns oapi-codegen's model of the document.
func load(document []byte) (*openapi3.T, error) {
	contents, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	if contents.Components == nil {
		contents.Components = new(openapi3.Components)
	}
	if contents.Components.Schemas == nil {
		contents.Components.Schemas = openapi3.Schemas{}
	}
	if contents.Paths == nil {
		contents.Paths = openapi3.NewPaths()
	}
	return contents, nil
}

// walk goes through the schemas of a document, each once, the outer before the inner.
type walk struct {
	// schema is called for every schema that is not a reference, with the path by which oapi-codegen names its type.
	schema func(ref *openapi3.SchemaRef, path []string)
	// reference is called for every reference to a component, of any kind.
	reference func(ref *string)
	// follow walks what a reference leads to.
	follow bool

	seen map[any]bool
}

func (w *walk) first(value any) bool {
	if w.seen == nil {
		w.seen = map[any]bool{}
	}
	if w.seen[value] {
		return false
	}
	w.seen[value] = true
	return true
}

// enter reports whether to go on into what a reference or a value stands for.
func (w *walk) enter(ref *string, value any) bool {
	if *ref != "" {
		if w.reference != nil {
			w.reference(ref)
		}
		if !w.follow {
			return false
		}
	}
	return w.first(value)
}

func (w *walk) schemaRef(ref *openapi3.SchemaRef, path ...string) {
	if ref == nil || ref.Value == nil || !w.enter(&ref.Ref, ref.Value) {
		return
	}
	if w.schema != nil {
		w.schema(ref, slices.Clone(path))
		if ref.Ref != "" && !w.follow {
			return // The visitor replaced it by a reference.
		}
	}
	s := ref.Value
	below := func(name string) []string { return append(slices.Clone(path), name) }
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		w.schemaRef(s.Properties[name], below(name)...)
	}
	w.schemaRef(s.Items, path...)
	w.schemaRef(s.AdditionalProperties.Schema, path...)
	for _, member := range s.AllOf {
		w.schemaRef(member, path...)
	}
	for _, union := range []openapi3.SchemaRefs{s.AnyOf, s.OneOf} {
		for i, branch := range union {
			w.schemaRef(branch, below(strconv.Itoa(i))...)
		}
	}
}

func (w *walk) content(content openapi3.Content, path string) {
	for _, media := range slices.Sorted(maps.Keys(content)) {
		w.schemaRef(content[media].Schema, path+mediaTag(media))
	}
}

func (w *walk) parameter(ref *openapi3.ParameterRef, path ...string) {
	if ref == nil || ref.Value == nil || !w.enter(&ref.Ref, ref.Value) {
		return
	}
	path = append(path, ref.Value.Name)
	w.schemaRef(ref.Value.Schema, path...)
	for _, media := range ref.Value.Content {
		w.schemaRef(media.Schema, path...)
	}
}

func (w *walk) header(ref *openapi3.HeaderRef, path ...string) {
	if ref == nil || ref.Value == nil || !w.enter(&ref.Ref, ref.Value) {
		return
	}
	w.schemaRef(ref.Value.Schema, path...)
	for _, media := range ref.Value.Content {
		w.schemaRef(media.Schema, path...)
	}
}

func (w *walk) body(ref *openapi3.RequestBodyRef, name string) {
	if ref != nil && ref.Value != nil && w.enter(&ref.Ref, ref.Value) {
		w.content(ref.Value.Content, name)
	}
}

func (w *walk) response(ref *openapi3.ResponseRef, name string) {
	if ref == nil || ref.Value == nil || !w.enter(&ref.Ref, ref.Value) {
		return
	}
	w.content(ref.Value.Content, name)
	for _, header := range slices.Sorted(maps.Keys(ref.Value.Headers)) {
		w.header(ref.Value.Headers[header], name, header)
	}
}

func (w *walk) pathItem(at string, item *openapi3.PathItem) {
	if item == nil || !w.first(item) {
		return
	}
	for _, parameter := range item.Parameters {
		w.parameter(parameter)
	}
	operations := item.Operations()
	for _, method := range slices.Sorted(maps.Keys(operations)) {
		operation := operations[method]
		name := place{at, method}.goName(operation.OperationID)
		for _, parameter := range operation.Parameters {
			w.parameter(parameter, name+"Params")
		}
		w.body(operation.RequestBody, name)
		if operation.Responses != nil {
			responses := operation.Responses.Map()
			for _, status := range slices.Sorted(maps.Keys(responses)) {
				w.response(responses[status], name+status)
			}
		}
		for _, callback := range operation.Callbacks {
			if callback.Value != nil {
				for at, item := range callback.Value.Map() {
					w.pathItem(at, item)
				}
			}
		}
	}
}

// operations walks what operations, webhooks and callbacks use directly.
func (w *walk) operations(contents *openapi3.T) {
	for _, at := range slices.Sorted(maps.Keys(contents.Paths.Map())) {
		w.pathItem(at, contents.Paths.Value(at))
	}
	for _, name := range slices.Sorted(maps.Keys(contents.Webhooks)) {
		w.pathItem(name, contents.Webhooks[name])
	}
}

// document walks all of a document.
func (w *walk) document(contents *openapi3.T) {
	components := contents.Components
	for _, name := range slices.Sorted(maps.Keys(components.Schemas)) {
		w.schemaRef(components.Schemas[name], name)
	}
	for _, name := range slices.Sorted(maps.Keys(components.Parameters)) {
		w.parameter(components.Parameters[name])
	}
	for _, name := range slices.Sorted(maps.Keys(components.Headers)) {
		w.header(components.Headers[name], name)
	}
	for _, name := range slices.Sorted(maps.Keys(components.RequestBodies)) {
		w.body(components.RequestBodies[name], name)
	}
	for _, name := range slices.Sorted(maps.Keys(components.Responses)) {
		w.response(components.Responses[name], name)
	}
	w.operations(contents)
}

// prune removes the components that nothing uses. What webhooks and callbacks use stays, but they themselves go: they
// are requests that the server sends, so neither a server interface nor a client of the API has a place for them.
func prune(contents *openapi3.T) {
	used := map[string]bool{}
	(&walk{follow: true, reference: func(ref *string) { used[*ref] = true }}).operations(contents)
	for again := true; again; {
		again = false
		for name, schema := range contents.Components.Schemas { // one that is but a reference to another
			if schema.Ref != "" && !used[schema.Ref] && used["#/components/schemas/"+escape(name)] {
				used[schema.Ref], again = true, true
			}
		}
	}
	contents.Webhooks = nil
	for _, operation := range operations(contents) {
		operation.Callbacks = nil
	}
	components := contents.Components
	components.Callbacks = nil
	prune := func(section, name string) bool { return !used["#/components/"+section+"/"+escape(name)] }
	maps.DeleteFunc(components.Schemas, func(name string, _ *openapi3.SchemaRef) bool { return prune("schemas", name) })
	maps.DeleteFunc(components.Parameters, func(name string, _ *openapi3.ParameterRef) bool { return prune("parameters", name) })
	maps.DeleteFunc(components.Headers, func(name string, _ *openapi3.HeaderRef) bool { return prune("headers", name) })
	maps.DeleteFunc(components.RequestBodies, func(name string, _ *openapi3.RequestBodyRef) bool { return prune("requestBodies", name) })
	maps.DeleteFunc(components.Responses, func(name string, _ *openapi3.ResponseRef) bool { return prune("responses", name) })
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

func escape(name string) string { return pointerEscaper.Replace(name) }

// hoist makes a component of an inline schema, so that its Go type has a name of its own.
func hoist(contents *openapi3.T, ref *openapi3.SchemaRef, name string) {
	free := name
	for i := 2; contents.Components.Schemas[free] != nil; i++ {
		free = name + strconv.Itoa(i)
	}
	contents.Components.Schemas[free] = &openapi3.SchemaRef{Value: ref.Value}
	ref.Ref = "#/components/schemas/" + escape(free)
}

// replace puts a named Go type behind a schema that oapi-codegen has no type for.
func replace(schema *openapi3.Schema, name string) {
	extend(&schema.Extensions, goType, name)
	if name == anyType {
		extend(&schema.Extensions, goTypeImport, map[string]any{"path": apitypePath})
	}
}

// describe calls oapi-codegen for one schema. It panics on some.
func describe(ref *openapi3.SchemaRef, path []string) (schema codegen.Schema, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%v", cause)
		}
	}()
	return codegen.GenerateGoSchema(ref, slices.Clone(path))
}
