package program_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

const unknownID = "00000000-0000-4000-8000-000000000000"

// deleteOnce runs delete with the secret in the environment.
func deleteOnce(t *testing.T, base, secret string, args ...string) process.Outcome {
	t.Helper()
	cmd := process.Command(t, append([]string{"delete", "--base-url", base}, args...)...)
	cmd.Env = append(cmd.Env, "DIGA_API_KEY="+secret)
	got := process.Run(t, cmd)
	if secret != "" && strings.Contains(got.Stdout+got.Stderr, secret) {
		t.Errorf("the key was printed: %+v", got)
	}
	return got
}

func TestDelete(t *testing.T) {
	database := process.SQLite(t)
	caller := process.NewKey(t, database)
	viewer := process.NewKey(t, database, "--permission", "calls.view")
	victim, another, third := process.NewKey(t, database), process.NewKey(t, database), process.NewKey(t, database)
	base := process.Serve(t, "--database-url", database).API
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()

	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(caller.Key+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, base, secret string
		args               []string
		status             int
		stdout, stderr     string // parts of what is printed
	}{
		{"no permission", base, viewer.Key, []string{victim.ID}, 4, "", "403 Forbidden"},
		{"not a key", base, "nobody's", []string{victim.ID}, 4, "", "UNAUTHORIZED"},
		{"not an id", base, caller.Key, []string{"nope"}, 5, "", "not a UUID"},
		{"unknown", base, caller.Key, []string{unknownID}, 3, "", "API_KEY_NOT_FOUND"},
		{"nobody listens", "http://" + nobody.Addr().String(), caller.Key, []string{victim.ID}, 6, "", "no response"},
		{"no key", base, "", []string{victim.ID}, 2, "", "DIGA_API_KEY"},
		{"no key file", base, caller.Key, []string{victim.ID, "--api-key-file", keyFile + "s"}, 2, "", "--api-key-file (DIGA_API_KEY_FILE) cannot be used"},
		{"an empty key file", base, caller.Key, []string{victim.ID, "--api-key-file", os.DevNull}, 2, "", "--api-key-file (DIGA_API_KEY_FILE) is a file without a key"},
		{"plain http", "http://192.0.2.1", caller.Key, []string{victim.ID}, 2, "", "plain http"},
		{"a host without a scheme", "diga.example.com/api", caller.Key, []string{victim.ID}, 2, "", "did you mean https://diga.example.com/api?"},
		{"localhost without a scheme", "localhost:8080", caller.Key, []string{victim.ID}, 2, "", "did you mean http://localhost:8080?"},
		{"a key for a base URL", caller.Key, caller.Key, []string{victim.ID}, 2, "", "does not begin with https://"},
		{"a password without a scheme", "user:hunter2@diga.example.com", caller.Key, []string{victim.ID}, 2, "", "does not begin with https:// or http://\n"},
		{"everything at once", "http://diga.example.com?q", "", []string{victim.ID}, 2, "", "2 invalid settings"},
		{"no toggle", base, caller.Key, []string{victim.ID, "--insecure-http=perhaps"}, 2, "", "neither true nor false"},
		{"no id", base, caller.Key, nil, 2, "", "<id>"},
		{"the key as an argument", base, caller.Key, []string{victim.ID, "--api-key", "x"}, 2, "", "unknown flag"},
		{"deleted", base, caller.Key, []string{victim.ID}, 0, "deleted " + victim.ID + "\n", ""},
		{"deleted already", base, caller.Key, []string{victim.ID}, 3, "", "API_KEY_NOT_FOUND"},
		{"with a key file", base, "", []string{another.ID, "--api-key-file", keyFile}, 0, "deleted " + another.ID, ""},
		{"the file wins", base, "nobody's", []string{third.ID, "--api-key-file", keyFile, "--insecure-http"}, 0, "deleted " + third.ID, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := deleteOnce(t, test.base, test.secret, test.args...)
			if got.Status != test.status || !strings.Contains(got.Stdout, test.stdout) || !strings.Contains(got.Stderr, test.stderr) ||
				(test.stdout == "") != (got.Stdout == "") || (test.stderr == "") != (got.Stderr == "") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestDeleteJSON(t *testing.T) {
	database := process.SQLite(t)
	caller, victim := process.NewKey(t, database), process.NewKey(t, database)
	base := process.Serve(t, "--database-url", database).API
	teapot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(teapot.Close)
	// What other web servers answer.
	others := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.Split(r.URL.Path, "/")[1] {
		case "encrypted":
			w.WriteHeader(http.StatusBadRequest) // to plain http
		case "moved":
			http.Redirect(w, r, "https://www.example.com/", http.StatusMovedPermanently)
		case "methods":
			w.WriteHeader(http.StatusMethodNotAllowed)
		case "page":
			w.Write([]byte("<html>"))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(others.Close)
	for _, test := range []struct {
		base, secret, id string
		status           int
		want             map[string]any // request_id and message aside
	}{
		{base, caller.Key, unknownID, 3, map[string]any{"id": unknownID, "deleted": false, "attempts": 1., "error": "not_found", "status": 404., "error_code": "API_KEY_NOT_FOUND"}},
		{base, "nobody's", victim.ID, 4, map[string]any{"id": victim.ID, "deleted": false, "attempts": 1., "error": "unauthorized", "status": 403., "error_code": "UNAUTHORIZED"}},
		{base, caller.Key, caller.Key, 5, map[string]any{"id": "", "deleted": false, "attempts": 0., "error": "invalid"}},
		{teapot.URL, caller.Key, victim.ID, 1, map[string]any{"id": victim.ID, "deleted": false, "attempts": 1., "error": "failure", "status": 418.}},
		{others.URL, caller.Key, victim.ID, 7, map[string]any{"id": victim.ID, "deleted": false, "attempts": 1., "error": "wrong_base_url", "status": 404.}},
		{others.URL + "/moved", caller.Key, victim.ID, 7, map[string]any{"id": victim.ID, "deleted": false, "attempts": 1., "error": "wrong_base_url", "status": 301.}},
		{others.URL + "/methods", caller.Key, victim.ID, 7, map[string]any{"id": victim.ID, "deleted": false, "attempts": 1., "error": "wrong_base_url", "status": 405.}},
		{others.URL + "/page", caller.Key, victim.ID, 7, map[string]any{"id": victim.ID, "deleted": false, "attempts": 1., "error": "wrong_base_url", "status": 200.}},
		{others.URL + "/encrypted", caller.Key, victim.ID, 7, map[string]any{"id": victim.ID, "deleted": false, "attempts": 1., "error": "wrong_base_url", "status": 400.}},
		{base, caller.Key, victim.ID, 0, map[string]any{"id": victim.ID, "deleted": true, "attempts": 1.}},
	} {
		got := deleteOnce(t, test.base, test.secret, "--json", test.id)
		var printed map[string]any
		if err := json.Unmarshal([]byte(got.Stdout), &printed); err != nil || got.Status != test.status {
			t.Errorf("%v: %+v", err, got)
			continue
		}
		if (printed["message"] == nil) != (test.status == 0) || (printed["request_id"] == nil) != (test.base != base || test.status == 5) {
			t.Errorf("got %v", printed)
		}
		delete(printed, "message")
		delete(printed, "request_id")
		if !reflect.DeepEqual(printed, test.want) {
			t.Errorf("got  %v\nwant %v", printed, test.want)
		}
	}
}
