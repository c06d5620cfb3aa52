package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/diga-io/diga-api/contract"
)

// CheckEnvironment reports whether the standard variables of OpenTelemetry ask for traces: they set an OTLP endpoint or
// the exporter otlp, and do not turn traces off. The error names the variables that ask for something unsupported.
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
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
		errs = append(errs, fmt.Errorf("%s is not http/protobuf, the only supported protocol", name))
	}
	if parsed, err := url.Parse(endpoint); endpoint != "" && (err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https") {
		errs = append(errs, fmt.Errorf("%s is not a URL such as http://127.0.0.1:4318", endpointName))
	}
	return len(errs) == 0, errors.Join(errs...)
}

// propagator reads the W3C trace context of a request, https://www.w3.org/TR/trace-context/. Baggage is ignored because
// nothing in this program reads it.
var propagator propagation.TraceContext

func newProvider(ctx context.Context, build Build, logger *slog.Logger) (*sdktrace.TracerProvider, error) {
	// OpenTelemetry has one error handler for the whole process. The default one writes lines of another format.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Warn("trace export failed", slog.String("cause", err.Error()))
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
		return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described)), nil
}

// trustsCallers reports whether the operator asks for parent-based sampling. Only then a caller's traceparent continues its
// trace and decides whether it is sampled. By default the server starts a trace of its own, because a public caller could
// otherwise have every request sampled, or none, and add to traces of others.
func trustsCallers() bool { return strings.HasPrefix(os.Getenv("OTEL_TRACES_SAMPLER"), "parentbased_") }

// startRequest starts the span of a request. The path is left out because it contains an id and could contain a secret.
func (t *Telemetry) startRequest(ctx context.Context, operation *contract.Operation, method string, header http.Header) (context.Context, trace.Span) {
	if t.provider == nil {
		return ctx, noop.Span{}
	}
	name := method // OpenTelemetry's convention for a request without a route
	attributes := []attribute.KeyValue{attribute.String("http.request.method", method)}
	if operation != nil {
		name = operation.ID
		attributes = append(attributes, attribute.String("http.route", operation.Path))
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...)}
	continued := propagator.Extract(ctx, propagation.HeaderCarrier(header))
	if t.trustsCallers {
		ctx = continued
	} else if caller := trace.SpanContextFromContext(continued); caller.IsValid() {
		// The trace state is text of the caller's choice.
		options = append(options, trace.WithLinks(trace.Link{SpanContext: caller.WithTraceState(trace.TraceState{})}))
	}
	return t.tracer.Start(ctx, name, options...)
}

// startStatement starts the span of a statement on the store.
func (t *Telemetry) startStatement(ctx context.Context, statement string) (context.Context, trace.Span) {
	if t.provider == nil {
		return ctx, noop.Span{}
	}
	return t.tracer.Start(ctx, "store "+statement, trace.WithSpanKind(trace.SpanKindClient))
}

// endRequest ends the span of a request. A 4xx is not an error of the server.
func endRequest(span trace.Span, status int) {
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= 500 {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// LogHandler returns next with trace_id added to the lines that belong to a trace.
func (t *Telemetry) LogHandler(next slog.Handler) slog.Handler {
	if t.provider == nil {
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
