package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// format is what kin-openapi, or Options, know of a named format. What neither knows is an annotation.
type format struct {
	text    func(string) error
	integer openapi3.IntegerFormatValidator
	number  openapi3.NumberFormatValidator
}

// registerFormats gives every format named in the document its meaning for kin-openapi, in place of the one the compiler
// would give it.
func (c *compiler) registerFormats(node any) {
	switch node := node.(type) {
	case map[string]any:
		if name, ok := node["format"].(string); ok && c.known[name] == nil {
			f := &format{
				text:    c.formats[name],
				integer: openapi3.SchemaIntegerFormats[name],
				number:  openapi3.SchemaNumberFormats[name],
			}
			if v, ok := openapi3.SchemaStringFormats[name]; ok && f.text == nil {
				f.text = v.Validate
			}
			c.known[name] = f
			c.schemas.RegisterFormat(&jsonschema.Format{Name: name, Validate: f.validate})
		}
		for _, value := range node {
			c.registerFormats(value)
		}
	case []any:
		for _, value := range node {
			c.registerFormats(value)
		}
	}
}

var errIntegerRange = errors.New("the number does not fit 64 bits")

// validate is why a decoded value is not of the format. A value of a type that the format is not about is.
func (f *format) validate(value any) error {
	switch value := value.(type) {
	case string:
		if f.text != nil {
			return f.text(value)
		}
		return nil
	case json.Number, float32, float64, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
	default:
		return nil
	}
	if f.integer == nil && f.number == nil {
		return nil
	}
	exact, ok := new(big.Rat).SetString(fmt.Sprint(value))
	if !ok {
		return errNumber
	}
	if f.integer != nil && exact.IsInt() {
		if !exact.Num().IsInt64() {
			return errIntegerRange
		}
		return f.integer.Validate(exact.Num().Int64())
	}
	if f.number != nil {
		number, _ := exact.Float64()
		return f.number.Validate(number)
	}
	return nil
}
