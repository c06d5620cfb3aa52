package main

import (
	"math"
	"runtime/debug"
)

// What docs/operations.md promises: the server takes less than memoryBase, and memoryPerConnection for each open
// connection.
const (
	memoryBase          = 64 << 20
	memoryPerConnection = 32 << 10
	// memoryOutside is what the Go runtime does not count, above all the program's text and SQLite's caches.
	memoryOutside = 30 << 20
)

// memoryLimit makes the garbage collector keep to that. On its own it lets the heap grow to twice of what is in use,
// stacks included: with two thousand busy connections, to more than that.
type memoryLimit struct {
	off  bool
	room int // connections that it has room for
}

// newMemoryLimit leaves a limit alone that the operator has set, as GOMEMLIMIT.
func newMemoryLimit() *memoryLimit {
	return &memoryLimit{off: debug.SetMemoryLimit(-1) != math.MaxInt64}
}

// allow makes room for that many open connections. It takes no room back: a server that once had many will again, and
// below the limit the collector works as ever.
func (l *memoryLimit) allow(open int) {
	if l.off || open <= l.room {
		return
	}
	l.room = open + 63 // each change of the limit stops the program for a moment
	debug.SetMemoryLimit(memoryBase - memoryOutside + int64(l.room)*memoryPerConnection)
}
