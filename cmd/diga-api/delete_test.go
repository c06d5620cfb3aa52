package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/client"
)

// What the test of the built program would have to wait for, because the client tries again.
func TestDeleteErrors(t *testing.T) {
	for _, test := range []struct {
		err    client.Error
		kind   string
		status int
		advice string
	}{
		{client.Error{StatusCode: 503}, "server", exitFailure, "tell the server's operator"},
		{client.Error{StatusCode: 429}, "too_many_requests", exitFailure, "run the command again later"},
		{client.Error{StatusCode: 429, RetryAfter: time.Minute}, "too_many_requests", exitFailure, "run the command again in 1m0s"},
		{client.Error{Attempts: 1, Err: context.DeadlineExceeded}, "unreachable", exitUnreachable, "no response: timed out; check the network and --base-url (DIGA_BASE_URL)"},
		{client.Error{Attempts: 1, Err: context.Canceled}, "failure", exitFailure, "no response: interrupted; the key may have been deleted"},
	} {
		failed := failureOf(&test.err)
		advice := new(deleteCommand).advise(failed, "DIGA_API_KEY")
		if status := exitStatus(failed, new(strings.Builder)); failed.kind != test.kind || status != test.status || !strings.Contains(advice, test.advice) {
			t.Errorf("%s, exit status %d: %s", failed.kind, status, advice)
		}
	}
}
