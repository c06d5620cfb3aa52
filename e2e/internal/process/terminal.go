package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/creack/pty"
)

// Terminal is a process that runs on a terminal of its own.
type Terminal struct {
	*exec.Cmd
	keyboard *os.File
	ended    chan struct{} // closed when the process has closed the terminal
	mutex    sync.Mutex
	screen   bytes.Buffer
}

// The keys that stop and continue the output of a terminal.
const (
	StopOutput     = "\x13" // Control-S
	ContinueOutput = "\x11" // Control-Q
)

// StartOnTerminal starts cmd on a terminal with that many columns, after typing keys.
func StartOnTerminal(t testing.TB, cmd *exec.Cmd, columns int, keys string) *Terminal {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	terminal := &Terminal{Cmd: cmd, keyboard: master, ended: make(chan struct{})}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	terminal.Type(t, keys)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(terminal.ended)
		io.Copy(terminal, master) // ends with an error when the process has closed the terminal
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		master.Close()
	})
	return terminal
}

// Type types keys.
func (p *Terminal) Type(t testing.TB, keys string) {
	t.Helper()
	if _, err := p.keyboard.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// Write implements io.Writer for what the process prints.
func (p *Terminal) Write(printed []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.screen.Write(printed)
}

// Screen returns what the process has printed so far.
func (p *Terminal) Screen() string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.screen.String()
}

// Ended reports whether the process has closed the terminal.
func (p *Terminal) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Await waits until the process has ended, and returns its exit status and what it printed.
func (p *Terminal) Await(t testing.TB) (status int, screen string) {
	t.Helper()
	err := p.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	<-p.ended
	return p.ProcessState.ExitCode(), p.Screen()
}
