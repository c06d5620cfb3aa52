package program_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// Clients that announce a body and never send it are answered, and do not keep others out.
func TestUnsentBodies(t *testing.T) {
	server := process.Serve(t, "--database-url", process.SQLite(t), "--max-connections", "4")
	for range 4 {
		connection, err := net.Dial("tcp", strings.TrimPrefix(server.API, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		_, err = io.WriteString(connection, "DELETE /v1/api_key/x HTTP/1.1\r\nHost: diga\r\nContent-Length: 1000\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil || response.StatusCode != http.StatusForbidden {
			t.Fatalf("%+v, %v", response, err)
		}
	}
	if status := server.Delete(t, "unknown", process.Project); status != http.StatusForbidden {
		t.Errorf("another client is answered %d", status)
	}
}
