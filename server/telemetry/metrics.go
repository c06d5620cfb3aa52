package telemetry

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/diga-io/diga-api/contract"
)

// buckets are the upper bounds of the histograms in seconds. A lookup takes a fraction of a millisecond, a durable delete
// a few milliseconds, and the default request timeout is two seconds.
var buckets = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}

type metrics struct {
	registry   *prometheus.Registry
	inFlight   prometheus.Gauge
	shed       prometheus.Counter
	requests   *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	violations *prometheus.CounterVec
	failures   *prometheus.CounterVec
	store      *prometheus.HistogramVec
}

func newMetrics(build Build) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "diga_http_requests_in_flight",
			Help: "Requests being served.",
		}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "diga_http_requests_shed_total",
			Help: "Requests answered with 500 and Retry-After because of --max-in-flight.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "diga_http_requests_total",
			Help: "Requests answered, by operationId (none outside the contract), method and status.",
		}, []string{"operation", "method", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "diga_http_request_duration_seconds",
			Help:    "Time to answer requests, by operationId, method and status.",
			Buckets: buckets,
		}, []string{"operation", "method", "status"}),
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "diga_contract_violations_total",
			Help: "Requests, and responses of the server, that violated the contract: by direction (request or response) and operationId (none outside the contract). Such a response is not sent.",
		}, []string{"direction", "operation"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "diga_authentication_failures_total",
			Help: "Requests without a valid key, by reason (missing, malformed, unknown, expired, deleted).",
		}, []string{"reason"}),
		store: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "diga_store_duration_seconds",
			Help:    "Time of statements on the store, including the wait for a connection, by statement and outcome (ok, not_found, error).",
			Buckets: buckets,
		}, []string{"statement", "outcome"}),
	}
	// Series exist from the start, because increase() and rate() miss the first event of a series that is born with it.
	for _, reason := range []string{"missing", "malformed", "unknown", "expired", "deleted"} {
		m.failures.WithLabelValues(reason)
	}
	for _, statement := range []string{"authenticate", "delete"} {
		for _, outcome := range []string{"ok", "not_found", "error"} {
			m.store.WithLabelValues(statement, outcome)
		}
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "diga_build_info",
		Help: "What is running; always 1.",
		ConstLabels: prometheus.Labels{
			"version": build.Version, "revision": build.Revision, "contract_sha256": build.Contract, "go": runtime.Version(),
		},
	})
	info.Set(1)
	m.registry.MustRegister(m.inFlight, m.shed, m.requests, m.durations, m.violations, m.failures, m.store, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds collectors, such as those of the connection pools. It panics if a name is already registered.
func (m *metrics) Register(others ...prometheus.Collector) { m.registry.MustRegister(others...) }

// Metrics returns a handler that serves all metrics in the Prometheus format.
func (m *metrics) Metrics() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// count counts a request that was answered.
func (m *metrics) count(operation *contract.Operation, method string, status int, duration time.Duration) {
	labels := []string{operationLabel(operation), method, strconv.Itoa(status)}
	m.requests.WithLabelValues(labels...).Inc()
	m.durations.WithLabelValues(labels...).Observe(duration.Seconds())
}

// Prepare implements server.Observer. It creates the series of each operation.
func (m *metrics) Prepare(operations []*contract.Operation) {
	for _, operation := range append([]*contract.Operation{nil}, operations...) {
		m.violations.WithLabelValues("request", operationLabel(operation))
		m.violations.WithLabelValues("response", operationLabel(operation))
	}
	for _, operation := range operations {
		for _, status := range append(operation.Statuses(), 403, 422, 499, 500, 501) { // those of the server itself
			m.requests.WithLabelValues(operation.ID, operation.Method, strconv.Itoa(status))
		}
	}
}

// Violation implements server.Observer.
func (m *metrics) Violation(operation *contract.Operation, direction string) {
	m.violations.WithLabelValues(direction, operationLabel(operation)).Inc()
}

// AuthenticationFailed implements server.Observer.
func (m *metrics) AuthenticationFailed(reason string) { m.failures.WithLabelValues(reason).Inc() }

// Shed implements server.Observer.
func (m *metrics) Shed() { m.shed.Inc() }

func operationLabel(operation *contract.Operation) string {
	if operation == nil {
		return "none"
	}
	return operation.ID
}
