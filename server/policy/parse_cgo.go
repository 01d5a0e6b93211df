//go:build cgo

package policy

import pg "github.com/pganalyze/pg_query_go/v6"

// WarmUp makes ready what parsing needs, so that the first statement need not
// wait for it.
func WarmUp() { layouts() }

func parseTree(sql string) (*pg.ParseResult, error) {
	text, err := pg.ParseToJSON(sql)
	if err != nil {
		return nil, err
	}
	return readTree(text)
}

func deparseTree(tree *pg.ParseResult) (string, error) { return pg.Deparse(tree) }
