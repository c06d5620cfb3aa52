package program_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// mark is in every secret that TestSecretsStayIn sends.
const mark = "CANARYcanary0123456789"

// reveal says where the mark shows, also encoded, if anywhere.
func reveal(t *testing.T, place, text string) {
	t.Helper()
	encoded := base64.StdEncoding.EncodeToString([]byte("user:" + mark))
	for _, form := range []string{mark, encoded[8:24], hex.EncodeToString([]byte(mark)), url.QueryEscape("/" + mark)} {
		if at := strings.Index(strings.ToLower(text), strings.ToLower(form)); at >= 0 {
			t.Errorf("%s holds a secret: %q", place, text[max(0, at-200):min(len(text), at+100)])
		}
	}
}

// Secrets are sent through every door, and come out of none: not in the log, the metrics, the traces, the profiles, the
// tombstones, nor any text of the program.
func TestSecretsStayIn(t *testing.T) {
	var (
		mutex    sync.Mutex
		exported bytes.Buffer
	)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mutex.Lock()
		defer mutex.Unlock()
		exported.Write(body)
	}))
	defer collector.Close()

	database := process.SQLite(t)
	admin := process.NewKey(t, database)
	for _, format := range []string{"json", "text"} {
		cmd := process.Command(t, "serve", "--addr", "127.0.0.1:0", "--database-url", database, "--log-level", "debug", "--log-format", format,
			"--log-peer", "--trusted-proxies", "127.0.0.0/8")
		cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization="+mark)
		s := process.Start(t, cmd)
		s.Await(t)
		sendSecrets(t, s, admin.Key)
		deleteWithSecrets(t, s, admin.Key, func() process.Key { return process.NewKey(t, database) })
		if status := s.Delete(t, admin.Key, "nope"); status != 422 {
			t.Errorf("the server answers %d", status)
		}
		for _, path := range []string{"/metrics", "/readyz?verbose", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1"} {
			_, body := s.Get(t, path)
			reveal(t, path, body)
		}
		log, err := s.Stop(t, syscall.SIGTERM)
		if err != nil {
			t.Errorf("%v\n%s", err, log)
		}
		if !strings.Contains(log, "trace_id") {
			t.Errorf("no trace in the log:\n%s", log)
		}
		reveal(t, "the log", log)
		if strings.Contains(log, admin.Key) {
			t.Error("the log holds the key")
		}
	}
	tombstones := process.Output(t, "keys", "list", "--deleted", "--json", "--database-url", database)
	if strings.Count(tombstones, `"request_id"`) < 4 {
		t.Errorf("deleted were only\n%s", tombstones)
	}
	reveal(t, "the tombstones", tombstones)
	if strings.Contains(tombstones, admin.Key[5:]) {
		t.Error("the tombstones hold the key")
	}
	if exported.Len() == 0 {
		t.Error("no traces")
	}
	reveal(t, "the export of traces", exported.String())
	if strings.Contains(exported.String(), admin.Key) {
		t.Error("the export of traces holds the key")
	}
}

// deleteWithSecrets deletes keys in requests whose ids are, or contain, secrets.
func deleteWithSecrets(t *testing.T, s *process.Server, key string, created func() process.Key) {
	t.Helper()
	for _, requestID := range []string{key, "req-" + key + "/1", key[5:], "diga_" + mark, "req-diga_" + mark} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.API+"/v1/api_key/"+created().ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("X-Request-ID", requestID)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("X-Request-ID"); response.StatusCode != http.StatusOK || got == "" || got == requestID {
			t.Errorf("a secret as request id: answered %s with the id %q", response.Status, got)
		}
	}
}

