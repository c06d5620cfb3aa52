package main

import (
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
)

// goName is the extension by which oapi-codegen takes a Go name from the document. Here it is set on the generator's
// copy alone, where two names of the document would become one Go name, which oapi-codegen does not notice in structs
// (https://github.com/oapi-codegen/oapi-codegen/issues/1474 and its like). Everything else keeps its default name.
const goName = "x-go-name"

// goTypeName is the extension by which it takes the name of a type from the document.
const goTypeName = "x-go-type-name"

// constantNames is the extension by which it takes the names of constants from the document.
const constantNames = "x-enum-varnames"

// names tells Go names apart that would collide. The first it meets keeps the name, in the order of the sorted
// document, so that the outcome is the same every time.
type names struct {
	// schemas are the Go names of components whose own name the generator uses for something else. They are shared by
	// all targets, so that a component is called the same in the server and in the client.
	schemas map[string]string
	// parts are the names of parameters, responses and request bodies in components whose own name the generator uses for
	// something else, by reference.
	parts map[string]string
	// inline are the names of types that several inline schemas have, or one and something else.
	inline map[string]bool
	// constants are the names that values of enumerations share with something else.
	constants map[string]bool
	// merged says that the properties of members of allOf are components, too.
	merged bool
	// operations are the suffixes of operations whose name the generator uses for something else.
	operations map[place]string
	// rejected are the declarations that the compiler rejected.
	rejected map[string]bool
	// notes are what is generated differently from what the document says, by subject.
	notes map[string]string
}

func newNames() *names {
	return &names{
		schemas: map[string]string{}, parts: map[string]string{}, inline: map[string]bool{}, constants: map[string]bool{},
		operations: map[place]string{}, rejected: map[string]bool{}, notes: map[string]string{},
	}
}

func (n *names) note(path []string, message string) { n.notes[strings.Join(path, " ")] = message }

// maxName is the longest Go name of a component that a person can use.
const maxName = 60

// renameComponents gives other names to components whose own would make a Go name that is too long, or none in the names
// of the types inside them. A long name, such as FastAPI makes of a pydantic generic and its arguments, gives way to the
// title, or else is cut between two words and made unique by a hash of itself: what other components and operations there
// are makes no difference to it.
func (n *names) renameComponents(contents *openapi3.T) {
	schemas := contents.Components.Schemas
	taken := map[string]bool{}
	for name := range schemas {
		taken[codegen.SchemaNameToTypeName(name)] = true
	}
	renamed := map[string]string{} // by reference
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		goName := codegen.SchemaNameToTypeName(name)
		if len(goName) <= maxName && strings.IndexFunc(name, unicode.IsLetter) == 0 && !strings.ContainsAny(name, "/~%") {
			continue
		}
		if len(goName) > maxName {
			goName = shortName(goName, schemas[name].Value.Title, taken)
			n.note([]string{"components", "schemas", name}, "its Go name is "+goName)
		}
		free := goName
		for i := 2; schemas[free] != nil; i++ {
			free = goName + strconv.Itoa(i)
		}
		taken[free] = true
		schemas[free] = schemas[name]
		delete(schemas, name)
		renamed["#/components/schemas/"+escape(name)] = "#/components/schemas/" + free
	}
	if len(renamed) == 0 {
		return
	}
	(&walk{
		schema: func(ref *openapi3.SchemaRef, _ []string) {
			if d := ref.Value.Discriminator; d != nil {
				keepMapping(d, slices.Concat(ref.Value.AnyOf, ref.Value.OneOf), renamed)
			}
		},
		reference: func(ref *string) {
			if name, ok := renamed[*ref]; ok {
				*ref = name
			}
		},
	}).document(contents)
}

