package documents_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// Every link from one document of the repository to another file, or to a heading, leads somewhere.
func TestLinks(t *testing.T) {
	documents, err := filepath.Glob(process.Root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Glob(process.Root + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("(?s)\n```.*?\n```|`[^`\n]*`")
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	links := 0
	for _, document := range append(documents, root...) {
		for _, found := range link.FindAllStringSubmatch(quoted.ReplaceAllString(read(t, document), "`code`"), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			links++
			path, heading, _ := strings.Cut(found[1], "#")
			target := document
			if path != "" {
				target = filepath.Join(filepath.Dir(document), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", document, found[1], err)
			} else if heading != "" && !headings(t, target)[heading] {
				t.Errorf("%s links to %s, which has no such heading", document, found[1])
			}
		}
	}
	if links < 5 {
		t.Errorf("found only %d links", links)
	}
}

// headings are those of a document, as links name them.
func headings(t *testing.T, document string) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(read(t, document), -1) {
		name := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}
