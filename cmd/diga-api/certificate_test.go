package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// newPair writes a certificate for 127.0.0.1 with that serial number, which expires that many seconds after base, and its
// key.
func newPair(t *testing.T, flags tlsFlags, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: base.Add(time.Duration(serial) * time.Second),
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
	writeFile(t, flags.TLSCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, flags.TLSKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return pool
}

var base = time.Now().Add(time.Hour).Truncate(time.Second)

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

func pairIn(t *testing.T) tlsFlags {
	folder := t.TempDir()
	return tlsFlags{TLSCert: filepath.Join(folder, "tls.crt"), TLSKey: filepath.Join(folder, "tls.key")}
}

// A changed pair is used for the next handshake. A broken one is not, and is logged once.
func TestCertificateReload(t *testing.T) {
	flags := pairIn(t)
	newPair(t, flags, 1)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	c, err := flags.certificate(logger)
	if err != nil {
		t.Fatal(err)
	}
	c.patience = 0
	expect := func(serial int64, lines int) {
		t.Helper()
		for range 3 {
			pair, err := c.get(nil)
			if err != nil || pair.Leaf.SerialNumber.Int64() != serial {
				t.Fatalf("%v, serial number %v, want %d", err, pair.Leaf.SerialNumber, serial)
			}
		}
		if got := strings.Count(log.String(), "\n"); got != lines {
			t.Errorf("%d lines, want %d:\n%s", got, lines, log.String())
		}
	}
	expect(1, 0)
	newPair(t, flags, 2)
	expect(2, 1)
	certificate, err := os.ReadFile(flags.TLSCert)
	if err != nil {
		t.Fatal(err)
	}
	newPair(t, flags, 3)
	third, err := os.ReadFile(flags.TLSCert)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, flags.TLSCert, append(certificate, '\n')) // the old one, as if only the key had been replaced so far
	expect(2, 2)
	writeFile(t, flags.TLSCert, third[:50])
	expect(2, 3)
	if err := os.Remove(flags.TLSCert); err != nil {
		t.Fatal(err)
	}
	expect(2, 4)
	writeFile(t, flags.TLSCert, third)
	expect(3, 5)
	c.patience = time.Hour
	newPair(t, flags, 4)
	expect(3, 5) // not looked at yet
}

// The metric of the expiry is that of the certificate in use, also if no client connects.
func TestCertificateExpiry(t *testing.T) {
	flags := pairIn(t)
	newPair(t, flags, 1)
	c, err := flags.certificate(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.patience = 0
	expect := func(serial int64) {
		t.Helper()
		if got, want := testutil.ToFloat64(c.expiry()), float64(base.Unix()+serial); got != want {
			t.Errorf("expires at %f, want %f", got, want)
		}
	}
	expect(1)
	newPair(t, flags, 2)
	expect(2)
	writeFile(t, flags.TLSCert, []byte("broken"))
	expect(2)
}
