//go:build proof

package consumer_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// The line of README.md that installs the program works on a published version, and the program reports that version.
func TestInstall(t *testing.T) {
	const (
		path    = "github.com/diga-io/diga-api"
		version = "v0.9.1"
	)
	readme, err := os.ReadFile(process.Root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(readme), "\ngo install ")
	line, _, _ = strings.Cut(line, "\n")
	target := strings.Fields(line)[0]
	if !found || target != path+"/cmd/diga-api@latest" {
		t.Fatalf("README.md installs %q", target)
	}

	proxy := t.TempDir()
	published := filepath.Join(proxy, path, "@v")
	if err := os.MkdirAll(published, 0o755); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(process.Root + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(published, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := zip.CreateFromDir(archive, module.Version{Path: path, Version: version}, process.Root); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"list":            version + "\n",
		version + ".info": `{"Version":"` + version + `"}`,
		version + ".mod":  string(mod),
	} {
		if err := os.WriteFile(filepath.Join(published, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	// The module cache is new, because that of this machine must not keep a version that does not exist.
	downloads := strings.TrimSpace(goCommand(t, proxy, nil, "env", "GOMODCACHE")) + "/cache/download"
	remote := strings.TrimSpace(goCommand(t, proxy, nil, "env", "GOPROXY"))
	bin := t.TempDir()
	goCommand(t, bin, []string{
		"GOPROXY=file://" + proxy + ",file://" + downloads + "," + remote, "GOSUMDB=off", "GOMODCACHE=" + t.TempDir(), "GOFLAGS=-modcacherw -trimpath",
		"GOBIN=" + bin, "CGO_ENABLED=0",
	}, "install", target)
	var built struct{ Version, Revision string }
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "diga-api"), "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &built); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if built.Version != version || built.Revision != "" {
		t.Errorf("the program reports %+v", built)
	}
	out, err = exec.CommandContext(t.Context(), filepath.Join(bin, "diga-api"), "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "diga-api "+version+" (revision unknown, ") {
		t.Errorf("the program reports %s, %v", out, err)
	}
}
