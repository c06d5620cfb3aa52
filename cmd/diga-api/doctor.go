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
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/diga-io/diga-api/gen"
	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/store"
)

// doctorCommand takes the flags of serve, so that it judges what serve would do. It changes nothing.
type doctorCommand struct {
	serveCommand
	JSON bool `name:"json" help:"Print one JSON object."`
}

// doctorTimeout bounds the whole examination.
const doctorTimeout = 30 * time.Second

// clockTolerance is how far the clocks of the database and of this machine may lie apart: what one server writes as
// the time of a deletion, and what another takes for the expiry of a key, should be the same moment to people.
const clockTolerance = 5 * time.Second

// errUnhealthy: what is wrong has been printed.
var errUnhealthy = errors.New("something is wrong")

// report is what doctor prints.
type report struct {
	OK         bool              `json:"ok"`
	Build      build             `json:"build"`
	Generators map[string]string `json:"generators"` // versions by module
	Settings   []settingReport   `json:"settings"`
	Database   *databaseReport   `json:"database,omitempty"` // absent when it cannot be reached
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

// check notes a check that passed, with a detail, or failed, with the reason.
func (r *report) check(name string, err error, detail string) {
	if err != nil {
		detail = err.Error()
	}
	r.Checks = append(r.Checks, checkReport{Name: name, OK: err == nil, Detail: detail})
}

// Run examines everything it can get at, even when something before it was wrong, and fails when anything was.
func (c *doctorCommand) Run(ctx context.Context, parsed *kong.Context, terminal terminal) error {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	r := &report{Build: buildOf(), Generators: generators(), Settings: settingsOf(parsed)}
	_, err := c.settings(io.Discard)
	r.check("settings", err, "")
	// The contract is compiled as serve does it. No key is looked up.
	_, err = server.New(server.Options{Keys: (*store.Store)(nil), Logger: slog.New(slog.DiscardHandler)})
	r.check("contract", err, "sha256 "+r.Build.Contract)
	if c.TLSCert != "" && c.TLSKey != "" {
		detail, err := c.examineCertificate(time.Now())
		r.check("certificate", err, detail)
	}
	c.examineDatabase(ctx, r)
	r.OK = !slices.ContainsFunc(r.Checks, func(check checkReport) bool { return !check.OK })
	if c.JSON {
		err = printJSON(terminal.out, r)
	} else {
		err = r.print(terminal.out)
	}
	if err == nil && !r.OK {
		err = errUnhealthy
	}
	return err
}

// generators are the versions of what made the generated code, and of what it and the checks of the contract stand on.
func generators() map[string]string {
	module, version := gen.Generator()
	versions := map[string]string{module: version}
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

// settingsOf are the flags that serve has as well, with their values and where these come from.
func settingsOf(parsed *kong.Context) []settingReport {
	var settings []settingReport
	for _, flag := range parsed.Flags() {
		if flag.Name == "help" || flag.Name == "json" {
			continue
		}
		setting := settingReport{Name: flag.Name, Value: fmt.Sprint(flag.Target.Interface()), From: "default"}
		for _, name := range flag.Envs {
			if _, set := os.LookupEnv(name); set {
				setting.From = name
			}
		}
		if slices.ContainsFunc(parsed.Path, func(element *kong.Path) bool { return element.Flag == flag }) {
			setting.From = "flag"
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
		return "", fmt.Errorf("it is good from %s until %s only", from, until)
	}
	return "good until " + until, nil
}

// examineDatabase looks at the database as it is: it migrates nothing, and creates no file.
func (c *doctorCommand) examineDatabase(ctx context.Context, r *report) {
	keys, err := store.Open(ctx, c.DatabaseURL, store.Options{})
	switch {
	case errors.Is(err, store.ErrOlderSchema), errors.Is(err, store.ErrNewerSchema):
		r.check("schema", err, "")
		return
	case err != nil:
		r.check("store", err, "")
		return
	}
	defer keys.Close()
	r.check("store", keys.CheckWritable(ctx), "can be written to")
	version, err := keys.SchemaVersion(ctx)
	r.check("schema", cmp.Or(err, keys.CheckSchema(ctx)), fmt.Sprintf("version %d", version))
	inspection, err := keys.Inspect(ctx)
	if err != nil {
		r.check("durability", err, "")
		return
	}
	r.Database = &databaseReport{
		URL: keys.String(), Engine: inspection.Engine, Schema: version, Head: store.Head, Settings: make(map[string]string),
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
		lossy = fmt.Errorf("an acknowledged delete could be lost, or none be possible: %s", strings.Join(wrong, ", "))
	}
	r.check("durability", lossy, "an acknowledged delete is kept")
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

// print is the report for people.
func (r *report) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "diga-api\t%s (revision %s, %s, %s)\n", r.Build.Version, r.Build.Revision, r.Build.Go, r.Build.Platform)
	for _, module := range slices.Sorted(maps.Keys(r.Generators)) {
		fmt.Fprintf(table, "%s\t%s\n", module, r.Generators[module])
	}
	fmt.Fprint(table, "\nsettings\n")
	for _, setting := range r.Settings {
		fmt.Fprintf(table, "  %s\t%q\t%s\n", setting.Name, setting.Value, setting.From)
	}
	if r.Database != nil {
		fmt.Fprintf(table, "\ndatabase\n  %s\t%s\n", r.Database.Engine, r.Database.URL)
		for _, name := range slices.Sorted(maps.Keys(r.Database.Settings)) {
			fmt.Fprintf(table, "  %s\t%s\n", name, r.Database.Settings[name])
		}
	}
	fmt.Fprint(table, "\nchecks\n")
	for _, check := range r.Checks {
		mark := "[+]"
		if !check.OK {
			mark = "[-]"
		}
		fmt.Fprintf(table, "  %s %s\t%s\n", mark, check.Name, check.Detail)
	}
	return table.Flush()
}
