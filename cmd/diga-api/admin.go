package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/diga-io/diga-api/server/admin"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/telemetry"
)

var errDraining = errors.New("the server is stopping")

// newAdminServer answers operators. It is ready while the store can be written to, has the schema of this program, and
// nobody asked to stop.
func newAdminServer(keys *store.Store, observer *telemetry.Telemetry, draining *atomic.Bool, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: admin.Handler(observer.Metrics(), logger,
			admin.Check{Name: "store", OK: keys.CheckWritable},
			admin.Check{Name: "schema", OK: keys.CheckSchema},
			admin.Check{Name: "not draining", OK: func(context.Context) error {
				if draining.Load() {
					return errDraining
				}
				return nil
			}},
		),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // the longest profile that can be taken
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    128 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// poolMetrics are the figures of the store's pools of connections.
type poolMetrics struct{ stats func() []store.PoolStats }

var (
	poolMax   = prometheus.NewDesc("diga_store_connections_max", "Connections to the database at most, by pool.", []string{"pool"}, nil)
	poolOpen  = prometheus.NewDesc("diga_store_connections_open", "Connections to the database now, by pool.", []string{"pool"}, nil)
	poolInUse = prometheus.NewDesc("diga_store_connections_in_use", "Connections to the database that run a statement, by pool.", []string{"pool"}, nil)
	poolWaits = prometheus.NewDesc("diga_store_connection_waits_total", "Statements that had to wait for a connection, by pool.", []string{"pool"}, nil)
	poolWait  = prometheus.NewDesc("diga_store_connection_wait_seconds_total", "How long statements waited for a connection, by pool.", []string{"pool"}, nil)
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
