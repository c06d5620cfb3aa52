package contract

import (
	"errors"
	"math/big"
	"unicode/utf8"
	"unsafe"
)

// accepts reports whether data is one valid JSON value.
func (s *schema) accepts(data []byte) bool {
	valid := false
	err := inTime(func() { valid = s.fits(data) })
	return valid && err == nil
}

// fits is accepts without the limit of time, for callers of inTime.
func (s *schema) fits(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	v := validation{text: readOnly(data)}
	end := v.value(s, 0, nil)
	if end == 0 {
		return false
	}
	_, end = v.peek(end)
	return end == len(data)
}

// inTime calls validate. It returns errMatchTimeout or errAttempts if that gave up. The first pattern that takes too long
// ends the whole validation, so that a list of strings made to stall takes no longer than one of them.
func inTime(validate func()) (err error) {
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case errMatchTimeout, errAttempts:
			err, _ = cause.(error)
		default:
			panic(cause)
		}
	}()
	validate()
	return nil
}

// gaveUp returns the violation of a value about which nothing could be decided in time.
func gaveUp(in, name string, err error) Violation {
	if errors.Is(err, errAttempts) {
		return Violation{In: in, Name: name, Keyword: "anyOf", Message: "Input has too many ways to fit the alternatives", Err: err}
	}
	return Violation{In: in, Name: name, Keyword: "pattern", Message: messages["pattern"], Err: err}
}

// readOnly returns data as a text, without a copy. Nothing changes the bytes of a body that was received or recorded.
func readOnly(data []byte) text { return text(unsafe.String(unsafe.SliceData(data), len(data))) }

// validate returns the violations of a JSON text, in the order of the document.
func (s *schema) validate(data []byte, in, name string) []Violation {
	valid := false
	if err := inTime(func() { valid = s.fits(data) }); err != nil {
		return []Violation{gaveUp(in, name, err)}
	}
	if valid {
		return nil
	}
	return s.collect(data, in, name)
}

// validateValue returns the violations of a decoded value.
func (s *schema) validateValue(value any, in, name string) []Violation {
	data := appendCanonical(nil, value)
	if !anyValue.accepts(data) {
		return []Violation{undecodable(in, name, "Input should be a JSON value", errNotJSON)}
	}
	return s.validate(data, in, name)
}

// acceptsText reports whether the string s is known to be valid, without writing it as JSON.
func (s *schema) acceptsText(value string) bool {
	if s.plain != s || s.types&str == 0 {
		return false
	}
	return s.own&str == 0 || (s.format == nil || s.format(value) == nil) && s.permitsLength(value) && (s.pattern == nil || s.pattern.MatchString(value))
}

// validation is one pass over a JSON text. Without a report it stops at the first violation. It allocates nothing for most
// schemas and never decodes the text (BenchmarkBodies). With a report it adds each violation to it and continues.
//
// The methods that read a value take its offset and return the offset after it, or 0 to stop the pass.
type validation struct {
	text
	report *report
	depth  int // of objects and arrays around the value that is read

	speculation
}

// stop stops the pass at an offset.
func (v *validation) stop(at int) int {
	v.stopped = at
	return 0
}

// after returns end if the pass continues, and otherwise 0.
func after(goOn bool, end int) int {
	if !goOn {
		return 0
	}
	return end
}

// value reads a value. It marks in seen, unless that is nil, which members or items a schema was applied to.
func (v *validation) value(s *schema, at int, seen *evaluated) int {
	b := v.byte(at)
	if s.choice != nil && v.report == nil && seen == nil {
		for i := range s.choice {
			if s.choice[i].types&kindOf[b] != 0 {
				s = s.choice[i].schema
				break
			}
		}
	}
	if s.plain != s || s.types&kindOf[b] == 0 {
		return v.special(s, at, seen)
	}
	var end int
	switch b {
	case '"':
		return v.stringOf(s, at)
	case '{':
		return v.objectOf(s, at, seen)
	case '[':
		return v.arrayOf(s, at, seen)
	case 't':
		end = v.literal(at, "true")
	case 'f':
		end = v.literal(at, "false")
	case 'n':
		end = v.literal(at, "null")
	default:
		return v.numberOf(s, at)
	}
	if end == 0 {
		return v.stop(at)
	}
	return end
}

