//go:build proof

package deploy_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// The alerts that docs/operations.md suggests are expressions that Prometheus understands.
func TestAlerts(t *testing.T) {
	_, text, _ := strings.Cut(read(t, process.Root+"/docs/operations.md"), "\n| alert |")
	text, _, _ = strings.Cut(text, "\n\n")
	alerts := regexp.MustCompile("(?m)^\\| ([^`|]+) \\| `([^`]+)`").FindAllStringSubmatch(text, -1)
	if len(alerts) < 5 {
		t.Fatalf("found only %q in\n%s", alerts, text)
	}
	promql := parser.NewParser(parser.Options{})
	for _, alert := range alerts {
		if _, err := promql.ParseExpr(alert[2]); err != nil {
			t.Errorf("%s: %v", alert[1], err)
		}
	}
	if _, err := promql.ParseExpr("sum(rate(x[5m])) by"); err == nil {
		t.Error("takes anything")
	}
}
