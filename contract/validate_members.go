package contract

import "math/bits"

// objectOf reads an object and checks it against the keywords of the schema itself.
func (v *validation) objectOf(s *schema, start int, seen *evaluated) int {
	if v.depth++; v.depth > maxDepth {
		return v.stop(start)
	}
	var present bitset
	at := start + 1 // after the brace or comma before the next member
	if s.usualMembers && seen == nil && v.report == nil {
		if present.low[0], at = v.usualMembers(s, at); at == 0 {
			return 0
		}
	}
	count := bits.OnesCount64(present.low[0])
	if count == 0 || v.byte(at-1) != '}' {
		if count, at = v.members(s, count, at, &present, seen); at == 0 {
			return 0
		}
	}
	v.depth--
	if s.own&object == 0 || s.separate && s.requiredMask&^present.low[0] == 0 {
		return at
	}
	return v.checkObject(s, &present, count, start, at, seen)
}

// usualMembers reads members from the start of an object, until one is not a property with a schema, or has white space
// before it. It finds properties fastest in the order of the schema, which most writers keep. It returns the set of
// properties, and the offset after the comma or brace behind them.
func (v *validation) usualMembers(s *schema, at int) (present uint64, end int) {
	i := 0 // the property after the last one
	for len(v.text)-at >= 8 {
		first := word(string(v.text[at : at+8]))
		var p *property
		for tried := 0; ; tried++ {
			if tried == len(s.properties) {
				return present, at
			}
			if i == len(s.properties) {
				i = 0
			}
			p = &s.properties[i]
			if first&p.start.mask == p.start.first {
				end = at + len(p.start.text)
				if end-at <= 8 || end <= len(v.text) && word(string(v.text[end-8:end])) == p.start.last &&
					(end-at <= 16 || string(v.text[at:end]) == p.start.text) {
					break
				}
			}
			i++
		}
		bit := uint64(1) << (i % 64)
		if p.schema == nil || present&bit != 0 {
			break
		}
		present |= bit
		i++
		if end = v.value(p.schema, end, nil); end == 0 {
			return 0, 0
		}
		at = v.space(end) + 1
		if v.byte(at-1) != ',' {
			break
		}
	}
	return present, at
}

// members reads the other members of an object. at is the offset after the brace or comma before them, and count the number
// of members that have been read. It returns the number of all members, and the offset after the closing brace.
func (v *validation) members(s *schema, count, at int, present *bitset, seen *evaluated) (total, end int) {
	var others nameSet // that the schema does not know
	if b, closing := v.peek(at); count == 0 && b == '}' {
		return 0, closing + 1
	}
	for ; count == 0 || v.byte(at-1) != '}'; count++ {
		name, value := v.name(at)
		if value == 0 || count > 0 && v.byte(at-1) != ',' {
			return 0, v.stop(at)
		}
		i := s.find(name)
		if i >= 0 && !present.add(i) || i < 0 && !others.add(name) { // a duplicate
			return 0, v.stop(at)
		}
		if s.names.schema != nil && !v.memberName(s, name, at) {
			return 0, 0
		}
		end = v.member(s, i, name, count, value, seen)
		if end == 0 {
			return 0, 0
		}
		at = v.space(end) + 1
	}
	return count, at
}

// memberName checks the name of a member, which stands at an offset.
func (v *validation) memberName(s *schema, name string, at int) bool {
	_, start := v.peek(at)
	return v.fits(s.names.schema, start, nil) > 0 || v.failAt(s, "propertyNames", name, start)
}

// member reads the value of a member: of property i, or of none if i is -1. It is the number n of its object.
func (v *validation) member(s *schema, i int, name string, n, start int, seen *evaluated) int {
	known := i >= 0 && s.properties[i].schema != nil
	if !known && s.patterns == nil && s.additional.schema == nil {
		return v.skip(start)
	}
	to := step{kind: toMember, n: n, name: name, declared: i >= 0}
	end := 0
	if known {
		if end = v.within(s.properties[i].part, to, start, nil); end == 0 {
			return 0
		}
	}
	for j := range s.patterns {
		if s.patterns[j].pattern.MatchString(name) {
			if end = v.within(s.patterns[j].part, to, start, nil); end == 0 {
				return 0
			}
		}
	}
	if end == 0 {
		switch {
		case s.additional.schema == nil:
			return v.skip(start)
		case s.additional.never:
			if !v.failAt(s, "additionalProperties", name, start) {
				return 0
			}
			return v.skip(start)
		}
		if end = v.within(s.additional, to, start, nil); end == 0 {
			return 0
		}
	}
	seen.add(n)
	return end
}

