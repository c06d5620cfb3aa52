//go:build proof

package deploy_test

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	dataquery "github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v2"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

const monitoring = folder + "/monitoring"

// prometheus returns a command of Debian's package prometheus.
func prometheus(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install prometheus", name)
	}
	return exec.CommandContext(t.Context(), name, args...)
}

type rule struct{ Alert, Expr string }

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(read(t, monitoring+"/rules.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 10 {
		t.Fatalf("understood only %+v", file)
	}
	return file.Groups[0].Rules
}

// promtool evaluates rules_test.yaml, and rules_test.yaml has each alert fire.
func TestRules(t *testing.T) {
	if out, err := prometheus(t, "promtool", "check", "rules", monitoring+"/rules.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := prometheus(t, "promtool", "test", "rules", monitoring+"/rules_test.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	tests := read(t, monitoring+"/rules_test.yaml")
	for _, rule := range rules(t) {
		if !strings.Contains(tests, `exp_samples: [{labels: '{alertname="`+rule.Alert+`"}'`) {
			t.Errorf("rules_test.yaml does not have %s fire", rule.Alert)
		}
	}

	changed := t.TempDir()
	for name, content := range map[string]string{
		"rules.yaml":      strings.Replace(read(t, monitoring+"/rules.yaml"), "> 0.01", "> 1", 1),
		"rules_test.yaml": tests,
	} {
		if err := os.WriteFile(filepath.Join(changed, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := prometheus(t, "promtool", "test", "rules", changed+"/rules_test.yaml").CombinedOutput(); err == nil || !strings.Contains(string(out), "DigaServerErrors") {
		t.Errorf("promtool lets a rule pass that does not fire: %v\n%s", err, out)
	}
}

// exported returns the series of a server that has just started and has rejected one request.
func exported(t *testing.T) []labels.Labels {
	t.Helper()
	https := httptest.NewTLSServer(nil)
	https.Close()
	pair := https.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certificates := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		"tls.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(certificates, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := serve(t, "DIGA_TLS_CERT="+certificates+"/tls.crt", "DIGA_TLS_KEY="+certificates+"/tls.key")
	response, err := https.Client().Get(server.API + "/v1/api_key/nope")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	_, text := server.Get(t, "/metrics")

	var series []labels.Labels
	symbols := labels.NewSymbolTable()
	for metrics := textparse.NewPromParser([]byte(text), symbols, false); ; {
		entry, err := metrics.Next()
		if err != nil {
			break // the end
		}
		if entry == textparse.EntrySeries {
			var set labels.Labels
			metrics.Labels(&set)
			series = append(series, labels.NewBuilder(set).Set("job", "diga-api").Set("instance", "a").Labels())
		}
	}
	if len(series) < 100 {
		t.Fatalf("understood only %v of\n%s", series, text)
	}
	return append(series, labels.FromStrings("__name__", "up", "job", "diga-api", "instance", "a"))
}

// serve starts the program with settings.
func serve(t *testing.T, settings ...string) *process.Server {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), "serve")
	cmd.Env = append([]string{
		"DIGA_ADDR=127.0.0.1:0", "DIGA_ADMIN_ADDR=127.0.0.1:0", "DIGA_DRAIN_DELAY=0s", "DIGA_DATABASE_URL=" + process.SQLite(t),
	}, settings...)
	server := process.Start(t, cmd)
	server.Await(t)
	return server
}

// checkSelectors fails for a selector in the expression that matches no series.
func checkSelectors(t *testing.T, where, expression string, series []labels.Labels) {
	t.Helper()
	expression = strings.NewReplacer("$__rate_interval", "5m", "$job", "diga-api").Replace(expression)
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		t.Errorf("%s: %s: %v", where, expression, err)
		return
	}
	for _, selector := range parser.ExtractSelectors(tree) {
		if !slices.ContainsFunc(series, func(set labels.Labels) bool { return labels.Selector(selector).Matches(set) }) {
			t.Errorf("%s: nothing matches %v", where, selector)
		}
	}
}

// grafana reads the dashboard.
func grafana(t *testing.T) (board dashboard.Dashboard) {
	t.Helper()
	plugins.RegisterDefaultPlugins()
	text := read(t, monitoring+"/dashboard.json")
	if err := unknown(text); err != "" {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &board); err != nil {
		t.Fatal(err)
	}
	if err := board.Validate(); err != nil {
		t.Fatal(err)
	}
	return board
}

// unknown returns what Grafana's schema does not allow in a dashboard. UnmarshalJSONStrict returns an empty error, not nil,
// for a dashboard that is valid, and leaves its panels out.
func unknown(text string) string {
	if err := new(dashboard.Dashboard).UnmarshalJSONStrict([]byte(text)); err != nil {
		return err.Error()
	}
	return ""
}

func TestDashboardSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	text := read(t, monitoring+"/dashboard.json")
	for _, member := range []string{`"gridPos"`, `"expr"`, `"reduceOptions"`, `"templating"`} {
		if wrong := strings.Replace(text, member, `"unit_"`, 1); wrong == text || unknown(wrong) == "" {
			t.Errorf("a dashboard without %s passes", member)
		}
	}
}

