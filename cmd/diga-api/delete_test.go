package main

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

	"github.com/diga-io/diga-api/client"
)

const unknownID = "00000000-0000-4000-8000-000000000000"

// deleteOnce runs delete with the secret in the environment.
func deleteOnce(t *testing.T, base, secret string, args ...string) outcome {
	t.Helper()
	t.Setenv("DIGA_API_KEY", secret)
	var stdout, stderr strings.Builder
	err := run(t.Context(), append([]string{"delete", "--base-url", base}, args...), os.LookupEnv, &stdout, &stderr)
	got := outcome{status: exitStatus(err, &stderr), stdout: stdout.String(), stderr: stderr.String()}
	if secret != "" && strings.Contains(got.stdout+got.stderr, secret) {
		t.Errorf("the key was printed: %+v", got)
	}
	return got
}

func TestDelete(t *testing.T) {
	database := database(t)
	caller := newKey(t, database)
	viewer := newKey(t, database, "--permission", "calls.view")
	victim, another, third := newKey(t, database), newKey(t, database), newKey(t, database)
	base := serve(t, "--database-url", database).base
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
		{"an empty key file", base, caller.Key, []string{victim.ID, "--api-key-file", os.DevNull}, 2, "", "API key is empty"},
		{"plain http", "http://192.0.2.1", caller.Key, []string{victim.ID}, 2, "", "plain http"},
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
			if got.status != test.status || !strings.Contains(got.stdout, test.stdout) || !strings.Contains(got.stderr, test.stderr) ||
				(test.stdout == "") != (got.stdout == "") || (test.stderr == "") != (got.stderr == "") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestDeleteJSON(t *testing.T) {
	database := database(t)
	caller, victim := newKey(t, database), newKey(t, database)
	base := serve(t, "--database-url", database).base
	teapot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(teapot.Close)
	for _, test := range []struct {
		base, secret, id string
		status           int
		want             map[string]any // request_id and message aside
	}{
		{base, caller.Key, unknownID, 3, map[string]any{"id": unknownID, "deleted": false, "attempts": 1., "error": "not_found", "status": 404., "error_code": "API_KEY_NOT_FOUND"}},
		{base, "nobody's", victim.ID, 4, map[string]any{"id": victim.ID, "deleted": false, "attempts": 1., "error": "unauthorized", "status": 403., "error_code": "UNAUTHORIZED"}},
		{base, caller.Key, caller.Key, 5, map[string]any{"id": "", "deleted": false, "attempts": 0., "error": "invalid"}},
		{teapot.URL, caller.Key, victim.ID, 1, map[string]any{"id": victim.ID, "deleted": false, "attempts": 1., "error": "failure", "status": 418.}},
		{base, caller.Key, victim.ID, 0, map[string]any{"id": victim.ID, "deleted": true, "attempts": 1.}},
	} {
		got := deleteOnce(t, test.base, test.secret, "--json", test.id)
		var printed map[string]any
		if err := json.Unmarshal([]byte(got.stdout), &printed); err != nil || got.status != test.status {
			t.Errorf("%v: %+v", err, got)
			continue
		}
		if (printed["message"] == nil) != (test.status == 0) || (printed["request_id"] == nil) != (test.base == teapot.URL || test.status == 5) {
			t.Errorf("got %v", printed)
		}
		delete(printed, "message")
		delete(printed, "request_id")
		if !reflect.DeepEqual(printed, test.want) {
			t.Errorf("got  %v\nwant %v", printed, test.want)
		}
	}
}

// A server that answered is reachable, however badly it is.
func TestDeleteErrorOfAServer(t *testing.T) {
	if got := exitStatus(deleteErrorOf(&client.Error{StatusCode: 503}), new(strings.Builder)); got != exitFailure {
		t.Errorf("exit status %d", got)
	}
}
