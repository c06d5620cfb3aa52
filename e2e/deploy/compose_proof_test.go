//go:build proof

package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	server, migrate, postgres := project.Services["server"], project.Services["migrate"], project.Services["postgres"]
	if len(project.Services) != 3 || migrate.DependsOn["postgres"].Condition != types.ServiceConditionHealthy ||
		server.DependsOn["migrate"].Condition != types.ServiceConditionCompletedSuccessfully {
		t.Errorf("the server does not wait for the migration: %+v", server.DependsOn)
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
		if name != "migrate" && (service.HealthCheck == nil || service.HealthCheck.Test[0] != "CMD") {
			t.Errorf("%s: health check %+v", name, service.HealthCheck)
		}
		for _, secret := range service.Secrets {
			if project.Secrets[secret.Source].File == "" {
				t.Errorf("%s: no secret %s", name, secret.Source)
			}
		}
	}
	// Only the program is in the image, and only ready asks the server.
	if test := server.HealthCheck.Test; !slices.Equal(test, []string{"CMD", "/diga-api", "ready"}) {
		t.Errorf("health check %v", test)
	} else {
		checkCommand(t, test[2:])
	}
	for role, service := range map[string]types.ServiceConfig{"diga_server": server, "diga_owner": migrate} {
		checkCommand(t, service.Command)
		want := "postgres://" + role + "@postgres:5432/" + *postgres.Environment["POSTGRES_DB"] + "?sslmode=disable&passfile=/run/secrets/" + role
		if url := *service.Environment["DIGA_DATABASE_URL"]; url != want || len(service.Secrets) != 1 || service.Secrets[0].Source != role {
			t.Errorf("%s connects to %s with the secrets %v", service.Name, url, service.Secrets)
		}
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) {
			t.Errorf("%s is not confined", service.Name)
		}
	}
	if !slices.Contains(server.Command, "--migrate=false") {
		t.Errorf("the server migrates: %v", server.Command)
	}
	if len(postgres.Volumes) != 1 || postgres.Volumes[0].Type != types.VolumeTypeVolume {
		t.Errorf("PostgreSQL keeps its data in %+v", postgres.Volumes)
	}
	containerfile := filepath.Join(server.Build.Context, server.Build.Dockerfile)
	if _, err := os.Stat(containerfile); err != nil {
		t.Error(err)
	}
}
