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
		{"CREATE TEMP TABLE members (user_id int, team int); INSERT INTO pg_temp.members VALUES (1, 1), (1, 2); SELECT body FROM docs", "ok", "mine"},
		{"CREATE TEMP TABLE members AS SELECT 1 AS user_id, 2 AS team; UPDATE docs SET body = 'x' WHERE id > 0 RETURNING id", "ok", "1"},
		{"WITH members AS (SELECT 1 AS user_id, 2 AS team) SELECT body FROM docs", "ok", "mine"},
		{`CREATE DOMAIN pg_temp.text AS pg_catalog.bpchar; SELECT body FROM docs`, "statement_not_allowed", ""},
		{`CREATE DOMAIN postgres.pg_temp.text AS pg_catalog.bpchar; SELECT body FROM docs`, "statement_not_allowed", ""},
		{`CREATE DOMAIN pg_temp_3.text AS pg_catalog.bpchar; SELECT body FROM docs`, "statement_not_allowed", ""},
		{`CREATE DOMAIN public.short AS pg_catalog.bpchar; SELECT body FROM docs`, "ok", "mine"},
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

// A rule about a column holds for what is computed from it in the table, and
// one about a view for views above that.
func TestMasksFollowGeneratedColumnsAndViewsOfViews(t *testing.T) {
	catalog := extended(t, `CREATE TABLE accounts (id int, email text, low text GENERATED ALWAYS AS (lower(email)) STORED, size int GENERATED ALWAYS AS (length(email)) STORED);
		INSERT INTO accounts VALUES (1, 'SECRET@x');
		CREATE VIEW account_sizes AS SELECT id, low AS l, size FROM accounts;
		CREATE VIEW rows_ AS SELECT u FROM users u; CREATE VIEW rows_again AS SELECT (u).email AS e, u IS NULL AS n FROM rows_;
		CREATE VIEW over_people AS SELECT id, email AS e, upper(mail) AS u FROM people`)
	enforce(t, compile(t, policy.Profile{Masks: []policy.Mask{
		{Table: "accounts", Column: "email", Kind: policy.Redact}, {Table: "users", Column: "phone", Kind: policy.Redact}, {Table: "people", Column: "email", Kind: policy.Redact}, {Table: "people", Column: "mail", Kind: policy.Hash},
	}}, catalog), []effect{
		{"SELECT id, low, size FROM accounts", "ok", "1,∅,∅"},
		{"SELECT email, low FROM accounts", "ok", "[redacted],∅"},
		{"SELECT id FROM accounts WHERE size = 8", "masked_column_predicate", ""},
		{"SELECT l, size FROM account_sizes", "ok", "∅,∅"},
		{"UPDATE accounts SET email = 'SECRETS' WHERE id = 1 RETURNING *", "ok", "1,[redacted],∅,∅"},
		{"SELECT * FROM over_people WHERE id = 1", "ok", "1,[redacted],∅"},
		{"SELECT email FROM users WHERE id = 3", "ok", "∅"},
		{"SELECT u FROM rows_ LIMIT 1", "ok", "∅"},
		{"SELECT (u).email FROM rows_", "masked_column_expression", ""},
		{"SELECT * FROM rows_again LIMIT 1", "ok", "∅,∅"},
	})
}

// Until a transaction commits no catalog tells what was renamed in it.
func TestAFunctionIsNotRenamedIntoABuiltinOne(t *testing.T) {
	_, catalog := database(t)
	for _, p := range []policy.Profile{{Masks: usersMasks}, {}} {
		enforce(t, compile(t, p, catalog), []effect{
			{"ALTER FUNCTION public.reveal(text) RENAME TO abs; SELECT abs('x'::text)", "statement_not_allowed", ""},
			{"ALTER ROUTINE reveal(text) RENAME TO abs", "statement_not_allowed", ""},
			{"ALTER FUNCTION reveal(text) SET SCHEMA pg_temp", "statement_not_allowed", ""},
			{"ALTER FUNCTION reveal(text) OWNER TO postgres", "statement_not_allowed", ""},
			{"ALTER AGGREGATE sum(int) RENAME TO total", "statement_not_allowed", ""},
			{"ALTER OPERATOR = (text, text) SET SCHEMA pg_temp", "statement_not_allowed", ""},
			{"ALTER ROLE postgres RENAME TO other", "statement_not_allowed", ""},
			{"ALTER DATABASE postgres RENAME TO other", "statement_not_allowed", ""},
			{"GRANT SET ON PARAMETER session_replication_role TO public", "statement_not_allowed", ""},
		})
	}
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"ALTER TYPE word RENAME TO text", "statement_not_allowed", ""},
		{"ALTER TABLE plain RENAME CONSTRAINT plain_pkey TO plain_key", "ok", ""},
	})
}

