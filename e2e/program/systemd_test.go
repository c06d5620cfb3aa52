package program_test

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// systemd is told when the server serves, that it still does, and when it stops.
func TestSystemdNotifications(t *testing.T) {
	for url, status := range map[string]string{
		process.SQLite(t): "Serving.",
		"postgres://" + refusing(t) + "/keys?sslmode=disable": "Waiting for the database.",
	} {
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(t.TempDir(), "notify")})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		receive := func() string {
			t.Helper()
			message := make([]byte, 4096)
			socket.SetReadDeadline(time.Now().Add(time.Minute))
			n, err := socket.Read(message)
			if err != nil {
				t.Fatal(err)
			}
			return string(message[:n])
		}
		cmd := process.Command(t, "serve", "--addr", "127.0.0.1:0", "--database-url", url)
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+socket.LocalAddr().String(), "WATCHDOG_USEC=2000000") // each check gets half of it, which a busy machine may need
		s := process.Start(t, cmd)
		if got := receive(); got != "READY=1\nSTATUS="+status {
			t.Errorf("at the start: %q", got)
		}
		for range 2 {
			if got := receive(); got != "WATCHDOG=1" {
				t.Errorf("while it serves: %q", got)
			}
		}
		log, err := s.Stop(t, syscall.SIGTERM)
		if err != nil || strings.Contains(log, "does not respond") || strings.Contains(log, `"status":400`) {
			t.Errorf("%v\n%s", err, log)
		}
		last := receive()
		for last == "WATCHDOG=1" {
			last = receive()
		}
		if last != "STOPPING=1\nSTATUS=Draining." {
			t.Errorf("at the end: %q", last)
		}
	}
}
