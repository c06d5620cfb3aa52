package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/server/store"
)

// version and revision are set by the linker (make build). Without it they come from the build information.
var version, revision string

// build describes this program.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the repository
	Contract string `json:"contract_sha256"`    // of the served document
	Schema   int64  `json:"schema_version"`     // of the database, that the program knows
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// String returns the version on one line.
func (b build) String() string {
	return fmt.Sprintf("diga-api %s (revision %s, %s, %s)", b.Version, cmp.Or(b.Revision, "unknown"), b.Go, b.Platform)
}

func currentBuild() build {
	sum := sha256.Sum256(api.Document)
	b := build{
		Version:  version,
		Revision: revision,
		Contract: hex.EncodeToString(sum[:]),
		Schema:   store.Head,
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if b.Version != "" && b.Revision != "" {
		return b
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if b.Version == "" {
			b.Version = info.Main.Version
		}
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" && b.Revision == "" {
				b.Revision = setting.Value
			}
		}
	}
	return b
}

type versionCommand struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

// Run prints the version.
func (c *versionCommand) Run(std streams) error {
	b := currentBuild()
	if c.JSON {
		return printJSON(std.out, b)
	}
	fmt.Fprintf(std.out, "%s\ncontract sha256:%s\nschema version %d\n", b, b.Contract, b.Schema)
	return nil
}

// versionFlag prints the version, as kong.VersionFlag does. That one needs a variable, and kong copies and parses all variables
// for each flag at every start.
type versionFlag bool

// BeforeReset is called by kong if the flag is set.
func (versionFlag) BeforeReset(parser *kong.Kong, std streams) error { //nolint:unparam // kong wants an error
	fmt.Fprintln(std.out, currentBuild())
	parser.Exit(0)
	return nil
}
