package contract

import (
	"math/bits"

	"github.com/go-json-experiment/json/jsontext"
)

// text is a JSON text. Its methods take the offset of a token and return the offset after it; 0 if the token is not JSON.
type text string

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

// byte returns the byte at an offset; 0 at the end, which is no byte of JSON.
func (t text) byte(at int) byte {
	if at < len(t) {
		return t[at]
	}
	return 0
}

// peek returns the first byte at or after an offset that is not white space, and its offset.
func (t text) peek(at int) (byte, int) {
	at = t.space(at)
	return t.byte(at), at
}

// space returns the offset of the first byte at or after an offset that is not white space.
func (t text) space(at int) int {
	for at < len(t) && t[at] <= ' ' && (t[at] == ' ' || t[at] == '\n' || t[at] == '\t' || t[at] == '\r') {
		at++
	}
	return at
}

// literal reads true, false or null.
func (t text) literal(at int, name string) int {
	if len(t)-at < len(name) || string(t[at:at+len(name)]) != name {
		return 0
	}
	return at + len(name)
}

// string reads a string, of which the opening quote is at the offset. It returns what is between the quotes.
func (t text) string(at int) (raw string, escaped bool, end int) {
	const ones, highest = 0x0101010101010101, 0x8080808080808080
	start := at + 1
	for i := start; i < len(t); {
		if i+8 <= len(t) {
			// Eight bytes at a time, look for a quote, a backslash or a control character.
			w := word(string(t[i : i+8]))
			quote, backslash := w^ones*'"', w^ones*'\\'
			special := ((quote-ones)&^quote | (backslash-ones)&^backslash | (w-ones*' ')&^w) & highest
			if special == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(special) / 8 // the first one; later bits can be wrong
		}
		switch b := t[i]; {
		case b == '"':
			return string(t[start:i]), escaped, i + 1
		case b < ' ':
			return "", false, 0
		case b == '\\':
			n := escapeLength(string(t[i:]))
			if n == 0 {
				return "", false, 0
			}
			escaped = true
			i += n
		default:
			i++
		}
	}
	return "", false, 0
}

// name reads the name of a member and the colon after it. It returns the name without escapes.
func (t text) name(at int) (name string, end int) {
	b, at := t.peek(at)
	if b != '"' {
		return "", 0
	}
	name, escaped, end := t.string(at)
	if end == 0 {
		return "", 0
	}
	if b, end = t.peek(end); b != ':' {
		return "", 0
	}
	if escaped {
		name = unescape(name)
	}
	return name, end + 1
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

// integer reads an integer of at most 18 digits, with neither a fraction nor an exponent.
func (t text) integer(at int) (n int64, end int) {
	first := at
	if t.byte(at) == '-' {
		first++
	}
	end = first
	for end < len(t) && t[end]-'0' <= 9 {
		n = 10*n + int64(t[end]-'0') // overflows if there are more than 18
		end++
	}
	if digits := end - first; digits == 0 || digits > 18 || digits > 1 && t[first] == '0' || t.byte(end) == '.' || t.byte(end)|' ' == 'e' {
		return 0, 0
	}
	if first > at {
		n = -n
	}
	return n, end
}

// number reads a number.
func (t text) number(at int) (raw string, end int) {
	start := at
	if t.byte(at) == '-' {
		at++
	}
	end = t.digits(at)
	if end == 0 || end > at+1 && t[at] == '0' {
		return "", 0
	}
	if t.byte(end) == '.' {
		if end = t.digits(end + 1); end == 0 {
			return "", 0
		}
	}
	if t.byte(end)|' ' == 'e' {
		if end++; t.byte(end) == '-' || t.byte(end) == '+' {
			end++
		}
		if end = t.digits(end); end == 0 {
			return "", 0
		}
	}
	if raw = string(t[start:end]); !validNumber(raw) {
		return "", 0
	}
	return raw, end
}

// digits reads one digit or more.
func (t text) digits(at int) int {
	end := at
	for t.byte(end)-'0' <= 9 {
		end++
	}
	if end == at {
		return 0
	}
	return end
}
