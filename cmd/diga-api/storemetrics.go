package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/diga-io/diga-api/server/store"
)

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
