//go:build proof && linux

package documents_test

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// TestMemory holds the program to what operations.md promises for sizing, with nearly as many connections as it takes by
// default, whatever they do.
func TestMemory(t *testing.T) {
	const (
		connections   = 1000
		base          = 64 << 10 // kB
		perConnection = 288      // kB
		streams       = 16       // of HTTP/2
	)
	deleteKey := func() string { return "DELETE /v1/api_key/" + id() }
	bundle := func() string { return "GET /docs/swagger-ui-bundle.js" } // without gzip
	const token = "0123456789abcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~"
	var shortFields strings.Builder // 10 kB of different ones, which take more than twenty times their length in memory
	for _, a := range token {
		for _, b := range token {
			fmt.Fprintf(&shortFields, "%c%c:\n", a, b)
		}
	}
	for _, load := range []struct {
		name     string
		protocol string // of TLS; empty for none
		client   func(*client) error
		overload bool // whether the server may close some connections, as on a machine that is slower than its timeouts
	}{
		{"plain", "", func(c *client) error { return c.ask(5, deleteKey) }, false},
		{"plain, unknown keys", "", func(c *client) error { c.secret = "diga_unknown"; return c.ask(5, deleteKey) }, false},
		{"plain, documentation", "", func(c *client) error { return c.ask(2, bundle) }, false},
		{"plain, documentation read slowly", "", func(c *client) error { return c.readSlowly(bundle(), "") }, false},
		{"plain, slow bodies", "", func(c *client) error {
			return c.readSlowly(deleteKey(), "Content-Length: 100000\r\n\r\n"+strings.Repeat("x", 50_000))
		}, false},
		{"plain, slow headers", "", func(c *client) error { return c.sendSlowly(strings.Repeat("X-Slow: a\r\n", 1000)) }, true},
		{"plain, slow headers with many fields", "", func(c *client) error { return c.sendSlowly(shortFields.String()) }, true},
		{"TLS", "http/1.1", func(c *client) error { return c.ask(5, deleteKey) }, false},
		{"TLS, documentation", "http/1.1", func(c *client) error { return c.ask(2, bundle) }, false},
		{"TLS, documentation read slowly", "http/1.1", func(c *client) error { return c.readSlowly(bundle(), "") }, false},
		{"TLS, slow headers with many fields", "http/1.1", func(c *client) error { return c.sendSlowly(shortFields.String()) }, true},
		{"TLS, slow handshakes", "none", (*client).handshakeSlowly, true},
		{"HTTP2", "h2", func(c *client) error { return c.askHTTP2(1<<16-1, streams, deleteKey()) }, true},
		{"HTTP2, read slowly", "h2", func(c *client) error { return c.askHTTP2(0, streams, deleteKey()) }, true},
		{"HTTP2, documentation read slowly", "h2", func(c *client) error { return c.askHTTP2(0, streams, bundle()) }, true},
		{"HTTP2, many fields, read slowly", "h2", func(c *client) error {
			for i := range 240 { // as many as net/http takes
				c.fields += field(fmt.Sprintf("%02x", i), "")
			}
			return c.askHTTP2(0, streams, bundle())
		}, true},
		{"plain, many fields, documentation read slowly", "", func(c *client) error {
			return c.readSlowly(bundle(), shortFields.String())
		}, true},
	} {
		t.Run(load.name, func(t *testing.T) {
			database := process.SQLite(t)
			key := process.NewKey(t, database)
			args := []string{"serve", "--addr", "127.0.0.1:0", "--database-url", database, "--log-level", "error", "--request-timeout", "1m"}
			if load.protocol != "" {
				certificate, key, _ := process.Certificate(t)
				args = append(args, "--tls-cert", certificate, "--tls-key", key)
			}
			// The race detector takes several times the memory, so that this is the program as it is released.
			cmd := process.Command(t, args...)
			cmd.Path = process.Release(t)
			cmd.Env = append(cmd.Env, process.GoMemory...)
			server := process.Start(t, cmd)
			server.Await(t)
			idle := peakMemory(t, server.Process.Pid)

			_, address, _ := strings.Cut(server.API, "://")
			begun := new(sync.WaitGroup)
			begun.Add(connections)
			arrived := sync.OnceFunc(func() {
				begun.Wait()
				for unread(t, address) {
					time.Sleep(10 * time.Millisecond)
				}
			})
			clients := make([]*client, connections)
			for i := range clients {
				clients[i] = &client{secret: key.Key, begun: begun.Done, arrived: arrived}
			}
			connecting := make(chan struct{}, 20) // so that no handshake takes too long
			for _, err := range each(clients, func(c *client) (err error) {
				connecting <- struct{}{}
				defer func() { <-connecting }()
				for range 5 { // on a busy machine even a quick header may miss its time limit
					if err = c.connect(address, load.protocol); err == nil {
						break
					}
				}
				return err
			}) {
				t.Fatal(err)
			}
			failed := each(clients, load.client)
			for _, c := range clients {
				c.Close()
			}
			if !load.overload {
				for _, err := range failed {
					t.Error(err)
				}
			}
			const limit = base + perConnection*connections
			peak := peakMemory(t, server.Process.Pid)
			t.Logf("%d kB idle, %d kB at the peak: %d kB for each of %d connections; the limit is %d kB; %d connections failed",
				idle, peak, (peak-idle)/connections, connections, limit, len(failed))
			if peak > limit {
				t.Errorf("the server took %d kB, more than %d kB", peak, limit)
			}
		})
	}
}

// client is one of the clients of a load. All of them are connected before any begins, and stay connected until the last
// has ended.
type client struct {
	net.Conn
	secret  string
	fields  string // of HTTP/2, added to each request
	begun   func() // tells that this client has sent the beginning of a request
	arrived func() // waits until the server has read the beginnings of all clients
}

