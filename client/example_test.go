package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/gen/apiclient"
)

// diga stands for the API in these examples. It gives one answer to every request.
func diga(status int, body string) *httptest.Server {
	return httptest.NewServer(answer(status, body))
}

// ourKey stands for the API key, which a program would leave in DIGA_API_KEY.
const ourKey = "diga_0123456789abcdef0123456789abcdefcafe"

func Example() {
	server := diga(200, `{}`)
	defer server.Close()
	os.Setenv("DIGA_API_KEY", ourKey)
	os.Setenv("DIGA_BASE_URL", server.URL)
	defer os.Unsetenv("DIGA_API_KEY")
	defer os.Unsetenv("DIGA_BASE_URL")

	c, err := client.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	fmt.Println(result.Attempts, err)
	// Output: 1 <nil>
}

func ExampleNew() {
	c, err := client.New(
		client.WithAPIKey(ourKey),
		client.WithBaseURL("https://proxy.example.com/diga"),
		client.WithUserAgent("billing/1.2"),
		client.WithTimeout(20*time.Second),
		client.WithRetries(client.RetryPolicy{MaxAttempts: 3}),
		client.WithLogger(slog.Default()),
		client.WithHeader("X-Team", "billing"),
	)
	fmt.Println(c, err)
	// Output: diga client of https://proxy.example.com/diga with key diga_…cafe <nil>
}

func Example_notFound() {
	server := diga(404, `{"status":"error","error_code":"API_KEY_NOT_FOUND","message":"Error from ApiKeyNotFoundException"}`)
	defer server.Close()
	c, _ := client.New(client.WithAPIKey(ourKey), client.WithBaseURL(server.URL))

	_, err := c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	if errors.Is(err, client.ErrNotFound) {
		fmt.Println("nothing to delete")
	}
	fmt.Println(err)
	// Output:
	// nothing to delete
	// DeleteAPIKey: 404 Not Found: API_KEY_NOT_FOUND: Error from ApiKeyNotFoundException
}

func Example_forbidden() {
	server := diga(403, `{"status":"error","error_code":"INTERNAL_SERVER_ERROR","message":"Missing required permissions"}`)
	defer server.Close()
	c, _ := client.New(client.WithAPIKey(ourKey), client.WithBaseURL(server.URL))

	_, err := c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	if errors.Is(err, client.ErrForbidden) {
		fmt.Println("ask for the permission api_keys.delete")
	}
	// Output: ask for the permission api_keys.delete
}

func Example_unauthorized() {
	server := diga(403, `{"status":"error","error_code":"UNAUTHORIZED","message":"Invalid or missing API key"}`)
	defer server.Close()
	c, _ := client.New(client.WithAPIKey(ourKey), client.WithBaseURL(server.URL))

	_, err := c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	if errors.Is(err, client.ErrUnauthorized) {
		fmt.Println("the key in DIGA_API_KEY is not good any more")
	}
	// Output: the key in DIGA_API_KEY is not good any more
}

func Example_invalid() {
	c, _ := client.New(client.WithAPIKey(ourKey))

	_, err := c.DeleteAPIKeyString(context.Background(), "550e8400e29b41d4a716446655440000") // nothing is sent
	fmt.Println(errors.Is(err, client.ErrInvalid), err)
	// Output: true DeleteAPIKey: nothing was sent: invalid request: the id is not a UUID: invalid length: expected 36 characters
}

// A fake returns an error that matches a sentinel. Package clienttest has the real server instead.
func ExampleError() {
	var err error = &client.Error{Operation: "DeleteAPIKey", StatusCode: http.StatusNotFound, Attempts: 1, Err: client.ErrNotFound}
	fmt.Println(errors.Is(err, client.ErrNotFound), err)
	// Output: true DeleteAPIKey: 404 Not Found: not found
}

// A proxy of the company has a certificate of its own authority.
func ExampleWithHTTPClient() {
	authorities := x509.NewCertPool()
	if pem, err := os.ReadFile("company-ca.pem"); err == nil {
		authorities.AppendCertsFromPEM(pem)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: authorities}

	c, err := client.New(
		client.WithAPIKey(ourKey),
		client.WithBaseURL("https://diga.example.com"),
		client.WithHTTPClient(&http.Client{Transport: transport}),
	)
	fmt.Println(c, err)
	// Output: diga client of https://diga.example.com with key diga_…cafe <nil>
}

