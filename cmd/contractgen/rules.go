package main

import (
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"maps"
	"math"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/util"
)

// repair changes what oapi-codegen refuses, or makes Go of that does not compile. It works on the generator's copy of
// the document alone: what the contract accepts and rejects stays what the document says. It calls note for
// whatever is generated differently from what the document says.
func repair(contents *openapi3.T, note func(path []string, message string)) {
	// What the overlay decides about Go stays: these rules only fill in what it leaves open.
	schemas := func(visit func(ref *openapi3.SchemaRef, path []string)) {
		(&walk{schema: func(ref *openapi3.SchemaRef, path []string) {
			if ref.Value.Extensions[goType] == nil {
				visit(ref, path)
			}
		}}).document(contents)
	}
	schemas(func(ref *openapi3.SchemaRef, path []string) { repairText(ref.Value, path, note) })
	schemas(func(ref *openapi3.SchemaRef, _ []string) { repairSchema(ref.Value) })
	components := contents.Components
	for _, schema := range components.Schemas {
		if schema.Ref == "" && saysNothing(schema.Value) {
			replace(schema.Value, anyType)
		}
	}
	for _, body := range components.RequestBodies {
		mergeUntyped(body.Value.Content)
		repairContent(body.Value.Content, nil)
	}
	for _, response := range components.Responses {
		repairResponse(response.Value)
	}
	for _, parameter := range components.Parameters {
		repairParameter(parameter.Value)
	}
	for at, operation := range operations(contents) {
		item := contents.Paths.Value(at.path)
		item.Parameters = bindable(item.Parameters, at, note)
		operation.Parameters = bindable(operation.Parameters, at, note)
		if operation.RequestBody != nil {
			if merged := mergeUntyped(operation.RequestBody.Value.Content); len(merged) > 1 {
				note([]string{at.goName(operation.OperationID)}, "its bodies of "+strings.Join(merged, ", ")+" are one field Body")
			}
			repairContent(operation.RequestBody.Value.Content, func(media string) {
				note([]string{at.goName(operation.OperationID)}, "its body "+media+" has no Go name of its own, and is left out")
			})
		}
		for _, response := range operation.Responses.Map() {
			repairResponse(response.Value)
		}
		if operation.Security != nil {
			repairScopes(*operation.Security)
		}
	}
	repairScopes(contents.Security)
	breakCycles(contents)
	breakMerges(contents)
}

// unprintable reports whether oapi-codegen refuses a text because it would not be safe in a string of generated code.
func unprintable(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r == '"' || r == '`' || unicode.IsControl(r) })
}

