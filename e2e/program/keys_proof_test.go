//go:build proof

package program_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store/storetest"
)

func TestKeysRevokeRotatePurgeOnPostgres(t *testing.T) { testKeys(t, postgres.Database(t)) }

// interrupt starts a command on a terminal, sends it SIGINT when its progress is between 1% and 99%, and returns its exit
// status and what it printed. A command that was done before the signal came is started again, after undo.
func interrupt(t *testing.T, undo func(), args ...string) (status int, screen string) {
	t.Helper()
	progress := regexp.MustCompile(`: [1-9]\d?%`)
	for {
		terminal := process.StartOnTerminal(t, process.Command(t, args...), 80, "")
		process.Eventually(t, func() bool {
			return progress.MatchString(terminal.Screen()) || terminal.Ended()
		})
		terminal.Process.Signal(os.Interrupt)
		if status, screen = terminal.Await(t); status != 0 {
			return status, screen
		}
		undo()
	}
}

// An interrupted copy leaves the target empty, and can be repeated.
func TestMigrateInterrupted(t *testing.T) {
	source := process.SQLite(t)
	process.Output(t, "migrate", "--database-url", source)
	storetest.Fill(t, source, 30_000)
	onEngines(t, func(t *testing.T, target string) {
		copying := []string{"migrate", "--from", source, "--to", target}
		empty := func() { storetest.Exec(t, storetest.Connect(t, target), `DELETE FROM api_keys`) }
		status, screen := interrupt(t, empty, copying...)
		if status != 1 || !strings.Contains(screen, "interrupted: nothing was copied to ") {
			t.Errorf("exit status %d:\n%s", status, screen)
		}
		if left := process.Output(t, "keys", "list", "--deleted", "--database-url", target); left != "" {
			t.Errorf("the target has %d keys", strings.Count(left, "\n"))
		}
		if printed := process.Output(t, copying...); !strings.HasPrefix(printed, "copied and compared 30000 keys ") {
			t.Error(printed)
		}
	})
}

// An interrupted backup leaves no file, and the store as it is.
func TestBackupInterrupted(t *testing.T) {
	database := process.SQLite(t)
	process.Output(t, "migrate", "--database-url", database)
	storetest.Fill(t, database, 100_000)
	folder := t.TempDir()
	file := filepath.Join(folder, "backup.db")
	status, screen := interrupt(t, func() { os.Remove(file) }, "backup", "--database-url", database, file)
	if status != 1 || !strings.Contains(screen, "interrupted: there is no backup") {
		t.Errorf("exit status %d:\n%s", status, screen)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 0 {
		t.Errorf("%v: it left %v", err, files)
	}
	process.Output(t, "backup", "--database-url", database, file)
	process.NewKey(t, "sqlite:"+file)
}

// While tombstones are purged, a server on the same database answers every delete.
func TestPurgeHoldsNoServerUp(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		keys := storetest.Open(t, url)
		storetest.FillTombstones(t, url, 20_000)
		administrator := create(t, keys, apitype.NewUUID())
		server := process.Serve(t, "--database-url", url)
		purge := process.Command(t, "keys", "purge", "--database-url", url, "--deleted-before", "2001-01-01T00:00:00Z")
		if err := purge.Start(); err != nil {
			t.Fatal(err)
		}
		purged := make(chan error, 1)
		go func() { purged <- purge.Wait() }()
		for deletes := 0; ; {
			victim := create(t, keys, administrator.ProjectID)
			if got := server.Delete(t, administrator.secret.Reveal(), victim.ID.String()); got != http.StatusOK {
				t.Fatalf("delete %d is answered %d", deletes, got)
			}
			deletes++
			select {
			case err := <-purged:
				if left, counting := keys.CountTombstones(t.Context(), time.Unix(1, 0)); err != nil || counting != nil || left != 0 {
					t.Errorf("%v, %v: %d tombstones are left", err, counting, left)
				}
				t.Logf("%d deletes while 20000 tombstones were purged", deletes)
				return
			default:
			}
		}
	})
}
