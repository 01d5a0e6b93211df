package policy_test

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// Each of these statements once showed what it must not. They run for real:
// what is permitted may show no marker.

func TestAForwardReferenceInRecursionHidesNoTable(t *testing.T) {
	_, catalog := database(t)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks, Filters: tenantFilter}, catalog), []effect{
		{"WITH RECURSIVE a AS (SELECT email FROM b UNION ALL SELECT email FROM b WHERE false), b AS (SELECT email FROM users WHERE id = 1) SELECT email FROM a", "ok", "[redacted]"},
		{"WITH RECURSIVE a AS (SELECT id FROM b UNION SELECT id FROM b), b AS (SELECT id FROM orders) SELECT id FROM a ORDER BY id", "ok", "10; 11; 12"},
		{"WITH RECURSIVE a AS (SELECT 1 AS n, note FROM users WHERE id = 1 UNION ALL SELECT n + 1, email FROM a, b WHERE n < 2), b AS (SELECT email FROM users WHERE id = 2) SELECT * FROM a ORDER BY n", "ok", "1,n1; 2,[redacted]"},
	})
}

// A predicate means the tables that were there when it was written.
func TestATemporaryTableCannotStandInForOneThatAFilterReads(t *testing.T) {
	_, catalog := database(t)
	e := compile(t, policy.Profile{Filters: []policy.Filter{{Table: "docs", Predicate: "team IN (SELECT team FROM members m WHERE m.user_id = 1) AND team::text <> ''"}}}, catalog)
	enforce(t, e, []effect{
		{"CREATE TEMP TABLE members (user_id int, team int); INSERT INTO members VALUES (1, 1), (1, 2); SELECT body FROM docs", "ok", "mine"},
		{"CREATE TEMP TABLE members AS SELECT 1 AS user_id, 2 AS team; UPDATE docs SET body = 'x' WHERE id > 0 RETURNING id", "ok", "1"},
		{"WITH members AS (SELECT 1 AS user_id, 2 AS team) SELECT body FROM docs", "ok", "mine"},
		{`CREATE DOMAIN pg_temp.text AS pg_catalog.bpchar; SELECT body FROM docs`, "ok", "mine"},
	})
}

func TestTablesOfAFilterMustBeThereOnce(t *testing.T) {
	catalog := extended(t, "CREATE SCHEMA twice; CREATE TABLE twice.members (user_id int, team int)")
	catalog.SearchPath = []string{"twice", "public"}
	compiles := func(predicate string, readOnly bool) bool {
		_, err := policy.Compile(policy.Profile{ReadOnly: readOnly, Filters: []policy.Filter{{Table: "docs", Predicate: predicate}}}, catalog)
		return err == nil
	}
	const bare, qualified = "team IN (SELECT team FROM members)", "team IN (SELECT team FROM public.members)"
	if compiles(bare, false) {
		t.Error("who may create tables could put one in front of what the filter reads")
	}
	if !compiles(bare, true) || !compiles(qualified, false) {
		t.Error("a predicate that names one table is refused")
	}
	if compiles("team IN (SELECT team FROM nowhere)", true) || compiles("team IN (SELECT team FROM public.nowhere)", true) {
		t.Error("a predicate may read a table that is not there")
	}
}

// The name of the database in front of a table's changes nothing.
func TestADatabaseNameHidesNoTable(t *testing.T) {
	_, catalog := database(t)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks, Filters: tenantFilter, TableDenylist: []string{"docs"}}, catalog), []effect{
		{"SELECT email FROM postgres.public.users WHERE id = 1", "ok", "[redacted]"},
		{"SELECT postgres.public.orders.item FROM postgres.public.orders ORDER BY id", "ok", "pen; ink; cap"},
		{"SELECT * FROM postgres.public.docs", "table_denied", ""},
		{"SELECT rolpassword FROM postgres.pg_catalog.pg_authid", "table_not_allowed", ""},
	})
	enforce(t, compile(t, policy.Profile{}, catalog), []effect{
		{"SELECT rolpassword FROM postgres.pg_catalog.pg_authid", "table_not_allowed", ""},
		{"SELECT query FROM postgres.pg_catalog.pg_stat_activity", "table_not_allowed", ""},
		{"UPDATE postgres.pg_catalog.pg_settings SET setting = 'off' WHERE name = 'row_security'", "table_denied", ""},
		{"SELECT id FROM postgres.public.plain ORDER BY id", "ok", "1; 2; 3"},
	})
}

// A table that a text created is forgotten where it may be gone: what it hid
// is seen again.
func TestATableOfTheTextIsForgottenWhenItMayBeGone(t *testing.T) {
	_, catalog := database(t)
	for _, p := range []policy.Profile{{TableDenylist: []string{"public.users"}}, {TableDenylist: []string{"public.users"}, MaxRows: 1}} {
		enforce(t, compile(t, p, catalog), []effect{
			{"CREATE TEMP TABLE users (email text); SELECT email FROM users", "ok", ""},
			{"SAVEPOINT s; CREATE TEMP TABLE users (email text); ROLLBACK TO s; SELECT email FROM users", "table_denied", ""},
			{"CREATE TEMP TABLE users (email text); DISCARD TEMP; SELECT email FROM users", "table_denied", ""},
			{"BEGIN; CREATE TEMP TABLE users (email text); ROLLBACK; SELECT email FROM users", "table_denied", ""},
			{"CREATE TEMP TABLE users (email text) ON COMMIT DROP; COMMIT; SELECT email FROM users", "table_denied", ""},
		})
	}
}
