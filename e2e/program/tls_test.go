package program_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// pair names the files of a certificate and its key.
type pair struct{ certificate, key string }

// newPair writes a certificate for 127.0.0.1 with that serial number, and its key.
func newPair(t *testing.T, files pair, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, files.certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, files.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return pool
}

// writeFile sets a unique modification time, because the clock of a file system may be too coarse to distinguish two
// writes.
func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	written++
	if err := errors.Join(os.WriteFile(name, content, 0o600), os.Chtimes(name, time.Time{}, time.Unix(written, 0))); err != nil {
		t.Fatal(err)
	}
}

var written int64

func pairIn(t *testing.T) pair {
	folder := t.TempDir()
	return pair{filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")}
}

func TestTLS(t *testing.T) {
	files := pairIn(t)
	pool := newPair(t, files, 1)
	s := process.Serve(t, "--tls-cert", files.certificate, "--tls-key", files.key, "--database-url", process.SQLite(t))
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
	files := pairIn(t)
	newPair(t, files, 1)
	notes := filepath.Join(filepath.Dir(files.certificate), "notes.txt")
	writeFile(t, notes, []byte("dear diary"))
	for name, test := range map[string]struct {
		args   []string
		status int
		told   string
	}{
		"only a certificate": {[]string{"--tls-cert", files.certificate}, 2, "DIGA_TLS_KEY"},
		"only a key":         {[]string{"--tls-key", files.key}, 2, "DIGA_TLS_CERT"},
		"no file":            {[]string{"--tls-cert", "/no/such.crt", "--tls-key", files.key}, 1, "/no/such.crt"},
		"no certificate":     {[]string{"--tls-cert", notes, "--tls-key", files.key}, 1, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			got := process.Run(t, process.Command(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--database-url", process.SQLite(t)}, test.args...)...))
			if got.Status != test.status || !strings.Contains(got.Stderr, test.told) {
				t.Errorf("%+v", got)
			}
		})
	}
}
