package main

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })

	limit := newMemoryLimit()
	for _, open := range []int{1, 64, 65, 1000} {
		limit.allow(open)
		if got, promised := debug.SetMemoryLimit(-1), int64(memoryBase+open*memoryPerConnection); got >= promised || got < promised/2 {
			t.Errorf("%d open connections: the limit is %d, %d are promised", open, got, promised)
		}
	}
	most := debug.SetMemoryLimit(-1)
	if limit.allow(2); debug.SetMemoryLimit(-1) != most {
		t.Error("room was taken back")
	}

	const own = 1 << 40
	debug.SetMemoryLimit(own)
	newMemoryLimit().allow(1)
	if got := debug.SetMemoryLimit(-1); got != own {
		t.Errorf("the operator's limit became %d", got)
	}
}
