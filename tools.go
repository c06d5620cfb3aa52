//go:build tools

package diga

import (
	// The version of the generator stands in go.mod and nowhere else; generate.go runs exactly that one.
	_ "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"
)
