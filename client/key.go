package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// secret is the API key. It prints as its prefix and last four characters.
//
// The text hides in a closure because fmt prints unexported fields of a struct without calling their String method, and
// dumpers follow pointers: neither can look into a func.
type secret struct{ reveal func() string }

// The errors of newSecret. None of them repeats the key.
var (
	errKeyMissing   = errors.New("no API key: set DIGA_API_KEY or use WithAPIKey")
	errKeyEmpty     = errors.New("the API key is empty")
	errKeyCharacter = errors.New("the API key has a character that no bearer token has, such as a space or a line break")
)

// newSecret accepts any text that is valid as the token of an Authorization header: keys may have been issued elsewhere,
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

// String implements fmt.Stringer without the key. A short key is masked completely.
func (s secret) String() string {
	if s.reveal == nil || len(s.reveal()) < 16 {
		return "diga_…"
	}
	text := s.reveal()
	return "diga_…" + text[len(text)-4:]
}

// redact replaces the key in a text that came from the server, which may echo what it was sent. It finds the key with
// the escapes of JSON, too. If the text was cut, a beginning of the key at its end is removed. The replacement is not
// ASCII, so that it cannot complete another occurrence.
func (s secret) redact(text string, cut bool) string {
	var out strings.Builder
	for len(text) > 0 {
		length, whole := s.match(text)
		switch {
		case whole:
			out.WriteString("…")
		case cut && length == len(text):
			return out.String()
		default:
			length = 1
			out.WriteByte(text[0])
		}
		text = text[length:]
	}
	return out.String()
}

// match returns how much of the beginning of text spells the key, and whether that is the whole key. A character of the
// key may stand for itself, follow a backslash, or be escaped as \u0064.
func (s secret) match(text string) (length int, whole bool) {
	key := s.reveal()
	rest := text
	for i := range len(key) {
		escaped := fmt.Sprintf(`\u%04x`, key[i])
		switch {
		case rest == "" || len(rest) < len(escaped) && strings.HasPrefix(escaped, strings.ToLower(rest)):
			return len(text), false
		case rest[0] == key[i]:
			rest = rest[1:]
		case rest[0] != '\\':
			return 0, false
		case len(rest) > 1 && rest[1] == key[i]:
			rest = rest[2:]
		case len(rest) >= len(escaped) && strings.EqualFold(rest[:len(escaped)], escaped):
			rest = rest[len(escaped):]
		default:
			return 0, false
		}
	}
	return len(text) - len(rest), true
}

// redactHeader returns a copy of header without the key.
func (s secret) redactHeader(header http.Header) http.Header {
	header = header.Clone()
	for _, values := range header {
		for i, value := range values {
			values[i] = s.redact(value, false)
		}
	}
	return header
}

// redactError replaces an error whose text contains the key by its redacted text, because unwrapping it would reveal
// the key.
func (s secret) redactError(err error) error {
	text := err.Error()
	if redacted := s.redact(text, false); redacted != text {
		return errors.New(redacted)
	}
	return err
}
