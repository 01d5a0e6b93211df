//go:build cgo

package policy

import pg "github.com/pganalyze/pg_query_go/v6"

func parseProtobuf(sql string) (*pg.ParseResult, error) { return pg.Parse(sql) }
