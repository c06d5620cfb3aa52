package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// requestBody is the body that an operation declares.
type requestBody struct {
	required bool
	content  content
	forms    map[*openapi3.MediaType]*form // of the media types that may be one
}

// content is the media types that a body may have.
type content struct {
	declared openapi3.Content
	schemas  map[*openapi3.MediaType]*schema
	json     map[string]*schema // of the JSON media types, by exact name
}

func (c *compiler) content(pointer string, declared openapi3.Content) (content, error) {
	found := content{declared: declared, schemas: make(map[*openapi3.MediaType]*schema), json: make(map[string]*schema)}
	for mime, media := range declared {
		s, err := c.mediaSchema(pointer+"/content/"+escapeToken(mime), media)
		if err != nil {
			return found, err
		}
		found.schemas[media] = s
		if s != nil && mime == mediaType(mime) && isJSON(mime, media) {
			found.json[mime] = s
		}
	}
	return found, nil
}

// mediaSchema compiles the schema of the media type at pointer. It is nil if the media type has none.
func (c *compiler) mediaSchema(pointer string, media *openapi3.MediaType) (*schema, error) {
	pointer, err := c.document.resolve(pointer)
	if err != nil || media.Schema == nil {
		return nil, err
	}
	return c.at(pointer + "/schema")
}

func (o *Operation) compileBody(c *compiler, pointer string) error {
	ref := o.route.Operation.RequestBody
	if ref == nil {
		return nil
	}
	pointer, err := c.document.resolve(pointer + "/requestBody")
	if err != nil {
		return err
	}
	o.body = &requestBody{required: ref.Value.Required, forms: make(map[*openapi3.MediaType]*form)}
	for mime, media := range ref.Value.Content {
		if f := newForm(mediaType(mime), media); f != nil {
			o.body.forms[media] = f
		}
	}
	o.body.content, err = c.content(pointer, ref.Value.Content)
	return err
}

// checkRequest returns a *RequestError with every violation of a request, or why its body could not be read. It replaces
// the body that it has read by a copy for the handler.
func (o *Operation) checkRequest(s *source) error {
	s.unescape()
	violations := o.checkQuery(s)
	for i := range o.parameters {
		violations = append(violations, o.parameters[i].check(s)...)
	}
	found, err := o.checkBody(s.request)
	if err != nil {
		return err
	}
	violations = append(violations, found...)
	if len(violations) == 0 {
		return nil
	}
	return &RequestError{Operation: o, Violations: violations[:min(len(violations), maxViolations)]}
}

func (o *Operation) checkBody(r *http.Request) ([]Violation, error) {
	limit := o.contract.options.MaxBodyBytes
	if r.ContentLength > limit {
		return tooLarge(limit), nil
	}
	if o.body == nil {
		return nil, nil
	}
	data, err := readBody(r, limit)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || int64(len(data)) > limit {
		return tooLarge(limit), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	if len(data) == 0 {
		if o.body.required {
			return []Violation{{In: "body", Keyword: "required", Message: "Field required", Err: openapi3filter.ErrInvalidRequired}}, nil
		}
		return nil, nil
	}
	replayed := &replayedBody{Reader: bytes.NewReader(data)}
	r.Body = replayed
	r.ContentLength = int64(len(data))
	if len(o.body.content.declared) == 0 {
		return nil, nil
	}
	contentType := r.Header.Get("Content-Type")
	media := o.body.content.declared.Get(contentType)
	if media == nil {
		return []Violation{wrongMediaType}, nil
	}
	declared := o.body.content.schemas[media]
	if declared == nil {
		return nil, nil
	}
	if isJSON(contentType, media) {
		r.Body = &validatedBody{replayedBody: replayed, data: data}
		return declared.validate(data, "body", ""), nil
	}
	if f := o.body.forms[media]; f != nil && isForm(mediaType(contentType)) {
		value, violations := f.decode(data, r.Header)
		if len(violations) > 0 {
			return violations, nil
		}
		r.Body = &validatedForm{replayedBody: replayed, value: value}
		return declared.validateValue(value, "body", ""), nil
	}
	value, err := decodeBody(data, r.Header, media)
	if err != nil {
		return []Violation{undecodable("body", "", "Input should be of the declared media type", err)}, nil
	}
	return declared.validateValue(value, "body", ""), nil
}

var wrongMediaType = Violation{
	In: "header", Name: "Content-Type", Keyword: "content", Message: "Media type should be a declared one",
}

func tooLarge(limit int64) []Violation {
	return []Violation{{In: "body", Keyword: "maxBytes", Message: fmt.Sprintf("Body should have at most %d bytes", limit)}}
}

// readBody reads the body up to one byte beyond limit.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	var data bytes.Buffer
	if r.ContentLength > 0 {
		data.Grow(int(r.ContentLength) + bytes.MinRead) // room to see the end without growing again
	}
	_, err := data.ReadFrom(io.LimitReader(r.Body, limit+1))
	return data.Bytes(), err
}

