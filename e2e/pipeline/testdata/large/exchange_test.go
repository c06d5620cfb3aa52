// Package large holds the code that is generated of a large document to that document: the pipeline's test copies this
// file, and a stub of the server that it makes, into a module of its own.
package large

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apiclient"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
)

// stub answers every operation with answer, and keeps the request it was asked with. Its methods are generated.
type stub struct {
	answer  any
	request any
}

var _ apiserver.StrictServerInterface = (*stub)(nil)

// errNoAnswer is what a method of the stub fails with that has no answer.
var errNoAnswer = errors.New("the test gave no answer")

const (
	anID = "550e8400-e29b-41d4-a716-446655440000"

	anAgent = `{"id":"` + anID + `","name":"Ada","model":{"provider":"openai","name":"gpt"},"created_at":"2026-01-02T03:04:05Z","extra":null,` +
		`"voice":{"provider":"azure","region":"west"},"temperature":0.123456789,"tools":[{"type":"http","url":"https://example.com"}],` +
		`"metadata":{"a":[1,null]},"labels":{"x":"y"},"status":"paused","kind":"agent"}`
	aCall = `{"id":"` + anID + `","from":"a","to":"b","type":"inbound","started_at":"2026-01-02T03:04:05Z","cost":"1.50","point":[1,2.5],` +
		`"parent":{"id":"` + anID + `","from":"c","to":"d","type":"outbound","started_at":"2026-01-02T03:04:05Z"},"analysis":{"n":1,"s":"x","z":null}}`
)

// exchange is a request, what the handler answers it with, and what goes back.
type exchange struct {
	name         string
	method, path string
	header       http.Header
	body         string
	answer       any
	status       int
	want         string // JSON that the body equals, or its text when it is no JSON; the body is free when empty
	got          func(t *testing.T, request any)
}

