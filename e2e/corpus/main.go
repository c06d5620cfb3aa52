// Command corpus takes OpenAPI documents that others publish through the pipeline, and prints a table.
//
//	corpus [-sample n] [-min31 percent] [-min30 percent] [-wrong percent] folder
//
// Each document is generated and compiled by cmd/contractgen in a module of its own that replaces this one by the
// checkout. The routes of the generated server are compared with those of the contract. Then valid responses and requests
// are drawn from the schemas of every operation, with a broken variant of each, and a server with the contract has to
// accept and reject them.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/diga-io/diga-api/contract"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

// result is one line of the table.
type result struct {
	name       string
	version    string
	operations int
	warnings   int
	generated  bool
	compiled   bool
	started    bool
	exchanges  verdicts
	seconds    float64
	reason     string // for what went wrong

	document *contract.Document
}

// verdicts counts the exchanges that the contract decided.
type verdicts struct {
	right, wrong int
	examples     []string // of wrong ones
}

func run(ctx context.Context, arguments []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("corpus", flag.ContinueOnError)
	sample := flags.Int("sample", 0, "take `n` documents, evenly spread over the folder; 0 takes all")
	min31 := flags.Float64("min31", 95, "`percent` of the documents of OpenAPI 3.1 that have to start")
	min30 := flags.Float64("min30", 85, "`percent` of the documents of OpenAPI 3.0 that have to start")
	wrong := flags.Float64("wrong", 0.5, "`percent` of exchanges that may be decided wrongly")
	verbose := flags.Bool("v", false, "print examples of wrong decisions")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: corpus [flags] folder")
	}
	paths, err := filepath.Glob(filepath.Join(flags.Arg(0), "*.json"))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return fmt.Errorf("%s has no documents", flags.Arg(0))
	}
	module, err := newModule(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(module.directory)

	results := module.documents(ctx, spread(paths, *sample))
	module.start(ctx, results)
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "document\tversion\toperations\twarnings\tgenerated\tcompiled\tstarted\tright\twrong\tseconds")
	var all verdicts
	total, started := map[string]int{}, map[string]int{}
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%d\t%d\t%.1f\n", r.name, r.version, r.operations, r.warnings,
			yes(r.generated), yes(r.compiled), yes(r.started), r.exchanges.right, r.exchanges.wrong, r.seconds)
		minor := r.version[:min(3, len(r.version))]
		total[minor]++
		if r.started {
			started[minor]++
		}
		all.right += r.exchanges.right
		all.wrong += r.exchanges.wrong
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if r.reason != "" {
			fmt.Fprintf(stdout, "\n%s: %s\n", r.name, r.reason)
		}
		if *verbose {
			for _, example := range r.exchanges.examples {
				fmt.Fprintf(stdout, "%s: %s\n", r.name, example)
			}
		}
	}
	var failures []error
	for minor, least := range map[string]float64{"3.0": *min30, "3.1": *min31} {
		if total[minor] == 0 {
			continue
		}
		percent := 100 * float64(started[minor]) / float64(total[minor])
		fmt.Fprintf(stdout, "\n%d of %d documents of OpenAPI %s start: %.1f %%\n", started[minor], total[minor], minor, percent)
		if percent < least {
			failures = append(failures, fmt.Errorf("%.1f %% of the documents of OpenAPI %s start, at least %.1f %% have to", percent, minor, least))
		}
	}
	percent := 100 * float64(all.wrong) / float64(max(1, all.right+all.wrong))
	fmt.Fprintf(stdout, "\n%d of %d exchanges are decided wrongly: %.2f %%\n", all.wrong, all.right+all.wrong, percent)
	if percent > *wrong {
		failures = append(failures, fmt.Errorf("%.2f %% of the exchanges are decided wrongly, at most %.2f %% may be", percent, *wrong))
	}
	return errors.Join(failures...)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}

// spread returns n of the paths, evenly spread.
func spread(paths []string, n int) []string {
	if n <= 0 || n >= len(paths) {
		return paths
	}
	var some []string
	for i := range n {
		some = append(some, paths[i*len(paths)/n])
	}
	return some
}

// module is a temporary module in which the generated code is compiled.
type module struct {
	directory string
	generator string // the built contractgen
}

const path = "github.com/diga-io/diga-api"

var moduleLine = regexp.MustCompile(`(?m)^module .*$`)

// newModule makes a module that has the requirements of this one, so that nothing is downloaded, and builds contractgen.
func newModule(ctx context.Context) (*module, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		return nil, fmt.Errorf("find the checkout: %w", err)
	}
	checkout := strings.TrimSpace(string(root))
	m := new(module)
	if m.directory, err = os.MkdirTemp("", "corpus"); err != nil {
		return nil, err
	}
	requirements, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	if err != nil {
		return nil, err
	}
	requirements = moduleLine.ReplaceAll(requirements, []byte("module corpus"))
	requirements = fmt.Appendf(requirements, "\nrequire %s v0.0.0\n\nreplace %s => %s\n", path, path, checkout)
	sums, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(m.write("go.mod", requirements), m.write("go.sum", sums)); err != nil {
		return nil, err
	}
	m.generator = filepath.Join(m.directory, "contractgen")
	build := exec.CommandContext(ctx, "go", "build", "-o", m.generator, "./cmd/contractgen")
	build.Dir = checkout
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build contractgen: %w\n%s", err, output)
	}
	return m, nil
}

