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

// decodeJSON decodes exactly one JSON value, with numbers as json.Number.
func decodeJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	// What remains of invalid UTF-8 are escapes of half a surrogate pair, which RFC 8259 permits.
	d := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowInvalidUTF8(true))
	value, err := decodeValue(d, 0)
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return value, nil
		}
	}
	if errors.Is(err, errNumber) || errors.Is(err, errDepth) {
		return nil, err
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		return nil, &duplicateError{string(syntax.JSONPointer)}
	}
	return nil, errNotJSON
}

func decodeValue(d *jsontext.Decoder, depth int) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	if kind := token.Kind(); depth == maxDepth && (kind == '{' || kind == '[') {
		return nil, errDepth
	}
	switch token.Kind() {
	case '{':
		object := make(map[string]any)
		for d.PeekKind() != '}' {
			token, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			name := token.String()
			if object[name], err = decodeValue(d, depth+1); err != nil {
				return nil, err
			}
		}
		_, err := d.ReadToken()
		return object, err
	case '[':
		array := []any{}
		for d.PeekKind() != ']' {
			item, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			array = append(array, item)
		}
		_, err := d.ReadToken()
		return array, err
	case '"':
		return token.String(), nil
	case '0':
		number := token.String()
		if !validNumber(number) {
			return nil, errNumber
		}
		return json.Number(number), nil
	case 't':
		return true, nil
	case 'f':
		return false, nil
	}
	return nil, nil
}

// canonical returns the canonical form of a JSON text: equal values are the same text.
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
	value, err := decodeJSON([]byte(data))
	if err != nil {
		return data
	}
	return string(appendCanonical(nil, value))
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

var (
	tokenEscaper   = strings.NewReplacer("~", "~0", "/", "~1")
	tokenUnescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// escapeToken escapes a reference token of a JSON pointer (RFC 6901).
func escapeToken(token string) string { return tokenEscaper.Replace(token) }

// pointerTo joins unescaped reference tokens to a JSON pointer.
func pointerTo(tokens []string) string {
	var b strings.Builder
	for _, token := range tokens {
		b.WriteByte('/')
		b.WriteString(escapeToken(token))
	}
	return b.String()
}
