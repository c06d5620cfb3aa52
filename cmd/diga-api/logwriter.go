package main

import (
	"io"
	"runtime"
	"sync"
)

// maxGathered is how many bytes of the log may wait to be written. A request with more to log waits for the reader of the log.
const maxGathered = 1 << 20

// logWriter writes the log in a goroutine of its own. Lines that gather while another write is under way share the next
// one: a system call for each line takes more processor time than all else that is done for the line (BenchmarkRequests).
type logWriter struct {
	out    io.Writer
	mutex  sync.Mutex
	room   sync.Cond // of lines
	lines  []byte    // not written yet
	closed bool
	ready  chan struct{} // has an item if lines is not empty
	ended  chan struct{} // closed when run has returned
}

// newLogWriter returns a writer to out. Close has to be called at the end.
func newLogWriter(out io.Writer) *logWriter {
	w := &logWriter{out: out, ready: make(chan struct{}, 1), ended: make(chan struct{})}
	w.room.L = &w.mutex
	go w.run()
	return w
}

// Write implements io.Writer. Before Close its error is always nil.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for len(w.lines) >= maxGathered && !w.closed {
		w.room.Wait()
	}
	if w.closed {
		return w.out.Write(line)
	}
	w.lines = append(w.lines, line...)
	select {
	case w.ready <- struct{}{}:
	default:
	}
	return len(line), nil
}

func (w *logWriter) run() {
	defer close(w.ended)
	var lines []byte
	for range w.ready {
		runtime.Gosched() // requests that can run do so first, and their lines join
		w.mutex.Lock()
		lines, w.lines = w.lines, lines[:0]
		w.room.Broadcast()
		w.mutex.Unlock()
		_, _ = w.out.Write(lines) // there is no place to report that the log cannot be written
	}
}

// Close returns when all lines are written. Later lines are written at once.
func (w *logWriter) Close() {
	w.mutex.Lock()
	w.closed = true
	close(w.ready)
	w.room.Broadcast()
	w.mutex.Unlock()
	<-w.ended
}
