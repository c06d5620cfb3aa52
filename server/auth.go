package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/server/apikey"
)

var (
	// errNoToken: the request carries no bearer token.
	errNoToken = errors.New("no bearer token")
	// errInvalidToken: a token was sent, and it is not that of a live key.
	errInvalidToken = errors.New("invalid bearer token")
	// errForbidden: the caller's key is good and lacks the permission.
	errForbidden = errors.New("missing required permission")
)

// authenticator finds out who is calling.
type authenticator struct {
	keys Keys
	now  func() time.Time
}

// authenticate is called by package contract where the document requires authentication. It leaves the caller's key
// in the exchange. An error that is neither errNoToken nor errInvalidToken means that the store could not answer.
func (a authenticator) authenticate(ctx context.Context, input *contract.AuthenticationInput) error {
	token, err := bearerToken(input.Request.Header)
	if err != nil {
		return err
	}
	key, err := a.keys.Authenticate(ctx, apikey.SecretOf(token).Hash())
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return errInvalidToken
	case err != nil:
		return err
	case key.Expired(a.now()):
		return errInvalidToken
	}
	exchange := exchangeOf(ctx)
	exchange.caller, exchange.authenticated = key, true
	return nil
}

// bearerToken takes the token out of the Authorization header (RFC 6750, section 2.1). Two such headers are refused:
// which of them another party on the way believed cannot be known.
func bearerToken(header http.Header) (string, error) {
	values := header["Authorization"]
	if len(values) == 0 {
		return "", errNoToken
	}
	if len(values) > 1 {
		return "", errInvalidToken
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoToken
	}
	return token, nil
}
