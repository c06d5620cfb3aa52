//go:build proof && linux

package program_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// BenchmarkRequests measures deletes, and 404s to a valid key, by 32 clients with persistent connections over loopback
// HTTP: by the program as operators start it, and by a bare net/http server that issues the same statements through the
// same store. Both are processes of their own, each with a database of its own, and take turns, so that other load on the
// machine affects all figures alike. It reports
//
//	delete/s, 404/s            requests per second of the program
//	delete-p99-ms              the time that 99 of 100 deletes by the program stay below
//	delete-cpu-us, 404-cpu-us  processor time of the program for a request, in microseconds
//	bare-delete-cpu-us, ...    the same of the bare server
//
// The databases have a thousand keys and, without -short, a million.
func BenchmarkRequests(b *testing.B) {
	sizes := func(database func(b *testing.B) string) func(b *testing.B) {
		return func(b *testing.B) {
			benchmarkRequests(b, 1_000, database)
			if !testing.Short() {
				benchmarkRequests(b, 1_000_000, database)
			}
		}
	}
	b.Run("SQLite", sizes(func(b *testing.B) string { return process.SQLite(b) }))
	b.Run("PostgreSQL", sizes(func(b *testing.B) string { return postgres.Start(b).Database(b) }))
}

// BenchmarkPool measures the same with different numbers of connections to PostgreSQL, to choose the default.
func BenchmarkPool(b *testing.B) {
	for _, connections := range []string{"4", "8", "16", "32", "64"} {
		b.Run("connections="+connections, func(b *testing.B) {
			benchmarkRequests(b, 1_000, func(b *testing.B) string { return postgres.Start(b).Database(b) }, "pool_max_conns", connections)
		})
	}
}

// bareVariable contains the URL of the store when the test binary runs as the bare server.
const bareVariable = "DIGA_BENCH_BARE"

func init() {
	if url := os.Getenv(bareVariable); url != "" {
		fmt.Println(serveBare(url))
		os.Exit(1)
	}
}

