package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/diga-io/diga-api/server/store"
)

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// terminalWidth returns the number of columns of the terminal that w is.
func terminalWidth(w io.Writer) int {
	if file, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// obeys reports whether w is a terminal that obeys control sequences.
func obeys(w io.Writer, env environment) bool {
	kind, _ := env("TERM")
	return isTerminal(w) && kind != "dumb"
}

// hasColour reports whether to print colours to w. See https://no-color.org.
func hasColour(w io.Writer, env environment) bool {
	noColour, _ := env("NO_COLOR")
	return noColour == "" && obeys(w, env)
}

const (
	bold   = "\x1b[1m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// printable returns text on one line. Control characters are escaped, because a terminal would obey them.
func printable(text string) string {
	var out strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			out.WriteRune(r)
		} else {
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return out.String()
}

// counted returns a number of things, such as 1 key or 2 keys.
func counted[N int | int64](number N, thing string) string {
	if number != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", number, thing)
}

// columnsOf returns the number of columns that a terminal needs for a character.
func columnsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana), r >= 0x1f300 && r <= 0x1faff, r >= 0xff01 && r <= 0xff60:
		return 2
	}
	return 1
}

func widthOf(text string) (width int) {
	for _, r := range text {
		width += columnsOf(r)
	}
	return width
}

// shorten cuts text to at most that width, with an ellipsis in place of what is missing.
func shorten(text string, width int) string {
	if widthOf(text) <= width {
		return text
	}
	width-- // for the ellipsis
	for i, r := range text {
		if width -= columnsOf(r); width < 0 {
			return text[:i] + "…"
		}
	}
	return text
}

// progressInterval is the time between two updates of a progress line.
const progressInterval = 100 * time.Millisecond

// progress returns a function that shows how much of a long command is done on a line of the terminal, and a function that
// removes the line. Without a terminal nothing is shown.
func (s streams) progress(doing string) (report store.Progress, done func()) {
	if !obeys(s.err, s.env) {
		return nil, func() {}
	}
	const eraseLine = "\r\x1b[K"
	var shown time.Time
	report = func(done, total int64) {
		if now := time.Now(); now.Sub(shown) >= progressInterval {
			shown = now
			fmt.Fprintf(s.err, "%s%s: %d%%", eraseLine, doing, 100*done/max(total, 1))
		}
	}
	return report, func() { io.WriteString(s.err, eraseLine) }
}

// interrupted returns an error that says what remains of a long command, if a signal ended it, and otherwise err.
func interrupted(ctx context.Context, err error, remains string) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("interrupted: %s", remains)
}
