//go:build proof

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v2"
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
