package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/store"
)

// doctorCommand has the flags of serve and checks what serve would do with them. It changes nothing.
type doctorCommand struct {
	serveCommand
	JSON bool `name:"json" help:"Print one JSON object."`
}

// doctorTimeout limits all checks together.
const doctorTimeout = 30 * time.Second

// clockTolerance is the allowed difference between the clocks of the database and of this machine. Times of deletion and
// expiry come from the clocks of several servers and must be comparable.
const clockTolerance = 5 * time.Second

// errUnhealthy means that a check failed; the report has the details.
var errUnhealthy = reportedError{errors.New("a check failed")}

// report is the output of doctor.
type report struct {
	OK         bool              `json:"ok"`
	Build      build             `json:"build"`
	Generators map[string]string `json:"generators"` // versions, by module
	Settings   []settingReport   `json:"settings"`
	Database   *databaseReport   `json:"database,omitempty"` // absent if unreachable
	Checks     []checkReport     `json:"checks"`
}

// settingReport is a flag of serve.
type settingReport struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // "default", "flag", or the name of the environment variable
}

type databaseReport struct {
	URL      string            `json:"url"` // without secrets
	Engine   string            `json:"engine"`
	Schema   int64             `json:"schema_version"`
	Head     int64             `json:"schema_head"`
	Settings map[string]string `json:"settings"`
}

type checkReport struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// check records a check: the detail if it passed, the error if it failed.
func (r *report) check(name string, err error, detail string) {
	if err != nil {
		detail = err.Error()
	}
	r.Checks = append(r.Checks, checkReport{Name: name, OK: err == nil, Detail: detail})
}

// Run runs every check, even if an earlier one failed. It fails if any check failed.
func (c *doctorCommand) Run(ctx context.Context, parsed *kong.Context, std streams, env environment) error {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	r := &report{Build: currentBuild(), Generators: generators(), Settings: settingsOf(parsed, env)}
	_, err := c.settings(streams{err: io.Discard}, io.Discard)
	r.check("settings", err, "valid")
	// New compiles the contract as serve does. It uses no key.
	_, err = server.New(server.Options{Keys: (*store.Store)(nil), Logger: slog.New(slog.DiscardHandler)})
	r.check("contract", err, "sha256 "+r.Build.Contract)
	if c.TLSCert != "" && c.TLSKey != "" {
		detail, err := c.examineCertificate(time.Now())
		r.check("certificate", err, detail)
	}
	c.examineDatabase(ctx, r)
	r.OK = !slices.ContainsFunc(r.Checks, func(c checkReport) bool { return !c.OK })
	if c.JSON {
		err = printJSON(std.out, r)
	} else {
		err = r.print(std.out, hasColour(std.out, env))
	}
	if err == nil && !r.OK {
		err = errUnhealthy
	}
	return err
}

// generators returns the versions of the code generator and of the modules that the generated code and the contract use.
func generators() map[string]string {
	module, generator, _ := strings.Cut(apiserver.GeneratedBy, " ")
	versions := map[string]string{module: generator}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			switch dependency.Path {
			case "github.com/getkin/kin-openapi", "github.com/labstack/echo/v4", "github.com/oapi-codegen/runtime":
				versions[dependency.Path] = dependency.Version
			}
		}
	}
	return versions
}

// settingsOf returns the flags of serve with their values and origins.
func settingsOf(parsed *kong.Context, env environment) []settingReport {
	var settings []settingReport
	for _, flag := range parsed.Flags() {
		if ofProgram(flag.Name) || flag.Name == "json" {
			continue
		}
		setting := settingReport{
			Name: flag.Name, Value: fmt.Sprint(flag.Target.Interface()), From: origin(parsed, env, flag.Name),
		}
		if flag.Name == "database-url" {
			setting.Value = cmp.Or(store.Redact(setting.Value), "(not shown: not a database URL)")
		}
		settings = append(settings, setting)
	}
	return settings
}

func (c *doctorCommand) examineCertificate(now time.Time) (string, error) {
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return "", err
	}
	from, until := pair.Leaf.NotBefore.UTC().Format(time.RFC3339), pair.Leaf.NotAfter.UTC().Format(time.RFC3339)
	if now.Before(pair.Leaf.NotBefore) || now.After(pair.Leaf.NotAfter) {
		return "", fmt.Errorf("valid from %s until %s only", from, until)
	}
	return "good until " + until, nil
}