// A rule of the owner's may answer an INSERT with rows of another table.
func TestATableWithRewriteRulesIsNotWrittenTo(t *testing.T) {
	catalog := extended(t, `CREATE TABLE logs (id int); CREATE RULE also AS ON INSERT TO logs DO ALSO SELECT email FROM users;
		CREATE RULE never AS ON DELETE TO logs DO INSTEAD NOTHING; INSERT INTO logs VALUES (7)`)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT id FROM logs", "ok", "7"},
		{"INSERT INTO logs VALUES (1)", "function_not_allowed", ""},
		{"WITH w AS (DELETE FROM logs WHERE id = 7) SELECT 1", "function_not_allowed", ""},
		{"INSERT INTO plain VALUES (9, 'x', 1)", "ok", ""},
	})
}

// An operator who allows a view whose functions cannot be traced does not
// thereby show what another rule hides.
func TestAnAllowedViewShowsNothingMaskedThroughItsFunctions(t *testing.T) {
	catalog := extended(t, "CREATE VIEW revealing AS SELECT id, reveal(',') AS r FROM plain")
	enforce(t, compile(t, policy.Profile{TableAllowlist: []string{"revealing", "users"}, Masks: usersMasks}, catalog), []effect{
		{"SELECT r FROM revealing", "function_not_allowed", ""},
	})
	enforce(t, compile(t, policy.Profile{TableAllowlist: []string{"revealing"}, TableDenylist: []string{"users"}}, catalog), []effect{
		{"SELECT r FROM revealing", "function_not_allowed", ""},
	})
	if d := compile(t, policy.Profile{TableAllowlist: []string{"revealing"}}, catalog).Evaluate("SELECT r FROM revealing"); d.Rule != "ok" {
		t.Errorf("an allowlist alone refuses the view that it allows: %s", d.Reason)
	}
}

// Definitions say nothing about a row by failing for it, or by being told.
func TestDefinitionsTellNothingOfRows(t *testing.T) {
	_, catalog := database(t)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"CREATE UNIQUE INDEX ON users ((users < ROW(1, 'ann', 'M', NULL, NULL, NULL, NULL, NULL)::users))", "masked_column_expression", ""},
		{"CREATE INDEX ON users (id) WHERE hash_record(users) > 0", "masked_column_expression", ""},
		{"ALTER TABLE users ADD COLUMN z int CHECK (users IS NOT NULL)", "masked_column_expression", ""},
		{"CREATE INDEX ON users (name)", "ok", ""},
		{"ALTER TABLE users ADD COLUMN z int CHECK (z > 0)", "ok", ""},
	})
	enforce(t, compile(t, policy.Profile{Filters: tenantFilter}, catalog), []effect{
		{"ANALYZE (VERBOSE) orders", "row_filter_unsafe", ""},
		{"ANALYZE VERBOSE orders", "row_filter_unsafe", ""},
		{"ANALYZE orders", "ok", ""},
	})
}

// An index is held to the rules of its table.
func TestIndexesAreHeldToTheRulesOfTheirTables(t *testing.T) {
	catalog := extended(t, "CREATE INDEX docs_team ON docs (team)")
	enforce(t, compile(t, policy.Profile{Masks: usersMasks, Filters: tenantFilter, TableDenylist: []string{"docs"}}, catalog), []effect{
		{"ALTER INDEX plain_pkey RENAME TO plain_key", "ok", ""},
		{"REINDEX INDEX public.plain_pkey", "ok", ""},
		{"ALTER INDEX plain_pkey SET (fillfactor = 80)", "ok", ""},
		{"SET CONSTRAINTS orders_user_id_fkey IMMEDIATE", "ok", ""},
		{"REINDEX INDEX users_pkey", "masked_column_expression", ""},
		{"ALTER INDEX orders_tenant RENAME TO x", "row_filter_unsafe", ""},
		{"ALTER INDEX docs_team RENAME TO x", "table_denied", ""},
		{"ALTER INDEX plain RENAME TO users_", "statement_not_allowed", ""},
		{"ALTER INDEX nothing RENAME TO x", "table_not_allowed", ""},
	})
}

