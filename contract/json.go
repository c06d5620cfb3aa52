package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxExponent bounds the exponents of numbers. The validators compute with exact rationals, for which a few bytes like
// 1e999999 mean megabytes of digits. No float64 has such an exponent.
const maxExponent = 400

var (
	errNotUTF8 = errors.New("the text is not valid UTF-8")
	errNotJSON = errors.New("the text is not one JSON value")
	errNumber  = errors.New("a number is out of range")
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
	value, err := decodeValue(d)
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return value, nil
		}
	}
	if errors.Is(err, errNumber) {
		return nil, err
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		return nil, &duplicateError{string(syntax.JSONPointer)}
	}
	return nil, errNotJSON
}

func decodeValue(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
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
			if object[name], err = decodeValue(d); err != nil {
				return nil, err
			}
		}
		_, err := d.ReadToken()
		return object, err
	case '[':
		array := []any{}
		for d.PeekKind() != ']' {
			item, err := decodeValue(d)
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

// validNumber reports whether a JSON number has an exponent within maxExponent, if any.
func validNumber(number string) bool {
	i := strings.IndexAny(number, "eE")
	if i < 0 {
		return true
	}
	exponent, err := strconv.Atoi(number[i+1:])
	return err == nil && exponent <= maxExponent && exponent >= -maxExponent
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
