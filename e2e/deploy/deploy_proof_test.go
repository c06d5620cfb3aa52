//go:build proof

// Package deploy_test holds what an operator takes from deploy to the program: what the files ask of it exists, they agree
// with each other, and each is well-formed by the rules of the tool that reads it.
package deploy_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// copySources copies the sources to folder, as a source archive has them: without the repository.
func copySources(folder string) error {
	root := os.DirFS(process.Root)
	return fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "bin", "dist", "deploy/secrets"}, path):
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(folder, path), 0o755)
		case !entry.Type().IsRegular(), path == ".git": // a file in a worktree
			return nil
		}
		content, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, path), content, 0o644)
	})
}

const (
	version  = "v1.2.3-test"
	revision = "0123456789abcdef"
)

// buildProgram builds the program as a release is built, from a copy of the sources in folder.
func buildProgram(folder string) (string, error) {
	if err := copySources(folder); err != nil {
		return "", err
	}
	build := exec.Command("make", "build", "VERSION="+version, "REVISION="+revision)
	build.Dir = folder
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return filepath.Join(folder, "bin", "diga-api"), nil
}

var (
	scratch      string
	builtProgram = sync.OnceValues(func() (string, error) { return buildProgram(filepath.Join(scratch, "one")) })
)

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "diga-api-deploy-")
	if err != nil {
		panic(err)
	}
	scratch = folder
	status := m.Run()
	os.RemoveAll(folder)
	os.Exit(status)
}

func program(t *testing.T) string {
	t.Helper()
	path, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs the program in an empty environment and folder.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	cmd.Env = []string{}
	cmd.Dir = t.TempDir()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// settings are the environment variables of `serve`, each with its default.
func settings(t *testing.T) map[string]string {
	t.Helper()
	help, err := run(t, "serve", "--help")
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	defaults := make(map[string]string)
	for _, flag := range regexp.MustCompile(`(?m)^ {1,6}(-\w, )?--`).Split(help, -1) {
		text := strings.Join(strings.Fields(flag), " ")
		if env := regexp.MustCompile(`\(\$(DIGA_\w+)\)`).FindStringSubmatch(text); env != nil {
			defaults[env[1]] = ""
			if value := regexp.MustCompile(`Default: (\S+) \(`).FindStringSubmatch(text); value != nil {
				defaults[env[1]] = value[1]
			}
		}
	}
	if len(defaults) < 5 {
		t.Fatalf("understood only %v of\n%s", defaults, help)
	}
	return defaults
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// folder is deploy.
const folder = process.Root + "/deploy"

// files are all files of deploy.
func files(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Base(filepath.Dir(path)) != "secrets" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) < 8 {
		t.Fatalf("found only %v: %v", paths, err)
	}
	return paths
}

func TestSettingsExist(t *testing.T) {
	known := settings(t)
	for _, path := range files(t) {
		for _, name := range regexp.MustCompile(`\bDIGA_\w+`).FindAllString(read(t, path), -1) {
			if _, ok := known[name]; !ok {
				t.Errorf("%s sets %s, which diga-api serve does not know", path, name)
			}
		}
		for _, comment := range regexp.MustCompile(`(?m)# .*`).FindAllString(read(t, path), -1) {
			for _, name := range regexp.MustCompile(`--(?:addr|admin|database|demo|docs|drain|log|max|migrate|request|shutdown|tls)[\w-]*`).FindAllString(comment, -1) {
				if _, ok := known["DIGA_"+strings.ToUpper(strings.ReplaceAll(name[2:], "-", "_"))]; !ok {
					t.Errorf("%s speaks of %s, which diga-api serve does not know", path, name)
				}
			}
		}
	}
}

// checkCommand fails when the program does not understand the command line.
func checkCommand(t *testing.T, args []string) {
	t.Helper()
	if out, err := run(t, append(slices.Clone(args), "--help")...); err != nil || strings.Contains(out, "unknown flag") {
		t.Errorf("diga-api %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestCheckCommand(t *testing.T) {
	for _, wrong := range [][]string{{"serve", "--no-such-flag=1"}, {"no-such-command"}} {
		if out, err := run(t, append(wrong, "--help")...); err == nil && !strings.Contains(out, "unknown flag") {
			t.Errorf("diga-api %s --help would let it pass:\n%s", wrong, out)
		}
	}
}

// stopping is how long a server may take to stop, with settings of its own beside the defaults.
func stopping(t *testing.T, own map[string]string) time.Duration {
	t.Helper()
	const flush = 3 * time.Second // to send the last traces
	total := flush
	for _, name := range []string{"DIGA_DRAIN_DELAY", "DIGA_SHUTDOWN_TIMEOUT"} {
		value, ok := own[name]
		if !ok {
			value = settings(t)[name]
		}
		d, err := time.ParseDuration(value)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		total += d
	}
	return total
}

// portOf is the port of an address such as :8080.
func portOf(t *testing.T, address string) string {
	t.Helper()
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		t.Fatalf("%q is not HOST:PORT", address)
	}
	return address[i+1:]
}
