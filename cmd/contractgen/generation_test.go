package main

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/runtime"
	"github.com/oapi-codegen/runtime/types"

	"github.com/diga-io/diga-api/contract"
)

// TestGenerate generates small documents, one for each rule, and compares what is declared. It does not compile: make
// corpus and the tests of e2e/pipeline do.
func TestGenerate(t *testing.T) {
	operation := func(path, id, rest string) string {
		return `"` + path + `": {"get": {"operationId": "` + id + `", "responses": {"200": {"description": ""}}` + rest + `}}`
	}
	answer := func(schema string) string {
		return `"/a": {"get": {"operationId": "a", "responses": {"200": {"description": "", "content": {"application/json": {"schema": ` + schema + `}}}}}}`
	}
	long := "Page" + strings.Repeat("_Union_Dog_Cat", 10)
	for _, test := range []struct {
		name       string
		paths      string
		components string // in #/components/schemas
		more       string // members of the document
		want       []string
		not        []string
		note       string
	}{
		{
			name: "operations with one Go name", paths: operation("/a", "get-other", "") + "," + operation("/b", "getOther", ""),
			want: []string{"GetOtherRequestObject", "GetOtherGetRequestObject"}, note: "GET /b: the operation is GetOtherGet in Go",
		},
		{
			name: "operations with one name of FastAPI's, which one path keeps", paths: operation("/v1/a", "read_v1_a_get", "") + "," + operation("/v2/a", "read_v2_a_get", ""),
			want: []string{"ReadRequestObject", "ReadV2AGetRequestObject"},
		},
		{
			name: "operation with the name of a field of the client", paths: operation("/a", "server", ""),
			want: []string{"ServerGetRequestObject"}, not: []string{"ServerRequestObject"},
		},
		{
			name: "operation with the name of a field of the server", paths: operation("/a", "handler", ""),
			want: []string{"HandlerGetRequestObject"}, not: []string{"HandlerRequestObject"},
		},
		{
			name: "names in a script without upper case", components: `"User": {"type": "object", "properties": {"名字": {"type": "string"}, "年龄": {"type": "integer"}}}`,
			paths: `"/a": {"get": {"operationId": "a", "parameters": [{"name": "页", "in": "query", "schema": {"type": "integer"}}],
				"responses": {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}}}}}`,
			want: []string{"User.U540DU5B57", "User.U5E74U9F84", "AParams.U9875"},
		},
		{
			name: "operation without a name", paths: `"/a/{b}": {"get": {"parameters": [{"name": "b", "in": "path", "required": true, "schema": {"type": "string"}}], "responses": {"200": {"description": ""}}}}`,
			want: []string{"GetABRequestObject"},
		},
		{
			name: "component with the name of what oapi-codegen declares", paths: answer(`{"$ref": "#/components/schemas/ARequestObject"}`),
			components: `"ARequestObject": {"type": "object", "properties": {"x": {"type": "string"}}}`,
			want:       []string{"ARequestObject", "ARequestObjectSchema"},
		},
		{
			name: "parameter with the name of a constant", paths: operation("/a", "a", `, "parameters": [{"$ref": "#/x/with"}, {"$ref": "#/x/with_all"}]`),
			more: `"x": {"with": {"name": "a", "in": "query", "schema": {"type": "string", "enum": ["all", "none"]}},
				"with_all": {"name": "b", "in": "query", "schema": {"type": "string", "enum": ["x", "y"]}}},`,
			want: []string{"XWith", "XWithAllParameter"}, not: []string{"XWithAll"},
		},
		{
			name:  "response and body with the names of constants",
			paths: `"/a": {"post": {"operationId": "a", "parameters": [{"$ref": "#/x/with"}], "requestBody": {"$ref": "#/x/with_all"}, "responses": {"200": {"$ref": "#/x/with_none"}}}}`,
			more: `"x": {"with": {"name": "a", "in": "query", "schema": {"type": "string", "enum": ["all", "none"]}},
				"with_all": {"content": {"application/json": {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}}}},
				"with_none": {"description": "", "content": {"application/json": {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}}}}},`,
			want: []string{"XWith", "XWithAllRequestBody", "XWithNoneResponse"}, not: []string{"XWithAll", "XWithNone"},
		},
		{
			name:  "shared response of several media types of JSON",
			paths: `"/a": {"get": {"operationId": "a", "responses": {"200": {"$ref": "#/x/bad"}}}}, "/b": {"get": {"operationId": "b", "responses": {"200": {"$ref": "#/x/bad"}}}}`,
			more: `"x": {"bad": {"description": "", "content": {"application/json": {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
				"application/scim+json": {"schema": {"type": "object"}}}}},`,
			want: []string{"A200JSONResponse", "A200ApplicationScimPlusJSONResponse", "B200JSONResponse"}, not: []string{"XBadJSONResponse"},
		},
		{
			name: "component with the name of the stub", paths: answer(`{"$ref": "#/components/schemas/Unimplemented"}`),
			components: `"Unimplemented": {"type": "object", "properties": {"x": {"type": "string"}}}`,
			want:       []string{"UnimplementedSchema"},
		},
		{
			name: "components that differ in case", paths: answer(`{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/nullTime"}, "b": {"$ref": "#/components/schemas/NullTime"}}}`),
			components: `"NullTime": {"type": "string"}, "nullTime": {"type": "string"}`,
			want:       []string{"NullTime", "NullTime2"},
		},
		{
			name: "component with a number for a name", paths: answer(`{"$ref": "#/components/schemas/400"}`),
			components: `"400": {"type": "object", "properties": {"details": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}}`,
			want:       []string{"N400", "N400_Details_Item"},
		},
		{
			name: "component with a long name and a short title", paths: answer(`{"$ref": "#/components/schemas/` + long + `"}`),
			components: `"` + long + `": {"title": "Page of pets", "type": "object", "properties": {"x": {"type": "string"}}}`,
			want:       []string{"PageOfPets"}, note: "components schemas " + long + ": its Go name is PageOfPets",
		},
		{
			name: "component with a long name and no other", paths: answer(`{"$ref": "#/components/schemas/` + long + `"}`),
			components: `"` + long + `": {"type": "object", "properties": {"x": {"type": "string"}}}`,
			want:       []string{"PageUnionDogCatUnionDogCatUnionDogCatUnionDogCatUnionB769CD"},
		},
		{
			name: "types that only a webhook uses", paths: operation("/a", "a", ""),
			more:       `"webhooks": {"created": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Event"}}}}, "responses": {"200": {"description": ""}}}}},`,
			components: `"Event": {"$ref": "#/components/schemas/Other"}, "Other": {"type": "object", "properties": {"x": {"type": "string"}}}, "Unused": {"type": "string"}`,
			want:       []string{"Event", "Other"}, not: []string{"Unused"},
		},
		{
			name: "constants with the names of what oapi-codegen declares", paths: answer(`{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Role"}, "b": {"$ref": "#/components/schemas/Client"}}}`),
			components: `"Role": {"type": "string", "enum": ["client", "admin"]}, "Client": {"type": "object", "properties": {"kind": {"type": "string", "const": "new-client"}}}`,
			want:       []string{"const RoleClient", "const RoleAdmin", "const ClientKindNewClient", "ClientSchema"},
			not:        []string{"const Client", "const NewClient"},
		},
		{
			name: "inline types with one name", paths: answer(`{"type": "object", "properties": {"x": {"$ref": "#/components/schemas/Card"}, "y": {"$ref": "#/components/schemas/CardType"}}}`),
			components: `"Card": {"type": "object", "properties": {"type": {"type": "string", "enum": ["a"]}}}, "CardType": {"type": "string", "enum": ["b"]}`,
			want:       []string{"CardType"},
		},
		{
			name: "members of allOf that differ in what does not matter to Go", paths: answer(`{"allOf": [{"$ref": "#/components/schemas/Base"}, {"type": "object", "readOnly": true, "properties": {"y": {"type": "string"}}}]}`),
			components: `"Base": {"type": "object", "default": {}, "properties": {"x": {"type": "string"}}}`,
			want:       []string{"A200JSONResponse"},
		},
		{
			name: "members of allOf that nothing fits", paths: answer(`{"$ref": "#/components/schemas/Odd"}`),
			components: `"Odd": {"allOf": [{"type": "object"}, {"type": "string"}]}`,
			want:       []string{"Odd"}, note: "Odd: it is apitype.JSON in Go: ",
		},
		{
			name: "enumeration of times", paths: answer(`{"$ref": "#/components/schemas/Odd"}`),
			components: `"Odd": {"type": "object", "properties": {"at": {"type": "string", "format": "date-time", "enum": ["2026-01-02T03:04:05Z"]}}}`,
			want:       []string{"Odd"}, not: []string{"OddAt"},
		},
		{
			name: "union that refers to a schema twice", paths: answer(`{"$ref": "#/components/schemas/Odd"}`),
			components: `"Odd": {"oneOf": [{"$ref": "#/components/schemas/Pet"}, {"$ref": "#/components/schemas/Pet"}, {"type": "string"}]}, "Pet": {"type": "object", "properties": {"x": {"type": "string"}}}`,
			want:       []string{"Odd", "Pet"},
		},
		{
			name: "struct in itself", paths: answer(`{"$ref": "#/components/schemas/Tree"}`),
			components: `"Tree": {"type": "object", "required": ["left"], "properties": {"left": {"$ref": "#/components/schemas/Tree"}}}`,
			want:       []string{"Tree"},
		},
		{
			name: "inline schema that contains itself through allOf", paths: answer(`{"$ref": "#/components/schemas/Concept"}`),
			components: `"Concept": {"type": "object", "properties": {"broader": {"type": "array", "items": {"allOf": [{"properties": {"id": {"type": "string"}}}, {"$ref": "#/components/schemas/Concept"}]}}}}`,
			want:       []string{"Concept", "ConceptBroader"},
		},
		{
			name: "extensions of the publisher's own Go", paths: answer(`{"$ref": "#/components/schemas/Key"}`),
			components: `"Key": {"type": "object", "x-go-type": "[]*elsewhere.Key", "properties": {"x-go-name": {"type": "string"}}}`,
			want:       []string{"Key"}, note: "#: Go-only facts belong in an overlay, so these extensions of the document are ignored: x-go-type",
		},
		{
			name: "property with a quotation mark", paths: answer(`{"$ref": "#/components/schemas/Odd"}`),
			components: `"Odd": {"type": "object", "properties": {"a\"b": {"type": "string"}}}`,
			want:       []string{"Odd"}, note: `Odd: the property "a\"b" cannot be a field of a Go struct`,
		},
		{
			name: "control characters in text", paths: operation("/a", "a", `, "description": "a\tb\u007f\u0001"`),
			want: []string{"ARequestObject"},
		},
		{
			name: "bodies of several kinds of multipart", paths: `"/a": {"post": {"operationId": "a", "requestBody": {"content": {"multipart/form-data": {"schema": {"type": "object", "properties": {"x": {"type": "string"}}}}, "multipart/mixed": {"schema": {"type": "object"}}}}, "responses": {"200": {"description": ""}}}}`,
			want: []string{"AMultipartRequestBody"}, note: "A: its body multipart/mixed has no Go name of its own, and is left out",
		},
		{
			name: "component with properties, but none", paths: answer(`{"$ref": "#/components/schemas/Nothing"}`),
			components: `"Nothing": {"properties": {}}`, not: []string{"Nothing = interface{}"}, // which can have no methods
		},
		{
			name: "parameter of a component that is renamed", paths: operation("/a", "a", `, "parameters": [{"name": "kind", "in": "query", "schema": {"$ref": "#/components/schemas/Kind"}}, {"name": "of", "in": "query", "schema": {"$ref": "#/components/schemas/Of"}}]`),
			components: `"Kind": {"type": "string", "enum": ["a"]}, "Of": {"type": "string", "enum": ["kind", "color"]}`,
			want:       []string{"KindSchema", "AParams.Kind"}, not: []string{"AParams.KindSchema"},
		},
		{
			name: "enumeration of values of another type", paths: answer(`{"$ref": "#/components/schemas/Odd"}`),
			components: `"Odd": {"type": "object", "properties": {"b": {"type": "boolean", "enum": [true, 0, 1]}, "i": {"type": "integer", "enum": [1, 1.5]}, "n": {"type": "number", "enum": [1, true]}}}`,
			want:       []string{"Odd"}, not: []string{"OddB", "OddI", "OddN"},
		},
		{
			name: "media types with an asterisk", paths: `"/a": {"post": {"operationId": "a", "requestBody": {"content": {"application/json": {}, "application/octet-stream": {}, "text/*": {}}}, "responses": {"200": {"description": ""}}}}`,
			want: []string{"ARequestObject.JSONBody", "ARequestObject.Body"}, not: []string{"ARequestObject.ContentType"},
			note: "A: its bodies of application/octet-stream, text/* are one field Body",
		},
		{
			name: "several media types without a Go type", paths: `"/a": {"post": {"operationId": "a", "requestBody": {"content": {"application/json": {}, "application/xml": {"schema": {"type": "object"}}, "text/csv": {}, "text/xml": {}}},
				"responses": {"200": {"description": "", "content": {"application/xml": {"schema": {"type": "string"}}, "text/xml": {"schema": {"type": "string"}}, "application/yaml": {"schema": {"type": "string"}}, "text/yaml": {"schema": {"type": "string"}}}}}}}`,
			want: []string{"ARequestObject.JSONBody", "ARequestObject.Body", "AResponse.XML200", "AResponse.YAML200"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			document := `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, ` + test.more + `"paths": {` + test.paths +
				`}, "components": {"schemas": {` + test.components + `}}}`
			g := generate(t, document)
			var declared []string
			for _, target := range g.targets {
				names := declarations(t, target.code)
				for name, count := range names {
					if count > 1 {
						t.Errorf("%s is declared %d times in %s", name, count, target.Output)
					}
				}
				declared = slices.AppendSeq(declared, maps.Keys(names))
			}
			for _, name := range test.want {
				if !slices.Contains(declared, name) {
					t.Errorf("%s is not declared among %v", name, declared)
				}
			}
			for _, name := range test.not {
				if slices.Contains(declared, name) {
					t.Errorf("%s is declared", name)
				}
			}
			notes := ""
			for subject, note := range g.names.notes {
				notes += subject + ": " + note + "\n"
			}
			if !strings.Contains(notes, test.note) {
				t.Errorf("the notes are %q, want %q", notes, test.note)
			}
		})
	}
}

