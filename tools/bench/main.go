// Command bench measures the figures of docs/benchmarks.md.
//
//	bench ROOT ROUNDS
//
// It runs the commands of rows.go in ROOT, one after the other, in each round, so that the runs of a ratio are close to each
// other in time. It prints a table of the ratios, replaces that in docs/benchmarks.md, and draws docs/benchmarks/NAME.svg
// for each section. It fails, and changes nothing, if a benchmark of a row is missing.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: bench ROOT ROUNDS")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Stdout, os.Stderr, os.Args[1], os.Args[2], sections); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdout, progress io.Writer, root, rounds string, sections []section) error {
	n, err := strconv.Atoi(rounds)
	if err != nil || n < 1 {
		return fmt.Errorf("ROUNDS is %q, not a positive number", rounds)
	}
	busy := load()
	var output bytes.Buffer
	for range n {
		for i, section := range sections {
			if i > 0 && section.command == sections[i-1].command {
				continue // has run
			}
			command := exec.CommandContext(ctx, "sh", "-c", section.command) //nolint:gosec // a constant of rows.go
			command.Dir = root
			command.Stdout, command.Stderr = io.MultiWriter(&output, progress), progress
			if err := command.Run(); err != nil {
				return fmt.Errorf("%s: %w", section.command, err)
			}
		}
	}
	measured, err := read(&output)
	if err != nil {
		return err
	}
	measured.load = busy
	var missing []error
	for _, section := range sections {
		for i := range section.rows {
			if err := section.rows[i].compare(measured); err != nil {
				missing = append(missing, err)
			}
		}
	}
	if len(missing) > 0 {
		return errors.Join(missing...)
	}
	text := table(sections) + "\n" + measured.machine() + "\n"
	fmt.Fprint(stdout, text)
	return write(filepath.Join(root, "docs"), text, sections)
}

// write puts the table into the page, and draws the pictures.
func write(docs, text string, sections []section) error {
	page := filepath.Join(docs, "benchmarks.md")
	old, err := os.ReadFile(page) //nolint:gosec // a page of the documentation
	if err != nil {
		return err
	}
	renewed, err := replace(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	files := map[string][]byte{page: []byte(renewed)}
	for _, section := range sections {
		files[filepath.Join(docs, "benchmarks", section.name+".svg")] = chart(section)
	}
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o644); err != nil { //nolint:gosec // the documentation is for everyone
			return err
		}
	}
	return nil
}

// results are the measured values by benchmark and unit, one for each run.
type results struct {
	values map[value][]float64
	cpu    string
	load   string // before the first run
}

func read(stdin io.Reader) (results, error) {
	measured := results{values: make(map[value][]float64)}
	reader := benchfmt.NewReader(stdin, "standard input")
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		measured.cpu = result.GetConfig("cpu")
		name, parts := result.Name.Parts()
		benchmark := string(name)
		for _, part := range parts {
			if part[0] != '-' { // GOMAXPROCS
				benchmark += string(part)
			}
		}
		for _, v := range result.Values {
			key := value{benchmark, v.Unit}
			measured.values[key] = append(measured.values[key], v.Value)
		}
	}
	return measured, reader.Err()
}

// machine says what the figures were measured with.
func (r results) machine() string {
	return fmt.Sprintf("Measured with %s on %d processors (%s), %s.", runtime.Version(), runtime.NumCPU(), r.cpu, r.load)
}

// load says how busy the machine is with other work. Only Linux tells it in a file.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load unknown"
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute + " processes running at the start"
}

// compare sets the ratio of each run.
func (r *row) compare(measured results) error {
	top, bottom := measured.values[r.top], measured.values[r.bottom]
	if len(top) == 0 || len(top) != len(bottom) {
		return fmt.Errorf("%s: %d runs of %s (%s), %d of %s (%s)", r.what, len(top), r.top.benchmark, r.top.unit,
			len(bottom), r.bottom.benchmark, r.bottom.unit)
	}
	r.ratios = nil
	for i := range top {
		r.ratios = append(r.ratios, top[i]/bottom[i])
	}
	slices.Sort(r.ratios)
	return nil
}

