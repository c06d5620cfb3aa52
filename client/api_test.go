package client_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/api.txt from the source")

// TestAPI compares the exported API with testdata/api.txt, so that a change of it is intended and in the CHANGELOG.
func TestAPI(t *testing.T) {
	const golden = "testdata/api.txt"
	var got bytes.Buffer
	everything := func(string) bool { return true }
	for _, dir := range []string{".", "clienttest"} {
		if err := listAPI(&got, dir, everything); err != nil {
			t.Fatal(err)
		}
	}
	// Operations has the generated methods of Client.
	if err := listAPI(&got, "../gen/apiclient", func(name string) bool { return name == "Operations" }); err != nil {
		t.Fatal(err)
	}
	// UUID and ErrorBody are aliases of types in apitype, whose methods callers use.
	if err := listAPI(&got, "../gen/apitype", func(name string) bool { return name == "UUID" || name == "Failure" }); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(want, got.Bytes()) {
		return
	}
	known := strings.Split(string(want), "\n")
	for _, line := range strings.Split(got.String(), "\n") {
		if i := slices.Index(known, line); i >= 0 {
			known = slices.Delete(known, i, i+1)
		} else {
			t.Errorf("new: %s", line)
		}
	}
	for _, line := range known {
		t.Errorf("gone: %s", line)
	}
	t.Error("what other teams compile against changed; if that is meant, say so in CHANGELOG.md and run\n\tgo test ./client -run TestAPI -update")
}

// listAPI prints the exported declarations of the package in dir, without comments and bodies; of types only those
// that are wanted, and constants, variables and functions only if everything is.
func listAPI(out *bytes.Buffer, dir string, wanted func(typeName string) bool) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0) // no comments
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return fmt.Errorf("no package in %s", dir)
	}
	pkg, err := doc.NewFromFiles(fset, files, "github.com/diga-io/diga-api/"+filepath.ToSlash(filepath.Join("client", dir)))
	if err != nil {
		return err
	}
	show := func(declaration ast.Node) {
		if function, ok := declaration.(*ast.FuncDecl); ok {
			function.Body = nil
		}
		_ = (&printer.Config{Mode: printer.UseSpaces | printer.TabIndent, Tabwidth: 8}).Fprint(out, fset, declaration)
		out.WriteString("\n")
	}
	values := func(list []*doc.Value) {
		for _, value := range list {
			show(value.Decl)
		}
	}
	functions := func(list []*doc.Func) {
		for _, function := range list {
			show(function.Decl)
		}
	}
	fmt.Fprintf(out, "package %s // import %q\n\n", pkg.Name, pkg.ImportPath)
	if wanted("") {
		values(pkg.Consts)
		values(pkg.Vars)
		functions(pkg.Funcs)
	}
	for _, typ := range pkg.Types {
		if !wanted(typ.Name) {
			continue
		}
		show(typ.Decl)
		values(typ.Consts)
		values(typ.Vars)
		functions(typ.Funcs)
		functions(typ.Methods)
	}
	out.WriteString("\n")
	return nil
}
