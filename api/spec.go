// Package api carries the published contract, api/openapi.json, into the program.
package api

import _ "embed"

// Document is the reviewed OpenAPI 3.1 document, byte for byte as it stands in the repository. The server validates
// against it and serves it at GET /openapi.json. It must not be changed.
//
//go:embed openapi.json
var Document []byte
