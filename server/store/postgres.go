package store

import (
	"context"
	"errors"
)

func openPostgres(ctx context.Context, url string, options Options) (*Store, error) {
	return nil, errors.New("not yet")
}