// generate makes the code of the default targets. What oapi-codegen does without a panic or an error, gofmt has read.
func generate(t *testing.T, document string) *generation {
	t.Helper()
	d, findings := contract.Read([]byte(document))
	if d == nil {
		t.Fatal(contract.Errors(findings))
	}
	targets, err := readConfigs(nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGeneration(d.JSON(), targets, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.generate(); err != nil {
		t.Fatal(err)
	}
	return g
}

// declarations counts what is declared: Type, Type.Field, Type = interface{}, const Constant.
func declarations(t *testing.T, code []byte) map[string]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", code, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for _, declaration := range file.Decls {
		if declaration, ok := declaration.(*ast.GenDecl); ok {
			for _, spec := range declaration.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					if declaration.Tok == token.CONST {
						names["const "+spec.Names[0].Name]++
					}
				case *ast.TypeSpec:
					names[spec.Name.Name]++
					if structure, ok := spec.Type.(*ast.StructType); ok {
						for _, field := range structure.Fields.List {
							for _, name := range field.Names {
								names[spec.Name.Name+"."+name.Name]++
							}
						}
					}
					if _, ok := spec.Type.(*ast.InterfaceType); ok && spec.Assign != token.NoPos {
						names[spec.Name.Name+" = interface{}"]++
					}
				}
			}
		}
	}
	return names
}

