package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxExponent bounds the exponents of numbers. The validators compute with exact rationals, for which a few bytes like
// 1e999999 mean megabytes of digits; nothing that fits a float64 comes near it.
const maxExponent = 400

var (
	errNotUTF8 = errors.New("the text is not valid UTF-8")
	errNotJSON = errors.New("the text is not one JSON value")
	errNumber  = errors.New("a number is out of range")
)

// duplicateError says that an object has two members of one name. Parsers differ in which of the two counts, so that
// what was validated need not be what is used.
type duplicateError struct{ pointer string }

func (e *duplicateError) Error() string { return fmt.Sprintf("duplicate member %s", e.pointer) }

// decodeJSON decodes exactly one JSON value, numbers as json.Number.
func decodeJSON(data []byte) (any, error) {
	p := jsonParser{data: data}
	return p.parse()
}

// jsonParser builds the value of a text of which json.Valid has already approved, so that it has no syntax errors of its
// own to handle.
type jsonParser struct {
	data    []byte
	next    int
	err     error
	offsets map[string]int // JSON pointer -> offset of its value; not recorded when nil
}

func (p *jsonParser) parse() (any, error) {
	if !utf8.Valid(p.data) {
		return nil, errNotUTF8
	}
	if !json.Valid(p.data) {
		return nil, errNotJSON
	}
	value := p.value("")
	if p.err != nil {
		return nil, p.err
	}
	return value, nil
}

// peek skips white space and is the byte after it.
func (p *jsonParser) peek() byte {
	for {
		switch b := p.data[p.next]; b {
		case ' ', '\t', '\r', '\n':
			p.next++
		default:
			return b
		}
	}
}

func (p *jsonParser) value(pointer string) any {
	first := p.peek()
	if p.offsets != nil {
		p.offsets[pointer] = p.next
	}
	switch first {
	case '{':
		return p.object(pointer)
	case '[':
		return p.array(pointer)
	case '"':
		return p.string()
	case 't':
		p.next += len("true")
		return true
	case 'f':
		p.next += len("false")
		return false
	case 'n':
		p.next += len("null")
		return nil
	}
	return p.number()
}

func (p *jsonParser) object(pointer string) any {
	object := make(map[string]any)
	p.next++ // {
	for p.peek() != '}' {
		name := p.string()
		p.peek()
		p.next++ // :
		var member string
		if p.offsets != nil {
			member = pointer + "/" + escapeToken(name)
		}
		if _, ok := object[name]; ok && p.err == nil {
			p.err = &duplicateError{pointer + "/" + escapeToken(name)}
		}
		object[name] = p.value(member)
		if p.peek() == ',' {
			p.next++
		}
	}
	p.next++ // }
	return object
}

func (p *jsonParser) array(pointer string) any {
	array := []any{}
	p.next++ // [
	for p.peek() != ']' {
		var item string
		if p.offsets != nil {
			item = pointer + "/" + strconv.Itoa(len(array))
		}
		array = append(array, p.value(item))
		if p.peek() == ',' {
			p.next++
		}
	}
	p.next++ // ]
	return array
}

func (p *jsonParser) string() string {
	p.peek()
	start := p.next
	raw, escaped := p.rawString()
	if !escaped {
		return string(raw)
	}
	var s string
	if err := json.Unmarshal(p.data[start:p.next], &s); err != nil && p.err == nil {
		p.err = errNotJSON
	}
	return s
}

// rawString passes over a string and is what stands between its quotes.
func (p *jsonParser) rawString() (raw []byte, escaped bool) {
	p.peek()
	p.next++
	start := p.next
	for p.data[p.next] != '"' {
		if p.data[p.next] == '\\' {
			escaped = true
			p.next++
		}
		p.next++
	}
	p.next++
	return p.data[start : p.next-1], escaped
}

func (p *jsonParser) number() json.Number {
	start, exponent := p.next, -1
scan:
	for p.next < len(p.data) {
		switch b := p.data[p.next]; {
		case b == 'e', b == 'E':
			exponent = p.next + 1
		case b >= '0' && b <= '9', b == '-', b == '+', b == '.':
		default:
			break scan
		}
		p.next++
	}
	if exponent >= 0 && p.err == nil && !validExponent(string(p.data[exponent:p.next])) {
		p.err = errNumber
	}
	return json.Number(p.data[start:p.next])
}

func validExponent(exponent string) bool {
	e, err := strconv.Atoi(exponent)
	return err == nil && e <= maxExponent && e >= -maxExponent
}

var (
	tokenEscaper   = strings.NewReplacer("~", "~0", "/", "~1")
	tokenUnescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// escapeToken makes a reference token of a JSON pointer (RFC 6901).
func escapeToken(token string) string { return tokenEscaper.Replace(token) }

// pointerTo joins reference tokens, unescaped ones, to a JSON pointer.
func pointerTo(tokens []string) string {
	var b strings.Builder
	for _, token := range tokens {
		b.WriteByte('/')
		b.WriteString(escapeToken(token))
	}
	return b.String()
}