// Each series that the rules and the dashboard read exists from the start of the server. So does the first value of each
// counter, without which the first event is no increase.
func TestSelectors(t *testing.T) {
	series := exported(t)
	for _, rule := range rules(t) {
		checkSelectors(t, rule.Alert, rule.Expr, series)
	}

	board := grafana(t)
	panels := 0
	for _, panel := range board.Panels {
		if panel.Panel == nil { // the title of a row
			continue
		}
		panels++
		for _, target := range panel.Panel.Targets {
			checkSelectors(t, *panel.Panel.Title, target.(*dataquery.Dataquery).Expr, series)
		}
	}
	for _, annotation := range board.Annotations.List {
		checkSelectors(t, annotation.Name, *annotation.Expr, series)
	}
	if panels < 10 {
		t.Errorf("the dashboard has only %d panels", panels)
	}

	// The series of rules_test.yaml have the names and labels of the real ones.
	var tests struct {
		Tests []struct {
			Series []struct{ Series, Values string } `yaml:"input_series"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal([]byte(read(t, monitoring+"/rules_test.yaml")), &tests); err != nil {
		t.Fatal(err)
	}
	names := func(set labels.Labels) (names []string) {
		set.Range(func(label labels.Label) { names = append(names, label.Name) })
		return names
	}
	for _, test := range tests.Tests {
		for _, input := range test.Series {
			set, err := parser.NewParser(parser.Options{}).ParseMetric(input.Series)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(series, func(real labels.Labels) bool {
				return real.Get(labels.MetricName) == set.Get(labels.MetricName) &&
					!slices.ContainsFunc(names(set), func(name string) bool { return !real.Has(name) })
			}) {
				t.Errorf("rules_test.yaml: no server exports a series such as %s", input.Series)
			}
		}
	}
}

func TestCheckSelectors(t *testing.T) {
	series := []labels.Labels{labels.FromStrings("__name__", "x", "status", "200")}
	for expression, want := range map[string]bool{
		`rate(x[5m])`: true, `x{status=~"2.."}`: true, `x{status="500"}`: false, `sum(x) / sum(y)`: false, `sum(rate(x[5m])) by`: false,
	} {
		probe := new(testing.T)
		if checkSelectors(probe, "", expression, series); probe.Failed() == want {
			t.Errorf("%s passes: %t", expression, !want)
		}
	}
}

// Prometheus finds a server with the first job of scrape.yaml, and the first 500 of the server is an alert.
func TestPrometheus(t *testing.T) {
	server := serve(t, "DIGA_REQUEST_TIMEOUT=1ns")
	var scrape struct {
		Configs []map[string]any `yaml:"scrape_configs"`
	}
	address := strings.TrimPrefix(server.Admin, "http://")
	if err := yaml.Unmarshal([]byte(strings.Replace(read(t, monitoring+"/scrape.yaml"), "127.0.0.1:9090", address, 1)), &scrape); err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs(monitoring + "/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config, err := yaml.Marshal(map[string]any{
		"global":         map[string]string{"scrape_interval": "100ms", "scrape_timeout": "100ms", "evaluation_interval": "100ms"},
		"rule_files":     []string{rules},
		"scrape_configs": scrape.Configs[:1],
	})
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.WriteFile(home+"/prometheus.yml", config, 0o644); err != nil {
		t.Fatal(err)
	}
	daemon := prometheus(t, "prometheus", "--config.file="+home+"/prometheus.yml", "--storage.tsdb.path="+home+"/data", "--web.listen-address=127.0.0.1:0")
	log, err := daemon.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemon.Process.Kill(); daemon.Wait() })
	lines := bufio.NewScanner(log)
	var base string
	var text strings.Builder
	for listening := regexp.MustCompile(`msg="Listening on" address=(\S+)`); base == "" && lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if found := listening.FindStringSubmatch(lines.Text()); found != nil {
			base = "http://" + found[1]
		}
	}
	if base == "" {
		t.Fatalf("Prometheus does not listen:\n%s", &text)
	}
	go func() { // so that Prometheus can go on writing its log
		for lines.Scan() {
		}
	}()
	firing := func(alert string) bool {
		_, body, err := process.Get(t.Context(), base+"/api/v1/query?query="+url.QueryEscape(`ALERTS{alertstate="firing",alertname="`+alert+`"}`))
		return err == nil && strings.Contains(body, `"`+alert+`"`)
	}
	scraped := func() bool {
		_, body, err := process.Get(t.Context(), base+"/api/v1/query?query="+url.QueryEscape(`sum(count_over_time(diga_http_requests_total{job="diga-api",status="500"}[5m])) > 1`))
		return err == nil && strings.Contains(body, `"value"`)
	}
	process.Eventually(t, scraped)
	if firing("DigaServerErrors") {
		t.Error("an alert without an event")
	}
	if status := server.Delete(t, "nobody", process.Project); status != http.StatusInternalServerError {
		t.Fatalf("answered %d", status)
	}
	process.Eventually(t, func() bool { return firing("DigaServerErrors") })
}

// In Kubernetes, Prometheus takes the pods of the Service by the name of their admin port.
func TestScrapeKubernetes(t *testing.T) {
	var scrape struct {
		Configs []struct {
			Discovery []struct {
				Role      string
				Selectors []struct{ Role, Label string }
			} `yaml:"kubernetes_sd_configs"`
			Relabel []*relabel.Config `yaml:"relabel_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, monitoring+"/scrape.yaml")), &scrape); err != nil {
		t.Fatal(err)
	}
	service, job := kubernetes(t).service, scrape.Configs[1]
	const label = "app.kubernetes.io/name"
	if found := job.Discovery[0]; found.Role != "endpointslice" || found.Selectors[0].Role != found.Role || found.Selectors[0].Label != label+"="+service.Labels[label] {
		t.Errorf("%+v does not find the Service with %v", found, service.Labels)
	}
	for _, rule := range job.Relabel {
		if err := rule.Validate(model.UTF8Validation); err != nil {
			t.Fatal(err)
		}
	}
	for _, port := range service.Spec.Ports {
		target := labels.NewBuilder(labels.FromStrings("job", "diga-api-kubernetes", "__meta_kubernetes_endpointslice_port_name", port.Name,
			"__meta_kubernetes_namespace", "default", "__meta_kubernetes_pod_name", "diga-api-0"))
		if kept := relabel.ProcessBuilder(target, job.Relabel...); kept != (port.TargetPort.StrVal == "admin") {
			t.Errorf("port %s is kept: %t", port.Name, kept)
		} else if kept && (target.Get("job") != "diga-api" || target.Get("pod") != "diga-api-0" || target.Get("namespace") != "default") {
			t.Errorf("the target has the labels %s", target.Labels())
		}
	}
}