// TestRepairParameter has parameters, or items of them, of several types or of any. oapi-codegen's runtime cannot bind those
// to anything but text.
func TestRepairParameter(t *testing.T) {
	for schema, want := range map[string]string{
		`{}`: "*string",
		`{"oneOf": [{"type": "string"}, {"type": "integer"}]}`:                             "*string",
		`{"anyOf": [{"type": "integer"}, {"type": "null"}]}`:                               "*int",
		`{"type": "array", "items": {"type": "integer"}}`:                                  "*[]int",
		`{"$ref": "#/components/schemas/U"}`:                                               "*string",
		`{"type": "array", "items": {"$ref": "#/components/schemas/U"}}`:                   "*[]string",
		`{"$ref": "#/components/schemas/C"}`:                                               "*C",
		`{"$ref": "#/components/schemas/E"}`:                                               "*E",
		`{"type": "array", "items": {}}`:                                                   "*[]string",
		`{"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}`: "*[]string",
		`{"anyOf": [{"type": "array", "items": {"maxLength": 1}}, {"type": "null"}]}`:      "*[]string",
		`{"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}`:   "*[]*int",
	} {
		g := generate(t, `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {"operationId": "a",
			"parameters": [{"name": "p", "in": "query", "schema": `+schema+`}], "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/U"}}}}}}}},
			"components": {"schemas": {"U": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "E": {"type": "string", "enum": ["x", "y"]},
			"C": {"type": "integer", "oneOf": [{"const": 1, "title": "one"}, {"const": 2, "title": "two"}]}}}}`)
		if !bytes.Contains(g.targets[0].code, []byte("type U struct")) {
			t.Errorf("%s: the union of the response is gone", schema)
		}
		if field := regexp.MustCompile(`(?m)^\tP +(\S+)`).FindSubmatch(g.targets[0].code); field == nil || string(field[1]) != want {
			t.Errorf("%s: the field is %s, want %s", schema, field, want)
		}
	}
}

