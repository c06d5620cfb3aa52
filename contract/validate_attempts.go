package contract

import "errors"

// speculation is the part of a validation that tries schemas, some of which need not fit: those of alternatives, above all.
// Nested alternatives would try the same schemas with the same values again and again, once for each way that leads to
// them, if it did not remember what it has tried.
type speculation struct {
	trying   int             // number of attempts around the value that is read
	tried    int             // bytes, within other attempts
	stopped  int             // where the pass ended last
	known    map[attempt]int // end of the value; 0 if it does not fit
	explored int             // bytes that failAlternatives has visited
}

// attempt is a schema that was tried with the value at an offset.
type attempt struct {
	schema *schema
	offset int
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

// fits returns the end of the value at an offset if it fits s, and otherwise 0. Only if it fits, fits marks in seen what s
// was applied to.
func (v *validation) fits(s *schema, start int, seen *evaluated) int {
	if s.types&kindOf[v.byte(start)] == 0 {
		return 0
	}
	if seen != nil {
		var own evaluated
		end := v.speculate(start, func() int { return v.value(s, start, &own) })
		if end > 0 {
			seen.merge(&own)
		}
		return end
	}
	read := func() int { return v.value(s, start, nil) }
	if v.trying == 0 {
		return v.speculate(start, read)
	}
	return v.speculateOnce(s, start, read)
}

// speculate calls read for the value at an offset, without a report.
func (v *validation) speculate(start int, read func() int) int {
	report, depth := v.report, v.depth
	v.report, v.stopped = nil, start
	v.trying++
	end := read()
	v.trying--
	v.report, v.depth = report, depth
	if v.trying > 0 {
		v.tried += max(end, v.stopped) - start
	}
	return end
}

// speculateOnce is speculate, unless it is known whether the value at the offset fits s.
func (v *validation) speculateOnce(s *schema, start int, read func() int) int {
	if end, ok := v.known[attempt{s, start}]; ok {
		return end
	}
	before := v.tried
	end := v.speculate(start, read)
	v.remember(attempt{s, start}, end, v.tried-before)
	return end
}

// remember keeps the result of an attempt that tried n bytes. How much it keeps is bounded by the size of the text.
func (v *validation) remember(a attempt, end, n int) {
	switch {
	case v.tried > attemptsEnd*(len(v.text)+1<<16):
		panic(errAttempts)
	case v.tried < attemptsBegin*(len(v.text)+1<<12), n < minAttempt:
		return
	}
	if v.known == nil {
		v.known = make(map[attempt]int)
	}
	if len(v.known) > 1<<10+len(v.text)/8 {
		clear(v.known)
	}
	v.known[a] = end
}
