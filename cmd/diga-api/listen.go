package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/diga-io/diga-api/server/admin"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/telemetry"
)

// tlsFlags select the certificate of the API.
type tlsFlags struct {
	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"Serve TLS and HTTP/2 with this certificate chain (PEM). It is reloaded when it changes."`
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

var errDraining = errors.New("the server is stopping")

// newAdminServer returns the server of the admin listener. /readyz answers 200 if the store was opened and the server is not
// draining. It does not ask the database: an outage of a database that all servers share is no reason to take them out of
// rotation, because callers would get refused connections instead of the declared 500.
func newAdminServer(keys *lateStore, observed *telemetry.Telemetry, draining *atomic.Bool, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: closeUnread(admin.Handler(observed.Metrics(), logger,
			admin.Check{Name: "store", OK: func(context.Context) error {
				_, err := keys.open()
				return err
			}},
			admin.Check{Name: "not draining", OK: func(context.Context) error {
				if draining.Load() {
					return errDraining
				}
				return nil
			}},
			admin.Check{Name: "store responds", OK: keys.CheckWritable, Informative: true},
		)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // limits the duration of a profile
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    128 << 10,
		ErrorLog:          newErrorLog(logger),
	}
}

// closeUnread closes the connection after a request with a body. Otherwise net/http would wait for the rest of the body
// before it sends the response.
func closeUnread(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
			defer func() { _ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second)) }()
		}
		next.ServeHTTP(w, r)
	})
}

// storeUp exports whether the store responds. It asks when the metrics are read.
type storeUp struct {
	check  func(context.Context) error
	flight *singleflight.Group // concurrent readers share one check
}

var storeUpMetric = prometheus.NewDesc("diga_store_up", "Whether the store responds within a second and is not read-only: 1 or 0.", nil, nil)

// Describe implements prometheus.Collector.
func (u storeUp) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- storeUpMetric }

// Collect implements prometheus.Collector.
func (u storeUp) Collect(metrics chan<- prometheus.Metric) {
	up, _, _ := u.flight.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if u.check(ctx) != nil {
			return 0., nil
		}
		return 1., nil
	})
	metrics <- prometheus.MustNewConstMetric(storeUpMetric, prometheus.GaugeValue, up.(float64))
}

// poolMetrics exports the statistics of the store's connection pools.
type poolMetrics struct{ stats func() []store.PoolStats }

var (
	poolMax   = prometheus.NewDesc("diga_store_connections_max", "Maximum of connections to the database, by pool.", []string{"pool"}, nil)
	poolOpen  = prometheus.NewDesc("diga_store_connections_open", "Open connections to the database, by pool.", []string{"pool"}, nil)
	poolInUse = prometheus.NewDesc("diga_store_connections_in_use", "Connections to the database in use, by pool.", []string{"pool"}, nil)
	poolWaits = prometheus.NewDesc("diga_store_connection_waits_total", "Waits of statements for a connection, by pool.", []string{"pool"}, nil)
	poolWait  = prometheus.NewDesc("diga_store_connection_wait_seconds_total", "Total time that statements waited for a connection, by pool.", []string{"pool"}, nil)
)

// Describe implements prometheus.Collector.
func (m poolMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{poolMax, poolOpen, poolInUse, poolWaits, poolWait} {
		descriptions <- description
	}
}

// Collect implements prometheus.Collector.
func (m poolMetrics) Collect(metrics chan<- prometheus.Metric) {
	for _, pool := range m.stats() {
		metrics <- prometheus.MustNewConstMetric(poolMax, prometheus.GaugeValue, float64(pool.Max), pool.Name)
		metrics <- prometheus.MustNewConstMetric(poolOpen, prometheus.GaugeValue, float64(pool.Open), pool.Name)
		metrics <- prometheus.MustNewConstMetric(poolInUse, prometheus.GaugeValue, float64(pool.InUse), pool.Name)
		metrics <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(pool.Waits), pool.Name)
		metrics <- prometheus.MustNewConstMetric(poolWait, prometheus.CounterValue, pool.Wait.Seconds(), pool.Name)
	}
}
