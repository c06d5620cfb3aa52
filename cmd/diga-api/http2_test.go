package main

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// testCertificate returns a certificate, made outside of the bubbles of the tests.
var testCertificate = sync.OnceValue(func() tls.Certificate {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return server.TLS.Certificates[0]
})

// serveTLS starts a server with the limits of production and few connections. The test has to stop it.
func serveTLS(most int, shed func(), handler http.HandlerFunc) *limitedServer {
	l := defaultLimits
	l.connections = most
	conns := newConnections(most, shed)
	s := newLimitedServer(newAPIServer(handler, l, conns, slog.New(slog.DiscardHandler)), conns)
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{testCertificate()}}
	go s.ServeTLS(s.listener, "", "")
	return s
}

// The frames of HTTP/2 that these tests send and read, and their flags.
const (
	frameData, frameHeaders, frameReset, frameSettings = 0, 1, 3, 4

	flagEndStream, flagEndHeaders = 1, 4
)

// frame is a frame of HTTP/2.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

// http2Client is one end of an HTTP/2 connection. It reads nothing by itself.
type http2Client struct {
	net.Conn
	t      *testing.T
	opened chan struct{} // closed when the preface has been sent
}

// dialHTTP2 opens a connection on which the server may send at most window bytes of each response.
func (s *limitedServer) dialHTTP2(t *testing.T, window uint32) *http2Client {
	t.Helper()
	conn := tls.Client(s.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	c := &http2Client{conn, t, make(chan struct{})}
	settings := frame{kind: frameSettings, payload: binary.BigEndian.AppendUint32([]byte{0, 4}, window)}
	go func() { // the pipe has no buffer, and the server may write its settings first
		conn.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings.encode()...))
		close(c.opened)
	}()
	return c
}

func (f frame) encode() []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(f.payload))<<8|uint32(f.kind))
	out = binary.BigEndian.AppendUint32(append(out, f.flags), f.stream)
	return append(out, f.payload...)
}

// send sends data in the background, after the preface.
func (c *http2Client) send(data []byte) {
	go func() {
		<-c.opened
		c.Write(data)
	}()
}

// get sends a GET for / on stream.
func (c *http2Client) get(stream uint32) {
	header := []byte{0x82, 0x87, 0x84, 0x41, 1, 'x'} // GET, https, / and the authority x, see RFC 7541, appendix A
	c.send(frame{frameHeaders, flagEndStream | flagEndHeaders, stream, header}.encode())
}

// next returns the next frame of one of the kinds; its kind is 0xff if the connection has ended.
func (c *http2Client) next(kinds ...byte) frame {
	c.t.Helper()
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(c, head); err != nil {
			return frame{kind: 0xff}
		}
		f := frame{head[3], head[4], binary.BigEndian.Uint32(head[5:]), make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))}
		if _, err := io.ReadFull(c, f.payload); err != nil {
			return frame{kind: 0xff}
		}
		for _, kind := range kinds {
			if f.kind == kind {
				return f
			}
		}
	}
}

// ended waits until the server closes the connection, and returns when that was.
func (c *http2Client) ended() time.Time {
	c.t.Helper()
	c.next()
	return time.Now()
}

func TestHTTP2Settings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveTLS(2, func() {}, func(http.ResponseWriter, *http.Request) {})
		defer s.stop()
		conn := s.dialHTTP2(t, 1<<16-1)
		defer conn.Close()
		settings := make(map[uint16]uint32)
		for payload := conn.next(frameSettings).payload; len(payload) >= 6; payload = payload[6:] {
			settings[binary.BigEndian.Uint16(payload)] = binary.BigEndian.Uint32(payload[2:])
		}
		const maxConcurrentStreams, maxFrameSize = 3, 5
		if settings[maxConcurrentStreams] != uint32(defaultLimits.streams) || settings[maxFrameSize] != 16<<10 {
			t.Errorf("settings %v", settings)
		}
	})
}

// When as many HTTP/2 requests are in progress as there may be connections, any more are reset.
func TestHTTP2RequestsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, finish := make(chan struct{}), make(chan struct{})
		shed := 0
		s := serveTLS(2, func() { shed++ }, func(http.ResponseWriter, *http.Request) {
			begun <- struct{}{}
			<-finish
		})
		defer s.stop()
		conn := s.dialHTTP2(t, 1<<16-1)
		defer conn.Close()
		conn.next(frameSettings)
		for _, stream := range []uint32{1, 3} {
			conn.get(stream)
			<-begun
		}
		conn.get(5)
		if got := conn.next(frameReset, frameHeaders); got.kind != frameReset || got.stream != 5 {
			t.Errorf("got frame %+v", got)
		}
		close(finish)
		for range 2 {
			if got := conn.next(frameReset, frameHeaders); got.kind != frameHeaders || got.stream == 5 {
				t.Errorf("got frame %+v", got)
			}
		}
		if shed != 1 {
			t.Errorf("%d requests counted as shed", shed)
		}
		synctest.Wait()
		if got := s.connections.requests.Load(); got != 0 {
			t.Errorf("%d requests in progress at the end", got)
		}
	})
}

