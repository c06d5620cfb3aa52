package apitype

import (
	"bytes"
	"encoding/json"
)

// JSON stands behind a schema that says nothing (`schema: {}`): any JSON value, null included.
//
// The field is embedded because the generator defines its response types as `type X apitype.JSON`: a defined type
// loses the methods of the type behind it, but keeps those promoted from an embedded field.
//
// In an optional property, a *JSON, null is read like absence, as in every pointer that the generator makes; it is
// written as null when the pointer is to a JSON that holds nothing.
type JSON struct{ Value }

// Value encodes as the JSON of what it holds.
type Value struct{ Any any }

// Of makes v, which must be encodable by encoding/json, the answer of a schema-less response.
func Of(v any) JSON { return JSON{Value{Any: v}} }

// String is the text of a string and the JSON of anything else, which is what goes into an answer of plain text.
func (v Value) String() string {
	if text, ok := v.Any.(string); ok {
		return text
	}
	data, err := json.Marshal(v.Any)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(v.Any) }

// UnmarshalJSON implements json.Unmarshaler. Numbers keep their digits, as json.Number.
func (v *Value) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(&v.Any)
}
