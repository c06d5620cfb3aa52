package program_test

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

func TestAdminListener(t *testing.T) {
	database := process.SQLite(t)
	key := process.NewKey(t, database)
	s := process.Serve(t, "--database-url", database)
	s.Delete(t, key.Key, "nope")
	for path, want := range map[string]string{
		"/livez":          "ok\n",
		"/readyz":         "ready\n",
		"/readyz?verbose": "[+] store: ok\n[+] not draining: ok\n[i] store responds: ok\nready\n",
	} {
		if status, body := s.Get(t, path); status != 200 || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	_, metrics := s.Get(t, "/metrics")
	for _, line := range []string{
		`diga_http_requests_total{method="DELETE",operation="delete_api_key_v1_api_key__id__delete",status="422"} 1`,
		`diga_contract_violations_total{direction="request",operation="delete_api_key_v1_api_key__id__delete"} 1`,
		`diga_store_connections_max{pool="write"} 1`,
		`diga_store_up 1`,
		`diga_http_connections_dropped_total{reason="idle"} 0`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/debug/pprof/"} {
		if status, _, err := process.Get(t.Context(), s.API+path); err != nil || status != 404 {
			t.Errorf("the API's listener answers %s with %d, %v", path, status, err)
		}
	}
	taken := process.Run(t, process.Command(t, "serve", "--addr", "127.0.0.1:0", "--admin-addr", strings.TrimPrefix(s.Admin, "http://"), "--database-url", database))
	if taken.Status != 1 || !strings.Contains(taken.Stderr, "--admin-addr") || !strings.Contains(taken.Stderr, "address already in use") {
		t.Errorf("%+v", taken)
	}
	off := process.Serve(t, "--admin-addr", "", "--database-url", database)
	if log, err := off.Stop(t, syscall.SIGTERM); off.Admin != "" || err != nil {
		t.Errorf("it listens at %q, %v\n%s", off.Admin, err, log)
	}
}

// A second server on a machine starts without a flag. Whatever else may have the default port, one of these does not get
// it.
func TestDefaultAdminAddressTaken(t *testing.T) {
	var log string
	for range 2 {
		cmd := process.Command(t, "serve", "--addr", "127.0.0.1:0", "--database-url", process.SQLite(t))
		cmd.Env = slices.DeleteFunc(cmd.Env, func(variable string) bool { return strings.HasPrefix(variable, "DIGA_ADMIN_ADDR=") })
		s := process.Start(t, cmd)
		s.Await(t)
		if status := s.Delete(t, "nobody", process.Project); status != http.StatusForbidden {
			t.Errorf("answered %d", status)
		}
		defer func() {
			stderr, _ := s.Stop(t, syscall.SIGTERM)
			if log += stderr; !strings.Contains(log, "no admin listener") {
				t.Errorf("nothing of it in\n%s", log)
			}
		}()
	}
}

func TestDocs(t *testing.T) {
	for args, want := range map[string]int{"--docs": 200, "--docs=false": 404} {
		s := process.Serve(t, args, "--database-url", process.SQLite(t))
		status, body, err := process.Get(t.Context(), s.API+"/docs")
		if err != nil || status != want || strings.Contains(body, "swagger-ui") != (want == 200) {
			t.Errorf("%s: %d %s, %v", args, status, body, err)
		}
	}
}

// A second signal does not wait.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	database := process.SQLite(t)
	key := process.NewKey(t, database)
	s := process.Serve(t, "--drain-delay", "1h", "--database-url", database)
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	process.Eventually(t, func() bool { status, _ := s.Get(t, "/readyz"); return status == 503 })
	if _, body := s.Get(t, "/readyz"); !strings.Contains(body, "[-] not draining: the server is stopping\n") {
		t.Errorf("readiness %q", body)
	}
	if status := s.Delete(t, key.Key, key.ID); status != 200 {
		t.Errorf("while draining: %d", status)
	}
	if _, err := s.Stop(t, syscall.SIGTERM); err == nil || s.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended by %s", s.ProcessState)
	}
}
