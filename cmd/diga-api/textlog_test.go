package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestTextHandler(t *testing.T) {
	handle := func(handler slog.Handler, level slog.Level, event string, attributes ...slog.Attr) {
		record := slog.NewRecord(time.Date(2026, 11, 24, 20, 9, 15, 123e6, time.Local), level, event, 0)
		record.AddAttrs(attributes...)
		if err := handler.Handle(context.Background(), record); err != nil {
			t.Error(err)
		}
	}
	var out strings.Builder
	handler := newTextHandler(&out, slog.LevelInfo, false)
	handle(handler, slog.LevelInfo, "request", slog.String("request_id", "r"), slog.String("operation", "delete_api_key_v1_api_key__id__delete"),
		slog.Int("status", 200), slog.Int64("duration_us", 1234), slog.String("caller", "c"))
	handle(handler, slog.LevelWarn, "two\nlines", slog.String("cause", "\x1b[31m\" \n"), slog.String("empty", ""), slog.String("a", "b"))
	handle(handler, slog.LevelError, "request failed", slog.String("cause", "panic"), slog.String("stack", "goroutine 1:\nmain.main()\n\t/main.go:1\x1b\n"))
	handle(handler.WithAttrs([]slog.Attr{slog.String("by", "me")}).WithGroup("g"), slog.LevelInfo, "key revoked", slog.String("key", "k"))
	want := `20:09:15.123 INFO   200  delete_api_key  1.234ms  request_id=r  caller=c
20:09:15.123 WARN   two\nlines  cause="\x1b[31m\" \n"  empty=""  a=b
20:09:15.123 ERROR  request failed  cause=panic
    goroutine 1:
    main.main()
    /main.go:1\x1b
20:09:15.123 INFO   key revoked  by=me  key=k
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if handler.Enabled(context.Background(), slog.LevelDebug) || !handler.Enabled(context.Background(), slog.LevelInfo) {
		t.Error("the level is not honoured")
	}

	out.Reset()
	coloured := newTextHandler(&out, slog.LevelDebug, true)
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		handle(coloured, level, "e", slog.String("k", "v"))
	}
	for _, part := range []string{faint + "DEBUG", green + "INFO ", yellow + "WARN ", red + "ERROR", faint + "k=" + plain + "v"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in %q", part, out.String())
		}
	}
}
