package policy

import (
	"strings"
	"testing"
)

// shop is a schema with a view, a partitioned table, inheritance, functions of
// the owner and types of an extension.
func shop() *Catalog {
	c := &Catalog{
		SearchPath: []string{"app", "public"},
		Relations:  make(map[RelationName]*Relation),
		Functions:  make(map[RelationName][]Function),
		Types: map[uint32]TypeInfo{
			25:  {OID: 25, Schema: "pg_catalog", Name: "text", Category: 'S'},
			23:  {OID: 23, Schema: "pg_catalog", Name: "int4", Category: 'N'},
			900: {OID: 900, Schema: "public", Name: "users", Category: 'C'},
			901: {OID: 901, Schema: "public", Name: "mood", Category: 'E'},
			902: {OID: 902, Schema: "public", Name: "vector", Category: 'U'},
		},
	}
	relation := func(schema, name string, kind byte, definition string, parents ...RelationName) {
		n := RelationName{schema, name}
		c.Relations[n] = &Relation{RelationName: n, Kind: kind, Definition: definition, Parents: parents,
			Columns: []Column{{Name: "id"}, {Name: "email"}}}
	}
	relation("public", "users", 'r', "")
	relation("public", "orders", 'r', "")
	relation("hidden", "secrets", 'r', "")
	relation("app", "prefs", 'r', "")
	relation("public", "secret_view", 'v', "SELECT s.id FROM hidden.secrets s")
	relation("public", "view_of_view", 'm', "SELECT id FROM secret_view")
	relation("public", "filter_only", 'v', "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM hidden.secrets)")
	relation("public", "plain_view", 'v', "SELECT lower(email) AS email FROM users")
	relation("public", "calling_view", 'v', "SELECT leak(id) FROM orders")
	relation("public", "broken_view", 'v', "SELECT * FROM gone")
	relation("public", "activity", 'v', "SELECT * FROM pg_catalog.pg_stat_activity")
	relation("public", "knobs", 'v', "SELECT name, setting FROM pg_settings")
	relation("pg_catalog", "pg_settings", 'v', "")
	relation("public", "events", 'p', "")
	relation("public", "events_2025", 'r', "", RelationName{"public", "events"})
	relation("public", "people", 'r', "")
	relation("public", "staff", 'r', "", RelationName{"public", "people"})
	relation("pg_catalog", "pg_class", 'r', "")
	relation("pg_catalog", "pg_stat_activity", 'v', "SELECT * FROM pg_stat_get_activity(NULL)")
	function := func(schema, name string, volatility byte, builtin bool, args ...uint32) {
		n := RelationName{schema, name}
		c.Functions[n] = append(c.Functions[n], Function{RelationName: n, Kind: 'f', Volatility: volatility, Builtin: builtin, Arguments: args})
	}
	function("pg_catalog", "lower", 'i', true, 25)
	function("pg_catalog", "replace", 'i', true, 25, 25, 25)
	function("public", "replace", 'i', false, 902, 902, 902)
	function("pg_catalog", "pg_sleep", 'v', true, 23)
	function("pg_catalog", "random", 'v', true)
	function("public", "leak", 'i', false, 23)
	function("public", "touch", 'v', false)
	function("public", "full_name", 's', false, 900)
	c.Functions[RelationName{"public", "job"}] = []Function{{RelationName: RelationName{"public", "job"}, Kind: 'p', Volatility: 'v'}}
	return c
}

func TestDenylistFollowsLineage(t *testing.T) {
	check(t, mustCompile(t, Profile{TableDenylist: []string{"secrets", "events_2025", "people"}}, shop()), []ruling{
		{"SELECT * FROM users", "ok"},
		{"SELECT * FROM plain_view", "ok"},
		{"SELECT * FROM prefs", "ok"},
		{"SELECT * FROM pg_class", "ok"},
		{"SELECT * FROM secret_view", "table_denied"},
		{"SELECT * FROM view_of_view", "table_denied"},
		{"SELECT * FROM filter_only", "table_denied"},
		{"SELECT * FROM events", "table_denied"},
		{"SELECT * FROM staff", "table_denied"},
		{"SELECT * FROM calling_view", "function_not_allowed"},
		{"SELECT * FROM broken_view", "function_not_allowed"},
		{"SELECT * FROM unknown", "table_not_allowed"},
		{"SELECT * FROM activity", "table_not_allowed"},
		{"CREATE TABLE fresh (a int); INSERT INTO fresh VALUES (1); SELECT * FROM fresh", "ok"},
		{"CREATE TEMP TABLE fresh AS SELECT 1; SELECT * FROM fresh", "ok"},
		{"CREATE TABLE fresh () INHERITS (users); SELECT * FROM fresh", "table_not_allowed"},
		{"CREATE TABLE IF NOT EXISTS fresh (a int); SELECT * FROM fresh", "table_not_allowed"},
		{"CREATE TABLE IF NOT EXISTS fresh AS SELECT 1; SELECT * FROM fresh", "table_not_allowed"},
		{"SELECT * FROM knobs", "ok"},
		{"UPDATE knobs SET setting = 'off' WHERE name = 'row_security'", "table_denied"},
	})
}

