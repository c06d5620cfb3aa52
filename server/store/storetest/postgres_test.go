package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// ended records how a test ended.
type ended struct {
	testing.TB
	how string
}

func (e *ended) Helper() {}

func (e *ended) Skip(args ...any) {
	e.how = "skipped: " + fmt.Sprint(args...)
	runtime.Goexit()
}

func (e *ended) Fatal(args ...any) {
	e.how = "failed: " + fmt.Sprint(args...)
	runtime.Goexit()
}

// TestMissing shows that a test without PostgreSQL is skipped with a sentence that says how to get it, and fails in CI,
// where a skipped test would go unnoticed; and that a server which does not start is never a reason to skip.
func TestMissing(t *testing.T) {
	for _, test := range []struct {
		ci   string
		err  error
		want string
	}{
		{"", errNoPostgres, "skipped: no PostgreSQL for this test: install its server"},
		{"true", errNoPostgres, "failed: no PostgreSQL for this test: install its server"},
		{"", errors.New("initdb: exit status 1"), "failed: initdb: exit status 1"},
	} {
		t.Setenv("CI", test.ci)
		fake := &ended{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			missing(fake, test.err)
		}()
		<-done
		if !strings.HasPrefix(fake.how, test.want) {
			t.Errorf("CI=%q, %v: %s, want %s", test.ci, test.err, fake.how, test.want)
		}
	}
}
