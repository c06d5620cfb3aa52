//go:build proof

package program_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// The printed lines work as they are, with curl.
func TestDemoWithCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is missing: apt-get install curl")
	}
	testDemo(t, process.SQLite(t), func(line string) string {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(line, "curl", curl+" -s", 1)).Output()
		if err != nil {
			t.Error(err)
		}
		return string(out)
	})
}
