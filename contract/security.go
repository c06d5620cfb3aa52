package contract

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// SecurityScheme is a security scheme of the document.
type SecurityScheme struct {
	Name         string // in components/securitySchemes
	Type         string // "http", "apiKey", "oauth2", "openIdConnect" or "mutualTLS"
	Scheme       string // of type http, such as "bearer", as the document spells it
	BearerFormat string // of scheme bearer, such as "JWT"

	// In and ParameterName are where a scheme of type apiKey has its key: "query", "header" or "cookie", and the name
	// there.
	In, ParameterName string
}

// AuthenticationInput is what Options.Authenticate decides about.
type AuthenticationInput struct {
	// Request is the request, its body unread. Authenticate may replace it; the handler gets the replacement.
	Request   *http.Request
	Operation *Operation
	Scheme    SecurityScheme
	Scopes    []string // that the operation requires, of schemes with scopes
}

// requirement is one of the alternatives that allow a request. The request has to meet all of its schemes. A requirement
// without schemes allows every request.
type requirement []scopedScheme

type scopedScheme struct {
	scheme SecurityScheme
	scopes []string
}

// security compiles the requirements of an operation, or those of the document if the operation has none.
func (c *Contract) security(operation *openapi3.Operation) ([]requirement, error) {
	declared := c.doc.Security
	if operation.Security != nil {
		declared = *operation.Security
	}
	schemes := c.SecuritySchemes()
	var requirements []requirement
	for _, alternative := range declared {
		r := requirement{}
		for _, name := range slices.Sorted(maps.Keys(alternative)) {
			i := slices.IndexFunc(schemes, func(s SecurityScheme) bool { return s.Name == name })
			if i < 0 {
				return nil, fmt.Errorf("security scheme %q is not declared", name)
			}
			if c.options.Authenticate == nil {
				return nil, errors.New("the document requires security, but Options.Authenticate is missing")
			}
			r = append(r, scopedScheme{schemes[i], alternative[name]})
		}
		requirements = append(requirements, r)
	}
	return requirements, nil
}

// RequiresAuthentication reports whether the operation has a security requirement.
func (o *Operation) RequiresAuthentication() bool { return len(o.security) > 0 }

// authenticate tries the requirements in order until the request meets one. It returns the request for the handler. It
// does not read the body.
func (o *Operation) authenticate(r *http.Request) (*http.Request, error) {
	if len(o.security) == 0 {
		return r, nil
	}
	var causes []error
	for _, alternative := range o.security {
		authenticated, err := o.meets(r, alternative)
		if err == nil {
			return authenticated, nil
		}
		causes = append(causes, err)
	}
	if len(causes) == 1 {
		return nil, &SecurityError{Operation: o, Err: causes[0]}
	}
	return nil, &SecurityError{Operation: o, Err: errors.Join(causes...)}
}

func (o *Operation) meets(r *http.Request, required requirement) (*http.Request, error) {
	for _, s := range required {
		input := AuthenticationInput{Request: r, Operation: o, Scheme: s.scheme, Scopes: s.scopes}
		if err := o.contract.options.Authenticate(r.Context(), &input); err != nil {
			return nil, err
		}
		r = input.Request
	}
	return r, nil
}

// SecuritySchemes returns the security schemes that the document declares, sorted by name. A server can check at start
// that its Authenticate knows all of them.
func (c *Contract) SecuritySchemes() []SecurityScheme {
	if c.doc.Components == nil {
		return nil
	}
	var schemes []SecurityScheme
	for name, ref := range c.doc.Components.SecuritySchemes {
		if s := ref.Value; s != nil {
			schemes = append(schemes, SecurityScheme{
				Name: name, Type: s.Type, Scheme: s.Scheme, BearerFormat: s.BearerFormat, In: s.In, ParameterName: s.Name,
			})
		}
	}
	slices.SortFunc(schemes, func(a, b SecurityScheme) int { return strings.Compare(a.Name, b.Name) })
	return schemes
}
