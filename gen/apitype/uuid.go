// Package apitype holds the Go types that the generator's configuration puts behind schemas of the contract: UUID
// for `format: uuid`, JSON for a schema that says nothing. Server and client share them, so what a UUID is, is
// decided once.
package apitype

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/diga-io/diga-api/contract/uuid"
)

// UUID is a `format: uuid` value of the contract (RFC 9562), any version, nil and max included.
type UUID [16]byte

// The errors of ParseUUID. None of them repeats the input.
var (
	ErrUUIDLength = uuid.ErrLength
	ErrUUIDHyphen = uuid.ErrHyphen
	ErrUUIDDigit  = uuid.ErrDigit
)

// CheckUUID reports why s is not a UUID in the form 8-4-4-4-12 hexadecimal digits, either case; nil when it is one.
// Braces, urn:uuid: and undashed forms are refused. It is the one rule, for validator, binder and client alike.
func CheckUUID(s string) error {
	_, err := ParseUUID(s)
	return err
}

// ParseUUID parses the form 8-4-4-4-12 hexadecimal digits, either case. The error is one of the ErrUUID values.
func ParseUUID(s string) (UUID, error) {
	id, err := uuid.Parse(s)
	return id, err
}

// String is the form 8-4-4-4-12 in lower case.
func (u UUID) String() string {
	text := u.text()
	return string(text[:])
}

// MarshalText implements encoding.TextMarshaler; it never fails.
func (u UUID) MarshalText() ([]byte, error) {
	text := u.text()
	return text[:], nil
}

func (u UUID) text() (text [36]byte) {
	hex.Encode(text[:], u[:4])
	text[8] = '-'
	hex.Encode(text[9:], u[4:6])
	text[13] = '-'
	hex.Encode(text[14:], u[6:8])
	text[18] = '-'
	hex.Encode(text[19:], u[8:10])
	text[23] = '-'
	hex.Encode(text[24:], u[10:])
	return text
}

// UnmarshalText implements encoding.TextUnmarshaler by ParseUUID.
func (u *UUID) UnmarshalText(text []byte) error {
	parsed, err := ParseUUID(string(text))
	if err != nil {
		return err
	}
	*u = parsed
	return nil
}

// NewUUID makes a random UUID (version 4).
func NewUUID() UUID {
	var u UUID
	rand.Read(u[:]) // never fails: crypto/rand ends the program instead
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}
