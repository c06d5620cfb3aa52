//go:build proof

package deploy_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// Every file sets the GOMEMLIMIT of "Sizing" in docs/operations.md, with which a test measures the memory, and gives a
// container the memory that it names there.
func TestMemoryLimits(t *testing.T) {
	sizing := read(t, process.Root+"/docs/operations.md")
	documented := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindStringSubmatch(sizing)
		if found == nil {
			t.Fatalf("docs/operations.md does not say %s", pattern)
		}
		return found[1]
	}
	goMemory := documented("so `(\\d+MiB)`\\s+by\\s+default")
	container, err := strconv.Atoi(documented("In\\s+a\\s+container,\\s+add\\s+the\\s+kernel's\\s+socket\\s+buffers:\\s+(\\d+) MiB"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range files(t) {
		text := read(t, path)
		for _, limit := range regexp.MustCompile(`GOMEMLIMIT(?:=|: |\n\s+value: )(\w+)`).FindAllStringSubmatch(text, -1) {
			found++
			if limit[1] != goMemory {
				t.Errorf("%s sets GOMEMLIMIT to %s, want %s", path, limit[1], goMemory)
			}
		}
		for _, limit := range regexp.MustCompile(`(?:mem_limit: |MemoryMax=|limits: \{memory: )(\d+)(?:m|M|Mi)\b`).FindAllStringSubmatch(text, -1) {
			found++
			if megabytes, err := strconv.Atoi(limit[1]); err != nil || megabytes < container {
				t.Errorf("%s has %s, want at least %d MiB", path, strings.TrimSpace(limit[0]), container)
			}
		}
	}
	if found != 7 { // GOMEMLIMIT in four files, the limits in three
		t.Errorf("found %d limits", found)
	}
}
