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
)

// Prefix begins every secret that Diga issues, so that secret scanners can recognise one.
const Prefix = "diga_"

// Secret is the bearer token of a key. It prints as its prefix and last four characters, under every verb and in
// every encoding; Reveal is the only way to the whole.
type Secret struct {
	// A pointer, because fmt prints an unexported field without asking its methods: of this it prints the address.
	text *string
}

// NewSecret makes a secret: Prefix, 32 random bytes in hexadecimal, and the CRC32 (IEEE) of those digits, in
// hexadecimal, by which a scanner tells a secret from a look-alike.
func NewSecret() Secret {
	var random [32]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	digits := hex.EncodeToString(random[:])
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(digits)))
	return SecretOf(Prefix + digits + hex.EncodeToString(sum))
}

// SecretOf wraps a bearer token somebody sent. Any text is accepted: look-up depends on the hash alone, so that keys
// issued elsewhere keep working once their hash is stored.
func SecretOf(token string) Secret { return Secret{&token} }

// Reveal is the secret itself, to be shown once, at creation.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Hash is what is stored in its place.
func (s Secret) Hash() Hash { return sha256.Sum256([]byte(s.Reveal())) }

// LastFour are the four characters by which people recognise the key; nothing when the text is too short to keep the
// rest of it secret.
func (s Secret) LastFour() string {
	text := s.Reveal()
	if len(text) < 16 {
		return ""
	}
	return text[len(text)-4:]
}

// String implements fmt.Stringer without the secret.
func (s Secret) String() string { return Prefix + "…" + s.LastFour() }

// Format implements fmt.Formatter: every verb, %d and %#v included, prints String.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Hash is the SHA-256 of a secret. The secret has at least 256 random bits, so no salt and no slow hash is needed.
type Hash [sha256.Size]byte
