// Package telemetry shows the operator what the server does: metrics for Prometheus, traces over OTLP, and the trace
// in every log line. The server itself knows none of them: New gives a server.Observer.
//
// No label, span name or attribute holds an id, a key, a path or anything else that a caller can choose.
package telemetry

import (
	"context"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/server"
)

// Build says what is running, for the metric diga_build_info and the resource of the traces.
type Build struct{ Version, Revision, Contract string }

// Telemetry is a server.Observer that counts requests and, when the environment asks for them, sends traces.
type Telemetry struct {
	*metrics
	traces *traces // nil: off
}

var _ server.Observer = (*Telemetry)(nil)

// New prepares the metrics and, when the standard variables OTEL_... ask for them, the traces. What keeps traces from
// being sent is told to logger, not to callers. The error is that of CheckEnvironment, or names the variable at fault.
// Close sends what is left.
func New(ctx context.Context, build Build, logger *slog.Logger) (*Telemetry, error) {
	t := &Telemetry{metrics: newMetrics(build)}
	wanted, err := CheckEnvironment()
	if err != nil || !wanted {
		return t, err
	}
	t.traces, err = newTraces(ctx, build, logger)
	return t, err
}

// Close sends the spans that wait, for as long as ctx lasts.
func (t *Telemetry) Close(ctx context.Context) error {
	if t.traces == nil {
		return nil
	}
	return t.traces.provider.Shutdown(ctx)
}

// Begin implements server.Observer.
func (t *Telemetry) Begin(ctx context.Context, operation *contract.Operation, method string, header http.Header) context.Context {
	t.inFlight.Inc()
	if t.traces == nil {
		return ctx
	}
	return t.traces.begin(ctx, operation, method, header)
}

// End implements server.Observer.
func (t *Telemetry) End(ctx context.Context, outcome server.Outcome) {
	t.inFlight.Dec()
	t.count(outcome)
	if t.traces != nil {
		end(trace.SpanFromContext(ctx), outcome)
	}
}
