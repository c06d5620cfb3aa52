package program_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

func TestKeysRevokeRotatePurge(t *testing.T) { testKeys(t, process.SQLite(t)) }

// testKeys revokes, rotates and purges keys on the database while a server uses it.
func testKeys(t *testing.T, database string) {
	t.Helper()
	admin, leaked, rotated := process.NewKey(t, database), process.NewKey(t, database), process.NewKey(t, database, "--expires-at", "2999-01-01T00:00:00Z")
	server := process.Serve(t, "--database-url", database)
	unknown := apitype.NewUUID().String()
	keys := func(status int, args ...string) process.Outcome {
		t.Helper()
		got := process.Run(t, process.Command(t, append([]string{"keys", args[0], "--database-url", database}, args[1:]...)...))
		if got.Status != status {
			t.Errorf("keys %v: exit status %d, want %d: %+v", args, got.Status, status, got)
		}
		return got
	}
	answers := func(secret string, want int) {
		t.Helper()
		if got := server.Delete(t, secret, unknown); got != want {
			t.Errorf("the server answers %d, want %d", got, want)
		}
	}

	for _, command := range []string{"revoke", "rotate"} {
		keys(0, command, leaked.ID, "--dry-run")
		keys(0, command, leaked.ID, "--dry-run", "--json")
		if got := keys(5, command, leaked.Key); strings.Contains(got.Stdout+got.Stderr, leaked.Key) {
			t.Errorf("a key that was passed instead of its id is repeated: %+v", got)
		}
		keys(3, command, unknown)
		keys(2, command)
	}
	answers(leaked.Key, 404)

	// Revoke: the next request is rejected. The log names the key.
	audited(t, keys(3, "revoke", unknown, leaked.ID), map[string]any{"msg": "key revoked", "key": leaked.ID})
	answers(leaked.Key, 403)
	got := keys(3, "revoke", leaked.ID, "--json")
	var refusal struct{ ID, Error, Store string }
	if err := json.Unmarshal([]byte(got.Stdout), &refusal); err != nil || refusal.ID != leaked.ID || refusal.Error != "not_found" || refusal.Store == "" {
		t.Errorf("%v: %+v", err, got)
	}
	listed := keys(0, "list", "--deleted-after", "2001-01-01T00:00:00Z", "--json")
	var tombstone struct {
		ID, Store string
		Deleted   struct {
			By        string
			RequestID string `json:"request_id"`
		}
	}
	if err := json.Unmarshal([]byte(listed.Stdout), &tombstone); err != nil || tombstone.ID != leaked.ID || tombstone.Store == "" ||
		tombstone.Deleted.By != (apitype.UUID{}).String() || !strings.HasPrefix(tombstone.Deleted.RequestID, "keys revoke by ") {
		t.Errorf("%v: %+v", err, listed)
	}

	// Rotate: the old secret is rejected from the next request on, the new one is accepted.
	got = keys(0, "rotate", rotated.ID, "--json")
	audited(t, got, map[string]any{"msg": "key rotated", "key": rotated.ID})
	var renewed process.Key
	if err := json.Unmarshal([]byte(got.Stdout), &renewed); err != nil || renewed.ID != rotated.ID || renewed.Key == rotated.Key || renewed.Expiry != rotated.Expiry ||
		renewed.LastFour != renewed.Key[len(renewed.Key)-4:] {
		t.Errorf("%v: %+v", err, got)
	}
	answers(rotated.Key, 403)
	answers(renewed.Key, 404)
	keys(3, "rotate", leaked.ID)

	// Purge: the tombstone goes, the live keys stay.
	soon := time.Now().Add(-time.Minute).Format(time.RFC3339)
	if got := keys(0, "purge", "--deleted-before", soon); !strings.HasPrefix(got.Stdout, "purged 0 ") || got.Stderr != "" {
		t.Errorf("%+v", got)
	}
	keys(2, "purge")
	keys(2, "purge", "--deleted-before", "2999-01-01T00:00:00Z")
	var purge struct {
		Purged int
		DryRun bool `json:"dry_run"`
	}
	var now string // the tombstone is younger than a second
	process.Eventually(t, func() bool {
		now = time.Now().Format(time.RFC3339)
		return strings.HasPrefix(keys(0, "purge", "--deleted-before", now, "--dry-run").Stdout, "would purge 1 ")
	})
	got = keys(0, "purge", "--deleted-before", now, "--json")
	audited(t, got, map[string]any{"msg": "tombstones purged", "count": 1.0})
	if err := json.Unmarshal([]byte(got.Stdout), &purge); err != nil || purge.Purged != 1 || purge.DryRun {
		t.Errorf("%v: %+v", err, got)
	}
	ids := regexp.MustCompile(`(?m)^\S+`).FindAllString(keys(0, "list", "--deleted").Stdout, -1)
	if strings.Join(ids, " ") != admin.ID+" "+rotated.ID {
		t.Errorf("left are %v", ids)
	}

	log, _ := server.Stop(t, syscall.SIGTERM)
	if !regexp.MustCompile(`"reason":"deleted","key":"` + leaked.ID + `"`).MatchString(log) {
		t.Errorf("the use of the revoked key is not in the log:\n%s", log)
	}
}

