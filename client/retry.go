package client

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// RetryPolicy says how calls are repeated. A field that is zero has its default. Which errors are followed by another
// attempt depends on the method:
//
//   - GET, HEAD, OPTIONS, PUT and DELETE: connection errors and the statuses 408, 429, 500, 502, 503 and 504.
//   - POST and PATCH: connection errors before the request was sent, and the statuses 429 and 503.
//   - A request whose body can be read only once is sent once.
//
// Before attempt n+1 the client waits a random time of at most BaseDelay·2ⁿ⁻¹ ("full jitter"), and no less than a
// Retry-After header asks for. MaxDelay caps both.
type RetryPolicy struct {
	MaxAttempts int           // the first one included; 1 means no retries; default 4
	BaseDelay   time.Duration // default 250 ms
	MaxDelay    time.Duration // default 10 s

	// Budget is the number of retries that all calls of a client share, so that they do not overload a server that is
	// down. A retry that leads to an answer is given back, as is one retry for each second and for every five calls
	// that need none. While the budget is spent, calls are not repeated and their errors say so. Default 10. It is a
	// setting of New; in the options of a call it has no effect.
	Budget int
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = 4
	}
	if p.BaseDelay == 0 {
		p.BaseDelay = 250 * time.Millisecond
	}
	if p.MaxDelay == 0 {
		p.MaxDelay = 10 * time.Second
	}
	if p.Budget == 0 {
		p.Budget = 10
	}
	return p
}

func (p RetryPolicy) check() error {
	if p.MaxAttempts < 0 || p.BaseDelay < 0 || p.MaxDelay < 0 || p.Budget < 0 {
		return errors.New("the retry policy has a negative number")
	}
	return nil
}

// delay returns the wait after the given attempt, whose response asked for at least retryAfter.
func (p RetryPolicy) delay(attempt int, retryAfter time.Duration) time.Duration {
	ceiling := p.MaxDelay
	if shift := attempt - 1; shift < 32 && p.BaseDelay < p.MaxDelay>>shift {
		ceiling = p.BaseDelay << shift
	}
	return min(max(rand.N(ceiling), retryAfter), p.MaxDelay)
}

// retryAfter parses both forms of the Retry-After header, seconds and a date. It returns 0 if there is no valid one, and
// if the date has passed.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0) // Sub saturates
	}
	seconds, err := strconv.ParseUint(value, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && seconds > 1<<32:
		return 1 << 62
	case err != nil:
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// repeatable reports whether a request of the given method may be handled twice by the server.
func repeatable(method string) bool { return method != http.MethodPost && method != http.MethodPatch }

// retryStatus reports whether another attempt may succeed after the given status.
func retryStatus(method string, status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return repeatable(method)
	}
	return false
}

// budget is a token bucket: each retry takes a token.
type budget struct {
	size float64

	mu     sync.Mutex
	tokens float64
	at     time.Time // when tokens was true
}

func newBudget(size int) *budget {
	return &budget{size: float64(size), tokens: float64(size), at: time.Now()}
}

// take reports whether a retry may be made, and counts it.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = min(b.size, b.tokens+now.Sub(b.at).Seconds())
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// answered gives back the retries of a call that led to an answer, as the SDK of AWS does: a server that answers is not
// overloaded by the retries that got the answer.
func (b *budget) answered(retries int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.size, b.tokens+max(float64(retries), 0.2))
}
