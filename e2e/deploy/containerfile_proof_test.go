//go:build proof

package deploy_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// anyImage knows no registry: every image it is asked for exists and is empty.
type anyImage struct{}

func (anyImage) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(ocispecs.Image{Platform: platform, Config: ocispecs.ImageConfig{Env: []string{"PATH=/usr/local/go/bin:/usr/bin:/bin"}}})
	return ref, digest.FromBytes(config), config, err
}

var platform = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

// lint runs the checks of `docker build --check`.
func lint(t *testing.T, containerfile string) []string {
	t.Helper()
	source := llb.NewSourceMap(nil, "Containerfile", "Dockerfile", []byte(containerfile))
	source.Definition = new(llb.Definition)
	results, err := dockerfile2llb.DockerfileLint(t.Context(), []byte(containerfile), dockerfile2llb.ConvertOpt{
		MetaResolver: anyImage{}, TargetPlatform: &platform, SourceMap: source,
	})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, warning := range results.Warnings {
		found = append(found, warning.RuleName+": "+warning.Detail)
	}
	if results.Error != nil {
		found = append(found, results.Error.Message)
	}
	return found
}

func TestContainerfile(t *testing.T) {
	for _, finding := range lint(t, read(t, folder+"/Containerfile")) {
		t.Error(finding)
	}
	for _, wrong := range []string{"FROM scratch\nCMD /diga-api", "FROM scratch\nENV SECRET_TOKEN=x", "FROM scratch\nCOPPY a b"} {
		if len(lint(t, wrong)) == 0 {
			t.Errorf("lets pass: %s", wrong)
		}
	}
}

// The image is what Docker would make of the file: its settings are read from there, and not from the text.
func TestImage(t *testing.T) {
	defaults := settings(t)
	result, err := dockerfile2llb.Dockerfile2LLB(t.Context(), []byte(read(t, folder+"/Containerfile")), dockerfile2llb.ConvertOpt{
		MetaResolver: anyImage{}, TargetPlatform: &platform,
		Config: dockerui.Config{BuildArgs: map[string]string{"VERSION": version, "REVISION": revision}},
	})
	if err != nil {
		t.Fatal(err)
	}
	config := result.Image.Config
	if uid, _, _ := strings.Cut(config.User, ":"); uid == "" || uid == "0" || strings.Trim(uid, "0123456789") != "" {
		t.Errorf("runs as %q: Kubernetes' runAsNonRoot wants a number other than 0", config.User)
	}
	if len(config.Entrypoint) != 1 || config.Entrypoint[0] != "/diga-api" {
		t.Errorf("entry point %q", config.Entrypoint)
	}
	checkCommand(t, config.Cmd)
	if check := config.Healthcheck; check == nil || !slices.Equal(check.Test, []string{"CMD", "/diga-api", "ready"}) {
		t.Errorf("health check %+v", check)
	}
	for _, address := range []string{defaults["DIGA_ADDR"], defaults["DIGA_ADMIN_ADDR"]} {
		if _, ok := config.ExposedPorts[portOf(t, address)+"/tcp"]; !ok {
			t.Errorf("%s is not among the ports %v", address, config.ExposedPorts)
		}
	}
	for _, variable := range config.Env {
		path, isDatabase := strings.CutPrefix(variable, "DIGA_DATABASE_URL=sqlite:")
		if _, kept := config.Volumes[filepath.Dir(path)]; isDatabase && !kept {
			t.Errorf("%s is not on a volume: %v", path, config.Volumes)
		}
	}
	for label, want := range map[string]string{"licenses": "Apache-2.0", "version": version, "revision": revision} {
		if got := config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}
	text := read(t, folder+"/Containerfile")
	if !strings.Contains(text, "\nFROM scratch\n") || strings.Count(text, "FROM ") != 2 {
		t.Error("the image does not start from nothing")
	}
}
