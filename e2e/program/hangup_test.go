package program_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// hangUp sends requests, each on its own connection, and closes the connections without reading an answer.
func hangUp(t *testing.T, server *process.Server, count int, secret string) {
	t.Helper()
	for i := range count {
		connection, err := net.Dial("tcp", strings.TrimPrefix(server.API, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(connection, "DELETE /v1/api_key/%08x-0000-4000-8000-000000000000 HTTP/1.1\r\nHost: diga\r\nAuthorization: Bearer %s\r\n\r\n", i, secret)
		if err != nil {
			t.Error(err)
		}
		connection.Close()
	}
}

// statuses returns how many requests the log of server has, by status. It fails for a line that is an error.
func statuses(t *testing.T, log string) map[int]int {
	t.Helper()
	found := make(map[int]int)
	for line := range strings.Lines(log) {
		var entry struct {
			Level, Msg string
			Status     int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if entry.Level == "ERROR" {
			t.Errorf("%s", line)
		}
		if entry.Msg == "request" {
			found[entry.Status]++
		}
	}
	return found
}

// Clients that hang up leave no error behind, with or without a key.
func TestHangUps(t *testing.T) {
	const count = 40
	database := process.SQLite(t)
	key := process.NewKey(t, database)
	server := process.Serve(t, "--database-url", database)
	for _, secret := range []string{"unknown", key.Key} {
		hangUp(t, server, count, secret)
	}
	served := func() (total int) {
		_, text := server.Get(t, "/metrics")
		for _, status := range []string{"403", "404", "499", "500"} {
			total += metric(t, text, `diga_http_requests_total{method="DELETE",operation="delete_api_key_v1_api_key__id__delete",status="`+status+`"}`)
		}
		return total
	}
	process.Eventually(t, func() bool { return served() == 2*count })
	log, err := server.Stop(t, syscall.SIGTERM)
	if err != nil {
		t.Error(err)
	}
	got := statuses(t, log)
	t.Log(got)
	if got[403]+got[404]+got[499] != 2*count {
		t.Errorf("requests by status: %v", got)
	}
}

// metric returns the value of the series in the text of /metrics, or 0.
func metric(t *testing.T, text, series string) (value int) {
	t.Helper()
	if _, after, found := strings.Cut(text, "\n"+series+" "); found {
		if _, err := fmt.Sscan(after, &value); err != nil {
			t.Fatal(err)
		}
	}
	return value
}
