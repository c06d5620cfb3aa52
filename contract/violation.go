package contract

import (
	"errors"
	"fmt"
)

// maxViolations bounds what one request or response is told, so that a small body of many mistakes has no large answer.
const maxViolations = 100

// Violation is one way in which a request or a response does not fit the document. No field but Err and Pointer, through
// names of properties, holds anything that came with the message.
type Violation struct {
	In      string // "path", "query", "header", "cookie", "body"; "status" for the response as such
	Name    string // of the parameter or the header; empty for the body
	Pointer string // JSON pointer to the offending or missing value, within the parameter or the body
	Keyword string // of JSON Schema or OpenAPI that is broken: type, required, format, content, ...; "decode", "maxBytes"
	Format  string // the format that is broken, when Keyword is "format"
	Message string // an English phrase for people, without values
	Err     error  // the cause, for logs; it can hold the value
}

// RequestError says that a request does not fit the operation it was routed to.
type RequestError struct {
	Operation  *Operation
	Violations []Violation // never empty, in the order of the document
}

func (e *RequestError) Error() string {
	return fmt.Sprintf("request of %s breaks the contract: %s", e.Operation, summary(e.Violations))
}

// SecurityError says that a request meets none of the security requirements of the operation.
type SecurityError struct {
	Operation *Operation
	Err       error // what Options.Authenticate said, joined when it was asked for more than one requirement
}

func (e *SecurityError) Error() string {
	return fmt.Sprintf("request of %s is not authenticated: %v", e.Operation, e.Err)
}

// Unwrap is what Options.Authenticate said.
func (e *SecurityError) Unwrap() error { return e.Err }

// ResponseError says that a response of our own does not fit the operation. It was not sent.
type ResponseError struct {
	Operation  *Operation
	Status     int         // 0 when nothing was written
	Violations []Violation // never empty
}

func (e *ResponseError) Error() string {
	return fmt.Sprintf("response %d of %s breaks the contract: %s", e.Status, e.Operation, summary(e.Violations))
}

// summary tells the first violation, without values, and how many more there are.
func summary(violations []Violation) string {
	v := violations[0]
	text := v.In
	if v.Name != "" {
		text += " " + v.Name
	}
	if v.Pointer != "" {
		text += " at " + v.Pointer
	}
	text += ": " + v.Message + " (" + v.Keyword + ")"
	if more := len(violations) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// undecodable is the violation of a value that is not even of the form in which it should be sent.
func undecodable(in, name, message string, err error) Violation {
	v := Violation{In: in, Name: name, Keyword: "decode", Message: message, Err: err}
	if d, ok := errors.AsType[*duplicateError](err); ok {
		v.Pointer = d.pointer
	}
	return v
}
