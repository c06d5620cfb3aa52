package apitype

import (
	"bytes"
	"encoding/json"
)

// JSON is any JSON value, null included. It is the type of a schema without keywords (`schema: {}`).
//
// The field is embedded because the generator defines its response types as `type X apitype.JSON`: a defined type
// loses the methods of the type behind it, but keeps those promoted from an embedded field.
//
// In an optional property, a *JSON, null is read like absence, as in every pointer that the generator makes; it is
// written as null when the pointer is to a JSON that holds nothing.
type JSON struct{ Value }

// Value is encoded as the JSON of Any.
type Value struct{ Any any }

// Of returns v as JSON. encoding/json has to be able to encode it.
func Of(v any) JSON { return JSON{Value{Any: v}} }

// String returns a string as it is, and any other value as JSON. A response of plain text is written with it.
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
