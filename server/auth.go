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
	errNoToken      = errors.New("no bearer token")             // the request has no bearer token
	errInvalidToken = errors.New("invalid bearer token")        // the token is not that of a live key
	errForbidden    = errors.New("missing required permission") // the caller's key is valid and lacks the permission
)

// authenticator authenticates requests by their bearer token.
type authenticator struct {
	keys Keys
	now  func() time.Time
}

// authenticate stores the caller's key in the exchange. Package contract calls it where the document requires
// authentication. Any error other than errNoToken and errInvalidToken is a failure of the store.
func (a authenticator) authenticate(ctx context.Context, input *contract.AuthenticationInput) error {
	if !isBearer(input.Scheme) {
		return errNoToken
	}
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
	x := exchangeOf(ctx)
	x.caller, x.authenticated = key, true
	return nil
}

// isBearer reports whether scheme is HTTP bearer, the only one that is implemented. No request meets another one.
func isBearer(scheme contract.SecurityScheme) bool {
	return scheme.Type == "http" && strings.EqualFold(scheme.Scheme, "bearer")
}

// bearerToken returns the token of the Authorization header (RFC 6750, section 2.1). It rejects two such headers, because
// a proxy may have checked the other one.
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
