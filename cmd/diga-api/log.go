package main

import (
	"io"
	"log/slog"
	"os"
)

// logFlags say what is logged, and how. Logs go to standard error.
type logFlags struct {
	LogLevel  string `default:"info" placeholder:"LEVEL" help:"debug, info, warn or error. Default: ${default}."`
	LogFormat string `default:"auto" placeholder:"FORMAT" help:"json, text, or auto: text on a terminal, JSON elsewhere. Default: ${default}."`
}

// logger makes the logger that the flags ask for. Both formats escape what they are given.
func (f logFlags) logger(w io.Writer, settings *wrongSettings) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(settings.oneOf("log-level", f.LogLevel, "debug", "info", "warn", "error"))); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	format := settings.oneOf("log-format", f.LogFormat, "auto", "json", "text")
	if format == "text" || format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
