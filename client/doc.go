// Package client calls the Diga API.
//
//	diga, err := client.New() // the API key is in DIGA_API_KEY
//	if err != nil {
//		return err
//	}
//	_, err = diga.DeleteAPIKeyString(ctx, "550e8400-e29b-41d4-a716-446655440000")
//
// A nil error means that the key no longer exists. Otherwise, errors.Is finds one of the sentinels, and errors.As finds
// the details:
//
//	var failure *client.Error
//	switch {
//	case errors.Is(err, client.ErrNotFound): // nothing to delete
//	case errors.Is(err, client.ErrForbidden): // our key lacks the permission api_keys.delete
//	case errors.Is(err, client.ErrUnauthorized): // our key is expired, deleted or mistyped
//	case errors.Is(err, client.ErrInvalid): // the id is not a UUID
//	case errors.Is(err, client.ErrTooManyRequests): // a 429, after retries
//	case errors.Is(err, client.ErrServer): // a 5xx, after retries
//	case errors.As(err, &failure): // no response, or one that the contract does not declare
//		log.Print(failure.StatusCode, failure.RequestID, failure.Attempts)
//	}
//
// # Retries
//
// Calls are repeated within a time limit, a number of attempts and a budget that all calls of a Client share. Which
// errors are followed by another attempt depends on the method: see [RetryPolicy]. When the response of a DELETE was
// lost and the next attempt is answered with the API's own 404, the call is a success: see [Result].
//
// # Responses
//
// A success has a status and a media type that the contract declares, or no body. Anything else is an error, because a
// proxy may have sent it. JSON is decoded, up to a size limit. Any other body is a stream, which the caller closes; only
// the context limits how long it is read.
//
// # The API key
//
// The key is sent to the scheme, host and port of the base URL only, even if a server redirects, and over plain http
// only to the local machine. It prints as diga_…last4, and no error contains it, even if a server echoes it.
//
// # Tests
//
// Package [github.com/diga-io/diga-api/client/clienttest] is an in-process Diga for the tests of programs that use this
// package.
//
// docs/client.md in the repository says what is retried, what is logged, and what stays compatible.
package client

//go:generate go run gendoc.go