// unread reports whether the kernel has received something from a client that the server at address has not read.
func unread(t *testing.T, address string) bool {
	t.Helper()
	_, text, _ := strings.Cut(address, ":")
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Error(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Error(err)
	}
	const established = "01"
	for line := range strings.Lines(string(table)) {
		// The number, the local and the remote address, the state, and the bytes in the queues.
		fields := strings.Fields(line)
		if strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) && fields[3] == established && !strings.HasSuffix(fields[4], ":00000000") {
			return true
		}
	}
	return false
}

// each calls do for all clients at the same time, and returns the errors.
func each(clients []*client, do func(*client) error) (failed []error) {
	ended := make(chan error, len(clients))
	for _, c := range clients {
		go func() { ended <- do(c) }()
	}
	for range clients {
		if err := <-ended; err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// connect leaves the connection idle, which it may be for two minutes.
func (c *client) connect(address, protocol string) (err error) {
	if c.Conn, err = net.Dial("tcp", address); err != nil || protocol == "none" {
		return err
	}
	if protocol != "" {
		encrypted := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
		if err := encrypted.Handshake(); err != nil {
			return err
		}
		c.Conn = encrypted
	}
	if protocol == "h2" {
		_, err = c.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(frameSettings, 0, 0, nil)...))
		return err
	}
	return c.ask(1, func() string { return "GET /nowhere" })
}

// header returns a request without the empty line at the end of its header.
func (c *client) header(line string) string {
	return line + " HTTP/1.1\r\nHost: diga\r\nAuthorization: Bearer " + c.secret + "\r\n"
}

// ask sends requests, one after the other, and reads the responses.
func (c *client) ask(count int, line func() string) error {
	answers := bufio.NewReaderSize(c, 512)
	for range count {
		if _, err := io.WriteString(c, c.header(line())+"\r\n"); err != nil {
			return err
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return err
		}
		shed := response.StatusCode == http.StatusInternalServerError && response.Header.Get("Retry-After") != ""
		if response.StatusCode >= 500 && !shed {
			return fmt.Errorf("answered %s", response.Status)
		}
	}
	return nil
}

// readSlowly sends a request and reads no more than the beginning of the response.
func (c *client) readSlowly(line, rest string) error {
	if _, err := io.WriteString(c, c.header(line)+rest+"\r\n"); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 100))
	return err
}

// sendSlowly sends the header of a request, but its end not before all clients have come as far.
func (c *client) sendSlowly(fields string) error {
	_, err := io.WriteString(c, c.header("GET /nowhere")+fields)
	c.begun()
	c.arrived()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c, "\r\n"); err != nil {
		return err
	}
	_, err = http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	return err
}

// handshakeSlowly sends the longest message that begins a TLS handshake, but for its end, and waits for the server to
// give up.
func (c *client) handshakeSlowly() error {
	const clientHello, length = 1, 1<<16 - 5
	message := append([]byte{clientHello, 0, length >> 8, length & 255}, make([]byte, length-1)...)
	for len(message) > 0 {
		record := message[:min(len(message), 1<<14)]
		message = message[len(record):]
		if _, err := c.Write(append([]byte{22, 3, 1, byte(len(record) >> 8), byte(len(record))}, record...)); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, c)
	return err
}

// The frames of HTTP/2 that this test sends and reads, and their flags.
const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway = 0, 1, 3, 4, 7

	flagEndStream, flagAck, flagEndHeaders = 1, 1, 4
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	f := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	f = binary.BigEndian.AppendUint32(append(f, flags), stream)
	return append(f, payload...)
}

// field is a header field of HTTP/2, without compression. Name and value are shorter than 127 bytes.
func field(name, value string) string {
	return "\x10" + string(rune(len(name))) + name + string(rune(len(value))) + value
}

// askHTTP2 sends requests at the same time, and reads the responses to their ends. If the window is 0, the server can
// send no more of a response than its header.
func (c *client) askHTTP2(window uint32, count int, line string) error {
	method, path, _ := strings.Cut(line, " ")
	header := field(":method", method) + field(":scheme", "https") + field(":path", path) + field(":authority", "diga") +
		field("authorization", "Bearer "+c.secret) + c.fields
	out := frame(frameSettings, 0, 0, binary.BigEndian.AppendUint32([]byte{0, 4}, window))
	for i := range count {
		out = append(out, frame(frameHeaders, flagEndStream|flagEndHeaders, uint32(2*i+1), []byte(header))...)
	}
	if _, err := c.Write(out); err != nil {
		return err
	}
	in := bufio.NewReaderSize(c, 512)
	for left := count; left > 0; {
		var head [9]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return fmt.Errorf("%d of %d left: %w", left, count, err)
		}
		length, kind, flags := int(head[0])<<16|int(head[1])<<8|int(head[2]), head[3], head[4]
		if _, err := io.CopyN(io.Discard, in, int64(length)); err != nil {
			return err
		}
		switch {
		case kind == frameReset,
			kind == frameHeaders && (window == 0 || flags&flagEndStream != 0),
			kind == frameData && flags&flagEndStream != 0:
			left--
		case kind == frameSettings && flags&flagAck == 0:
			if _, err := c.Write(frame(frameSettings, flagAck, 0, nil)); err != nil {
				return err
			}
		case kind == frameGoAway:
			return errors.New("GOAWAY")
		}
	}
	return nil
}

// peakMemory is the largest resident set of the process so far, in kB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kB, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kB
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// id is a random UUID.
func id() string {
	var random [16]byte
	rand.Read(random[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", random[:4], random[4:6], random[6:8], random[8:10], random[10:])
}
