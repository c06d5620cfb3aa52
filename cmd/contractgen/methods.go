package main

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"strings"
)

// restoreMethods gives back to the types of the code the JSON encoding that they lose by being defined types: the
// generator makes `type Get200JSONResponse Settings` of a response, and Go carries no method of Settings over. Without
// one, additional properties are dropped and a time becomes {}. (The generator itself does this for unions alone.)
func restoreMethods(code []byte) ([]byte, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", code, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	encodes := map[string]bool{}
	var types []*ast.TypeSpec
	for _, declaration := range file.Decls {
		switch declaration := declaration.(type) {
		case *ast.FuncDecl:
			if declaration.Recv != nil && declaration.Name.Name == "MarshalJSON" {
				encodes[receiver(declaration)] = true
			}
		case *ast.GenDecl:
			for _, spec := range declaration.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok {
					types = append(types, spec)
				}
			}
		}
	}
	var lost strings.Builder
	for again := true; again; {
		again = false
		for _, t := range types {
			behind, ok := typeName(t.Type)
			if !ok || encodes[t.Name.Name] || !encodes[behind] && !strings.Contains(behind, ".") {
				continue
			}
			encodes[t.Name.Name] = true
			again = true
			if !t.Assign.IsValid() { // An alias has lost nothing.
				fmt.Fprintf(&lost, marshalling, t.Name, behind)
			}
		}
	}
	if lost.Len() == 0 {
		return code, nil
	}
	return format.Source(append(code, lost.String()...))
}

// marshalling encodes and decodes the first type as the second, of which it is made.
const marshalling = `
// MarshalJSON implements json.Marshaler.
func (t %[1]s) MarshalJSON() ([]byte, error) { return json.Marshal(%[2]s(t)) }

// UnmarshalJSON implements json.Unmarshaler.
func (t *%[1]s) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, (*%[2]s)(t)) }
`

// typeName names the type that expression refers to, unless it is apitype.JSON, which keeps its methods by itself.
func typeName(expression ast.Expr) (string, bool) {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name, true
	case *ast.SelectorExpr:
		name := fmt.Sprintf("%s.%s", e.X, e.Sel)
		return name, name != "apitype.JSON"
	}
	return "", false
}

func receiver(method *ast.FuncDecl) string {
	t := method.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	name, _ := typeName(t)
	return name
}
