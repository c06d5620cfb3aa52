package contract

import (
	"errors"
)

// Severity tells how much a Finding matters.
type Severity int

const (
	// Warning marks what the reader repaired or ignored. The document is still served.
	Warning Severity = iota
	// Error marks what cannot be generated or enforced safely. Read returns no Document.
	Error
)

func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Finding is one fault of a document.
type Finding struct {
	Pointer  string // JSON pointer (RFC 6901) into the published document; empty for the document as a whole
	Rule     string // stable name of the rule, like "ref"
	Message  string // one sentence in lower case, without the pointer
	Severity Severity
}

// Error returns the finding on one line: pointer, message and rule.
func (f Finding) Error() string {
	return "#" + f.Pointer + ": " + f.Message + " (" + f.Rule + ")"
}

// Errors joins the findings that are errors, one on a line. It returns nil if there are none.
func Errors(findings []Finding) error {
	var errs []error
	for _, f := range findings {
		if f.Severity == Error {
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}
