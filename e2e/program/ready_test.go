package program_test

import (
	"net"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

func TestReady(t *testing.T) {
	ready := process.Serve(t, "--database-url", process.SQLite(t))
	waiting := process.Launch(t, "--database-url", "postgres://"+refusing(t)+"/keys?sslmode=disable")
	waiting.AwaitStart(t)
	port := func(s *process.Server) string {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(s.Admin, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
	for _, test := range []struct {
		addr           string
		status         int
		stdout, stderr string // a part of each
	}{
		{"127.0.0.1:" + port(ready), 0, "ready\n", ""},
		{":" + port(ready), 0, "ready\n", ""},
		{"0.0.0.0:" + port(ready), 0, "ready\n", ""},
		{":" + port(waiting), 1, "", "503 Service Unavailable: [-] store: the store is not open yet"},
		{refusing(t), 1, "", "connection refused; is the server running, and is --admin-addr (DIGA_ADMIN_ADDR) its address?"},
		{"127.0.0.1:0", 2, "", "--admin-addr"},
		{"nowhere", 2, "", "--admin-addr"},
		{"", 2, "", "--admin-addr"},
	} {
		cmd := process.Command(t, "ready", "--admin-addr", test.addr)
		cmd.Env = append(cmd.Env, "HTTP_PROXY=http://"+refusing(t), "http_proxy=http://"+refusing(t))
		got := process.Run(t, cmd)
		if got.Status != test.status || got.Stdout != test.stdout || !strings.Contains(got.Stderr, test.stderr) || (test.status != 0 && strings.Count(got.Stderr, "\n") != 1) {
			t.Errorf("%s: %+v", test.addr, got)
		}
	}
	cmd := process.Command(t, "ready")
	cmd.Env = append(cmd.Env, "DIGA_ADMIN_ADDR=:"+port(ready))
	if got := process.Run(t, cmd); got.Status != 0 {
		t.Errorf("with the environment of the server: %+v", got)
	}
}
