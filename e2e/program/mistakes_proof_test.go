//go:build proof

package program_test

import (
	"net/url"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
)

// Mistakes that only PostgreSQL can answer.
func TestMistakesOnPostgres(t *testing.T) {
	database, err := url.Parse(postgres.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	wrongPassword, wrongName := *database, *database
	wrongPassword.User = url.UserPassword("diga", "hunter2")
	wrongName.Path = "/digga"
	text := mistakesTranscript(t, []mistake{
		{title: "wrong password", env: []string{"DIGA_DATABASE_URL=" + wrongPassword.String()}, args: []string{"serve", "--addr", "127.0.0.1:0"}},
		{title: "wrong password, to list keys", env: []string{"DIGA_DATABASE_URL=" + wrongPassword.String()}, args: []string{"keys", "list"}},
		{title: "wrong name of the database", env: []string{"DIGA_DATABASE_URL=" + wrongName.String()}, args: []string{"serve", "--addr", "127.0.0.1:0"}},
		{title: "no store in the database", env: []string{"DIGA_DATABASE_URL=" + database.String()}, args: []string{"keys", "list"}},
	})
	golden(t, "mistakes_postgres", text, database.Query().Get("host"), "/run/postgresql", url.QueryEscape(database.Query().Get("host")), "/run/postgresql", database.Path, "/diga")
}
