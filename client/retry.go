package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// RetryPolicy says how often and how patiently a call is repeated after a connection error or a 408, 429, 500, 502,
// 503 or 504. A field left zero has its default.
//
// Before attempt n+1 the client waits a random time of at most BaseDelay·2ⁿ⁻¹ ("full jitter"), and no less than a
// Retry-After header asks for. MaxDelay caps both.
type RetryPolicy struct {
	MaxAttempts int           // the first included; 1 means no retries; default 4
	BaseDelay   time.Duration // default 250 ms
	MaxDelay    time.Duration // default 10 s

	// Budget is how many retries all calls of a client together may make at once; one is given back each second. While
	// it is spent, calls get the error of their first attempt: a server that is down is not hammered. Default 10.
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

// delay is the wait after the given attempt, which was answered with header (nil: not at all).
func (p RetryPolicy) delay(attempt int, header http.Header, now time.Time) time.Duration {
	ceiling := p.MaxDelay
	if shift := attempt - 1; shift < 32 && p.BaseDelay < p.MaxDelay>>shift {
		ceiling = p.BaseDelay << shift
	}
	jittered := rand.N(ceiling)
	return min(max(jittered, retryAfter(header, now)), p.MaxDelay)
}

// retryAfter reads both forms of the header, seconds and a date; 0 when there is none to obey.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(now) // Sub saturates; the past is less than any wait
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

// retryStatus says whether another attempt may fare better.
func retryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// budget is a token bucket: each retry takes a token, and one comes back each second up to size.
type budget struct {
	size float64

	mu     sync.Mutex
	tokens float64
	at     time.Time // when tokens was true
}

func newBudget(size int) *budget {
	return &budget{size: float64(size), tokens: float64(size), at: time.Now()}
}

// take says whether a retry may be made, and counts it.
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

// journey notes how far an attempt came, to tell a request that was never sent from one whose response was lost. The
// transport may call from its own goroutines, even after the attempt ended.
type journey struct {
	asked     atomic.Bool           // for a connection: the transport reports its steps
	connected atomic.Bool           // bytes may have been sent from here on
	handshake atomic.Pointer[error] // why a TLS handshake failed
}

func (j *journey) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { j.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { j.connected.Store(true) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err != nil {
				j.handshake.Store(&err)
			}
		},
	})
}

// mayHaveArrived says whether the server may have acted on an attempt that ended in err without a response. A
// transport that reports no steps leaves only the error to go by: all but a failed dial may have been sent.
func (j *journey) mayHaveArrived(err error) bool {
	if j.asked.Load() {
		return j.connected.Load()
	}
	var dns *net.DNSError
	var op *net.OpError
	return !errors.As(err, &dns) && (!errors.As(err, &op) || op.Op != "dial")
}

// classify names the kind of err for the log and says whether another attempt may fare better. Errors of set-up (a
// certificate that does not verify, a host that does not exist) are there to stay.
func (j *journey) classify(err error) (kind string, retry bool) {
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		invalid     x509.CertificateInvalidError
		record      tls.RecordHeaderError
		dns         *net.DNSError
		op          *net.OpError
		timeout     interface{ Timeout() bool }
	)
	isOp := errors.As(err, &op)
	switch {
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid),
		errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "tls", false
	case isOp && (op.Op == "remote error" || op.Op == "local error"): // what crypto/tls calls an alert
		return "tls", false
	case errors.As(err, &dns):
		return "dns", !dns.IsNotFound
	case errors.Is(err, context.Canceled):
		return "canceled", true
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout", true
	case isOp && op.Op == "dial":
		return "dial", true
	case isOp, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection", true
	}
	// A handshake that both sides took part in and one of them refused, as when their versions do not fit.
	if failed := j.handshake.Load(); failed != nil && errors.Is(err, *failed) {
		return "tls", false
	}
	return "connection", true
}
