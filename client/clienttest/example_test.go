package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/client/clienttest"
)

// A test calls NewServer, which needs no error handling and no Close.
func ExampleNewServer() {
	testCleanup := func(t *testing.T) {
		diga := clienttest.NewServer(t)
		key := diga.CreateKey()
		if _, err := diga.Client().DeleteAPIKey(t.Context(), key.ID); err != nil || diga.Exists(key.ID) {
			t.Errorf("the key still exists: %v", err)
		}
	}
	_ = testCleanup
}

// A program for local development runs a Diga of its own.
func ExampleStart() {
	diga, err := clienttest.Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer diga.Close()

	key := diga.CreateKey()
	_, err = diga.Client().DeleteAPIKey(context.Background(), key.ID)
	fmt.Println(err, diga.Exists(key.ID))
	// Output: <nil> false
}

func ExampleServer_CreateKey() {
	diga, _ := clienttest.Start(nil)
	defer diga.Close()

	viewer := diga.CreateKey(clienttest.Restricted("calls.view"))
	expired := diga.CreateKey(clienttest.ExpiresAt(time.Now().Add(-time.Hour)))
	foreign := diga.CreateKey(clienttest.InProject(client.UUID{1}))

	_, err := diga.Client(client.WithAPIKey(viewer.Secret)).DeleteAPIKey(context.Background(), diga.Key.ID)
	fmt.Println(errors.Is(err, client.ErrForbidden))
	_, err = diga.Client(client.WithAPIKey(expired.Secret)).DeleteAPIKey(context.Background(), diga.Key.ID)
	fmt.Println(errors.Is(err, client.ErrUnauthorized))
	_, err = diga.Client().DeleteAPIKey(context.Background(), foreign.ID)
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// true
	// true
	// true
}

func ExampleServer_Inject() {
	diga, _ := clienttest.Start(nil)
	defer diga.Close()

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

func ExampleServer_InjectFor() {
	diga, _ := clienttest.Start(nil)
	defer diga.Close()

	diga.InjectFor("DELETE /v1/api_key/{id}", clienttest.Respond(409, nil, `{"status":"error","error_code":"IN_USE","message":"The key is in use"}`))
	_, err := diga.Client().DeleteAPIKey(context.Background(), diga.CreateKey().ID)
	var failure *client.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.StatusCode, failure.Code)
	}
	// Output: 409 IN_USE
}
