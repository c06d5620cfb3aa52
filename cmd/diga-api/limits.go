package main

import (
	"container/list"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// limits of the API's listener. They cut off who sends, or reads, too slowly, and whoever opens too many connections.
type limits struct {
	header      time.Duration // from the first moment to the last line of the header
	read        time.Duration // to the last byte of the body
	request     time.Duration // in the handler
	write       time.Duration // to take the answer, after that
	idle        time.Duration // between two requests
	headerBytes int
	connections int
}

var defaultLimits = limits{
	header:      5 * time.Second,
	read:        10 * time.Second,
	request:     2 * time.Second,
	write:       5 * time.Second,
	idle:        2 * time.Minute,
	headerBytes: 128 << 10,
	connections: 2048,
}

func newAPIServer(handler http.Handler, l limits, connections *connections, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            l.header,
		ReadTimeout:                  l.read,
		WriteTimeout:                 max(l.read, l.request) + l.write, // net/http counts from the end of the header
		IdleTimeout:                  l.idle,
		MaxHeaderBytes:               l.headerBytes,
		DisableGeneralOptionsHandler: true, // OPTIONS * is answered like any other request
		ErrorLog:                     slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		ConnState:                    connections.note,
	}
}

// connections keeps the number of open ones below a maximum. When there is a new one too many, that which has been
// waiting for a request the longest is closed: idle ones, and those that send their header slowly, cannot keep others
// out. When all are busy it is the new one that is closed, so that the caller, or its load balancer, turns elsewhere.
type connections struct {
	most    int
	mutex   sync.Mutex
	open    map[net.Conn]*list.Element // its place in waiting; nil while it is busy
	waiting list.List                  // of net.Conn, the longest first
	dropped *prometheus.CounterVec
	gauge   prometheus.GaugeFunc
}

func newConnections(most int) *connections {
	c := &connections{
		most: most,
		open: make(map[net.Conn]*list.Element),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "diga_http_connections_dropped_total",
			Help: "Connections closed because of --max-connections: idle ones that gave way, new ones that were refused.",
		}, []string{"reason"}),
	}
	c.gauge = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "diga_http_connections",
		Help: "Open connections to the API.",
	}, func() float64 {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		return float64(len(c.open))
	})
	c.dropped.WithLabelValues("idle")
	c.dropped.WithLabelValues("refused")
	return c
}

// note is told by net/http, as http.Server.ConnState, what becomes of each connection. One whose header is being read
// counts as waiting.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if state == http.StateNew {
		c.admit(conn)
		return
	}
	place, known := c.open[conn]
	if !known {
		return
	}
	if place != nil {
		c.waiting.Remove(place)
		c.open[conn] = nil
	}
	switch state {
	case http.StateIdle:
		c.open[conn] = c.waiting.PushBack(conn)
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
}

func (c *connections) admit(conn net.Conn) {
	if len(c.open) >= c.most {
		longest := c.waiting.Front()
		if longest == nil {
			c.dropped.WithLabelValues("refused").Inc()
			hangUp(conn)
			return
		}
		c.dropped.WithLabelValues("idle").Inc()
		victim := c.waiting.Remove(longest).(net.Conn)
		delete(c.open, victim)
		hangUp(victim)
	}
	c.open[conn] = c.waiting.PushBack(conn)
}

// hangUp closes conn without the goodbye of TLS, which could block on a slow reader.
func hangUp(conn net.Conn) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	conn.Close()
}

// Describe implements prometheus.Collector.
func (c *connections) Describe(descriptions chan<- *prometheus.Desc) {
	c.gauge.Describe(descriptions)
	c.dropped.Describe(descriptions)
}

// Collect implements prometheus.Collector.
func (c *connections) Collect(metrics chan<- prometheus.Metric) {
	c.gauge.Collect(metrics)
	c.dropped.Collect(metrics)
}
