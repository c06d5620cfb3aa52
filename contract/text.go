package contract

import (
	"math/bits"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// text is a JSON text that is read from front to back. Its methods return false at the first byte that is not JSON.
type text struct {
	data  string
	next  int // the first byte that is not consumed
	depth int // of objects and arrays around next
}

// kinds is a set of the types of JSON.
type kinds uint8

const (
	null kinds = 1 << iota
	boolean
	number // that is not an integer
	integer
	str
	array
	object

	anyKind = null | boolean | number | integer | str | array | object
)

// kindOf has the types of values by their first byte. That of a number does not tell whether it is an integer.
var kindOf = [256]kinds{
	'n': null, 't': boolean, 'f': boolean, '"': str, '[': array, '{': object, '-': number | integer,
	'0': number | integer, '1': number | integer, '2': number | integer, '3': number | integer, '4': number | integer,
	'5': number | integer, '6': number | integer, '7': number | integer, '8': number | integer, '9': number | integer,
}

// kindNamed has the types of JSON by the names that schemas use.
var kindNamed = map[string]kinds{
	"null": null, "boolean": boolean, "number": number | integer, "integer": integer, "string": str, "array": array,
	"object": object,
}

// peek skips white space and returns the byte after it; 0 at the end.
func (t *text) peek() byte {
	for t.next < len(t.data) {
		b := t.data[t.next]
		if b > ' ' {
			return b
		}
		if b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			break
		}
		t.next++
	}
	return 0
}

// take consumes b if it is the next byte after white space.
func (t *text) take(b byte) bool {
	if t.peek() != b {
		return false
	}
	t.next++
	return true
}

// more reports whether an object or array that has had count members or items has another one, and consumes the comma
// before it or the closing bracket. Without a comma, ok is false.
func (t *text) more(count int, closing byte) (more, ok bool) {
	if i := t.next + 1; count > 0 && i < len(t.data) && t.data[t.next] == ',' && t.data[i] > ' ' {
		t.next = i // without white space
		return true, true
	}
	b := t.peek()
	if b == closing {
		t.next++
		return false, true
	}
	if count == 0 {
		return true, true
	}
	t.next++
	return true, b == ','
}

// literal consumes true, false or null.
func (t *text) literal(name string) bool {
	if !strings.HasPrefix(t.data[t.next:], name) {
		return false
	}
	t.next += len(name)
	return true
}

// string consumes a string, of which the opening quote is next, and returns what is between its quotes.
func (t *text) string() (raw string, escaped, ok bool) {
	data := t.data
	start := t.next + 1
	for i := start; i < len(data); {
		if i+8 <= len(data) {
			// Eight bytes at a time, look for a quote, a backslash or a control character.
			w := word(data[i : i+8])
			const ones, highest = 0x0101010101010101, 0x8080808080808080
			quote, backslash := w^ones*'"', w^ones*'\\'
			special := ((quote-ones)&^quote | (backslash-ones)&^backslash | (w-ones*' ')&^w) & highest
			if special == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(special) / 8 // the first one; later bits can be wrong
		}
		switch b := data[i]; {
		case b == '"':
			t.next = i + 1
			return data[start:i], escaped, true
		case b < ' ':
			return "", false, false
		case b == '\\':
			n := escapeLength(data[i:])
			if n == 0 {
				return "", false, false
			}
			escaped = true
			i += n
		default:
			i++
		}
	}
	return "", false, false
}

// word returns the eight bytes of s as one number.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// escapeLength returns the length of the escape at the start of s; 0 if it is malformed.
func escapeLength(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(s) >= 6 && isHex(s[2]) && isHex(s[3]) && isHex(s[4]) && isHex(s[5]) {
			return 6
		}
	}
	return 0
}

// unescape returns the value of a string with escapes. Half a surrogate pair stands for U+FFFD.
func unescape(raw string) string {
	value, _ := jsontext.AppendUnquote(nil, `"`+raw+`"`)
	return string(value)
}

// number consumes a number and reports whether it has neither a fraction nor an exponent.
func (t *text) number() (raw string, whole, ok bool) {
	start := t.next
	if t.next < len(t.data) && t.data[t.next] == '-' {
		t.next++
	}
	first := t.next
	if digits := t.digits(); digits == 0 || digits > 1 && t.data[first] == '0' {
		return "", false, false
	}
	whole = true
	if t.next < len(t.data) && t.data[t.next] == '.' {
		whole = false
		t.next++
		if t.digits() == 0 {
			return "", false, false
		}
	}
	if t.next < len(t.data) && t.data[t.next]|' ' == 'e' {
		whole = false
		if t.next++; t.next < len(t.data) && (t.data[t.next] == '-' || t.data[t.next] == '+') {
			t.next++
		}
		if t.digits() == 0 {
			return "", false, false
		}
	}
	raw = t.data[start:t.next]
	return raw, whole, whole && len(raw) <= maxNumberLength || validNumber(raw)
}

func (t *text) digits() int {
	start := t.next
	for t.next < len(t.data) && t.data[t.next]-'0' <= 9 {
		t.next++
	}
	return t.next - start
}
