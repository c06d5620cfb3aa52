package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var example = []section{{name: "picture", title: "a < b", command: "cat bench.txt", rows: []row{
	{what: "encode", top: value{"A/one", "sec/op"}, bottom: value{"A/two", "sec/op"}, goal: goal{atMost: 0.5}},
	{what: "requests", top: value{"B", "HTTP/s"}, bottom: value{"B", "direct/s"}},
}}}

const output = `goos: linux
cpu: a processor
BenchmarkA/one-2	100	50 ns/op	0 B/op
BenchmarkA/two-2	100	100 ns/op	0 B/op
BenchmarkB-2	100	30 HTTP/s	2 direct/s
BenchmarkA/one-2	100	60 ns/op	0 B/op
BenchmarkA/two-2	100	100 ns/op	0 B/op
BenchmarkB-2	100	40 HTTP/s	2 direct/s
PASS
`

// folder is a repository whose benchmarks have the output.
func folder(t *testing.T, output string) string {
	t.Helper()
	root := t.TempDir()
	page := "before\n" + begin + "old\n" + end + "after\n"
	if err := errors.Join(
		os.MkdirAll(root+"/docs/benchmarks", 0o750),
		os.WriteFile(root+"/docs/benchmarks.md", []byte(page), 0o600),
		os.WriteFile(root+"/bench.txt", []byte(output), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestRun(t *testing.T) {
	root := folder(t, output)
	var stdout bytes.Buffer
	if err := run(t.Context(), &stdout, io.Discard, root, "2", example); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(root + "/docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "before\n" + begin + "\n" + stdout.String() + "\n" + end + "after\n"; string(page) != want {
		t.Errorf("the page is\n%s, want\n%s", page, want)
	}
	for _, want := range []string{ // two rounds of two runs
		"| **a < b** |       |               |                      | `cat bench.txt` |\n",
		"| encode    | 0.60  | 0.50 to 0.60  | at most 0.50, missed |                 |\n",
		"| requests  | 20    | 15 to 20      |                      |                 |\n",
		"(a processor), ",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, &stdout)
		}
	}
	picture, err := os.Open(root + "/docs/benchmarks/picture.svg")
	if err != nil {
		t.Fatal(err)
	}
	defer picture.Close()
	decoder := xml.NewDecoder(picture)
	bars := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 2 {
		t.Errorf("%d bars", bars)
	}
}

// A benchmark that is missing leaves the page as it was.
func TestMissing(t *testing.T) {
	root := folder(t, strings.ReplaceAll(output, "BenchmarkB", "BenchmarkC"))
	err := run(t.Context(), io.Discard, io.Discard, root, "1", example)
	if err == nil || !strings.Contains(err.Error(), "requests: 0 runs of B (HTTP/s), 0 of B (direct/s)") {
		t.Error(err)
	}
	if page, err := os.ReadFile(root + "/docs/benchmarks.md"); err != nil || !strings.Contains(string(page), "old") {
		t.Errorf("%s %v", page, err)
	}
}

// The benchmarks of the rows exist in the packages of their commands, and the page shows each picture.
func TestRows(t *testing.T) {
	page, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range sections {
		if !strings.Contains(string(page), "(benchmarks/"+section.name+".svg)") {
			t.Errorf("docs/benchmarks.md does not show %s.svg", section.name)
		}
		module := "../.."
		if strings.Contains(section.command, "-C e2e") {
			module = "../../e2e"
		}
		files, err := filepath.Glob(filepath.Join(module, section.command[strings.LastIndex(section.command, "./"):], "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no tests, %v", section.command, err)
		}
		var sources strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(text)
		}
		pattern := regexp.MustCompile(`-bench (\S+)`).FindStringSubmatch(section.command)[1]
		for _, row := range section.rows {
			for _, value := range []value{row.top, row.bottom} {
				name, _, _ := strings.Cut(value.benchmark, "/")
				if !strings.Contains(sources.String(), "func Benchmark"+name+"(") || !regexp.MustCompile(pattern).MatchString(name) {
					t.Errorf("%s: %s does not run %s", row.what, section.command, value.benchmark)
				}
			}
		}
	}
}
