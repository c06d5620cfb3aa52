package postgres

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Pooled starts PgBouncer in front of the server, with so many connections to each database, which change hands after each
// transaction. It returns a function that turns the URL of a database on the server into one through PgBouncer.
func (s *Server) Pooled(t testing.TB, size int) func(database string) string {
	t.Helper()
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		bin = "/usr/sbin/pgbouncer" // off the PATH of Debian's users
		if _, err := os.Stat(bin); err != nil {
			t.Fatal(errors.New("PgBouncer is missing: apt-get install pgbouncer"))
		}
	}
	file := func(name, text string) string {
		path := filepath.Join(s.folder, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const port = "6432" // part of the name of the Unix socket
	users := file("pgbouncer.users", `"diga" "`+password+`"`)
	config := file("pgbouncer.ini", fmt.Sprintf(`[databases]
* = host=%[1]s
[pgbouncer]
unix_socket_dir = %[1]s
listen_port = %[2]s
auth_type = plain
auth_file = %[3]s
pool_mode = transaction
default_pool_size = %[4]d
max_client_conn = 1000
pidfile = %[1]s/pgbouncer.pid
`, s.folder, port, users, size))
	log, err := os.Create(filepath.Join(s.folder, "pgbouncer.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	process := s.command("pgbouncer", config)
	process.Path, process.Args[0] = bin, bin
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		process.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		process.Process.Kill()
		<-exited
		os.Remove(filepath.Join(s.folder, "pgbouncer.pid"))
	})
	through := func(database string) string {
		parsed, err := url.Parse(database)
		if err != nil {
			t.Fatal(err)
		}
		query := parsed.Query()
		query.Set("port", port)
		parsed.RawQuery = query.Encode()
		return parsed.String()
	}
	db, err := sql.Open("pgx", through(s.URL)+"&default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		err := db.PingContext(t.Context())
		if err == nil {
			return through
		}
		select {
		case <-exited:
		case <-time.After(10 * time.Millisecond):
			if time.Now().Before(deadline) {
				continue
			}
		}
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("pgbouncer (process %s) does not answer: %v\n%s", strconv.Itoa(process.Process.Pid), err, text)
	}
}
