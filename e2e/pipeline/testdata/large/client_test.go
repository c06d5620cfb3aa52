package large

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/gen/apiclient"
	"github.com/diga-io/diga-api/gen/apitype"
)

// call is a request that the client sent.
type call struct {
	target string // method and URI
	header http.Header
	body   string
}

// newClient returns a client of a server that gives one answer to every request, and a function that returns the last
// request.
func newClient(t *testing.T, status int, mediaType, body string) (*client.Client, func() call) {
	t.Helper()
	var last call
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		last = call{r.Method + " " + r.RequestURI, r.Header, string(data)}
		if mediaType != "" {
			w.Header().Set("Content-Type", mediaType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.WithAPIKey("diga_0123456789abcdef"), client.WithBaseURL(server.URL), client.WithRetries(client.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	return c, func() call { return last }
}

func (c call) check(t *testing.T, target, mediaType, body string) {
	t.Helper()
	if c.target != target || c.header.Get("Content-Type") != mediaType || c.body != body {
		t.Errorf("sent %s of %q: %s", c.target, c.header.Get("Content-Type"), c.body)
	}
}

var id, _ = apitype.ParseUUID(anID)

func TestClientJSON(t *testing.T) {
	c, last := newClient(t, 200, "application/json", `{"items":[`+anAgent+`],"next_cursor":"n"}`)
	limit := 2
	page, result, err := c.ListAgents(t.Context(), &apiclient.ListAgentsParams{Limit: &limit})
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != id || result.StatusCode != 200 {
		t.Errorf("got %+v, %+v, %v", page, result, err)
	}
	last().check(t, "GET /v1/agents?limit=2", "", "")
	if _, _, err = c.ListAgents(t.Context(), nil); err != nil {
		t.Error(err)
	}
	last().check(t, "GET /v1/agents", "", "")
	if got := last().header.Get("Authorization"); got != "Bearer diga_0123456789abcdef" {
		t.Errorf("Authorization is %q", got)
	}
}

func TestClientWithoutContent(t *testing.T) {
	c, last := newClient(t, 204, "", "")
	if result, err := c.DeleteWebhook(t.Context(), "https://a.example/?b"); err != nil || result.StatusCode != 204 {
		t.Errorf("got %+v, %v", result, err)
	}
	last().check(t, "DELETE /v1/webhooks/https:%2F%2Fa.example%2F%3Fb", "", "")
	if _, err := c.PutPromptWithTextBody(t.Context(), id, "Be kind."); err != nil {
		t.Error(err)
	}
	last().check(t, "PUT /v1/agents/"+anID+"/prompt", "text/plain", "Be kind.")
	if _, err := c.ReplaceWithBody(t.Context(), "a b", "application/octet-stream", strings.NewReader("\x00")); err != nil {
		t.Error(err)
	}
	last().check(t, "PUT /v1/files/a%20b", "application/octet-stream", "\x00")
}

func TestClientHead(t *testing.T) {
	c, _ := newClient(t, 200, "application/octet-stream", "")
	result, err := c.Stat(t.Context(), "a")
	if err != nil || result.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestClientOptionalBody(t *testing.T) {
	c, last := newClient(t, 201, "application/json", `{}`)
	if _, _, err := c.DuplicateAgent(t.Context(), id, nil); err != nil {
		t.Error(err)
	}
	last().check(t, "POST /v1/agents/"+anID+"/duplicate", "", "")
	if _, _, err := c.DuplicateAgent(t.Context(), id, new(apiclient.DuplicateAgentJSONRequestBody)); err != nil {
		t.Error(err)
	}
	if got := last(); got.header.Get("Content-Type") != "application/json" || got.body == "" {
		t.Errorf("sent %+v", got)
	}
}

// The JSON of an empty schema is returned, too, beside that of other statuses. Only a DELETE drops it.
func TestClientOpenJSON(t *testing.T) {
	c, _ := newClient(t, 200, "application/json", `{"sequence":9007199254740993}`)
	event, _, err := c.AppendEvent(t.Context(), id, apiclient.AppendEventJSONRequestBody{})
	if err != nil || fmt.Sprint(event) != `{"sequence":9007199254740993}` {
		t.Errorf("got %v, %v", event, err)
	}
	if _, err = c.DeleteAPIKey(t.Context(), id); err != nil {
		t.Error(err)
	}
	c, _ = newClient(t, 202, "application/json", `"later"`)
	grant, _, err := c.Grant(t.Context(), apiclient.GrantJSONRequestBody{})
	if err != nil || grant.JSON202 == nil || grant.JSON202.Any != "later" || grant.JSON200 != nil {
		t.Errorf("got %+v, %v", grant, err)
	}
}

func TestClientStreams(t *testing.T) {
	const events = "data: 1\n\ndata: 2\n\n"
	for name, test := range map[string]struct {
		mediaType, body string
		call            func(context.Context, *client.Client) (io.ReadCloser, client.Result, error)
	}{
		"binary": {"application/octet-stream", "\x00\xff", func(ctx context.Context, c *client.Client) (io.ReadCloser, client.Result, error) {
			return c.Download(ctx, "a", nil)
		}},
		"events": {"text/event-stream; charset=utf-8", events, func(ctx context.Context, c *client.Client) (io.ReadCloser, client.Result, error) {
			return c.StreamCallEvents(ctx, id, nil)
		}},
		"text": {"text/plain", "Be kind.", func(ctx context.Context, c *client.Client) (io.ReadCloser, client.Result, error) {
			return c.GetPrompt(ctx, id)
		}},
		"HTML": {"text/html", "<p>", func(ctx context.Context, c *client.Client) (io.ReadCloser, client.Result, error) { return c.Root(ctx) }},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newClient(t, 200, test.mediaType, test.body)
			stream, result, err := test.call(t.Context(), c)
			if err != nil || result.StatusCode != 200 {
				t.Fatalf("got %+v, %v", result, err)
			}
			got, err := io.ReadAll(stream)
			if string(got) != test.body || err != nil || stream.Close() != nil {
				t.Errorf("read %q, %v", got, err)
			}
			c, _ = newClient(t, 200, "application/json", `{}`)
			if stream, _, err := test.call(t.Context(), c); err == nil || stream != nil {
				t.Errorf("an undeclared media type gave %v, %v", stream, err)
			}
		})
	}
}

func TestClientForm(t *testing.T) {
	c, last := newClient(t, 200, "application/json", `{"access_token":"a","token_type":"bearer"}`)
	token, _, err := c.LoginWithFormdataBody(t.Context(), apiclient.LoginFormdataRequestBody{Username: "ada", Password: "a&b"})
	if err != nil || token.AccessToken != "a" {
		t.Errorf("got %+v, %v", token, err)
	}
	form, err := url.ParseQuery(last().body)
	if err != nil || form.Get("username") != "ada" || form.Get("password") != "a&b" || last().header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("sent %+v", last())
	}
}

func TestClientMultipart(t *testing.T) {
	c, last := newClient(t, 201, "application/json", `{"name":"a.txt","size":3}`)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("file", "a.txt")
	_, _ = io.WriteString(part, "abc")
	form.Close()
	file, _, err := c.UploadWithBody(t.Context(), form.FormDataContentType(), &body)
	if err != nil || file.Size != 3 {
		t.Errorf("got %+v, %v", file, err)
	}
	if got := last(); !strings.Contains(got.body, `filename="a.txt"`) || got.header.Get("Content-Type") != form.FormDataContentType() {
		t.Errorf("sent %+v", got)
	}
}

// One operation with three kinds of bodies has a method for each that the generator knows, and one for any.
func TestClientSeveralBodies(t *testing.T) {
	c, last := newClient(t, 200, "application/json", `{}`)
	if _, _, err := c.ImportSettings(t.Context(), apiclient.ImportSettingsJSONRequestBody{}); err != nil || last().header.Get("Content-Type") != "application/json" {
		t.Errorf("sent %+v, %v", last(), err)
	}
	if _, _, err := c.ImportSettingsWithBody(t.Context(), "text/csv", strings.NewReader("a,b")); err != nil || last().body != "a,b" {
		t.Errorf("sent %+v, %v", last(), err)
	}
}

func TestClientUnion(t *testing.T) {
	c, _ := newClient(t, 200, "application/json", `7`)
	value, _, err := c.Eval(t.Context(), apiclient.EvalJSONRequestBody{})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := value.MarshalJSON(); string(data) != "7" || err != nil {
		t.Errorf("got %s, %v", data, err)
	}
}

func TestClientSeveralSuccesses(t *testing.T) {
	c, _ := newClient(t, 200, "application/json", aCall)
	started, result, err := c.StartCall(t.Context(), apiclient.StartCallJSONRequestBody{})
	if err != nil || result.StatusCode != 200 || started.JSON200 == nil || started.JSON200.ID != id || started.JSON202 != nil {
		t.Errorf("got %+v, %+v, %v", started, result, err)
	}
	c, _ = newClient(t, 202, "application/json", aCall)
	started, result, err = c.StartCall(t.Context(), apiclient.StartCallJSONRequestBody{})
	if err != nil || result.StatusCode != 202 || started.JSON200 != nil || started.JSON202 == nil {
		t.Errorf("got %+v, %+v, %v", started, result, err)
	}
}

// The caller chooses one of several media types by the Accept header.
func TestClientSeveralMediaTypes(t *testing.T) {
	c, last := newClient(t, 200, "text/vtt", "WEBVTT")
	transcript, _, err := c.GetTranscript(t.Context(), id, client.WithHeader("Accept", "text/vtt"))
	if err != nil || transcript.JSON200 != nil || last().header.Get("Accept") != "text/vtt" {
		t.Fatalf("got %+v, %v", transcript, err)
	}
	if data, _ := io.ReadAll(transcript.Body); string(data) != "WEBVTT" || transcript.Body.Close() != nil {
		t.Errorf("read %q", data)
	}
}

// Error bodies have the type that the document declares for the status, its class, or by default.
func TestClientErrors(t *testing.T) {
	const body = `{"error_code":"X","message":"m"}`
	for name, test := range map[string]struct {
		status int
		call   func(context.Context, *client.Client) error
	}{
		"status": {403, func(ctx context.Context, c *client.Client) error { _, _, err := c.GetCall(ctx, id); return err }},
		"class":  {409, func(ctx context.Context, c *client.Client) error { _, err := c.DeleteWebhook(ctx, "a"); return err }},
		"default": {418, func(ctx context.Context, c *client.Client) error {
			_, _, err := c.GetPromptVersion(ctx, id, 1)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newClient(t, test.status, "application/json", body)
			err := test.call(t.Context(), c)
			var failure *client.Error
			var declared *client.ErrorBody[apiclient.ErrorResponseSchema]
			if !errors.As(err, &failure) || failure.StatusCode != test.status || !errors.As(err, &declared) || declared.Body.Message != "m" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestClientParametersAreEscaped(t *testing.T) {
	c, last := newClient(t, 200, "application/json", `"a"`)
	for _, value := range []string{"a/b", "...", "%2e", "ä?#"} {
		if _, _, err := c.Any(t.Context(), value); err != nil {
			t.Errorf("%q: %v", value, err)
		}
		if got, want := last().target, fmt.Sprintf("GET /v1/any/%s", url.PathEscape(value)); got != want {
			t.Errorf("%q: sent %s, want %s", value, got, want)
		}
	}
	before := last()
	for _, value := range []string{"", ".", ".."} {
		if _, _, err := c.Any(t.Context(), value); !errors.Is(err, client.ErrInvalid) {
			t.Errorf("%q: got %v", value, err)
		}
	}
	if last().target != before.target {
		t.Errorf("sent %s", last().target)
	}
}
