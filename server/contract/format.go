package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// registerFormats gives every format named in the document the meaning it has for kin-openapi, in place of the one the
// compiler would give it: what kin-openapi does not know is an annotation.
func (c *compiler) registerFormats(node any) {
	switch node := node.(type) {
	case map[string]any:
		if name, ok := node["format"].(string); ok {
			c.schemas.RegisterFormat(&jsonschema.Format{Name: name, Validate: c.format(name)})
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

// format looks the format up once, so that a request finds it ready.
func (c *compiler) format(name string) func(any) error {
	text := c.formats[name]
	if v, ok := openapi3.SchemaStringFormats[name]; ok && text == nil {
		text = v.Validate
	}
	integer, number := openapi3.SchemaIntegerFormats[name], openapi3.SchemaNumberFormats[name]
	return func(value any) error {
		if s, ok := value.(string); ok {
			if text == nil {
				return nil
			}
			return text(s)
		}
		if integer == nil && number == nil {
			return nil
		}
		return numberFormat(value, integer, number)
	}
}

var errIntegerRange = errors.New("the number does not fit 64 bits")

func numberFormat(value any, integer openapi3.IntegerFormatValidator, number openapi3.NumberFormatValidator) error {
	switch value.(type) {
	case json.Number, float32, float64, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
	default:
		return nil
	}
	exact, ok := new(big.Rat).SetString(fmt.Sprint(value))
	if !ok {
		return errNumber
	}
	if integer != nil && exact.IsInt() {
		if !exact.Num().IsInt64() {
			return errIntegerRange
		}
		return integer.Validate(exact.Num().Int64())
	}
	if number == nil {
		return nil
	}
	f, _ := exact.Float64()
	if math.IsInf(f, 0) {
		return errNumber
	}
	return number.Validate(f)
}
