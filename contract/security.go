package contract

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"
)

// requirement is one of the alternatives by which a request may be allowed: it has to meet all of its schemes. Without
// any, it allows everybody.
type requirement []securityScheme

type securityScheme struct {
	name   string
	scheme *openapi3.SecurityScheme
	scopes []string
}

// security prepares the requirements of an operation, or those of the document when it has none of its own.
func (c *Contract) security(operation *openapi3.Operation) ([]requirement, error) {
	declared := c.doc.Security
	if operation.Security != nil {
		declared = *operation.Security
	}
	var requirements []requirement
	for _, alternative := range declared {
		r := requirement{}
		for _, name := range slices.Sorted(maps.Keys(alternative)) {
			var ref *openapi3.SecuritySchemeRef
			if c.doc.Components != nil {
				ref = c.doc.Components.SecuritySchemes[name]
			}
			if ref == nil || ref.Value == nil {
				return nil, fmt.Errorf("security scheme %q is not declared", name)
			}
			if c.options.Authenticate == nil {
				return nil, errors.New("the document requires security, but Options.Authenticate is missing")
			}
			r = append(r, securityScheme{name, ref.Value, alternative[name]})
		}
		requirements = append(requirements, r)
	}
	return requirements, nil
}

// authenticate asks for the requirements in order until the request meets one. The body of the request stays unread. A
// request with which the callback replaces RequestValidationInput.Request is the one the handler gets.
func (o *Operation) authenticate(c echo.Context) error {
	if len(o.security) == 0 {
		return nil
	}
	var refusals []error
	for _, r := range o.security {
		err := o.meets(c, r)
		if err == nil {
			return nil
		}
		refusals = append(refusals, err)
	}
	if len(refusals) == 1 {
		return &SecurityError{Operation: o, Err: refusals[0]}
	}
	return &SecurityError{Operation: o, Err: errors.Join(refusals...)}
}

func (o *Operation) meets(c echo.Context, r requirement) error {
	for i := range r {
		// Both inputs in one piece of memory. The callback may keep it.
		var input struct {
			openapi3filter.AuthenticationInput
			request openapi3filter.RequestValidationInput
		}
		request := c.Request()
		input.request = openapi3filter.RequestValidationInput{Request: request, Route: &o.route}
		input.AuthenticationInput = openapi3filter.AuthenticationInput{
			RequestValidationInput: &input.request,
			SecuritySchemeName:     r[i].name, SecurityScheme: r[i].scheme, Scopes: r[i].scopes,
		}
		if err := o.contract.options.Authenticate(request.Context(), &input.AuthenticationInput); err != nil {
			return err
		}
		if input.request.Request != request {
			c.SetRequest(input.request.Request)
		}
	}
	return nil
}

// SecuritySchemes are those that the document declares, by name, for whoever has to say at the start which of them
// Options.Authenticate knows.
func (c *Contract) SecuritySchemes() openapi3.SecuritySchemes {
	if c.doc.Components == nil {
		return nil
	}
	return c.doc.Components.SecuritySchemes
}
