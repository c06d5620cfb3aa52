package contract

// applicators checks the value at start against the schemas that apply to the same value. end is the end of the value, if
// it is known; otherwise 0.
func (v *validation) applicators(s *schema, start, end int, seen *evaluated) int {
	for i := range s.allOf {
		if end = v.within(s.allOf[i], step{}, start, seen); end == 0 {
			return 0
		}
	}
	if s.anyOf != nil {
		matched := 0
		for i := range s.anyOf {
			if fitting := v.fits(s.anyOf[i].schema, start, seen); fitting > 0 {
				if matched = fitting; seen == nil {
					break
				}
			}
		}
		if end = max(end, matched); matched == 0 && !v.failAlternatives(s, "anyOf", s.anyOf, start) {
			return v.stop(start)
		}
	}
	if s.oneOf != nil {
		matched := 0
		for i := range s.oneOf {
			if fitting := v.fits(s.oneOf[i].schema, start, seen); fitting > 0 {
				end = fitting
				if matched++; matched > 1 {
					break
				}
			}
		}
		if matched == 0 && !v.failAlternatives(s, "oneOf", s.oneOf, start) || matched > 1 && !v.fail(s, "oneOf", end) {
			return v.stop(max(start, end))
		}
	}
	if s.not.schema != nil && v.fits(s.not.schema, start, nil) > 0 && !v.fail(s, "not", start) {
		return 0
	}
	if s.condition.schema != nil {
		then := s.otherwise
		if v.fits(s.condition.schema, start, seen) > 0 {
			then = s.then
		}
		if then.schema != nil && v.within(then, step{}, start, seen) == 0 {
			return 0
		}
	}
	if end == 0 {
		return v.skip(start)
	}
	return end
}

// unevaluated checks the value against the whole schema, and the members or items that nothing applies to against
// unevaluatedProperties or unevaluatedItems.
func (v *validation) unevaluated(s *schema, k kinds, start int, seen *evaluated) int {
	var own evaluated
	end := v.value(s.plain, start, &own)
	if end > 0 && s.applies {
		end = v.applicators(s, start, end, &own)
	}
	if end == 0 {
		return 0
	}
	at := start // of the bracket or comma before the member or item
	for n := 0; ; n++ {
		b, next := v.peek(at + 1)
		if b == '}' || b == ']' { // nothing is in it
			break
		}
		name := ""
		if k == object {
			name, next = v.name(next)
		}
		switch {
		case own.has(n):
			next = v.skip(next)
		case k == object:
			next = v.within(s.unevaluatedMembers, step{kind: toMember, n: n, name: name, declared: s.find(name) >= 0}, next, nil)
		default:
			next = v.within(s.unevaluatedItems, step{kind: toItem, n: n}, next, nil)
		}
		if next == 0 {
			return 0
		}
		if b, at = v.peek(next); b != ',' {
			break
		}
	}
	seen.addAll()
	return end
}