// of decodes text into a generated response.
func of[T any](text string) T {
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

var asJSON = header("Content-Type", "application/json")

func TestExchanges(t *testing.T) {
	multipart := header("Content-Type", "multipart/form-data; boundary=b")
	form := header("Content-Type", "application/x-www-form-urlencoded")
	for _, e := range []exchange{
		{
			name: "schema-less response", method: "DELETE", path: "/v1/api_key/" + anID,
			answer: apiserver.DeleteAPIKey200JSONResponse(apitype.Of(map[string]any{"any": []any{1, nil}})),
			status: 200, want: `{"any":[1,null]}`,
		},
		{
			name: "schema-less response that is null", method: "DELETE", path: "/v1/api_key/" + anID,
			answer: apiserver.DeleteAPIKey200JSONResponse{}, status: 200, want: `null`,
		},
		{name: "path parameter that is no UUID", method: "DELETE", path: "/v1/api_key/nope", status: 422},
		{name: "no credentials", method: "DELETE", path: "/v1/api_key/nope", header: http.Header{"Authorization": nil}, status: 403},
		{name: "no credentials needed", method: "GET", path: "/health", header: http.Header{"Authorization": nil}, answer: apiserver.Health200JSONResponse{}, status: 200, want: `null`},
		{name: "no answer of the handler", method: "DELETE", path: "/v1/api_key/" + anID, status: 500},
		{
			name: "page with headers", method: "GET",
			path: "/v1/agents?limit=7&status=active&status=paused&created_after=2026-01-02T03:04:05Z&day=2026-01-02&ids=" + anID +
				"&order=asc&sort=-name&filter%5Bname%5D=Ada&tags=a,b&anything=x",
			header: header("X-Request-Source", "web", "X-Trace", anID, "Cookie", "session=s"),
			answer: apiserver.ListAgents200JSONResponse{
				Body:    of[apiserver.PageAgent](`{"items":[` + anAgent + `],"next_cursor":null}`),
				Headers: apiserver.ListAgents200ResponseHeaders{XTotalCount: 1},
			},
			status: 200, want: `{"items":[` + anAgent + `],"next_cursor":null}`,
			got: func(t *testing.T, request any) {
				p := request.(apiserver.ListAgentsRequestObject).Params
				equal(t, "limit", *p.Limit, 7)
				equal(t, "status", *p.Status, []apiserver.AgentStatus{"active", "paused"})
				equal(t, "created_after", p.CreatedAfter.Year(), 2026)
				equal(t, "day", p.Day.String(), "2026-01-02")
				equal(t, "ids", (*p.Ids)[0].String(), anID)
				equal(t, "order", *p.Order, "asc")
				equal(t, "sort", *p.Sort, "-name")
				equal(t, "filter", *p.Filter.Name, "Ada")
				equal(t, "tags", *p.Tags, []string{"a", "b"})
				equal(t, "anything", *p.Anything, "x")
				equal(t, "x-request-source", *p.XRequestSource, "web")
				equal(t, "x-trace", p.XTrace.String(), anID)
				equal(t, "session", *p.Session, "s")
			},
		},
		{name: "query parameter beyond its maximum", method: "GET", path: "/v1/agents?limit=101", status: 422},
		{name: "query parameter outside its enumeration", method: "GET", path: "/v1/agents?status=gone", status: 422},
		{name: "header parameter that is no UUID", method: "GET", path: "/v1/agents", header: header("X-Trace", "nope"), status: 422},
		{
			name: "response with a header", method: "POST", path: "/v1/webhooks", header: asJSON, body: `{"url":"https://example.com"}`,
			answer: apiserver.CreateWebhook201JSONResponse{
				Body:    apiserver.Webhook{URL: "https://example.com"},
				Headers: apiserver.CreateWebhook201ResponseHeaders{Location: "https://example.com/w"},
			},
			status: 201, want: `{"url":"https://example.com"}`,
		},
		{
			name: "body with unions, enumerations and defaults", method: "POST", path: "/v1/agents",
			header: header("Content-Type", "application/json", "Idempotency-Key", "k"),
			body:   `{"name":"Ada","model":{"provider":"meta","size":7},"voice":null,"tools":[],"webhook_url":null}`,
			answer: of[apiserver.CreateAgent201JSONResponse](anAgent), status: 201, want: anAgent,
			got: func(t *testing.T, request any) {
				r := request.(apiserver.CreateAgentRequestObject)
				equal(t, "header", r.Params.IdempotencyKey, "k")
				model, err := r.Body.Model.ValueByDiscriminator()
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "model", model.(apiserver.LlamaModel).Size, 7)
			},
		},
		{
			name: "body without a required header", method: "POST", path: "/v1/agents", header: asJSON,
			body: `{"name":"Ada","model":{"provider":"meta","size":7}}`, status: 422,
		},
		{
			name: "body of no variant", method: "POST", path: "/v1/agents", header: header("Content-Type", "application/json", "Idempotency-Key", "k"),
			body: `{"name":"Ada","model":{"provider":"nobody"}}`, status: 422,
		},
		{
			name: "body with a member too many", method: "POST", path: "/v1/api_key", header: asJSON, body: `{"name":"k","more":1}`, status: 422,
		},
		{
			name: "allOf", method: "POST", path: "/v1/api_key", header: asJSON, body: `{"name":"k","permissions":["calls.view","*"],"expiry_date":null}`,
			answer: of[apiserver.CreateAPIKey201JSONResponse](`{"id":"` + anID +
				`","name":"k","created_date":"2026-01-02T03:04:05Z","last_four_digits":"abcd","creator_id":null,"key":"secret"}`),
			status: 201,
			want:   `{"id":"` + anID + `","name":"k","created_date":"2026-01-02T03:04:05Z","last_four_digits":"abcd","creator_id":null,"key":"secret"}`,
		},
		{
			name: "response against its schema", method: "GET", path: "/v1/agents/" + anID,
			answer: of[apiserver.GetAgent200JSONResponse](strings.Replace(anAgent, "paused", "lost", 1)), status: 500,
		},
		{name: "no content", method: "DELETE", path: "/v1/agents/" + anID, answer: apiserver.DeleteAgentV1AgentsAgentIDDelete204Response{}, status: 204},
		{
			name: "schema named as a generated type", method: "DELETE", path: "/v1/agents?name=Ada",
			answer: apiserver.DeleteAgent200JSONResponse{Deleted: 1}, status: 200, want: `{"deleted":1}`,
		},
		{name: "required query parameter missing", method: "DELETE", path: "/v1/agents", status: 422},
		{
			name: "optional body that is absent", method: "POST", path: "/v1/agents/" + anID + "/duplicate",
			answer: apiserver.DuplicateAgent202JSONResponse(apitype.Of("later")), status: 202, want: `"later"`,
			got: func(t *testing.T, request any) {
				// echo's binder does not tell an absent body from an empty one.
				equal(t, "body", *request.(apiserver.DuplicateAgentRequestObject).Body, apiserver.DuplicateOptions{})
			},
		},
		{
			name: "text in", method: "PUT", path: "/v1/agents/" + anID + "/prompt", header: header("Content-Type", "text/plain"), body: "Be kind.",
			answer: apiserver.PutPrompt204Response{}, status: 204,
			got: func(t *testing.T, request any) {
				equal(t, "body", *request.(apiserver.PutPromptRequestObject).Body, "Be kind.")
			},
		},
		{
			name: "text out", method: "GET", path: "/v1/agents/" + anID + "/prompt",
			answer: apiserver.GetPrompt200TextResponse("Be kind."), status: 200, want: "Be kind.",
		},
		{
			name: "schema-less text out", method: "GET", path: "/robots.txt",
			answer: apiserver.Robots200TextResponse("Disallow: /"), status: 200, want: "Disallow: /",
		},
		{
			name: "default response", method: "GET", path: "/v1/agents/" + anID + "/prompts/3",
			answer: apiserver.GetPromptVersiondefaultJSONResponse{
				StatusCode: 410, Body: apiserver.ErrorResponseSchema{ErrorCode: "GONE", Message: "gone"},
			},
			status: 410, want: `{"error_code":"GONE","message":"gone"}`,
		},
		{name: "path parameter below its minimum", method: "GET", path: "/v1/agents/" + anID + "/prompts/0", status: 422},
		{
			name: "recursive response", method: "GET", path: "/v1/calls/" + anID,
			answer: of[apiserver.GetCall200JSONResponse](aCall), status: 200, want: aCall,
		},
		{
			name: "recursive body", method: "PUT", path: "/v1/tree", header: asJSON, body: `{"value":1,"children":[{"value":{"x":[]},"parent":null}]}`,
			answer: of[apiserver.PutTree200JSONResponse](`{"value":null,"index":{"a":{"value":"b"}}}`), status: 200, want: `{"value":null,"index":{"a":{"value":"b"}}}`,
			got: func(t *testing.T, request any) {
				equal(t, "children", len(*request.(apiserver.PutTreeRequestObject).Body.Children), 1)
			},
		},
		{name: "recursive body, wrong far below", method: "PUT", path: "/v1/tree", header: asJSON, body: `{"value":1,"children":[{"value":2,"children":[{}]}]}`, status: 422},
		{
			name: "recursive union", method: "POST", path: "/v1/simplify", header: asJSON,
			body:   `{"op":"+","left":{"literal":1},"right":{"op":"&&","left":{"literal":true},"right":{"literal":null}}}`,
			answer: of[apiserver.Simplify202JSONResponse](`{"literal":1.5}`), status: 202, want: `{"literal":1.5}`,
			got: func(t *testing.T, request any) {
				expression, err := request.(apiserver.SimplifyRequestObject).Body.AsBinaryExpr()
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "op", expression.Op, "+")
			},
		},
		{name: "recursive union, of no variant", method: "POST", path: "/v1/simplify", header: asJSON, body: `{"op":"%","left":{"literal":1},"right":{"literal":1}}`, status: 422},
		{
			name: "union of scalars out", method: "POST", path: "/v1/expr", header: asJSON, body: `{"literal":"x"}`,
			answer: of[apiserver.Eval200JSONResponse](`[1,"two",null]`), status: 200, want: `[1,"two",null]`,
		},
		{
			name: "discriminated body", method: "POST", path: "/v1/calls/" + anID + "/events", header: asJSON, body: `{"type":"call.ended","reason":"hangup"}`,
			answer: apiserver.AppendEvent200JSONResponse(apitype.Of(nil)), status: 200, want: `null`,
			got: func(t *testing.T, request any) {
				body := apiserver.AppendEventJSONBody(*request.(apiserver.AppendEventRequestObject).Body)
				ended, err := body.AsCallEnded()
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "reason", ended.Reason, "hangup")
			},
		},
		{name: "discriminated body, of no variant", method: "POST", path: "/v1/calls/" + anID + "/events", header: asJSON, body: `{"type":"call.lost"}`, status: 422},
		{
			name: "map of anything in, map of text out", method: "POST", path: "/v1/calls/" + anID + "/metadata", header: asJSON, body: `{"a":{"b":[1]}}`,
			answer: apiserver.SetMetadata200JSONResponse{"k": "v"}, status: 200, want: `{"k":"v"}`,
		},
		{
			name: "null out", method: "POST", path: "/v1/calls/" + anID + "/note", header: asJSON, body: `{"note":"n","any":null}`,
			answer: apiserver.AddNote200JSONResponse{}, status: 200, want: `null`,
		},
		{
			name: "null out that is not", method: "POST", path: "/v1/calls/" + anID + "/note", header: asJSON, body: `{"note":"n","any":null}`,
			answer: apiserver.AddNote200JSONResponse(apitype.Of(1)), status: 500,
		},
		{
			name: "array of unions", method: "POST", path: "/v1/calls/batch", header: asJSON, body: `[{"agent_id":"` + anID + `","to":["a","b"],"variables":{"x":1.5,"y":true}}]`,
			answer: of[apiserver.Batch200JSONResponse](`[{"batch_id":"` + anID + `","size":1},{"error_code":"E","message":"m"}]`),
			status: 200, want: `[{"batch_id":"` + anID + `","size":1},{"error_code":"E","message":"m"}]`,
		},
		{name: "array that is too short", method: "POST", path: "/v1/calls/batch", header: asJSON, body: `[]`, status: 422},
		{
			name: "union out", method: "POST", path: "/v1/calls", header: asJSON, body: `{"agent_id":"` + anID + `","to":"a"}`,
			answer: of[apiserver.StartCall202JSONResponse](`{"batch_id":"` + anID + `","size":1}`), status: 202, want: `{"batch_id":"` + anID + `","size":1}`,
		},
		{
			name: "union in the query", method: "GET", path: "/v1/calls?number=12&archived=true&type=inbound&min_score=0.25&agent_id=" + anID,
			answer: apiserver.ListCalls200JSONResponse{}, status: 200, want: `[]`,
			got: func(t *testing.T, request any) {
				p := request.(apiserver.ListCallsRequestObject).Params
				equal(t, "number", *p.Number, "12")
				equal(t, "archived", *p.Archived, true)
				equal(t, "min_score", *p.MinScore, 0.25)
			},
		},
		{name: "array out that is null", method: "GET", path: "/v1/calls", answer: apiserver.ListCalls200JSONResponse(nil), status: 500},
		{name: "events", method: "GET", path: "/v1/calls/" + anID + "/events", answer: apiserver.StreamCallEvents200TextEventStreamResponse{Body: strings.NewReader("data: 1\n\ndata: 2\n\n")}, status: 200, want: "data: 1\n\ndata: 2\n\n"},
		{name: "events whose items are described", method: "GET", path: "/v1/calls/" + anID + "/events.sse", answer: apiserver.StreamEventsSse200TextEventStreamResponse{Body: strings.NewReader("data: {}\n\n")}, status: 200, want: "data: {}\n\n"},
		{name: "audio", method: "GET", path: "/v1/calls/" + anID + "/recording", answer: apiserver.GetRecording200AudioWavResponse{Body: strings.NewReader("RIFF"), ContentLength: 4}, status: 200, want: "RIFF"},
		{
			name: "several media types", method: "GET", path: "/v1/calls/" + anID + "/transcript",
			answer: apiserver.GetTranscript200TextVttResponse{Body: strings.NewReader("WEBVTT")}, status: 200, want: "WEBVTT",
		},
		{
			name: "upload", method: "POST", path: "/v1/files", header: multipart,
			body:   "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--b\r\nContent-Disposition: form-data; name=\"public\"\r\n\r\ntrue\r\n--b--\r\n",
			answer: apiserver.Upload201JSONResponse{Name: "f", Size: 2}, status: 201, want: `{"name":"f","size":2}`,
			got: func(t *testing.T, request any) {
				part, err := request.(apiserver.UploadRequestObject).Body.NextPart()
				if err != nil {
					t.Fatal(err)
				}
				content, err := io.ReadAll(part)
				equal(t, "file", string(content), "\x00\xff")
				equal(t, "error", err, nil)
			},
		},
		{
			name: "upload without the file", method: "POST", path: "/v1/files", header: multipart,
			body: "--b\r\nContent-Disposition: form-data; name=\"public\"\r\n\r\ntrue\r\n--b--\r\n", status: 422,
		},
		{
			name: "upload of several files", method: "POST", path: "/v1/files/many", header: multipart,
			body:   "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"f\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"g\"\r\n\r\n2\r\n--b--\r\n",
			answer: apiserver.UploadMany201JSONResponse{}, status: 201, want: `[]`,
		},
		{name: "download", method: "GET", path: "/v1/files/f", answer: apiserver.Download200ApplicationOctetStreamResponse{Body: strings.NewReader("\x00\x01")}, status: 200, want: "\x00\x01"},
		{name: "not modified", method: "GET", path: "/v1/files/f", answer: apiserver.Download304Response{}, status: 304},
		{
			name: "bytes in", method: "PUT", path: "/v1/files/f", header: header("Content-Type", "application/octet-stream"), body: "\x00\x01",
			answer: apiserver.Replace204Response{}, status: 204,
			got: func(t *testing.T, request any) {
				content, err := io.ReadAll(request.(apiserver.ReplaceRequestObject).Body)
				equal(t, "body", string(content), "\x00\x01")
				equal(t, "error", err, nil)
			},
		},
		{name: "head", method: "HEAD", path: "/v1/files/f", answer: apiserver.Stat200Response{}, status: 200},
		{
			name: "form", method: "POST", path: "/v1/token", header: form, body: "username=u&password=p&remember=true",
			answer: apiserver.Login200JSONResponse{AccessToken: "t", TokenType: "bearer"}, status: 200, want: `{"access_token":"t","token_type":"bearer"}`,
			got: func(t *testing.T, request any) {
				body := request.(apiserver.LoginRequestObject).Body
				equal(t, "username", body.Username, "u")
				equal(t, "remember", *body.Remember, true)
			},
		},
		{name: "form without a required field", method: "POST", path: "/v1/token", header: form, body: "username=u", status: 422},
		{
			name: "names that are hard to say in Go", method: "GET", path: "/v1/me", header: header("Cookie", "access_token=t"),
			answer: of[apiserver.Me200JSONResponse](`{"_id":"i","$schema":"s","2fa":true,"@context":"c","last-login":"2026-01-02T03:04:05Z","last_login":"l","userName":"a","user_name":"b"}`),
			status: 200, want: `{"_id":"i","$schema":"s","2fa":true,"@context":"c","last-login":"2026-01-02T03:04:05Z","last_login":"l","userName":"a","user_name":"b"}`,
		},
		{name: "required cookie missing", method: "GET", path: "/v1/me", status: 422},
		{
			name: "parameters that are hard to say in Go", method: "GET", path: "/v1/type/t/f?range=r&default=4&$select=s&2fa=true&_id=i&x.y=1&X-Y=3",
			answer: of[apiserver.Type200JSONResponse](`{"type":"t","map":{"m":{"type":"u"}},"nil":null}`),
			status: 200, want: `{"type":"t","map":{"m":{"type":"u"}}}`,
			got: func(t *testing.T, request any) {
				r := request.(apiserver.TypeRequestObject)
				equal(t, "path", r.Type+r.Func, "tf")
				equal(t, "query", *r.Params.Range+*r.Params.UnderscoreID, "ri")
			},
		},
		{
			name: "parameters that are variables of the generated code", method: "GET", path: "/v1/runtimes/a/b/c/d/e?params=p&x_page=2", header: header("X-Page", "1"),
			answer: apiserver.GetRuntimeV1RuntimesGet200JSONResponse(apitype.Of(nil)), status: 200, want: `null`,
			got: func(t *testing.T, request any) {
				r := request.(apiserver.GetRuntimeV1RuntimesGetRequestObject)
				equal(t, "path", r.RuntimeParam+r.ErrParam+r.CtxParam+r.BodyParam+r.StringParam, "abcde")
			},
		},
		{
			name: "odd", method: "POST", path: "/v1/odd", header: asJSON,
			body:   `{"required_any":null,"multi":3,"both":{"known":"k","n":1},"union":[{"required_any":1}],"enum_mixed":null}`,
			answer: of[apiserver.Odd200JSONResponse](`{"required_any":{"x":1},"readOnly":"r","multi":"m","both":{"known":"k","n":1},"ref_any":[1],"union":[],"big":9007199254740993}`),
			status: 200, want: `{"required_any":{"x":1},"readOnly":"r","multi":"m","both":{"known":"k","n":1},"ref_any":[1],"union":[],"big":9007199254740993}`,
			got: func(t *testing.T, request any) {
				body := request.(apiserver.OddRequestObject).Body
				equal(t, "both", body.Both.AdditionalProperties["n"], 1)
			},
		},
		{name: "odd, of no type", method: "POST", path: "/v1/odd", header: asJSON, body: `{"required_any":null,"multi":true}`, status: 422},
		{
			name: "schema-less body", method: "POST", path: "/v1/echo", header: asJSON, body: `[1,{"a":null}]`,
			answer: apiserver.EchodefaultJSONResponse{StatusCode: 418, Body: apitype.Of("tea")}, status: 418, want: `"tea"`,
			got: func(t *testing.T, request any) {
				text, err := json.Marshal(request.(apiserver.EchoRequestObject).Body)
				equal(t, "body", string(text), `[1,{"a":null}]`)
				equal(t, "error", err, nil)
			},
		},
		{name: "schema-less body that is null", method: "POST", path: "/v1/echo", header: asJSON, body: `null`, answer: apiserver.Echo201JSONResponse{}, status: 201, want: `null`},
		{
			name: "schema-less parameters", method: "POST", path: "/v1/echo_optional?value=v", header: header("X-Any", "a"),
			answer: apiserver.EchoOptional200JSONResponse(apitype.Of(1)), status: 200, want: `1`,
			got: func(t *testing.T, request any) {
				r := request.(apiserver.EchoOptionalRequestObject)
				equal(t, "parameters", *r.Params.Value+*r.Params.XAny, "va")
				equal(t, "body", r.Body.Any, nil)
			},
		},
		{
			name: "schema-less path parameter, component without a schema", method: "GET", path: "/v1/any/v",
			answer: apiserver.Any200JSONResponse(apitype.Of([]any{true})), status: 200, want: `[true]`,
			got: func(t *testing.T, request any) {
				equal(t, "value", request.(apiserver.AnyRequestObject).Value, "v")
			},
		},
		{
			name: "parameter of JSON", method: "GET", path: "/v1/search?q=x&fields=a&fields=b&where=%7B%22field%22%3A%22f%22%2C%22op%22%3A%22%3E%3D%22%2C%22value%22%3Anull%7D",
			answer: of[apiserver.Search200JSONResponse](`{"hits":[` + aCall + `,{"name":"f","size":1}],"facets":{"a":{"b":1}}}`),
			status: 200, want: `{"hits":[` + aCall + `,{"name":"f","size":1}],"facets":{"a":{"b":1}}}`,
			got: func(t *testing.T, request any) {
				p := request.(apiserver.SearchRequestObject).Params
				equal(t, "where", *p.Where.Op, ">=")
			},
		},
		{
			name: "additional properties out", method: "GET", path: "/v1/settings",
			answer: of[apiserver.GetSettings200JSONResponse](`{"timezone":"UTC","get":true,"more":{"x":1}}`), status: 200, want: `{"timezone":"UTC","get":true,"more":{"x":1}}`,
		},
		{
			name: "additional properties in", method: "PATCH", path: "/v1/settings", header: asJSON, body: `{"retention_days":3,"more":[1]}`,
			answer: apiserver.PatchSettings200JSONResponse{}, status: 200, want: `{}`,
			got: func(t *testing.T, request any) {
				body := request.(apiserver.PatchSettingsRequestObject).Body
				equal[any](t, "more", body.AdditionalProperties["more"], []any{1.0})
			},
		},
		{
			name: "one of several media types in", method: "POST", path: "/v1/settings/import", header: header("Content-Type", "text/csv"), body: "a,b",
			answer: apiserver.ImportSettings200JSONResponse{}, status: 200,
			got: func(t *testing.T, request any) {
				content, err := io.ReadAll(request.(apiserver.ImportSettingsRequestObject).Body)
				equal(t, "body", string(content), "a,b")
				equal(t, "error", err, nil)
			},
		},
		{name: "media type that is not declared", method: "POST", path: "/v1/settings/import", header: header("Content-Type", "text/yaml"), body: "a: b", status: 422},
		{name: "time out", method: "GET", path: "/v1/time", answer: of[apiserver.Time200JSONResponse](`"2026-01-02T03:04:05Z"`), status: 200, want: `"2026-01-02T03:04:05Z"`},
		{name: "date out", method: "GET", path: "/v1/time", answer: of[apiserver.Time203JSONResponse](`"2026-01-02"`), status: 203, want: `"2026-01-02"`},
		{name: "UUID out", method: "GET", path: "/v1/time", answer: of[apiserver.Time201JSONResponse](`"` + anID + `"`), status: 201, want: `"` + anID + `"`},
		{name: "range of statuses", method: "DELETE", path: "/v1/webhooks/u", answer: apiserver.DeleteWebhook5XXJSONResponse{StatusCode: 503, Body: apitype.Of("x")}, status: 503, want: `"x"`},
		{
			name: "map of objects out", method: "GET", path: "/v1/webhooks", answer: apiserver.ListWebhooks200JSONResponse{"a": {URL: "https://example.com"}}, status: 200,
			want: `{"a":{"url":"https://example.com"}}`,
		},
		{
			name: "everything by reference", method: "GET", path: "/v1/components?limit=1&agent-status=active",
			answer: apiserver.Components202JSONResponse{AnyJSONResponse: apiserver.AnyJSONResponse(apitype.Of(1))}, status: 202, want: `1`,
		},
		{name: "body by reference", method: "POST", path: "/v1/components", header: asJSON, body: `1`, answer: apiserver.PostComponents200JSONResponse{}, status: 200, want: `null`},
		{
			name: "enumerations in unions", method: "POST", path: "/v1/grants", header: asJSON,
			body:   `{"permissions":["view"],"levels":{"Ada":["high"]},"events":[{"kind":"ended"}]}`,
			answer: apiserver.Grant202JSONResponse(apitype.Of("later")), status: 202, want: `"later"`,
			got: func(t *testing.T, request any) {
				permissions, err := request.(apiserver.GrantRequestObject).Body.Permissions.AsGrantPermissions0()
				equal(t, "error", err, nil)
				equal(t, "permissions", permissions, []apiserver.GrantPermissions0Item{"view"})
			},
		},
		{name: "constant in a union", method: "POST", path: "/v1/grants", header: asJSON, body: `{"permissions":"some"}`, status: 422},
		{
			name: "anyOf and oneOf", method: "POST", path: "/v1/grants", header: asJSON, body: `{"permissions":"all"}`,
			answer: apiserver.Grant200JSONResponse(apitype.Of(map[string]any{"permissions": "all"})), status: 200, want: `{"permissions":"all"}`,
		},
		{
			name: "model or null that is a model", method: "POST", path: "/v1/grants", header: asJSON, body: `{"permissions":"all"}`,
			answer: of[apiserver.Grant201JSONResponse](`{"url":"https://example.com"}`), status: 201, want: `{"url":"https://example.com"}`,
		},
		{
			name: "model or null that is null", method: "POST", path: "/v1/grants", header: asJSON, body: `{"permissions":"all"}`,
			answer: apiserver.Grant201JSONResponse{}, status: 201, want: `null`,
		},
		{name: "operation without a name", method: "GET", path: "/v1/noid", answer: apiserver.GetV1Noid200JSONResponse{}, status: 200, want: `null`},
		{name: "parameter of the path item", method: "GET", path: "/v1/noid/" + anID, answer: apiserver.GetSharedParameter200JSONResponse{}, status: 200, want: `null`},
		{name: "page", method: "GET", path: "/", answer: apiserver.Root200TextHTMLResponse{Body: strings.NewReader("<p>")}, status: 200, want: "<p>"},
		{name: "options", method: "OPTIONS", path: "/v1/agents", answer: apiserver.Options204Response{}, status: 204},
		{name: "pattern", method: "GET", path: "/v1/numbers/0049", status: 422},
		{
			name: "nullable reference", method: "GET", path: "/v1/numbers/%2B4912345",
			answer: of[apiserver.GetNumber200JSONResponse](`{"number":"+4912345","agent":` + anAgent + `,"multiple":1.5}`), status: 200,
			want: `{"number":"+4912345","agent":` + anAgent + `,"multiple":1.5}`,
		},
	} {
		t.Run(e.name, func(t *testing.T) {
			s := &stub{answer: e.answer}
			request := httptest.NewRequest(e.method, e.path, strings.NewReader(e.body))
			request.Header.Set("Authorization", "Bearer x")
			for name, values := range e.header {
				request.Header[name] = values
			}
			response := httptest.NewRecorder()
			serve(t, s).ServeHTTP(response, request)
			if response.Code != e.status {
				t.Fatalf("status %d, want %d: %s", response.Code, e.status, response.Body)
			}
			if e.want != "" && !same(response.Body.Bytes(), []byte(e.want)) {
				t.Errorf("body %s, want %s", response.Body, e.want)
			}
			if e.got != nil {
				e.got(t, s.request)
			}
			if called := s.request != nil; called != (e.answer != nil || e.status == http.StatusInternalServerError) {
				t.Errorf("the handler was called: %t", called)
			}
		})
	}
}

