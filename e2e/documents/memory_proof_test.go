//go:build proof && linux

package documents_test

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// TestMemory holds the program to what operations.md promises for sizing, with nearly as many connections as it takes,
// all of them busy.
func TestMemory(t *testing.T) {
	const connections, requests = 2000, 5
	database := process.SQLite(t)
	key := process.NewKey(t, database)
	// The race detector takes several times the memory, so that this is the program as it is released.
	cmd := process.Command(t, "serve", "--addr", "127.0.0.1:0", "--database-url", database, "--log-level", "error", "--request-timeout", "1m")
	cmd.Path = process.Release(t)
	cmd.Env = append(cmd.Env, "GOMEMLIMIT=98MiB") // as in deploy/
	server := process.Start(t, cmd)
	server.Await(t)
	idle := peakMemory(t, server.Process.Pid)

	var open sync.WaitGroup // all connections are open before the first request
	open.Add(connections)
	done := make(chan error, connections)
	for range connections {
		go func() {
			connection, err := net.Dial("tcp", strings.TrimPrefix(server.API, "http://"))
			open.Done()
			if err != nil {
				done <- err
				return
			}
			defer connection.Close()
			open.Wait()
			done <- unknownKeys(connection, key.Key, requests)
		}()
	}
	for range connections {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}

	const limit = 64<<10 + 32*connections // kB
	peak := peakMemory(t, server.Process.Pid)
	t.Logf("%d kB idle, %d kB at the peak of %d connections: %d kB each; the limit is %d kB",
		idle, peak, connections, (peak-idle)/connections, limit)
	if peak > limit {
		t.Errorf("the server took %d kB, more than %d kB", peak, limit)
	}
}

// unknownKeys asks to delete keys that do not exist, one after the other.
func unknownKeys(connection net.Conn, secret string, requests int) error {
	answers := bufio.NewReaderSize(connection, 512)
	for range requests {
		_, err := fmt.Fprintf(connection, "DELETE /v1/api_key/%s HTTP/1.1\r\nHost: diga\r\nAuthorization: Bearer %s\r\n\r\n",
			id(), secret)
		if err != nil {
			return err
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusNotFound {
			return fmt.Errorf("answered %s", response.Status)
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
