package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
)

// slowLog is a log whose reader takes one write at a time.
type slowLog chan string

func (l slowLog) Write(lines []byte) (int, error) {
	l <- string(lines)
	return len(lines), nil
}

func TestLogWriterSharesWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := make(slowLog)
		w := newLogWriter(log)
		w.Write([]byte("a\n"))
		synctest.Wait() // until the goroutine waits for the reader
		w.Write([]byte("b\n"))
		w.Write([]byte("c\n"))
		if first, second := <-log, <-log; first != "a\n" || second != "b\nc\n" {
			t.Errorf("written are %q and %q", first, second)
		}
		w.Close()
	})
}

func TestLogWriterWaitsForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := make(slowLog)
		w := newLogWriter(log)
		full := strings.Repeat("x", maxGathered)
		w.Write([]byte("a\n"))
		synctest.Wait()
		w.Write([]byte(full))
		logged := false
		go func() {
			w.Write([]byte("b\n"))
			logged = true
		}()
		if synctest.Wait(); logged {
			t.Error("there is no limit")
		}
		if first, second, third := <-log, <-log, <-log; first != "a\n" || second != full || third != "b\n" {
			t.Errorf("written are %q, %d bytes and %q", first, len(second), third)
		}
		w.Close()
	})
}

func TestLogWriterClose(t *testing.T) {
	var log bytes.Buffer
	w := newLogWriter(&log)
	w.Write([]byte("a\n"))
	w.Close()
	if log.String() != "a\n" {
		t.Errorf("written is %q", &log)
	}
	w.Write([]byte("b\n"))
	if log.String() != "a\nb\n" {
		t.Errorf("written is %q", &log)
	}
}
