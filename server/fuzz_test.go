package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/diga-io/diga-api/api"
)

// FuzzServer sends arbitrary requests to the server. Every answer on a declared path and method is valid according to
// kin-openapi's own response validation; every other answer has the declared error shape.
func FuzzServer(f *testing.F) {
	d := newDiga(f)
	_, admin := d.createKey(f)
	target, _ := d.createKey(f)
	document, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		f.Fatal(err)
	}
	const path = "/v1/api_key/{id}"
	operations := document.Paths.Value(path).Operations()
	handler := d.Config.Handler

	good := "Bearer " + admin.Reveal()
	for _, method := range []string{"DELETE", "GET", "OPTIONS", "", "x"} {
		for _, id := range []string{"/v1/api_key/" + target.ID.String(), "/v1/api_key/nope", "/v1/api_key/%2F%00", "/", "*", "//", "/openapi.json", "/v1/api_key/a/b"} {
			f.Add(method, id, good, "application/json", []byte(`{}`))
			f.Add(method, id, "Bearer ", "", []byte{0xff})
		}
	}
	f.Fuzz(func(t *testing.T, method, target, authorization, contentType string, body []byte) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return // net/http rejects this target
		}
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", bytes.NewReader(body))
		request.Method, request.URL, request.RequestURI = method, u, target
		request.Header.Set("Authorization", authorization)
		request.Header.Set("Content-Type", contentType)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)

		escaped := u.RawPath
		if escaped == "" {
			escaped = u.Path
		}
		id, isKey := strings.CutPrefix(escaped, "/v1/api_key/")
		switch declared := isKey && id != "" && !strings.Contains(id, "/"); {
		case declared && operations[method] != nil:
			input := &openapi3filter.ResponseValidationInput{
				RequestValidationInput: &openapi3filter.RequestValidationInput{
					Request: request,
					Route:   &routers.Route{Spec: document, Path: path, PathItem: document.Paths.Value(path), Method: method, Operation: operations[method]},
				},
				Status:  answer.Code,
				Header:  answer.Header(),
				Options: &openapi3filter.Options{IncludeResponseStatus: true},
			}
			input.SetBodyBytes(answer.Body.Bytes())
			if err := openapi3filter.ValidateResponse(t.Context(), input); err != nil {
				t.Errorf("%d %s: %v", answer.Code, answer.Body, err)
			}
			if answer.Code == 200 && authorization != good {
				t.Errorf("%s done for %q", method, authorization)
			}
			if answer.Code == 500 {
				t.Errorf("answered 500 %s", answer.Body)
			}
		case escaped == "/openapi.json" && slices.Contains([]string{http.MethodGet, http.MethodHead}, method):
		default:
			var shape struct {
				Status    string `json:"status"`
				ErrorCode string `json:"error_code"`
				Message   string `json:"message"`
			}
			decoder := json.NewDecoder(answer.Body)
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&shape); err != nil || shape.Status != "error" || shape.ErrorCode == "" || shape.Message == "" {
				t.Errorf("%s %s: %d %+v, %v", method, target, answer.Code, shape, err)
			}
			wanted := http.StatusNotFound
			if declared || escaped == "/openapi.json" {
				wanted = http.StatusMethodNotAllowed
			}
			if answer.Code != wanted {
				t.Errorf("%s %s: %d, want %d", method, target, answer.Code, wanted)
			}
		}
	})
}