// replayedBody is a body that was read and can be read again.
type replayedBody struct{ *bytes.Reader }

func (*replayedBody) Close() error { return nil }

// validatedBody is a replayed JSON body. The code that oapi-codegen generates looks for ValidatedValue, so that the
// handler gets exactly what was validated.
type validatedBody struct {
	*replayedBody
	data []byte
}

// ValidatedValue returns the decoded body. It writes 1.0 and 1e3 as 1 and 1000, because JSON Schema accepts both as integers
// and Go's decoders do not.
func (b *validatedBody) ValidatedValue() any { return withIntegers(decodeJSON(b.data)) }

// withIntegers writes every integer of a decoded value, which it changes, without a fraction or an exponent.
func withIntegers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = withIntegers(member)
		}
	case []any:
		for i, item := range v {
			v[i] = withIntegers(item)
		}
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return v // without arithmetic, as most numbers
		}
		if d := parseDecimal(v.String()); d.isInteger() {
			return json.Number(d.append(nil))
		}
	}
	return value
}

// validatedForm is a replayed form. The code that contractgen generates looks for ValidatedValue.
type validatedForm struct {
	*replayedBody
	value map[string]any
}

// ValidatedValue returns the decoded form.
func (b *validatedForm) ValidatedValue() any { return b.value }

// isJSON reports whether a body of contentType, which matched media, is decoded as JSON.
func isJSON(contentType string, media *openapi3.MediaType) bool {
	if isBinary(media) {
		return false
	}
	return isJSONType(mediaType(contentType))
}

func isJSONType(mime string) bool {
	return mime == "application/json" || strings.HasSuffix(mime, "+json")
}

func isBinary(media *openapi3.MediaType) bool {
	return media.Schema != nil && media.Schema.Value.Type.Is(openapi3.TypeString) && media.Schema.Value.Format == "binary"
}

// isText reports whether a body may be a string, which needs no decoder.
func isText(media *openapi3.MediaType) (text bool) {
	visitParts(media.Schema, func(s *openapi3.Schema) {
		text = text || permitsText(s)
	})
	return text
}

// permitsText reports whether a value of s may be a string, alternatives apart.
func permitsText(s *openapi3.Schema) bool {
	return isUntyped(s) || slices.Contains(s.Type.Slice(), openapi3.TypeString)
}

// mediaType returns contentType without its parameters, in lower case.
func mediaType(contentType string) string {
	mime, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(mime))
}

var errNoDecoder = errors.New("no decoder for the media type")

// decodeBody decodes a body that is not JSON with kin-openapi's decoder for it.
func decodeBody(data []byte, header http.Header, media *openapi3.MediaType) (any, error) {
	decoder := openapi3filter.RegisteredBodyDecoder(mediaType(header.Get("Content-Type")))
	if decoder == nil {
		decoder = openapi3filter.RegisteredBodyDecoder("*/*")
	}
	if isBinary(media) || decoder == nil && isText(media) {
		decoder = openapi3filter.FileBodyDecoder
	}
	if decoder == nil {
		return nil, errNoDecoder
	}
	encoding := func(part string) *openapi3.Encoding { return media.Encoding[part] }
	var value any
	err := guard(func() (err error) {
		value, err = decoder(bytes.NewReader(data), header, media.Schema, encoding)
		return err
	})
	if err == nil && !validNumbers(value) {
		err = errNumber
	}
	return value, err
}

// validNumbers reports whether all numbers of a value have exponents that a JSON text may have.
func validNumbers(value any) bool {
	switch v := value.(type) {
	case json.Number:
		return validNumber(v.String())
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !validNumbers(item) })
	case map[string]any:
		for _, member := range v {
			if !validNumbers(member) {
				return false
			}
		}
	}
	return true
}
