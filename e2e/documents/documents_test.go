// Package documents_test holds the documents to the program: what their tables name exists, and what exists is in them.
// It knows the program only from outside, like the operators who read them.
package documents_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/e2e/internal/process"
)

func TestMain(m *testing.M) { process.Main(m) }

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// table is the rows of the table of operations.md whose head begins with the cell first.
func table(t *testing.T, first string) [][]string {
	t.Helper()
	_, text, found := strings.Cut(read(t, process.Root+"/docs/operations.md"), "\n| "+first+" |")
	if !found {
		t.Fatalf("no table that begins with %q", first)
	}
	var rows [][]string
	for _, line := range strings.Split(text, "\n")[2:] { // the rest of the head, and the line below it
		if !strings.HasPrefix(line, "|") {
			break
		}
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), " |") {
			row = append(row, strings.TrimSpace(cell))
		}
		rows = append(rows, row)
	}
	if len(rows) < 4 {
		t.Fatalf("understood only %v of the table %q", rows, first)
	}
	return rows
}

// code is what a cell says in `code`.
func code(cell string) []string {
	var spans []string
	for _, found := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		spans = append(spans, found[1])
	}
	return spans
}

// same fails for each thing that only the documents or only the program knows.
func same(t *testing.T, what string, documented, real map[string]string) {
	t.Helper()
	for name, value := range documented {
		if got, ok := real[name]; !ok {
			t.Errorf("%s %s is documented and does not exist", what, name)
		} else if got != value {
			t.Errorf("%s %s is documented with %q, and has %q", what, name, value, got)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(real)) {
		if _, ok := documented[name]; !ok {
			t.Errorf("%s %s is not documented", what, name)
		}
	}
}

// flags are those of a command as its help tells them: each with its environment variable and, where there is one, its
// default.
func flags(t *testing.T, command ...string) map[string]string {
	t.Helper()
	help := process.Output(t, append(command, "--help")...)
	found := make(map[string]string)
	for _, text := range regexp.MustCompile(`(?m)^ {2,6}(?:-\w, )?--`).Split(help, -1)[1:] {
		text = strings.Join(strings.Fields(text), " ")
		name := regexp.MustCompile(`^[\w-]+`).FindString(text)
		if name == "help" || name == "version" {
			continue
		}
		if env := regexp.MustCompile(`\(\$(\w+)\)`).FindStringSubmatch(text); env != nil {
			found["--"+name] = env[1]
		}
		if value := regexp.MustCompile(`Default: (\S+) \(\$`).FindStringSubmatch(text); value != nil {
			found["--"+name] += " " + value[1]
		}
	}
	return found
}

func TestSettings(t *testing.T) {
	real := flags(t, "serve")
	documented := make(map[string]string)
	for _, row := range table(t, "setting") {
		flag := code(row[0])[0]
		documented[flag] = code(row[1])[0]
		if strings.Contains(real[flag], " ") { // the help names a default
			documented[flag] += " " + strings.Join(code(row[2]), "")
		}
	}
	same(t, "setting", documented, real)
}

// Whatever flag or variable the documents mention in passing exists, too.
func TestMentionedSettings(t *testing.T) {
	known := make(map[string]bool)
	commands := [][]string{{"serve"}, {"keys", "create"}, {"keys", "list"}, {"migrate"}, {"version"}}
	for _, found := range regexp.MustCompile("(?:^|[`\n])diga-api ((?:keys )?[a-z]+)").FindAllStringSubmatch(documents(t), -1) {
		commands = append(commands, strings.Fields(found[1]))
	}
	for _, command := range commands {
		for flag, env := range flags(t, command...) {
			known[flag], known[strings.Fields(env)[0]] = true, true
		}
	}
	others := []string{"--help", "--format", "--rm"} // of every program; of pg_dump; of docker compose
	for _, name := range regexp.MustCompile(`--[a-z][a-z-]+|\bDIGA_\w+`).FindAllString(documents(t), -1) {
		if !known[name] && !slices.Contains(others, name) && name != "DIGA_API_KEY" { // the caller's own variable
			t.Errorf("%s is mentioned and does not exist", name)
		}
	}
}

// documents is the text of all that operators read.
func documents(t *testing.T) string {
	t.Helper()
	return read(t, process.Root+"/docs/operations.md") + read(t, process.Root+"/README.md") + read(t, process.Root+"/SECURITY.md")
}

// family is a metric as /metrics shows it: its labels in order, without those that histograms add.
func families(t *testing.T, text string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, kind := range regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		if name := kind[1]; strings.HasPrefix(name, "diga_") {
			sample := regexp.MustCompile(`(?m)^` + name + `(?:_count)?(?:\{(.*)\})? \S+$`).FindStringSubmatch(text)
			if sample == nil {
				t.Fatalf("no sample of %s in\n%s", name, text)
			}
			var labels []string
			for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(sample[1], -1) {
				labels = append(labels, label[1])
			}
			slices.Sort(labels)
			found[name] = strings.Join(labels, " ")
		}
	}
	return found
}

