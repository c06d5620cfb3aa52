package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/diga-io/diga-api/api"
)

// version and revision are stamped by the linker (make build); a plain go build leaves them to the build information.
var version, revision string

type versionCommand struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

// build is what this program was built from.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the repository
	Contract string `json:"contract_sha256"`    // of the document that it serves
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func buildOf() build {
	sum := sha256.Sum256(api.Document)
	b := build{
		Version:  version,
		Revision: revision,
		Contract: hex.EncodeToString(sum[:]),
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
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

// Run prints the version.
func (c *versionCommand) Run(terminal terminal) error {
	b := buildOf()
	if c.JSON {
		return printJSON(terminal.out, b)
	}
	fmt.Fprintf(terminal.out, "diga-api %s (revision %s, %s, %s)\ncontract sha256:%s\n", b.Version, b.Revision, b.Go, b.Platform, b.Contract)
	return nil
}
