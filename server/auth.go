package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// errForbidden means that the caller's key is valid and lacks the permission.
var errForbidden = errors.New("missing required permission")

// authenticationError is why a request has no valid key. The client gets the same answer whatever the reason, and a
// challenge that depends only on whether it sent a bearer token. The reason and the key are for the operator.
type authenticationError struct {
	reason    string       // missing, malformed, unknown, expired or deleted
	key       apitype.UUID // the id of an expired or deleted key; else zero
	challenge string       // of the WWW-Authenticate header
}

// Error implements error.
func (e *authenticationError) Error() string { return "api key is " + e.reason }

const (
	challengeMissing = "Bearer"                       // no bearer token was sent
	challengeInvalid = `Bearer error="invalid_token"` // the token is not that of a live key
)

var (
	errMissing      = &authenticationError{reason: "missing", challenge: challengeMissing}
	errNotBearer    = &authenticationError{reason: "malformed", challenge: challengeMissing}
	errMalformed    = &authenticationError{reason: "malformed", challenge: challengeInvalid}
	errUnknownToken = &authenticationError{reason: "unknown", challenge: challengeInvalid}
)

// authenticator authenticates requests by their bearer token.
type authenticator struct {
	keys Keys
	now  func() time.Time
}

// authenticate stores the caller's key in the exchange. Package contract calls it where the document requires
// authentication. Any error other than an *authenticationError is a failure of the store.
func (a authenticator) authenticate(ctx context.Context, input *contract.AuthenticationInput) error {
	if !isBearer(input.Scheme) {
		return errMissing
	}
	token, err := bearerToken(input.Request.Header)
	if err != nil {
		return err
	}
	secret := apikey.SecretOf(token)
	if !secret.Plausible() {
		return errMalformed // without asking the store
	}
	key, err := a.keys.Authenticate(ctx, secret.Hash())
	if deleted, ok := errors.AsType[*apikey.DeletedError](err); ok {
		return &authenticationError{reason: "deleted", key: deleted.ID, challenge: challengeInvalid}
	}
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return errUnknownToken
	case err != nil:
		return err
	case key.Expired(a.now()):
		return &authenticationError{reason: "expired", key: key.ID, challenge: challengeInvalid}
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
		return "", errMissing
	}
	if len(values) > 1 {
		return "", errMalformed
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNotBearer
	}
	return token, nil
}

// minSecret is the length from which a part of a key is worth hiding.
const minSecret = 16

// revealsSecret reports whether text, which the log and the tombstone would show, contains the request's credentials, a
// part of them, or what may be a key of somebody else. It ignores case, because a key in capital letters is still known.
func revealsSecret(text string, header http.Header) bool {
	text = strings.ToLower(text)
	for _, value := range header["Authorization"] {
		_, credentials, found := strings.Cut(value, " ")
		if !found {
			credentials = value
		}
		credentials = strings.ToLower(strings.Trim(credentials, " "))
		if credentials != "" && strings.Contains(text, credentials) || len(text) >= minSecret && strings.Contains(credentials, text) {
			return true
		}
	}
	if strings.HasPrefix(text, apikey.Prefix) {
		return true
	}
	for {
		_, rest, found := strings.Cut(text, apikey.Prefix)
		if !found {
			return false
		}
		end := strings.IndexFunc(rest, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
		if end >= minSecret || end < 0 && len(rest) >= minSecret {
			return true
		}
		text = rest
	}
}
