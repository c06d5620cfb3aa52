//go:build proof

package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func portText(port int32) string { return strconv.Itoa(int(port)) }

// compose reads the file as `docker compose` does, schema included.
func compose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{folder + "/compose.yaml"}, cli.WithoutEnvironmentResolution)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestCompose(t *testing.T) {
	project, defaults := compose(t), settings(t)
	server, postgres := project.Services["server"], project.Services["postgres"]
	if len(project.Services) != 2 || server.DependsOn["postgres"].Condition != types.ServiceConditionHealthy {
		t.Errorf("the server does not wait for PostgreSQL: %+v", server.DependsOn)
	}
	env := make(map[string]string)
	for name, value := range server.Environment {
		env[name] = *value
	}
	if len(server.Ports) != 1 || portText(int32(server.Ports[0].Target)) != portOf(t, defaults["DIGA_ADDR"]) {
		t.Errorf("published ports %+v", server.Ports)
	}
	if time.Duration(*server.StopGracePeriod) <= stopping(t, env) {
		t.Errorf("killed after %s, but stopping may take %s", time.Duration(*server.StopGracePeriod), stopping(t, env))
	}

	for name, service := range project.Services {
		if service.HealthCheck == nil || service.HealthCheck.Test[0] != "CMD" {
			t.Errorf("%s: health check %+v", name, service.HealthCheck)
		}
		for _, secret := range service.Secrets {
			if project.Secrets[secret.Source].File == "" {
				t.Errorf("%s: no secret %s", name, secret.Source)
			}
		}
	}
	if test := server.HealthCheck.Test; test[1] != "/diga-api" {
		t.Errorf("health check %v: the image has no other program", test)
	} else {
		checkCommand(t, test[2:])
	}
	if !strings.Contains(env["DIGA_DATABASE_URL"], "passfile=/run/secrets/"+server.Secrets[0].Source) || strings.Contains(env["DIGA_DATABASE_URL"], "diga:") {
		t.Errorf("the password does not come from the secret: %s", env["DIGA_DATABASE_URL"])
	}
	if user, database := *postgres.Environment["POSTGRES_USER"], *postgres.Environment["POSTGRES_DB"]; !strings.HasPrefix(env["DIGA_DATABASE_URL"], "postgres://"+user+"@postgres:5432/"+database+"?") {
		t.Errorf("the server connects to %s, PostgreSQL has %s for %s", env["DIGA_DATABASE_URL"], database, user)
	}
	if len(postgres.Volumes) != 1 || postgres.Volumes[0].Type != types.VolumeTypeVolume {
		t.Errorf("PostgreSQL keeps its data in %+v", postgres.Volumes)
	}
	if !server.ReadOnly || !slices.Equal(server.CapDrop, []string{"ALL"}) {
		t.Error("the server is not confined")
	}
	containerfile := filepath.Join(server.Build.Context, server.Build.Dockerfile)
	if _, err := os.Stat(containerfile); err != nil {
		t.Error(err)
	}
}
