// Package apitype has the Go types that generated code uses: UUID for `format: uuid`, JSON for a schema that accepts any
// value, and what generated clients and servers pass to the packages that they are used with.
package apitype

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/diga-io/diga-api/internal/uuid"
)

// UUID is a `format: uuid` value of the contract (RFC 9562), any version, nil and max included.
type UUID [16]byte

// ParseUUID parses 8-4-4-4-12 hexadecimal digits in either case. It rejects braces, urn:uuid: and undashed forms. Its errors
// do not repeat s.
func ParseUUID(s string) (UUID, error) {
	id, err := uuid.Parse(s)
	return id, err
}

// String returns the form 8-4-4-4-12 in lower case.
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

// NewUUID returns a random UUID (version 4).
func NewUUID() UUID {
	var u UUID
	rand.Read(u[:]) // never fails: crypto/rand ends the program instead
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}
