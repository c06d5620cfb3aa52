package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	contractV1 = `{"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/keys": {"get": {
		"operationId": "list", "parameters": [{"name": "page", "in": "query", "schema": {"type": "integer"}}],
		"responses": {"200": {"description": "OK", "content": {"application/json": {"schema": {
			"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}}}}}}}}}`
	clientV1 = "package client\n\nfunc Do() {}\n"
	newPath  = `"paths": {"/more": {"get": {"operationId": "more", "responses": {"200": {"description": "OK"}}}}, `
)

func TestBreaking(t *testing.T) {
	for _, test := range []struct {
		name, contract, client, changelog string
		want                              string // what the error says, "" for none
	}{
		{name: "no change", contract: contractV1, client: clientV1},
		{name: "addition", contract: strings.Replace(contractV1, `"paths": {`, newPath, 1), client: clientV1 + "\nfunc More() {}\n"},
		{
			name: "response lost a field", contract: strings.Replace(contractV1, `, "properties": {"id": {"type": "string"}}`, "", 1), client: clientV1,
			want: "- `GET /keys: response-required-property-removed`: ",
		},
		{
			name: "announced", contract: strings.Replace(contractV1, `"required": ["id"]`, `"required": []`, 1), client: clientV1,
			changelog: "## [Unreleased]\n\n### Breaking\n\n- `GET /keys: response-property-became-optional`: expect no id\n",
		},
		{
			name: "announced for another release", contract: strings.Replace(contractV1, `"required": ["id"]`, `"required": []`, 1), client: clientV1,
			changelog: "## [Unreleased]\n\n## [1.0.0]\n\n### Breaking\n\n- `GET /keys: response-property-became-optional`: expect no id\n",
			want:      "- `GET /keys: response-property-became-optional`: ",
		},
		{
			name: "announced as something else", contract: strings.Replace(contractV1, `"required": ["id"]`, `"required": []`, 1), client: clientV1,
			changelog: "## [Unreleased]\n\n### Added\n\n- `GET /keys: response-property-became-optional`: expect no id\n",
			want:      "- `GET /keys: response-property-became-optional`: ",
		},
		{
			name: "operation gone", contract: strings.Replace(contractV1, `"get"`, `"post"`, 1), client: clientV1,
			want: "- `GET /keys: api-removed-without-deprecation`: ",
		},
		{
			name: "parameter required", contract: strings.Replace(contractV1, `"in": "query"`, `"in": "query", "required": true`, 1), client: clientV1,
			want: "- `GET /keys: request-parameter-became-required`: ",
		},
		{name: "Go function gone", contract: contractV1, client: "package client\n", want: "- `client: Do`: "},
		{
			name: "Go function gone, announced", contract: contractV1, client: "package client\n",
			changelog: "## [Unreleased]\n\n### Breaking\n\n- `client: Do`: call something else\n",
		},
		{name: "Go that does not compile", contract: contractV1, client: "package client\n\nvar x = y\n", want: "undefined: y"},
		{name: "document that is none", contract: "{", client: clientV1, want: "openapi.json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			repository(t)
			release(t, "v1.0.0")
			file(t, "api/openapi.json", test.contract)
			file(t, "client/client.go", test.client)
			file(t, "CHANGELOG.md", "# Changelog\n\n"+test.changelog)
			says(t, breaking(t.Context(), "", &bytes.Buffer{}), test.want)
			if list := run(t, "git", "worktree", "list"); strings.Count(list, "\n") != 1 {
				t.Errorf("the work tree was not removed:\n%s", list)
			}
		})
	}
}

func TestBreakingSinceARevision(t *testing.T) {
	repository(t)
	var said bytes.Buffer
	says(t, breaking(t.Context(), "", &said), "")
	if !strings.Contains(said.String(), "no release yet") {
		t.Errorf("without a release it says %s", &said)
	}
	file(t, "client/client.go", "package client\n")
	says(t, breaking(t.Context(), "HEAD", &said), "- `client: Do`: ")
	said.Reset()
	says(t, breaking(t.Context(), "nowhere", &said), "no revision nowhere")
	t.Chdir(t.TempDir())
	says(t, breaking(t.Context(), "", &said), "not a git repository")
	if said.Len() > 0 {
		t.Errorf("with an error it says %s", &said)
	}
}

func TestAllow(t *testing.T) {
	const breaks, adds = "package client\n", clientV1 + "\nfunc More() {}\n"
	for _, test := range []struct{ base, client, version, want string }{
		{"", clientV1, "v0.1.0", ""},
		{"", clientV1, "v1.0.0", ""},
		{"", clientV1, "1.0.0", "is not a version"},
		{"", clientV1, "v1.0", "is not a version"},
		{"", clientV1, "v2.0.0", "the module path example.com/m does not allow v2.0.0"},
		{"v1.0.0", clientV1, "v1.0.1", ""},
		{"v1.0.0", clientV1, "v1.0.0", "does not come after"},
		{"v1.0.0", clientV1, "v0.9.0", "does not come after"},
		{"v1.0.0", adds, "v1.0.1", "which adds: client: More; the minor version has to change"},
		{"v1.0.0", adds, "v1.1.0", ""},
		{"v1.0.0", breaks, "v1.1.0", "which breaks: client: Do; the major version has to change"},
		{"v0.1.0", adds, "v0.1.1", ""},
		{"v0.1.0", breaks, "v0.1.1", "which breaks: client: Do; the minor version has to change"},
		{"v0.1.0", breaks, "v0.2.0", ""},
		{"v0.1.0", breaks, "v1.0.0", ""},
	} {
		t.Run(test.base+" "+test.version, func(t *testing.T) {
			repository(t)
			if test.base != "" {
				release(t, test.base)
			}
			file(t, "client/client.go", test.client)
			says(t, allow(t.Context(), test.version, &bytes.Buffer{}), test.want)
		})
	}
}

// repository creates a git repository with the first contract and client, and changes to it.
func repository(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, variable := range []string{"GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"} {
		t.Setenv(variable, "test@example.com")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	file(t, "go.mod", "module example.com/m\n\ngo 1.26\n")
	file(t, "api/openapi.json", contractV1)
	file(t, "client/client.go", clientV1)
	run(t, "git", "init", "--quiet")
	run(t, "git", "add", ".")
	run(t, "git", "commit", "--quiet", "--message", "first")
}

func release(t *testing.T, version string) {
	t.Helper()
	run(t, "git", "tag", version)
	run(t, "git", "tag", "not-a-version")
}

func file(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), name, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arguments, err, output)
	}
	return string(output)
}

func says(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("no error, want %s", want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("the error is %v, want %s", err, want)
	}
}
