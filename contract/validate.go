package contract

import (
	"errors"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// accepts reports whether data is one valid JSON value.
func (s *schema) accepts(data []byte) bool {
	valid := false
	err := inTime(func() { valid = s.fits(data) })
	return valid && err == nil
}

// fits is accepts for those who call it with inTime.
func (s *schema) fits(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	v := validation{text: text{data: readOnly(data)}}
	return v.value(s, nil) && v.peek() == 0 && v.next == len(data)
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

// readOnly returns data as a string, without a copy. Nothing changes the bytes of a body that was received or recorded.
func readOnly(data []byte) string { return unsafe.String(unsafe.SliceData(data), len(data)) }

// validate returns the violations of a JSON text, in the order of the document.
func (s *schema) validate(data []byte, in, name string) []Violation {
	valid := false
	if err := inTime(func() { valid = s.fits(data) }); err != nil {
		return []Violation{gaveUp(in, name, err)}
	}
	if valid {
		return nil
	}
	if !anyValue.accepts(data) {
		_, err := decodeJSON(data)
		return []Violation{undecodable(in, name, "Input should be valid JSON", err)}
	}
	return s.collect(readOnly(data), in, name)
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
	if !s.plain || s.types&str == 0 {
		return false
	}
	return s.own&str == 0 || (s.format == nil || s.format(value) == nil) && s.permitsLength(value) && (s.pattern == nil || s.pattern.MatchString(value))
}

// validation is one pass over a JSON text. Without a report it ends at the first violation, allocates nothing for most
// schemas and never decodes the text (BenchmarkBodies). With a report it goes on behind each violation; then the text
// is known to be JSON.
//
// The methods that consume a value return whether to go on: false ends the pass.
type validation struct {
	text
	report *report

	// What has been tried within alternatives. Nested alternatives would try the same schemas with the same values again
	// and again, once for each way that leads to them.
	trying int // number of alternatives around next
	tried  int // bytes
	known  map[attempt]int

	explored int // bytes that failAlternatives has visited
}

// attempt is a schema that was tried with the value at an offset.
type attempt struct {
	schema *schema
	offset int
}

// value consumes the next value. It marks in seen, unless that is nil, which members or items a schema was applied to.
func (v *validation) value(s *schema, seen *evaluated) bool {
	k := kindOf[v.peek()]
	if s.plain && s.types&k != 0 {
		switch k {
		case str:
			return v.stringOf(s)
		case object:
			return v.objectOf(s, seen)
		}
		return v.own(s, k, seen)
	}
	if s.choice != nil && v.report == nil && seen == nil {
		for i := range s.choice {
			if s.choice[i].types&k != 0 {
				return v.value(s.choice[i].schema, nil)
			}
		}
		return false
	}
	start := v.next
	switch {
	case s.never:
		return v.fail(s, "false") && v.skip()
	case s.types&k == 0:
		return k != 0 && v.fail(s, "type") && v.skip()
	case s.constant != nil || s.enum != nil:
		if !v.skip() {
			return false
		}
		value := v.data[start:v.next]
		switch {
		case s.constant != nil && !s.constant.contains(value):
			return v.fail(s, "const")
		case s.enum != nil && !s.enum.contains(value):
			return v.fail(s, "enum")
		case s.own&k == 0 && !s.applies && k&(object|array) == 0:
			return true
		}
		v.next = start
	}
	switch {
	case k == object && s.unevaluatedMembers.schema != nil, k == array && s.unevaluatedItems.schema != nil:
		if seen == nil && v.trying > 0 {
			return v.speculateOnce(s, start, func() bool { return v.unevaluated(s, k, nil) })
		}
		return v.unevaluated(s, k, seen)
	case !s.applies:
		return v.own(s, k, seen)
	case s.own&k == 0:
		return v.applicators(s, start, 0, seen)
	}
	return v.own(s, k, seen) && v.applicators(s, start, v.next, seen)
}

// skip consumes the next value, whatever it is.
func (v *validation) skip() bool { return v.value(anyValue, nil) }

// own consumes the next value and checks it against the keywords of the schema itself.
func (v *validation) own(s *schema, k kinds, seen *evaluated) bool {
	switch k {
	case str:
		return v.stringOf(s)
	case object:
		return v.objectOf(s, seen)
	case array:
		return v.arrayOf(s, seen)
	case boolean:
		return v.literal("true") || v.literal("false")
	case null:
		return v.literal("null")
	case number | integer:
		return v.numberOf(s)
	}
	return false
}

func (v *validation) stringOf(s *schema) bool {
	if s.usual != nil {
		if length := s.usual(v.data[v.next:]); length > 0 {
			v.next += length
			return true
		}
	}
	raw, escaped, ok := v.string()
	if !ok || s.own&str == 0 {
		return ok
	}
	if escaped {
		raw = unescape(raw)
	}
	if s.format != nil {
		if err := s.format(raw); err != nil {
			return v.failFormat(s, s.node.text("format"), err)
		}
	}
	if !s.permitsLength(raw) {
		n := utf8.RuneCountInString(raw)
		if n < s.minLength && !v.fail(s, "minLength") || n > s.maxLength && !v.fail(s, "maxLength") {
			return false
		}
	}
	return s.pattern == nil || s.pattern.MatchString(raw) || v.fail(s, "pattern")
}

func (s *schema) permitsLength(value string) bool {
	if s.minLength <= 1 && s.minLength <= len(value) && len(value) <= s.maxLength {
		return true // a character has one byte or more
	}
	n := utf8.RuneCountInString(value)
	return n >= s.minLength && n <= s.maxLength
}

func (v *validation) numberOf(s *schema) bool {
	raw, whole, ok := v.number()
	if !ok {
		return false
	}
	if s.own&number == 0 {
		return true
	}
	if s.small && whole && len(raw) <= 18 {
		if n := wholeNumber(raw); s.min <= n && n <= s.max {
			return true
		}
	}
	d := parseDecimal(raw)
	if s.types&number == 0 && !d.isInteger() {
		return v.fail(s, "type")
	}
	for i := range s.bounds {
		b := &s.bounds[i]
		switch {
		case b.permits(d):
		case b.format != "":
			return v.failFormat(s, b.format, errRange)
		case !v.fail(s, b.keyword):
			return false
		}
	}
	if s.multipleOf == nil {
		return true
	}
	exact, _ := new(big.Rat).SetString(raw)
	return exact.Quo(exact, s.multipleOf).IsInt() || v.fail(s, "multipleOf")
}

// wholeNumber returns the value of an integer of 18 characters or fewer.
func wholeNumber(raw string) int64 {
	negative := raw[0] == '-'
	if negative {
		raw = raw[1:]
	}
	n := int64(0)
	for i := range len(raw) {
		n = 10*n + int64(raw[i]-'0')
	}
	if negative {
		return -n
	}
	return n
}

func (v *validation) objectOf(s *schema, seen *evaluated) bool {
	if v.depth++; v.depth > maxDepth {
		return false
	}
	start := v.next
	v.next++
	var present bitset
	var others nameSet // that the schema does not know
	count, guess := 0, 0
	simple := seen == nil && v.report == nil && s.patterns == nil && s.names.schema == nil
	for {
		more, ok := v.more(count, '}')
		if !more {
			break
		}
		if !ok || v.peek() != '"' {
			return false
		}
		at := v.next
		i := v.property(s, guess)
		var name string
		if i >= 0 {
			name = s.properties[i].name
		} else {
			raw, escaped, ok := v.string()
			if !ok || !v.take(':') {
				return false
			}
			if name = raw; escaped {
				name = unescape(raw)
			}
			i = s.find(name)
		}
		if i >= 0 {
			guess = i + 1
			ok = present.add(i)
		} else {
			ok = others.add(name)
		}
		switch {
		case !ok: // a duplicate
			return false
		case simple && i >= 0 && s.properties[i].schema != nil:
			if !v.value(s.properties[i].schema, nil) {
				return false
			}
		case s.names.schema != nil && !v.memberName(s, name, at) || !v.member(s, i, name, count, seen):
			return false
		}
		count++
	}
	v.depth--
	if s.own&object == 0 || s.separate && s.requiredMask&^present.low[0] == 0 {
		return true
	}
	return v.members(s, &present, count, start, seen)
}

// property consumes a name and the colon after it, if it is the name of a property as writers write it. It returns -1
// otherwise. Most writers have one order of properties: guess is the one after the last.
func (v *validation) property(s *schema, guess int) int {
	if len(v.data)-v.next < 8 || len(s.properties) > few {
		return -1
	}
	data := v.data[v.next:]
	w := word(data)
	for range s.properties {
		if guess >= len(s.properties) {
			guess = 0
		}
		start := &s.properties[guess].start
		if w&start.mask == start.word && (len(start.text) <= 8 || strings.HasPrefix(data, start.text)) {
			v.next += len(start.text)
			return guess
		}
		guess++
	}
	return -1
}

// memberName checks the name of a member, which stands at an offset.
func (v *validation) memberName(s *schema, name string, offset int) bool {
	end := v.next
	fits := v.fits(s.names.schema, offset, nil)
	v.next = end
	return fits || v.failAt(s, "propertyNames", name)
}

// member consumes the value of a member: of property i, or of none if i is -1. It is the number n of its object.
func (v *validation) member(s *schema, i int, name string, n int, seen *evaluated) bool {
	known := i >= 0 && s.properties[i].schema != nil
	if !known && s.patterns == nil && s.additional.schema == nil {
		return v.skip()
	}
	v.peek()
	start := v.next
	applied := known
	if known && !v.inMember(s, s.properties[i].part, name, n) {
		return false
	}
	for j := range s.patterns {
		if s.patterns[j].pattern.MatchString(name) {
			applied = true
			if v.next = start; !v.inMember(s, s.patterns[j].part, name, n) {
				return false
			}
		}
	}
	if !applied {
		switch {
		case s.additional.schema == nil:
			return v.skip()
		case s.additional.never:
			return v.failAt(s, "additionalProperties", name) && v.skip()
		case !v.inMember(s, s.additional, name, n):
			return false
		}
	}
	seen.add(n)
	return true
}

// members checks the members of an object together. The object starts at an offset.
func (v *validation) members(s *schema, present *bitset, count, start int, seen *evaluated) bool {
	for _, i := range s.required {
		if !present.has(i) && !v.failAt(s, "required", s.properties[i].name) {
			return false
		}
	}
	if count < s.minProperties && !v.fail(s, "minProperties") || count > s.maxProperties && !v.fail(s, "maxProperties") {
		return false
	}
	end := v.next
	for i := range s.dependent {
		d := &s.dependent[i]
		if !present.has(d.property) {
			continue
		}
		for _, i := range d.required {
			if !present.has(i) && !v.failAt(s, "dependentRequired", s.properties[i].name) {
				return false
			}
		}
		if d.schema.schema != nil && !v.inPlace(d.schema, start, seen) {
			return false
		}
	}
	v.next = end
	return true
}

func (v *validation) arrayOf(s *schema, seen *evaluated) bool {
	if v.depth++; v.depth > maxDepth {
		return false
	}
	v.next++
	var items map[string]bool // in canonical form
	unique := true
	count, contained := 0, 0
	for {
		more, ok := v.more(count, ']')
		if !more {
			break
		}
		if !ok {
			return false
		}
		v.peek()
		start := v.next
		p := s.items
		if count < len(s.prefix) {
			p = s.prefix[count]
		}
		switch {
		case p.schema == nil:
			ok = v.skip()
		case v.report == nil:
			seen.add(count)
			ok = v.value(p.schema, nil)
		default:
			seen.add(count)
			ok = v.inItem(p, count)
		}
		if !ok {
			return false
		}
		end := v.next
		if s.unique && unique {
			if items == nil {
				items = make(map[string]bool)
			}
			item := canonical(v.data[start:end])
			unique = !items[item]
			items[item] = true
		}
		if s.contains.schema != nil && v.fits(s.contains.schema, start, nil) {
			seen.add(count)
			contained++
		}
		v.next = end
		count++
	}
	v.depth--
	switch {
	case s.own&array == 0:
	case count < s.minItems && !v.fail(s, "minItems"),
		count > s.maxItems && !v.fail(s, "maxItems"),
		!unique && !v.fail(s, "uniqueItems"),
		contained < s.minContains && !v.fail(s, s.containsKeyword()),
		contained > s.maxContains && !v.fail(s, "maxContains"):
		return false
	}
	return true
}

func (s *schema) containsKeyword() string {
	if s.node.find("minContains") >= 0 {
		return "minContains"
	}
	return "contains"
}

// applicators checks the value at start against the schemas that apply to the same value. end is the end of the value, if
// it is known; otherwise 0.
func (v *validation) applicators(s *schema, start, end int, seen *evaluated) bool {
	for i := range s.allOf {
		if !v.inPlace(s.allOf[i], start, seen) {
			return false
		}
		end = v.next
	}
	if s.anyOf != nil {
		matched := false
		for i := range s.anyOf {
			if v.fits(s.anyOf[i].schema, start, seen) {
				matched, end = true, v.next
				if seen == nil {
					break
				}
			}
		}
		if !matched && !v.failAlternatives(s, "anyOf", s.anyOf, start) {
			return false
		}
	}
	if s.oneOf != nil {
		matched := 0
		for i := range s.oneOf {
			if v.fits(s.oneOf[i].schema, start, seen) {
				end = v.next
				if matched++; matched > 1 {
					break
				}
			}
		}
		if matched == 0 && !v.failAlternatives(s, "oneOf", s.oneOf, start) || matched > 1 && !v.fail(s, "oneOf") {
			return false
		}
	}
	if s.not.schema != nil && v.fits(s.not.schema, start, nil) && !v.fail(s, "not") {
		return false
	}
	if s.condition.schema != nil {
		then := s.otherwise
		if v.fits(s.condition.schema, start, seen) {
			then = s.then
		}
		if then.schema != nil && !v.inPlace(then, start, seen) {
			return false
		}
	}
	if v.next = end; end == 0 {
		v.next = start
		return v.skip()
	}
	return true
}

// unevaluated checks the value against the whole schema, and the members or items that nothing applies to against
// unevaluatedProperties or unevaluatedItems.
func (v *validation) unevaluated(s *schema, k kinds, seen *evaluated) bool {
	start := v.next
	var own evaluated
	if !v.own(s, k, &own) || s.applies && !v.applicators(s, start, v.next, &own) {
		return false
	}
	v.next = start + 1
	for n := 0; ; n++ {
		p, closing, name := s.unevaluatedItems, byte(']'), ""
		if k == object {
			p, closing = s.unevaluatedMembers, '}'
		}
		if more, _ := v.more(n, closing); !more {
			break
		}
		if v.peek(); k == object {
			raw, escaped, _ := v.string()
			if name = raw; escaped {
				name = unescape(raw)
			}
			v.take(':')
		}
		var ok bool
		switch {
		case own.has(n):
			ok = v.skip()
		case k == object:
			ok = v.inMember(s, p, name, n)
		default:
			ok = v.inItem(p, n)
		}
		if !ok {
			return false
		}
	}
	seen.addAll()
	return true
}

// fits reports whether the value at an offset fits s. Only then it marks in seen what s was applied to, and the value is
// consumed.
func (v *validation) fits(s *schema, offset int, seen *evaluated) bool {
	k := kinds(0)
	if offset < len(v.data) {
		k = kindOf[v.data[offset]]
	}
	if s.types&k == 0 {
		return false
	}
	if seen != nil {
		var own evaluated
		if !v.speculate(func() bool { return v.value(s, &own) }, offset) {
			return false
		}
		seen.merge(&own)
		return true
	}
	if v.trying == 0 {
		return v.speculate(func() bool { return v.value(s, nil) }, offset)
	}
	return v.speculateOnce(s, offset, func() bool { return v.value(s, nil) })
}

// speculate calls consume for the value at an offset, without a report.
func (v *validation) speculate(consume func() bool, offset int) bool {
	report, depth := v.report, v.depth
	v.report, v.next = nil, offset
	v.trying++
	valid := consume()
	v.trying--
	v.report, v.depth = report, depth
	if v.trying > 0 {
		v.tried += v.next - offset
	}
	return valid
}

// speculateOnce is speculate, unless it is known whether the value at the offset fits s.
func (v *validation) speculateOnce(s *schema, offset int, consume func() bool) bool {
	if end, ok := v.known[attempt{s, offset}]; ok {
		v.next = max(end, offset)
		return end > 0
	}
	before := v.tried
	valid := v.speculate(consume, offset)
	v.remember(attempt{s, offset}, valid, v.tried-before)
	return valid
}

// The limits of what is tried within alternatives. Validation begins to remember attempts when it has tried as many bytes
// as alternatives that are not nested deeply need, and ends when it has tried so many that it would take seconds.
const (
	attemptsBegin = 16
	attemptsEnd   = 64
	minAttempt    = 256 // bytes that an attempt has tried, for it to be remembered
)

// errAttempts ends a validation that tries too much.
var errAttempts = errors.New("the value has to be tried with too many alternatives")

// remember keeps the result of an attempt that tried n bytes: the end of a value that fits, or 0. How much it keeps is
// bounded by the size of the text.
func (v *validation) remember(a attempt, valid bool, n int) {
	switch {
	case v.tried > attemptsEnd*(len(v.data)+1<<16):
		panic(errAttempts)
	case v.tried < attemptsBegin*(len(v.data)+1<<12), n < minAttempt:
		return
	}
	if v.known == nil {
		v.known = make(map[attempt]int)
	}
	if len(v.known) > 1<<10+len(v.data)/8 {
		clear(v.known)
	}
	v.known[a] = 0
	if valid {
		v.known[a] = v.next
	}
}

// inMember consumes the value of the member name of an object that s describes. It is number n of the object.
func (v *validation) inMember(s *schema, p part, name string, n int) bool {
	if v.report == nil {
		return v.value(p.schema, nil)
	}
	defer v.report.leave(v.report.enter(p.offset, n))
	v.report.step(escapeToken(name), s.find(name) >= 0)
	return v.value(p.schema, nil)
}

// inItem consumes item n of an array.
func (v *validation) inItem(p part, n int) bool {
	if v.report == nil {
		return v.value(p.schema, nil)
	}
	defer v.report.leave(v.report.enter(p.offset, n))
	v.report.step(strconv.Itoa(n), true)
	return v.value(p.schema, nil)
}

// inPlace consumes the value at an offset by another schema.
func (v *validation) inPlace(p part, offset int, seen *evaluated) bool {
	v.next = offset
	if v.report == nil {
		return v.value(p.schema, seen)
	}
	defer v.report.leave(v.report.enter(p.offset, 0))
	return v.value(p.schema, seen)
}

// bitset is a set of small numbers.
type bitset struct {
	low  [4]uint64
	high map[int]bool // from 256 on
}

// add adds i and reports whether it is new.
func (b *bitset) add(i int) bool {
	if i >= 64*len(b.low) {
		if b.high[i] {
			return false
		}
		if b.high == nil {
			b.high = make(map[int]bool)
		}
		b.high[i] = true
		return true
	}
	word, bit := &b.low[i/64], uint64(1)<<(i%64)
	isNew := *word&bit == 0
	*word |= bit
	return isNew
}

func (b *bitset) has(i int) bool {
	if i >= 64*len(b.low) {
		return b.high[i]
	}
	return b.low[i/64]&(1<<(i%64)) != 0
}

// nameSet is a set of strings, of which the first few need no allocation.
type nameSet struct {
	few  [8]string
	n    int
	more map[string]bool
}

// add adds a name and reports whether it is new.
func (s *nameSet) add(name string) bool {
	if slices.Contains(s.few[:s.n], name) {
		return false
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return true
	}
	if s.more[name] {
		return false
	}
	if s.more == nil {
		s.more = make(map[string]bool)
	}
	s.more[name] = true
	return true
}

// evaluated is which members or items of a value a schema was applied to, by their numbers. A nil *evaluated is for a
// caller who does not want to know.
type evaluated struct {
	all  bool
	some map[int]bool
}

func (e *evaluated) add(n int) {
	if e == nil || e.all {
		return
	}
	if e.some == nil {
		e.some = make(map[int]bool)
	}
	e.some[n] = true
}

func (e *evaluated) addAll() {
	if e != nil {
		e.all = true
	}
}

func (e *evaluated) has(n int) bool { return e.all || e.some[n] }

func (e *evaluated) merge(other *evaluated) {
	if other.all {
		e.all = true
	}
	for n := range other.some {
		e.add(n)
	}
}
