package client

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// secret is the API key. It prints as its prefix and last four characters, under every verb and in every encoding.
//
// The text hides in a closure because fmt prints unexported fields of a struct without asking their Format method,
// and dumpers follow pointers: neither can look into a func.
type secret struct{ reveal func() string }

// The reasons newSecret gives. None of them repeats the key.
var (
	errKeyMissing   = errors.New("no API key: set DIGA_API_KEY or use WithAPIKey")
	errKeyEmpty     = errors.New("the API key is empty")
	errKeyCharacter = errors.New("the API key has a character that no bearer token has, such as a space or a line break")
)

// newSecret accepts whatever can travel in an Authorization header as one token: keys may have been issued elsewhere,
// so neither prefix nor checksum is required.
func newSecret(text string) (secret, error) {
	if text == "" {
		return secret{}, errKeyEmpty
	}
	for _, b := range []byte(text) {
		if b <= ' ' || b >= 0x7f {
			return secret{}, errKeyCharacter
		}
	}
	return secret{func() string { return text }}, nil
}

// String implements fmt.Stringer without the key. A text too short to keep the rest of it secret shows nothing.
func (s secret) String() string {
	if s.reveal == nil || len(s.reveal()) < 16 {
		return "diga_…"
	}
	text := s.reveal()
	return "diga_…" + text[len(text)-4:]
}

// Format implements fmt.Formatter: every verb, %d and %#v included, prints String.
func (s secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and the like.
func (s secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// redact takes the key out of a text that came from elsewhere, for a server may echo what it was sent. What replaces
// it is not ASCII, so that it cannot complete another occurrence.
func (s secret) redact(text string) string {
	return strings.ReplaceAll(text, s.reveal(), "…")
}

// redactCut is redact for a text that may have been cut anywhere: the beginning of the key at its end goes, too.
func (s secret) redactCut(text string) string {
	text = s.redact(text)
	key := s.reveal()
	for n := min(len(key)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, key[:n]) {
			return text[:len(text)-n]
		}
	}
	return text
}

// redactError is redact for an error. One that quotes the key is replaced by its redacted text: whoever unwrapped it
// would find the key.
func (s secret) redactError(err error) error {
	if text := err.Error(); strings.Contains(text, s.reveal()) {
		return errors.New(s.redact(text))
	}
	return err
}
