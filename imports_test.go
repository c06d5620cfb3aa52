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
	drivers := []string{"modernc.org/sqlite", "github.com/jackc/pgx", "github.com/pressly/goose"}
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
	for _, importers := range list(t, "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "./...") {
		name, imports, _ := strings.Cut(importers, ": ")
		if slices.ContainsFunc(strings.Fields(imports), func(s string) bool { return strings.HasPrefix(s, module+"/cmd") }) {
			t.Errorf("%s imports the program", name)
		}
		// Indirectly it imports net/http, which gen/apitype needs for the client.
		if name == module+"/server/apikey" && (slices.Contains(strings.Fields(imports), "net/http") || slices.Contains(strings.Fields(imports), "database/sql")) {
			t.Errorf("%s imports HTTP or SQL", name)
		}
		if strings.HasPrefix(name, module+"/server/") && slices.Contains(strings.Fields(imports), module+"/server") {
			t.Errorf("%s imports server, which is above it", name)
		}
	}
}

// list is what go list prints, a line each.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
