package contract

import "slices"

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

// evaluated is the set of the members or items of a value that a schema was applied to, by their numbers. A nil *evaluated
// records nothing.
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
