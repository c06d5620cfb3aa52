package contract

import (
	"errors"
	"fmt"
)

// maxViolations limits the violations of one request or response, so that a small invalid body has no large answer.
const maxViolations = 100

// Violation is one reason why a request or a response is invalid. Only Err and Pointer (through property names) can
// contain caller input.
type Violation struct {
	In      string // "path", "query", "header", "cookie", "body"; "status" for the response as such
	Name    string // of the parameter or the header; empty for the body
	Pointer string // JSON pointer to the offending or missing value, within the parameter or the body
	Place   string // Pointer for logs: with * for each property name that the document does not declare
	Keyword string // of JSON Schema or OpenAPI: type, required, format, content, ...; or "decode", "maxBytes"
	Format  string // the violated format, when Keyword is "format"
	Message string // an English phrase for people, without values
	Err     error  // the cause, for logs; it can contain the value
}

// RequestError is the error of an invalid request.
type RequestError struct {
	Operation  *Operation
	Violations []Violation // never empty, in the order of the document
}

func (e *RequestError) Error() string {
	return fmt.Sprintf("request of %s breaks the contract: %s", e.Operation, summary(e.Violations))
}

// SecurityError is the error of a request that meets none of the security requirements of its operation.
type SecurityError struct {
	Operation *Operation
	Err       error // of Options.Authenticate, joined when it was called for more than one requirement
}

func (e *SecurityError) Error() string {
	return fmt.Sprintf("request of %s is not authenticated: %v", e.Operation, e.Err)
}

// Unwrap returns the error of Options.Authenticate.
func (e *SecurityError) Unwrap() error { return e.Err }

// ResponseError is the error of an invalid response of the server itself. The response was not sent.
type ResponseError struct {
	Operation  *Operation
	Status     int         // 0 when nothing was written
	Violations []Violation // never empty
}

func (e *ResponseError) Error() string {
	return fmt.Sprintf("response %d of %s breaks the contract: %s", e.Status, e.Operation, summary(e.Violations))
}

// StreamError is the error of a handler after the client has received part of its response.
type StreamError struct {
	Operation *Operation
	Err       error
}

func (e *StreamError) Error() string {
	return fmt.Sprintf("response of %s was aborted: %v", e.Operation, e.Err)
}

// Unwrap returns the error of the handler.
func (e *StreamError) Unwrap() error { return e.Err }

// summary describes the first violation, without values, and counts the others.
func summary(violations []Violation) string {
	v := violations[0]
	text := v.In
	if v.Name != "" {
		text += " " + v.Name
	}
	if v.Place != "" {
		text += " at " + v.Place
	}
	text += ": " + v.Message + " (" + v.Keyword + ")"
	if more := len(violations) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// undecodable returns the violation of a value that cannot be decoded.
func undecodable(in, name, message string, err error) Violation {
	v := Violation{In: in, Name: name, Keyword: "decode", Message: message, Err: err}
	if d, ok := errors.AsType[*duplicateError](err); ok {
		v.Pointer = d.pointer
	}
	return v
}
