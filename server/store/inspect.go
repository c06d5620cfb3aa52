package store

import (
	"context"
	"net/url"
	"strings"
	"time"
)

// CheckWritable reports why the store does not respond or cannot be written to.
func (s *Store) CheckWritable(ctx context.Context) error {
	if err := s.engine.checkWritable(ctx); err != nil {
		return s.fail("check", err)
	}
	return nil
}

// CheckSchema reports whether this program works with the schema; the error wraps ErrOlderSchema or ErrNewerSchema.
func (s *Store) CheckSchema(ctx context.Context) error {
	found, err := readSchema(ctx, s.read)
	if err != nil {
		return s.fail("read schema version", err)
	}
	return found.check(s.name, false)
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

// Inspection describes a database to its operator.
type Inspection struct {
	Engine   string // with its version
	Settings []Setting
	Ahead    time.Duration // how far the database's clock is ahead of this machine's; 0 on SQLite
}

// Setting is a setting of the database, as it applies to the connections that write.
type Setting struct {
	Name, Value string
	Wrong       bool // an acknowledged delete could be lost, or deletes are impossible
}

// Inspect queries the version, settings and clock of the database.
func (s *Store) Inspect(ctx context.Context) (Inspection, error) {
	inspection, err := s.engine.inspect(ctx)
	if err != nil {
		return Inspection{}, s.fail("inspect", err)
	}
	return inspection, nil
}