// repairText removes names and values that cannot be written in generated code.
func repairText(s *openapi3.Schema, path []string, note func(path []string, message string)) {
	if unprintable(s.Format) {
		s.Format = ""
	}
	for name := range s.Properties {
		if unprintable(name) {
			note(path, fmt.Sprintf("the property %q cannot be a field of a Go struct", name))
			s.Properties = nil
			replace(s, anyType)
			return
		}
	}
	if slices.ContainsFunc(s.Enum, func(value any) bool {
		text, ok := value.(string)
		return ok && strings.ContainsFunc(text, unicode.IsControl)
	}) {
		s.Enum = nil
	}
	if d := s.Discriminator; d != nil {
		unsafe := func(text string) bool { return unprintable(text) || strings.Contains(text, `\`) }
		if unsafe(d.PropertyName) || slices.ContainsFunc(slices.Collect(maps.Keys(d.Mapping)), unsafe) {
			s.Discriminator = nil
		}
	}
}

func repairScopes(requirements openapi3.SecurityRequirements) {
	for _, requirement := range requirements {
		for scheme, scopes := range requirement {
			requirement[scheme] = slices.DeleteFunc(scopes, unprintable)
		}
	}
}

// repairSchema puts apitype.JSON behind what no Go type stands for.
func repairSchema(s *openapi3.Schema) {
	// A null among the values is the absence of the pointer, and no constant.
	s.Enum = slices.DeleteFunc(slices.Clone(s.Enum), func(value any) bool { return value == nil })
	if len(s.Enum) == 0 {
		s.Enum = nil
	}
	s.AnyOf, s.OneOf = withoutDuplicates(s.AnyOf), withoutDuplicates(s.OneOf)
	types := slices.DeleteFunc(slices.Clone(s.Type.Slice()), func(name string) bool { return name == openapi3.TypeNull })
	switch {
	case s.Type.Slice() != nil && len(types) != 1: // null alone, or several
		replace(s, anyType)
	case len(s.AnyOf) > 0 && len(s.OneOf) > 0: // Both unions would have their methods on one type.
		replace(s, anyType)
	case s.Discriminator != nil && slices.ContainsFunc(slices.Concat(s.AnyOf, s.OneOf), func(b *openapi3.SchemaRef) bool { return b.Ref == "" && !isNull(b) }):
		// A discriminator tells schemas apart by name; inline schemas have none.
		s.Discriminator = nil
	}
}

// withoutDuplicates returns the branches of a union without those that refer to the same schema: each would have its
// methods on the type of the union.
func withoutDuplicates(branches openapi3.SchemaRefs) openapi3.SchemaRefs {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(branches), func(branch *openapi3.SchemaRef) bool {
		again := branch.Ref != "" && seen[branch.Ref]
		seen[branch.Ref] = true
		return again
	})
}

func isNull(ref *openapi3.SchemaRef) bool {
	return ref.Value != nil && ref.Value.Type.Is(openapi3.TypeNull)
}

// saysNothing reports whether a schema accepts everything, as far as oapi-codegen can tell.
func saysNothing(s *openapi3.Schema) bool {
	return s != nil && s.Extensions[goType] == nil && s.Type.Slice() == nil && s.AllOf == nil && s.AnyOf == nil && s.OneOf == nil &&
		s.Not == nil && s.Enum == nil && s.Const == nil && len(s.Properties) == 0
}

// repairContent gives a type to media types whose schema says nothing: of an interface{} with a method no type can be
// made (https://github.com/oapi-codegen/oapi-codegen/issues/1328). It also keeps the first of the media types that
// would share a name. Plain text is a string: oapi-codegen converts its bytes to and from the type of the schema.
func repairContent(content openapi3.Content, dropped func(media string)) {
	names := map[string]bool{}
	for _, media := range slices.Sorted(maps.Keys(content)) {
		if names[mediaTag(media)] {
			delete(content, media)
			if dropped != nil {
				dropped(media)
			}
			continue
		}
		names[mediaTag(media)] = true
		schema := content[media].Schema
		switch {
		case mediaTag(media) == "Text" && (schema == nil || !isPlainString(schema.Value)):
			content[media].Schema = openapi3.NewStringSchema().NewRef()
		case schema != nil && schema.Ref == "" && saysNothing(schema.Value):
			replace(schema.Value, anyType)
		}
	}
}

// mergeUntyped replaces the media types of a body that oapi-codegen has no type for by one, because each would be the field
// Body. Where a body has several media types, the generated server compares the Content-Type of a request with the beginning
// of each, so the one that remains is what they have in common, and has no asterisk. It returns those that it replaced.
func mergeUntyped(content openapi3.Content) (untyped []string) {
	for _, media := range slices.Sorted(maps.Keys(content)) {
		switch {
		case util.IsMediaTypeJson(media), strings.HasPrefix(media, "multipart/"), media == "application/x-www-form-urlencoded", media == "text/plain":
		default:
			untyped = append(untyped, media)
		}
	}
	if len(content) < 2 || len(untyped) == 0 {
		return nil
	}
	common, _, _ := strings.Cut(untyped[0], "*")
	for _, media := range untyped {
		for !strings.HasPrefix(media, common) {
			common = common[:len(common)-1]
		}
		delete(content, media)
	}
	content[common] = openapi3.NewMediaType()
	return untyped
}

// isPlainString reports whether the Go type of s is a string.
func isPlainString(s *openapi3.Schema) bool {
	return s.Type.Is(openapi3.TypeString) && s.Format == "" && s.Extensions[goType] == nil
}

func repairResponse(response *openapi3.Response) {
	for _, media := range response.Content {
		switch {
		case media.Schema == nil:
			media.Schema = &openapi3.SchemaRef{Value: new(openapi3.Schema)}
		case media.Schema.Ref == "" && media.Schema.Value.Extensions[goType] == nil:
			// Of a model or null the generator makes the model, and null could not be answered. Of the model alone in a
			// union it makes a union, which is null as long as nothing is put into it.
			s := media.Schema.Value
			s.AnyOf, s.OneOf = slices.DeleteFunc(s.AnyOf, isNull), slices.DeleteFunc(s.OneOf, isNull)
		}
	}
	repairContent(response.Content, nil)
	maps.DeleteFunc(response.Headers, func(name string, _ *openapi3.HeaderRef) bool { return unprintable(name) })
}

// bindable returns the parameters that can be fields of a struct, with types that any of their values fits.
func bindable(parameters openapi3.Parameters, at place, note func(path []string, message string)) openapi3.Parameters {
	return slices.DeleteFunc(parameters, func(parameter *openapi3.ParameterRef) bool {
		repairParameter(parameter.Value)
		if unprintable(parameter.Value.Name) {
			note([]string{at.method, at.path}, fmt.Sprintf("the parameter %q cannot be a field of a Go struct", parameter.Value.Name))
			return true
		}
		return false
	})
}

// repairParameter makes text of a parameter, or of the items of one, that may be of several types, or of any: it is text on
// the way, and the contract has held it to its schema before.
func repairParameter(parameter *openapi3.Parameter) {
	for schema := parameter.Schema; schema != nil && schema.Value != nil; {
		s := schema.Value
		choices := slices.DeleteFunc(slices.Clone(s.AnyOf), isNull)
		text := len(choices) > 1 || s.OneOf != nil || s.Extensions[goType] == anyType || saysNothing(s)
		if schema.Ref != "" {
			if !text || s.Type != nil { // a type of its own, such as an enumeration in oneOf
				return
			}
			*schema = openapi3.SchemaRef{Value: new(openapi3.Schema)} // what bodies refer to stays as it is
		}
		if text {
			replace(schema.Value, "string")
			delete(schema.Value.Extensions, goTypeImport)
			return
		}
		if schema = s.Items; len(choices) == 1 {
			schema = choices[0]
		}
	}
}

// mediaTag returns what oapi-codegen calls a media type in the names of types.
func mediaTag(media string) string {
	name, _, err := mime.ParseMediaType(media)
	if err != nil {
		name = media
	}
	switch {
	case media == "application/json":
		return "JSON"
	case media == "application/xml" || media == "text/xml" || media == "application/problems+xml":
		return "XML"
	case slices.Contains([]string{"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"}, media):
		return "YAML"
	case strings.HasPrefix(name, "multipart/"):
		return "Multipart"
	case media == "application/x-www-form-urlencoded":
		return "Formdata"
	case media == "text/plain":
		return "Text"
	}
	return codegen.PathToTypeName([]string{media})
}

// breakCycles makes properties optional through which a struct would contain itself, so that they become pointers.
func breakCycles(contents *openapi3.T) {
	const open, done = 1, 2
	state := map[*openapi3.Schema]int{}
	var visit func(s *openapi3.Schema) (cycle bool)
	visit = func(s *openapi3.Schema) bool {
		if s == nil || state[s] == done || s.Extensions[goType] != nil {
			return false
		}
		if state[s] == open {
			return true
		}
		state[s] = open
		cycle := false
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			if slices.Contains(s.Required, name) && visit(s.Properties[name].Value) {
				s.Required = slices.DeleteFunc(slices.Clone(s.Required), func(required string) bool { return required == name })
			}
		}
		for _, member := range s.AllOf {
			cycle = visit(member.Value) || cycle
		}
		state[s] = done
		return cycle
	}
	for _, name := range slices.Sorted(maps.Keys(contents.Components.Schemas)) {
		visit(contents.Components.Schemas[name].Value)
	}
}

// breakMerges makes components of the inline schemas that contain themselves through a reference in allOf. oapi-codegen
// would merge them into themselves until its stack overflows.
func breakMerges(contents *openapi3.T) {
	(&walk{schema: func(ref *openapi3.SchemaRef, path []string) {
		if component := contents.Components.Schemas[path[0]]; component != nil && component.Value == ref.Value {
			return // references end there
		}
		seen := map[*openapi3.Schema]bool{}
		if len(ref.Value.AllOf) > 1 && merges(ref.Value, ref.Value, seen) {
			hoist(contents, ref, codegen.SchemaNameToTypeName(codegen.PathToTypeName(slices.Clone(path))))
		}
	}}).document(contents)
}

// merges reports whether the generator meets the schema target below s. It follows the references of allOf alone.
func merges(s, target *openapi3.Schema, seen map[*openapi3.Schema]bool) bool {
	if seen[s] {
		return s == target
	}
	seen[s] = true
	below := slices.Concat(openapi3.SchemaRefs{s.Items, s.AdditionalProperties.Schema}, s.AnyOf, s.OneOf)
	below = slices.AppendSeq(below, maps.Values(s.Properties))
	below = slices.DeleteFunc(below, func(ref *openapi3.SchemaRef) bool { return ref == nil || ref.Ref != "" })
	return slices.ContainsFunc(slices.Concat(below, s.AllOf), func(ref *openapi3.SchemaRef) bool {
		return merges(ref.Value, target, seen)
	})
}

// nameTypes makes components of inline schemas whose types oapi-codegen uses but does not declare, and puts apitype.JSON
// behind those that it has no type for. It needs the state that prime leaves in oapi-codegen.
func nameTypes(contents *openapi3.T, note func(path []string, message string)) {
	var inline []func()
	(&walk{schema: func(ref *openapi3.SchemaRef, path []string) {
		inline = append(inline, func() {
			if ref.Value.Extensions[goType] != nil {
				return
			}
			schema, err := describe(ref, path)
			if err != nil && ref.Value.AllOf != nil {
				mergeable(ref.Value)
				schema, err = describe(ref, path)
			}
			if len(schema.EnumValues) > 0 && !constants(schema) {
				ref.Value.Enum, ref.Value.Const = nil, nil
			}
			if err == nil && schema.TypeDecl() == "" {
				err = errors.New("there is nothing that it accepts")
			}
			if err != nil {
				note(path, "it is "+anyType+" in Go: "+err.Error())
				replace(ref.Value, anyType)
			}
		})
	}}).document(contents)
	for _, describe := range slices.Backward(inline) { // the inner before the outer
		describe()
	}

	components := contents.Components
	taken := map[string]int{}
	for name := range components.Schemas {
		taken[codegen.SchemaNameToTypeName(name)]++
	}
	for name := range components.Parameters {
		taken[codegen.SchemaNameToTypeName(name)]++
	}
	for name := range components.RequestBodies {
		taken[codegen.SchemaNameToTypeName(name)]++
	}
	for name := range components.Responses {
		taken[codegen.SchemaNameToTypeName(name)]++
	}
	declare := func(ref *openapi3.SchemaRef, name string) {
		if ref == nil || ref.Ref != "" || ref.Value.Extensions[goType] != nil {
			return
		}
		if schema, err := describe(ref, []string{name}); err == nil && (len(schema.AdditionalTypes) > 0 || len(schema.UnionElements) > 0 || schema.HasAdditionalProperties) {
			hoist(contents, ref, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(components.Parameters)) {
		declare(components.Parameters[name].Value.Schema, name+"Parameter")
	}
	for _, name := range slices.Sorted(maps.Keys(components.Responses)) {
		content := components.Responses[name].Value.Content
		for _, media := range slices.Sorted(maps.Keys(content)) {
			declare(content[media].Schema, name+"ResponseBody")
		}
	}
	for at, operation := range operations(contents) {
		responses := operation.Responses.Map()
		for _, status := range slices.Sorted(maps.Keys(responses)) {
			response := responses[status]
			if name, ok := strings.CutPrefix(response.Ref, "#/components/responses/"); ok && (taken[codegen.SchemaNameToTypeName(name)] > 1 || !token.IsIdentifier(name) || severalJSON(response.Value.Content)) {
				// Its type would have another name where it is declared than where it is used.
				response.Ref = ""
				delete(components.Responses, name)
			}
			for _, media := range slices.Sorted(maps.Keys(response.Value.Content)) {
				if !util.IsMediaTypeJson(media) {
					declare(response.Value.Content[media].Schema, at.goName(operation.OperationID)+status+mediaTag(media)+"ResponseBody")
				}
			}
		}
	}
}

// severalJSON reports whether a response has several media types of JSON.
func severalJSON(content openapi3.Content) bool {
	n := 0
	for media := range content {
		if util.IsMediaTypeJson(media) {
			n++
		}
	}
	return n > 1
}

// constants reports whether the values of an enumeration can be constants of its Go type: those of a time cannot.
func constants(schema codegen.Schema) bool {
	if schema.GoType == "string" {
		return true
	}
	basic, ok := types.Universe.Lookup(schema.GoType).(*types.TypeName)
	if !ok || !basic.IsAlias() && basic.Type().Underlying() != basic.Type() {
		return false
	}
	whole := strings.Contains(schema.GoType, "int")
	for _, value := range schema.EnumValues {
		number, err := strconv.ParseFloat(value, 64)
		truth := value == "true" || value == "false"
		if truth != (schema.GoType == "bool") || !truth && (err != nil || whole && number != math.Trunc(number)) {
			return false
		}
	}
	return true
}

// mergeable removes from the members of allOf what oapi-codegen refuses to merge, although it makes no difference to
// the Go type.
func mergeable(s *openapi3.Schema) {
	members := make(openapi3.SchemaRefs, len(s.AllOf))
	for i, member := range s.AllOf {
		plain := *member.Value
		plain.Default, plain.UniqueItems, plain.ReadOnly, plain.WriteOnly, plain.AllowEmptyValue = nil, false, false, false, false
		plain.ExclusiveMin, plain.ExclusiveMax, plain.Discriminator, plain.Format = openapi3.ExclusiveBound{}, openapi3.ExclusiveBound{}, nil, ""
		if plain.AllOf != nil {
			mergeable(&plain)
		}
		members[i] = &openapi3.SchemaRef{Value: &plain, Extensions: member.Extensions}
	}
	s.AllOf = members
}
