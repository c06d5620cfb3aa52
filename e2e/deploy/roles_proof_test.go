//go:build proof

package deploy_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
)

// deploy/compose.yaml gives the roles of deploy/postgres/roles.sql the passwords with which they connect. TestServingRole in
// e2e/program has what they may and may not do.
func TestRolePasswords(t *testing.T) {
	admin := postgres.Start(t).Database(t)
	parsed, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	secrets := t.TempDir()
	urls := make(map[string]string)
	for _, role := range []string{"diga_owner", "diga_server"} {
		file := filepath.Join(secrets, role)
		if err := os.WriteFile(file, []byte("*:*:*:"+role+":the secret of "+role+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		own := *parsed
		own.User = url.User(role)
		query := own.Query()
		query.Set("passfile", file)
		own.RawQuery = query.Encode()
		urls[role] = own.String()
	}
	passwords := filepath.Join(secrets, "passwords.sql")
	content := strings.ReplaceAll(compose(t).Configs["passwords"].Content, "/run/secrets", secrets)
	if err := os.WriteFile(passwords, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	// As the image of PostgreSQL runs the files of /docker-entrypoint-initdb.d.
	psql := exec.CommandContext(t.Context(), "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", admin,
		"--file="+folder+"/postgres/roles.sql", "--file="+passwords)
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	if out, err := run(t, "migrate", "--database-url", urls["diga_owner"]); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := run(t, "doctor", "--migrate=false", "--database-url", urls["diga_server"]); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
