// Package uuid decides what a UUID is. It imports nothing but the standard library, so that generated clients, which do
// without package contract, share the rule.
package uuid

import "errors"

// The errors of Parse do not repeat the input.
var (
	errLength = errors.New("invalid length: expected 36 characters")
	errHyphen = errors.New("invalid group: expected hyphens between groups of 8, 4, 4, 4 and 12 digits")
	errDigit  = errors.New("invalid character: expected hexadecimal digits")
)

// Parse parses the form 8-4-4-4-12 hexadecimal digits, either case, of any version. Braces, urn:uuid: and undashed forms
// are invalid.
func Parse(s string) (id [16]byte, err error) {
	if len(s) != 36 {
		return id, errLength
	}
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, errHyphen
	}
	for i, at := range [len(id)]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		high, low := digit[s[at]], digit[s[at+1]]
		if high|low > 0xf {
			return [16]byte{}, errDigit
		}
		id[i] = high<<4 | low
	}
	return id, nil
}

// Valid reports whether Parse accepts s, without parsing it.
func Valid(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
		hexadecimal(four(s[0:])|four(s[4:])<<32) && hexadecimal(four(s[9:])|four(s[14:])<<32) &&
		hexadecimal(four(s[19:])|four(s[24:])<<32) && hexadecimal(four(s[28:])|four(s[32:])<<32)
}

// four returns the first four bytes of s.
func four(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// hexadecimal reports whether eight bytes are hexadecimal digits. It looks at all of them at once: adding 0x80-x sets the
// highest bit of a byte that is not less than x.
func hexadecimal(w uint64) bool {
	const ones, highest = 0x0101010101010101, 0x8080808080808080
	lower := w&^highest | ones*0x20
	digit := (w + ones*(0x80-'0')) &^ (w + ones*(0x80-'9'-1))
	letter := (lower + ones*(0x80-'a')) &^ (lower + ones*(0x80-'f'-1))
	return (digit|letter)&^w&highest == highest
}

// digit has the values of hexadecimal digits, and 0xff for all other bytes.
var digit = func() (digit [256]byte) {
	for b := range digit {
		digit[b] = 0xff
	}
	for i, b := range "0123456789abcdef" {
		digit[b] = byte(i)
	}
	for i, b := range "ABCDEF" {
		digit[b] = byte(10 + i)
	}
	return digit
}()