// TestShortName holds names to what makes them stable: nothing but the component itself decides about them, unless
// another has the title for a name.
func TestShortName(t *testing.T) {
	long := "Response" + strings.Repeat("WithUnionOfSeveralThings", 5)
	for _, test := range []struct{ name, goName, title, taken, want string }{
		{"the title", long, "A page", "", "APage"},
		{"another component has the title", long, "A page", "APage", "ResponseWithUnionOfSeveralThingsWithUnionOfSeveral8C5F3D"},
		{"the title is as long", long, long, "", "ResponseWithUnionOfSeveralThingsWithUnionOfSeveral8C5F3D"},
		{"one word", strings.Repeat("a", 80), "", "", strings.Repeat("a", 54) + "0F45E8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := shortName(test.goName, test.title, map[string]bool{test.taken: true})
			if got != test.want || len(got) > maxName {
				t.Errorf("shortName() = %s, want %s", got, test.want)
			}
		})
	}
}

func TestRestoreMethods(t *testing.T) {
	t.Parallel()
	const source = `package p

import (
	"encoding/json"
	"time"
)

type Union struct{ union json.RawMessage }

func (u Union) MarshalJSON() ([]byte, error) { return u.union, nil }

type Plain struct{}
type Alias = Union
type FromUnion Union
type FromFromUnion FromUnion
type FromTime time.Time
type FromPlain Plain
type FromJSON apitype.JSON
`
	code, err := restoreMethods([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"FromUnion": true, "FromFromUnion": true, "FromTime": true, "FromPlain": false, "FromJSON": false, "Alias": false, "Plain": false,
	} {
		if got := bytes.Contains(code, []byte("func (t "+name+") MarshalJSON()")); got != want {
			t.Errorf("%s has MarshalJSON of its own: %t, want %t", name, got, want)
		}
	}
}

// TestBindValidated needs no bindValidated any more when oapi-codegen binds dates of forms.
func TestBindValidated(t *testing.T) {
	t.Parallel()
	g := generate(t, `{"openapi":"3.1.0","info":{"title":"","version":""},"paths":{"/a":{"post":{"operationId":"a","requestBody":{"content":{
		"application/json":{"schema":{"$ref":"#/components/schemas/A"}},"application/x-www-form-urlencoded":{"schema":{"$ref":"#/components/schemas/A"}}}},
		"responses":{"204":{"description":""}}}}},"components":{"schemas":{"A":{"type":"object","properties":{"d":{"type":"string","format":"date"}}}}}}`)
	const validated = "BindJSONValue(vb.ValidatedValue(), &body); err != nil"
	for _, target := range g.targets {
		code := string(target.code)
		if strings.Contains(code, "StrictServerInterface") && (strings.Count(code, validated) != 1 || strings.Count(code, "} else "+bindForm) != 1) {
			t.Error(code)
		}
	}
	var body struct {
		D types.Date `json:"d"`
	}
	if err := runtime.BindForm(&body, url.Values{"d": {"2024-02-29"}}, nil, nil); err != nil || !body.D.IsZero() {
		t.Errorf("BindForm binds dates: %v, %v", body.D, err)
	}
}

func TestStub(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, code, want string }{
		{"no server", "package p\n", ""},
		{"no operations", "package p\ntype StrictServerInterface interface{}\n", "var _ StrictServerInterface = Unimplemented{}"},
		{
			"operations", "package p\ntype StrictServerInterface interface {\n\t// comment\n\tGet(ctx context.Context, request GetRequestObject) (GetResponseObject, error)\n}\n",
			"func (Unimplemented) Get(context.Context, GetRequestObject) (GetResponseObject, error) {\n\treturn nil, notImplemented(\"Get\")",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := stub([]byte(test.code), "v1")
			if err != nil || !strings.Contains(string(got), test.want) || (test.want == "") != (got == nil) {
				t.Errorf("stub() = %s, %v", got, err)
			}
		})
	}
}

