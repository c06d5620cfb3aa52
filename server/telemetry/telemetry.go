// Package telemetry shows the operator what the server does: metrics for Prometheus, traces over OTLP, and the trace id
// in log lines. A Telemetry is a server.Observer; this package does not import the server.
//
// No label, span name or attribute contains an id, a key, a path or anything else that a client can choose.
package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/diga-io/diga-api/contract"
)

// Build is what is running, for the metric diga_build_info and the resource of the traces.
type Build struct{ Version, Revision, Contract string }

// Telemetry counts requests and statements and, if the environment asks for traces, sends them.
type Telemetry struct {
	*metrics
	provider      *sdktrace.TracerProvider // nil: traces are off
	tracer        trace.Tracer             // of provider
	trustsCallers bool
}

// New prepares the metrics and, if the standard variables OTEL_... ask for them, the traces. Failures to send traces go
// to logger. The error is that of CheckEnvironment, or names the invalid variable. Call Close at the end.
func New(ctx context.Context, build Build, logger *slog.Logger) (*Telemetry, error) {
	t := &Telemetry{metrics: newMetrics(build), trustsCallers: trustsCallers()}
	wanted, err := CheckEnvironment()
	if err != nil || !wanted {
		return t, err
	}
	if t.provider, err = newProvider(ctx, build, logger); err != nil {
		return t, err
	}
	t.tracer = t.provider.Tracer("github.com/diga-io/diga-api/server")
	return t, nil
}

// Close sends the spans that are still buffered, until ctx ends.
func (t *Telemetry) Close(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Begin implements server.Observer.
func (t *Telemetry) Begin(ctx context.Context, operation *contract.Operation, method string, header http.Header) (context.Context, func(status int, duration time.Duration)) {
	t.inFlight.Inc()
	ctx, span := t.startRequest(ctx, operation, method, header)
	return ctx, func(status int, duration time.Duration) {
		t.inFlight.Dec()
		t.count(operation, method, status, duration)
		endRequest(span, status)
	}
}
