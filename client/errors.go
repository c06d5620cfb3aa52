package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/diga-io/diga-api/gen/apiclient"
	"github.com/diga-io/diga-api/gen/apitype"
)

// What went wrong, for errors.Is. Each *Error matches at most one of them, so the order in which a caller asks does not
// matter.
var (
	// ErrNotFound is a 404 with the error body that the contract declares for the operation, and with the code of the
	// contract's example if there is one. The object does not exist, was deleted before, or belongs to another project;
	// the API does not say which. The 404 of a proxy or a wrong base URL does not match.
	ErrNotFound = errors.New("not found")

	// ErrForbidden is a 403 of the API, to a valid key that lacks a permission.
	ErrForbidden = errors.New("forbidden")

	// ErrUnauthorized means that the client's own key is unknown, expired or deleted. The contract has no 401 but says
	// this with a 403 whose code is UNAUTHORIZED, or whose WWW-Authenticate header says invalid_token. A 401, which a
	// proxy may send, means the same.
	ErrUnauthorized = errors.New("unauthorized")

	// ErrInvalid is a 422 or 400, and a request that could not be built, of which nothing is sent.
	ErrInvalid = errors.New("invalid request")

	// ErrTooManyRequests is a 429 to the last attempt. Error.RetryAfter says when to try again.
	ErrTooManyRequests = errors.New("too many requests")

	// ErrServer is a 5xx to the last attempt.
	ErrServer = errors.New("server error")
)

// maxErrorBody limits how much of the body of an error is read. The contract's own bodies have a few hundred bytes.
const maxErrorBody = 64 << 10

// codeUnauthorized is the code of a 403 that means a 401.
const codeUnauthorized = "UNAUTHORIZED"

var (
	errUndeclared = errors.New("the contract does not declare this response: check the base URL, and what is between client and server")
	errBudget     = errors.New("the client's retry budget is spent")
	errMiddleware = errors.New("a middleware changed method, URL or host of the request")
)

// Error is every error of a call. The client's API key is in none of its fields, even if a server echoes it. A fake of
// Client in a test sets Err to a sentinel.
type Error struct {
	Operation  string        // the method that was called, such as DeleteAPIKey
	StatusCode int           // of the last response; 0 if there was none
	Code       string        // error_code of the body, such as API_KEY_NOT_FOUND
	Message    string        // for people, from the body; one line
	RequestID  string        // what the server's operator finds the request by
	RetryAfter time.Duration // what the Retry-After header asks for; 0 if there is none
	Attempts   int           // requests made; 0 if the call failed before anything was sent
	Details    []FieldDetail // what a 422 says of each field
	Header     http.Header   // of the last response
	Body       []byte        // the raw body, at most 64 KiB of it
	Err        error         // why there was no response, why it is not one of the API, or why no further attempt was made; may be nil

	failure error  // the declared body, an *ErrorBody[T]; nil if the body is not declared
	code    string // the code that the contract declares; empty if any is good
}

// ErrorBody is the body of an error response as the contract declares it, for errors.As:
//
//	var invalid *client.ErrorBody[apiclient.HTTPValidationError]
//	if errors.As(err, &invalid) {
//		fmt.Println(invalid.Body.Detail)
//	}
type ErrorBody[T any] = apitype.Failure[T]

// FieldDetail is what the server says of one invalid field of a request.
type FieldDetail struct {
	Loc  []string // where the field is, such as "path", "id"; an index is in decimal
	Msg  string   // for people
	Type string   // for programs, such as uuid_parsing
}

// Error implements error, in one line.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Operation + ": ")
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

// Unwrap returns the cause, so that errors.Is finds context.Canceled and context.DeadlineExceeded, and errors.As finds
// errors of the network.
func (e *Error) Unwrap() error { return e.Err }

// As finds the declared error body.
func (e *Error) As(target any) bool { return e.failure != nil && errors.As(e.failure, target) }

// Is reports whether target is the sentinel of this error.
func (e *Error) Is(target error) bool {
	kind := e.kind()
	return kind != nil && target == kind
}

func (e *Error) kind() error {
	challenge := challenge(e.Header)
	switch {
	case errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, context.DeadlineExceeded):
		return nil // the caller gave up, whatever the last response was
	case e.StatusCode == http.StatusNotFound && e.failure != nil && (e.code == "" || e.code == e.Code):
		return ErrNotFound
	case e.StatusCode == http.StatusUnauthorized,
		e.StatusCode == http.StatusForbidden && (challenge == "invalid_token" || challenge == "" && e.Code == codeUnauthorized):
		return ErrUnauthorized
	case e.StatusCode == http.StatusForbidden && (e.failure != nil || challenge != ""):
		return ErrForbidden
	case e.StatusCode == http.StatusUnprocessableEntity || e.StatusCode == http.StatusBadRequest:
		return ErrInvalid
	case e.StatusCode == http.StatusTooManyRequests:
		return ErrTooManyRequests
	case e.StatusCode >= 500 && e.StatusCode < 600:
		return ErrServer
	}
	return nil
}

// foreign reports whether the error is not one of the API, but of a proxy, or of another server at a wrong base URL.
func (e *Error) foreign() bool {
	return e.Err == nil && e.kind() == nil && (e.failure == nil || e.StatusCode == http.StatusNotFound)
}

// challenge returns the error of the WWW-Authenticate header, which RFC 6750 defines. A proxy may have dropped it.
func challenge(header http.Header) string {
	for _, value := range header.Values("WWW-Authenticate") {
		for _, challenge := range []string{"invalid_token", "insufficient_scope"} {
			if strings.Contains(value, challenge) {
				return challenge
			}
		}
	}
	return ""
}

// newError returns the error of a response. A body that was cut has lost its end. Whatever cannot be decoded is left
// out.
func newError(resp *http.Response, body []byte, cut bool, declared []apitype.Response, key secret) *Error {
	e := &Error{
		StatusCode: resp.StatusCode,
		RequestID:  requestID(resp.Header, key),
		RetryAfter: retryAfter(resp.Header, time.Now()),
		Header:     key.redactHeader(resp.Header),
		Body:       []byte(key.redact(string(body), cut)),
	}
	if location := resp.Header.Get("Location"); resp.StatusCode/100 == 3 && location != "" {
		e.Err = fmt.Errorf("the redirect to %q was not followed, because it changes method, scheme or host, or is one of too many: check the base URL",
			key.redact(withoutQuery(location), false))
	}
	for _, response := range declared {
		if response.Failure != nil && e.failure == nil {
			// The key is taken out of the JSON first. The replacement leaves it valid.
			e.failure, _ = response.Failure(e.Body)
			e.code = response.Code
		}
	}
	clean := func(text string) string { return oneLine(key.redact(text, false)) }

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

// withoutQuery returns a location without what may be a secret in it.
func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// requestID returns the id that the server gave the request; one that is not short and plain is dropped.
func requestID(header http.Header, key secret) string {
	id := header.Get("X-Request-Id")
	if len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return key.redact(id, false)
}

// oneLine makes a text of the server fit for one line of a log: no control characters, at most 1000 characters.
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
