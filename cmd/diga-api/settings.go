package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/diga-io/diga-api/gen/apitype"
)

// wrongSettings collects what is wrong with the settings, so that a person is told everything at once. Flags are
// therefore texts to kong, which stops at the first one that it cannot parse.
type wrongSettings []error

// wrong notes a problem with --flag. The value is not repeated: it may hold a password.
func (w *wrongSettings) wrong(flag, problem string) {
	env := "DIGA_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	*w = append(*w, fmt.Errorf("--%s (%s) %s", flag, env, problem))
}

// err is all problems as one usageError, or nil.
func (w *wrongSettings) err() error {
	switch len(*w) {
	case 0:
		return nil
	case 1:
		return usageError{(*w)[0]}
	}
	return usageError{fmt.Errorf("%d settings are wrong:\n%w", len(*w), errors.Join(*w...))}
}

func (w *wrongSettings) uuid(flag, text string) apitype.UUID {
	id, err := apitype.ParseUUID(text)
	if err != nil {
		w.wrong(flag, "is not a UUID: "+err.Error())
	}
	return id
}

// duration reads a duration with its unit, such as 500ms, longer than nothing.
func (w *wrongSettings) duration(flag, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		w.wrong(flag, "is not a positive duration with a unit, such as 500ms or 2s")
	}
	return d
}

// delay reads a duration with its unit that may be zero.
func (w *wrongSettings) delay(flag, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		w.wrong(flag, "is not a duration with a unit, such as 0s or 5s")
	}
	return d
}

// positive reads a whole number from 1.
func (w *wrongSettings) positive(flag, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		w.wrong(flag, "is not a whole number from 1")
	}
	return n
}

// address checks HOST:PORT. HOST may be empty for all interfaces, PORT 0 for any free port.
func (w *wrongSettings) address(flag, text string) string {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		w.wrong(flag, "is not HOST:PORT, such as 127.0.0.1:8080 or :8080")
	}
	return text
}

func (w *wrongSettings) oneOf(flag, text string, choices ...string) string {
	for _, choice := range choices {
		if text == choice {
			return text
		}
	}
	w.wrong(flag, "is not one of "+strings.Join(choices, ", "))
	return text
}

func (w *wrongSettings) toggle(flag string, t toggle) bool {
	if t.malformed {
		w.wrong(flag, "is neither true nor false")
	}
	return t.on
}

// toggle is a flag that is true or false.
type toggle struct{ on, malformed bool }

// String is true or false.
func (t toggle) String() string { return strconv.FormatBool(t.on) }

// IsBool implements kong.BoolMapperValue: the flag may stand without a value.
func (*toggle) IsBool() bool { return true }

// Decode implements kong.MapperValue.
func (t *toggle) Decode(ctx *kong.DecodeContext) error { //nolint:unparam // the error is of the interface
	*t = toggle{on: true}
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		on, err := strconv.ParseBool(fmt.Sprint(ctx.Scan.Pop().Value))
		*t = toggle{on: on, malformed: err != nil}
	}
	return nil
}
