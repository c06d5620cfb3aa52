package telemetry_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/telemetry"
)

// keys is a store with one key, whose secret is "good". Its deletes depend on the id: existing, missing or broken.
type keys struct{ project apitype.UUID }

var existing, missing, broken = apitype.NewUUID(), apitype.NewUUID(), apitype.NewUUID()

func (k keys) Authenticate(_ context.Context, hash apikey.Hash) (apikey.Key, error) {
	if hash != apikey.SecretOf("good").Hash() {
		return apikey.Key{}, apikey.ErrNotFound
	}
	return apikey.Key{ID: apitype.NewUUID(), ProjectID: k.project}, nil
}

func (k keys) Delete(_ context.Context, _, id apitype.UUID, _ apikey.Deletion) error {
	switch id {
	case existing:
		return nil
	case missing:
		return apikey.ErrNotFound
	}
	return errors.New("the disk is full")
}

// serve answers requests with the telemetry that the environment configures, and returns the log.
func serve(t *testing.T, requests ...*http.Request) (observed *telemetry.Telemetry, log string) {
	t.Helper()
	var buffer strings.Builder
	logger := slog.New(slog.NewJSONHandler(&buffer, nil))
	observed, err := telemetry.New(t.Context(), telemetry.Build{Version: "v1.2.3", Revision: "abc", Contract: "def"}, logger)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := server.New(server.Options{
		Keys: observed.Keys(keys{}), Observer: observed, Logger: slog.New(observed.LogHandler(logger.Handler())),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range requests {
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	return observed, buffer.String()
}

func request(t *testing.T, method, path, token string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

const operation = "delete_api_key_v1_api_key__id__delete"

// everyAnswer returns a request for each status.
func everyAnswer(t *testing.T) []*http.Request {
	return []*http.Request{
		request(t, "DELETE", "/v1/api_key/"+existing.String(), "good"),
		request(t, "DELETE", "/v1/api_key/"+existing.String(), ""),
		request(t, "DELETE", "/v1/api_key/"+missing.String(), "good"),
		request(t, "DELETE", "/v1/api_key/nope", "good"),
		request(t, "DELETE", "/v1/api_key/"+broken.String(), "good"),
		request(t, "DELETE", "/v1/api_key/a/b", "good"),
		request(t, "EXPLODE", "/v1/api_key/"+existing.String(), "good"),
		request(t, "EXPLODE2", "/v1/api_key/"+existing.String(), "good"),
	}
}

func TestMetrics(t *testing.T) {
	observed, _ := serve(t, everyAnswer(t)...)
	page := scrape(t, observed)
	for _, line := range []string{
		`diga_http_requests_total{method="DELETE",operation="` + operation + `",status="200"} 1`,
		`diga_http_requests_total{method="DELETE",operation="` + operation + `",status="403"} 1`,
		`diga_http_requests_total{method="DELETE",operation="` + operation + `",status="404"} 1`,
		`diga_http_requests_total{method="DELETE",operation="` + operation + `",status="422"} 1`,
		`diga_http_requests_total{method="DELETE",operation="` + operation + `",status="500"} 1`,
		`diga_http_requests_total{method="DELETE",operation="none",status="404"} 1`,
		`diga_http_requests_total{method="other",operation="none",status="405"} 2`,
		`diga_http_request_duration_seconds_count{method="DELETE",operation="` + operation + `",status="200"} 1`,
		`diga_http_requests_in_flight 0`,
		`diga_contract_violations_total{direction="request",operation="` + operation + `"} 1`,
		`diga_authentication_failures_total{reason="missing"} 1`,
		`diga_store_duration_seconds_count{outcome="ok",statement="authenticate"} 4`,
		`diga_store_duration_seconds_count{outcome="ok",statement="delete"} 1`,
		`diga_store_duration_seconds_count{outcome="not_found",statement="delete"} 1`,
		`diga_store_duration_seconds_count{outcome="error",statement="delete"} 1`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	for _, pattern := range []string{`(?m)^diga_build_info\{contract_sha256="def",go="go[^"]+",revision="abc",version="v1.2.3"\} 1$`, `(?m)^go_goroutines `, `(?m)^process_open_fds `} {
		if !regexp.MustCompile(pattern).MatchString(page) {
			t.Errorf("no %s", pattern)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

// Each series that an alert watches exists before its first event.
func TestSeriesExistFromTheStart(t *testing.T) {
	observed, _ := serve(t)
	page := scrape(t, observed)
	var lines []string
	for _, status := range []string{"200", "403", "404", "422", "499", "500", "501"} {
		lines = append(lines, `diga_http_requests_total{method="DELETE",operation="`+operation+`",status="`+status+`"} 0`)
	}
	for _, direction := range []string{"request", "response"} {
		for _, name := range []string{operation, "none"} {
			lines = append(lines, `diga_contract_violations_total{direction="`+direction+`",operation="`+name+`"} 0`)
		}
	}
	for _, reason := range []string{"missing", "malformed", "unknown", "expired", "deleted"} {
		lines = append(lines, `diga_authentication_failures_total{reason="`+reason+`"} 0`)
	}
	for _, outcome := range []string{"ok", "not_found", "error"} {
		lines = append(lines, `diga_store_duration_seconds_count{outcome="`+outcome+`",statement="delete"} 0`)
	}
	for _, line := range lines {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}

func scrape(t *testing.T, observed *telemetry.Telemetry) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	observed.Metrics().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return recorder.Body.String()
}

// collector is an OTLP collector.
type collector struct {
	mutex    sync.Mutex
	spans    []*spanpb.Span
	resource map[string]string
}

func newCollector(t *testing.T) (*collector, string) {
	c := &collector{resource: make(map[string]string)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var export tracepb.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &export) != nil {
			t.Errorf("%s %s: not OTLP", r.Method, r.URL)
			return
		}
		c.mutex.Lock()
		defer c.mutex.Unlock()
		for _, resource := range export.ResourceSpans {
			for _, attribute := range resource.Resource.Attributes {
				c.resource[attribute.Key] = attribute.Value.GetStringValue()
			}
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(s.Close)
	return c, s.URL
}

func TestTraces(t *testing.T) {
	collector, url := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	observed, log := serve(t, everyAnswer(t)...)
	if err := observed.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	byID := make(map[string]*spanpb.Span)
	count := make(map[string]int)
	for _, span := range collector.spans {
		byID[string(span.SpanId)] = span
		count[span.Name]++
	}
	if count[operation] != 5 || count["DELETE"] != 1 || count["other"] != 2 || count["store authenticate"] != 4 || count["store delete"] != 3 {
		t.Errorf("spans by name: %v", count)
	}
	for _, span := range collector.spans {
		status := attributeOf(span, "http.response.status_code")
		isError := span.Status.GetCode() == spanpb.Status_STATUS_CODE_ERROR
		parent := byID[string(span.ParentSpanId)]
		switch span.Kind {
		case spanpb.Span_SPAN_KIND_SERVER:
			if isError != (status >= 500) {
				t.Errorf("%s with status %d: error is %t", span.Name, status, isError)
			}
			if parent != nil {
				t.Errorf("%s within %s", span.Name, parent.Name)
			}
		case spanpb.Span_SPAN_KIND_CLIENT:
			if parent == nil || parent.Name != operation || string(parent.TraceId) != string(span.TraceId) {
				t.Errorf("%s is not within the request's span", span.Name)
			}
		default:
			t.Errorf("%s is of kind %s", span.Name, span.Kind)
		}
	}
	if collector.resource["service.name"] != "diga-api" || collector.resource["service.version"] != "v1.2.3" || collector.resource["deployment.environment.name"] != "test" {
		t.Errorf("resource %v", collector.resource)
	}
	if strings.Count(log, `"msg":"request"`) != strings.Count(log, `"trace_id":`)-1 {
		t.Errorf("want a trace id in the line of each request and in the one error:\n%s", log)
	}
}

// A caller's traceparent is a link, and decides nothing, unless the operator asks for parent-based sampling. Its trace state
// is then exported, too.
func TestTraceparent(t *testing.T) {
	const traceID, parentID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	const sampled, unsampled, invalid = traceID + "-" + parentID + "-01", traceID + "-" + parentID + "-00", "nonsense"
	for name, test := range map[string]struct {
		sampler, argument     string
		parent                string
		exported, links, same bool
	}{
		"sampled by the caller":     {"", "", sampled, true, true, false},
		"unsampled by the caller":   {"", "", unsampled, true, true, false},
		"invalid":                   {"", "", invalid, true, false, false},
		"off":                       {"always_off", "", sampled, false, false, false},
		"ratio":                     {"traceidratio", "0", sampled, false, false, false},
		"always":                    {"always_on", "", unsampled, true, true, false},
		"parent-based, sampled":     {"parentbased_always_off", "", sampled, true, false, true},
		"parent-based, unsampled":   {"parentbased_always_on", "", unsampled, false, false, false},
		"parent-based, no parent":   {"parentbased_always_on", "", invalid, true, false, false},
		"parent-based, off at root": {"parentbased_always_off", "", invalid, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			collector, url := newCollector(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
			t.Setenv("OTEL_TRACES_SAMPLER", test.sampler)
			t.Setenv("OTEL_TRACES_SAMPLER_ARG", test.argument)
			observed, log := serve(t, request(t, "DELETE", "/v1/api_key/nope", "", "traceparent: 00-"+test.parent, "tracestate: vendor=secret"))
			if err := observed.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !test.exported {
				if len(collector.spans) > 0 {
					t.Errorf("exported %v", collector.spans)
				}
				return
			}
			if len(collector.spans) != 1 {
				t.Fatalf("exported %v", collector.spans)
			}
			span := collector.spans[0]
			if links := len(span.Links) == 1 && hex(span.Links[0].TraceId) == traceID && hex(span.Links[0].SpanId) == parentID; links != test.links {
				t.Errorf("links %v", span.Links)
			}
			if same := hex(span.TraceId) == traceID && hex(span.ParentSpanId) == parentID && span.TraceState == "vendor=secret"; same != test.same {
				t.Errorf("trace %x, parent %x, state %q", span.TraceId, span.ParentSpanId, span.TraceState)
			}
			if !test.same && strings.Contains(span.String(), "secret") {
				t.Errorf("the trace state is exported: %v", span)
			}
			if !strings.Contains(log, `"trace_id":"`+hex(span.TraceId)+`"`) {
				t.Errorf("the log has another trace than %x:\n%s", span.TraceId, log)
			}
		})
	}
}

func hex(id []byte) string {
	const digits = "0123456789abcdef"
	var text strings.Builder
	for _, b := range id {
		text.WriteByte(digits[b>>4])
		text.WriteByte(digits[b&15])
	}
	return text.String()
}

func attributeOf(span *spanpb.Span, key string) int64 {
	for _, attribute := range span.Attributes {
		if attribute.Key == key {
			return attribute.Value.GetIntValue()
		}
	}
	return 0
}

// A collector that is down does not fail requests. Close reports the lost spans.
func TestCollectorDown(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/v1/traces")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	observed, _ := serve(t, everyAnswer(t)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := observed.Close(ctx); err == nil {
		t.Error("Close reports no error for the lost spans")
	}
}

func TestEnvironment(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
	for name, test := range map[string]struct {
		env       []string
		wanted    bool
		complaint string
	}{
		"nothing set":       {nil, false, ""},
		"endpoint":          {[]string{endpoint}, true, ""},
		"traces endpoint":   {[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://collector/v1/traces"}, true, ""},
		"exporter":          {[]string{"OTEL_TRACES_EXPORTER=otlp"}, true, ""},
		"disabled":          {[]string{endpoint, "OTEL_SDK_DISABLED=true"}, false, ""},
		"no exporter":       {[]string{endpoint, "OTEL_TRACES_EXPORTER=none"}, false, ""},
		"another exporter":  {[]string{"OTEL_TRACES_EXPORTER=console"}, false, "OTEL_TRACES_EXPORTER"},
		"another protocol":  {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, false, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"only for traces":   {[]string{endpoint, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, true, ""},
		"no URL":            {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317"}, false, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"disabled and ugly": {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=:", "OTEL_SDK_DISABLED=true"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, line := range test.env {
				name, value, _ := strings.Cut(line, "=")
				t.Setenv(name, value)
			}
			wanted, err := telemetry.CheckEnvironment()
			if wanted != test.wanted {
				t.Errorf("traces wanted: %t", wanted)
			}
			if test.complaint == "" && err != nil || test.complaint != "" && (err == nil || !strings.Contains(err.Error(), test.complaint)) {
				t.Errorf("complains %v", err)
			}
		})
	}
}
