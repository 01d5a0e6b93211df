package policy

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
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

// Whatever of a few words is said over and over, the tree does not become deeper
// than the estimate lets on: of a deep one the parser without C overflows its
// stack.
func TestNoRepetitionNestsDeeperThanItsEstimate(t *testing.T) {
	const times = 40
	words := []string{"a", "NOT", "BETWEEN", "AND", "OR", "IS NULL", "CASE WHEN", "THEN", "ELSE", "END", ",", "=", "JOIN", "ON"}
	frames := [][2]string{{"SELECT ", " 1"}, {"SELECT a ", ""}, {"SELECT a ", " 1"}, {"SELECT 1 FROM a ", ""}}
	seen := 0
	check := func(unit string) {
		for _, f := range frames {
			sql := f[0] + strings.Repeat(unit, times) + f[1]
			estimate, _, _ := nesting(sql)
			if estimate >= times {
				continue
			}
			if tree, err := parseTree(sql); err == nil {
				seen++
				if d := depthOf(tree); d >= times {
					t.Errorf("%s…%s is %d messages deep, estimated at %d", f[0]+unit+unit, f[1], d, estimate)
				}
			}
		}
	}
	var units func(begun string, more int)
	units = func(begun string, more int) {
		check(begun)
		for _, w := range words {
			if more > 0 {
				units(begun+" "+w, more-1)
			}
		}
	}
	units("", 3)
	for _, w := range words { // a BETWEEN takes more words than three
		for _, in := range words {
			check(" " + w + " BETWEEN " + in + " AND NOT")
			check(" NOT " + w + " BETWEEN " + in + " AND")
			check(" BETWEEN " + w + " AND NOT " + in)
			check(" BETWEEN SYMMETRIC " + w + " AND NOT " + in)
			check(" " + w + " BETWEEN 1. AND NOT " + in + " AND")
		}
	}
	if seen < 100 {
		t.Errorf("%d texts were statements", seen)
	}
}

func depthOf(m proto.Message) (levels int) {
	eachChild(m, func(_ string, child proto.Message) { levels = max(levels, depthOf(child)) })
	return levels + 1
}

// A chain of BETWEEN and NOT overflowed the parser's stack in the build without
// C, which panicked.
func TestNestedBetweenIsRefused(t *testing.T) {
	e := mustCompile(t, Profile{}, nil)
	for _, times := range []int{300, 2000, 50_000} {
		if d := e.Evaluate("SELECT 1 WHERE " + strings.Repeat("a BETWEEN 1 AND NOT ", times) + "b"); !strings.Contains(d.Reason, "nested more than") {
			t.Errorf("%d times: %s: %s", times, d.Rule, d.Reason)
		}
	}
	flat := "SELECT 1 FROM t WHERE true" + strings.Repeat(" AND a BETWEEN 1 AND 2 OR t.between NOT BETWEEN SYMMETRIC 3. AND 4", 2000)
	if d := e.Evaluate(flat); d.Verdict != Allow {
		t.Errorf("side by side: %s: %s", d.Rule, d.Reason)
	}
}

// One text of a million signs kept a parser for seconds, which others waited
// for.
func TestATextOfTooManyWordsIsNotParsed(t *testing.T) {
	e := mustCompile(t, Profile{}, nil)
	for name, sql := range map[string]string{
		"values":     "SELECT 1" + strings.Repeat(",1", 400_000),
		"rows":       "INSERT INTO t VALUES (1)" + strings.Repeat(",('')", 150_000),
		"semicolons": strings.Repeat(";", MaxBytes),
		"words":      strings.Repeat("a ", MaxBytes/2),
	} {
		if d := e.Evaluate(sql); d.Rule != "parse_error" || !strings.Contains(d.Reason, "250000 words and signs") {
			t.Errorf("%s: %s: %s", name, d.Rule, d.Reason)
		}
	}
	for name, sql := range map[string]string{
		"values":   "SELECT 1" + strings.Repeat(",1", 120_000),
		"numbers":  "INSERT INTO t VALUES (1)" + strings.Repeat(",(12345678901234567.25)", MaxBytes/24),
		"text":     "SELECT '" + strings.Repeat("a ; ", MaxBytes/5) + "'",
		"comments": "SELECT 1 /* " + strings.Repeat("; ", MaxBytes/4) + "*/",
		"space":    "SELECT 1" + strings.Repeat(" ", MaxBytes/2),
	} {
		if d := e.Evaluate(sql); d.Verdict != Allow {
			t.Errorf("%s: %s: %s", name, d.Rule, d.Reason)
		}
	}
}
