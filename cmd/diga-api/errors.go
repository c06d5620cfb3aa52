package main

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitFailure      = 1
	exitUsage        = 2 // the command line or the environment is invalid
	exitNotFound     = 3 // the key does not exist, was deleted before, or belongs to another project
	exitForbidden    = 4 // the caller's key is invalid, or lacks the permission
	exitInvalid      = 5 // the id is not a UUID
	exitUnreachable  = 6 // no response; the key may have been deleted
	exitWrongBaseURL = 7 // a response, but not of the API
)

// failure is an error with its kind and its exit status. Any other error is one of kind failure, with exitFailure.
type failure struct {
	error
	kind   string // for scripts: usage, not_found, forbidden, unauthorized, invalid, unreachable, wrong_base_url, too_many_requests, server or failure
	status int
}

// Unwrap supports errors.Is and errors.As.
func (f failure) Unwrap() error { return f.error }

// usageError returns the failure of an invalid command line or environment.
func usageError(err error) failure { return failure{err, "usage", exitUsage} }

// loggedError is an error that the log has already, so that it is not printed to standard error.
type loggedError struct{ error }

// Unwrap supports errors.Is and errors.As.
func (e loggedError) Unwrap() error { return e.error }

// exitStatus prints err to stderr and returns the exit status for it.
func exitStatus(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	if _, logged := errors.AsType[loggedError](err); !logged {
		fmt.Fprintf(stderr, "diga-api: %v\n", err)
	}
	if failed, ok := errors.AsType[failure](err); ok {
		return failed.status
	}
	return exitFailure
}

// printedError is what --json prints for an error, unless the command prints more about it.
type printedError struct {
	Error   string `json:"error"` // the kind of a failure
	Message string `json:"message"`
}

// reportedError is an error that the --json output of the command has already.
type reportedError struct{ error }

// Unwrap supports errors.Is and errors.As.
func (e reportedError) Unwrap() error { return e.error }

// reportJSON prints err as one JSON object if that is asked for, and returns err.
func reportJSON(out io.Writer, err error, asJSON bool) error {
	if _, reported := errors.AsType[reportedError](err); err == nil || reported || !asJSON {
		return err
	}
	kind := "failure"
	if failed, ok := errors.AsType[failure](err); ok {
		kind = failed.kind
	}
	return errors.Join(err, printJSON(out, printedError{kind, err.Error()}))
}

// hasJSON reports whether the command has the flag --json, and it is set.
func hasJSON(command *kong.Context) bool {
	return slices.ContainsFunc(command.Flags(), func(flag *kong.Flag) bool {
		return flag.Name == "json" && flag.Target.Kind() == reflect.Bool && flag.Target.Bool()
	})
}

// mentionsJSON does what hasJSON does for a command line that cannot be parsed.
func mentionsJSON(args []string, env environment) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	text, _ := env(variable("json"))
	set, _ := strconv.ParseBool(text)
	return set || slices.Contains(args, "--json")
}
