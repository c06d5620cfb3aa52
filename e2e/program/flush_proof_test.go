//go:build proof && linux

package program_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// This file proves that an acknowledged delete survives a power loss, as far as that can be seen from the system calls: the
// tombstone is written to the log of the database, the log is flushed, and only then the 200 is sent.

// systemCall is a system call of any thread of the traced processes. start and end are its places in the one order in
// which strace saw all of them begin and return.
type systemCall struct {
	start, end int
	name       string
	text       string // arguments and result
}

// trace attaches strace to the processes, and to those that they start from then on, and returns a function that detaches
// it and returns the calls.
func trace(t *testing.T, pids ...int) (stop func() []systemCall) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	args := []string{"-f", "-y", "-s", "200000", "-e", "trace=write,pwrite64,fsync,fdatasync,fcntl", "-o", file}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	strace := exec.CommandContext(t.Context(), "strace", args...)
	stderr, err := strace.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := strace.Start(); err != nil {
		t.Fatalf("%v: apt-get install strace", err)
	}
	t.Cleanup(func() { strace.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for attached := 0; attached < len(pids); attached++ {
		// A connection of the test itself may have ended meanwhile.
		if !lines.Scan() || !strings.Contains(lines.Text(), " attached") && !strings.HasSuffix(lines.Text(), ": No such process") {
			t.Fatalf("strace says: %s", lines.Text())
		}
	}
	rest := make(chan struct{})
	go func() {
		defer close(rest)
		for lines.Scan() { // so that strace never waits for a reader
		}
	}()
	return func() []systemCall {
		if err := strace.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		<-rest
		strace.Wait() // it ends by the signal
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return parseTrace(string(text))
	}
}

var traceLine = regexp.MustCompile(`(?s)^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$`)

// parseTrace parses the output of strace -f -o. A call during which another thread was seen is on two lines.
func parseTrace(text string) (calls []systemCall) {
	begun := make(map[string]int) // the unfinished call of each thread
	place := 0
	for line := range strings.Lines(text) {
		match := traceLine.FindStringSubmatch(line)
		if match == nil {
			continue // a signal, or the end of a thread
		}
		place++
		thread, resumed, name, rest := match[1], match[2], match[3], match[4]
		if resumed != "" {
			if i, found := begun[thread]; found {
				calls[i].text += rest
				calls[i].end = place
				delete(begun, thread)
			}
			continue
		}
		call := systemCall{start: place, end: place, name: name, text: rest}
		if strings.HasSuffix(rest, "<unfinished ...>\n") || strings.HasSuffix(rest, "<detached ...>\n") {
			call.end = 1 << 60
			begun[thread] = len(calls)
		}
		calls = append(calls, call)
	}
	return calls
}

var tracedRequest = regexp.MustCompile(`flush-\d{5}`)

// evidence is what a trace says about the deletes that were acknowledged.
type evidence struct {
	acknowledged int      // responses with status 200
	flushes      int      // of the log, after the first of its writes
	batches      int      // SQLite only: how often the write lock was taken
	early        []string // request ids that were acknowledged before a flush of their tombstone had returned
	unseen       int      // acknowledged requests whose id was in no write to the log
}

// examine looks for the writes and flushes of files whose path contains log.
func examine(calls []systemCall, log string) (e evidence) {
	written := make(map[string]int) // when a request id was in the log, by request id
	var flushes []systemCall
	for _, call := range calls {
		descriptor, _, _ := strings.Cut(call.text, ">")
		switch {
		case call.name == "fcntl" && strings.Contains(call.text, "F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=120, ") &&
			strings.HasSuffix(call.text, "= 0\n"):
			e.batches++
		case call.name == "pwrite64" && strings.Contains(descriptor, log):
			for _, id := range tracedRequest.FindAllString(call.text, -1) {
				if _, found := written[id]; !found {
					written[id] = call.end
				}
			}
		case strings.HasSuffix(call.name, "sync") && strings.Contains(descriptor, log) && strings.HasSuffix(call.text, "= 0\n"):
			flushes = append(flushes, call)
		}
	}
	e.flushes = len(flushes)
	for _, call := range calls {
		if call.name != "write" || !strings.Contains(call.text, "HTTP/1.1 200 OK") {
			continue
		}
		e.acknowledged++
		id := tracedRequest.FindString(call.text)
		since, found := written[id]
		if !found {
			e.unseen++
			continue
		}
		flushed := false
		for _, flush := range flushes {
			flushed = flushed || since < flush.start && flush.end < call.start
		}
		if !flushed {
			e.early = append(e.early, id)
		}
	}
	return e
}

// TestFlushEvidence examines traces with and without the fault that examine is there to find.
func TestFlushEvidence(t *testing.T) {
	const (
		write    = `11 pwrite64(8</k.db-wal>, "\0flush-00001\0", 13, 0) = 13` + "\n"
		flush    = `11 fsync(8</k.db-wal>) = 0` + "\n"
		begin    = `11 fsync(8</k.db-wal> <unfinished ...>` + "\n"
		end      = `11 <... fsync resumed>) = 0` + "\n"
		fail     = `11 fsync(8</k.db-wal>) = -1 EIO (Input/output error)` + "\n"
		other    = `11 fsync(9</k.db>) = 0` + "\n"
		response = `12 write(15<socket:[1]>, "HTTP/1.1 200 OK\r\nX-Request-Id: flush-00001\r\n\r\n{}\n", 47) = 47` + "\n"
	)
	for name, test := range map[string]struct {
		trace string
		early bool
	}{
		"flushed":                  {write + flush + response, false},
		"flushed on two lines":     {write + begin + end + response, false},
		"flushed too late":         {write + response + flush, true},
		"during the flush":         {write + begin + response + end, true},
		"a flush before the write": {flush + write + response, true},
		"a flush that failed":      {write + fail + response, true},
		"a flush of another file":  {write + other + response, true},
	} {
		if got := examine(parseTrace(test.trace), "-wal"); got.acknowledged != 1 || got.unseen != 0 || len(got.early) > 0 != test.early {
			t.Errorf("%s: %+v, want early: %t", name, got, test.early)
		}
	}
}

// deleteTraced deletes keys through server, one after the other and then many at a time, while the server and the processes
// of its database are traced.
func deleteTraced(t *testing.T, url string, server *process.Server, sequential, clients, each int, database func() []int) (one, many []systemCall) {
	t.Helper()
	keys := storetest.Open(t, url)
	project := apitype.NewUUID()
	caller := create(t, keys, project)
	targets := createMany(t, keys, project, sequential+clients*each)
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
	asker := newAsker(t)
	remove := func(i int) {
		got, err := asker.delete(t.Context(), server, caller.secret, targets[i].ID, fmt.Sprintf("flush-%05d", i))
		if err != nil || got.status != http.StatusOK {
			t.Errorf("delete %d: %d, %v", i, got.status, err)
		}
	}
	stop := trace(t, append(database(), server.Process.Pid)...)
	for i := range sequential {
		remove(i)
	}
	one = stop()
	stop = trace(t, append(database(), server.Process.Pid)...)
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for i := range each {
				remove(sequential + client*each + i)
			}
		})
	}
	wg.Wait()
	return one, stop()
}

