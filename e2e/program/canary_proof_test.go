//go:build proof

package program_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
)

// The password in the URL of a PostgreSQL that answers is in no text of the program.
func TestPostgresPasswordStaysIn(t *testing.T) {
	const password = "pa55-w0rd" // of the server that the test starts
	url := postgres.Start(t).Database(t)
	if !strings.Contains(url, password) {
		t.Fatal("another password")
	}
	s := process.Serve(t, "--database-url", url, "--log-level", "debug")
	s.Delete(t, "unknown", "nope")
	for _, path := range []string{"/metrics", "/readyz?verbose", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
		if _, body := s.Get(t, path); strings.Contains(body, password) {
			t.Errorf("%s holds the password", path)
		}
	}
	log, err := s.Stop(t, syscall.SIGTERM)
	if err != nil || strings.Contains(log+strings.Join(s.Lines, ""), password) {
		t.Errorf("%v\n%s", err, log)
	}
}
