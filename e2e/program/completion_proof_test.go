//go:build proof

package program_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// The completions work in the shells that they are for.
func TestCompletionInShells(t *testing.T) {
	bin := t.TempDir()
	if err := os.Symlink(process.Program(t), filepath.Join(bin, "diga-api")); err != nil {
		t.Fatal(err)
	}
	for shell, args := range map[string][]string{
		"bash": {"--norc", "-c", `source <(diga-api completion bash)
			COMP_WORDS=(diga-api keys re); COMP_CWORD=2; _diga_api; echo "${COMPREPLY[@]}"
			COMP_WORDS=(diga-api serve --log-level ""); COMP_CWORD=3; _diga_api; echo "${COMPREPLY[@]}"
			COMP_WORDS=(diga-api backup ""); COMP_CWORD=2; _diga_api; echo "${COMPREPLY[@]:-files}"`},
		// Outside of its line editor, zsh has the function but not the builtins that show what it found.
		"zsh": {"-f", "-c", `compdef() { :; }
			_describe() { echo ${${(P)2}%%:*}; }
			_files() { echo files; }
			source <(diga-api completion zsh)
			words=(diga-api keys re); CURRENT=3; _diga_api
			words=(diga-api serve --log-level ""); CURRENT=4; _diga_api
			words=(diga-api backup ""); CURRENT=3; _diga_api`},
		"fish": {"--no-config", "-c", `diga-api completion fish | source
			complete -C "diga-api keys re" | cut -f 1
			complete -C "diga-api serve --log-level " | string join " "
			complete -C "diga-api backup ./fil"`},
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Fatalf("%s is missing: apt-get install %s", shell, shell)
			}
			cmd := exec.CommandContext(t.Context(), path, args...)
			cmd.Dir = t.TempDir()
			if err := os.WriteFile(filepath.Join(cmd.Dir, "files"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+cmd.Dir)
			out, err := cmd.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if err != nil || len(lines) != 3 || lines[0] != "revoke" || !slices.Equal(slices.Sorted(strings.FieldsSeq(lines[1])), []string{"debug", "error", "info", "warn"}) || strings.TrimPrefix(lines[2], "./") != "files" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
