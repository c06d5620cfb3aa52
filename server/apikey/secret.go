package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"
)

// Prefix is the prefix of every secret that Diga issues, by which secret scanners recognise them.
const Prefix = "diga_"

// Secret is the bearer token of a key. It prints as its prefix and last four characters, with every verb and in every
// encoding. Only Reveal returns all of it.
type Secret struct {
	// A pointer, because fmt does not call the methods of an unexported field: it prints the address.
	text *string
}

// NewSecret returns a new secret: Prefix, 32 random bytes in hexadecimal, and the CRC32 (IEEE) of these digits in
// hexadecimal, with which a scanner verifies a match.
func NewSecret() Secret {
	var random [32]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	digits := hex.EncodeToString(random[:])
	return SecretOf(Prefix + digits + checksum(digits))
}

func checksum(digits string) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(digits))))
}

// SecretOf wraps a bearer token that a client sent. It accepts any text, because keys are looked up by hash: keys that
// were issued elsewhere work once their hash is stored.
func SecretOf(token string) Secret { return Secret{&token} }

// Plausible reports whether the text can be a secret, so that a store need not be asked for one that cannot. A text that
// starts with Prefix has to be complete, checksum included. Secrets that were issued elsewhere may have any form, within
// printable ASCII.
func (s Secret) Plausible() bool {
	text := s.Reveal()
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return false
	}
	digits, ours := strings.CutPrefix(text, Prefix)
	if !ours {
		return text != ""
	}
	const length = 2 * 32 // of the digits before the checksum
	return len(digits) == length+8 && digits[length:] == checksum(digits[:length])
}

// Reveal returns the secret itself, to be shown once, at creation.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Hash returns what is stored instead of the secret.
func (s Secret) Hash() Hash { return sha256.Sum256([]byte(s.Reveal())) }

// LastFour returns the four characters by which people recognise the key, or "" if the text is too short to keep the rest
// of it secret.
func (s Secret) LastFour() string {
	text := s.Reveal()
	if len(text) < 16 {
		return ""
	}
	return text[len(text)-4:]
}

// String implements fmt.Stringer without revealing the secret.
func (s Secret) String() string { return Prefix + "…" + s.LastFour() }

// Format implements fmt.Formatter: every verb, including %d and %#v, prints String.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, which encoding/json uses.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Hash is the SHA-256 of a secret. Salt and a slow hash are unnecessary, because the secret has 256 random bits.
type Hash [sha256.Size]byte