// median returns the ratio of the run in the middle.
func (r row) median() float64 { return r.ratios[len(r.ratios)/2] }

func (g goal) String() string {
	switch {
	case g.atMost != 0:
		return "at most " + figure(g.atMost)
	case g.atLeast != 0:
		return "at least " + figure(g.atLeast)
	}
	return ""
}

func (g goal) missed(ratio float64) bool {
	return g.atMost != 0 && ratio > g.atMost || g.atLeast != 0 && ratio < g.atLeast
}

// figure prints a ratio with as many digits as a reader can use.
func figure(ratio float64) string {
	if ratio < 9.995 {
		return fmt.Sprintf("%.2f", ratio)
	}
	return fmt.Sprintf("%.0f", ratio)
}

// table is the table in Markdown, padded so that it also reads well on a terminal.
func table(sections []section) string {
	lines := [][]string{{"", "ratio", "of all rounds", "goal", "command"}, {"---", "---:", "---", "---", "---"}}
	for _, section := range sections {
		lines = append(lines, []string{"**" + section.title + "**", "", "", "", "`" + section.command + "`"})
		for _, r := range section.rows {
			aim := r.goal.String()
			if r.goal.missed(r.median()) {
				aim += ", missed"
			}
			span := figure(r.ratios[0]) + " to " + figure(r.ratios[len(r.ratios)-1])
			lines = append(lines, []string{r.what, figure(r.median()), span, aim, ""})
		}
	}
	var widths [5]int
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var text strings.Builder
	for _, line := range lines {
		text.WriteString("|")
		for i, cell := range line {
			text.WriteString(" " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))) + " |")
		}
		text.WriteString("\n")
	}
	return text.String()
}

const begin, end = "<!-- make bench writes from here -->\n", "<!-- to here -->\n"

// replace puts text between the two comments of the page.
func replace(page, text string) (string, error) {
	before, rest, found := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return "", fmt.Errorf("no place for the table: %q and %q are missing", begin, end)
	}
	return before + begin + "\n" + text + "\n" + end + after, nil
}

// chart draws the rows of a section: a bar for each ratio, and a mark for its goal. The colours follow the reader's system.
func chart(s section) []byte {
	const (
		width, left, right, top, step, bar = 800, 360, 60, 44, 36, 16
	)
	most := 1.0
	for _, r := range s.rows {
		most = math.Max(most, math.Max(r.median(), math.Max(r.goal.atMost, r.goal.atLeast)))
	}
	x := func(ratio float64) float64 { return left + ratio/most*(width-left-right) }
	height := top + step*len(s.rows) + 8
	var svg bytes.Buffer
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .bar { fill: #0969da }
  .one { stroke: #8c959f }
  .goal { stroke: #cf222e; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .bar { fill: #4493f8 }
    .one { stroke: #768390 }
    .goal { stroke: #ff7b72 }
  }
</style>
<text class="title" x="8" y="22">%s</text>
<line class="one" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>
`, width, height, width, height, escape(s.title), escape(s.title), x(1), x(1), top-8, height-4)
	for i, r := range s.rows {
		y := top + i*step
		fmt.Fprintf(&svg, `<text x="8" y="%d">%s</text>`+"\n", y+bar-3, escape(r.what))
		fmt.Fprintf(&svg, `<rect class="bar" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n", left, y, x(r.median())-left, bar)
		fmt.Fprintf(&svg, `<text x="%.1f" y="%d">%s</text>`+"\n", x(r.median())+6, y+bar-3, figure(r.median()))
		if aim := math.Max(r.goal.atMost, r.goal.atLeast); aim != 0 {
			fmt.Fprintf(&svg, `<line class="goal" x1="%.1f" x2="%.1f" y1="%d" y2="%d"><title>%s</title></line>`+"\n", x(aim), x(aim), y-4, y+bar+4, r.goal)
		}
	}
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}
