package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/apikey"
)

// Keys measures each statement on keys, and gives it a span within the request's.
func (t *Telemetry) Keys(keys server.Keys) server.Keys {
	return &measuredKeys{
		keys:         keys,
		telemetry:    t,
		authenticate: t.statement("authenticate"),
		remove:       t.statement("delete"),
	}
}

type measuredKeys struct {
	keys                 server.Keys
	telemetry            *Telemetry
	authenticate, remove statement
}

// statement is a statement of the store with its metrics by outcome.
type statement struct {
	name                             string
	ok, notFound, canceled, failures prometheus.Observer
}

func (t *Telemetry) statement(name string) statement {
	return statement{
		name:     name,
		ok:       t.store.WithLabelValues(name, "ok"),
		notFound: t.store.WithLabelValues(name, "not_found"),
		canceled: t.store.WithLabelValues(name, "canceled"),
		failures: t.store.WithLabelValues(name, "error"),
	}
}

// Authenticate implements server.Keys.
func (k *measuredKeys) Authenticate(ctx context.Context, hash apikey.Hash) (apikey.Key, error) {
	ctx, span := k.telemetry.statementSpan(ctx, k.authenticate.name)
	start := time.Now()
	key, err := k.keys.Authenticate(ctx, hash)
	k.authenticate.done(span, start, err)
	return key, err
}

// Delete implements server.Keys.
func (k *measuredKeys) Delete(ctx context.Context, project, id apitype.UUID, tombstone apikey.Deletion) error {
	ctx, span := k.telemetry.statementSpan(ctx, k.remove.name)
	start := time.Now()
	err := k.keys.Delete(ctx, project, id, tombstone)
	k.remove.done(span, start, err)
	return err
}

// statementSpan is nil when traces are off.
func (t *Telemetry) statementSpan(ctx context.Context, name string) (context.Context, trace.Span) {
	if t.traces == nil {
		return ctx, nil
	}
	return t.traces.tracer.Start(ctx, "store "+name, trace.WithSpanKind(trace.SpanKindClient))
}

// done notes how the statement ended. The error itself is not told: the log has it.
func (s statement) done(span trace.Span, start time.Time, err error) {
	outcome := s.ok
	switch {
	case err == nil:
	case errors.Is(err, apikey.ErrNotFound):
		outcome = s.notFound
	case errors.Is(err, context.Canceled): // the caller went away
		outcome = s.canceled
	default:
		outcome = s.failures
		if span != nil {
			span.SetStatus(codes.Error, "")
		}
	}
	outcome.Observe(time.Since(start).Seconds())
	if span != nil {
		span.End()
	}
}
