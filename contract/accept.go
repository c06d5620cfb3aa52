package contract

import (
	"cmp"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// acceptor is a fast path in front of a schema: it validates JSON text in a single pass, without decoding it. It knows
// the common keywords only. If it accepts a text, the text is valid; otherwise the schema has to decide, which also finds
// the violations.
//
// A list of 100 records takes about a tenth of the time that decoding and validating takes (BenchmarkList).
type acceptor struct {
	unsure     bool  // accepts nothing, because the schema needs more than an acceptor understands
	types      kinds // 0 is any
	all        []*acceptor
	any        []*acceptor
	parts      bool           // all and any are the only constraints
	properties map[string]int // name -> index in members
	members    []*acceptor    // nil is anyValue
	required   uint64         // indices in members
	closed     bool           // additionalProperties: false
	additional *acceptor
	items      *acceptor
	minItems   int
	maxItems   int  // -1 is any
	textual    bool // constrains strings by more than their length
	minLength  int
	maxLength  int      // -1 is any
	enum       []string // nil is any
	pattern    jsonschema.Regexp
	format     func(string) error
	bounded    bool // only whole numbers from min to max
	min, max   int64
}

// kinds is a set of the types of JSON.
type kinds uint8

const (
	null kinds = 1 << iota
	boolean
	number
	integer
	text
	array
	object
)

var kindOf = map[string]kinds{
	"null": null, "boolean": boolean, "number": number | integer, "integer": integer, "string": text, "array": array,
	"object": object,
}

// maxAcceptDepth bounds the nesting of texts and of $refs that an acceptor follows.
const maxAcceptDepth = 64

// maxFastDigits keeps numbers below the greatest one of every format of numbers.
const maxFastDigits = 38

// understood lists the fields of a compiled schema that an acceptor handles, or that do not constrain values. An acceptor
// is unsure about a schema with any other field, also one that a later version of the library adds.
var understood = map[string]bool{
	"DraftVersion": true, "Location": true, "Bool": true, "ID": true, "Ref": true, "Anchor": true, "DynamicAnchor": true,
	"Types": true, "Enum": true, "Const": true, "AllOf": true, "AnyOf": true, "Format": true, "Required": true, "Properties": true,
	"AdditionalProperties": true, "MinItems": true, "MaxItems": true, "Items2020": true, "MinLength": true,
	"MaxLength": true, "Pattern": true, "Maximum": true, "Minimum": true, "Title": true, "Description": true,
	"Default": true, "Comment": true, "ReadOnly": true, "WriteOnly": true, "Examples": true, "Deprecated": true,
}

// acceptor returns the acceptor of a compiled schema.
func (c *compiler) acceptor(s *jsonschema.Schema) *acceptor {
	if a, ok := c.acceptors[s]; ok {
		return a
	}
	a := &acceptor{maxItems: -1, maxLength: -1}
	c.acceptors[s] = a // before its parts, which can refer back to s
	if !c.fill(a, s) {
		*a = acceptor{unsure: true}
	}
	whole := *a
	whole.all, whole.any = nil, nil
	a.parts = len(a.all)+len(a.any) > 0 && reflect.DeepEqual(&whole, anyValue)
	return a
}

func (c *compiler) fill(a *acceptor, s *jsonschema.Schema) bool {
	if s.Bool != nil {
		return *s.Bool
	}
	fields := reflect.ValueOf(s).Elem()
	for i := range fields.NumField() {
		if f := fields.Type().Field(i); f.IsExported() && !understood[f.Name] && !fields.Field(i).IsZero() {
			return false
		}
	}
	if s.DraftVersion != 2020 || len(s.Properties) > 64 {
		return false
	}
	if s.Types != nil {
		for _, name := range s.Types.ToStrings() {
			a.types |= kindOf[name]
		}
	}
	c.fillParts(a, s)
	c.fillArray(a, s)
	return c.fillObject(a, s) && c.fillText(a, s) && c.fillNumber(a, s)
}

func (c *compiler) fillParts(a *acceptor, s *jsonschema.Schema) {
	all := s.AllOf
	if s.Ref != nil {
		all = append(slices.Clip(all), s.Ref)
	}
	for _, part := range all {
		a.all = append(a.all, c.acceptor(part))
	}
	for _, part := range s.AnyOf {
		a.any = append(a.any, c.acceptor(part))
	}
}

func (c *compiler) fillObject(a *acceptor, s *jsonschema.Schema) bool {
	switch additional := s.AdditionalProperties.(type) {
	case bool:
		a.closed = !additional
	case *jsonschema.Schema:
		a.additional = c.acceptor(additional)
	}
	if len(s.Properties)+len(s.Required) == 0 {
		return true
	}
	a.properties = make(map[string]int, len(s.Properties))
	for name, property := range s.Properties {
		a.properties[name] = len(a.members)
		a.members = append(a.members, c.acceptor(property))
	}
	for _, name := range s.Required {
		i, ok := a.properties[name]
		if !ok {
			if s.AdditionalProperties != nil || len(a.members) == 64 {
				return false
			}
			i = len(a.members)
			a.properties[name] = i
			a.members = append(a.members, nil)
		}
		a.required |= 1 << i
	}
	return true
}

func (c *compiler) fillArray(a *acceptor, s *jsonschema.Schema) {
	if s.MinItems != nil {
		a.minItems = *s.MinItems
	}
	if s.MaxItems != nil {
		a.maxItems = *s.MaxItems
	}
	if s.Items2020 != nil {
		a.items = c.acceptor(s.Items2020)
	}
}

func (c *compiler) fillText(a *acceptor, s *jsonschema.Schema) bool {
	if s.MinLength != nil {
		a.minLength = *s.MinLength
	}
	if s.MaxLength != nil {
		a.maxLength = *s.MaxLength
	}
	if s.Enum != nil {
		a.enum = []string{}
		for _, value := range s.Enum.Values {
			name, ok := value.(string)
			if !ok {
				return false
			}
			a.enum = append(a.enum, name)
		}
	}
	if s.Const != nil {
		name, ok := (*s.Const).(string)
		if !ok || s.Enum != nil {
			return false
		}
		a.enum = []string{name}
	}
	if _, backtracking := s.Pattern.(*backtrackingPattern); backtracking {
		return false // it can time out
	}
	a.pattern = s.Pattern
	if s.Format != nil {
		a.format = c.textFormat(s.Format.Name)
		if _, integers := integerFormats[s.Format.Name]; a.format == nil && !integers && floatFormats[s.Format.Name] == 0 {
			return false
		}
	}
	a.textual = a.enum != nil || a.pattern != nil || a.format != nil
	return true
}

// fillNumber prepares the bounds of whole numbers. The formats float and double permit every number of maxFastDigits.
func (c *compiler) fillNumber(a *acceptor, s *jsonschema.Schema) bool {
	format := ""
	if s.Format != nil {
		format = s.Format.Name
	}
	limits, isInteger := integerFormats[format]
	if a.bounded = isInteger || s.Minimum != nil || s.Maximum != nil; !a.bounded {
		return true
	}
	a.min, a.max = math.MinInt64, math.MaxInt64
	if isInteger && limits.min.IsInt64() {
		a.min = limits.min.Int64()
	}
	if isInteger && limits.max.IsInt64() {
		a.max = limits.max.Int64()
	}
	return bound(&a.min, s.Minimum, 1) && bound(&a.max, s.Maximum, -1)
}

// bound moves limit to a stricter bound, in the direction of sign. It reports whether the bound is a whole number.
func bound(limit *int64, bound *big.Rat, sign int) bool {
	if bound == nil {
		return true
	}
	if !bound.IsInt() || !bound.Num().IsInt64() {
		return false
	}
	if stricter := bound.Num().Int64(); cmp.Compare(stricter, *limit) == sign {
		*limit = stricter
	}
	return true
}

// acceptsText reports whether the string s is known to be valid.
func (a *acceptor) acceptsText(s string) bool {
	return a.acceptText(s, maxAcceptDepth)
}

func (a *acceptor) acceptText(s string, depth int) bool {
	if a.unsure || depth == 0 || !a.permits(text) || !a.acceptOwn(s) {
		return false
	}
	for _, part := range a.all {
		if !part.acceptText(s, depth-1) {
			return false
		}
	}
	return len(a.any) == 0 ||
		slices.ContainsFunc(a.any, func(part *acceptor) bool { return part.acceptText(s, depth-1) })
}

// acceptOwn checks s against the constraints of the acceptor itself, without its parts.
func (a *acceptor) acceptOwn(s string) bool {
	if a.enum != nil && !slices.Contains(a.enum, s) || a.pattern != nil && !a.pattern.MatchString(s) {
		return false
	}
	if a.format != nil && a.format(s) != nil {
		return false
	}
	return a.minLength == 0 && a.maxLength < 0 || a.acceptLength(utf8.RuneCountInString(s))
}

func (a *acceptor) acceptLength(runes int) bool {
	return runes >= a.minLength && (a.maxLength < 0 || runes <= a.maxLength)
}

// accepts reports whether the text data is known to be one valid JSON value.
func (a *acceptor) accepts(data []byte) bool {
	if a.unsure || !utf8.Valid(data) {
		return false
	}
	t := acceptance{data: string(data)} // one copy, so that no value of it needs its own
	return t.value(a, maxAcceptDepth) && t.peek() == 0 && t.next == len(data)
}

// acceptance is one pass over a text. It stops at the first byte that it does not expect.
type acceptance struct {
	data string
	next int
}

// anyValue accepts any JSON value without duplicate members.
var anyValue = &acceptor{maxItems: -1, maxLength: -1}

// peek skips white space and returns the byte after it; 0 at the end.
func (t *acceptance) peek() byte {
	for ; t.next < len(t.data); t.next++ {
		switch b := t.data[t.next]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}

// take consumes the byte b if it is next.
func (t *acceptance) take(b byte) bool {
	if t.peek() != b {
		return false
	}
	t.next++
	return true
}

// value consumes one value and reports whether it is known to be valid.
func (t *acceptance) value(a *acceptor, depth int) bool {
	if a == nil {
		a = anyValue
	}
	if a.unsure || depth == 0 {
		return false
	}
	first, start := t.peek(), t.next
	for _, part := range a.all {
		if t.next = start; !t.value(part, depth-1) {
			return false
		}
	}
	if len(a.any) > 0 && !slices.ContainsFunc(a.any, func(part *acceptor) bool {
		t.next = start
		return t.value(part, depth-1)
	}) {
		return false
	}
	if a.parts {
		return true // the last of them has consumed the value
	}
	t.next = start
	if first == '"' {
		return a.permits(text) && t.string(a)
	}
	if a.enum != nil {
		return false // enumerations of an acceptor are strings
	}
	switch first {
	case '{':
		return a.permits(object) && t.object(a, depth)
	case '[':
		return a.permits(array) && t.array(a, depth)
	case 't':
		return a.permits(boolean) && t.literal("true")
	case 'f':
		return a.permits(boolean) && t.literal("false")
	case 'n':
		return a.permits(null) && t.literal("null")
	}
	return a.permits(number|integer) && t.number(a)
}

func (a *acceptor) permits(k kinds) bool { return a.types == 0 || a.types&k != 0 }

func (t *acceptance) literal(name string) bool {
	end := t.next + len(name)
	if end > len(t.data) || t.data[t.next:end] != name {
		return false
	}
	t.next = end
	return true
}

func (t *acceptance) object(a *acceptor, depth int) bool {
	var seen uint64
	var others [8]string // names that are not properties
	unknown := 0
	t.next++ // {
	for more := !t.take('}'); more; more = !t.take('}') {
		if (seen != 0 || unknown > 0) && !t.take(',') || t.peek() != '"' {
			return false
		}
		name, escaped, ok := t.raw()
		if !ok || escaped || !t.take(':') {
			return false
		}
		member := a.additional
		if i, ok := a.properties[name]; ok {
			if seen&(1<<i) != 0 {
				return false
			}
			seen |= 1 << i
			member = a.members[i]
		} else {
			if a.closed || unknown == len(others) {
				return false
			}
			for _, other := range others[:unknown] {
				if other == name {
					return false
				}
			}
			others[unknown] = name
			unknown++
		}
		if !t.value(member, depth-1) {
			return false
		}
	}
	return seen&a.required == a.required
}

func (t *acceptance) array(a *acceptor, depth int) bool {
	length := 0
	t.next++ // [
	for more := !t.take(']'); more; more = !t.take(']') {
		if length > 0 && !t.take(',') || !t.value(a.items, depth-1) {
			return false
		}
		length++
	}
	return length >= a.minItems && (a.maxItems < 0 || length <= a.maxItems)
}

func (t *acceptance) string(a *acceptor) bool {
	raw, escaped, ok := t.raw()
	switch {
	case !ok:
		return false
	case a.textual:
		return !escaped && a.acceptOwn(raw)
	case a.minLength > 0 || a.maxLength >= 0:
		return !escaped && a.acceptLength(utf8.RuneCountInString(raw))
	}
	return true
}

// raw consumes a string, whose opening quote is next, and returns what is between its quotes.
func (t *acceptance) raw() (raw string, escaped, ok bool) {
	t.next++
	start := t.next
	for ; t.next < len(t.data); t.next++ {
		switch b := t.data[t.next]; {
		case b == '"':
			t.next++
			return t.data[start : t.next-1], escaped, true
		case b < ' ':
			return "", false, false
		case b == '\\':
			if escaped = true; !t.escape() {
				return "", false, false
			}
		}
	}
	return "", false, false
}

// escape consumes an escape up to its last byte.
func (t *acceptance) escape() bool {
	if t.next++; t.next == len(t.data) {
		return false
	}
	switch t.data[t.next] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if t.next++; t.next == len(t.data) || !isHex(t.data[t.next]) {
				return false
			}
		}
		return true
	}
	return false
}

// number consumes a number without an exponent. If there are bounds, the number has to be a whole one.
func (t *acceptance) number(a *acceptor) bool {
	start := t.next
	if t.next < len(t.data) && t.data[t.next] == '-' {
		t.next++
	}
	first := t.next
	digits := t.digits()
	if digits == 0 || digits > 1 && t.data[first] == '0' {
		return false
	}
	whole := true
	if t.next < len(t.data) && t.data[t.next] == '.' {
		t.next++
		if whole = false; t.digits() == 0 {
			return false
		}
	}
	if t.next < len(t.data) && (t.data[t.next] == 'e' || t.data[t.next] == 'E') {
		return false
	}
	if t.next-start > maxFastDigits {
		return false
	}
	if !whole {
		return a.permits(number) && !a.bounded
	}
	if !a.bounded {
		return true
	}
	value, err := strconv.ParseInt(t.data[start:t.next], 10, 64)
	return err == nil && value >= a.min && value <= a.max
}

func (t *acceptance) digits() int {
	start := t.next
	for t.next < len(t.data) && t.data[t.next] >= '0' && t.data[t.next] <= '9' {
		t.next++
	}
	return t.next - start
}
