package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// These are for documents that kin-openapi refuses. Its errors tell what is wrong, but seldom where.

// located says in an error about which schema of the document it is, when one is found.
func located(err error, pointer string) error {
	if pointer == "" {
		return err
	}
	return fmt.Errorf("schema %s: %w", pointer, err)
}

// unloadable is the pointer of the innermost schema that cannot be loaded; empty when all can.
func (d *document) unloadable() string {
	pointer := ""
	d.eachSchema("", d.root, false, func(found string, value any) {
		if pointer == "" && !d.loads(value) {
			pointer = d.innermost(found, value)
		}
	})
	return pointer
}

// loads says whether kin-openapi can load a schema, and whether its $ref leads anywhere.
func (d *document) loads(value any) bool {
	data, err := json.Marshal(value)
	if err != nil || json.Unmarshal(data, new(openapi3.SchemaRef)) != nil {
		return false
	}
	loads := true
	for _, part := range subschemas(value) {
		loads = loads && d.loads(part.value)
	}
	object, _ := value.(map[string]any)
	if ref, ok := object["$ref"].(string); ok && strings.HasPrefix(ref, "#/") {
		_, found := d.at(ref[1:])
		return loads && found
	}
	return loads
}

func (d *document) innermost(pointer string, value any) string {
	for _, part := range subschemas(value) {
		if !d.loads(part.value) {
			return d.innermost(pointer+part.pointer, part.value)
		}
	}
	return pointer
}

// eachSchema visits the outermost schemas below value, in a stable order.
func (d *document) eachSchema(pointer string, value any, free bool, visit func(pointer string, value any)) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range sortedKeys(value) {
			below := pointer + "/" + escapeToken(name)
			switch {
			case !free && (name == "example" || name == "examples" || strings.HasPrefix(name, "x-")):
			case !free && name == "schema", pointer == "/components/schemas":
				visit(below, value[name])
			default:
				d.eachSchema(below, value[name], !free && slices.Contains(freelyNamed, name), visit)
			}
		}
	case []any:
		for i, item := range value {
			d.eachSchema(pointer+"/"+strconv.Itoa(i), item, false, visit)
		}
	}
}

type subschema struct {
	pointer string
	value   any
}

// subschemas are the schemas directly within a schema.
func subschemas(value any) []subschema {
	object, _ := value.(map[string]any)
	var found []subschema
	for _, keyword := range sortedKeys(object) {
		pointer := "/" + escapeToken(keyword)
		switch keyword {
		case "items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else",
			"unevaluatedItems", "unevaluatedProperties", "contentSchema":
			found = append(found, subschema{pointer, object[keyword]})
		case "allOf", "anyOf", "oneOf", "prefixItems":
			list, _ := object[keyword].([]any)
			for i, item := range list {
				found = append(found, subschema{pointer + "/" + strconv.Itoa(i), item})
			}
		case "properties", "patternProperties", "dependentSchemas", "$defs":
			members, _ := object[keyword].(map[string]any)
			for _, name := range sortedKeys(members) {
				found = append(found, subschema{pointer + "/" + escapeToken(name), members[name]})
			}
		}
	}
	return found
}

func sortedKeys(object map[string]any) []string {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// invalid is the pointer of the innermost schema that kin-openapi finds invalid; empty when it is none of the schemas.
func invalid(doc *openapi3.T, options []openapi3.ValidationOption) string {
	if doc.IsOpenAPI31OrLater() {
		options = append(options, openapi3.IsOpenAPI31OrLater())
	}
	pointer := ""
	_ = doc.WalkSchemas(func(found string, ref *openapi3.SchemaRef) error {
		inside := pointer == "" || strings.HasPrefix(found, pointer+"/")
		if inside && ref.Value.Validate(context.Background(), options...) != nil {
			pointer = found
		}
		return nil
	})
	return pointer
}
