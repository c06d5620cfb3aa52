package contract

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// recursive is a document with a schema that refers to itself in a keyword, with another one beside the reference.
func recursive(outer, inner string) string {
	within := func(keyword, schema string) string {
		switch shapes["schema"][keyword] {
		case "[schema]":
			schema = "[" + schema + "]"
		case "{schema}":
			schema = `{"a":` + schema + "}"
		}
		return `"` + keyword + `":` + schema
	}
	const self = `"$ref":"#/components/schemas/A"`
	return `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"components":{"schemas":{"A":{` +
		within(outer, `{`+self+`,`+within(inner, `{`+self+`,"type":"null"}`)+`}`) + `}}}}`
}

// TestRecursion has a schema that refers to itself in every keyword, with every keyword beside the reference. A keyword that
// applies to the same value makes it a circle. The others are valid, and neither Read nor New may recurse without end.
func TestRecursion(t *testing.T) {
	var keywords []string
	for _, name := range slices.Sorted(maps.Keys(shapes["schema"])) {
		if strings.Contains(shapes["schema"][name], "schema") {
			keywords = append(keywords, name)
		}
	}
	read := 0
	for _, outer := range keywords {
		circular := slices.Contains(inPlace, outer) || outer == "dependentSchemas"
		for _, inner := range keywords {
			d, findings := Read([]byte(recursive(outer, inner)))
			if (d == nil) != circular {
				t.Errorf("%s, %s: %v", outer, inner, findings)
			}
			if d == nil {
				continue
			}
			read++
			if _, err := New(d, Options{}); err != nil {
				t.Errorf("%s, %s: %v", outer, inner, err)
			}
			if again, findings := Read(d.JSON()); again == nil || string(again.JSON()) != string(d.JSON()) {
				t.Errorf("%s, %s: read again as something else: %v", outer, inner, findings)
			}
		}
	}
	if read < 100 {
		t.Errorf("only %d documents of %d keywords were read", read, len(keywords))
	}
}

// TestLoaderRecursion fails when kin-openapi loads such a document, so that boundSiblings can go.
func TestLoaderRecursion(t *testing.T) {
	if os.Getenv("LOAD") != "" {
		debug.SetMaxStack(1 << 20)
		_, err := openapi3.NewLoader().LoadFromData([]byte(recursive("items", "prefixItems")))
		fmt.Println(err)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestLoaderRecursion$")
	child.Env = append(os.Environ(), "LOAD=1")
	if output, err := child.CombinedOutput(); err == nil || !strings.Contains(string(output), "stack overflow") {
		t.Errorf("kin-openapi loads the document: %v\n%s", err, output)
	}
}