// TestEveryOperationIsRouted compares the routes of the generated server with the operations of the document.
func TestEveryOperationIsRouted(t *testing.T) {
	e, c := serve(t, &stub{}), compile()
	if n := len(c.Operations()); n < 40 {
		t.Fatalf("%d operations are no large document", n)
	}
	for _, route := range e.Routes() {
		if route.Method != echo.RouteNotFound && c.Operation(route.Method, route.Path) == nil {
			t.Errorf("%s %s is routed and not declared", route.Method, route.Path)
		}
	}
	if routes := len(e.Routes()); routes != len(c.Operations()) {
		t.Errorf("%d routes for %d operations", routes, len(c.Operations()))
	}
}

var compile = sync.OnceValue(func() *contract.Contract {
	c, err := contract.Compile(api.Document, contract.Options{
		Authenticate: func(_ context.Context, input *contract.AuthenticationInput) error {
			if input.Request.Header.Get("Authorization") == "" {
				return errors.New("no credentials")
			}
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	return c
})

// TestClient calls the generated server through package client.
func TestClient(t *testing.T) {
	s := &stub{answer: of[apiserver.Simplify200JSONResponse](`{"literal":1.5}`)}
	server := httptest.NewServer(serve(t, s))
	defer server.Close()
	c, err := client.New(client.WithAPIKey("diga_0123456789abcdef"), client.WithBaseURL(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	var expression apiclient.Expr
	if err := expression.FromLiteral(apiclient.Literal{}); err != nil {
		t.Fatal(err)
	}
	simplified, _, err := c.Simplify(t.Context(), expression)
	if err != nil {
		t.Fatalf("%v, %v", simplified, err)
	}
	literal, err := simplified.AsLiteral()
	equal(t, "error", err, nil)
	text, err := json.Marshal(literal)
	equal(t, "error", err, nil)
	equal(t, "literal", string(text), `{"literal":1.5}`)

	s.answer = of[apiserver.GetSettings200JSONResponse](`{"more":{"x":1}}`)
	settings, _, err := c.GetSettings(t.Context())
	if err != nil {
		t.Fatalf("%v, %v", settings, err)
	}
	equal[any](t, "more", settings.AdditionalProperties["more"], map[string]any{"x": 1.0})
}

func serve(t *testing.T, s apiserver.StrictServerInterface) *echo.Echo {
	t.Helper()
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		t.Log(err)
		status := http.StatusInternalServerError
		var request *contract.RequestError
		var security *contract.SecurityError
		switch {
		case errors.As(err, &request):
			status = http.StatusUnprocessableEntity
		case errors.As(err, &security):
			status = http.StatusForbidden
		}
		body := any(map[string]any{"error_code": "E", "message": "m"})
		if status == http.StatusUnprocessableEntity {
			body = map[string]any{"detail": []any{}}
		}
		if err := c.JSON(status, body); err != nil {
			t.Error(err)
		}
	}
	e.Use(compile().Middleware())
	apiserver.RegisterHandlers(e, apiserver.NewStrictHandler(s, nil))
	return e
}

func same(got, want []byte) bool {
	var g, w any
	if json.Unmarshal(got, &g) != nil || json.Unmarshal(want, &w) != nil {
		return bytes.Equal(got, want)
	}
	return reflect.DeepEqual(g, w)
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