// TestGiveWay generates a second time with what a compiler would have rejected.
func TestGiveWay(t *testing.T) {
	g := generate(t, `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {"operationId": "a", "responses": {"200":
		{"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}}}},
		"components": {"schemas": {"Pet": {"type": "object", "properties": {"x": {"type": "string"}}}}}}`)
	code := string(g.targets[0].code)
	line := 1 + strings.Count(code[:strings.Index(code, "type Pet struct")], "\n")
	if name := declarationAt(g.targets[0].code, line); name != "Pet" {
		t.Fatalf("line %d declares %q", line, name)
	}
	if !g.giveWay("# command-line-arguments\ngen/apiserver/apiserver.gen.go:"+strconv.Itoa(line)+":6: invalid recursive type Pet\n") || !g.names.rejected["Pet"] {
		t.Fatalf("rejected: %v", g.names.rejected)
	}
	if g.giveWay("gen/apiserver/apiserver.gen.go:" + strconv.Itoa(line) + ":6: invalid recursive type Pet\n") {
		t.Error("the same failure is news again")
	}
	if err := g.generate(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(g.targets[0].code), "type Pet = apitype.JSON") {
		t.Error("Pet is no apitype.JSON")
	}
}

func TestConfigs(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, test := range []struct{ name, config, want string }{
		{"unknown option", "package: p\noutput: p.go\ngenerated: true\n", "generated"},
		{"no package", "output: p.go\n", "package"},
		{"no output", "package: p\ngenerate: {models: true}\n", "output is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(directory, strings.ReplaceAll(test.name, " ", "-")+".yaml")
			if err := os.WriteFile(path, []byte(test.config), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readConfigs([]string{path}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("readConfigs() = %v, want %s", err, test.want)
			}
		})
	}
	if _, err := readConfigs([]string{filepath.Join(directory, "none.yaml")}); err == nil {
		t.Error("a config that is missing is no error")
	}
}

