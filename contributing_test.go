package diga_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// CONTRIBUTING.md names every package with its purpose, and no command that is none.
func TestContributing(t *testing.T) {
	page, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	packages := list(t, "-f", "{{if .GoFiles}}{{.ImportPath}}{{end}}", "./...")
	for _, path := range packages {
		name := strings.TrimPrefix(path, module+"/")
		if path != module && !strings.Contains(string(page), "\n| `"+name+"` | ") {
			t.Errorf("the table does not have %s", name)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/-]+)` \\| ").FindAllStringSubmatch(string(page), -1) {
		if _, err := os.Stat(row[1]); err != nil {
			t.Errorf("the table has a package that is none: %v", err)
		}
	}

	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range regexp.MustCompile("`make ([a-z-]+)").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(string(makefile), "\n"+command[1]+": ## ") {
			t.Errorf("there is no make %s", command[1])
		}
	}
}
