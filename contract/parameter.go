package contract

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// parameter is a parameter of an operation or a header of a response.
type parameter struct {
	in, name string
	header   string // the canonical form of name
	required bool
	schema   *schema // nil accepts any value
	index    int     // of a path parameter in the route
	plain    bool    // a string that needs no decoding
	empty    bool    // allowEmptyValue

	// decoding is what kin-openapi gets in place of the parameter. Its decoder is not exported, but its validator is. The
	// schema of decoding keeps what the decoder looks at and rejects every value, and the rejection contains the value.
	decoding *openapi3.Parameter
	// alternatives are the same, each for one alternative of the schema: "7" may be a number or text.
	alternatives []*openapi3.Parameter
}

// compileParameters prepares the parameters of the path and of the operation, in the order of the document.
func (o *Operation) compileParameters(c *compiler, itemPointer, pointer string) error {
	own := o.route.Operation.Parameters
	for i, ref := range o.route.PathItem.Parameters {
		if own.GetByInAndName(ref.Value.In, ref.Value.Name) != nil {
			continue
		}
		if err := o.compileParameter(c, fmt.Sprintf("%s/parameters/%d", itemPointer, i), ref.Value); err != nil {
			return err
		}
	}
	for i, ref := range own {
		if err := o.compileParameter(c, fmt.Sprintf("%s/parameters/%d", pointer, i), ref.Value); err != nil {
			return err
		}
	}
	return nil
}

func (o *Operation) compileParameter(c *compiler, pointer string, model *openapi3.Parameter) error {
	p, err := c.parameter(pointer, model)
	if err != nil {
		return err
	}
	switch p.in {
	case openapi3.ParameterInQuery:
		o.hasQuery = true
	case openapi3.ParameterInPath:
		if p.index = slices.Index(parameterNames(o.Path), p.name); p.index < 0 {
			return fmt.Errorf("%s: parameter %q is not in the path", pointer, p.name)
		}
	}
	o.parameters = append(o.parameters, p)
	return nil
}

// parameter prepares the parameter at pointer.
func (c *compiler) parameter(pointer string, model *openapi3.Parameter) (parameter, error) {
	p := parameter{
		in: model.In, name: model.Name, header: http.CanonicalHeaderKey(model.Name),
		required: model.Required, empty: model.AllowEmptyValue,
	}
	pointer, err := c.document.resolve(pointer)
	if err != nil {
		return p, err
	}
	decoding := *model
	p.decoding = &decoding
	if model.Content != nil {
		decoding.Content = maps.Clone(model.Content)
		for mime, media := range model.Content {
			if media.Schema == nil {
				continue
			}
			schema := media.Schema.Value
			if schema == nil { // kin-openapi's loader resolves no references in the content of headers
				name := strings.TrimPrefix(media.Schema.Ref, "#/components/schemas/")
				schema = c.document.model.Components.Schemas[name].Value
			}
			refusing := *media
			refusing.Schema = refuse(*schema)
			decoding.Content[mime] = &refusing
			if p.schema, err = c.mediaSchema(pointer+"/content/"+escapeToken(mime), media); err != nil {
				return p, err
			}
		}
		return p, nil
	}
	if model.Schema == nil {
		return p, nil
	}
	decoding.Schema = refuseAll(model.Schema)
	for _, alternative := range slices.Concat(decoding.Schema.Value.AnyOf, decoding.Schema.Value.OneOf) {
		one := decoding
		one.Schema = refuseAll(alternative)
		p.alternatives = append(p.alternatives, &one)
	}
	p.plain = isPlain(&decoding)
	p.schema, err = c.at(pointer + "/schema")
	return p, err
}

// refuseAll returns a schema that kin-openapi decodes like s and that rejects every value.
func refuseAll(s *openapi3.SchemaRef) *openapi3.SchemaRef {
	return refuse(*decodable(s, make(map[*openapi3.Schema]*openapi3.SchemaRef)).Value)
}

func refuse(s openapi3.Schema) *openapi3.SchemaRef {
	never := false
	s.Always = &never
	return openapi3.NewSchemaRef("", &s)
}

