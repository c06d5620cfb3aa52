package documents_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

var update = flag.Bool("update", false, "rewrite docs/cli.md from the help of the program")

// docs/cli.md has the help of each command, as the program prints it.
func TestCommandLine(t *testing.T) {
	general := process.Output(t, "--help")
	page := "# Command line\n\nWhat `diga-api --help` and the `--help` of each command print, written by a test.\n\n```\n" + general + "```\n"
	commands := regexp.MustCompile(`(?m)^  ((?:[a-z][\w-]* ?)+)`).FindAllStringSubmatch(general[strings.Index(general, "\nCommands:\n"):], -1)
	if len(commands) < 8 {
		t.Fatalf("understood only %q of\n%s", commands, general)
	}
	for _, command := range commands {
		name := strings.TrimSpace(command[1])
		page += "\n## diga-api " + name + "\n\n```\n" + process.Output(t, append(strings.Fields(name), "--help")...) + "```\n"
	}
	const file = process.Root + "/docs/cli.md"
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != page {
		t.Errorf("docs/cli.md is not what the program prints: go -C e2e test -run TestCommandLine ./documents -update (%v)", err)
	}
}
