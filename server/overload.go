package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// errOverloaded is the error of a request that is not served because Options.MaxInFlight are being served.
var errOverloaded = errors.New("too many requests in flight")

// shedWarning is how often the log says that requests are shed, while they are.
const shedWarning = time.Minute

// inFlight limits the requests that are served at the same time. It does not queue any, because a server that is
// overloaded would then serve requests whose clients have given up.
type inFlight struct {
	limit  int64 // 0: none
	count  atomic.Int64
	warned atomic.Int64 // when the log said that requests are shed, in seconds since 1970
}

// admit reports whether a request may be served. If so, release has to follow.
func (f *inFlight) admit() bool {
	if f.count.Add(1) <= f.limit || f.limit == 0 {
		return true
	}
	f.count.Add(-1)
	return false
}

func (f *inFlight) release() { f.count.Add(-1) }

// shed records that a request is not served.
func (f *inFlight) shed(ctx context.Context, options Options) {
	options.Observer.Shed()
	now, warned := options.Now().Unix(), f.warned.Load()
	if now-warned >= int64(shedWarning/time.Second) && f.warned.CompareAndSwap(warned, now) {
		options.Logger.LogAttrs(ctx, slog.LevelWarn, "requests shed", slog.Int64("max_in_flight", f.limit))
	}
}
