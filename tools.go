//go:build tools

// Package diga pins the code generator: its version stands in go.mod and
// nowhere else, and generate.go runs exactly that version.
package diga

import (
	_ "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"
)
