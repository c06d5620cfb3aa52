package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContract checks our own contract, as `make lint-spec` does.
func TestContract(t *testing.T) {
	var said bytes.Buffer
	if err := run(t.Context(), "../../api/lint.yaml", "../../api/openapi.json", &said); err != nil {
		t.Errorf("%v\n%s", err, &said)
	}
}

func TestFindings(t *testing.T) {
	contract, err := os.ReadFile("../../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("../../api/lint.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, config, document, want string
	}{
		{"rule off without a reason", "extends: all\nrules:\n  - {id: style-info-license, disabled: true}\n", string(contract), ":3: add a comment"},
		{"rule that is none", "extends: all\nrules:\n  # because\n  - {id: style-nothing, disabled: true}\n", string(contract), "there is no rule style-nothing"},
		{"no JSON", string(config), "{", "openapi.json"},
		{"no security", string(config), strings.Replace(string(contract), `"CustomHTTPBearer": []`, "", 1), "violates the rules"},
		{"no title", string(config), strings.Replace(string(contract), `"title": "Diga API",`, "", 1), "violates the rules"},
		{"server without TLS", string(config), strings.Replace(string(contract), "https://api", "http://api", 1), "violates the rules"},
		{"path parameter that is not declared", string(config), strings.Replace(string(contract), "api_key/{id}", "api_key/{key}", 1), "violates the rules"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range map[string]string{"lint.yaml": test.config, "openapi.json": test.document} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := run(t.Context(), filepath.Join(dir, "lint.yaml"), filepath.Join(dir, "openapi.json"), &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %s", err, test.want)
			}
		})
	}
}
