//go:build proof && linux

package program_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

const unlimited = unix.RLIM_INFINITY

// limitFiles keeps the files of the process from growing beyond size, as a full disk does.
func limitFiles(t testing.TB, s *process.Server, size uint64) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Prlimit(s.Process.Pid, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = min(size, limit.Max)
	if err := unix.Prlimit(s.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
}
