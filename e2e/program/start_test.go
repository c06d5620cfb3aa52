package program_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/server/apikey"
)

// declaredError is the 500 of the contract.
const declaredError = `{"status":"error","error_code":"INTERNAL_SERVER_ERROR","message":"Error: Internal Server Error"}`

// A database that is away at start does not keep the server from starting: it is unready, gives the declared 500, and stops
// cleanly.
func TestStartWithoutDatabase(t *testing.T) {
	s := process.Launch(t, "--database-url", "postgres://diga:"+mark+"@"+refusing(t)+"/keys")
	s.AwaitStart(t)
	if status, body := s.Get(t, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "[-] store: the store is not open yet: ") || !strings.Contains(body, "connection refused") {
		t.Errorf("/readyz answers %d %s", status, body)
	}
	if status, _ := s.Get(t, "/livez"); status != http.StatusOK {
		t.Errorf("/livez answers %d", status)
	}
	if _, metrics := s.Get(t, "/metrics"); !strings.Contains(metrics, "\ndiga_store_up 0\n") {
		t.Errorf("the metrics do not show the outage:\n%s", metrics)
	}
	status, body := process.Send(t, http.MethodDelete, s.API+"/v1/api_key/"+process.Project, apikey.NewSecret().Reveal())
	if status != http.StatusInternalServerError || body != declaredError {
		t.Errorf("a delete answers %d %s", status, body)
	}
	if status, _ := process.Send(t, http.MethodGet, s.API+"/openapi.json", ""); status != http.StatusOK {
		t.Errorf("the contract answers %d", status)
	}
	log, err := s.Stop(t, syscall.SIGTERM)
	if err != nil {
		t.Error(err)
	}
	if lines := strings.Count(log, `"msg":"store unavailable, retrying"`); lines != 1 {
		t.Errorf("%d lines about the attempts in\n%s", lines, log)
	}
	reveal(t, "the log", log)
}

// The log says what started, where, and why it stopped, whatever its level.
func TestStartAndStopAreLogged(t *testing.T) {
	s := process.Serve(t, "--database-url", process.SQLite(t), "--log-level", "error")
	log, err := s.Stop(t, syscall.SIGTERM)
	if err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines in\n%s", len(lines), log)
	}
	for _, part := range []string{
		`"msg":"started"`, `"addr":"127.0.0.1:`, `"admin_addr":"127.0.0.1:`, `"tls":false`, `"version":"`, `"revision":"`,
		`"contract_sha256":"`, `"store":"sqlite:`, `"schema":`,
	} {
		if !strings.Contains(lines[0], part) {
			t.Errorf("no %s in %s", part, lines[0])
		}
	}
	for _, part := range []string{`"msg":"stopped"`, `"cause":"terminated signal received"`, `"duration_s":`} {
		if !strings.Contains(lines[1], part) {
			t.Errorf("no %s in %s", part, lines[1])
		}
	}
	if s.Lines[0] != "" || len(s.Lines) != 1 {
		t.Errorf("standard output has %q", s.Lines)
	}
}