// An acknowledged delete is on the disk: no 200 leaves before the flush of its tombstone has returned.
func TestFlushedBeforeAcknowledged(t *testing.T) {
	t.Parallel()
	const sequential, clients, each = 20, 32, 8
	check := func(t *testing.T, calls []systemCall, log string, want int) evidence {
		t.Helper()
		got := examine(calls, log)
		t.Logf("%d deletes, %d flushes, %d batches, %d unseen", got.acknowledged, got.flushes, got.batches, got.unseen)
		if got.acknowledged != want || len(got.early) > 0 {
			t.Errorf("%d acknowledged, want %d; before their flush: %v", got.acknowledged, want, got.early)
		}
		return got
	}
	t.Run("SQLite", func(t *testing.T) {
		url := process.SQLite(t)
		server := process.Serve(t, "--database-url", url)
		one, many := deleteTraced(t, url, server, sequential, clients, each, func() []int { return nil })
		for _, run := range []struct {
			calls   []systemCall
			deletes int
		}{{one, sequential}, {many, clients * each}} {
			got := check(t, run.calls, "-wal", run.deletes)
			if got.unseen > 0 || got.batches == 0 || got.flushes < got.batches {
				t.Errorf("%+v, want each tombstone seen, and a flush for each batch", got)
			}
		}
		if got := examine(many, "-wal"); got.batches >= got.acknowledged {
			t.Errorf("%d deletes in %d batches: no flush was shared", got.acknowledged, got.batches)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		// The server has to make its deletes durable even where that is not the default.
		database := postgres.Start(t, "synchronous_commit=off")
		url := database.Database(t)
		server := process.Serve(t, "--database-url", url)
		one, many := deleteTraced(t, url, server, sequential, clients, each, func() []int { return backends(t, url) })
		for _, run := range []struct {
			calls   []systemCall
			deletes int
		}{{one, sequential}, {many, clients * each}} {
			// A tombstone that spans two pages of the log is not found in one piece.
			if got := check(t, run.calls, "/pg_wal/", run.deletes); got.unseen > run.deletes/10 {
				t.Errorf("%+v, want nearly each tombstone seen", got)
			}
		}
	})
	t.Run("PostgreSQL without fsync", func(t *testing.T) {
		database := postgres.Start(t, "fsync=off")
		url := database.Database(t)
		server := process.Serve(t, "--database-url", url)
		one, _ := deleteTraced(t, url, server, sequential, 0, 0, func() []int { return backends(t, url) })
		if got := examine(one, "/pg_wal/"); len(got.early)+got.unseen != sequential || len(got.early) == 0 {
			t.Errorf("%+v, want that nothing is found flushed", got)
		}
	})
}

// backends returns the processes of the PostgreSQL server, of which the first one starts the others.
func backends(t *testing.T, url string) []int {
	t.Helper()
	return postgres.PIDs(t, storetest.Connect(t, url), `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int `+
		`UNION ALL SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()`)
}
