package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// tlsFlags name the certificate to serve the API with.
type tlsFlags struct {
	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"Serve TLS, and HTTP/2, with this certificate chain (PEM). It is read again when it changes."`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"The private key of the certificate (PEM)."`
}

func (f tlsFlags) check(settings *wrongSettings) {
	switch {
	case f.TLSCert != "" && f.TLSKey == "":
		settings.wrong("tls-key", "is missing: --tls-cert needs it")
	case f.TLSCert == "" && f.TLSKey != "":
		settings.wrong("tls-cert", "is missing: --tls-key needs it")
	}
}

// config reads the files and keeps watching them.
func (f tlsFlags) config(logger *slog.Logger) (*tls.Config, error) {
	certificate, err := f.certificate(logger)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.get}, nil
}

func (f tlsFlags) certificate(logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: f.TLSCert, keyFile: f.TLSKey, logger: logger, patience: time.Second}
	state, err := c.fileStates()
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, err
	}
	c.pair, c.read, c.looked = &pair, state, time.Now()
	return c, nil
}

// certificate is read again when its files have changed, for which a handshake looks once in a while. A new pair that is broken, such as one half written, is logged, and the old one stays in use.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger
	patience          time.Duration

	mutex  sync.Mutex
	pair   *tls.Certificate
	looked time.Time
	read   [2]fileState // when the files were read, broken or not
}

// fileState tells one version of a file from the next.
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
	state, err := c.fileStates() // zero for a file that is gone
	if state == c.read {
		return c.pair, nil
	}
	c.read = state
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.certFile, c.keyFile); err == nil {
			c.pair = &pair
			c.logger.Info("certificate changed", slog.Time("not_after", pair.Leaf.NotAfter))
			return c.pair, nil
		}
	}
	c.logger.Error("the new certificate is broken, the old one stays in use", slog.String("cause", err.Error()))
	return c.pair, nil
}