// special is value for a value after white space or of a wrong type, and for a schema that is not plain.
func (v *validation) special(s *schema, at int, seen *evaluated) int {
	b, start := v.peek(at)
	k := kindOf[b]
	switch {
	case start > at:
		return v.value(s, start, seen)
	case k == 0:
		return v.stop(start)
	case s.never || s.types&k == 0:
		keyword := "type"
		if s.never {
			keyword = "false"
		}
		if !v.fail(s, keyword, start) {
			return 0
		}
		return v.skip(start)
	case s.constant != nil || s.enum != nil:
		end := v.skip(start)
		if end == 0 {
			return 0
		}
		value := string(v.text[start:end])
		switch {
		case s.constant != nil && !s.constant.contains(value):
			return after(v.fail(s, "const", end), end)
		case s.enum != nil && !s.enum.contains(value):
			return after(v.fail(s, "enum", end), end)
		case s.own&k == 0 && !s.applies && k&(object|array) == 0:
			return end
		}
	}
	switch {
	case k == object && s.unevaluatedMembers.schema != nil, k == array && s.unevaluatedItems.schema != nil:
		if seen == nil && v.trying > 0 {
			return v.speculateOnce(s, start, func() int { return v.unevaluated(s, k, start, nil) })
		}
		return v.unevaluated(s, k, start, seen)
	case s.applies && s.own&k == 0:
		return v.applicators(s, start, 0, seen)
	}
	end := v.value(s.plain, start, seen)
	if end == 0 || !s.applies {
		return end
	}
	return v.applicators(s, start, end, seen)
}

// skip reads a value, whatever it is.
func (v *validation) skip(at int) int { return v.value(anyValue, at, nil) }

func (v *validation) stringOf(s *schema, start int) int {
	if s.usual != nil {
		if length := s.usual(string(v.text[start:])); length > 0 {
			return start + length
		}
	}
	raw, escaped, end := v.string(start)
	if end == 0 {
		return v.stop(start)
	}
	if s.own&str == 0 {
		return end
	}
	if escaped {
		raw = unescape(raw)
	}
	if s.format != nil {
		if err := s.format(raw); err != nil {
			return after(v.failFormat(s, s.node.text("format"), err, end), end)
		}
	}
	if !s.permitsLength(raw) {
		n := utf8.RuneCountInString(raw)
		if n < s.minLength && !v.fail(s, "minLength", end) || n > s.maxLength && !v.fail(s, "maxLength", end) {
			return 0
		}
	}
	return after(s.pattern == nil || s.pattern.MatchString(raw) || v.fail(s, "pattern", end), end)
}

func (s *schema) permitsLength(value string) bool {
	if s.minLength <= 1 && s.minLength <= len(value) && len(value) <= s.maxLength {
		return true // a character has one byte or more
	}
	n := utf8.RuneCountInString(value)
	return n >= s.minLength && n <= s.maxLength
}

func (v *validation) numberOf(s *schema, start int) int {
	if s.small {
		if n, end := v.integer(start); end > 0 && s.min <= n && n <= s.max {
			return end
		}
	}
	raw, end := v.number(start)
	if end == 0 {
		return v.stop(start)
	}
	if s.own&number == 0 {
		return end
	}
	d := parseDecimal(raw)
	if s.types&number == 0 && !d.isInteger() {
		return after(v.fail(s, "type", end), end)
	}
	for i := range s.bounds {
		b := &s.bounds[i]
		switch {
		case b.permits(d):
		case b.format != "":
			return after(v.failFormat(s, b.format, errRange, end), end)
		case !v.fail(s, b.keyword, end):
			return 0
		}
	}
	if s.multipleOf == nil {
		return end
	}
	exact, _ := new(big.Rat).SetString(raw)
	return after(exact.Quo(exact, s.multipleOf).IsInt() || v.fail(s, "multipleOf", end), end)
}