// What a server says of the fields of a request is in Details.
func ExampleFieldDetail() {
	server := diga(422, `{"detail":[{"loc":["path","id"],"msg":"Input should be a valid UUID","type":"uuid_parsing"}]}`)
	defer server.Close()
	c, _ := client.New(client.WithAPIKey(ourKey), client.WithBaseURL(server.URL))

	_, err := c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	var failure *client.Error
	if errors.As(err, &failure) {
		for _, detail := range failure.Details {
			fmt.Printf("%q %s (%s)\n", detail.Loc, detail.Msg, detail.Type)
		}
	}
	// Output: ["path" "id"] Input should be a valid UUID (uuid_parsing)
}

func Example_server() {
	server := diga(502, `<html>Bad Gateway</html>`)
	defer server.Close()
	c, _ := client.New(client.WithAPIKey(ourKey), client.WithBaseURL(server.URL),
		client.WithRetries(client.RetryPolicy{MaxAttempts: 2, BaseDelay: time.Millisecond}))

	_, err := c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	fmt.Println(errors.Is(err, client.ErrServer), err)
	// Output: true DeleteAPIKey: 502 Bad Gateway (2 attempts)
}

// Errors without a response wrap what the network said; those of a context that ended are found by errors.Is.
func Example_noResponse() {
	server := diga(200, `{}`)
	server.Close() // connections are refused from here on
	c, _ := client.New(client.WithAPIKey(ourKey), client.WithBaseURL(server.URL),
		client.WithRetries(client.RetryPolicy{MaxAttempts: 1}))

	_, err := c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	var failure *client.Error
	if errors.As(err, &failure) && failure.StatusCode == 0 && !errors.Is(err, context.DeadlineExceeded) {
		fmt.Println("no response; the key may be deleted or not: call again")
	}
	// Output: no response; the key may be deleted or not: call again
}

// A delete whose response was lost is a success once the server says that there is no such key.
func ExampleResult() {
	server := httptest.NewServer((&recorder{}).handler([]http.HandlerFunc{
		cut, // the key is deleted, but the connection breaks before the answer
		answer(404, `{"status":"error","error_code":"API_KEY_NOT_FOUND","message":"Error from ApiKeyNotFoundException"}`),
	}))
	defer server.Close()
	c, _ := client.New(client.WithAPIKey(ourKey), client.WithBaseURL(server.URL),
		client.WithRetries(client.RetryPolicy{BaseDelay: time.Millisecond}))

	result, err := c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	fmt.Println(result.Replayed, result.Attempts, err)
	// Output: true 2 <nil>
}

// Metrics: one line for each attempt.
func ExampleWithMiddleware() {
	server := diga(403, ``)
	defer server.Close()
	c, _ := client.New(client.WithAPIKey(ourKey), client.WithBaseURL(server.URL),
		client.WithMiddleware(func(r *http.Request, next client.Next) (*http.Response, error) {
			resp, err := next(r)
			if attempt, ok := client.AttemptFromContext(r.Context()); ok && err == nil {
				fmt.Println(attempt.Operation, r.Method, attempt.Path, attempt.Number, resp.StatusCode)
			}
			return resp, err
		}))

	c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	// Output: DeleteAPIKey DELETE /v1/api_key/{id} 1 403
}

// The declared body of an error has the type that is generated from the contract.
func ExampleErrorBody() {
	server := diga(403, `{"status":"error","error_code":"INTERNAL_SERVER_ERROR","message":"Missing required permissions"}`)
	defer server.Close()
	c, _ := client.New(client.WithAPIKey(ourKey), client.WithBaseURL(server.URL))

	_, err := c.DeleteAPIKeyString(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	var declared *client.ErrorBody[apiclient.ErrorResponseSchema]
	if errors.As(err, &declared) {
		fmt.Println(declared.Body.Message)
	}
	// Output: Missing required permissions
}
