//go:build proof

package program_test

import (
	"database/sql"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// Three hundred clients hang up while the database makes their requests wait, first for the delete or the
// authentication, then for the authentication. None of them is an error, and PostgreSQL keeps its connections.
func TestHangUpsWhileWaiting(t *testing.T) {
	const count = 300
	onEngines(t, func(t *testing.T, url string) {
		key := process.NewKey(t, url)
		server := process.Serve(t, "--database-url", url, "--request-timeout", "1m")
		served := func() (total int) {
			_, text := server.Get(t, "/metrics")
			for _, status := range []string{"403", "404", "499", "500"} {
				total += metric(t, text, `diga_http_requests_total{method="DELETE",operation="delete_api_key_v1_api_key__id__delete",status="`+status+`"}`)
			}
			return total
		}
		control, backends := control(t, url)
		exec := func(statement string) {
			if _, err := control.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		had := backends()
		for round, secret := range []string{key.Key, "unknown"} {
			if strings.HasPrefix(url, "sqlite:") {
				exec(`BEGIN IMMEDIATE`)
			} else {
				exec(`BEGIN`)
				exec(`LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE`)
			}
			hangUp(t, server, count, secret)
			exec(`ROLLBACK`)
			process.Eventually(t, func() bool { return served() == (round+1)*count })
			has := backends()
			for _, pid := range had {
				if !slices.Contains(has, pid) {
					t.Errorf("PostgreSQL process %d lost its client", pid)
				}
			}
			had = has
		}
		log, err := server.Stop(t, syscall.SIGTERM)
		if err != nil {
			t.Error(err)
		}
		got := statuses(t, log)
		t.Logf("%v, PostgreSQL processes %v", got, had)
		if got[403]+got[404]+got[499] != 2*count || len(had) > 0 && got[499] == 0 {
			t.Errorf("requests by status: %v", got)
		}
	})
}

// control returns a connection to the database at url, and what lists PostgreSQL's processes for other connections.
func control(t *testing.T, url string) (*sql.Conn, func() []int) {
	t.Helper()
	conn, err := storetest.Connect(t, url).Conn(t.Context()) // one, for a transaction across statements
	if err != nil {
		t.Fatal(err)
	}
	return conn, func() []int {
		if strings.HasPrefix(url, "sqlite:") {
			return nil
		}
		return postgres.PIDs(t, conn, `SELECT pid FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`)
	}
}
