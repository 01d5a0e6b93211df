// Package schema holds the document that describes the API: every other room
// is downstream of it.
package schema

import _ "embed"

// Document is openapi.yaml, for those who validate requests against it.
//
//go:embed openapi.yaml
var Document []byte
