package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// Keys are the statements of a store that Telemetry.Keys measures.
type Keys interface {
	Authenticate(ctx context.Context, hash apikey.Hash) (apikey.Key, error)
	Delete(ctx context.Context, project, id apitype.UUID, tombstone apikey.Deletion) error
}

// Keys returns keys with each statement measured and, when traces are on, in a span of its own.
func (t *Telemetry) Keys(keys Keys) Keys { return measuredKeys{keys, t} }

type measuredKeys struct {
	keys      Keys
	telemetry *Telemetry
}

// Authenticate implements Keys.
func (k measuredKeys) Authenticate(ctx context.Context, hash apikey.Hash) (key apikey.Key, err error) {
	err = k.telemetry.measure(ctx, "authenticate", func(ctx context.Context) error {
		key, err = k.keys.Authenticate(ctx, hash)
		return err
	})
	return key, err
}

// Delete implements Keys.
func (k measuredKeys) Delete(ctx context.Context, project, id apitype.UUID, tombstone apikey.Deletion) error {
	return k.telemetry.measure(ctx, "delete", func(ctx context.Context) error {
		return k.keys.Delete(ctx, project, id, tombstone)
	})
}

// measure runs a statement. The metric and the span have its outcome; the error itself is in the log only.
func (t *Telemetry) measure(ctx context.Context, statement string, run func(context.Context) error) error {
	ctx, span := t.startStatement(ctx, statement)
	defer span.End()
	start := time.Now()
	err := run(ctx)
	outcome := "ok"
	switch {
	case err == nil:
	case errors.Is(err, apikey.ErrNotFound):
		outcome = "not_found"
	default:
		outcome = "error"
		span.SetStatus(codes.Error, "")
	}
	t.store.WithLabelValues(statement, outcome).Observe(time.Since(start).Seconds())
	return err
}
