package main

import (
	"strings"
	"testing"

	"github.com/diga-io/diga-api/client"
)

// A server that answered is reachable, however badly it is.
func TestDeleteErrorOfAServer(t *testing.T) {
	if got := exitStatus(deleteErrorOf(&client.Error{StatusCode: 503}), new(strings.Builder)); got != exitFailure {
		t.Errorf("exit status %d", got)
	}
}
