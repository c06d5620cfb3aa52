package main

import (
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"

	"github.com/alecthomas/kong"
)

// printedError is what --json prints for an error, unless the command prints more about it.
type printedError struct {
	Error   string `json:"error"` // usage, failure, or the kind of a deleteError
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
	if _, ok := errors.AsType[usageError](err); ok {
		kind = "usage"
	} else if failure, ok := errors.AsType[deleteError](err); ok {
		kind = failure.kind
	}
	if failed := printJSON(out, printedError{kind, err.Error()}); failed != nil {
		return errors.Join(err, failed)
	}
	return err
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
