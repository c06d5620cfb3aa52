package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/diga-io/diga-api/api"
)

// open are the operations that ask for no credentials, each with the reason. Today there is none.
var open = map[string]string{}

func TestDocument(t *testing.T) {
	if err := check(api.Document); err != nil {
		t.Error(err)
	}
}

// check holds a document to what every one of ours has to be: valid OpenAPI 3.1, its examples and defaults valid
// against their schemas, and no operation open to everybody that is not meant to be.
func check(data []byte) error {
	document, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return err
	}
	if !document.IsOpenAPI31OrLater() {
		return fmt.Errorf("the document is of OpenAPI %s", document.OpenAPI)
	}
	var faults []error
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			name := method + " " + path
			if secured(document, operation) == (open[name] != "") {
				faults = append(faults, fmt.Errorf("%s: either it has a security requirement or it is listed as open, with the reason", name))
			}
		}
	}
	examples := exampleChecker{document: document, seen: map[*openapi3.Schema]bool{}}
	for name, schema := range document.Components.Schemas {
		examples.check(name, schema)
	}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			name := method + " " + path
			for _, parameter := range slices.Concat(item.Parameters, operation.Parameters) {
				examples.check(name+" "+parameter.Value.Name, parameter.Value.Schema)
			}
			if operation.RequestBody != nil {
				examples.checkContent(name, operation.RequestBody.Value.Content)
			}
			for status, response := range operation.Responses.Map() {
				examples.checkContent(name+" "+status, response.Value.Content)
			}
		}
	}
	faults = append(faults, examples.faults...)
	return errors.Join(append(faults, document.Validate(context.Background(), openapi3.EnableExamplesValidation()))...)
}

// exampleChecker checks the examples within schemas, the ones that kin-openapi passes over when it validates a document.
type exampleChecker struct {
	document *openapi3.T
	seen     map[*openapi3.Schema]bool
	faults   []error
}

func (c *exampleChecker) checkContent(name string, content openapi3.Content) {
	for _, media := range content {
		c.check(name, media.Schema)
	}
}

func (c *exampleChecker) check(name string, ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil || c.seen[ref.Value] {
		return
	}
	schema := ref.Value
	c.seen[schema] = true
	for _, example := range schema.Examples {
		if err := c.document.ValidateSchemaJSON(schema, example); err != nil {
			c.faults = append(c.faults, fmt.Errorf("%s: example %v: %w", name, example, err))
		}
	}
	for property, schema := range schema.Properties {
		c.check(name+"."+property, schema)
	}
	c.check(name, schema.Items)
	c.check(name, schema.AdditionalProperties.Schema)
	for _, branch := range slices.Concat(schema.AllOf, schema.AnyOf, schema.OneOf) {
		c.check(name, branch)
	}
}

// secured says whether every way to meet the operation's requirements takes credentials.
func secured(document *openapi3.T, operation *openapi3.Operation) bool {
	requirements := document.Security
	if operation.Security != nil {
		requirements = *operation.Security
	}
	for _, requirement := range requirements {
		if len(requirement) == 0 {
			return false
		}
	}
	return len(requirements) > 0
}

func TestDocumentThatIsWrong(t *testing.T) {
	for _, test := range []struct{ name, old, new string }{
		{"version", `"3.1.0"`, `"3.0.3"`},
		{"required member", `"title": "Diga API",`, ``},
		{"keyword", `"format": "uuid"`, `"fromat": "uuid"`},
		{"example of a response", `"error_code": "API_KEY_NOT_FOUND",`, ``},
		{"example of a property", `"PROJECT_NOT_FOUND"`, `404`},
		{"default of a property", `"default": "error"`, `"default": 1`},
		{"no security", `"CustomHTTPBearer": []`, ``},
		{"optional security", `"CustomHTTPBearer": []
          }`, `"CustomHTTPBearer": []}, {}`},
		{"no requirement", `{
            "CustomHTTPBearer": []
          }`, ``},
		{"unknown scheme", `"CustomHTTPBearer": []`, `"Other": []`},
	} {
		t.Run(test.name, func(t *testing.T) {
			wrong := bytes.Replace(api.Document, []byte(test.old), []byte(test.new), 1)
			if bytes.Equal(wrong, api.Document) {
				t.Fatalf("the document does not hold %s", test.old)
			}
			err := check(wrong)
			if err == nil {
				t.Error("nothing is found wrong")
			}
			t.Log(err)
		})
	}
}
