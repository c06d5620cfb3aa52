package contract_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/contract"
)

// suiteGroup is a schema with values, in the file format of the JSON Schema test suite
// (https://github.com/json-schema-org/JSON-Schema-Test-Suite).
type suiteGroup struct {
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
	Tests       []struct {
		Description string          `json:"description"`
		Data        json.RawMessage `json:"data"`
		Valid       bool            `json:"valid"`
	} `json:"tests"`
}

// TestSuite turns the groups of a test suite into documents, and their values into requests and responses. It runs the
// suite in testdata, and that in the folder JSON_SCHEMA_SUITE, such as tests/draft2020-12 of the official one, which is
// not part of the project.
func TestSuite(t *testing.T) {
	t.Run("testdata", func(t *testing.T) { runSuite(t, "testdata/schema-suite", 0, 0, 0) })
	if folder := os.Getenv("JSON_SCHEMA_SUITE"); folder != "" {
		t.Run("JSON_SCHEMA_SUITE", func(t *testing.T) { runSuite(t, folder, 3, 40, 20) })
	}
}

// runSuite fails if more groups are refused, or more verdicts wrong, than permitted: none of the required tests, some of
// the optional ones.
func runSuite(t *testing.T, folder string, refusals, wrongFormats, wrongOptional int) {
	counts := map[string]int{}
	refused := map[string]int{}
	wrong := map[string]int{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var groups []suiteGroup
		if err := json.Unmarshal(data, &groups); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		kind := filepath.Dir(name)
		for _, group := range groups {
			if reason := outside(group.Schema); reason != "" {
				counts["outside: "+reason]++
				continue
			}
			counts[kind+" groups"]++
			s, err := suiteService(t, group.Schema)
			if err != nil {
				if identified.Match(group.Schema) {
					counts["refused: references to an $id or $anchor, which neither OpenAPI's tools nor the generator follow"]++
				} else {
					refused[kind]++
				}
				t.Logf("%s: %s: refused: %v", name, group.Description, err)
				continue
			}
			for _, test := range group.Tests {
				// Formats are assertions here, although they are annotations by default in JSON Schema.
				if strings.HasSuffix(test.Description, "is only an annotation by default") {
					continue
				}
				counts[kind+" tests"]++
				if verdict := s.verdict(t, test.Data); verdict != test.Valid {
					wrong[kind]++
					t.Logf("%s: %s: %s: %s is taken for valid: %v", name, group.Description, test.Description, test.Data, verdict)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%5d %s", counts[name], name)
	}
	t.Logf("refused groups %v, wrong verdicts %v", refused, wrong)
	format := filepath.Join("optional", "format")
	if counts[". tests"] == 0 || counts[format+" tests"] == 0 {
		t.Errorf("%s is no test suite", folder)
	}
	if refused["."] > refusals || wrong["."] > 0 || wrong[format] > wrongFormats || wrong["optional"] > wrongOptional {
		t.Errorf("refused groups %v, wrong verdicts %v", refused, wrong)
	}
}

var identified = regexp.MustCompile(`"\$(?:id|anchor|dynamicAnchor|dynamicRef)"`)

// outside returns why a group is not a test of this package: its schema leads out of the document, or is of another
// dialect.
func outside(schema json.RawMessage) string {
	var root any
	if err := json.Unmarshal(schema, &root); err != nil {
		return err.Error()
	}
	ids := map[string]bool{}
	eachKeyword(root, func(keyword, value string) {
		if keyword == "$id" {
			ids[value] = true
		}
	})
	reason := ""
	eachKeyword(root, func(keyword, value string) {
		target, _, _ := strings.Cut(value, "#")
		switch {
		case keyword == "$schema" && value != "https://json-schema.org/draft/2020-12/schema":
			reason = "another dialect"
		case (keyword == "$ref" || keyword == "$dynamicRef") && strings.Contains(target, "://") && !ids[target]:
			reason = "a reference to another document"
		}
	})
	return reason
}

// eachKeyword visits all members of a schema that are strings.
func eachKeyword(value any, visit func(keyword, value string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if text, ok := member.(string); ok {
				visit(name, text)
			}
			eachKeyword(member, visit)
		}
	case []any:
		for _, item := range value {
			eachKeyword(item, visit)
		}
	}
}

// suite is a document with one schema, for requests and for responses.
type suite struct{ *service }

func suiteService(t *testing.T, schema json.RawMessage) (s suite, err error) {
	var root any
	if err := json.Unmarshal(schema, &root); err != nil {
		return s, err
	}
	const component = "#/components/schemas/S"
	doc := document("3.1.0", `{"/":{
		"post":{"operationId":"post","requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"`+component+`"}}}},
			"responses":{"204":{"description":""},`+errorAnswers+`}},
		"put":{"operationId":"put","responses":{"200":{"description":"","content":{"application/json":{"schema":{"$ref":"`+component+`"}}}},`+errorAnswers+`}}}}`,
		`"components":{"schemas":{"S":`+text(moved(root, component))+`}}`)
	c, err := contract.Compile([]byte(doc), contract.Options{})
	if err != nil {
		return s, err
	}
	return suite{serve(c, noContent)}, nil
}

// moved returns a schema for its new place in a document: references to its root lead to the component. Below an $id
// they lead to where they led before.
func moved(value any, component string) any {
	switch value := value.(type) {
	case map[string]any:
		if id, ok := value["$id"].(string); ok && !strings.HasPrefix(id, "#") {
			return value
		}
		result := make(map[string]any, len(value))
		for name, member := range value {
			ref, isText := member.(string)
			switch {
			case isText && (name == "$ref" || name == "$dynamicRef") && (ref == "#" || strings.HasPrefix(ref, "#/")):
				result[name] = component + ref[1:]
			case name == "const" || name == "enum":
				result[name] = member
			default:
				result[name] = moved(member, component)
			}
		}
		return result
	case []any:
		result := make([]any, len(value))
		for i, item := range value {
			result[i] = moved(item, component)
		}
		return result
	}
	return value
}

// verdict reports whether data is valid as a request and as a response, which have to agree.
func (s suite) verdict(t *testing.T, data json.RawMessage) bool {
	s.handler = noContent
	s.do(request(http.MethodPost, "/", string(data), "Content-Type: application/json"))
	asRequest := len(s.requestViolations(t)) == 0
	s.handler = func(c echo.Context) error { return c.JSONBlob(http.StatusOK, data) }
	s.do(request(http.MethodPut, "/", ""))
	if asResponse := s.responseViolations() == nil; asResponse != asRequest {
		t.Errorf("%s: valid as a request: %v, as a response: %v", data, asRequest, asResponse)
	}
	return asRequest
}
