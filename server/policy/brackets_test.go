package policy

import (
	"strings"
	"testing"
)

// TestBracketsOfOperandsSurviveRewriting: whatever stands in brackets beside
// an operator reads back as what it was.
func TestBracketsOfOperandsSurviveRewriting(t *testing.T) {
	operands := []string{"a OR b", "a AND b", "NOT a", "a = b", "a IS NULL", "a IS TRUE", "a IN (1, 2)", "a BETWEEN 1 AND 2", "a LIKE 'x'", "EXISTS (SELECT 1)",
		"a IN (SELECT 1)", "a = ANY (SELECT 1)", "a = ANY (b)", "CASE WHEN a THEN b END", "COALESCE(a, b)", "a::text", "-1", "- a", "a || b", "ARRAY[1]", "(SELECT 1)",
		`a COLLATE "C"`, "a AT TIME ZONE 'x'", "ROW(1, 2)", "a IS DISTINCT FROM b", "a IS NOT DISTINCT FROM b", "f(a)", "a.b", "$1", "'x'::int", "a SIMILAR TO 'b'",
		"(a)[1]", "a ->> 'x'", "NULLIF(a, b)", "GREATEST(a, b)", "current_date", "ARRAY(SELECT 1)", "a IS DOCUMENT", "NOT EXISTS (SELECT 1)", "a NOT IN (1)",
		"a > ALL (SELECT 1)", "interval '1 day'", "a IS JSON"}
	places := []string{"(X) IS NULL", "(X) IS NOT TRUE", "NOT (X)", "(X) AND c", "c OR (X)", "(X)::text", "c BETWEEN (X)::int AND d", "c BETWEEN d AND (X)::int", "(X)::int IS NULL", "- (X)::int", "c LIKE (X)::text", "c = (X)::int", "(X)::int IN (SELECT 1)",
		"- (f(X))", "c BETWEEN d AND ((X) + 1)", "c BETWEEN d AND ((X))[1]", "((X) = c) IS NULL", "c - (- (X))", "(NOT (X)) = c", "((X) IS NULL) = (c IS NULL)", "(X) = c", "c = (X)", "(X) || c", "c || (X)", "- (X)",
		"(X) BETWEEN c AND d", "c NOT BETWEEN (X) AND d", "c BETWEEN SYMMETRIC d AND (X)", "(X) IN (1, 2)", "c IN ((X), 2)", "(X) LIKE c", "c LIKE (X)", "c ILIKE (X) ESCAPE 'x'",
		"(X) IN (SELECT 1)", "(X) > ALL (SELECT 1)", "(X)[1]", `(X) COLLATE "C"`, "(X) AT TIME ZONE c", "c AT TIME ZONE (X)", "CASE (X) WHEN c THEN d END", "CASE WHEN c THEN (X) END",
		"COALESCE((X), c)", "(X) IS DISTINCT FROM c", "c IS NOT DISTINCT FROM (X)", "f((X))", "ARRAY[(X)]", "(X) + c * d", "c * (X)", "(X) SIMILAR TO c", "c = ANY ((X))",
		"(X) = ANY (c)", "(X) < c", "EXTRACT(year FROM (X))", "SUBSTRING((X) FROM 2)", "(X) -> c", "sum((X)) FILTER (WHERE (X)) OVER (PARTITION BY (X) ORDER BY (X))", "(X) IS DOCUMENT",
		"(X) IS JSON", "((X), c) = (d, e)", "(X)", "1 FROM t WHERE (X) LIMIT 1", "1 FROM t ORDER BY (X) DESC"}
	for _, place := range places {
		for _, operand := range operands {
			sql := "SELECT " + strings.ReplaceAll(place, "X", operand)
			tree, err := parse(sql)
			if err != nil {
				continue // no such combination
			}
			text, err := deparse(tree.Stmts[0].Stmt)
			if err != nil {
				t.Errorf("%s: %v", sql, err)
				continue
			}
			again, err := parse(text)
			if err != nil || len(again.Stmts) != 1 || !sameNode(again.Stmts[0].Stmt, tree.Stmts[0].Stmt) {
				t.Errorf("%s became %s", sql, text)
			}
		}
	}
}
