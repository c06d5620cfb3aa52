// Package diga stands at the root of the module for what concerns all of it: this file generates gen/ from the
// contract, tools.go pins the generator. Importing teams want package client.
package diga

// One line makes both targets, so that a document that will not do for one of them changes neither. What it runs is
// oapi-codegen, in the version of go.mod that tools.go pins; see there what stands around it.
//go:generate go run ./cmd/contractgen api/openapi.json gen/apiserver.yaml gen/apiclient.yaml