// What a filter says is the operator's business.
func TestAFilterIsNotTold(t *testing.T) {
	_, catalog := database(t)
	e := compile(t, policy.Profile{Filters: []policy.Filter{{Table: "orders", Predicate: "tenant_id = 42 AND item <> 'HIDDEN-words'"}}}, catalog)
	enforce(t, e, []effect{
		{"SELECT current_query() FROM orders LIMIT 1", "function_not_allowed", ""},
		{"SELECT item, 1 / 0 FROM orders", "ok", ""},
		{"UPDATE orders SET amount = 1 / 0 WHERE id > 0", "ok", ""},
	})
}

// A masked column that was renamed is not shown under its new name.
func TestAMaskThatLostItsColumnHidesTheTable(t *testing.T) {
	catalog := extended(t, "CREATE TABLE clients (id int, mail text); INSERT INTO clients VALUES (1, 'SECRET'); CREATE VIEW client_ids AS SELECT id FROM clients; CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.plain (email text)")
	enforce(t, compile(t, policy.Profile{Masks: []policy.Mask{{Table: "clients", Column: "email", Kind: policy.Redact}, {Table: "plain", Column: "email", Kind: policy.Redact}}}, catalog), []effect{
		{"SELECT mail FROM clients", "masked_column_expression", ""},
		{"SELECT id FROM client_ids", "masked_column_expression", ""},
		{"INSERT INTO clients VALUES (2, 'x') RETURNING mail", "masked_column_expression", ""},
		{"SELECT label FROM public.plain WHERE id = 1", "ok", "one"},
		{"SELECT id FROM docs ORDER BY id", "ok", "1; 2"},
	})
}

// An expression that PostgreSQL does not evaluate before it reads rows may
// fail for a hidden one.
func TestCastsThatAreNotConstantAreFenced(t *testing.T) {
	_, catalog := database(t)
	e := compile(t, policy.Profile{Filters: []policy.Filter{{Table: "orders", Predicate: "upper(lower(upper(lower(item)))) IN ('PEN', 'INK', 'CAP')"}}}, catalog)
	enforce(t, e, []effect{
		{"SELECT id FROM orders WHERE CASE WHEN tenant_id = 7 THEN 1e30::money IS NULL ELSE true END ORDER BY id", "ok", "10; 11; 12"},
		{"SELECT id FROM orders WHERE CASE user_id WHEN 1 THEN tenant_id = 42 ELSE true END ORDER BY id", "ok", "10; 11; 12"},
		{"SELECT id FROM orders WHERE CASE amount WHEN 0 THEN false ELSE true END ORDER BY id", "ok", "10; 11; 12"},
	})
}

// PostgreSQL reads u.f as f(u) when u has no column f. The nearest u is meant,
// whatever stands further out under that name.
func TestAnAttributeIsNoFunctionOfARow(t *testing.T) {
	_, catalog := database(t)
	e := compile(t, policy.Profile{Masks: usersMasks}, catalog)
	enforce(t, e, []effect{
		{"SELECT (SELECT u.row_to_json FROM users u LIMIT 1) FROM json_populate_record(NULL::plain, '{}') u", "function_not_allowed", ""},
		{"SELECT (SELECT u.to_jsonb FROM users u LIMIT 1) FROM json_populate_record(NULL::plain, '{}') u", "function_not_allowed", ""},
		{"SELECT u.to_json FROM users u", "function_not_allowed", ""},
		{"SELECT (SELECT u.id FROM users u LIMIT 1), u.label FROM json_populate_record(NULL::plain, '{\"label\": \"x\"}') u", "ok", "1,x"},
		{"SELECT (SELECT p.label FROM users u WHERE u.id = 1) FROM plain p ORDER BY p.id", "ok", "one; two; three"},
		{"UPDATE users SET note = 'x' FROM json_populate_record(NULL::plain, '{}') f WHERE users.id = 1 RETURNING old", "statement_not_allowed", ""},
		{"UPDATE users SET note = 'x' FROM json_populate_record(NULL::plain, '{}') f WHERE users.id = 1 RETURNING (new).email", "statement_not_allowed", ""},
		{"UPDATE users SET note = 'x' WHERE users.id = 1 RETURNING old.email", "statement_not_allowed", ""},
	})
}
