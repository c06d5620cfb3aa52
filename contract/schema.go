package contract

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// documentURL is what the document is called within the compiler. It only has to be absolute.
const documentURL = "openapi:///document"

// schema validates decoded values against one schema of the document. Documents of OpenAPI 3.1 and later have JSON
// Schema 2020-12, compiled; those of 3.0 have a dialect of its own (nullable, exclusiveMinimum as a bool), which
// kin-openapi walks without compiling anything.
type schema struct {
	compiled *jsonschema.Schema // nil in a document of 3.0
	quick    *acceptor          // nil in a document of 3.0
	offsets  map[string]int     // of the schemas in the document, by pointer
	walked   *openapi3.Schema
	walking  []openapi3.SchemaValidationOption
}

// compiler compiles the schemas of one document.
type compiler struct {
	document *document
	schemas  *jsonschema.Compiler // nil in a document of 3.0
	formats  map[string]func(string) error
	walking  []openapi3.SchemaValidationOption // of kin-openapi's walker

	known     map[string]*format // by name, those the document names
	acceptors map[*jsonschema.Schema]*acceptor
}

func newCompiler(d *document, doc *openapi3.T, formats map[string]func(string) error) (*compiler, error) {
	c := &compiler{document: d, formats: formats}
	if !doc.IsOpenAPI31OrLater() {
		validators := make(map[string]openapi3.StringFormatValidator, len(formats))
		for name, check := range formats {
			validators[name] = openapi3.NewCallbackValidator(check)
		}
		c.walking = []openapi3.SchemaValidationOption{
			openapi3.MultiErrors(), openapi3.WithStringFormatValidators(validators),
		}
		return c, nil
	}
	c.known = make(map[string]*format)
	c.acceptors = make(map[*jsonschema.Schema]*acceptor)
	c.schemas = jsonschema.NewCompiler()
	c.schemas.DefaultDraft(jsonschema.Draft2020)
	c.schemas.UseLoader(nothingElse{})
	c.schemas.UseRegexpEngine(compilePattern)
	c.schemas.AssertFormat()
	c.registerFormats(d.root)
	if err := c.schemas.AddResource(documentURL, d.root); err != nil {
		return nil, err
	}
	return c, nil
}

// nothingElse is the loader of whatever is not the document.
type nothingElse struct{}

func (nothingElse) Load(string) (any, error) {
	return nil, errors.New("$ref leads out of the document")
}

// compile makes the schema at pointer ready for validation. Of walked, kin-openapi's model of the same schema, documents
// of 3.0 are validated with.
func (c *compiler) compile(pointer string, walked *openapi3.Schema) (*schema, error) {
	s := &schema{walked: walked, walking: c.walking}
	if c.schemas == nil {
		return s, nil
	}
	// The library copies its whole book-keeping for every schema that is new to it. Most schemas of an operation are
	// nothing but a reference to one that is not.
	if value, _ := c.document.at(pointer); isReference(value) {
		var err error
		if pointer, err = c.document.resolve(pointer); err != nil {
			return nil, err
		}
	}
	var err error
	if s.compiled, err = c.schemas.Compile(documentURL + "#" + (&url.URL{Path: pointer}).EscapedPath()); err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", offender(pointer, err), err)
	}
	s.quick, s.offsets = c.acceptor(s.compiled), c.document.offsets
	return s, nil
}

func isReference(value any) bool {
	object, _ := value.(map[string]any)
	ref, _ := object["$ref"].(string)
	return len(object) == 1 && strings.HasPrefix(ref, "#/")
}

// offender is the pointer of the schema the compiler complains of: the one at pointer, or one that it leads to.
func offender(pointer string, err error) string {
	location := ""
	if e, ok := errors.AsType[*jsonschema.InvalidRegexError](err); ok {
		location = e.URL
	} else if e, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		location = e.URL
		if v, ok := errors.AsType[*jsonschema.ValidationError](e.Err); ok {
			for len(v.Causes) > 0 {
				v = v.Causes[0]
			}
			location += pointerTo(v.InstanceLocation)
		}
	}
	if _, fragment, ok := strings.Cut(location, "#"); ok {
		if found, err := url.PathUnescape(fragment); err == nil {
			return found
		}
	}
	return pointer
}

// validate is how value breaks the schema, in the order of the document.
func (s *schema) validate(value any, in, name string, visit openapi3.SchemaValidationOption) []Violation {
	if s.compiled == nil {
		return s.walk(value, in, name, visit)
	}
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
