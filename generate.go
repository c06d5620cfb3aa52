// Package diga stands at the root of the module for what concerns all of it: this file generates gen/ from the
// contract, tools.go pins the generator. Importing teams want package client.
package diga

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config gen/apiserver.yaml api/openapi.json
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config gen/apiclient.yaml api/openapi.json
