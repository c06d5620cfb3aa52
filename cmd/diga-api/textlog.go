package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// textHandler writes the log for people: one line for each record, with the time of day, the level, the event and its
// attributes. The stack of a panic follows on lines of its own.
type textHandler struct {
	level  slog.Level
	colour bool
	fixed  []slog.Attr // of WithAttrs
	mutex  *sync.Mutex // of out
	out    io.Writer
}

func newTextHandler(out io.Writer, level slog.Level, colour bool) *textHandler {
	return &textHandler{level: level, colour: colour, mutex: new(sync.Mutex), out: out}
}

// Enabled implements slog.Handler.
func (h *textHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// WithAttrs implements slog.Handler.
func (h *textHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	with := *h
	with.fixed = append(slices.Clip(h.fixed), attributes...)
	return &with
}

// WithGroup implements slog.Handler. The program uses no groups.
func (h *textHandler) WithGroup(string) slog.Handler { return h }

// Handle implements slog.Handler.
func (h *textHandler) Handle(_ context.Context, record slog.Record) error {
	attributes := slices.Clone(h.fixed)
	record.Attrs(func(attribute slog.Attr) bool {
		attributes = append(attributes, attribute)
		return true
	})
	event := printable(record.Message)
	if record.Message == "request" {
		event, attributes = requestLine(attributes)
	}
	var line bytes.Buffer
	fmt.Fprintf(&line, "%s %s  %s", h.styled(faint, record.Time.Format("15:04:05.000")),
		h.styled(levelStyle(record.Level), fmt.Sprintf("%-5s", record.Level)), event)
	stack := ""
	for _, attribute := range attributes {
		if attribute.Key == "stack" {
			stack = attribute.Value.String()
			continue
		}
		line.WriteString("  " + h.styled(faint, attribute.Key+"=") + textValue(attribute.Value))
	}
	line.WriteByte('\n')
	for text := range strings.Lines(stack) {
		line.WriteString("    " + printable(strings.TrimSpace(text)) + "\n")
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	_, err := h.out.Write(line.Bytes())
	return err
}

func (h *textHandler) styled(style, text string) string {
	if !h.colour || style == "" {
		return text
	}
	return style + text + plain
}

func levelStyle(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return red
	case level >= slog.LevelWarn:
		return yellow
	case level >= slog.LevelInfo:
		return green
	}
	return faint
}

// textValue returns a value on one line, quoted if it would not be recognisable as one value otherwise.
func textValue(value slog.Value) string {
	text := value.String()
	if printed := printable(text); printed != text || text == "" || strings.ContainsAny(text, ` "=`) {
		return strconv.Quote(text)
	}
	return text
}

// generatedSuffix is what FastAPI appends to the name of a function to make an operationId: the path and the method.
var generatedSuffix = regexp.MustCompile(`_v\d+_\w*$`)

// requestLine returns status, operation and duration of a request, which are the same on each line, and the other attributes.
func requestLine(attributes []slog.Attr) (event string, others []slog.Attr) {
	var status, what, duration string
	for _, attribute := range attributes {
		switch attribute.Key {
		case "status":
			status = textValue(attribute.Value)
		case "operation":
			what = generatedSuffix.ReplaceAllString(textValue(attribute.Value), "")
		case "method":
			what = textValue(attribute.Value)
		case "duration_us":
			duration = (time.Duration(attribute.Value.Int64()) * time.Microsecond).String()
		default:
			others = append(others, attribute)
		}
	}
	return status + "  " + what + "  " + duration, others
}
