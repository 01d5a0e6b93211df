//go:build !cgo

package policy

import (
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
	wasm "github.com/wasilibs/go-pgquery"
)

func parseProtobuf(sql string) (*pg.ParseResult, error) { return wasm.Parse(sql) }

// A text that is written as JSON fits the stack of the parser, which nothing
// guards: with no bounds, several of these overwrite the parser's own data.
func TestWhatIsWrittenAsJSONFitsTheStack(t *testing.T) {
	shapes := [][2]string{
		{"SELECT(", ")"}, {"SELECT a OR b AND (", ")"}, {"SELECT json_arrayagg(a ORDER BY a OR b AND (", "))"},
		{"SELECT CASE WHEN a OR b AND (", ") THEN 1 END"}, {"SELECT * FROM a, LATERAL (SELECT 1 ORDER BY a OR b AND (", ")) x"},
		{"SELECT * FROM ROWS FROM (f(x => a OR b AND (", ")))"}, {"SELECT 1::a(1, a OR b AND (", "))"},
	}
	for _, levels := range []int{8, 15, 31, 33, 120, 200} {
		for _, s := range shapes {
			sameTree(t, strings.Repeat(s[0], levels)+"SELECT 1"+strings.Repeat(s[1], levels))
		}
		sameTree(t, "SELECT "+strings.Repeat("a BETWEEN 1 AND NOT ", 2*levels)+"true")
		sameTree(t, strings.Repeat("CREATE FUNCTION f() BEGIN ATOMIC ", levels)+"SELECT 1;"+strings.Repeat("END;", levels))
		sameTree(t, tpch(t)["q19.sql"])
	}
}
