// Package client calls the Diga API.
//
//	diga, err := client.New() // the API key is in DIGA_API_KEY
//	if err != nil {
//		return err
//	}
//	_, err = diga.DeleteAPIKeyString(ctx, "550e8400-e29b-41d4-a716-446655440000")
//
// No error means that the key is gone. Otherwise the status has decided which of the sentinels the error is, and an
// *Error tells the rest:
//
//	var failure *client.Error
//	switch {
//	case errors.Is(err, client.ErrNotFound): // nothing to delete
//	case errors.Is(err, client.ErrForbidden): // our key lacks the permission api_keys.delete
//	case errors.Is(err, client.ErrUnauthorized): // our key is expired, deleted or mistyped
//	case errors.Is(err, client.ErrInvalid): // the id is no UUID
//	case errors.Is(err, client.ErrServer): // a 5xx, after retries
//	case errors.As(err, &failure): // no response, or one that the contract does not know
//		log.Print(failure.StatusCode, failure.RequestID, failure.Attempts)
//	}
//
// # Retries
//
// Connection errors and the statuses 408, 429, 500, 502, 503 and 504 are tried again, within a time limit, a number of
// attempts and a budget that all calls of a Client share: see [RetryPolicy]. When the response of a delete was lost and
// the next attempt learns that there is no such key, that is a success: see [Result].
//
// # The API key
//
// The key is sent to the base URL's host and to no other, redirects or not, and never over plain http, except to this
// very machine. It prints as diga_…last4 wherever a [Client] is printed or logged, and no error shows it, even if a
// server echoes it.
//
// # Tests
//
// Package [github.com/diga-io/diga-api/client/clienttest] is a Diga for the tests of programs that use this package.
//
// docs/client.md in the repository says what is retried, what is logged, and what stays compatible.
package client