// decodable returns what kin-openapi needs to decode a value of a schema. It decodes by each part of allOf in turn, has no
// value when a part, an alternative or an item has no type, such as {"minLength": 1} beside a $ref, and decodes nothing if
// there is a not. A value without a type is a string.
func decodable(ref *openapi3.SchemaRef, made map[*openapi3.Schema]*openapi3.SchemaRef) *openapi3.SchemaRef {
	if ref == nil || ref.Value == nil {
		return ref
	}
	s := ref.Value
	if made[s] != nil {
		return made[s]
	}
	d := &openapi3.Schema{Type: s.Type, Format: s.Format, Default: s.Default}
	made[s] = openapi3.NewSchemaRef("", d)
	if isUntyped(s) {
		d.Type = &openapi3.Types{openapi3.TypeString}
		return made[s]
	}
	if d.Items = decodable(s.Items, made); d.Items == nil {
		d.Items = openapi3.NewSchemaRef("", openapi3.NewStringSchema())
	}
	d.AdditionalProperties = s.AdditionalProperties
	d.AdditionalProperties.Schema = decodable(s.AdditionalProperties.Schema, made)
	for name, property := range s.Properties {
		if d.Properties == nil {
			d.Properties = make(openapi3.Schemas, len(s.Properties))
		}
		d.Properties[name] = decodable(property, made)
	}
	for _, part := range s.AllOf {
		if !isUntyped(part.Value) {
			d.AllOf = append(d.AllOf, decodable(part, made))
		}
	}
	alternatives := func(refs openapi3.SchemaRefs) (typed openapi3.SchemaRefs) {
		for _, ref := range refs {
			if s.Type == nil || !isUntyped(ref.Value) {
				typed = append(typed, decodable(ref, made))
			}
		}
		return typed
	}
	d.AnyOf, d.OneOf = alternatives(s.AnyOf), alternatives(s.OneOf)
	return made[s]
}

// isUntyped reports whether s says nothing about how to decode a value.
func isUntyped(s *openapi3.Schema) bool {
	return s.Type == nil && s.Items == nil && s.Properties == nil && s.AnyOf == nil && s.OneOf == nil &&
		!slices.ContainsFunc(s.AllOf, func(part *openapi3.SchemaRef) bool { return !isUntyped(part.Value) })
}

// isPlain reports whether the value of the parameter is exactly the string that was sent. A parameter whose schema has
// no type is a string, too.
func isPlain(model *openapi3.Parameter) bool {
	s := model.Schema.Value
	if s.Type != nil && !s.Type.Is(openapi3.TypeString) || s.Default != nil || len(s.AllOf) > 0 || s.AnyOf != nil || s.OneOf != nil {
		return false
	}
	switch model.In {
	case openapi3.ParameterInPath, openapi3.ParameterInHeader:
		return model.Style == "" || model.Style == openapi3.SerializationSimple
	}
	return model.Style == "" || model.Style == openapi3.SerializationForm
}

// source holds the values of the parameters of one request, or of the headers of one response.
type source struct {
	request *http.Request
	query   url.Values
	path    []string          // values in the order of the route; unescape unescapes them
	broken  map[int]error     // why values of path could not be unescaped
	named   map[string]string // values of path by name, when kin-openapi decodes them
}

// unescape unescapes the values of path. A router that has matched the escaped path hands out escaped segments.
func (s *source) unescape() {
	if len(s.path) == 0 || s.request.URL.RawPath == "" {
		return
	}
	s.path = slices.Clone(s.path)
	for i, value := range s.path {
		var err error
		if s.path[i], err = url.PathUnescape(value); err != nil {
			if s.broken == nil {
				s.broken = make(map[int]error)
			}
			s.broken[i] = err
		}
	}
}

// checkQuery returns a violation if url.ParseQuery had to leave out part of the query.
func (o *Operation) checkQuery(s *source) []Violation {
	if !o.hasQuery {
		return nil
	}
	if err := wellFormedQuery(s.request.URL.RawQuery); err != nil {
		return []Violation{undecodable("query", "", "Query should be well-formed percent-encoding", err)}
	}
	return nil
}

var errSemicolon = errors.New("semicolon in query")

