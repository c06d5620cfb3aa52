package program_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

func TestTLS(t *testing.T) {
	certificate, key, pool := process.Certificate(t)
	s := process.Serve(t, "--tls-cert", certificate, "--tls-key", key, "--database-url", process.SQLite(t))
	if !strings.HasPrefix(s.API, "https://") {
		t.Fatalf("serving on %s", s.API)
	}
	get := func(transport *http.Transport) (string, error) {
		defer transport.CloseIdleConnections()
		response, err := (&http.Client{Transport: transport}).Get(s.API + "/openapi.json")
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		return response.Proto + " " + response.Status, nil
	}
	answered, err := get(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true})
	if err != nil || answered != "HTTP/2.0 200 OK" {
		t.Errorf("%v %s", err, answered)
	}
	if _, err := get(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	if log, err := s.Stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
}

func TestWrongTLS(t *testing.T) {
	certificate, key, _ := process.Certificate(t)
	notes := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(notes, []byte("dear diary"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args   []string
		status int
		told   string
	}{
		"only a certificate": {[]string{"--tls-cert", certificate}, 2, "DIGA_TLS_KEY"},
		"only a key":         {[]string{"--tls-key", key}, 2, "DIGA_TLS_CERT"},
		"no file":            {[]string{"--tls-cert", "/no/such.crt", "--tls-key", key}, 1, "/no/such.crt"},
		"no certificate":     {[]string{"--tls-cert", notes, "--tls-key", key}, 1, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			got := process.Run(t, process.Command(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--database-url", process.SQLite(t)}, test.args...)...))
			if got.Status != test.status || !strings.Contains(got.Stderr, test.told) {
				t.Errorf("%+v", got)
			}
		})
	}
}
