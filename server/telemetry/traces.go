package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/server"
)

// CheckEnvironment says whether the standard variables of OpenTelemetry ask for traces: an endpoint for OTLP, or the
// exporter otlp by name, and nothing that turns them off. The error names the variables that ask for what this program
// does not have. (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
func CheckEnvironment() (wanted bool, err error) {
	either := func(name string) (string, string) {
		if value := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); value != "" {
			return "OTEL_EXPORTER_OTLP_TRACES_" + name, value
		}
		return "OTEL_EXPORTER_OTLP_" + name, os.Getenv("OTEL_EXPORTER_OTLP_" + name)
	}
	endpointName, endpoint := either("ENDPOINT")
	exporter := os.Getenv("OTEL_TRACES_EXPORTER")
	if os.Getenv("OTEL_SDK_DISABLED") == "true" || exporter == "none" || exporter == "" && endpoint == "" {
		return false, nil
	}
	var errs []error
	if exporter != "" && exporter != "otlp" {
		errs = append(errs, errors.New("OTEL_TRACES_EXPORTER is neither otlp nor none"))
	}
	if name, protocol := either("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		errs = append(errs, fmt.Errorf("%s is not http/protobuf, the only protocol here", name))
	}
	if parsed, err := url.Parse(endpoint); endpoint != "" && (err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https") {
		errs = append(errs, fmt.Errorf("%s is not a URL such as http://127.0.0.1:4318", endpointName))
	}
	return len(errs) == 0, errors.Join(errs...)
}

// traces are on.
type traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// propagator takes over the context of a trace, https://www.w3.org/TR/trace-context/. Baggage is not taken over:
// nobody here reads it.
var propagator propagation.TraceContext

func newTraces(ctx context.Context, build Build, logger *slog.Logger) (*traces, error) {
	// Of the whole process, which OpenTelemetry offers no way around; its default writes lines of another format.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Warn("traces are not sent", slog.String("cause", err.Error()))
	}))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare traces: %w", err)
	}
	described, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "diga-api"), attribute.String("service.version", build.Version)),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // last, so that OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win
	)
	if err != nil {
		return nil, fmt.Errorf("describe the source of traces by OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	return &traces{provider: provider, tracer: provider.Tracer("github.com/diga-io/diga-api/server")}, nil
}

// begin starts the span of a request. The path is left out: it holds an id, and could hold a secret.
func (t *traces) begin(ctx context.Context, operation *contract.Operation, method string, header http.Header) context.Context {
	ctx = propagator.Extract(ctx, propagation.HeaderCarrier(header))
	name := method // by the conventions of OpenTelemetry, where there is no route
	attributes := []attribute.KeyValue{attribute.String("http.request.method", method)}
	if operation != nil {
		name = operation.ID
		attributes = append(attributes, attribute.String("http.route", operation.Path))
	}
	ctx, _ = t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
	return ctx
}

// end ends the span of a request. That a caller did something wrong is no error of the server.
func end(span trace.Span, outcome server.Outcome) {
	span.SetAttributes(attribute.Int("http.response.status_code", outcome.Status))
	if outcome.Status >= 500 {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// LogHandler adds trace_id to the lines that belong to a trace.
func (t *Telemetry) LogHandler(next slog.Handler) slog.Handler {
	if t.traces == nil {
		return next
	}
	return logHandler{next}
}

type logHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	if current := trace.SpanContextFromContext(ctx); current.HasTraceID() {
		record.AddAttrs(slog.String("trace_id", current.TraceID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attributes)}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
