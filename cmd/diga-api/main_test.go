package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// run returns when its context ends, however early.
func TestRunHonoursItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--admin-addr", "", "--database-url", "sqlite:" + filepath.Join(t.TempDir(), "keys.db")}, os.LookupEnv, io.Discard, io.Discard)
	if ctx.Err() == nil {
		t.Error("it returned before")
	}
}

// A command line builds the parser of its own command only: that of all commands allocates six times as often.
func TestStartIsCheap(t *testing.T) {
	allocations := testing.AllocsPerRun(10, func() { run(t.Context(), []string{"version"}, os.LookupEnv, io.Discard, io.Discard) })
	if allocations > 2000 {
		t.Errorf("version allocates %.0f times", allocations)
	}
}
