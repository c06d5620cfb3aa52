// Package postgres starts PostgreSQL servers for tests, from the programs on the machine.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/diga-io/diga-api/gen/apitype"
)

// Database returns the URL of a new database, dropped at the end of the test, on a server that is started once for the
// test binary.
func Database(t testing.TB) string {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return server.Database(t)
}

// shared is a server without durability, which makes it fast: its data need not survive a crash.
var shared = sync.OnceValues(func() (*Server, error) {
	server, err := initialize("fsync=off", "full_page_writes=off")
	if err != nil {
		return nil, err
	}
	return server, server.start()
})

// Server is a server that a test has for itself, to stop it and start it again. It listens on a Unix socket
// only, and asks for the password in URL.
type Server struct {
	URL string // of the database postgres, as superuser

	folder   string
	bin      string
	settings []string
	owner    *syscall.Credential // not root, which PostgreSQL rejects; nil: the user who runs the test
	process  *exec.Cmd           // nil while stopped
	exited   chan struct{}
	frozen   []int // the processes that Freeze stopped
	guard    *exec.Cmd
	life     io.Closer // while it is open the guard leaves the server alone
}

// Start starts a server with those settings ("name=value"), stopped and removed at the end of the test. Unless
// they say otherwise it is durable, as crash tests need it.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	server, err := initialize(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.remove)
	server.Start(t)
	return server
}

// Database returns the URL of a new database on the server.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	parsed, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	name := "diga_test_" + apitype.NewUUID().String()
	if _, err := db.ExecContext(t.Context(), `CREATE DATABASE "`+name+`"`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A server that the test has stopped for good takes the database with it.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		db.ExecContext(ctx, `DROP DATABASE "`+name+`" WITH (FORCE)`)
		db.Close()
	})
	parsed.Path = "/" + name
	return parsed.String()
}

// Start starts the stopped server and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the server in an orderly way, breaking its connections off.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGINT)
}

// Kill ends the server as a crash does: nothing is written that was not written already, and the next start has to
// recover.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGQUIT)
}

// With adds parameters to a URL.
func With(t testing.TB, text string, parameters ...string) string {
	t.Helper()
	parsed, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	query := parsed.Query()
	for i := 0; i < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	parsed.RawQuery = query.Encode()
	return parsed.String()
}

// PIDs returns the process ids that query selects.
func PIDs(t testing.TB, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, query string) (pids []int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return pids
}

// Freeze makes the server hang: connections stay, new ones seem to come about, and nothing answers, until Thaw.
func (s *Server) Freeze(t testing.TB) {
	t.Helper()
	db, err := sql.Open("pgx", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	pids := append([]int{s.process.Process.Pid}, // first, so that it starts no more
		PIDs(t, db, `SELECT pid FROM pg_stat_activity`)...)
	s.frozen = pids
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP) // one that has ended meanwhile is as good as stopped
	}
}

// Thaw lets the server go on after Freeze.
func (s *Server) Thaw() {
	for _, pid := range s.frozen {
		syscall.Kill(pid, syscall.SIGCONT)
	}
	s.frozen = nil
}

func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.exited:
		s.process = nil
	case <-time.After(time.Minute):
		t.Fatalf("postgres did not stop\n%s", s.log())
	}
}

var errMissing = errors.New("PostgreSQL is missing: apt-get install postgresql, brew install postgresql")

// programs is the folder of the server's programs: Debian keeps them off PATH, one folder for each version.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errMissing
	}
	version := func(path string) int {
		number, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return number
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

// Standby starts a streaming standby of the server, stopped and removed at the end of the test.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby, err := create(func(standby *Server) error {
		primary, err := url.Parse(s.URL)
		if err != nil {
			return err
		}
		password, _ := primary.User.Password()
		backup := standby.command("pg_basebackup", "--pgdata", standby.data(), "--write-recovery-conf", "--no-sync",
			"--checkpoint=fast", "--host", s.folder, "--username", primary.User.Username())
		backup.Env = append(backup.Env, "PGPASSWORD="+password)
		if output, err := backup.CombinedOutput(); err != nil {
			return fmt.Errorf("pg_basebackup: %w\n%s", err, output)
		}
		return nil
	}, s.settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.remove)
	standby.Start(t)
	return standby
}