// checkObject checks the keywords that are about the members of an object together.
func (v *validation) checkObject(s *schema, present *bitset, count, start, end int, seen *evaluated) int {
	for _, i := range s.required {
		if !present.has(i) && !v.failAt(s, "required", s.properties[i].name, end) {
			return 0
		}
	}
	if count < s.minProperties && !v.fail(s, "minProperties", end) || count > s.maxProperties && !v.fail(s, "maxProperties", end) {
		return 0
	}
	for i := range s.dependent {
		d := &s.dependent[i]
		if !present.has(d.property) {
			continue
		}
		for _, i := range d.required {
			if !present.has(i) && !v.failAt(s, "dependentRequired", s.properties[i].name, end) {
				return 0
			}
		}
		if d.schema.schema != nil && v.within(d.schema, step{}, start, seen) == 0 {
			return 0
		}
	}
	return end
}

// arrayOf reads an array and checks it against the keywords of the schema itself.
func (v *validation) arrayOf(s *schema, start int, seen *evaluated) int {
	if v.depth++; v.depth > maxDepth {
		return v.stop(start)
	}
	count, end := 0, start+1
	switch b, closing := v.peek(end); {
	case b == ']':
		end = closing + 1
		if s.minContains > 0 && !v.fail(s, s.containsKeyword(), end) {
			return 0
		}
	case s.usualItems && seen == nil && v.report == nil:
		count, end = v.usualItems(s, end)
	default:
		count, end = v.items(s, end, seen)
	}
	v.depth--
	if count < s.minItems && end > 0 && !v.fail(s, "minItems", end) || count > s.maxItems && !v.fail(s, "maxItems", end) {
		return 0
	}
	return end
}

// usualItems reads the items of an array that is not empty, if no keyword but items is about them. It returns their number,
// and the offset after the closing bracket.
func (v *validation) usualItems(s *schema, at int) (count, end int) {
	item := s.items.schema
	if item == nil {
		item = anyValue
	}
	for {
		if at = v.value(item, at, nil); at == 0 {
			return 0, 0
		}
		count++
		at = v.space(at) + 1
		switch v.byte(at - 1) {
		case ',':
		case ']':
			return count, at
		default:
			return 0, v.stop(at)
		}
	}
}

// items is usualItems with the other keywords.
func (v *validation) items(s *schema, at int, seen *evaluated) (count, end int) {
	var values map[string]bool // in canonical form
	unique := true
	contained := 0
	for b := byte(','); b == ','; count++ {
		at = v.space(at)
		p := s.items
		if count < len(s.prefix) {
			p = s.prefix[count]
		}
		if p.schema == nil {
			end = v.skip(at)
		} else {
			seen.add(count)
			end = v.within(p, step{kind: toItem, n: count}, at, nil)
		}
		if end == 0 {
			return 0, 0
		}
		if s.unique && unique {
			if values == nil {
				values = make(map[string]bool)
			}
			value := canonical(string(v.text[at:end]))
			unique = !values[value]
			values[value] = true
		}
		if s.contains.schema != nil && v.fits(s.contains.schema, at, nil) > 0 {
			seen.add(count)
			contained++
		}
		at = v.space(end) + 1
		b = v.byte(at - 1)
	}
	switch {
	case v.byte(at-1) != ']':
		return 0, v.stop(at)
	case !unique && !v.fail(s, "uniqueItems", at),
		contained < s.minContains && !v.fail(s, s.containsKeyword(), at),
		contained > s.maxContains && !v.fail(s, "maxContains", at):
		return 0, 0
	}
	return count, at
}

func (s *schema) containsKeyword() string {
	if s.node.find("minContains") >= 0 {
		return "minContains"
	}
	return "contains"
}
