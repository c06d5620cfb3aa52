package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store"
)

// invalidSettings collects invalid settings, so that all are reported together. Flags are therefore strings to kong, which
// stops at the first one that it cannot parse.
type invalidSettings []error

// reject records that --flag is invalid. The value is not repeated, because it may contain a password.
func (s *invalidSettings) reject(flag, problem string) {
	*s = append(*s, fmt.Errorf("--%s (%s) %s", flag, variable(flag), problem))
}

// err returns all problems as one usage error, or nil.
func (s *invalidSettings) err() error {
	switch len(*s) {
	case 0:
		return nil
	case 1:
		return usageError((*s)[0])
	}
	return usageError(fmt.Errorf("%d invalid settings:\n%w", len(*s), errors.Join(*s...)))
}

const exampleUUID = "550e8400-e29b-41d4-a716-446655440000"

func (s *invalidSettings) uuid(flag, text string) apitype.UUID {
	id, err := apitype.ParseUUID(text)
	switch {
	case text == "":
		s.reject(flag, "is missing: write a UUID, such as "+exampleUUID)
	case err != nil:
		s.reject(flag, "is not a UUID, such as "+exampleUUID+": "+err.Error())
	}
	return id
}

// time parses a time.
func (s *invalidSettings) time(flag, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		s.reject(flag, "is not a time such as 2030-01-31T12:00:00Z")
	}
	return at
}

// duration parses a positive duration.
func (s *invalidSettings) duration(flag, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		s.reject(flag, "is not a positive duration with a unit, such as 500ms or 2s")
	}
	return d
}

// databaseURL checks the URL of a store.
func (s *invalidSettings) databaseURL(flag, text string) {
	if err := store.CheckURL(text); err != nil {
		s.reject(flag, "is invalid: "+strings.TrimPrefix(err.Error(), store.ErrURL.Error()+": "))
	}
}

// delay parses a duration that may be zero.
func (s *invalidSettings) delay(flag, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		s.reject(flag, "is not a duration with a unit, such as 0s or 5s")
	}
	return d
}

// positive parses a positive integer.
func (s *invalidSettings) positive(flag, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		s.reject(flag, "is not a positive integer")
	}
	return n
}

// address checks HOST:PORT. An empty HOST means all interfaces, and PORT 0 any free port.
func (s *invalidSettings) address(flag, text string) string {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		s.reject(flag, "is not HOST:PORT, such as 127.0.0.1:8080 or :8080")
	}
	return text
}

// networks parses a list of networks in CIDR notation, separated by commas. An empty text is an empty list.
func (s *invalidSettings) networks(flag, text string) (networks []*net.IPNet) {
	if text == "" {
		return nil
	}
	for item := range strings.SplitSeq(text, ",") {
		_, network, err := net.ParseCIDR(strings.TrimSpace(item))
		if err != nil {
			s.reject(flag, "is not a list of networks such as 10.0.0.0/8,192.0.2.1/32")
			return nil
		}
		networks = append(networks, network)
	}
	return networks
}

func (s *invalidSettings) oneOf(flag, text string, choices ...string) string {
	if !slices.Contains(choices, text) {
		s.reject(flag, "is not one of "+strings.Join(choices, ", "))
	}
	return text
}

func (s *invalidSettings) toggle(flag string, t toggle) bool {
	if t.malformed {
		s.reject(flag, "is neither true nor false")
	}
	return t.on
}

// fromDefault is the origin of a setting that the operator did not choose.
const fromDefault = "default"

// origin returns where the value of a flag comes from: "flag", the name of the environment variable, or fromDefault.
func origin(parsed *kong.Context, env environment, name string) string {
	if slices.ContainsFunc(parsed.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag.Name == name && !p.Resolved }) {
		return "flag"
	}
	if _, set := env(variable(name)); set {
		return variable(name)
	}
	return fromDefault
}

// toggle is a flag that is true or false.
type toggle struct{ on, malformed bool }

// String returns true or false.
func (t toggle) String() string { return strconv.FormatBool(t.on) }

// IsBool implements kong.BoolMapperValue: the flag needs no value.
func (*toggle) IsBool() bool { return true }

// Decode implements kong.MapperValue.
func (t *toggle) Decode(ctx *kong.DecodeContext) error { //nolint:unparam // the interface has the error
	*t = toggle{on: true}
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		on, err := strconv.ParseBool(fmt.Sprint(ctx.Scan.Pop().Value))
		*t = toggle{on: on, malformed: err != nil}
	}
	return nil
}

// databaseFlags select the store.
type databaseFlags struct {
	DatabaseURL string `default:"sqlite:diga.db" placeholder:"URL" help:"sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE."`
}

// check checks the URL without opening the store.
func (f databaseFlags) check(settings *invalidSettings) {
	settings.databaseURL("database-url", f.DatabaseURL)
}

// open reports what is invalid in the settings of a command, the URL included, or opens the store with openExisting.
func (f databaseFlags) open(ctx context.Context, settings *invalidSettings, options store.Options) (*store.Store, error) {
	f.check(settings)
	if err := settings.err(); err != nil {
		return nil, err
	}
	return openExisting(ctx, "database-url", f.DatabaseURL, options)
}

// openExisting opens the store of a server at url, which the flag of that name has, for a command that manages it. It neither
// creates nor migrates one: a mistyped URL must not become an empty store.
func openExisting(ctx context.Context, flag, url string, options store.Options) (*store.Store, error) {
	keys, err := store.Open(ctx, url, options)
	if errors.Is(err, fs.ErrNotExist) {
		path, _ := filepath.Abs(strings.TrimPrefix(url, "sqlite:"))
		return nil, fmt.Errorf("there is no store at sqlite:%s: set --%s (%s) to the store of the server", path, flag, variable(flag))
	}
	return keys, err
}

// logFlags configure the log, which goes to standard error.
type logFlags struct {
	LogLevel  string `default:"info" placeholder:"LEVEL" completion:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat string `default:"auto" placeholder:"FORMAT" completion:"auto,json,text" help:"json, text, or auto: text on a terminal, JSON elsewhere."`
}

// logger returns a logger to out, the log's way to std.err. It also reports whether the format is JSON.
func (f logFlags) logger(std streams, out io.Writer, settings *invalidSettings) (logger *slog.Logger, isJSON bool) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(settings.oneOf("log-level", f.LogLevel, "debug", "info", "warn", "error"))); err != nil {
		level = slog.LevelInfo
	}
	format := settings.oneOf("log-format", f.LogFormat, "auto", "json", "text")
	if format == "text" || format == "auto" && isTerminal(std.err) {
		return slog.New(newTextHandler(out, level, hasColour(std.err, std.env))), false
	}
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})), true
}
