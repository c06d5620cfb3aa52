package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

// taken returns an address that another listener has.
func taken(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

// An admin address that is in use is an error if the operator chose it, even if it is the default.
func TestAdminAddressTaken(t *testing.T) {
	for _, chosen := range []bool{true, false} {
		var log bytes.Buffer
		s := &service{
			serveSettings: serveSettings{
				logger: slog.New(slog.NewTextHandler(&log, nil)), addr: "127.0.0.1:0", adminAddr: taken(t), adminChosen: chosen,
			},
			api: &http.Server{}, //nolint:gosec // it serves nothing
		}
		err := s.listen(t.Context(), &serveCommand{})
		s.listener.Close()
		if chosen && (err == nil || !strings.Contains(err.Error(), "--admin-addr") || log.Len() > 0) {
			t.Errorf("chosen: %v, log %s", err, &log)
		}
		if !chosen && (err != nil || !strings.Contains(log.String(), `msg="no admin listener"`)) {
			t.Errorf("default: %v, log %s", err, &log)
		}
	}
}

func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{nil, nil, "default"},
		{[]string{"--admin-addr", "127.0.0.1:9090"}, nil, "flag"},
		{[]string{"--admin-addr", ""}, nil, "flag"},
		{nil, map[string]string{"DIGA_ADMIN_ADDR": "127.0.0.1:9090"}, "DIGA_ADMIN_ADDR"},
		{[]string{"--admin-addr", ":1"}, map[string]string{"DIGA_ADMIN_ADDR": ":2"}, "flag"},
	} {
		env := environment(func(name string) (string, bool) { value, ok := test.env[name]; return value, ok })
		parser, err := newParser(t.Context(), "serve", env, streams{out: io.Discard, err: io.Discard}, func(int) {})
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.Parse(append([]string{"serve"}, test.args...))
		if err != nil {
			t.Fatal(err)
		}
		if got := origin(parsed, env, "admin-addr"); got != test.want {
			t.Errorf("%v %v: %q, want %q", test.args, test.env, got, test.want)
		}
	}
}