// TestRun prints the warnings of a document with errors, and writes nothing.
// The config in docs/adopting.md, to start from, is the built-in one.
func TestDocumentedConfig(t *testing.T) {
	page, err := os.ReadFile("../../docs/adopting.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```file client.yaml\n")
	text, _, _ = strings.Cut(text, "```")
	if want := fmt.Sprintf(defaultConfig, "apiclient", "client: true"); "\n"+text != want {
		t.Errorf("the page has\n%s\nwant\n%s", text, want)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, document, want string }{
		{"usage", "", "usage: contractgen"},
		{"errors", `{"openapi": "3.1.0", "info": {"title": "", "version": ""}, "paths": {"/a": {"get": {"responses": {"200": {"$ref": "#/nowhere"}}}}}}`, "leads to nothing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var arguments []string
			if test.document != "" {
				arguments = []string{filepath.Join(t.TempDir(), "openapi.json")}
				if err := os.WriteFile(arguments[0], []byte(test.document), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var stderr bytes.Buffer
			err := run(context.Background(), arguments, &stderr)
			if err == nil {
				t.Fatal("run() reports no error")
			}
			if said := stderr.String() + err.Error(); !strings.Contains(said, test.want) {
				t.Errorf("run() says %s, want %s", said, test.want)
			}
		})
	}
	if _, err := os.Stat("gen"); err == nil {
		t.Error("something was written")
	}
}

// TestRepeatedWarnings says that a warning is printed for five places and counted for the others, and each error is printed.
func TestRepeatedWarnings(t *testing.T) {
	t.Parallel()
	var paths []string
	for i := range 8 {
		paths = append(paths, fmt.Sprintf(`"/%d": {"get": {"responses": {"200": {"$ref": "#/nowhere"}}}}`, i))
	}
	document := `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {` + strings.Join(paths, ",") + `}}`
	var stderr strings.Builder
	if _, err := read("d", []byte(document), &stderr); err == nil {
		t.Error("read() reports no error")
	}
	if n := strings.Count(stderr.String(), "leads to nothing"); n != 8 {
		t.Errorf("%d errors are printed, want 8", n)
	}
	if n := strings.Count(stderr.String(), "no operationId"); n != 5 || !strings.Contains(stderr.String(), "(and in 3 more places)") {
		t.Errorf("%d warnings are printed, want 5 that count 3 more:\n%s", n, stderr.String())
	}
}

// TestTypeParameters says that a component gets another name than a type parameter, which would hide its type.
func TestTypeParameters(t *testing.T) {
	schema := openapi3.NewSchemaRef("", openapi3.NewObjectSchema())
	document := &openapi3.T{Paths: openapi3.NewPaths(), Components: &openapi3.Components{Schemas: openapi3.Schemas{"R": schema}}}
	n := newNames()
	found, err := n.collisions(document, []byte("package p\ntype R struct{}\ntype Operations[O, R any] struct{}\n"))
	if err != nil || !found || n.schemas["R"] != "RSchema" {
		t.Errorf("found %v, %v: %v", found, err, n.schemas)
	}
}

// TestPlainText says that plain text is a string, whatever its schema: oapi-codegen converts bytes to its type.
func TestPlainText(t *testing.T) {
	g := generate(t, `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": {"operationId": "a",
		"requestBody": {"content": {"text/plain": {"schema": {"type": "object"}}, "application/json": {"schema": {"type": "object"}}}},
		"responses": {"200": {"description": "", "content": {"text/plain": {"schema": {"$ref": "#/components/schemas/Id"}}}}}}}},
		"components": {"schemas": {"Id": {"type": "string", "format": "uuid"}}}}`)
	for _, want := range []string{`type ATextBody = string`, `type A200TextResponse string`} {
		if code := string(g.targets[0].code); !strings.Contains(code, want) {
			t.Errorf("nowhere is %q in\n%s", want, code)
		}
	}
}
