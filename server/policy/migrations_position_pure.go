//go:build !cgo

package policy

import "github.com/wasilibs/go-pgquery/parser"

// parserError tells where the parser gave up.
type parserError = parser.Error
