package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// tlsFlags select the certificate of the API.
type tlsFlags struct {
	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"Serve TLS and HTTP/2 with this certificate chain (PEM). It is reloaded when it changes."`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"The private key of the certificate (PEM)."`
}

func (f tlsFlags) check(settings *invalidSettings) {
	switch {
	case f.TLSCert != "" && f.TLSKey == "":
		settings.reject("tls-key", "is missing: --tls-cert needs it")
	case f.TLSCert == "" && f.TLSKey != "":
		settings.reject("tls-cert", "is missing: --tls-key needs it")
	}
}

// certificate loads the certificate.
func (f tlsFlags) certificate(logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: f.TLSCert, keyFile: f.TLSKey, logger: logger, patience: time.Second}
	state, err := c.fileStates()
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	c.pair, c.read, c.looked = &pair, state, time.Now()
	return c, nil
}

// certificate is reloaded when its files change. A handshake checks the files at most once per patience. If the new pair is
// invalid, for example because it is half written, the previous one stays in use.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger
	patience          time.Duration

	mutex  sync.Mutex
	pair   *tls.Certificate
	looked time.Time
	read   [2]fileState // of the files that were read last, valid or not
}

// fileState identifies a version of a file.
type fileState struct {
	modified time.Time
	size     int64
}

func (c *certificate) fileStates() (states [2]fileState, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, statErr := os.Stat(name)
		if statErr != nil {
			err = errors.Join(err, statErr)
			continue
		}
		states[i] = fileState{info.ModTime(), info.Size()}
	}
	return states, err
}

// get implements tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if time.Since(c.looked) < c.patience {
		return c.pair, nil
	}
	c.looked = time.Now()
	state, err := c.fileStates() // zero for a missing file
	if state == c.read {
		return c.pair, nil
	}
	c.read = state
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.certFile, c.keyFile); err == nil {
			c.pair = &pair
			c.logger.Info("certificate reloaded", slog.Time("not_after", pair.Leaf.NotAfter))
			return c.pair, nil
		}
	}
	c.logger.Error("certificate reload failed, keeping the previous one", slog.String("cause", err.Error()))
	return c.pair, nil
}

// config returns the configuration of a server that uses the certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// expiry returns the metric of the certificate in use. Reading it checks the files, too, so that it is right on a server
// without new connections.
func (c *certificate) expiry() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "diga_tls_certificate_expiry_timestamp_seconds",
		Help: "When the certificate in use expires, in seconds since 1970. Only with TLS.",
	}, func() float64 {
		pair, _ := c.get(nil) // never fails: the previous certificate stays in use
		return float64(pair.Leaf.NotAfter.Unix())
	})
}