// renameParts gives other names to the components that are no schemas and whose own name is taken.
func (n *names) renameParts(contents *openapi3.T) {
	if len(n.parts) == 0 {
		return
	}
	components := contents.Components
	renameKeys("#/components/parameters/", components.Parameters, n.parts)
	renameKeys("#/components/responses/", components.Responses, n.parts)
	renameKeys("#/components/requestBodies/", components.RequestBodies, n.parts)
	(&walk{reference: func(ref *string) {
		if name := n.parts[*ref]; name != "" {
			*ref = (*ref)[:strings.LastIndexByte(*ref, '/')+1] + name
		}
	}}).document(contents)
}

func renameKeys[V any](section string, components map[string]V, renamed map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(components)) {
		if to := renamed[section+name]; to != "" {
			components[to] = components[name]
			delete(components, name)
		}
	}
}

// keepMapping writes down what a discriminator maps by the names of components, before they change.
func keepMapping(d *openapi3.Discriminator, branches openapi3.SchemaRefs, renamed map[string]string) {
	mapped := map[string]bool{}
	for value, target := range d.Mapping {
		mapped[target.Ref] = true
		if ref, ok := renamed[target.Ref]; ok {
			target.Ref = ref
			d.Mapping[value] = target
		}
	}
	for _, branch := range branches {
		if ref, ok := renamed[branch.Ref]; ok && !mapped[branch.Ref] {
			if d.Mapping == nil {
				d.Mapping = map[string]openapi3.MappingRef{}
			}
			d.Mapping[codegen.RefPathToObjName(branch.Ref)] = openapi3.MappingRef{Ref: ref}
		}
	}
}

// shortName returns a name of at most maxName characters for a component.
func shortName(goName, title string, taken map[string]bool) string {
	if title != "" {
		if name := codegen.SchemaNameToTypeName(title); len(name) <= maxName && !taken[name] {
			return name
		}
	}
	hash := fmt.Sprintf("%X", sha256.Sum256([]byte(goName)))[:6]
	cut := maxName - len(hash)
	for cut > 0 && !unicode.IsUpper(rune(goName[cut])) {
		cut--
	}
	if cut < maxName/2 {
		cut = maxName - len(hash)
		for !utf8.RuneStart(goName[cut]) {
			cut--
		}
	}
	return goName[:cut] + hash
}

// fieldNames are the fields of generated types that have a method for each operation.
var fieldNames = []string{"Client", "Server", "RequestEditors", "Handler", "ClientInterface"}

// nonWord is what FastAPI replaces in a path to make an operationId of it.
var nonWord = regexp.MustCompile(`\W`)

// nameOperations shortens the operationIds that FastAPI makes, of the name of a function, its path and its method, to
// the name of the function: delete_api_key_v1_api_key__id__delete is delete_api_key. Where functions have one name, the
// first path keeps it, so that a version 2 of an operation does not rename version 1.
func (n *names) nameOperations(contract *openapi3.T) {
	short := map[*openapi3.Operation]string{}
	taken := reserve(fieldNames...)
	for at, operation := range operations(contract) {
		suffix := nonWord.ReplaceAllString(at.path, "_") + "_" + strings.ToLower(at.method)
		if function, ok := strings.CutSuffix(operation.OperationID, suffix); ok && function != "" {
			short[operation] = function
		} else {
			taken[at.goName(operation.OperationID)] = true
		}
	}
	for at, operation := range operations(contract) {
		if name := at.goName(short[operation]); short[operation] != "" && !taken[name] {
			taken[name] = true
			operation.OperationID = short[operation]
		}
	}
	n.tellOperationsApart(contract)
}

