// Command changes compares the contract (api/openapi.json) and the Go packages that others import with a release.
//
//	changes breaking [BASE]
//	changes allow VERSION
//
// breaking fails if CHANGELOG.md does not announce every breaking change since BASE, a git revision. BASE defaults to the
// last release, a tag like v1.2.3. allow fails if the changes since the last release do not allow VERSION for the next one.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

func main() {
	err := errors.New("usage: changes breaking [BASE]\n       changes allow VERSION")
	switch ctx := context.Background(); {
	case len(os.Args) == 2 && os.Args[1] == "breaking":
		err = breaking(ctx, "", os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == "breaking":
		err = breaking(ctx, os.Args[2], os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == "allow":
		err = allow(ctx, os.Args[2], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// change is one difference that users may notice.
type change struct {
	// name identifies the change in CHANGELOG.md: its place and its kind.
	name     string
	text     string
	breaking bool
}

// breaking checks that CHANGELOG.md announces the breaking changes since base.
func breaking(ctx context.Context, base string, stdout io.Writer) error {
	root, base, err := compared(ctx, base)
	if err != nil {
		return err
	}
	if base == "" {
		fmt.Fprintln(stdout, "There is no release yet, so there is nothing to compare with.")
		return nil
	}
	changes, err := since(ctx, root, base)
	if err != nil {
		return err
	}
	announced, err := announcements(filepath.Join(root, "CHANGELOG.md"), base)
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range changes {
		switch {
		case !c.breaking:
		case strings.Contains(announced, "`"+c.name+"`"):
			fmt.Fprintf(stdout, "announced: %s: %s\n", c.name, c.text)
		default:
			fmt.Fprintf(stdout, "breaking: %s: %s\n", c.name, c.text)
			missing = append(missing, "- `"+c.name+"`: who is affected, and what to do\n")
		}
	}
	if missing != nil {
		return fmt.Errorf("changes since %s break users; revert them, or announce them in CHANGELOG.md, under Unreleased:\n\n### Breaking\n\n%s",
			base, strings.Join(missing, ""))
	}
	fmt.Fprintf(stdout, "No breaking change since %s that CHANGELOG.md does not announce.\n", base)
	return nil
}

// allow checks whether version is allowed for the next release.
func allow(ctx context.Context, version string, stdout io.Writer) error {
	if !semver.IsValid(version) || semver.Canonical(version) != version {
		return fmt.Errorf("%q is not a version like v1.2.3", version)
	}
	root, base, err := compared(ctx, "")
	if err != nil {
		return err
	}
	// From v2 on, the module path of Go contains the major version.
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	path := modfile.ModulePath(data)
	if _, major, _ := module.SplitPathVersion(path); module.CheckPathMajor(version, major) != nil {
		return fmt.Errorf("the module path %s does not allow %s", path, version)
	}
	if base == "" {
		fmt.Fprintf(stdout, "%s may be the first release.\n", version)
		return nil
	}
	if semver.Compare(version, base) <= 0 {
		return fmt.Errorf("%s does not come after %s", version, base)
	}
	changes, err := since(ctx, root, base)
	if err != nil {
		return err
	}
	var needed, because string // the kind of version, and the first change that requires it
	for _, c := range changes {
		if c.breaking {
			needed, because = "major", c.name
			break
		}
		if needed == "" {
			needed, because = "minor", c.name
		}
	}
	sameMajor, sameMinor := semver.Major(version) == semver.Major(base), semver.MajorMinor(version) == semver.MajorMinor(base)
	initial := semver.Major(base) == "v0" // a minor version may break users, and a patch may add
	switch {
	case needed == "major" && initial && sameMinor:
		return fmt.Errorf("%s is too small a step from %s, which breaks: %s; the minor version has to change", version, base, because)
	case needed == "major" && !initial && sameMajor:
		return fmt.Errorf("%s is too small a step from %s, which breaks: %s; the major version has to change", version, base, because)
	case needed == "minor" && !initial && sameMinor:
		return fmt.Errorf("%s is too small a step from %s, which adds: %s; the minor version has to change", version, base, because)
	}
	fmt.Fprintf(stdout, "%s may follow %s.\n", version, base)
	return nil
}

// compared returns the top directory of the repository and the revision to compare its files with: base, or else the last
// release, or "" if there is none.
func compared(ctx context.Context, base string) (root, revision string, err error) {
	if root, err = git(ctx, ".", "rev-parse", "--show-toplevel"); err != nil {
		return "", "", err
	}
	if base != "" {
		if _, err := git(ctx, root, "rev-parse", "--verify", "--quiet", base+"^{commit}"); err != nil {
			return "", "", fmt.Errorf("no revision %s: %w", base, err)
		}
		return root, base, nil
	}
	tags, err := git(ctx, root, "tag", "--merged", "HEAD")
	if err != nil {
		return "", "", err
	}
	for tag := range strings.FieldsSeq(tags) {
		if semver.IsValid(tag) && (revision == "" || semver.Compare(tag, revision) > 0) {
			revision = tag
		}
	}
	return root, revision, nil
}

// since compares the files of the repository with those of base.
func since(ctx context.Context, root, base string) (changes []change, err error) {
	temporary, err := os.MkdirTemp("", "changes")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	old := filepath.Join(temporary, "base")
	if _, err := git(ctx, root, "worktree", "add", "--quiet", "--detach", old, base); err != nil {
		return nil, err
	}
	defer func() {
		_, removed := git(ctx, root, "worktree", "remove", "--force", old)
		err = errors.Join(err, removed)
	}()
	contract, err := contractChanges(filepath.Join(old, "api/openapi.json"), filepath.Join(root, "api/openapi.json"))
	if err != nil {
		return nil, err
	}
	api, err := goChanges(ctx, old, root)
	return append(contract, api...), err
}

// announcements returns the text of CHANGELOG.md under "### Breaking" before its section on base.
func announcements(path, base string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var announced strings.Builder
	in := false
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "## ") && semver.IsValid(base) && strings.Contains(line, strings.TrimPrefix(base, "v")) {
			break
		}
		if strings.HasPrefix(line, "#") {
			in = strings.TrimSpace(strings.TrimLeft(line, "#")) == "Breaking"
		}
		if in {
			announced.WriteString(line)
		}
	}
	return announced.String(), nil
}

func git(ctx context.Context, dir string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", arguments...)
	command.Dir = dir
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(output)), nil
}
