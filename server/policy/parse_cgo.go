//go:build cgo

package policy

import pg "github.com/pganalyze/pg_query_go/v6"

// WarmUp makes the parser ready, which it always is.
func WarmUp() {}

func parseTree(sql string) (*pg.ParseResult, error)    { return pg.Parse(sql) }
func deparseTree(tree *pg.ParseResult) (string, error) { return pg.Deparse(tree) }
