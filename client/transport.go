package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// safeHTTPClient returns a copy of the http client that adds the key to requests and follows only redirects that keep
// method, scheme, host and port. net/http would turn a DELETE that gets a 301, 302 or 303 into a GET, whose 200 says
// nothing about the key, and would send the key to subdomains and from https to http. A redirect that is not followed
// is returned as the response, and becomes an error.
func (c *Client) safeHTTPClient() *http.Client {
	safe := *c.settings.httpClient
	safe.Transport = &transport{base: safe.Transport, url: c.base, key: c.key}
	theirs := safe.CheckRedirect
	safe.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		first := via[0]
		elsewhere := next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host
		if elsewhere || next.Method != first.Method || len(via) >= 10 {
			return http.ErrUseLastResponse
		}
		if theirs != nil {
			return theirs(next, via)
		}
		return nil
	}
	return &safe
}

// transport adds the key to a copy of each request, as late as possible, and records how far the request came.
type transport struct {
	base http.RoundTripper // nil: http.DefaultTransport
	url  *url.URL
	key  secret
}

func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	ctx := request.Context()
	trip, _ := ctx.Value(tripKey{}).(*trip)
	if trip != nil {
		if request.Response != nil { // of the redirect that led here; it says that nothing was done
			trip.connections.Store(0)
		}
		ctx = trip.trace(ctx)
	}
	request = request.Clone(ctx)
	if request.URL.Scheme == t.url.Scheme && request.URL.Host == t.url.Host {
		request.Header.Set("Authorization", "Bearer "+t.key.reveal())
	}
	response, err := base.RoundTrip(request)
	if trip != nil {
		trip.err = err
	}
	return response, err
}

// CloseIdleConnections makes that of http.Client work.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

type tripKey struct{}

// trip records how far an attempt came, to tell a request that was never sent from one whose response was lost. The
// transport may call the hooks from its own goroutines, even after the attempt ended.
type trip struct {
	requested   atomic.Bool           // a connection was requested, so the transport reports its steps
	connections atomic.Int32          // obtained. From the first one on, bytes may have been sent
	handshake   atomic.Pointer[error] // why a TLS handshake failed
	err         error                 // of the transport; nil if a request was answered or none was made
}

func (t *trip) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.requested.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.connections.Add(1) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err != nil {
				t.handshake.Store(&err)
			}
		},
	})
}

// sent reports whether the server may have received the request. Of a transport that does not report its steps, it is
// known only that an error of the network may have come after sending.
func (t *trip) sent() bool {
	return t.connections.Load() > 0 || !t.requested.Load() && isNetwork(t.err) && !t.unsent()
}

// resent reports whether net/http sent the request again by itself, which it does on a connection that was reused if the
// method is idempotent or the request has an Idempotency-Key. The server may have handled both.
func (t *trip) resent() bool { return t.connections.Load() > 1 }

// unsent reports whether it is certain that nothing was sent.
func (t *trip) unsent() bool {
	if t.requested.Load() {
		return t.connections.Load() == 0
	}
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(t.err, &dns) || errors.As(t.err, &op) && op.Op == "dial"
}

// isNetwork reports whether err is an error of the network or of a connection that ended early.
func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// The kinds of errors without a response.
const (
	kindConnection = "connection"
	kindTimeout    = "timeout"
	kindCanceled   = "canceled"
	kindSetup      = "setup" // another attempt would fail the same way
)

// kind classifies the error err of an attempt. A certificate that does not verify, a host that does not exist, a proxy
// that wants a password, and what went wrong outside of the transport are errors of setup.
func (t *trip) kind(err error) string {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		dns         *net.DNSError
		op          *net.OpError
		network     net.Error
	)
	handshake := t.handshake.Load()
	switch {
	case errors.Is(err, context.Canceled):
		return kindCanceled
	case t.err == nil,
		errors.As(t.err, &certificate), errors.As(t.err, &record), errors.Is(t.err, http.ErrSchemeMismatch),
		errors.As(t.err, &op) && (op.Op == "remote error" || op.Op == "local error"), // an alert of crypto/tls
		errors.As(t.err, &dns) && dns.IsNotFound,
		t.connections.Load() == 0 && t.err.Error() == http.StatusText(http.StatusProxyAuthRequired),
		!t.requested.Load() && !isNetwork(t.err):
		return kindSetup
	case errors.As(t.err, &network) && network.Timeout():
		return kindTimeout
	case handshake != nil && errors.Is(t.err, *handshake) && !isNetwork(t.err):
		return kindSetup
	}
	return kindConnection
}

var shared struct {
	sync.Mutex
	original, transport *http.Transport
}

// defaultTransport returns http.DefaultTransport with tighter limits. The copy is shared, so that a program that creates
// many clients does not collect connections. A program that replaces http.DefaultTransport, for instrumentation say,
// gets what it put there.
func defaultTransport() http.RoundTripper {
	original, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.original != original {
		shared.original, shared.transport = original, original.Clone()
		shared.transport.MaxIdleConnsPerHost = 16 // 2 would close most connections of many calls at once
		shared.transport.MaxResponseHeaderBytes = 64 << 10
		// A dead connection is detected before many calls time out on it.
		shared.transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
	}
	return shared.transport
}
