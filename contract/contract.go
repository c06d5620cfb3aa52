package contract

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

// defaultMaxBodyBytes limits request bodies if Options.MaxBodyBytes is 0.
const defaultMaxBodyBytes = 1 << 20

// Options are what a document does not say.
type Options struct {
	// Authenticate checks whether a request meets a security scheme. It is required when the document has any security
	// requirement. The error handler gets its error within a SecurityError. The handler gets the request that Authenticate
	// leaves in AuthenticationInput.Request, for example one with the caller in its context.
	Authenticate func(context.Context, *AuthenticationInput) error
	// Formats are checks of string formats, by name, that are enforced beside the standard ones, or in place of them.
	Formats map[string]func(string) error
	// MaxBodyBytes limits the body of a request; 0 is 1 MiB.
	MaxBodyBytes int64
	// Fallback is the JSON body of the 500 that is sent when even the error handler's answer is invalid and the document
	// has no example of a 500. Without it, that is {"title":"Internal Server Error","status":500}.
	Fallback []byte
}

// Contract is an OpenAPI document, compiled. It may be used by any number of goroutines.
type Contract struct {
	doc        *openapi3.T
	options    Options
	operations []*Operation
	routes     routes
	routed     bool // Route was called
}

// Operation is one operation of the document.
type Operation struct {
	ID     string // its operationId
	Method string // in capital letters
	Path   string // as in the document, like "/v1/pets/{id}"

	contract   *Contract
	route      routers.Route
	security   []requirement
	parameters []parameter
	hasQuery   bool
	rivals     []*Operation   // those that echo takes for the same, most literal path first; nil if echo matches the path itself
	values     *regexp.Regexp // finds the values of the path parameters; nil without rivals
	body       *requestBody
	responses  map[int]*response // by status; by its hundreds for a range like 4XX; 0 is the default
}

// Compile reads and compiles a document, for callers that have no use for warnings. An error lists every finding that is
// an error.
func Compile(data []byte, options Options) (*Contract, error) {
	d, findings := Read(data)
	if d == nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", Errors(findings))
	}
	return New(d, options)
}

// New compiles a document for enforcement.
func New(d *Document, options Options) (*Contract, error) {
	c := &Contract{options: options, routes: make(routes), doc: d.model}
	if c.options.MaxBodyBytes <= 0 {
		c.options.MaxBodyBytes = defaultMaxBodyBytes
	}
	// The compiler is discarded after New, so requests never compile schemas.
	if err := c.compile(newCompiler(d, options.Formats)); err != nil {
		return nil, fmt.Errorf("compile OpenAPI document: %w", err)
	}
	return c, nil
}

// compile compiles every operation.
func (c *Contract) compile(compiler *compiler) error {
	d := compiler.document
	for path, item := range c.doc.Paths.Map() {
		itemPointer := "/paths/" + escapeToken(path)
		for method, model := range item.Operations() {
			pointer := itemPointer + "/" + strings.ToLower(method)
			if _, ok := d.at(pointer); !ok {
				pointer = itemPointer + "/additionalOperations/" + escapeToken(method)
			}
			o := &Operation{
				ID: model.OperationID, Method: method, Path: path, contract: c,
				route: routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: method, Operation: model},
			}
			if err := o.compile(compiler, itemPointer, pointer); err != nil {
				return fmt.Errorf("%s: %w", pointer, err)
			}
			if err := c.routes.add(o); err != nil {
				return fmt.Errorf("%s: %w", pointer, err)
			}
			c.operations = append(c.operations, o)
		}
	}
	matchPaths(c.operations)
	slices.SortFunc(c.operations, func(a, b *Operation) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
	})
	return nil
}

func (o *Operation) compile(c *compiler, itemPointer, pointer string) error {
	var err error
	if o.security, err = o.contract.security(o.route.Operation); err != nil {
		return err
	}
	if err = o.compileParameters(c.requests, itemPointer, pointer); err != nil {
		return err
	}
	if err = o.compileBody(c.requests, pointer); err != nil {
		return err
	}
	return o.compileResponses(c, pointer)
}

var pathParameter = regexp.MustCompile(`{[.;?]?([^{}*]+)\*?}`)

// parameterNames returns the names of the parameters of a path, in their order.
func parameterNames(path string) (names []string) {
	for _, match := range pathParameter.FindAllStringSubmatch(path, -1) {
		names = append(names, match[1])
	}
	return names
}

// Operations returns all operations, sorted by path and method.
func (c *Contract) Operations() []*Operation { return slices.Clone(c.operations) }

// String returns method and path.
func (o *Operation) String() string { return o.Method + " " + o.Path }

// Example returns the first example body that the document declares for the JSON response of status, as compact JSON with
// its members in the order of the document. It returns nil if there is none.
func (o *Operation) Example(status int) []byte {
	r := o.response(status)
	if r == nil {
		return nil
	}
	return bytes.Clone(r.example)
}

// bodyless reports whether a response of status to method has no body, whatever the document declares.
func bodyless(method string, status int) bool {
	return method == http.MethodHead || status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}
