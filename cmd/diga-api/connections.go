package main

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// connections limits the number of open connections. When a new one exceeds the limit, the connection that has waited for
// a request the longest is closed, so that idle clients and slow headers cannot keep others out. If all are busy, the new
// one is closed, so that the client, or its load balancer, tries another server.
//
// It also limits the HTTP/2 requests in progress, which need about as much memory as a connection, to the same number.
type connections struct {
	most     int
	requests atomic.Int64 // in progress on HTTP/2
	mutex    sync.Mutex
	open     map[net.Conn]*list.Element // its element in waiting, or nil for a busy connection
	waiting  list.List                  // of net.Conn, the longest wait first
	unread   list.List                  // of unreadResponse, the oldest first
	dropped  *prometheus.CounterVec
	gauge    prometheus.GaugeFunc
	shed     func() // counts an HTTP/2 request that is reset
}

// unreadResponse is an HTTP/2 response that its client has not read so far.
type unreadResponse struct {
	conn  net.Conn
	since time.Time
}

func newConnections(most int, shed func()) *connections {
	c := &connections{
		most: most,
		open: make(map[net.Conn]*list.Element),
		shed: shed,
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "diga_http_connections_dropped_total",
			Help: "Connections closed because of --max-connections: idle ones, new ones that were refused, or those with unread HTTP/2 responses.",
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
	for _, reason := range []string{"idle", "refused", "unread"} {
		c.dropped.WithLabelValues(reason)
	}
	return c
}

// update is the http.Server.ConnState callback. A connection whose header is being read counts as waiting.
func (c *connections) update(conn net.Conn, state http.ConnState) {
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
		c.drop(longest.Value.(net.Conn), "idle")
	}
	c.open[conn] = c.waiting.PushBack(conn)
}

// drop closes an open connection.
func (c *connections) drop(conn net.Conn, reason string) {
	place, known := c.open[conn]
	if !known {
		return
	}
	if place != nil {
		c.waiting.Remove(place)
	}
	delete(c.open, conn)
	c.dropped.WithLabelValues(reason).Inc()
	hangUp(conn)
}

type connKey struct{}

// withConn is the http.Server.ConnContext callback.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// connOf returns the connection of request; nil if withConn did not see it.
func connOf(request *http.Request) net.Conn {
	conn, _ := request.Context().Value(connKey{}).(net.Conn)
	return conn
}

// giveWay counts the connection of request as waiting from now on, although its response is still to be sent. It is for a
// request whose body has not arrived, and may never arrive.
func (c *connections) giveWay(request *http.Request) {
	conn := connOf(request)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if place, known := c.open[conn]; known && place == nil {
		c.open[conn] = c.waiting.PushBack(conn)
	}
}

// patience is how long a client may take to read an HTTP/2 response while there are too many requests.
const patience = time.Second

// limitRequests resets an HTTP/2 request if there are too many in progress. A response that its client does not read is
// still in progress, so the connection that has not read one for the longest is closed.
func (c *connections) limitRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 { // the connection takes no other request meanwhile
			next.ServeHTTP(w, r)
			return
		}
		defer c.requests.Add(-1)
		if c.requests.Add(1) > int64(c.most) && !c.dropUnread() {
			c.shed()
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
		c.mutex.Lock()
		response := c.unread.PushBack(unreadResponse{connOf(r), time.Now()})
		c.mutex.Unlock()
		_ = http.NewResponseController(w).Flush() // waits for the client
		c.mutex.Lock()
		c.unread.Remove(response)
		c.mutex.Unlock()
	})
}

// dropUnread closes the connection that has not read an HTTP/2 response for the longest. It reports false if there is none
// to close. It does not wait for the mutex, because thousands of requests would queue for it.
func (c *connections) dropUnread() bool {
	if !c.mutex.TryLock() {
		return false
	}
	defer c.mutex.Unlock()
	oldest := c.unread.Front()
	if oldest == nil || time.Since(oldest.Value.(unreadResponse).since) < patience {
		return false
	}
	c.drop(c.unread.Remove(oldest).(unreadResponse).conn, "unread")
	return true
}

// hangUp closes conn without the close_notify of TLS, which could block on a slow reader.
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
