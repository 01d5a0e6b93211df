package policy

import (
	"strings"
	"testing"
)

// SET (a, b) = x makes a copy of x for each column. Some hundred bytes of them
// within each other made a tree that no machine holds, and ended the process.
func TestATextWhoseTreeWouldBeManyTimesItsSizeIsRefused(t *testing.T) {
	e := mustCompile(t, Profile{}, nil)
	row := func(column string, times int) string { return strings.Repeat(column+", ", times-1) + column }
	within := func(before, after string, times int) string {
		return strings.Repeat(before, times) + "SELECT 1" + strings.Repeat(after, times)
	}
	for name, sql := range map[string]string{
		"many columns":        "UPDATE t SET (" + row("a", 3000) + ") = (" + row("1", 3000) + ") WHERE b = 1",
		"not the first":       "UPDATE t SET a = 1, (" + row("a", 3000) + ") = ROW(" + row("1", 3000) + ") WHERE b = 1",
		"within each other":   within("WITH x AS (UPDATE t SET (a, b) = (", ") WHERE c = 1) SELECT 1", 40),
		"in its second value": within("WITH x AS (UPDATE t SET (a, b) = (1, (", ")) WHERE c = 1) SELECT 1", 40),
		"behind comments":     within("WITH x AS (UPDATE t SET/**/(a[1], \"b\"/**/)--\n= (", ") WHERE c = 1) SELECT 1", 40),
		"of a conflict":       within("WITH x AS (INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET (a, b) = (", ")) SELECT 1", 40),
		"of a merge":          within("WITH x AS (MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET (a, b) = (", ") RETURNING 1) SELECT 1", 40),
	} {
		if d := e.Evaluate(sql); d.Rule != "parse_error" || d.Syntax != nil || !strings.Contains(d.Reason, "SET (") {
			t.Errorf("%s: %s: %s", name, d.Rule, d.Reason)
		}
	}
	for name, sql := range map[string]string{
		"some columns":          "UPDATE t SET (" + row("a", 100) + ") = (" + row("1", 100) + ") WHERE b = 1",
		"a long value":          "UPDATE t SET (a, b) = ('" + strings.Repeat("x", MaxBytes-100) + "', 1) WHERE b = 1",
		"many statements":       strings.Repeat("UPDATE t SET (a, b) = (1, 2) WHERE (a, b) = (3, 4);", 400),
		"comparisons":           "SELECT 1 WHERE (a, b) = (1, 2)" + strings.Repeat(" AND ((a, b) = (1, 2)", 90) + strings.Repeat(")", 90),
		"comparisons in a list": "SELECT 1 WHERE a IN (" + row("(a, b, c) = (1, 2, 3)", 5000) + ")",
	} {
		if d := e.Evaluate(sql); d.Verdict != Allow {
			t.Errorf("%s: %s: %s", name, d.Rule, d.Reason)
		}
	}
}
