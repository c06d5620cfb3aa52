package apitype

import (
	"encoding/json"
	"io"
	"net/http"
)

// Call is one call of an operation: what a generated method passes to the function that sends requests.
type Call struct {
	Operation  string // the Go name of the operation, such as DeleteAPIKey
	Method     string
	Path       string                                     // the path template of the document
	NewRequest func(server string) (*http.Request, error) // server ends in a slash
	Responses  []Response                                 // as the document declares them
}

// Response is one status and media type that the document declares for an operation, and where its body goes. At most
// one of JSON and Stream is set.
type Response struct {
	Status    string         // such as 200, 4XX or default
	MediaType string         // such as application/json or text/*; empty if the response has no body
	JSON      any            // pointer to decode the body of a success into
	Stream    *io.ReadCloser // receives the body of a success

	Code string // error_code of the example of a 404; empty if there is no example

	// Failure decodes the body of an error into a *Failure, and reports whether it has the declared form.
	Failure func([]byte) (error, bool)
}

// Failure is the body of an error response in the form that the document declares. It is an error so that errors.As
// finds it.
type Failure[T any] struct{ Body T }

// Error implements error. The text does not repeat the body.
func (*Failure[T]) Error() string { return "the response has the declared error body" }

// DecodeFailure decodes data into a *Failure[T], and reports whether data is JSON of type T with all required
// properties.
func DecodeFailure[T any](data []byte) (error, bool) {
	failure := new(Failure[T])
	if json.Unmarshal(data, &failure.Body) != nil {
		return nil, false
	}
	// encoding/json does not know which properties are required, but writes those that have no omitempty.
	again, err := json.Marshal(failure.Body)
	if err != nil {
		return nil, false
	}
	var got, want map[string]json.RawMessage
	if json.Unmarshal(again, &want) == nil {
		_ = json.Unmarshal(data, &got)
		for name := range want {
			if _, ok := got[name]; !ok {
				return nil, false
			}
		}
	}
	return failure, true
}
