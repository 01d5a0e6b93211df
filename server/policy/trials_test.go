package policy_test

import (
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// What PostgreSQL is asked about is what it gets in statements.
func TestTrialsReadAsStatementsDo(t *testing.T) {
	catalog := extended(t, `CREATE TABLE stays (id int, "When" date); CREATE SCHEMA past; CREATE TABLE past.stays (id int, "When" date, note text);
		CREATE TABLE past.plain (id int); CREATE VIEW lately AS SELECT id FROM stays`)
	filters := []policy.Filter{
		{Table: "stays", Predicate: `"When" > '2026-01-01'::date AND id IN (SELECT user_id FROM members)`},
		{Table: "stays", Predicate: "note = 'x'"},
		{Table: "Past.Plain", Predicate: "plain.id = 1 -- one"},
		{Table: "lately", Predicate: "id IS NOT NULL"},
		{Table: "nosuch", Predicate: "id = 1"},
	}
	want := [][]string{{"public.stays", "past.stays"}, {"past.stays"}, {"past.plain"}, {"public.lately"}, nil}
	for i, f := range filters {
		e := compile(t, policy.Profile{ReadOnly: true, Filters: []policy.Filter{f}}, catalog)
		var relations []string
		for _, trial := range e.Trials()[0] {
			relations = append(relations, trial.Relation.String())
			d := e.Evaluate("SELECT * FROM " + trial.Relation.String())
			plain := strings.NewReplacer(`"`, "", " AS ", " ", "WHERE (", "WHERE ").Replace
			if sent := plain(d.SQL); !strings.Contains(sent, strings.TrimSuffix(plain(trial.Filtered), ")")) {
				t.Errorf("%s: tried %s, sent %s", f.Predicate, trial.Filtered, d.SQL)
			}
			if strings.Contains(trial.Plain, "WHERE") || !strings.HasPrefix(trial.Filtered, trial.Plain) {
				t.Errorf("%s: plain %s", f.Predicate, trial.Plain)
			}
		}
		if strings.Join(relations, " ") != strings.Join(want[i], " ") {
			t.Errorf("%s: tried on %q, want %q", f.Predicate, relations, want[i])
		}
	}
	all := compile(t, policy.Profile{ReadOnly: true, Filters: filters}, catalog).Trials()
	if len(all) != len(filters) || len(all[0]) != 2 || len(all[4]) != 0 {
		t.Errorf("all filters: %v", all)
	}
	if blind := compile(t, policy.Profile{ReadOnly: true, Filters: filters}, nil).Trials(); len(blind) != len(filters) || blind[0] != nil {
		t.Errorf("without a catalog: %v", blind)
	}
}

// A predicate may hold a secret, and PostgreSQL quotes what it cannot read.
func TestReasonsOfTrialsHoldNoLiterals(t *testing.T) {
	catalog := extended(t, "CREATE TABLE letters (id int, note text)")
	e := compile(t, policy.Profile{ReadOnly: true, Filters: []policy.Filter{{Table: "letters",
		Predicate: `id = 'secret-1' OR note IN ('a"secret-2"b', (SELECT 'x Secret-3 y'::text))`}}}, catalog)
	trial := e.Trials()[0][0]
	for message, want := range map[string]string{
		`invalid input syntax for type integer: "secret-1"`: `invalid input syntax for type integer: "…"`,
		`malformed array literal: "a"secret-2"b"`:           `malformed array literal: "…"`,
		`time zone "secret-3" not recognized`:               `time zone "…" not recognized`,
		`column pgbeam_row.id does not exist`:               `column id does not exist`,
		`column "pgbeam_row.id" does not exist`:             `column "id" does not exist`,
		`operator does not exist: integer = text`:           `operator does not exist: integer = text`,
		`function lower(integer) does not exist`:            `function lower(integer) does not exist`,
	} {
		if got := trial.Reason(message); got != want {
			t.Errorf("%s\n got %s\nwant %s", message, got, want)
		}
	}
}
