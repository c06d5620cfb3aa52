package contract

import (
	"math"
	"math/big"
	"slices"
)

// schema is one schema of the document, compiled. It never changes, and refers to other schemas in circles if the
// document does.
type schema struct {
	node    *node   // from which it was compiled
	never   bool    // the schema false
	types   kinds   // that are permitted
	own     kinds   // that have keywords of this schema itself, apart from type, const, enum and the applicators below
	applies bool    // has keywords that apply other schemas to the same value
	plain   *schema // the same schema with nothing but types and keywords of its own; the schema itself if that is all

	// choice is anyOf, if there is nothing else and no two schemas permit the same type, as for a member that may be null.
	choice []part

	constant, enum *enumeration // nil is any value

	// Strings.
	format    func(string) error // nil is any string
	pattern   pattern            // nil is any string
	usual     func(string) int   // of usualForms, if there is nothing but the format
	minLength int
	maxLength int

	// Numbers.
	bounds     []bound
	small      bool // the bounds are min and max as far as integers of 18 digits are concerned
	min, max   int64
	multipleOf *big.Rat

	// Objects.
	properties    []property
	index         map[string]int // of properties by name; nil for a few
	required      []int          // indices of properties
	requiredMask  uint64         // of required, if members need nothing else together
	separate      bool           // members need nothing else together
	patterns      []patternProperty
	additional    part // without a schema, any value
	names         part
	usualMembers  bool // no keyword but properties is about the values of properties, which are few
	minProperties int
	maxProperties int
	dependent     []dependency

	// Arrays.
	prefix      []part
	items       part // without a schema, any value
	usualItems  bool // no keyword but items is about the items
	contains    part
	minContains int
	maxContains int
	minItems    int
	maxItems    int
	unique      bool

	// Applicators to the same value.
	allOf                                []part // $ref and $dynamicRef, too
	anyOf, oneOf                         []part
	not, condition, then, otherwise      part
	unevaluatedItems, unevaluatedMembers part
}

// anyValue accepts any JSON value without duplicate members.
var anyValue = newSchema(&node{})

func newSchema(o *node) *schema {
	s := &schema{
		node: o, types: anyKind, usualItems: true, maxLength: math.MaxInt, maxProperties: math.MaxInt, maxContains: math.MaxInt, maxItems: math.MaxInt,
	}
	s.plain = s
	return s
}

// part is a schema within another, with its offset in the document.
type part struct {
	*schema
	offset int
}

// property is a member that a schema knows by name. The schema is nil if only required and the like name it.
type property struct {
	name  string
	start nameStart
	part
}

// nameStart is how a name begins in a JSON text.
type nameStart struct {
	text              string // with quotes and a colon
	first, mask, last uint64 // the first eight bytes, which of them there are, and the last eight if there are more
}

func startOf(name string) nameStart {
	s := nameStart{text: string(append(appendString(nil, name), ':'))}
	var first [8]byte
	n := copy(first[:], s.text)
	s.first, s.mask = word(string(first[:])), math.MaxUint64>>(64-8*n)
	if n == 8 {
		s.last = word(s.text[len(s.text)-8:])
	}
	return s
}

type patternProperty struct {
	pattern pattern
	part
}

// dependency is what an object with a property has to have and to be.
type dependency struct {
	property int
	required []int // indices of properties
	schema   part
}

// bound is a limit of numbers.
type bound struct {
	keyword  string
	format   string // if it is a limit of the format
	limit    decimal
	upper    bool
	strict   bool // the limit itself is beyond it
	integers bool // it says nothing about other numbers
}

func (b *bound) permits(d decimal) bool {
	if b.integers && !d.isInteger() {
		return true
	}
	c := d.compare(b.limit)
	return c == 0 && !b.strict || c != 0 && c < 0 == b.upper
}

// enumeration is a set of values, each in its canonical form.
type enumeration struct {
	list []string
	set  map[string]bool // nil for a few values
}

func (e *enumeration) contains(data string) bool {
	if e.set == nil && slices.Contains(e.list, data) {
		return true
	}
	data = canonical(data)
	if e.set != nil {
		return e.set[data]
	}
	return slices.Contains(e.list, data)
}

// few is up to how many names or values a search is as fast as a map.
const few = 16

// find returns the index of a property; -1 if the schema does not know it.
func (s *schema) find(name string) int {
	if s.index != nil {
		if i, ok := s.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range s.properties {
		if s.properties[i].name == name {
			return i
		}
	}
	return -1
}
