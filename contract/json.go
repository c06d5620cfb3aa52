package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds the nesting of documents and of bodies. Published documents stay below 100 levels. Decoders and
// validators recurse, so that without a limit a few kilobytes of brackets would need megabytes of stack.
const maxDepth = 500

var (
	errNotUTF8 = errors.New("the text is not valid UTF-8")
	errNotJSON = errors.New("the text is not one JSON value")
	errNumber  = errors.New("a number is out of range")
	errDepth   = fmt.Errorf("the text is nested more than %d levels deep", maxDepth)
)

// duplicateError is the error of an object with two members of one name. Parsers differ in which of the two they use, so
// that the value that was validated need not be the one that is used.
type duplicateError struct{ pointer string }

func (e *duplicateError) Error() string { return fmt.Sprintf("duplicate member %s", e.pointer) }

// syntaxError returns why data is not one valid JSON value, or nil if it is.
func syntaxError(data []byte) error {
	if !utf8.Valid(data) {
		return errNotUTF8
	}
	// What remains of invalid UTF-8 are escapes of half a surrogate pair, which RFC 8259 permits.
	d := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowInvalidUTF8(true))
	for ended := false; ; ended = d.StackDepth() == 0 {
		token, err := d.ReadToken()
		switch {
		case ended && errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, jsontext.ErrDuplicateName):
			syntax, _ := errors.AsType[*jsontext.SyntacticError](err)
			return &duplicateError{string(syntax.JSONPointer)}
		case ended || err != nil:
			return errNotJSON
		case d.StackDepth() > maxDepth:
			return errDepth
		case token.Kind() == '0' && !validNumber(token.String()):
			return errNumber
		}
	}
}

// decodeJSON decodes a valid JSON text, with numbers as json.Number.
func decodeJSON(data []byte) (value any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	_ = d.Decode(&value)
	return value
}

// canonical returns the canonical form of a valid JSON text: equal values are the same text.
func canonical(data string) string {
	switch {
	case data[0] == '"' && strings.IndexByte(data, '\\') < 0, kindOf[data[0]]&(null|boolean) != 0:
		return data
	case kindOf[data[0]]&number != 0:
		if len(data) < 20 && strings.IndexFunc(data, func(r rune) bool { return r < '0' || r > '9' }) < 0 {
			return data
		}
		return string(parseDecimal(data).append(nil))
	}
	return string(appendCanonical(nil, decodeJSON([]byte(data))))
}

// appendCanonical appends a decoded value as canonical JSON.
func appendCanonical(b []byte, value any) []byte {
	switch value := value.(type) {
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(value)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, name), ':')
			b = appendCanonical(b, value[name])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, item := range value {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendCanonical(b, item)
		}
		return append(b, ']')
	case string:
		return appendString(b, value)
	case bool:
		return strconv.AppendBool(b, value)
	case nil:
		return append(b, "null"...)
	}
	return parseDecimal(fmt.Sprint(value)).append(b)
}
