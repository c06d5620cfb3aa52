package contract

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// form decodes the bodies of a media type whose properties are sent one by one: application/x-www-form-urlencoded and
// multipart/form-data. Each property is decoded like a query parameter.
//
// Kin-openapi's decoders of forms take a property with alternatives, such as anyOf with null, for null whatever was sent.
// They reject parts that are not declared, and files of most media types unless the format is binary.
type form struct{ fields []field } // sorted by name

// field is a property of a form.
type field struct {
	parameter
	encoding   *openapi3.Encoding
	list       bool // whether it may be sent more than once
	text, file bool // whether it, or its items, may be a string, or a file
	json       bool // whether it, or its items, are objects, which are sent as JSON unless a style is declared
	undeclared bool
}

// newForm returns nil if no body of mime is a form.
func newForm(mime string, media *openapi3.MediaType) *form {
	if media.Schema == nil || !isForm(mime) && !strings.Contains(mime, "*") {
		return nil
	}
	properties := make(map[string]openapi3.SchemaRefs)
	visitParts(media.Schema, func(s *openapi3.Schema) {
		for name, property := range s.Properties {
			properties[name] = append(properties[name], property)
		}
	})
	f := new(form)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property := properties[name][0]
		if len(properties[name]) > 1 {
			property = openapi3.NewSchemaRef("", &openapi3.Schema{AnyOf: properties[name]})
		}
		encoding := media.Encoding[name]
		method := encoding.SerializationMethod()
		added := field{encoding: encoding, parameter: parameter{name: name, decoding: &openapi3.Parameter{
			In: openapi3.ParameterInQuery, Name: name, Style: method.Style, Explode: &method.Explode, Schema: refuseAll(property),
		}}}
		look := func(s *openapi3.Schema) {
			added.text = added.text || permitsText(s)
			added.json = added.json || slices.Contains(s.Type.Slice(), openapi3.TypeObject)
			added.file = added.file || s.Format == "binary" || s.ContentMediaType != ""
		}
		visitParts(property, func(s *openapi3.Schema) {
			if look(s); slices.Contains(s.Type.Slice(), openapi3.TypeArray) {
				added.list = true
				visitParts(s.Items, look)
			}
		})
		added.json = added.json && !added.text && (encoding == nil || encoding.Style == "")
		f.fields = append(f.fields, added)
	}
	return f
}

func isForm(mime string) bool {
	return mime == "application/x-www-form-urlencoded" || mime == "multipart/form-data"
}

// visitParts calls visit for a schema, its alternatives and the parts of its allOf. Read rejects schemas that are their own
// part.
func visitParts(ref *openapi3.SchemaRef, visit func(*openapi3.Schema)) {
	if ref == nil {
		return
	}
	visit(ref.Value)
	for _, part := range slices.Concat(ref.Value.AllOf, ref.Value.AnyOf, ref.Value.OneOf) {
		visitParts(part, visit)
	}
}

// find returns the field name, or a text that is not declared.
func (f *form) find(name string) *field {
	for i := range f.fields {
		if f.fields[i].name == name {
			return &f.fields[i]
		}
	}
	return &field{parameter: parameter{name: name}, text: true, undeclared: true}
}

// decode returns the object that a body stands for.
func (f *form) decode(data []byte, header http.Header) (map[string]any, []Violation) {
	values, object := make(url.Values), make(map[string]any)
	var violations []Violation
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case err != nil:
	case kind == "multipart/form-data":
		violations, err = f.parts(multipart.NewReader(bytes.NewReader(data), parameters["boundary"]), values, object)
	default:
		values, err = url.ParseQuery(string(data))
	}
	if err != nil {
		return nil, []Violation{undecodable("body", "", "Input should be of the declared media type", err)}
	}
	input := openapi3filter.RequestValidationInput{
		Request: new(http.Request), QueryParams: values, Options: &openapi3filter.Options{SkipSettingDefaults: true},
	}
	for i := range f.fields {
		found := &f.fields[i]
		if found.json {
			for _, text := range values[found.name] {
				violations = append(violations, found.addJSON(object, []byte(text))...)
			}
			continue
		}
		value, err := found.decodeValue(&input, values.Get(found.name) != "")
		if value != nil && object[found.name] == nil {
			object[found.name] = value
		} else if err != nil && !errors.Is(err, openapi3filter.ErrInvalidRequired) {
			violations = append(violations, found.undecodable(err))
		}
	}
	for name, texts := range values {
		if f.find(name).undeclared && !strings.Contains(name, "[") { // of style deepObject
			object[name] = texts[0]
		}
	}
	return object, violations
}

// parts adds the parts of a multipart body to values if they are text, and otherwise to object.
func (f *form) parts(reader *multipart.Reader, values url.Values, object map[string]any) (violations []Violation, err error) {
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return violations, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		name, kind, isFile := part.FormName(), mediaType(part.Header.Get("Content-Type")), part.FileName() != ""
		if kind == "" {
			kind = "text/plain"
		}
		found := f.find(name)
		switch {
		case !found.encoding.AllowsContentType(kind):
			violations = append(violations, found.undecodable(errPartType))
		case isJSONType(kind) && !found.file && (!isFile || !found.text):
			violations = append(violations, found.addJSON(object, data)...)
		case kind == "text/plain" && !isFile:
			values.Add(name, string(data))
		default:
			found.add(object, string(data))
		}
	}
}

var errPartType = errors.New("the media type of the part is not that of its encoding")

// add adds a value to a list, or sets what was not sent before.
func (f *field) add(object map[string]any, value any) {
	list, _ := object[f.name].([]any)
	switch {
	case f.list:
		object[f.name] = append(list, value)
	case object[f.name] == nil:
		object[f.name] = value
	}
}

// addJSON adds the value of a JSON text.
func (f *field) addJSON(object map[string]any, data []byte) []Violation {
	if err := syntaxError(data); err != nil {
		return []Violation{f.undecodable(err)}
	}
	f.add(object, decodeJSON(data))
	return nil
}

// undecodable returns the violation of a value that does not fit the type of the field.
func (f *field) undecodable(err error) Violation {
	v := undecodable("body", "", "Input should be of the declared type", err)
	v.Pointer = "/" + escapeToken(f.name)
	return v
}
