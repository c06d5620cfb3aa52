package diga_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/diga-io/diga-api"

// The import rules keep the parts apart: what an importing team gets with the client, what an operator's database
// driver can reach, and that the layer that validates knows no operation. Each rule looks at what a package imports,
// directly and through others, tests left out.
func TestImportRules(t *testing.T) {
	drivers := []string{"modernc.org/sqlite", "github.com/jackc/pgx"}
	for _, rule := range []struct {
		packages  string
		forbidden []string
		why       string
	}{
		{"client", []string{module + "/api", module + "/server", module + "/gen/apiserver", "github.com/labstack/echo", "github.com/getkin/kin-openapi"},
			"importing teams get the client and nothing of the server"},
		{"server", drivers, "the server is given its keys; clienttest serves without a database"},
		{"contract", append(drivers, module+"/gen", module+"/api", module+"/server/apikey"), "it fits any document"},
		{"server/store", []string{"github.com/labstack/echo", "github.com/getkin/kin-openapi", module + "/gen/apiserver"}, "the store knows no HTTP"},
		{"server/apikey", append(drivers, "github.com/labstack/echo"), "the domain knows neither HTTP nor SQL"},
	} {
		for _, imported := range list(t, "-deps", "./"+rule.packages) {
			for _, forbidden := range rule.forbidden {
				if imported == forbidden || strings.HasPrefix(imported, forbidden+"/") {
					t.Errorf("%s imports %s: %s", rule.packages, imported, rule.why)
				}
			}
		}
	}
}

// The layers are cmd above server and client, gen below them, and contract at the bottom. A package imports its own layer
// and those below it, and no package imports a command. Only clienttest, which serves in the caller's process, imports
// across.
func TestLayers(t *testing.T) {
	below := map[string]string{
		"api":               "",
		"internal":          "",
		"contract":          "contract internal",
		"gen":               "gen internal",
		"server":            "server api gen contract",
		"client":            "client gen contract",
		"client/clienttest": "client server api gen contract",
		"cmd/contractgen":   "cmd/contractgen contract gen/apitype",
		"cmd/diga-api":      "cmd/diga-api server client api gen contract internal",
	}
	within := func(name, layer string) bool { return name == layer || strings.HasPrefix(name, layer+"/") }
	for _, line := range list(t, "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "./...") {
		name, imports, _ := strings.Cut(line, ": ")
		name = strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
		var layer string // the longest that fits
		for candidate := range below {
			if within(name, candidate) && len(candidate) > len(layer) {
				layer = candidate
			}
		}
		if layer == "" && name != "" {
			t.Errorf("%s is in no layer", name)
		}
		for imported := range strings.FieldsSeq(imports) {
			if name == "server/apikey" && imported == "net/http" {
				t.Errorf("%s imports %s: the domain does not know HTTP", name, imported)
			}
			imported, own := strings.CutPrefix(imported, module+"/")
			if own && !slices.ContainsFunc(strings.Fields(below[layer]), func(layer string) bool { return within(imported, layer) }) {
				t.Errorf("%s imports %s, which is not below it", name, imported)
			}
			if imported == "server" && strings.HasPrefix(name, "server/") {
				t.Errorf("%s imports server, which is above it", name)
			}
		}
	}
}

// After go get -tool, a module has the checksums of what the tool imports, and after go mod vendor its packages, so the tool
// has to import what generated code imports. Otherwise nothing that it generates there compiles.
func TestToolImports(t *testing.T) {
	tool := list(t, "-deps", "./cmd/contractgen")
	for _, imports := range list(t, "-f", `{{join .Imports " "}}`, "./gen/apiserver", "./gen/apiclient") {
		for imported := range strings.FieldsSeq(imports) {
			if strings.Contains(imported, ".") && !slices.Contains(tool, imported) {
				t.Errorf("generated code imports %s, and cmd/contractgen does not", imported)
			}
		}
	}
}

// list returns the lines that go list prints.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
