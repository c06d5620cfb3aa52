package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document is an OpenAPI document that was read without an error.
type Document struct {
	data  []byte // compact JSON
	tree  *document
	model *openapi3.T
}

// JSON returns the document as the generator and New see it: compact OpenAPI 3.1, upgraded and repaired. The published
// bytes stay as they are. The caller must not modify the result.
func (d *Document) JSON() []byte { return d.data }

// Read reads an OpenAPI document. The Document is nil if and only if one of the findings is an error.
func Read(data []byte) (*Document, []Finding) {
	fail := func(rule string, err error) (*Document, []Finding) {
		pointer, message := "", err.Error()
		if rest, ok := strings.CutPrefix(message, "schema /"); ok {
			pointer, message, _ = strings.Cut("/"+rest, ": ")
		} else if message[0] == '/' {
			pointer, message, _ = strings.Cut(message, ": ")
		}
		return nil, []Finding{{pointer, rule, message, Error}}
	}
	tree, err := parseDocument(data)
	if err != nil {
		return fail("json", err)
	}
	model, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return fail("load", located(err, tree.unloadable()))
	}
	// Unknown keywords and invalid examples bind nobody, so they are no reason to refuse the document.
	lenient := []openapi3.ValidationOption{
		openapi3.DisableExamplesValidation(), openapi3.AllowExtraSiblingFields(tree.names()...),
	}
	if model.IsOpenAPI31OrLater() { // pattern.go compiles patterns
		lenient = append(lenient, openapi3.DisableSchemaPatternValidation())
	}
	if err := model.Validate(context.Background(), lenient...); err != nil {
		return fail("openapi", located(err, invalid(model, lenient)))
	}
	if dialect := model.JSONSchemaDialect; dialect != "" && dialect != "https://json-schema.org/draft/2020-12/schema" &&
		!strings.HasPrefix(dialect, "https://spec.openapis.org/oas/") {
		return fail("dialect", fmt.Errorf("/jsonSchemaDialect: %s is not JSON Schema 2020-12", dialect))
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return fail("json", err)
	}
	return &Document{data: compact.Bytes(), tree: tree, model: model}, nil
}