// examineDatabase checks the database as it is: it neither migrates nor creates a file.
func (c *doctorCommand) examineDatabase(ctx context.Context, r *report) {
	// To open a backup for writing would change it. PostgreSQL is opened as serve does, which looks for the primary.
	keys, err := store.Open(ctx, c.DatabaseURL, store.Options{ReadOnly: strings.HasPrefix(c.DatabaseURL, "sqlite:")})
	switch {
	case errors.Is(err, store.ErrOlderSchema), errors.Is(err, store.ErrNewerSchema):
		r.check("schema", err, "")
		return
	case err != nil:
		r.check("store", err, "")
		return
	}
	defer keys.Close()
	r.check("store", keys.CheckWritable(ctx), "writable")
	schema, err := keys.SchemaVersion(ctx)
	r.check("schema", cmp.Or(err, keys.CheckSchema(ctx)), fmt.Sprintf("version %d", schema))
	inspection, err := keys.Inspect(ctx)
	if err != nil {
		r.check("durability", err, "")
		return
	}
	r.Database = &databaseReport{
		URL: keys.String(), Engine: inspection.Engine, Schema: schema, Head: store.Head, Settings: make(map[string]string),
	}
	var wrong []string
	for _, setting := range inspection.Settings {
		r.Database.Settings[setting.Name] = setting.Value
		if setting.Wrong {
			wrong = append(wrong, setting.Name+" is "+setting.Value)
		}
	}
	var lossy error
	if len(wrong) > 0 {
		lossy = fmt.Errorf("an acknowledged delete could be lost, or deletes are impossible: %s", strings.Join(wrong, ", "))
	}
	r.check("durability", lossy, "an acknowledged delete is not lost")
	apart := inspection.Ahead.Round(time.Millisecond)
	var late error
	if apart.Abs() > clockTolerance {
		late = fmt.Errorf("the clock of the database is %s ahead of this machine's", apart)
	}
	detail := time.Now().UTC().Format(time.RFC3339)
	if inspection.Ahead != 0 {
		detail += fmt.Sprintf("; the database's is %s ahead", apart)
	}
	r.check("clock", late, detail)
}

// print writes the report for people: the verdict, what failed, and then everything else.
func (r *report) print(out io.Writer, colour bool) error {
	failed := 0
	for _, check := range r.Checks {
		if !check.OK {
			failed++
		}
	}
	style, verdict := green, fmt.Sprintf("The server can serve with these settings: all %d checks passed.", len(r.Checks))
	if failed > 0 {
		style, verdict = red, fmt.Sprintf("The server cannot serve as it should with these settings: %d of %d checks failed.", failed, len(r.Checks))
	}
	if colour {
		verdict = style + verdict + plain
	}
	fmt.Fprintf(out, "%s\n\n", verdict)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, ok := range []bool{false, true} {
		for _, check := range r.Checks {
			if check.OK == ok {
				name := map[bool]string{true: "[+] ", false: "[-] "}[ok] + check.Name
				for line := range strings.SplitSeq(check.Detail, "\n") {
					fmt.Fprintf(table, "%s\t%s\n", name, printable(line))
					name = ""
				}
			}
		}
	}
	fmt.Fprint(table, "\nsettings\n")
	for _, setting := range r.Settings {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", setting.Name, cmp.Or(printable(setting.Value), "(empty)"), setting.From)
	}
	if r.Database != nil {
		fmt.Fprintf(table, "\n%s\n  %s\n", r.Database.Engine, r.Database.URL)
		for _, name := range slices.Sorted(maps.Keys(r.Database.Settings)) {
			fmt.Fprintf(table, "  %s\t%s\n", name, r.Database.Settings[name])
		}
	}
	fmt.Fprintf(table, "\nversions\n  diga-api\t%s (revision %s, %s, %s)\n", r.Build.Version, cmp.Or(r.Build.Revision, "unknown"), r.Build.Go, r.Build.Platform)
	for _, module := range slices.Sorted(maps.Keys(r.Generators)) {
		fmt.Fprintf(table, "  %s\t%s\n", module, r.Generators[module])
	}
	return table.Flush()
}
