// Package api embeds the published contract, api/openapi.json.
package api

import _ "embed"

// Document is the reviewed OpenAPI 3.1 document, byte for byte as in the repository. The server validates against it and
// serves it at GET /openapi.json. Do not modify it.
//
//go:embed openapi.json
var Document []byte
