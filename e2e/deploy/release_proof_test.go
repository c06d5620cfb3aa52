//go:build proof

package deploy_test

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// Two people who build the same version get the same bytes, wherever they put the sources.
func TestBuildIsReproducible(t *testing.T) {
	again, err := buildProgram(filepath.Join(scratch, "another", "folder"))
	if err != nil {
		t.Fatal(err)
	}
	first := read(t, program(t))
	if read(t, again) != first {
		t.Error("two builds differ")
	}
	if strings.Contains(first, scratch) {
		t.Error("the program contains the path of the folder that it was built in")
	}
}

func TestBuildIsStamped(t *testing.T) {
	out, err := run(t, "version", "--json")
	var built struct{ Version, Revision, Platform string }
	if err != nil || json.Unmarshal([]byte(out), &built) != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if built.Version != version || built.Revision != revision || built.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("built as %+v", built)
	}
}

func TestBuildIsStaticAndStripped(t *testing.T) {
	if runtime.GOOS == "linux" { // only a Linux program can do without the libraries of its system
		checkStatic(t, program(t))
	}
}

// A release is built twice, in two folders, and has to be the same files, byte for byte.
func TestRelease(t *testing.T) {
	var releases [2]map[string]string
	for i, folder := range []string{"release", "another/release"} {
		folder = filepath.Join(scratch, folder)
		if err := copySources(folder); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "make", "release", "VERSION="+version, "REVISION="+revision)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		paths, err := filepath.Glob(filepath.Join(folder, "dist", "*"))
		if err != nil {
			t.Fatal(err)
		}
		releases[i] = make(map[string]string)
		for _, path := range paths {
			releases[i][filepath.Base(path)] = read(t, path)
		}
	}
	release := releases[0]
	for name, content := range release {
		if releases[1][name] != content {
			t.Errorf("%s differs between two builds", name)
		}
	}

	var sums strings.Builder
	for _, name := range slices.Sorted(maps.Keys(release)) {
		if name != "SHA256SUMS" {
			fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256([]byte(release[name])), name)
		}
	}
	if release["SHA256SUMS"] != sums.String() {
		t.Errorf("SHA256SUMS is\n%s, want\n%s", release["SHA256SUMS"], sums.String())
	}
	for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"} {
		name := "diga-api_" + platform
		info, err := buildinfo.Read(strings.NewReader(release[name]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var built []string
		for _, setting := range info.Settings {
			if setting.Key == "GOOS" || setting.Key == "GOARCH" {
				built = append(built, setting.Value)
			}
		}
		if !slices.Contains(built, strings.Split(platform, "_")[0]) || !slices.Contains(built, strings.Split(platform, "_")[1]) {
			t.Errorf("%s was built for %s", name, built)
		}
		checkSBOM(t, []byte(release[name+".cdx.json"]))
		if strings.HasPrefix(platform, "linux") {
			checkStatic(t, filepath.Join(scratch, "release", "dist", name))
		}
	}
}

func checkStatic(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("%s needs libraries: it has a segment %s", path, segment.Type)
		}
	}
	for _, section := range file.Sections {
		if section.Name == ".symtab" || strings.HasPrefix(section.Name, ".debug") || strings.HasPrefix(section.Name, ".zdebug") {
			t.Errorf("%s is not stripped: it has a section %s", path, section.Name)
		}
	}
}

// In the image there is nothing but the program: no shell, no library, no time zones, no /tmp, no /proc, no environment.
func TestRunsAlone(t *testing.T) {
	root := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program(t), "serve", "--addr=127.0.0.1:0", "--admin-addr=", "--drain-delay=0s")
	cmd.Env = []string{"DIGA_DATABASE_URL=sqlite:/data/diga.db"}
	switch {
	case os.Getuid() == 0 && runtime.GOOS == "linux":
		content := read(t, program(t))
		if err := os.WriteFile(filepath.Join(root, "diga-api"), []byte(content), 0o555); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(root, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(root, "data"), 65532, 65532); err != nil {
			t.Fatal(err)
		}
		cmd.Path, cmd.Args[0], cmd.Dir = "/diga-api", "/diga-api", "/data"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	default: // who is not root gets the empty environment and folder only
		cmd.Env = []string{"DIGA_DATABASE_URL=sqlite:diga.db"}
		cmd.Dir = root
	}
	server := process.Start(t, cmd)
	server.Await(t)
	response, err := http.Get(server.API + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("answered %s", response.Status)
	}
	if log, err := server.Stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("%v: %s", err, log)
	}
}

// The list of modules is that of the program, the same each time, and fits CycloneDX's own schema.
func TestSBOM(t *testing.T) {
	list := func() []byte {
		input, err := os.Open(program(t))
		if err != nil {
			t.Fatal(err)
		}
		defer input.Close()
		cmd := exec.CommandContext(t.Context(), "go", "-C", process.Root+"/tools", "run", "./sbom", version)
		cmd.Stdin = input
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	text := list()
	checkSBOM(t, text)
	if !bytes.Equal(text, list()) {
		t.Error("two lists differ")
	}
}

func checkSBOM(t *testing.T, text []byte) {
	t.Helper()
	folder, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	schemas := filepath.Join(strings.TrimSpace(string(folder)), "schema")
	compiler := jsonschema.NewCompiler()
	for _, name := range []string{"spdx.schema.json", "jsf-0.82.schemax.json", "cryptography-defs.schema.json"} {
		content, err := os.ReadFile(filepath.Join(schemas, name))
		if os.IsNotExist(err) {
			continue
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		compiler.AddResource("http://cyclonedx.org/schema/"+strings.Replace(name, "schemax", "schema", 1), document)
	}
	schema, err := compiler.Compile(filepath.Join(schemas, "bom-1.6.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(document); err != nil {
		t.Error(err)
	}

	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range *bom.Components {
		names = append(names, strings.TrimPrefix(c.Group+"/"+c.Name, "/"))
	}
	for _, linked := range []string{"std", "github.com/labstack/echo/v4", "modernc.org/sqlite", "github.com/jackc/pgx/v5"} {
		if !slices.Contains(names, linked) {
			t.Errorf("%s is linked, but not among %v", linked, names)
		}
	}
	if slices.Contains(names, "github.com/oapi-codegen/oapi-codegen/v2") {
		t.Error("the generator is listed, but is not linked")
	}
}
