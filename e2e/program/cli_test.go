package program_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

func TestHelp(t *testing.T) {
	printed := transcript(t, t.TempDir(), nil,
		nil, []string{"help", "serve"}, []string{"help", "completion"},
		[]string{"--version"}, []string{"help", "serev"}, []string{"keys"}, []string{"keys", "lst"}, []string{"keys", "nonsense"}, []string{"keys", "--nonsense"}, []string{"serev"}, []string{"completion", "powershell"})
	printed = regexp.MustCompile(`(?m)^diga-api \S+ \(revision .*\)$`).ReplaceAllString(printed, "diga-api VERSION (revision REVISION, GO, PLATFORM)")
	golden(t, "help", printed)
}

func TestComplete(t *testing.T) {
	golden(t, "complete", transcript(t, t.TempDir(), nil,
		[]string{"complete", "--", ""},
		[]string{"complete", "--", "ke"},
		[]string{"complete", "--", "keys", "r"},
		[]string{"complete", "--", "serve", "--log"},
		[]string{"complete", "--", "serve", "--log-level", ""},
		[]string{"complete", "--", "serve", "--demo", "--log-format", "j"},
		[]string{"complete", "--", "serve", "--database-url", ""},
		[]string{"complete", "--", "completion", ""},
		[]string{"complete", "--", "backup", ""},
		[]string{"complete", "--", "nonsense", "--", "x"},
		[]string{"completion", "bash"}, []string{"completion", "zsh"}, []string{"completion", "fish"},
	))
}