// A client that does not read its responses gives way to others.
func TestUnreadHTTP2Responses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveTLS(2, func() {}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "answer") })
		defer s.stop()
		attacker, honest := s.dialHTTP2(t, 0), s.dialHTTP2(t, 1<<16-1)
		defer attacker.Close()
		defer honest.Close()
		attacker.next(frameSettings)
		honest.next(frameSettings)
		for _, stream := range []uint32{1, 3} {
			attacker.get(stream)
			if got := attacker.next(frameHeaders, frameReset); got.kind != frameHeaders {
				t.Errorf("got frame %+v", got)
			}
		}
		honest.get(1)
		if got := honest.next(frameHeaders, frameReset); got.kind != frameReset {
			t.Errorf("got frame %+v at once", got)
		}
		time.Sleep(patience)
		honest.get(3)
		if got := honest.next(frameHeaders, frameReset); got.kind != frameHeaders {
			t.Errorf("got frame %+v", got)
		}
		if got := honest.next(frameData); string(got.payload) != "answer" {
			t.Errorf("got frame %+v", got)
		}
		if began := time.Now(); attacker.ended().Sub(began) > time.Second {
			t.Error("the connection is still open")
		}
		if got := testutil.ToFloat64(s.connections.dropped.WithLabelValues("unread")); got != 1 {
			t.Errorf("%v connections counted", got)
		}
	})
}

// Each wait for an HTTP/2 client, or for its handshake, ends.
func TestSlowHTTP2ClientsAreDisconnected(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	for name, test := range map[string]struct {
		attack func(*testing.T, *limitedServer) net.Conn
		limit  time.Duration
	}{
		"silence": {func(_ *testing.T, s *limitedServer) net.Conn { return s.dial() }, defaultLimits.header},
		"half a handshake": {func(_ *testing.T, s *limitedServer) net.Conn {
			conn := s.dial()
			io.WriteString(conn, "\x16\x03\x01\x01\x00")
			return conn
		}, defaultLimits.header},
		"idle": {func(t *testing.T, s *limitedServer) net.Conn {
			conn := s.dialHTTP2(t, 0)
			conn.next(frameSettings)
			return conn
		}, defaultLimits.idle},
		"half a frame": {func(t *testing.T, s *limitedServer) net.Conn {
			conn := s.dialHTTP2(t, 0)
			conn.next(frameSettings)
			conn.send([]byte{0, 1, 0, frameHeaders})
			return conn
		}, defaultLimits.idle},
		"half a header": {func(t *testing.T, s *limitedServer) net.Conn {
			conn := s.dialHTTP2(t, 0)
			conn.next(frameSettings)
			conn.send(frame{frameHeaders, flagEndStream, 1, []byte{0x82}}.encode()) // to be continued
			return conn
		}, defaultLimits.idle},
		"response not read": {func(t *testing.T, s *limitedServer) net.Conn {
			conn := s.dialHTTP2(t, 0)
			conn.next(frameSettings)
			conn.get(1)
			if got := conn.next(frameReset); got.stream != 1 {
				t.Errorf("got frame %+v", got)
			}
			if took := time.Since(bubbleBegan); took < defaultLimits.write || took > defaultLimits.request+defaultLimits.write+time.Second {
				t.Errorf("reset after %s", took)
			}
			return conn
		}, defaultLimits.idle},
		"nothing read": {func(t *testing.T, s *limitedServer) net.Conn {
			conn := s.dialHTTP2(t, 1<<30)
			conn.next(frameSettings)
			conn.get(1)
			time.Sleep(defaultLimits.write + 6*time.Second) // without reading; crypto/tls takes 5 s to say goodbye
			if open := testutil.ToFloat64(s.connections.gauge); open != 0 {
				t.Errorf("%v connections are open", open)
			}
			return conn
		}, defaultLimits.write},
	} {
		t.Run(name, func(t *testing.T) {
			testCertificate()
			synctest.Test(t, func(t *testing.T) {
				s := serveTLS(50, func() {}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, large) })
				defer s.stop()
				began := time.Now()
				conn := test.attack(t, s)
				defer conn.Close()
				if _, err := io.Copy(io.Discard, conn); timedOut(err) || errors.Is(err, net.ErrClosed) {
					t.Errorf("ended by the client: %v", err)
				}
				if took := time.Since(began); took < test.limit || took > test.limit+10*time.Second {
					t.Errorf("disconnected after %s, the limit is %s", took, test.limit)
				}
			})
		})
	}
}

// bubbleBegan is when the time of a bubble begins.
var bubbleBegan = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
