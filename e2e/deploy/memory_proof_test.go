//go:build proof

package deploy_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// The files set what "Sizing" in docs/operations.md says of Go's memory, and give a container the memory that it names there.
// Another test measures the memory with the same settings.
func TestMemoryLimits(t *testing.T) {
	sizing := read(t, process.Root+"/docs/operations.md")
	found := regexp.MustCompile(`In\s+a\s+container,\s+add\s+the\s+kernel's\s+socket\s+buffers:\s+(\d+) MiB`).FindStringSubmatch(sizing)
	if found == nil {
		t.Fatal("docs/operations.md does not say how much memory a container needs")
	}
	container, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range files(t) {
		all.WriteString(read(t, path))
	}
	for _, setting := range process.GoMemory {
		name, value, _ := strings.Cut(setting, "=")
		set := regexp.MustCompile(name+`(?:=|: |\n\s+value: )"?(\w+)`).FindAllStringSubmatch(all.String(), -1)
		if len(set) != 4 {
			t.Errorf("%s is set %d times, want 4", name, len(set))
		}
		for _, match := range set {
			if match[1] != value {
				t.Errorf("%s is %s, want %s", name, match[1], value)
			}
		}
		if !strings.Contains(sizing, name) || !strings.Contains(sizing, value+"`") {
			t.Errorf("docs/operations.md does not name %s", setting)
		}
	}
	limits := regexp.MustCompile(`(?:mem_limit: |MemoryMax=|limits: \{memory: )(\d+)(?:m|M|Mi)\b`).FindAllStringSubmatch(all.String(), -1)
	if len(limits) != 3 {
		t.Errorf("%d limits, want 3", len(limits))
	}
	for _, limit := range limits {
		if megabytes, err := strconv.Atoi(limit[1]); err != nil || megabytes < container {
			t.Errorf("%s, want at least %d MiB", limit[0], container)
		}
	}
}