// tellOperationsApart makes the Go names of operations unique. The first path keeps a name; the others are named after
// their method, and if that is not enough, after their path.
func (n *names) tellOperationsApart(contract *openapi3.T) {
	count := map[string]int{}
	for at, operation := range operations(contract) {
		count[at.goName(operation.OperationID)]++
	}
	taken := reserve(fieldNames...)
	for at, operation := range operations(contract) {
		id := operation.OperationID + n.operations[at]
		for i, name := 1, operation.OperationID; taken[at.goName(id)]; i++ {
			switch i {
			case 1:
				id = name + "-" + strings.ToLower(at.method)
			case 2:
				id = strings.ToLower(at.method) + nonWord.ReplaceAllString(at.path, "-")
			default:
				id = name + "-" + strconv.Itoa(i-1)
			}
			if i < 3 && count[at.goName(id)] > 0 {
				continue // another operation has this name by itself
			}
		}
		if id != operation.OperationID {
			n.note([]string{at.method, at.path}, "the operation is "+at.goName(id)+" in Go")
			operation.OperationID = id
		}
		taken[at.goName(id)] = true
	}
}

// place is where an operation stands in the document.
type place struct{ path, method string }

// goName is the Go name that oapi-codegen gives an operation with the operationId id, or with none.
func (p place) goName(id string) string {
	if id == "" {
		id = strings.ToLower(p.method) + strings.ReplaceAll(p.path, "/", "-")
	}
	// oapi-codegen normalizes the id before it gives the rest of its odd characters names.
	return codegen.SchemaNameToTypeName(codegen.PathToTypeName([]string{id}))
}

// operations goes through the operations by path and method.
func operations(contract *openapi3.T) iter.Seq2[place, *openapi3.Operation] {
	return func(yield func(place, *openapi3.Operation) bool) {
		for _, path := range slices.Sorted(maps.Keys(contract.Paths.Map())) {
			operations := contract.Paths.Value(path).Operations()
			for _, method := range slices.Sorted(maps.Keys(operations)) {
				if !yield(place{path, method}, operations[method]) {
					return
				}
			}
		}
	}
}