// audited checks the line that a command left for the audit: who did what to which store.
func audited(t *testing.T, got process.Outcome, want map[string]any) {
	t.Helper()
	line, _, _ := strings.Cut(got.Stderr, "\n")
	var logged map[string]any
	if err := json.Unmarshal([]byte(line), &logged); err != nil || logged["by"] == "" || logged["by"] == nil || logged["store"] == nil {
		t.Errorf("%v: %+v", err, got)
	}
	for name, value := range want {
		if logged[name] != value {
			t.Errorf("%s is %v, want %v: %s", name, logged[name], value, line)
		}
	}
}

// sampleStore is a store with the same keys each time.
func sampleStore(t *testing.T) (database string) {
	t.Helper()
	database = process.SQLite(t)
	keys, err := store.Open(t.Context(), database, store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	id := func(n byte) apitype.UUID { return apitype.UUID{n, 0x8f, 0xad, 0x5b, 6: 0x40 + n, 8: 0x80, 15: n} }
	created := time.Date(2025, 3, 1, 9, 30, 0, 0, time.UTC)
	for n, key := range []apikey.Key{
		{Name: "billing"},
		{Name: "the nightly export of the reporting team", Restricted: true, Permissions: []string{"calls.view", "api_keys.delete"}},
		{Name: "\x1b[31mred\tor \"not\" 鍵", ExpiresAt: created.AddDate(0, 1, 0), Restricted: true},
		{Name: "partner", ExpiresAt: created.AddDate(900, 0, 0)},
		{Name: "left the company"},
		{Name: "leaked"},
	} {
		key.ID, key.ProjectID, key.CreatedAt, key.LastFourDigits = id(byte(n+1)), id(0xa0+byte(n%2)), created.AddDate(0, 0, n), fmt.Sprintf("%04d", n)
		if err := keys.Create(t.Context(), key, apikey.NewSecret().Hash()); err != nil {
			t.Fatal(err)
		}
	}
	for n, deletion := range map[byte]apikey.Deletion{5: {At: created.AddDate(0, 2, 0), By: id(1), RequestID: "request-1"}, 6: {At: created.AddDate(0, 3, 0), RequestID: "keys revoke by ops"}} {
		if err := keys.Delete(t.Context(), id(0xa0+(n-1)%2), id(n), deletion); err != nil {
			t.Fatal(err)
		}
	}
	return database
}

// What people and scripts read.
func TestKeysList(t *testing.T) {
	database := sampleStore(t)
	env := []string{"DIGA_DATABASE_URL=" + database}
	golden(t, "keys_list", transcript(t, t.TempDir(), env,
		[]string{"keys", "list"},
		[]string{"keys", "list", "--deleted"},
		[]string{"keys", "list", "--deleted", "--json"},
		[]string{"keys", "list", "--project", "a08fad5b-0000-e000-8000-0000000000a0"},
		[]string{"keys", "list", "--name", "port"},
		[]string{"keys", "list", "--expires-before", "2026-01-01T00:00:00Z"},
		[]string{"keys", "list", "--deleted-after", "2025-06-01T00:00:00Z"},
		[]string{"keys", "list", "--name", "nobody"},
		[]string{"keys", "list", "--expires-before", "soon", "--deleted-after", "yesterday"},
	), database, "sqlite:/folder/keys.db")

	var screens strings.Builder
	for _, columns := range []int{40, 60, 80, 100, 140, 220} {
		for _, colour := range []string{"", "NO_COLOR=1"} {
			if colour == "" && columns != 80 {
				continue
			}
			cmd := process.Command(t, "keys", "list", "--deleted")
			cmd.Env = append(append(cmd.Env, env...), colour)
			status, screen := process.StartOnTerminal(t, cmd, columns, "").Await(t)
			screen = strings.NewReplacer("\r\n", "\n", "\x1b", "␛", database, "sqlite:/folder/keys.db").Replace(screen)
			fmt.Fprintf(&screens, "%d columns %s\n%sexit status %d\n\n", columns, colour, screen, status)
			for line := range strings.Lines(screen) {
				if width := len([]rune(strings.TrimSpace(line))); colour != "" && width > columns && !strings.Contains(line, " keys in ") {
					t.Errorf("%d characters on %d columns: %s", width, columns, line)
				}
			}
		}
	}
	golden(t, "keys_list_terminal", screens.String())
}

// An interrupted purge has removed whole batches, says how many tombstones that were, and goes on when it is repeated.
func TestKeysPurgeInterrupted(t *testing.T) {
	database := process.SQLite(t)
	process.Output(t, "migrate", "--database-url", database)
	const rows, batch = 20_000, 200
	storetest.FillTombstones(t, database, rows)
	db := storetest.Connect(t, database)
	left := func() (count int) {
		if err := db.QueryRow(`SELECT count(*) FROM api_keys`).Scan(&count); err != nil {
			t.Fatal(err)
		}
		return count
	}
	purge := []string{"keys", "purge", "--database-url", database, "--deleted-before", "2001-01-01T00:00:00Z"}

	// The terminal does not take the progress of the first batch until the signal was sent.
	cmd := process.Command(t, purge...)
	cmd.Env = append(cmd.Env, "NO_COLOR=1")
	terminal := process.StartOnTerminal(t, cmd, 80, process.StopOutput)
	process.Eventually(t, func() bool { return left() < rows })
	if err := terminal.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	terminal.Type(t, process.ContinueOutput)
	status, screen := terminal.Await(t)
	purged := rows - left()
	if status != 1 || purged == 0 || purged == rows || purged%batch != 0 || !strings.Contains(screen, "purging: ") ||
		!strings.Contains(screen, fmt.Sprintf("interrupted: %d tombstones purged", purged)) || !strings.Contains(screen, fmt.Sprint("count=", purged)) {
		t.Errorf("exit status %d, %d purged:\n%s", status, purged, screen)
	}

	got := process.Run(t, process.Command(t, purge...))
	if !strings.HasPrefix(got.Stdout, fmt.Sprintf("purged %d tombstones", rows-purged)) || left() != 0 {
		t.Errorf("%d are left after %+v", left(), got)
	}
}

// TestRestore executes the commands of docs/operations.md: the keys that were deleted after the backup are revoked again.
func TestRestore(t *testing.T) {
	text, err := os.ReadFile(process.Root + "/docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n([^`]*keys list --deleted-after[^`]*)```").FindSubmatch(text)
	if blocks == nil {
		t.Fatal("docs/operations.md does not say how to revoke again")
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "diga.db")
	database := "sqlite:" + path
	before, after, kept := process.NewKey(t, database), process.NewKey(t, database), process.NewKey(t, database)
	process.Output(t, "keys", "revoke", "--database-url", database, before.ID)
	printed := process.Output(t, "backup", "--database-url", database, filepath.Join(folder, "backup.db"))
	began := regexp.MustCompile(` at (\S+)\n$`).FindStringSubmatch(printed)
	if began == nil {
		t.Fatalf("the backup does not say of when it is: %s", printed)
	}
	late := process.NewKey(t, database) // is not in the backup
	process.Output(t, "keys", "revoke", "--database-url", database, after.ID, late.ID)

	script := strings.NewReplacer("/var/lib/diga-api", folder, "2026-11-24T03:00:00Z", began[1]).Replace(string(blocks[1]))
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", script)
	cmd.Dir = folder
	cmd.Env = []string{"PATH=" + filepath.Dir(process.Program(t)) + ":" + os.Getenv("PATH")}
	// xargs ends with 123 if a command failed: the key that is not in the backup does not exist.
	output, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 123 || !strings.Contains(string(output), "key "+late.ID+" does not exist") {
		t.Fatalf("%v\n%s\n%s", err, script, output)
	}
	server := process.Serve(t, "--database-url", database)
	for name, test := range map[string]struct {
		secret string
		want   int
	}{"deleted before": {before.Key, 403}, "deleted after": {after.Key, 403}, "created and deleted after": {late.Key, 403}, "kept": {kept.Key, 404}} {
		if got := server.Delete(t, test.secret, apitype.NewUUID().String()); got != test.want {
			t.Errorf("a key %s the backup is answered %d, want %d", name, got, test.want)
		}
	}
}
