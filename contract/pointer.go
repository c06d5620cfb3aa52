package contract

import (
	"net/url"
	"strconv"
	"strings"
)

var (
	tokenEscaper   = strings.NewReplacer("~", "~0", "/", "~1")
	tokenUnescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// escapeToken escapes a reference token of a JSON pointer (RFC 6901).
func escapeToken(token string) string { return tokenEscaper.Replace(token) }

// splitPointer returns the unescaped tokens of a JSON pointer.
func splitPointer(pointer string) []string {
	if pointer == "" {
		return nil
	}
	tokens := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, token := range tokens {
		tokens[i] = tokenUnescaper.Replace(token)
	}
	return tokens
}

// child returns the member or the item of value that the token of a pointer leads to.
func child(value any, token string) (any, bool) {
	switch value := value.(type) {
	case *node:
		return value.get(token)
	case []any:
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(value) {
			return value[i], true
		}
	}
	return nil, false
}

// valueAt returns the value that a JSON pointer leads to.
func valueAt(value any, pointer string) (any, bool) {
	for _, token := range splitPointer(pointer) {
		var ok bool
		if value, ok = child(value, token); !ok {
			return nil, false
		}
	}
	return value, true
}

// fragment returns the JSON pointer of a reference into the same document.
func fragment(ref string) (string, bool) {
	rest, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return "", false
	}
	if unescaped, err := url.PathUnescape(rest); err == nil {
		rest = unescaped
	}
	return rest, rest == "" || rest[0] == '/'
}

// reference returns the $ref to the JSON pointer.
func reference(pointer string) string { return "#" + (&url.URL{Path: pointer}).EscapedPath() }