// wellFormedQuery returns why url.ParseQuery would leave out part of the query.
func wellFormedQuery(query string) error {
	for i := 0; i < len(query); i++ {
		switch query[i] {
		case ';':
			return errSemicolon
		case '%':
			if i+2 >= len(query) || !isHex(query[i+1]) || !isHex(query[i+2]) {
				return url.EscapeError(query[i:min(i+3, len(query))])
			}
		}
	}
	return nil
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

// check returns the violations of the parameter.
func (p *parameter) check(s *source) []Violation {
	if p.schema == nil {
		return nil
	}
	if p.in == openapi3.ParameterInPath && s.broken[p.index] != nil {
		return []Violation{undecodable(p.in, p.name, "Input should be well-formed percent-encoding", s.broken[p.index])}
	}
	var value any
	if p.plain {
		text, found := p.text(s)
		if !found {
			return p.missing()
		}
		if text == "" && p.empty {
			return nil
		}
		if utf8.ValidString(text) && p.schema.acceptsText(text) {
			return nil
		}
		value = text
	} else {
		decoded, violations := p.decode(s)
		if decoded == nil {
			return violations
		}
		value = decoded
	}
	if !validText(value) {
		return []Violation{undecodable(p.in, p.name, "Input should be valid UTF-8", errNotUTF8)}
	}
	violations := p.schema.validateValue(value, p.in, p.name)
	if len(violations) > 0 && p.fitsAlternative(s) {
		return nil
	}
	return violations
}

// fitsAlternative reports whether the value fits the schema when it is decoded by one of the alternatives. Kin-openapi
// decodes it by the first of anyOf, or the last of oneOf, that can.
func (p *parameter) fitsAlternative(s *source) bool {
	for _, alternative := range p.alternatives {
		as := *p
		as.decoding = alternative
		if value, violations := as.decode(s); len(violations) == 0 && value != nil && validText(value) && len(p.schema.validateValue(value, p.in, p.name)) == 0 {
			return true
		}
	}
	return false
}

func (p *parameter) missing() []Violation {
	if !p.required {
		return nil
	}
	return []Violation{{
		In: p.in, Name: p.name, Keyword: "required", Message: "Field required", Err: openapi3filter.ErrInvalidRequired,
	}}
}

// text returns the string that was sent as the parameter. Of several it is the first that is not empty, as in
// kin-openapi.
func (p *parameter) text(s *source) (text string, found bool) {
	switch p.in {
	case openapi3.ParameterInPath:
		if p.index < len(s.path) {
			text = s.path[p.index]
		}
		return text, text != ""
	case openapi3.ParameterInQuery:
		values := s.query[p.name]
		for _, value := range values {
			if value != "" {
				return value, true
			}
		}
		return "", len(values) > 0
	case openapi3.ParameterInHeader:
		if values := s.request.Header[p.header]; len(values) > 0 {
			return values[0], true
		}
	case openapi3.ParameterInCookie:
		if cookie, err := s.request.Cookie(p.name); err == nil {
			return cookie.Value, true
		}
	}
	return "", false
}

// decode has kin-openapi decode the value. The value is nil if there is none to validate.
func (p *parameter) decode(s *source) (any, []Violation) {
	input := openapi3filter.RequestValidationInput{Request: s.request, QueryParams: s.query}
	text, found := p.text(s)
	switch p.in {
	case openapi3.ParameterInPath:
		if s.named == nil {
			s.named = make(map[string]string, len(s.path))
		}
		s.named[p.name] = text
		input.PathParams = s.named
	case openapi3.ParameterInQuery:
		// kin-openapi writes the default of a missing parameter into the URL, whose query has been parsed already.
		before := s.request.URL.RawQuery
		defer func() {
			if s.request.URL.RawQuery != before {
				clear(s.query)
				maps.Copy(s.query, s.request.URL.Query())
			}
		}()
	}
	value, err := p.decodeValue(&input, text != "")
	if err == nil {
		return value, nil
	}
	if errors.Is(err, openapi3filter.ErrInvalidRequired) {
		return nil, p.missing()
	}
	if errors.Is(err, openapi3filter.ErrInvalidEmptyValue) {
		return nil, []Violation{{
			In: p.in, Name: p.name, Keyword: "allowEmptyValue", Message: "Input should not be empty", Err: err,
		}}
	}
	if _, malformed := errors.AsType[*openapi3filter.ParseError](err); p.required && !found && !malformed {
		return nil, p.missing() // none of the alternatives decodes it
	}
	return nil, []Violation{undecodable(p.in, p.name, "Input should be of the declared type", err)}
}

// decodeValue has kin-openapi decode the value that input has for the parameter. It is nil if there is none.
func (p *parameter) decodeValue(input *openapi3filter.RequestValidationInput, sent bool) (any, error) {
	decoding := *p.decoding
	// Otherwise kin-openapi takes a value that no alternative decodes for a missing one. What has the name of an object need not
	// be the object, whose members may be parameters of their own.
	if s := decoding.Schema; sent && (s == nil || !s.Value.Type.Is(openapi3.TypeObject)) {
		decoding.Required = true
	}
	err := guard(func() error { return openapi3filter.ValidateParameter(input.Request.Context(), input, &decoding) })
	if refusal, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		return refusal.Value, nil
	}
	return nil, err
}

// guard turns a panic of a decoder of kin-openapi into an error. At least one input makes a decoder panic:
// p[a]=1&p[a][b]=2 in the style deepObject.
func guard(decode func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("decoder panicked: %v", reason)
		}
	}()
	return decode()
}

// validText reports whether every string of the value is valid UTF-8, as all text in JSON is.
func validText(value any) bool {
	switch v := value.(type) {
	case string:
		return utf8.ValidString(v)
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !validText(item) })
	case map[string]any:
		for name, member := range v {
			if !utf8.ValidString(name) || !validText(member) {
				return false
			}
		}
	}
	return true
}
