package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
)

// open lists the operations without authentication, each with the reason. There are none.
var open = map[string]string{}

func TestDocument(t *testing.T) {
	if err := check(api.Document); err != nil {
		t.Error(err)
	}
}

// check is stricter than the reader in package contract, because our own document has to be clean: no findings, valid
// OpenAPI 3.1, valid examples and defaults, authentication on every operation that is not listed as open, and a declared
// response for everything that the server itself answers.
func check(data []byte) error {
	document, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return err
	}
	if !document.IsOpenAPI31OrLater() {
		return fmt.Errorf("the document is OpenAPI %s, not 3.1", document.OpenAPI)
	}
	faults := serverAnswers(data)
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			name := method + " " + path
			if secured(document, operation) == (open[name] != "") {
				faults = append(faults, fmt.Errorf("%s: add a security requirement, or list it as open with the reason", name))
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

// serverAnswers returns the findings of the reader, warnings included, and the operations that do not declare 403 and 500.
func serverAnswers(data []byte) (faults []error) {
	read, findings := contract.Read(data)
	for _, finding := range findings {
		faults = append(faults, finding)
	}
	if read == nil {
		return faults
	}
	compiled, err := contract.New(read, contract.Options{
		Authenticate: func(context.Context, *contract.AuthenticationInput) error { return nil },
	})
	if err != nil {
		return append(faults, err)
	}
	for _, operation := range compiled.Operations() {
		for _, status := range []int{http.StatusForbidden, http.StatusInternalServerError} {
			if !operation.Declares(status) {
				faults = append(faults, fmt.Errorf("%s: declare the response %d, which the server sends", operation, status))
			}
		}
	}
	return faults
}

// exampleChecker checks the examples within schemas, which kin-openapi does not when it validates a document.
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

// secured reports whether every alternative of the operation's security requirements needs credentials.
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
		{"undeclared 403", `"403": {`, `"402": {`},
		{"undeclared 500", `"500": {`, `"503": {`},
		{"finding of the reader", `"title": "Diga API"`, `"title": ""`},
		{"unknown scheme", `"CustomHTTPBearer": []`, `"Other": []`},
	} {
		t.Run(test.name, func(t *testing.T) {
			wrong := bytes.Replace(api.Document, []byte(test.old), []byte(test.new), 1)
			if bytes.Equal(wrong, api.Document) {
				t.Fatalf("the document does not contain %s", test.old)
			}
			err := check(wrong)
			if err == nil {
				t.Error("check accepts it")
			}
			t.Log(err)
		})
	}
}