// apply names whatever needs a name other than its default one.
func (n *names) apply(contract *openapi3.T) {
	components := contract.Components
	if components == nil {
		components = new(openapi3.Components)
	}
	taken := reserve()
	for _, name := range slices.Sorted(maps.Keys(components.Schemas)) {
		// A component that is spelled like its Go name has the better right to it.
		if codegen.SchemaNameToTypeName(name) == name {
			taken[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(components.Schemas)) {
		schema := components.Schemas[name]
		switch goName := n.schemas[name]; {
		case goName != "":
			rename(&schema.Value.Extensions, goName)
		case codegen.SchemaNameToTypeName(name) != name:
			taken.name(name, &schema.Value.Extensions)
		}
	}

	visited := map[*openapi3.Schema]bool{}
	for _, name := range slices.Sorted(maps.Keys(components.Schemas)) {
		nameProperties(components.Schemas[name], visited, name)
	}
	for _, name := range slices.Sorted(maps.Keys(components.Responses)) {
		nameContent(components.Responses[name].Value.Content, visited, name, "response")
	}
	for _, name := range slices.Sorted(maps.Keys(components.RequestBodies)) {
		nameContent(components.RequestBodies[name].Value.Content, visited, name, "body")
	}
	for at, operation := range operations(contract) {
		nameParameters(slices.Concat(contract.Paths.Value(at.path).Parameters, operation.Parameters))
		if operation.RequestBody != nil {
			nameContent(operation.RequestBody.Value.Content, visited, at.goName(operation.OperationID), "body")
		}
		responses := operation.Responses.Map()
		for _, status := range slices.Sorted(maps.Keys(responses)) {
			nameContent(responses[status].Value.Content, visited, at.goName(operation.OperationID), status)
		}
	}
}

// nameParameters tells the fields of an operation's parameters apart: those of the path are fields of the request
// object and variables of generated functions, the others fields of one struct.
func nameParameters(parameters openapi3.Parameters) {
	request, others := reserve("Params", "Body", "ContentType"), reserve()
	for _, parameter := range parameters {
		if schema := parameter.Value.Schema; schema != nil && schema.Value.Extensions[goName] != nil && parameter.Value.Extensions[goName] == nil {
			// The Go name of a component is not the name of the parameters that have its type.
			rename(&parameter.Value.Extensions, codegen.SchemaNameToTypeName(parameter.Value.Name))
		}
		if parameter.Value.In != openapi3.ParameterInPath {
			others.name(parameter.Value.Name, &parameter.Value.Extensions)
			continue
		}
		variable := codegen.LowercaseFirstCharacters(codegen.SchemaNameToTypeName(parameter.Value.Name))
		if generatedVariables[variable] || types.Universe.Lookup(variable) != nil {
			rename(&parameter.Value.Extensions, codegen.SchemaNameToTypeName(parameter.Value.Name)+"Param")
		}
		request.name(parameter.Value.Name, &parameter.Value.Extensions)
	}
}

// generatedVariables are the packages and the variables that the generated functions use beside the parameters of a
// path, which are variables too: a parameter {url} would stand in the way of url.Parse.
var generatedVariables = set(
	"apitype", "bytes", "context", "echo", "errors", "fmt", "http", "io", "json", "mime", "multipart", "runtime", "strings",
	"time", "url",
	"body", "c", "contentType", "ctx", "err", "handler", "newRequest", "o", "operationPath", "options", "out", "params", "queryURL", "req", "reqEditors",
	"request", "response", "result", "rsp", "server", "serverURL", "sh", "w",
)

func nameContent(content openapi3.Content, visited map[*openapi3.Schema]bool, path ...string) {
	for _, media := range slices.Sorted(maps.Keys(content)) {
		nameProperties(content[media].Schema, visited, slices.Concat(path, []string{media})...)
	}
}

// nameProperties tells the fields of every struct apart that the generator makes of the schema at path, and the types
// that it makes of enumerations in a union.
func nameProperties(schema *openapi3.SchemaRef, visited map[*openapi3.Schema]bool, path ...string) {
	if schema == nil || schema.Ref != "" || schema.Value == nil || visited[schema.Value] {
		return
	}
	s := schema.Value
	visited[s] = true
	below := func(names ...string) []string { return slices.Concat(path, names) }
	fields := reserve()
	if codegen.SchemaHasAdditionalProperties(s) {
		fields = reserve("AdditionalProperties", "Get", "Set", "MarshalJSON", "UnmarshalJSON")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		if property.Ref != "" && property.Extensions[goName] == nil && property.Value.Extensions[goName] != nil {
			// The Go name of a component is not the name of the fields that hold it.
			rename(&property.Extensions, codegen.SchemaNameToTypeName(name))
		}
		fields.name(name, &property.Extensions)
		nameProperties(s.Properties[name], visited, below(name)...)
	}
	nameProperties(s.Items, visited, below("item")...)
	nameProperties(s.AdditionalProperties.Schema, visited, below("value")...)
	for _, branches := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf} {
		// A schema or null is no union to the generator.
		null := slices.ContainsFunc(branches, func(b *openapi3.SchemaRef) bool { return b.Value.Type.Is(openapi3.TypeNull) })
		for i, branch := range branches {
			if len(branches) > 2 || !null {
				nameElements(branch, below(strconv.Itoa(i))...)
			}
			nameProperties(branch, visited, below(strconv.Itoa(i))...)
		}
	}
}

// nameElements names the enumeration that a list or a map in a union is made of. By itself the generator calls it like
// the list or the map, and stops because there are two of the name; its way out is this extension
// (https://github.com/oapi-codegen/oapi-codegen/issues/832).
func nameElements(branch *openapi3.SchemaRef, path ...string) {
	for branch != nil && branch.Ref == "" && branch.Value != nil {
		element, name := branch.Value.Items, "item"
		if element == nil {
			element, name = branch.Value.AdditionalProperties.Schema, "value"
		}
		path = append(path, name)
		if element != nil && element.Ref == "" && (element.Value.Enum != nil || element.Value.Const != nil) {
			extend(&element.Value.Extensions, goTypeName, codegen.SchemaNameToTypeName(strings.Join(path, "-")))
		}
		branch = element
	}
}

// collisions reads generated code and says whether something in it is declared twice. Of what the document names and
// what the generator declares of its own, such as the parameters of an operation, the former has another name when the
// code is generated next.
func (n *names) collisions(contract *openapi3.T, sources ...[]byte) (bool, error) {
	declared, constants := map[string]int{}, map[string]bool{}
	for _, source := range sources {
		if source == nil {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
		if err != nil {
			return false, err
		}
		for _, declaration := range file.Decls {
			switch declaration := declaration.(type) {
			case *ast.FuncDecl:
				if declaration.Recv == nil {
					declared[declaration.Name.Name]++
				}
			case *ast.GenDecl:
				for _, spec := range declaration.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						declared[spec.Name.Name]++
						if spec.TypeParams != nil { // which would hide a type of their name from the methods
							for _, parameter := range spec.TypeParams.List {
								for _, name := range parameter.Names {
									declared[name.Name]++
								}
							}
						}
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							declared[name.Name]++
							constants[name.Name] = declaration.Tok == token.CONST
						}
					}
				}
			}
		}
	}
	found := false
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if declared[name] > 1 && name != "_" {
			found = n.resolve(contract, name, constants[name]) || found
		}
	}
	return found, nil
}

