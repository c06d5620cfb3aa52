package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/client/clienttest"
)

// t is what a test function would get. An example has none.
var t = &exampleT{}

type exampleT struct {
	testing.TB
	cleanup func()
}

func (t *exampleT) Helper()           {}
func (t *exampleT) Output() io.Writer { return io.Discard }
func (t *exampleT) Cleanup(f func())  { t.cleanup = f }

func ExampleNewServer() {
	diga := clienttest.NewServer(t) // the *testing.T of your test, which stops the server at its end
	defer t.cleanup()

	key := diga.CreateKey()
	_, err := diga.Client().DeleteAPIKey(context.Background(), key.ID)
	fmt.Println(err, diga.Exists(key.ID))
	// Output: <nil> false
}

func ExampleServer_CreateKey() {
	diga := clienttest.NewServer(t)
	defer t.cleanup()

	viewer := diga.CreateKey(clienttest.Restricted("calls.view"))
	expired := diga.CreateKey(clienttest.ExpiresAt(time.Now().Add(-time.Hour)))
	foreign := diga.CreateKey(clienttest.InProject(client.UUID{1}))

	_, err := diga.Client(client.WithAPIKey(viewer.Secret)).DeleteAPIKey(context.Background(), diga.Key.ID)
	fmt.Println(errors.Is(err, client.ErrForbidden), err)
	_, err = diga.Client(client.WithAPIKey(expired.Secret)).DeleteAPIKey(context.Background(), diga.Key.ID)
	fmt.Println(errors.Is(err, client.ErrUnauthorized))
	_, err = diga.Client().DeleteAPIKey(context.Background(), foreign.ID)
	fmt.Println(errors.Is(err, client.ErrNotFound))
}

func ExampleServer_Inject() {
	diga := clienttest.NewServer(t)
	defer t.cleanup()

	key := diga.CreateKey()
	diga.Inject(clienttest.BadGateway(), clienttest.LoseResponse())
	result, err := diga.Client().DeleteAPIKey(context.Background(), key.ID)
	fmt.Println(err, result.Replayed, result.Attempts)
	for _, request := range diga.Requests() {
		fmt.Println(request.Method, request.Status, request.Fault)
	}
	// Output:
	// <nil> true 3
	// DELETE 502 BadGateway
	// DELETE 200 LoseResponse
	// DELETE 404
}
