package main

import (
	"context"
	"errors"

	"github.com/diga-io/diga-api/server/store"
)

// databaseFlags say where the keys are.
type databaseFlags struct {
	DatabaseURL string `default:"sqlite:diga.db" placeholder:"URL" help:"sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE. Default: ${default}."`
}

// check finds out what is wrong with the URL itself.
func (f databaseFlags) check(settings *wrongSettings) {
	if err := store.CheckURL(f.DatabaseURL); err != nil {
		settings.wrong("database-url", err.Error())
	}
}

// open opens the store. A URL that is wrong in itself is a usage error; a database that is, is not.
func (f databaseFlags) open(ctx context.Context, options store.Options) (*store.Store, error) {
	keys, err := store.Open(ctx, f.DatabaseURL, options)
	if errors.Is(err, store.ErrURL) {
		return nil, usageError{err}
	}
	return keys, err
}