// sendSecrets sends the mark in every part of a request, with and without a good key.
func sendSecrets(t *testing.T, s *process.Server, key string) {
	t.Helper()
	const id = "0f8fad5b-d9cb-469f-a165-70867728950e"
	send := func(lines ...string) {
		t.Helper()
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.API, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// No more than what the lines say: some of them are no HTTP.
		fmt.Fprint(conn, strings.Join(lines, "\r\n"))
		conn.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		reveal(t, "the answer to "+lines[0], string(answer))
	}
	host, good := "Host: diga", "Authorization: Bearer "+key
	for _, path := range []string{"/v1/api_key/" + mark, "/v1/api_key/" + id + "%2F" + mark, "/v1/api_key/" + id + "?key=" + mark, "/" + mark, "//" + mark, "/docs/" + mark} {
		send("DELETE "+path+" HTTP/1.1", host, good, "Connection: close", "", "")
		send("DELETE "+path+" HTTP/1.1", host, "Connection: close", "", "")
		send("GET "+path+" HTTP/1.1", host, "Connection: close", "", "")
	}
	for _, name := range []string{"Accept", "Baggage", "Content-Type", "Cookie", "Expect", "Forwarded", "Idempotency-Key", "If-None-Match",
		"Proxy-Authorization", "Range", "Referer", "Traceparent", "User-Agent", "X-Api-Key", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", mark} {
		send("DELETE /v1/api_key/"+id+" HTTP/1.1", host, good, name+": "+mark, "Connection: close", "", "")
	}
	for _, lines := range [][]string{
		{"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Tracestate: vendor=" + mark},
		{"X-Forwarded-For: 192.0.2.1, " + mark}, {"X-Forwarded-For: " + mark + ", 127.0.0.1"},
		{"X-Request-ID: diga_" + mark}, {"X-Request-ID: a.diga_" + mark + ".b"}, {"X-Request-ID: " + mark, "Authorization: Bearer " + mark},
		{"X-Request-ID: \x01" + mark}, {"X-Request-ID: " + mark + strings.Repeat("x", 128)},
	} {
		send(append(append([]string{"DELETE /v1/api_key/" + id + " HTTP/1.1", host, good}, lines...), "Connection: close", "", "")...)
		send(append(append([]string{"GET /docs?key=" + mark + " HTTP/1.1", host}, lines...), "Connection: close", "", "")...)
	}
	basic := base64.StdEncoding.EncodeToString([]byte("user:" + mark))
	for _, authorization := range []string{"Bearer " + mark, "bearer  " + mark, "Basic " + basic, mark, "Bearer " + mark + " " + mark, `Digest username="` + mark + `"`} {
		send("DELETE /v1/api_key/"+id+" HTTP/1.1", host, "Authorization: "+authorization, "Connection: close", "", "")
		send("DELETE /v1/api_key/"+id+" HTTP/1.1", host, good, "Authorization: "+authorization, "Connection: close", "", "")
	}
	body := `{"key":"` + mark + `"}`
	send("DELETE /v1/api_key/"+id+" HTTP/1.1", host, good, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)), "Connection: close", "", body)
	send(mark+" /v1/api_key/"+id+" HTTP/1.1", host, good, "Connection: close", "", "")
	send("DELETE http://user:"+mark+"@diga/v1/api_key/"+id+" HTTP/1.1", "Host: "+mark, good, "Connection: close", "", "")
}

// The password in the URL of the database is in no text, whether the database answers or not.
func TestDatabasePasswordStaysIn(t *testing.T) {
	for _, url := range []string{
		"postgres://diga:" + mark + "@127.0.0.1:1/keys",
		"postgres://diga:" + mark + "@127.0.0.1:1/keys?sslmode=nonsense",
		"postgres://diga:%zz" + mark + "@127.0.0.1:1/keys",
		"postgres://diga:@" + mark + "@127.0.0.1:1/keys",
		"postgres:diga:" + mark + "@127.0.0.1/keys",
		"mysql://root:" + mark + "@db/keys",
		mark,
	} {
		for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:0"}, {"migrate"}, {"keys", "list"}} {
			if args[0] == "serve" && strings.HasSuffix(url, "@127.0.0.1:1/keys") {
				continue // it waits for the database: TestStartWithoutDatabase
			}
			got := process.Run(t, process.Command(t, append(args, "--database-url", url)...))
			if got.Status == 0 {
				t.Errorf("%v: %+v", args, got)
			}
			reveal(t, strings.Join(args, " "), got.Stdout+got.Stderr)
		}
	}
}
