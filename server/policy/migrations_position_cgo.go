//go:build cgo

package policy

import "github.com/pganalyze/pg_query_go/v6/parser"

// parserError tells where the parser gave up.
type parserError = parser.Error