func TestAllowlistKnowsViewsByTheirOwnNameAndPartitionsByTheirTable(t *testing.T) {
	check(t, mustCompile(t, Profile{TableAllowlist: []string{"secret_view", "events", "people", "app.prefs"}}, shop()), []ruling{
		{"SELECT * FROM secret_view", "ok"},
		{"SELECT * FROM events_2025", "ok"},
		{"SELECT * FROM prefs", "ok"},
		{"SELECT * FROM app.prefs", "ok"},
		{"SELECT * FROM public.prefs", "table_not_allowed"},
		{"SELECT * FROM staff", "table_not_allowed"},
		{"SELECT * FROM hidden.secrets", "table_not_allowed"},
		{"SELECT * FROM users", "table_not_allowed"},
	})
}

func TestFunctionsAreResolvedInTheCatalog(t *testing.T) {
	check(t, mustCompile(t, Profile{TableDenylist: []string{"secrets"}}, shop()), []ruling{
		{"SELECT lower(email), random() FROM users", "ok"},
		{"SELECT text(1)", "ok"},
		{"SELECT pg_catalog.replace('a', 'b', 'c')", "ok"},
		{"SELECT u.email FROM users u", "ok"},
		{"SELECT 'sad'::mood, email::mood, '[1]'::vector, email::vector FROM users", "ok"},
		{"SELECT replace('a', 'b', 'c')", "ok"},
		{"SELECT replace('a'::vector, 'b', 'c')", "function_not_allowed"},
		{"SELECT email::no_type FROM users", "function_not_allowed"},
		{"SELECT leak(1)", "function_not_allowed"},
		{"SELECT pg_sleep(1)", "function_not_allowed"},
		{"SELECT not_there(1)", "function_not_allowed"},
		{"SELECT u.full_name FROM users u", "function_not_allowed"},
		{"SELECT (u).full_name FROM users u", "function_not_allowed"},
		{"CALL job()", "statement_not_allowed"},
	})
	check(t, mustCompile(t, Profile{}, shop()), []ruling{
		{"SELECT leak(1)", "ok"},
		{"SELECT touch()", "ok"},
		{"SELECT * FROM unknown", "ok"},
		{"CALL job()", "ok"},
		{"CALL nothing()", "statement_not_allowed"},
		{"SELECT * FROM activity", "table_not_allowed"},
	})
	check(t, mustCompile(t, Profile{DenyStatements: []string{"delete"}}, shop()), []ruling{
		{"SELECT leak(1)", "ok"},
		{"SELECT touch()", "function_not_allowed"},
	})
}

// A refusal names what its author wrote, and no schema that a name was found in.
func TestRefusalDoesNotTellWhereANameWasFound(t *testing.T) {
	c := shop()
	c.SearchPath = []string{"hidden", "public"}
	for _, p := range []Profile{{TableDenylist: []string{"hidden.secrets"}}, {TableAllowlist: []string{"orders"}}} {
		for _, sql := range []string{"SELECT * FROM secrets", "SELECT * FROM secret_view"} {
			d := mustCompile(t, p, c).Evaluate(sql)
			if d.Verdict != Block {
				t.Fatalf("%s: %s", sql, d.Verdict)
			}
			if strings.Contains(d.Reason+d.Hint, "hidden") {
				t.Errorf("%s: told %q", sql, d.Reason)
			}
		}
	}
}

func TestUnresolvedNamesAskForAFresherCatalog(t *testing.T) {
	e := mustCompile(t, Profile{TableDenylist: []string{"secrets"}}, shop())
	if d := e.Evaluate("SELECT * FROM unknown"); !d.Unresolved {
		t.Errorf("unknown table: Unresolved is false")
	}
	if d := e.Evaluate("SELECT * FROM secrets JOIN users USING (id)"); d.Verdict == Block && d.Rule != "table_denied" {
		t.Errorf("denied table: rule %s", d.Rule)
	}
	if d := e.Evaluate("SELECT * FROM users"); d.Unresolved {
		t.Errorf("known table: Unresolved is true")
	}
}

func TestDecisionDescribesItsStatements(t *testing.T) {
	e := mustCompile(t, Profile{MaxRows: 5, MaxAffectedRows: 7}, shop())
	d := e.Evaluate("SELECT lower(email) FROM users, prefs; DELETE FROM orders WHERE id = 1")
	if len(d.Statements) != 2 {
		t.Fatalf("%d statements", len(d.Statements))
	}
	s := d.Statements[0]
	if s.Kind != Select || s.Tag != "SELECT" || s.Writes || s.MaxRows != 5 || s.MaxAffectedRows != 7 ||
		strings.Join(s.Relations, " ") != "app.prefs public.users" || strings.Join(s.Functions, " ") != "lower" ||
		s.SQL != "SELECT lower(email) FROM users, prefs" {
		t.Errorf("first statement: %+v", s)
	}
	if s := d.Statements[1]; s.Kind != Delete || !s.Writes || s.SQL != "DELETE FROM orders WHERE id = 1" {
		t.Errorf("second statement: %+v", s)
	}
}
