package store

import (
	"fmt"
	"net/url"
	"strings"
)

// CheckURL returns the error that Open would return for url itself, without opening anything.
func CheckURL(url string) error {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		return checkSQLitePath(rest)
	case "postgres", "postgresql":
		_, err := parsePostgres(url)
		return err
	default:
		// The text is not repeated, because it may contain a password.
		return fmt.Errorf("%w: write sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE", ErrURL)
	}
}

// Redact returns url with passwords replaced by ***, or "" for a URL that Open rejects.
func Redact(text string) string {
	if strings.HasPrefix(text, "sqlite:") {
		return text
	}
	parsed, err := url.Parse(text)
	if err != nil || CheckURL(text) != nil {
		return ""
	}
	var redacted strings.Builder
	redacted.WriteString(parsed.Scheme + "://")
	if parsed.User != nil {
		redacted.WriteString(url.User(parsed.User.Username()).String())
		if _, set := parsed.User.Password(); set {
			redacted.WriteString(":***")
		}
		redacted.WriteByte('@')
	}
	redacted.WriteString(parsed.Host + parsed.EscapedPath())
	separator := byte('?')
	for parameter := range strings.SplitSeq(parsed.RawQuery, "&") {
		if parameter == "" {
			continue
		}
		redacted.WriteByte(separator)
		separator = '&'
		name, value, _ := strings.Cut(parameter, "=")
		if holdsSecret(name) {
			value = "***"
		}
		redacted.WriteString(name + "=" + value)
	}
	return redacted.String()
}

// holdsSecret reports whether the value of a URL parameter may be secret: those of pgx are password and sslpassword; options
// can set anything.
func holdsSecret(name string) bool {
	name, err := url.QueryUnescape(strings.ToLower(name))
	return err != nil || name == "options" ||
		strings.Contains(name, "password") || strings.Contains(name, "secret") || strings.Contains(name, "token")
}