// initialize creates a server without starting it.
func initialize(settings ...string) (*Server, error) {
	return create(func(server *Server) error {
		file := filepath.Join(server.folder, "password")
		if err := os.WriteFile(file, []byte(password), 0o644); err != nil {
			return err
		}
		// Passwords go in the clear, through a socket that only this account reaches: SCRAM is slow under the race detector.
		initdb := server.command("initdb", "--pgdata", server.data(), "--username", "diga", "--pwfile", file,
			"--auth", "password", "--encoding", "UTF8", "--locale", "C", "--no-sync")
		if output, err := initdb.CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w\n%s", err, output)
		}
		return nil
	}, settings)
}

const password = "pa55-w0rd"

// create creates a server whose data fill writes.
func create(fill func(*Server) error, settings []string) (_ *Server, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	// Not t.TempDir: the folder has to be short, as the path of a Unix socket is limited, and another account has to
	// reach it.
	folder, err := os.MkdirTemp("", "diga-pg-")
	if err != nil {
		return nil, err
	}
	server := &Server{
		URL:      "postgres://diga:" + password + "@/postgres?host=" + url.QueryEscape(folder),
		folder:   folder,
		bin:      bin,
		settings: settings,
	}
	defer func() {
		if err != nil {
			server.remove()
		}
	}()
	if os.Geteuid() == 0 {
		if server.owner, err = unprivileged(); err != nil {
			return nil, err
		}
		if err := os.Chown(folder, int(server.owner.Uid), int(server.owner.Gid)); err != nil {
			return nil, err
		}
	}
	if err := fill(server); err != nil {
		return nil, err
	}
	return server, server.watch()
}

// unprivileged is an account that may run the server when the test is run by root.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}, nil
	}
	return nil, errors.New("no account postgres or nobody to run PostgreSQL as, which refuses root")
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.bin, name), args...)
	command.Dir = s.folder
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} // no PG... of whoever runs the test
	command.SysProcAttr = &syscall.SysProcAttr{
		Credential: s.owner,
		Setpgid:    true, // ^C is for the test, whose end ends the server
	}
	return command
}

// watch starts a process that ends the server and removes its folder when the test binary ends, however it ends: there
// is no other hook that a panic, a timeout or SIGKILL leave in place.
func (s *Server) watch() error {
	const script = `cat >/dev/null
pid=$(cat "$0/pgbouncer.pid" 2>/dev/null) && kill -KILL "$pid"
pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && kill -CONT "$pid" && while kill -0 "$pid"; do sleep 0.1; done
rm -rf "$0"`
	s.guard = exec.Command("/bin/sh", "-c", script, s.folder)
	s.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	life, err := s.guard.StdinPipe()
	if err != nil {
		return err
	}
	s.life = life
	return s.guard.Start()
}

// remove stops the server and removes its folder.
func (s *Server) remove() {
	if s.life == nil { // no guard yet, and no server
		os.RemoveAll(s.folder)
		return
	}
	s.Thaw()
	s.life.Close()
	s.guard.Wait()
}

func (s *Server) start() error {
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-D", s.data(), "-k", s.folder, "-c", "listen_addresses=", "-c", "max_connections=300",
		"-c", "shared_buffers=32MB"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	process := s.command("postgres", args...)
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		process.Wait()
		close(exited)
	}()
	s.process, s.exited = process, exited

	db, err := sql.Open("pgx", s.URL)
	if err != nil {
		return err
	}
	defer db.Close()
	deadline := time.After(time.Minute)
	for {
		if err = db.Ping(); err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("postgres ended: %s", s.log())
		case <-deadline:
			return fmt.Errorf("postgres does not answer: %w\n%s", err, s.log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Log returns what the server has logged.
func (s *Server) Log() string { return string(s.log()) }

func (s *Server) log() []byte {
	text, _ := os.ReadFile(filepath.Join(s.folder, "log"))
	return text
}
