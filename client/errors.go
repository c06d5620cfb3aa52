package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/diga-io/diga-api/gen/apiclient"
)

// What went wrong, for errors.Is. Each *Error matches at most one of them, so the order in which a caller asks does
// not matter. The status decides:
var (
	// ErrNotFound: 404. The key does not exist, was deleted before, or belongs to another project; nobody can tell which.
	ErrNotFound = errors.New("api key not found")

	// ErrForbidden: 403 to a good key that lacks the permission api_keys.delete. Ask for the permission.
	ErrForbidden = errors.New("forbidden")

	// ErrUnauthorized: the client's own key is missing on arrival, unknown, expired or deleted. Use another key. The
	// contract has no 401 but says this with a 403 whose code is UNAUTHORIZED, or whose WWW-Authenticate header says
	// invalid_token; a 401, which a proxy may send, means the same.
	ErrUnauthorized = errors.New("unauthorized")

	// ErrInvalid: 422 (or 400), and an id that is no UUID, which is refused before anything is sent.
	ErrInvalid = errors.New("invalid request")

	// ErrServer: any 5xx, when the last attempt got one.
	ErrServer = errors.New("server error")
)

// maxBody is how much of a response body is read. The contract's own bodies have a few hundred bytes.
const maxBody = 64 << 10

// Codes of the API that the client acts on.
const (
	codeUnauthorized = "UNAUTHORIZED"
	codeKeyNotFound  = "API_KEY_NOT_FOUND"
)

var errRedirect = errors.New("the redirect was not followed: it leads to another host or would not delete; check the base URL")

// Error is every error of a call. The status decides what it is (see the sentinels); the other fields decorate it as
// far as the response made them available. The client's API key is in none of them, even if a server echoes it.
type Error struct {
	StatusCode int           // of the last response; 0 when there was none
	Code       string        // error_code of the body, such as API_KEY_NOT_FOUND
	Message    string        // for people, from the body; one line
	RequestID  string        // what the server's operator finds the request by
	Attempts   int           // requests made; 0 when the call was refused before anything was sent
	Details    []FieldDetail // what a 422 says of each field
	Body       []byte        // the raw body, at most 64 KiB of it
	Err        error         // the cause: why there was no response, or why no further attempt was made; may be nil

	challenge string // the error of the WWW-Authenticate header, such as invalid_token
}

// FieldDetail is what the server says of one field of a request it found invalid.
type FieldDetail struct {
	Loc  []string // where the field is, such as "path", "id"; an index is in decimal
	Msg  string   // for people
	Type string   // for programs, such as uuid_parsing
}

// Error implements error, in one line.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("delete api key: ")
	switch {
	case e.StatusCode != 0:
		text.WriteString(strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))))
		for _, part := range []string{e.Code, e.Message} {
			if part != "" {
				text.WriteString(": " + part)
			}
		}
	case e.Attempts != 0:
		text.WriteString("no response")
	default:
		text.WriteString("nothing was sent")
	}
	if e.Err != nil {
		text.WriteString(": " + oneLine(e.Err.Error()))
	}
	var notes []string
	if e.RequestID != "" {
		notes = append(notes, "request "+e.RequestID)
	}
	if e.Attempts > 1 {
		notes = append(notes, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if len(notes) > 0 {
		text.WriteString(" (" + strings.Join(notes, ", ") + ")")
	}
	return text.String()
}

// Unwrap gives the cause: context.Canceled, context.DeadlineExceeded and errors of the network are found by errors.Is
// and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Is says whether target is the sentinel of this error.
func (e *Error) Is(target error) bool {
	kind := e.kind()
	return kind != nil && target == kind
}

func (e *Error) kind() error {
	switch {
	case e.StatusCode == http.StatusNotFound:
		return ErrNotFound
	case e.StatusCode == http.StatusUnauthorized:
		return ErrUnauthorized
	case e.StatusCode == http.StatusForbidden && e.unauthorized():
		return ErrUnauthorized
	case e.StatusCode == http.StatusForbidden:
		return ErrForbidden
	case e.StatusCode == http.StatusUnprocessableEntity || e.StatusCode == http.StatusBadRequest:
		return ErrInvalid
	case e.StatusCode >= 500 && e.StatusCode < 600:
		return ErrServer
	}
	return nil
}

// unauthorized tells the two meanings of a 403 apart. The header is defined by RFC 6750 and is asked first; a proxy may
// have dropped it.
func (e *Error) unauthorized() bool {
	if e.challenge != "" {
		return e.challenge == "invalid_token"
	}
	return e.Code == codeUnauthorized
}

// newError makes the error of a response. Anything may stand in its body: what cannot be read is left out.
func newError(resp *http.Response, body []byte, key secret) *Error {
	e := &Error{
		StatusCode: resp.StatusCode,
		RequestID:  requestID(resp.Header, key),
		Body:       []byte(key.redactCut(string(body))),
	}
	for _, value := range resp.Header.Values("WWW-Authenticate") {
		for _, challenge := range []string{"invalid_token", "insufficient_scope"} {
			if strings.Contains(value, challenge) {
				e.challenge = challenge
			}
		}
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.Err = errRedirect
	}
	clean := func(text string) string { return oneLine(key.redact(text)) }

	// Errors of decoding are ignored: a field of the wrong type leaves the others as they are.
	var answer apiclient.ErrorResponseSchema
	_ = json.Unmarshal(body, &answer)
	e.Code, e.Message = clean(answer.ErrorCode), clean(answer.Message)

	var invalid apiclient.HTTPValidationError
	_ = json.Unmarshal(body, &invalid)
	if invalid.Detail != nil {
		for _, field := range *invalid.Detail {
			detail := FieldDetail{Msg: clean(field.Msg), Type: clean(field.Type)}
			for _, item := range field.Loc {
				loc, err := item.AsValidationErrorLoc0()
				if err != nil {
					raw, _ := item.MarshalJSON()
					loc = string(raw)
				}
				detail.Loc = append(detail.Loc, clean(loc))
			}
			e.Details = append(e.Details, detail)
		}
	}
	if e.Message == "" && len(e.Details) > 0 {
		e.Message = clean(strings.Join(e.Details[0].Loc, ".") + ": " + e.Details[0].Msg)
	}
	return e
}

// requestID reads the id that the server gave the request; one that is not short and plain is dropped.
func requestID(header http.Header, key secret) string {
	id := header.Get("X-Request-Id")
	if len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return key.redact(id)
}

// oneLine makes a foreign text fit for one line of a log: no control characters, at most 1000 characters.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if runes := []rune(text); len(runes) > 1000 {
		text = string(runes[:999]) + "…"
	}
	return text
}
