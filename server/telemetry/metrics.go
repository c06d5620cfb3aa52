package telemetry

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/server"
)

// buckets are the upper bounds of the histograms in seconds: a look-up takes a fraction of a millisecond, a durable
// delete some, and after two seconds a request is given up.
var buckets = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}

type metrics struct {
	registry   *prometheus.Registry
	inFlight   prometheus.Gauge
	requests   *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	violations *prometheus.CounterVec
	store      *prometheus.HistogramVec

	// Looking up a metric by its labels hashes and allocates; each request does it once through this.
	mutex   sync.RWMutex
	answers map[labels]answer
}

// labels are those of a request. Each of them has few values.
type labels struct {
	operation, method string
	status            int
}

type answer struct {
	count    prometheus.Counter
	duration prometheus.Observer
}

func newMetrics(build Build) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "diga_http_requests_in_flight",
			Help: "Requests that are being answered.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "diga_http_requests_total",
			Help: "Requests answered, by operationId (none outside the contract), method and status.",
		}, []string{"operation", "method", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "diga_http_request_duration_seconds",
			Help:    "How long requests took to answer, by operationId, method and status.",
			Buckets: buckets,
		}, []string{"operation", "method", "status"}),
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "diga_contract_violations_total",
			Help: "Ways in which requests broke the contract, or answers of the server, which were then not sent: by direction (request or response), operationId, status (that of the answer, or of the response held back) and keyword of JSON Schema or OpenAPI.",
		}, []string{"direction", "operation", "status", "keyword"}),
		store: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "diga_store_duration_seconds",
			Help:    "How long the store took, waiting for a connection included, by statement and outcome (ok, not_found, canceled, error).",
			Buckets: buckets,
		}, []string{"statement", "outcome"}),
		answers: make(map[labels]answer),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "diga_build_info",
		Help: "What is running; always 1.",
		ConstLabels: prometheus.Labels{
			"version": build.Version, "revision": build.Revision, "contract_sha256": build.Contract, "go": runtime.Version(),
		},
	})
	info.Set(1)
	m.registry.MustRegister(m.inFlight, m.requests, m.durations, m.violations, m.store, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds metrics of others, such as those of the pool of connections. It panics when a name is taken.
func (m *metrics) Register(others ...prometheus.Collector) { m.registry.MustRegister(others...) }

// Metrics serves all metrics in the format of Prometheus.
func (m *metrics) Metrics() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// count counts a request that was answered.
func (m *metrics) count(outcome server.Outcome) {
	answer := m.answer(labels{operationLabel(outcome.Operation), outcome.Method, outcome.Status})
	answer.count.Inc()
	answer.duration.Observe(outcome.Duration.Seconds())
	for _, violation := range outcome.Violations {
		m.violations.WithLabelValues(violation.Direction, operationLabel(outcome.Operation), strconv.Itoa(violation.Status),
			violation.Keyword).Inc()
	}
}

func (m *metrics) answer(key labels) answer {
	m.mutex.RLock()
	found, ok := m.answers[key]
	m.mutex.RUnlock()
	if ok {
		return found
	}
	status := strconv.Itoa(key.status)
	found = answer{
		count:    m.requests.WithLabelValues(key.operation, key.method, status),
		duration: m.durations.WithLabelValues(key.operation, key.method, status),
	}
	m.mutex.Lock()
	m.answers[key] = found
	m.mutex.Unlock()
	return found
}

func operationLabel(operation *contract.Operation) string {
	if operation == nil {
		return "none"
	}
	return operation.ID
}
