package policy

import (
	"fmt"
	"strings"
	"testing"
)

// A text that is too deep to be rewritten is refused, or rewritten, and leaves
// the parser as it was: the compiled one of a build without C has a small stack
// that nothing guards.
func TestADeepRewritingLeavesTheParserWhole(t *testing.T) {
	keywords := "SELECT a AS b, count(*) FILTER (WHERE c IS NOT NULL) FROM d LEFT JOIN e USING (f) WHERE g IN (1, 2) GROUP BY a HAVING true ORDER BY 1 DESC LIMIT 3"
	for _, depth := range []int{10, 30, 60, 120, 390} {
		for _, c := range [][2]string{
			{"SELECT * FROM (", ") x"}, {"SELECT 1 WHERE 1 IN (", ")"}, {"SELECT (", ")"}, {"WITH w AS (", ") SELECT 1"}, {"SELECT 1 FROM a LEFT JOIN LATERAL (", ") x ON true"},
			{"SELECT 1 UNION ALL (", ")"}, {"SELECT CASE WHEN EXISTS (", ") THEN 1 END"},
		} {
			text := strings.Repeat(c[0], depth) + "SELECT 1" + strings.Repeat(c[1], depth)
			tree, err := parse(text)
			if err != nil {
				continue // deeper than any text that is examined
			}
			if out, err := deparseTree(tree); err == nil {
				again, err := parse(out)
				if err != nil || len(again.Stmts) != 1 {
					t.Errorf("%d times %q: comes out as %.200q: %v", depth, c[0], out, err)
				}
			}
			tree, err = parse(keywords)
			if err != nil {
				t.Fatalf("after %d times %q: %v", depth, c[0], err)
			}
			if out, err := deparseTree(tree); err != nil || !strings.EqualFold(out, keywords) {
				t.Fatalf("after %d times %q: %s %v", depth, c[0], fmt.Sprint(out), err)
			}
		}
	}
}