func (m *module) write(name string, content []byte) error {
	path := filepath.Join(m.directory, name)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644))
}

// documents generates every document, on all processors, and holds the contract to what is drawn from its schemas.
func (m *module) documents(ctx context.Context, paths []string) []*result {
	results := make([]*result, len(paths))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for i := range next {
				results[i] = m.document(ctx, fmt.Sprintf("d%d", i), paths[i])
			}
		})
	}
	for i := range paths {
		next <- i
	}
	close(next)
	workers.Wait()
	return results
}

func (m *module) document(ctx context.Context, directory, path string) *result {
	start := time.Now()
	r := &result{name: strings.TrimSuffix(filepath.Base(path), ".json")}
	defer func() { r.seconds = time.Since(start).Seconds() }()
	published, err := os.ReadFile(path)
	if err != nil {
		r.reason = err.Error()
		return r
	}
	var head struct{ OpenAPI string }
	_ = json.Unmarshal(published, &head) // what is no JSON has no version
	r.version = head.OpenAPI
	d, findings := contract.Read(published)
	r.warnings = len(findings)
	if d == nil {
		r.reason = contract.Errors(findings).Error()
		return r
	}
	r.document = d
	target := filepath.Join(m.directory, directory)
	if err := os.MkdirAll(target, 0o755); err != nil {
		r.reason = err.Error()
		return r
	}
	generate := exec.CommandContext(ctx, m.generator, path)
	generate.Dir = target
	if output, err := generate.CombinedOutput(); err != nil {
		r.generated = bytes.Contains(output, []byte("does not compile"))
		r.reason = lastLines(output)
		return r
	}
	r.generated, r.compiled = true, true
	if r.operations, r.exchanges, err = exchange(d); err != nil {
		r.reason = err.Error()
	}
	return r
}

func lastLines(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasSuffix(line, ": warning") })
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// start registers the routes of every generated server, in one program, and compares them with those of the contract.
func (m *module) start(ctx context.Context, results []*result) {
	var imports, calls bytes.Buffer
	for i, r := range results {
		if !r.compiled || r.reason != "" {
			continue
		}
		fmt.Fprintf(&imports, "d%d \"corpus/d%d/gen/apiserver\"\n", i, i)
		fmt.Fprintf(&calls, "start(%d, func(e *echo.Echo) { d%d.RegisterHandlers(e, d%d.NewStrictHandler(d%d.Unimplemented{}, nil)) })\n", i, i, i, i)
		if err := m.write(fmt.Sprintf("start/%d.json", i), r.document.JSON()); err != nil {
			r.reason = err.Error()
		}
	}
	source, err := format.Source(fmt.Appendf(nil, startProgram, imports.String(), calls.String()))
	if err == nil {
		err = m.write("start/main.go", source)
	}
	var output []byte
	if err == nil {
		command := exec.CommandContext(ctx, "go", "run", "./start")
		command.Dir = m.directory
		output, err = command.CombinedOutput()
	}
	for i, r := range results {
		if !r.compiled || r.reason != "" {
			continue
		}
		r.started = bytes.Contains(output, fmt.Appendf(nil, "started %d\n", i))
		if !r.started {
			r.reason = fmt.Sprintf("does not start: %v\n%s", err, lastLines(output))
		}
	}
}

const startProgram = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/labstack/echo/v4"
	"github.com/diga-io/diga-api/contract"
	%s
)

func main() {
	%s
}

func start(i int, register func(e *echo.Echo)) {
	defer func() {
		if cause := recover(); cause != nil {
			fmt.Println("failed", i, cause)
		}
	}()
	document, err := os.ReadFile(fmt.Sprintf("start/%%d.json", i))
	if err != nil {
		panic(err)
	}
	accept := func(context.Context, *contract.AuthenticationInput) error { return nil }
	compiled, err := contract.Compile(document, contract.Options{Authenticate: accept})
	if err != nil {
		panic(err)
	}
	e := echo.New()
	register(e)
	routes := 0
	for _, route := range e.Routes() {
		if compiled.Operation(route.Method, route.Path) == nil {
			panic(fmt.Sprintf("%%s %%s is not in the contract", route.Method, route.Path))
		}
		routes++
	}
	if routes != len(compiled.Operations()) {
		panic(fmt.Sprintf("%%d routes, but %%d operations", routes, len(compiled.Operations())))
	}
	fmt.Println("started", i)
}
`