// resolve takes a Go name that is declared twice from whatever can have another, and says whether there was anything.
func (n *names) resolve(contract *openapi3.T, name string, constant bool) bool {
	for _, component := range slices.Sorted(maps.Keys(contract.Components.Schemas)) {
		current := n.schemas[component]
		if current == "" {
			current = codegen.SchemaNameToTypeName(component)
		}
		if current == name {
			n.schemas[component] = name + "Schema"
			return true
		}
	}
	components := contract.Components
	for _, part := range []struct {
		section, suffix string
		names           []string
	}{
		{"parameters", "Parameter", slices.Sorted(maps.Keys(components.Parameters))},
		{"responses", "Response", slices.Sorted(maps.Keys(components.Responses))},
		{"requestBodies", "RequestBody", slices.Sorted(maps.Keys(components.RequestBodies))},
	} {
		for _, component := range part.names {
			if codegen.SchemaNameToTypeName(component) == name {
				n.parts["#/components/"+part.section+"/"+component] = component + part.suffix
				return true
			}
		}
	}
	if !n.inline[name] {
		n.inline[name] = true
		return true
	}
	if constant && !n.constants[name] {
		n.constants[name] = true
		return true
	}
	var owner *place
	var longest string
	for at, operation := range operations(contract) {
		if own := at.goName(operation.OperationID); strings.HasPrefix(name, own) && len(own) > len(longest) {
			owner, longest = &at, own
		}
	}
	if owner == nil {
		return false
	}
	if len(n.operations[*owner]) > 20 {
		return false
	}
	n.operations[*owner] += "-operation"
	return true
}

// nameConstants puts the name of the type before the names of the constants of an enumeration, if one of them is the name of
// something else, such as the constant Client of the value client. oapi-codegen does so for collisions with types of the
// document alone.
func (n *names) nameConstants(contract *openapi3.T) {
	if len(n.constants) == 0 {
		return
	}
	(&walk{schema: func(ref *openapi3.SchemaRef, path []string) {
		values := ref.Value.Enum
		if values == nil && ref.Value.Const != nil {
			values = []any{ref.Value.Const}
		}
		if given, ok := ref.Value.Extensions[constantNames].([]any); ok {
			values = given
		}
		collides := false
		var prefixed []any
		for _, value := range values {
			name := fmt.Sprint(value)
			collides = collides || n.constants[codegen.SchemaNameToTypeName(name)]
			prefixed = append(prefixed, codegen.PathToTypeName(slices.Clone(path))+"-"+name)
		}
		if collides {
			extend(&ref.Value.Extensions, constantNames, prefixed)
		}
	}}).document(contract)
}

// ambiguous matches what oapi-codegen says of types that it would declare twice.
var ambiguous = regexp.MustCompile(`duplicate typename '(\w+)' detected`)

