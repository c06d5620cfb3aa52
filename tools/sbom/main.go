// Command sbom prints a CycloneDX SBOM, as JSON, of the modules that are linked into the Go program on standard input,
// which has to be a file. It reads the build information of the program, so the list is exact and reproducible.
//
//	sbom VERSION <PROGRAM >PROGRAM.cdx.json
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime/debug"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "sbom: %v\n", err)
		os.Exit(1)
	}
}

// executable is read twice: for its build information, and for its hash.
type executable interface {
	io.Reader
	io.ReaderAt
}

func run(args []string, program executable, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: sbom VERSION <PROGRAM")
	}
	info, err := buildinfo.Read(program)
	if err != nil {
		return err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, program); err != nil {
		return err
	}

	main := component(cyclonedx.ComponentTypeApplication, debug.Module{Path: info.Main.Path, Version: args[0]})
	main.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(hash.Sum(nil))}}
	components := []cyclonedx.Component{
		component(cyclonedx.ComponentTypeLibrary, debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}),
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		components = append(components, component(cyclonedx.ComponentTypeLibrary, *module))
	}
	var refs []string
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}

	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &main}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	return cyclonedx.NewBOMEncoder(out, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6)
}

func component(kind cyclonedx.ComponentType, module debug.Module) cyclonedx.Component {
	purl := "pkg:golang/" + module.Path + "@" + module.Version
	c := cyclonedx.Component{
		BOMRef: purl, Type: kind, Group: path.Dir(module.Path), Name: path.Base(module.Path),
		Version: module.Version, PackageURL: purl,
	}
	if c.Group == "." {
		c.Group = ""
	}
	// The hash in go.sum: the hash of the hashes of the module's files.
	if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(module.Sum, "h1:")); err == nil && len(sum) == sha256.Size {
		c.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
	}
	return c
}
