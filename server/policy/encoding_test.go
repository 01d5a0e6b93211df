package policy

import (
	"strings"
	"testing"
)

// In a database of another encoding a name may be another than the parser here
// reads: one letter of two bytes in UTF-8 is one byte of LATIN1.
func TestNamesOfAnotherEncodingAreThoseThatPostgreSQLReads(t *testing.T) {
	long := strings.Repeat("ä", longestName/2+1)
	cut := strings.Repeat("ä", longestName/2)
	const misread = "parse_error"
	names := &Catalog{SearchPath: []string{"public"}, Relations: map[RelationName]*Relation{}}
	for _, name := range []string{cut, "orders"} {
		n := RelationName{"public", name}
		names.Relations[n] = &Relation{RelationName: n, Kind: 'r', Columns: []Column{{Name: "id"}}}
	}
	profile := Profile{TableAllowlist: []string{`"` + cut + `"`, "orders"}}
	for _, c := range []struct{ sql, rule string }{
		{"SELECT id FROM " + cut, "ok"},
		{"SELECT id FROM " + long, misread},
		{`SELECT id FROM "` + long + `"`, misread},
		{`SELECT id FROM U&"` + strings.Repeat(`\00e4`, longestName/2+1) + `"`, misread},
		{`SELECT id FROM U&"` + strings.Repeat(`!00e4`, longestName/2+1) + `" UESCAPE '!'`, misread},
		{"SELECT id AS " + long + " FROM orders", misread},
		{`WITH "Ä" AS (SELECT 1) SELECT * FROM Ä`, misread},
		{`WITH "Ä" AS (SELECT 1) SELECT * FROM "Ä"`, "ok"},
		{"SELECT id AS " + strings.Repeat("a", 99) + ` FROM ORDERS AS "` + strings.Repeat("a", 99) + `"`, "ok"},
		{"SELECT 'Ä" + long + "', E'\\'Ä" + long + "', $$Ä" + long + "$$ /* Ä" + long + " */ FROM orders -- Ä" + long, "ok"},
	} {
		if d := mustCompile(t, profile, names).Evaluate(c.sql); d.Rule != c.rule {
			t.Errorf("%s: %s (%s), want %s", c.sql, d.Rule, d.Reason, c.rule)
		}
	}
	names.UTF8 = true
	if d := mustCompile(t, profile, names).Evaluate(`SELECT id FROM "` + long + `"`); d.Rule != "ok" {
		t.Errorf("PostgreSQL cuts the name as it is cut here, and it is refused: %s", d.Reason)
	}
	names.UTF8 = false
	if d := mustCompile(t, Profile{ReadOnly: true}, names).Evaluate("SELECT id FROM " + long); d.Rule != "ok" {
		t.Errorf("no rule is about names, and one is refused: %s", d.Reason)
	}
}