// hoistAmbiguous makes components of the inline schemas whose types would share a name with others.
func (n *names) hoistAmbiguous(contract *openapi3.T) {
	if len(n.inline) == 0 {
		return
	}
	// Properties of a component also become those of the schemas that it is merged into with allOf.
	merged := map[*openapi3.Schema]bool{}
	(&walk{schema: func(ref *openapi3.SchemaRef, path []string) {
		for _, member := range ref.Value.AllOf {
			if member.Ref != "" && n.merged {
				merged[member.Value] = true
			}
		}
	}}).document(contract)
	(&walk{schema: func(ref *openapi3.SchemaRef, path []string) {
		if merged[ref.Value] {
			for _, name := range slices.Sorted(maps.Keys(ref.Value.Properties)) {
				property := ref.Value.Properties[name]
				at := append(slices.Clone(path), name)
				if property.Ref != "" || property.Value.Extensions[goType] != nil {
					continue
				}
				if schema, err := describe(property, at); err == nil && (len(schema.AdditionalTypes) > 0 || len(schema.UnionElements) > 0 || schema.HasAdditionalProperties) {
					hoist(contract, property, codegen.SchemaNameToTypeName(codegen.PathToTypeName(at)))
				}
			}
		}
		if len(path) < 2 || ref.Value.Extensions[goType] != nil {
			return
		}
		underscored := codegen.PathToTypeName(slices.Clone(path))
		name := codegen.SchemaNameToTypeName(underscored)
		if n.inline[name] || n.inline[underscored] || n.inline[underscored+"_Item"] || n.inline[underscored+"_AdditionalProperties"] {
			hoist(contract, ref, name)
		}
	}}).document(contract)
}

// giveWay puts apitype.JSON behind the schemas whose Go the compiler rejected: the one whose type is declared there, or
// else those of the same operation.
func (n *names) giveWay(contract *openapi3.T) {
	if len(n.rejected) == 0 {
		return
	}
	schemas := map[string]*openapi3.Schema{}
	(&walk{schema: func(ref *openapi3.SchemaRef, path []string) {
		schemas[codegen.SchemaNameToTypeName(codegen.PathToTypeName(slices.Clone(path)))] = ref.Value
	}}).document(contract)
	for rejected := range n.rejected {
		rejected = strings.ReplaceAll(rejected, "_", "")
		owner := ""
		for name := range schemas {
			if strings.HasPrefix(rejected, name) && len(name) > len(owner) {
				owner = name
			}
		}
		for name, schema := range schemas {
			if name == owner || owner == "" && strings.HasPrefix(name, rejected) {
				n.note([]string{name}, "it is "+anyType+" in Go, because the type that oapi-codegen makes of it does not compile")
				replace(schema, anyType)
			}
		}
	}
}

// scope is the Go names that are taken where no two may be alike.
type scope map[string]bool

func reserve(names ...string) scope { return scope(set(names...)) }

func set(names ...string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

// name takes the Go name of name, or of the one its extensions give it, or the first with a number that is free.
func (s scope) name(name string, extensions *map[string]any) {
	if given, ok := (*extensions)[goName].(string); ok {
		name = given
	}
	byDefault := codegen.SchemaNameToTypeName(name)
	goName := byDefault
	if goName == "" { // oapi-codegen drops letters without case, such as Chinese ones, and makes an embedded field of none
		for _, r := range name {
			goName += fmt.Sprintf("U%04X", r)
		}
	}
	free := goName
	for i := 2; s[free]; i++ {
		free = goName + strconv.Itoa(i)
	}
	s[free] = true
	if free != byDefault {
		rename(extensions, free)
	}
}

func rename(extensions *map[string]any, name string) { extend(extensions, goName, name) }

func extend(extensions *map[string]any, key string, value any) {
	if *extensions == nil {
		*extensions = map[string]any{}
	}
	(*extensions)[key] = value
}
