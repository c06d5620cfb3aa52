// Package uuid decides what a UUID is. It imports nothing but the standard library, so that generated clients, which do
// without package contract, share the rule.
package uuid

import (
	"encoding/hex"
	"errors"
)

// The errors of Parse. None of them repeats the input.
var (
	ErrLength = errors.New("invalid length: expected 36 characters")
	ErrHyphen = errors.New("invalid group: expected hyphens between groups of 8, 4, 4, 4 and 12 digits")
	ErrDigit  = errors.New("invalid character: expected hexadecimal digits")
)

// Parse parses the form 8-4-4-4-12 hexadecimal digits, either case, of any version. Braces, urn:uuid: and undashed forms
// are invalid.
func Parse(s string) (id [16]byte, err error) {
	if len(s) != 36 {
		return id, ErrLength
	}
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, ErrHyphen
	}
	var digits [32]byte
	n := copy(digits[:], s[:8])
	n += copy(digits[n:], s[9:13])
	n += copy(digits[n:], s[14:18])
	n += copy(digits[n:], s[19:23])
	copy(digits[n:], s[24:])
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return [16]byte{}, ErrDigit
	}
	return id, nil
}
