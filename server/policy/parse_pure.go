//go:build !cgo

package policy

import (
	pg "github.com/pganalyze/pg_query_go/v6"
	wasm "github.com/wasilibs/go-pgquery"
)

func parseTree(sql string) (*pg.ParseResult, error)    { return wasm.Parse(sql) }
func deparseTree(tree *pg.ParseResult) (string, error) { return wasm.Deparse(tree) }