// serveBare serves deletes with nothing but net/http and the store, and prints its address.
func serveBare(url string) error {
	ctx := context.Background()
	keys, err := store.Open(ctx, url, store.Options{Migrate: true})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	remove := func(r *http.Request) error {
		caller, err := keys.Authenticate(r.Context(), apikey.SecretOf(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")).Hash())
		if err != nil {
			return err
		}
		id, err := apitype.ParseUUID(r.PathValue("id"))
		if err != nil {
			return err
		}
		return keys.Delete(r.Context(), caller.ProjectID, id, apikey.Deletion{At: time.Now(), By: caller.ID, RequestID: "request"})
	}
	http.HandleFunc("DELETE /v1/api_key/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch err := remove(r); {
		case err == nil:
			io.WriteString(w, "{}\n")
		case errors.Is(err, apikey.ErrNotFound):
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"status":"error","error_code":"API_KEY_NOT_FOUND","message":"Error from ApiKeyNotFoundException"}`+"\n")
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	return http.Serve(listener, nil)
}

// candidate is a server process with a database of its own.
type candidate struct {
	url         string
	project     apitype.UUID
	pid         int
	connections []*connection
}

const benchClients = 32

// newCandidate fills a database, starts a server on it, and connects the clients.
func newCandidate(b *testing.B, keys int, url string, start func(b *testing.B, url string) (pid int, address string), parameters []string) *candidate {
	b.Helper()
	opened := storetest.Open(b, url)
	c := &candidate{url: url, project: apitype.NewUUID()}
	caller := create(b, opened, c.project)
	if err := opened.Close(); err != nil {
		b.Fatal(err)
	}
	storetest.Fill(b, url, keys)
	if len(parameters) > 0 {
		url = postgres.With(b, url, parameters...)
	}
	pid, address := start(b, url)
	c.pid = pid
	for range benchClients {
		c.connections = append(c.connections, connectTo(b, address, caller.secret))
	}
	return c
}

// turns is what a server did in all its turns with one operation.
type turns struct {
	elapsed, processor time.Duration
	latencies          []time.Duration
}

// turn has the clients send a request for each of the targets.
func (c *candidate) turn(b *testing.B, l *turns, targets []apitype.UUID, status string) {
	latencies := make([]time.Duration, len(targets))
	var next atomic.Int64
	var wg sync.WaitGroup
	processor, start := processorTime(b, c.pid), time.Now()
	for _, connection := range c.connections {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(targets)); i = next.Add(1) - 1 {
				sent := time.Now()
				got, err := connection.delete(targets[i])
				latencies[i] = time.Since(sent)
				if err != nil || got != status {
					b.Errorf("answered %s, want %s: %v", got, status, err)
					return
				}
			}
		})
	}
	wg.Wait()
	l.elapsed += time.Since(start)
	l.processor += processorTime(b, c.pid) - processor
	l.latencies = append(l.latencies, latencies...)
}

// processorTime returns the time that all threads of the process, including ended ones, spent on a processor.
func processorTime(b *testing.B, pid int) time.Duration {
	var spent unix.Timespec
	const ofProcess = 2 // CPUCLOCK_SCHED; see clock_getcpuclockid(3)
	if err := unix.ClockGettime(int32(^pid<<3|ofProcess), &spent); err != nil {
		b.Fatal(err)
	}
	return time.Duration(spent.Nano())
}

func startProgram(b *testing.B, url string) (pid int, address string) {
	cmd := process.Command(b, "serve", "--addr", "127.0.0.1:0", "--database-url", url)
	cmd.Path = process.Release(b)
	cmd.Env = append(cmd.Env, process.GoMemory...)
	server := process.Start(b, cmd)
	server.Await(b)
	return server.Process.Pid, strings.TrimPrefix(server.API, "http://")
}

func startBare(b *testing.B, url string) (pid int, address string) {
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), bareVariable+"="+url)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	address, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(address, err)
	}
	return cmd.Process.Pid, strings.TrimSpace(address)
}

// benchmarkRequests measures servers with a number of keys each. Parameters are added to the URL that the servers get.
func benchmarkRequests(b *testing.B, keys int, database func(b *testing.B) string, parameters ...string) {
	candidates := [2]*candidate{
		newCandidate(b, keys, database(b), startProgram, parameters), newCandidate(b, keys, database(b), startBare, parameters),
	}
	b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
		const turn = 512
		var live [2][]apitype.UUID
		for i, c := range candidates {
			live[i] = claim(b, c.url, c.project, b.N)
		}
		unknown := make([]apitype.UUID, b.N)
		for i := range unknown {
			unknown[i] = apitype.NewUUID()
		}
		b.ResetTimer()
		var deletes, misses [2]turns
		for begin := 0; begin < b.N && !b.Failed(); begin += turn {
			end := min(begin+turn, b.N)
			for i, c := range candidates {
				c.turn(b, &deletes[i], live[i][begin:end], "200")
				c.turn(b, &misses[i], unknown[begin:end], "404")
			}
		}
		perSecond := func(l turns) float64 { return float64(b.N) / l.elapsed.Seconds() }
		each := func(l turns) float64 { return float64(l.processor.Microseconds()) / float64(b.N) }
		slices.Sort(deletes[0].latencies)
		p99 := deletes[0].latencies[len(deletes[0].latencies)*99/100]
		b.ReportMetric(0, "ns/op") // of all together: means nothing
		b.ReportMetric(perSecond(deletes[0]), "delete/s")
		b.ReportMetric(perSecond(misses[0]), "404/s")
		b.ReportMetric(1e3*p99.Seconds(), "delete-p99-ms")
		for i, prefix := range []string{"", "bare-"} {
			b.ReportMetric(each(deletes[i]), prefix+"delete-cpu-us")
			b.ReportMetric(each(misses[i]), prefix+"404-cpu-us")
		}
	})
}

// claim makes n keys to delete.
func claim(b *testing.B, url string, project apitype.UUID, n int) []apitype.UUID {
	b.Helper()
	storetest.Fill(b, url, n)
	rows, err := storetest.Connect(b, url).QueryContext(b.Context(), `UPDATE api_keys SET project_id = $1 WHERE id IN (SELECT id FROM api_keys `+
		`WHERE deleted_at IS NULL AND project_id <> $1 LIMIT $2) RETURNING id`, project.String(), n)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	ids := make([]apitype.UUID, 0, n)
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			b.Fatal(err)
		}
		id, err := apitype.ParseUUID(text)
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil || len(ids) != n {
		b.Fatalf("%d keys to delete, want %d: %v", len(ids), n, err)
	}
	return ids
}

// connection speaks HTTP with as little ado as it takes: what is measured is the server.
type connection struct {
	net.Conn
	reader *bufio.Reader
	head   string // of the request, up to the id
	tail   string
}

func connectTo(b *testing.B, host string, secret apikey.Secret) *connection {
	b.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	c := &connection{conn, bufio.NewReader(conn), "DELETE /v1/api_key/",
		" HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + secret.Reveal() + "\r\n\r\n"}
	// The server gives a connection less time for its first request than for those after it.
	if status, err := c.delete(apitype.NewUUID()); err != nil || status != "404" {
		b.Fatal(status, err)
	}
	return c
}

func (c *connection) delete(id apitype.UUID) (status string, err error) {
	if _, err := io.WriteString(c, c.head+id.String()+c.tail); err != nil {
		return "", err
	}
	length := 0
	for first := true; ; first = false {
		line, err := c.reader.ReadSlice('\n')
		switch {
		case err != nil:
			return "", err
		case first:
			status = string(line[len("HTTP/1.1 "):][:3])
		case len(line) == len("\r\n"):
			_, err := c.reader.Discard(length)
			return status, err
		}
		if value, found := strings.CutPrefix(string(line), "Content-Length: "); found {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return "", err
			}
		}
	}
}