func documentedMetrics(t *testing.T) map[string]string {
	t.Helper()
	documented := make(map[string]string)
	for _, row := range table(t, "metric") {
		labels := code(row[1])
		slices.Sort(labels)
		documented[code(row[0])[0]] = strings.Join(labels, " ")
	}
	return documented
}

// serve starts a server and returns it with the secret of a key that may do everything in its project.
func serve(t *testing.T, args ...string) (server *process.Server, secret string) {
	t.Helper()
	database := process.SQLite(t)
	key := process.NewKey(t, database)
	return process.Serve(t, append([]string{"--database-url", database}, args...)...), key.Key
}

func TestMetrics(t *testing.T) {
	certificate, key, pool := process.Certificate(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	server, secret := serve(t, "--tls-cert", certificate, "--tls-key", key)
	response, err := client.Get(server.API + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil { // a request is counted before its answer ends
		t.Fatal(err)
	}
	response.Body.Close()
	_, text := process.Send(t, http.MethodGet, server.Admin+"/metrics", secret)
	same(t, "metric", documentedMetrics(t), families(t, text))
	for _, prefix := range []string{"\ngo_", "\nprocess_"} {
		if !strings.Contains(text, prefix) {
			t.Errorf("no metric that begins with %s", prefix[1:])
		}
	}
}

// Each metric that an alert or a failure speaks of is in the table.
func TestMentionedMetrics(t *testing.T) {
	documented := documentedMetrics(t)
	others := []string{"diga_schema_version", "diga_schema_window", "diga_owner", "diga_server", "diga_"} // tables, roles, a prefix
	for _, name := range regexp.MustCompile(`\bdiga_[a-z_]+`).FindAllString(documents(t), -1) {
		base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
		_, whole := documented[name]
		if _, histogram := documented[base]; !whole && !histogram && !slices.Contains(others, name) {
			t.Errorf("metric %s is mentioned and does not exist", name)
		}
	}
}

// The alerts are those of deploy/monitoring/rules.yaml, in its order and words.
func TestAlerts(t *testing.T) {
	type alert struct{ name, severity, summary string }
	var documented, real []alert
	for _, row := range table(t, "alert") {
		documented = append(documented, alert{code(row[0])[0], row[1], row[2]})
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert               string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, process.Root+"/deploy/monitoring/rules.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules.Groups[0].Rules {
		real = append(real, alert{rule.Alert, rule.Labels["severity"], rule.Annotations["summary"]})
	}
	if !slices.Equal(documented, real) {
		t.Errorf("documented are\n%q\nand the rules are\n%q", documented, real)
	}
}

func TestEndpoints(t *testing.T) {
	server, secret := serve(t)
	listeners := map[string]string{"API": server.API, "admin": server.Admin}
	documented := make(map[string]bool)
	for _, row := range table(t, "listener") {
		endpoint := code(row[1])[0]
		documented[endpoint] = true
		method, path, _ := strings.Cut(endpoint, " ")
		status, body := process.Send(t, method, listeners[row[0]]+strings.ReplaceAll(path, "{id}", "nope"), secret)
		if want := map[string]int{"DELETE": http.StatusUnprocessableEntity, "GET": http.StatusOK}[method]; status != want {
			t.Errorf("%s answers %d %.200s", endpoint, status, body)
		}
	}
	var contract struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(api.Document, &contract); err != nil {
		t.Fatal(err)
	}
	for path, methods := range contract.Paths {
		for method := range methods {
			if endpoint := strings.ToUpper(method) + " " + path; !documented[endpoint] {
				t.Errorf("%s is in the contract and not documented", endpoint)
			}
		}
	}
}

// The lines of requests have what the section on logs lists. Only trace_id, which comes with traces, is left out.
func TestLogLine(t *testing.T) {
	database := process.SQLite(t)
	own := process.NewKey(t, database)
	server := process.Serve(t, "--database-url", database, "--log-peer")
	for _, id := range []string{"nope", own.ID, own.ID} { // invalid; deletes the key; is sent with the deleted key
		process.Send(t, http.MethodDelete, server.API+"/v1/api_key/"+id, own.Key)
	}
	server.Process.Signal(os.Interrupt)
	server.Wait()
	_, text, _ := strings.Cut(read(t, process.Root+"/docs/operations.md"), "has a line `request` with ")
	text, _, _ = strings.Cut(text, ".")
	documented := code(text)
	for _, row := range table(t, "attribute of `request`") {
		documented = append(documented, code(row[0])...)
	}
	logged := map[string]any{"trace_id": ""}
	for line := range strings.Lines(server.Log.String()) {
		var decoded map[string]any
		if err := json.Unmarshal([]byte(line), &decoded); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if decoded["msg"] == "request" {
			maps.Copy(logged, decoded)
		}
	}
	if logged["reason"] != "deleted" || logged["key"] != own.ID {
		t.Errorf("the log does not name the deleted key %s:\n%s", own.ID, server.Log)
	}
	for _, every := range []string{"time", "level", "msg"} {
		delete(logged, every)
	}
	got := slices.Sorted(maps.Keys(logged))
	if slices.Sort(documented); !slices.Equal(documented, got) {
		t.Errorf("documented are %v, logged are %v in\n%s", documented, got, server.Log)
	}
}

// The events of the log are those in the sources of the program.
func TestLogEvents(t *testing.T) {
	documented := make(map[string]string)
	for _, row := range table(t, "event") {
		for _, event := range code(row[0]) {
			documented[event] = ""
		}
	}
	// A call of a logger, or of a function that passes the event on to one. The event is its first text.
	call := regexp.MustCompile(`(?:[lL]ogger\.(?:Debug|Info|Warn|Error|LogAttrs)(?:Context)?|slog\.NewRecord|logAlways|\bw\.log|\baudit)\([^"\n]*"([^"\n]+)"`)
	real := make(map[string]string)
	for _, root := range []string{"server", "cmd/diga-api"} {
		err := filepath.WalkDir(process.Root+"/"+root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, found := range call.FindAllStringSubmatch(read(t, path), -1) {
				real[found[1]] = ""
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	same(t, "event", documented, real)
}

// What the tables quote of the program's own words is in the program.
func TestQuotedMessages(t *testing.T) {
	contents := read(t, process.Program(t))
	quoted := 0
	for _, row := range table(t, "what happens") {
		for _, text := range code(row[1] + row[2]) {
			if strings.Contains(text, " ") && !strings.Contains(text, "{") {
				quoted++
				if !strings.Contains(contents, text) {
					t.Errorf("the program never says %q", text)
				}
			}
		}
	}
	if quoted < 5 {
		t.Errorf("found only %d messages", quoted)
	}
}