// anonymous replaces what differs from run to run.
func anonymous(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\x1b", "␛").Replace(text)
	for _, replacement := range [][2]string{
		{`(?m)^(␛\[2m)?\d\d:\d\d:\d\d\.\d{3}`, "${1}TIME"},
		{`127\.0\.0\.1:[1-9]\d{4}\b`, "127.0.0.1:PORT"},
		{`diga_[0-9a-f]{72}`, "KEY"},
		{`[0-9a-f]{64}`, "SHA256"},
		{`[0-9a-f]{8}-[0-9a-f-]{27}`, "UUID"},
		{`[0-9a-f]{32}`, "REQUEST-ID"},
		{`  [\d.]+(µs|ms|s)\b`, "  DURATION"},
		{`sqlite:/[^\s"]+/(\w+\.db)`, "sqlite:/folder/${1}"},
		{`(duration_s=(?:␛\[0m)?)\d+`, "${1}SECONDS"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`, "NOW"},
		{`SQLite \d[\d.]+`, "SQLite VERSION"},
	} {
		text = regexp.MustCompile(replacement[0]).ReplaceAllString(text, replacement[1])
	}
	return text
}

// The log on a terminal has one line for each request, for people.
func TestLogOnATerminal(t *testing.T) {
	var screens strings.Builder
	for _, colour := range []string{"TERM=xterm", "NO_COLOR=1"} {
		database := process.SQLite(t)
		key := process.NewKey(t, database)
		cmd := process.Command(t, "serve", "--addr", "127.0.0.1:0", "--database-url", database)
		cmd.Env = append(cmd.Env, colour)
		terminal := process.StartOnTerminal(t, cmd, 120, "")
		address := regexp.MustCompile(`serving on (\S+)\r\n(?s:.*)started`)
		process.Eventually(t, func() bool { return address.MatchString(terminal.Screen()) || terminal.Ended() })
		found := address.FindStringSubmatch(terminal.Screen())
		if found == nil {
			t.Fatal(terminal.Screen())
		}
		process.Send(t, http.MethodDelete, found[1]+"/v1/api_key/nope", key.Key)
		process.Send(t, http.MethodDelete, found[1]+"/v1/api_key/"+key.ID, key.Key)
		process.Send(t, http.MethodDelete, found[1]+"/v1/api_key/"+key.ID, key.Key)
		process.Send(t, http.MethodGet, found[1]+"/nowhere", key.Key)
		terminal.Process.Signal(syscall.SIGTERM)
		status, screen := terminal.Await(t)
		fmt.Fprintf(&screens, "%s\n%sexit status %d\n\n", colour, anonymous(screen), status)
	}
	printed := regexp.MustCompile(`(version=(?:␛\[0m)?)\S+(.*revision=(?:␛\[0m)?)\S+`).ReplaceAllString(screens.String(), "${1}VERSION${2}REVISION")
	golden(t, "log_terminal", printed)
}

// A terminal that knows no control sequences gets none.
func TestDumbTerminal(t *testing.T) {
	database := process.SQLite(t)
	process.NewKey(t, database)
	for _, args := range [][]string{{"keys", "list"}, {"doctor"}, {"backup", filepath.Join(t.TempDir(), "backup.db")}} {
		cmd := process.Command(t, append(args, "--database-url", database)...)
		cmd.Env = append(cmd.Env, "TERM=dumb")
		if status, screen := process.StartOnTerminal(t, cmd, 80, "").Await(t); status != 0 || strings.Contains(screen, "\x1b") {
			t.Errorf("%v: exit status %d\n%q", args, status, screen)
		}
	}
}

// What the commands print that do what they are asked to.
func TestCommandsArePrinted(t *testing.T) {
	folder := t.TempDir()
	database := "sqlite:" + filepath.Join(folder, "keys.db")
	process.Output(t, "migrate", "--database-url", database)
	caller, rotated, revoked, expired, deleted := process.NewKey(t, database), process.NewKey(t, database), process.NewKey(t, database),
		process.NewKey(t, database, "--expires-at", "2999-01-01T00:00:00Z", "--permission", "calls.view"), process.NewKey(t, database)
	s := process.Serve(t, "--database-url", database)
	printed := transcript(t, folder, []string{"DIGA_DATABASE_URL=" + database, "DIGA_API_KEY=" + caller.Key, "DIGA_BASE_URL=" + s.API,
		"DIGA_ADMIN_ADDR=" + strings.TrimPrefix(s.Admin, "http://")},
		[]string{"ready"},
		[]string{"migrate"},
		[]string{"keys", "create", "--project", process.Project, "--name", "billing"},
		[]string{"keys", "create", "--project", process.Project, "--name", "billing", "--permission", "api_keys.delete", "--json"},
		[]string{"keys", "rotate", "--dry-run", rotated.ID},
		[]string{"keys", "rotate", rotated.ID},
		[]string{"keys", "rotate", rotated.ID, "--json"},
		[]string{"keys", "revoke", "--dry-run", revoked.ID},
		[]string{"keys", "revoke", revoked.ID},
		[]string{"keys", "revoke", revoked.ID, expired.ID},
		[]string{"keys", "revoke", revoked.ID, expired.ID, "--json"},
		[]string{"delete", deleted.ID},
		[]string{"delete", deleted.ID, "--json"},
		[]string{"delete", caller.ID, "--json"},
		[]string{"keys", "purge", "--deleted-before", "2026-01-31T12:00:00Z", "--dry-run"},
		[]string{"keys", "purge", "--deleted-before", "2026-01-31T12:00:00Z"},
		[]string{"keys", "purge", "--deleted-before", "2026-01-31T12:00:00Z", "--json"},
		[]string{"backup", "backup.db"},
		[]string{"backup", "backup.db"},
		[]string{"migrate", "--from", "sqlite:backup.db", "--to", "sqlite:copy.db"},
		[]string{"migrate", "--from", "sqlite:backup.db", "--to", "sqlite:copy.db"},
		[]string{"version"},
		[]string{"version", "--json"},
	)
	for _, replacement := range [][2]string{
		{`"last_four_digits":"\w+"`, `"last_four_digits":"LAST"`},
		{`("INFO".*"by":"|keys revoke by )[^"]+`, "${1}OPERATOR"},
		{`diga-api \S+ \(revision .*\)`, "diga-api VERSION (revision REVISION, GO, PLATFORM)"},
		{`("version":|"revision":|"go":|"platform":)"[^"]*"`, `${1}"…"`},
	} {
		printed = regexp.MustCompile(replacement[0]).ReplaceAllString(printed, replacement[1])
	}
	golden(t, "commands", anonymous(printed), folder, "/folder")
}

// diga-api help prints the same as diga-api alone.
func TestHelpCommand(t *testing.T) {
	if alone, help := process.Output(t), process.Output(t, "help"); alone != help {
		t.Errorf("help prints\n%s", help)
	}
	if flag, command := process.Output(t, "keys", "list", "--help"), process.Output(t, "help", "keys", "list"); flag != command {
		t.Errorf("help keys list prints\n%s", command)
	}
}

func TestDemoIsPrinted(t *testing.T) {
	s := process.Serve(t, "--demo", "--database-url", process.SQLite(t))
	printed := strings.ReplaceAll(anonymous(strings.Join(s.Lines, "\n")+"\n"), process.Program(t), "diga-api")
	golden(t, "demo", printed)
}

// The lines of the demo work also if the port is taken.
func TestDemoOnATakenPort(t *testing.T) {
	first := process.Serve(t, "--database-url", process.SQLite(t))
	address := strings.TrimPrefix(first.API, "http://")
	cmd := process.Command(t, "serve", "--demo", "--addr", address, "--database-url", process.SQLite(t))
	second := process.Start(t, cmd)
	second.Await(t)
	printed := strings.Join(second.Lines, "\n")
	if second.API == first.API || !strings.Contains(printed, address+" is in use by another program, so this one has another port.\n") ||
		!strings.Contains(printed, second.API+"/docs\n") || strings.Contains(printed, first.API+"/") {
		t.Errorf("at %s it prints\n%s", second.API, printed)
	}
}

// The last line of the demo calls the API with the program itself, from any folder.
func TestDemoCommandLine(t *testing.T) {
	start := process.Command(t, "serve", "--demo", "--addr", "127.0.0.1:0", "--database-url", process.SQLite(t))
	start.Dir, start.Args[0] = filepath.Dir(process.Program(t)), "./"+filepath.Base(process.Program(t))
	s := process.Start(t, start)
	s.Await(t)
	line := regexp.MustCompile(`(?m)^(DIGA_API_KEY=\S+) (\S+) (delete --base-url \S+ \S+)$`).FindStringSubmatch(strings.Join(s.Lines, "\n"))
	if line == nil || line[2] != process.Program(t) {
		t.Fatalf("%q of\n%s", line, strings.Join(s.Lines, "\n"))
	}
	cmd := process.Command(t, strings.Fields(line[3])...)
	cmd.Env = append(cmd.Env, line[1])
	if got := process.Run(t, cmd); got.Status != 0 {
		t.Errorf("%+v", got)
	}
}

// doctor begins with the verdict, and lists what failed first.
func TestDoctorIsPrinted(t *testing.T) {
	folder := t.TempDir()
	process.Output(t, "migrate", "--database-url", "sqlite:"+filepath.Join(folder, "keys.db"))
	printed := transcript(t, folder, []string{"DIGA_REQUEST_TIMEOUT=3s"},
		[]string{"doctor", "--database-url", "sqlite:keys.db"},
		[]string{"doctor", "--database-url", "postgres://diga:" + mark + "@" + refusing(t) + "/keys?sslmode=disable&password=" + mark, "--addr", "nowhere", "--max-in-flight", "few"},
		[]string{"doctor", "--json", "--database-url", "sqlite:keys.db"},
	)
	reveal(t, "the report", regexp.MustCompile(`(?m)^\$ .*$`).ReplaceAllString(printed, ""))
	printed = strings.ReplaceAll(anonymous(printed), mark, "PASSWORD")
	printed = regexp.MustCompile(`(?m)^  (diga-api|github\S+)( +)\S.*$`).ReplaceAllString(printed, "  $1${2}VERSION")
	printed = regexp.MustCompile(`"(version|revision|contract_sha256|go|platform|(?:github\.com|golang\.org)/[^"]+)":"[^"]+"`).ReplaceAllString(printed, `"$1":"VERSION"`)
	golden(t, "doctor", printed)
}
