package policy_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

var usersMasks = []policy.Mask{
	{Table: "users", Column: "email", Kind: policy.Redact},
	{Table: "users", Column: "phone", Kind: policy.Redact},
	{Table: "users", Column: "ssn", Kind: policy.Hash},
	{Table: "users", Column: "tags", Kind: policy.Redact},
	{Table: "users", Column: "born", Kind: policy.Null},
}

// effect is one case: the rule, and for what is permitted the exact rows that
// come back.
type effect struct{ sql, rule, rows string }

func enforce(t *testing.T, e *policy.Engine, cases []effect) {
	t.Helper()
	conn, _ := database(t)
	for _, c := range cases {
		d := e.Evaluate(c.sql)
		if d.Rule != c.rule {
			t.Errorf("%s\n  rule %s (%s), want %s", c.sql, d.Rule, d.Reason, c.rule)
			continue
		}
		if leaked(d.Reason + d.Hint) {
			t.Errorf("%s\n  the refusal tells: %s", c.sql, d.Reason)
		}
		if d.Verdict == policy.Block {
			continue
		}
		seen, rows := run(t, conn, d.SQL, d.Statements[len(d.Statements)-1].HideDetail)
		if leaked(seen) {
			t.Errorf("%s\n  leaks through %s:\n  %s", c.sql, d.SQL, seen)
		}
		if rows != c.rows {
			t.Errorf("%s\n  as %s\n  gives %s\n  want  %s (received %s)", c.sql, d.SQL, rows, c.rows, seen)
		}
	}
}

func TestMaskedColumnsStandInSelectListsOnly(t *testing.T) {
	_, catalog := database(t)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT email FROM users ORDER BY id", "ok", "[redacted]; [redacted]; ∅"},
		{"SELECT email AS name FROM users ORDER BY id", "ok", "[redacted]; [redacted]; ∅"},
		{"SELECT u.email, u.id FROM users u ORDER BY u.id", "ok", "[redacted],1; [redacted],2; ∅,3"},
		{"SELECT public.users.email FROM public.users WHERE public.users.id = 1", "ok", "[redacted]"},
		{"SELECT phone FROM users WHERE id = 1", "ok", "[redacted]"},
		{"SELECT born, tags FROM users WHERE id = 1", "ok", "∅,∅"},
		{"SELECT * FROM users WHERE id = 3", "ok", "3,cyd,∅,[redacted],∅,∅,∅,∅"},
		{"TABLE users ORDER BY id LIMIT 1 OFFSET 2", "ok", "3,cyd,∅,[redacted],∅,∅,∅,∅"},
		{"SELECT u.* FROM plain p JOIN users u ON u.id = p.user_id WHERE p.id = 1 AND false", "ok", ""},
		{"SELECT s.x FROM (SELECT email AS x FROM users WHERE id = 1) s", "ok", "[redacted]"},
		{"WITH c AS (SELECT email FROM users WHERE id = 1) SELECT * FROM c", "ok", "[redacted]"},
		{"WITH c AS MATERIALIZED (SELECT * FROM users WHERE id = 1) SELECT email FROM c", "ok", "[redacted]"},
		{"SELECT email FROM users WHERE id = 1 UNION ALL SELECT label FROM plain WHERE id = 1", "ok", "[redacted]; one"},
		{"SELECT email FROM users WHERE id < 3 UNION SELECT email FROM users WHERE id < 3", "ok", "[redacted]"},
		{"SELECT p.label, x.email FROM plain p, LATERAL (SELECT email FROM users u WHERE u.id = p.user_id) x ORDER BY p.id", "ok", "one,[redacted]; two,[redacted]"},
		{"SELECT p.label, u.email FROM plain p LEFT JOIN users u ON u.id = p.user_id ORDER BY p.id", "ok", "one,[redacted]; two,[redacted]; three,∅"},
		{"SELECT (SELECT email FROM users u WHERE u.id = p.user_id) FROM plain p ORDER BY id", "ok", "∅; ∅; ∅"},
		{"SELECT count(*) FROM users", "ok", "3"},
		{"SELECT EXISTS (SELECT * FROM users WHERE id = 1)", "ok", "t"},
		{"SELECT u.id, u.name, count(*) FROM users u GROUP BY u.id ORDER BY 1 LIMIT 1", "ok", "1,ann,1"},
		{"SELECT email FROM ONLY users TABLESAMPLE BERNOULLI (100) WHERE id = 1", "ok", "[redacted]"},
		{"SELECT p.email, p.mail FROM people p WHERE p.id = 1", "ok", "[redacted],∅"},
		{"SELECT id AS email FROM users ORDER BY email LIMIT 1", "ok", "1"},
		{"SELECT name FROM users WHERE id IN (SELECT user_id FROM plain) ORDER BY id", "ok", "ann; bob"},
		{"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n, email FROM r JOIN users ON id = n ORDER BY n", "ok", "1,[redacted]; 2,[redacted]; 3,∅"},
		{"INSERT INTO users (id, name, email) VALUES (9, 'z', 'q') RETURNING email, id", "ok", "[redacted],9"},
		{"INSERT INTO users (id, name, email) VALUES (1, 'z', 'q') ON CONFLICT (id) DO UPDATE SET email = excluded.email RETURNING email", "ok", "[redacted]"},
		{"UPDATE users SET email = 'q' WHERE id = 1 RETURNING *", "ok", "1,ann,[redacted],[redacted],cc051d1baf403a319c82e54d8f664f80501227f5f404650a6991eeddf1dde843,∅,∅,n1"},
		{"UPDATE users u SET note = p.label FROM plain p WHERE p.user_id = u.id AND u.id = 2 RETURNING u.email, p.label", "ok", "[redacted],two"},
		{"DELETE FROM plain p USING users u WHERE u.id = p.user_id AND u.id = 1 RETURNING u.email", "ok", "[redacted]"},
		{"WITH d AS (UPDATE users SET note = 'x' WHERE id = 1 RETURNING email AS e) SELECT e FROM d", "ok", "[redacted]"},
		{"SELECT email FROM users WHERE id = 1 FOR UPDATE", "ok", "[redacted]"},

		{"SELECT lower(email) FROM users", "masked_column_expression", ""},
		{"SELECT email || '' FROM users", "masked_column_expression", ""},
		{"SELECT email::text FROM users", "masked_column_expression", ""},
		{"SELECT u FROM users u", "masked_column_expression", ""},
		{"SELECT row_to_json(u) FROM users u", "masked_column_expression", ""},
		{"SELECT (u).email FROM users u", "masked_column_expression", ""},
		{"SELECT count(email) FROM users", "masked_column_expression", ""},
		{"SELECT count(u.*) FROM users u", "masked_column_expression", ""},
		{"SELECT ARRAY(SELECT email FROM users)", "masked_column_expression", ""},
		{"SELECT x || '' FROM (SELECT email AS x FROM users) s", "masked_column_expression", ""},
		{"VALUES ((SELECT email FROM users LIMIT 1))", "masked_column_expression", ""},
		{"SELECT CASE WHEN email LIKE 'S%' THEN 1 END FROM users", "masked_column_expression", ""},
		{"SELECT max(s.e) FROM (SELECT (SELECT email FROM users LIMIT 1) AS e) s", "masked_column_expression", ""},
		{"SELECT id FROM users WHERE email LIKE 'S%'", "masked_column_predicate", ""},
		{"SELECT id FROM users WHERE users.email = 'x'", "masked_column_predicate", ""},
		{"SELECT id FROM users WHERE public.users.email = 'x'", "masked_column_predicate", ""},
		{"SELECT id FROM users u WHERE u IS NOT NULL", "masked_column_predicate", ""},
		{"SELECT id FROM users ORDER BY email", "masked_column_predicate", ""},
		{"SELECT email FROM users ORDER BY 1", "masked_column_predicate", ""},
		{"SELECT email AS x FROM users ORDER BY x", "masked_column_predicate", ""},
		{"SELECT DISTINCT email FROM users", "masked_column_predicate", ""},
		{"SELECT DISTINCT ON (email) id FROM users", "masked_column_predicate", ""},
		{"SELECT email FROM users GROUP BY email", "masked_column_predicate", ""},
		{"SELECT email FROM users GROUP BY 1", "masked_column_predicate", ""},
		{"SELECT 1 FROM users GROUP BY ROLLUP (email)", "masked_column_predicate", ""},
		{"SELECT 1 FROM users HAVING min(email) > 'a'", "masked_column_predicate", ""},
		{"SELECT rank() OVER (ORDER BY email) FROM users", "masked_column_predicate", ""},
		{"SELECT rank() OVER w FROM users WINDOW w AS (PARTITION BY email)", "masked_column_predicate", ""},
		{"SELECT 1 FROM users u JOIN plain p ON p.label = u.email", "masked_column_predicate", ""},
		{"SELECT 1 FROM users JOIN users v USING (email)", "masked_column_predicate", ""},
		{"SELECT 1 FROM users NATURAL JOIN (SELECT id, label AS email FROM plain) p", "masked_column_predicate", ""},
		{"SELECT 1 FROM plain WHERE label IN (SELECT email FROM users)", "masked_column_predicate", ""},
		{"SELECT 1 FROM plain p WHERE EXISTS (SELECT 1 FROM users u WHERE u.email = p.label)", "masked_column_predicate", ""},
		{"SELECT x FROM (SELECT email AS x FROM users) s WHERE x = 'a'", "masked_column_predicate", ""},
		{"WITH c AS (SELECT * FROM users) SELECT 1 FROM c ORDER BY email", "masked_column_predicate", ""},
		{"SELECT id FROM people WHERE mail = 'x'", "masked_column_predicate", ""},
		{"UPDATE users SET note = 'x' WHERE email = 'a'", "masked_column_predicate", ""},
		{"DELETE FROM users WHERE email = 'a'", "masked_column_predicate", ""},
		{"UPDATE users SET note = email WHERE id = 1", "masked_column_expression", ""},
		{"UPDATE users SET note = 'x' WHERE id = 1 RETURNING lower(email)", "masked_column_expression", ""},
		{"INSERT INTO plain (id, label) SELECT id, email FROM users", "masked_column_expression", ""},
		{"INSERT INTO plain (id, label) SELECT * FROM (SELECT id, email FROM users) s", "masked_column_expression", ""},
		{"CREATE TABLE t AS SELECT email FROM users", "masked_column_expression", ""},
		{"SELECT email INTO t FROM users", "masked_column_expression", ""},
		{"CREATE VIEW w AS SELECT email FROM users", "masked_column_expression", ""},
		{"CREATE INDEX ON users (email)", "masked_column_expression", ""},
		{"CREATE INDEX ON users (id) WHERE email = 'x'", "masked_column_expression", ""},
		{"ALTER TABLE users RENAME COLUMN email TO e", "statement_not_allowed", ""},
		{"ALTER TABLE users RENAME TO u2", "statement_not_allowed", ""},
		{"ALTER TABLE users ADD CHECK (email <> 'x')", "masked_column_expression", ""},
		{"SELECT * FROM users AS u(a, b, c)", "masked_column_rename", ""},
		{"SELECT c FROM (SELECT email FROM users) AS s(c)", "masked_column_rename", ""},
		{"WITH c(x) AS (SELECT email FROM users) SELECT x FROM c", "masked_column_rename", ""},
		{"SELECT u.lower FROM plain u", "function_not_allowed", ""},
	})
}

// PostgreSQL quotes the whole row when a write breaks a constraint.
func TestFailingRowsAreNotQuoted(t *testing.T) {
	conn, catalog := database(t)
	e := compile(t, policy.Profile{Masks: usersMasks}, catalog)
	d := e.Evaluate("UPDATE users SET name = NULL WHERE id = 1")
	if d.Rule != "ok" || !d.Statements[0].HideDetail {
		t.Fatalf("rule %s, detail hidden %v", d.Rule, d.Statements[0].HideDetail)
	}
	if seen, _ := run(t, conn, d.SQL); !leaked(seen) {
		t.Error("PostgreSQL no longer quotes the failing row: the wire need not hide its DETAIL")
	}
	if seen, _ := run(t, conn, d.SQL, true); leaked(seen) {
		t.Errorf("without DETAIL: %s", seen)
	}
}

func TestOutputsNameMaskedPositions(t *testing.T) {
	_, catalog := database(t)
	e := compile(t, policy.Profile{Masks: usersMasks}, catalog)
	for sql, want := range map[string]string{
		"SELECT id, email, ssn FROM users":                                                                           "map[1:redact 2:hash]",
		"SELECT * FROM users":                                                                                        "map[2:redact 3:redact 4:hash 5:redact 6:null]",
		"SELECT * FROM plain p JOIN users u USING (id)":                                                              "map[4:redact 5:redact 6:hash 7:redact 8:null]",
		"SELECT 1, s.* FROM generate_series(1, 2) g, (SELECT ssn FROM users) s":                                      "map[1:hash]",
		"SELECT id FROM users":                                                                                       "map[]",
		"SELECT (SELECT email FROM users LIMIT 1)":                                                                   "map[0:null]",
		"SELECT email FROM users UNION ALL SELECT ssn FROM users":                                                    "map[0:null]",
		"UPDATE users SET note = 'x' WHERE id = 1 RETURNING id, born":                                                "map[1:null]",
		"EXPLAIN SELECT email FROM users":                                                                            "map[]",
		"SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b']) WITH ORDINALITY AS t(n, w, o), users u":                  "map[5:redact 6:redact 7:hash 8:redact 9:null]",
		"SELECT * FROM unnest('{1}'::int[]) n JOIN users u ON u.id = n":                                              "map[3:redact 4:redact 5:hash 6:redact 7:null]",
		"SELECT * FROM jsonb_each_text('{}') e, jsonb_array_elements('[]') x, users":                                 "map[5:redact 6:redact 7:hash 8:redact 9:null]",
		"SELECT * FROM ROWS FROM (generate_series(1, 2), pg_timezone_names()) g, users":                              "map[7:redact 8:redact 9:hash 10:redact 11:null]",
		"SELECT * FROM plain p, unnest(string_to_array(p.label, '')) WITH ORDINALITY AS t(a, b) LIMIT 1":             "map[]",
		"SELECT * FROM plain t, unnest(ARRAY[t.id, 2], ARRAY['x', t.label], ARRAY[1::int4, NULL]) n(a, b, c), users": "map[8:redact 9:redact 10:hash 11:redact 12:null]",
		"DECLARE c CURSOR FOR SELECT id, email FROM users":                                                           "map[1:redact]",
		"WITH RECURSIVE r AS (SELECT id, note AS a, note AS b FROM users UNION ALL SELECT r.id, r.b, u.email FROM r, users u WHERE r.id < 0) SELECT a, b FROM r": "map[0:redact 1:redact]",
	} {
		d := e.Evaluate(sql)
		if d.Rule != "ok" {
			t.Errorf("%s: %s (%s)", sql, d.Rule, d.Reason)
		} else if got := fmt.Sprint(d.Statements[0].Outputs); got != want {
			t.Errorf("%s\n  outputs %s, want %s", sql, got, want)
		}
	}
}

// A sub-select in a select list, whose masked value is NULL, was called
// "?column?" where PostgreSQL calls it by its column.
func TestMaskedSubSelectsKeepTheirNames(t *testing.T) {
	conn, catalog := database(t)
	e := compile(t, policy.Profile{Masks: usersMasks}, catalog)
	names := func(sql string) []string {
		results, err := conn.PgConn().Exec(context.Background(), sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		var out []string
		for _, f := range results[0].FieldDescriptions {
			out = append(out, f.Name)
		}
		return out
	}
	for _, sql := range []string{
		"SELECT (SELECT email FROM users LIMIT 1)",
		"SELECT id, (SELECT u.ssn AS number FROM users u LIMIT 1) FROM plain",
		"SELECT (SELECT (SELECT email FROM users LIMIT 1))",
		"SELECT (SELECT email FROM users LIMIT 1) AS e",
		"SELECT * FROM (SELECT (SELECT email FROM users LIMIT 1)) s",
		"SELECT s.email FROM (SELECT (SELECT email FROM users LIMIT 1)) s",
	} {
		d := e.Evaluate(sql)
		if d.Rule != "ok" {
			t.Errorf("%s: %s (%s)", sql, d.Rule, d.Reason)
		} else if got, want := names(d.SQL), names(sql); !slices.Equal(got, want) {
			t.Errorf("%s\n  as %s\n  names %q, want %q", sql, d.SQL, got, want)
		}
	}
}

func TestDryEvaluationListsMaskedColumns(t *testing.T) {
	masks := []policy.Mask{{Table: "users", Column: "email", Kind: policy.Redact}, {Table: "users", Column: "ssn", Kind: policy.Hash}}
	e := compile(t, policy.Profile{Masks: masks}, nil)
	for sql, want := range map[string]string{
		"SELECT id FROM users":                         "[{email redact} {ssn hash}]",
		"SELECT email AS mail FROM users":              "[{email redact} {mail redact} {ssn hash}]",
		"SELECT (SELECT email FROM users) AS x FROM t": "[{email redact} {ssn hash} {x null}]",
		"SELECT * FROM public.users":                   "[{email redact} {ssn hash}]",
		"SELECT email FROM t":                          "[]",
	} {
		d := e.Evaluate(sql)
		if got := fmt.Sprint(d.MaskedColumns); d.Rule != "ok" || got != want {
			t.Errorf("%s\n  rule %s (%s), masked %s, want %s", sql, d.Rule, d.Reason, got, want)
		}
	}
	for sql, rule := range map[string]string{
		"SELECT lower(email) FROM users":                               "masked_column_expression",
		"SELECT 1 FROM users u, t WHERE email = 'x'":                   "masked_column_predicate",
		"SELECT s.id FROM (SELECT * FROM users) s WHERE s.email = 'x'": "masked_column_predicate",
		"SELECT u FROM users u":                                        "masked_column_expression",
		"SELECT * FROM users AS u(a, b)":                               "masked_column_rename",
	} {
		if d := e.Evaluate(sql); d.Rule != rule {
			t.Errorf("%s\n  rule %s, want %s", sql, d.Rule, rule)
		}
	}
}

// A partition's rules hold for the whole table too, since its rows show there.
func TestMasksFollowPartitionsAndDomains(t *testing.T) {
	catalog := extended(t, `CREATE DOMAIN word AS text CHECK (length(value) < 8); CREATE SCHEMA other;
		CREATE TABLE other.vault (id int, w word, n name, e varchar(3), p bpchar);
		INSERT INTO other.vault VALUES (1, 'SECRET', 'SECRET', 'x', 'SECRET')`)
	e := compile(t, policy.Profile{Masks: []policy.Mask{
		{Table: "events_rest", Column: "body", Kind: policy.Redact},
		{Table: "VAULT", Column: "W", Kind: policy.Redact}, {Table: "vault", Column: "n", Kind: policy.Hash},
		{Table: "vault", Column: "e", Kind: policy.Redact}, {Table: "other.vault", Column: "p", Kind: policy.Redact},
	}}, catalog)
	enforce(t, e, []effect{
		{"SELECT body FROM events ORDER BY id", "ok", "[redacted]; [redacted]"},
		{"SELECT body FROM events_rest", "ok", "[redacted]"},
		{"SELECT * FROM other.vault", "ok", "1,[redacted],∅,[redacted],[redacted]"},
		{"SELECT 1 FROM events WHERE body = 'x'", "masked_column_predicate", ""},
	})
}

// Names that a WITH clause takes from a table do not take its rules away.
func TestNamesOfTablesInWith(t *testing.T) {
	_, catalog := database(t)
	e := compile(t, policy.Profile{Masks: usersMasks, Filters: tenantFilter}, catalog)
	enforce(t, e, []effect{
		{"WITH users AS (SELECT * FROM users) SELECT email FROM users WHERE id = 1", "ok", "[redacted]"},
		{"WITH users AS (SELECT 'free' AS email) SELECT upper(email) FROM users", "ok", "FREE"},
		{"WITH users AS (SELECT 'free' AS email) SELECT upper(email) FROM public.users", "masked_column_expression", ""},
		{"WITH a AS (SELECT email FROM users), users AS (SELECT 'free' AS email) SELECT a.email FROM a, users LIMIT 1", "ok", "[redacted]"},
		{"SELECT (WITH orders AS (SELECT 1 AS id) SELECT id FROM orders), count(*) FROM orders", "ok", "1,3"},
		{"WITH orders AS (SELECT 20 AS id) DELETE FROM orders WHERE id > 0 RETURNING id", "ok", "10; 11; 12"},
		{"SELECT j.email FROM (users u JOIN plain p ON p.user_id = u.id) AS j (id, name, x)", "masked_column_rename", ""},
		{"SELECT j FROM (users u JOIN plain p ON p.user_id = u.id) AS j", "masked_column_expression", ""},
		{"SELECT u.email, o.item FROM users u JOIN orders o ON o.user_id = u.id AND 1 / o.amount > 0 ORDER BY o.id", "ok", "[redacted],pen; [redacted],ink"},
		{"CREATE TEMP TABLE mine AS SELECT * FROM orders; SELECT id FROM orders", "ok", "10; 11; 12"},
		{"SELECT email FROM users ORDER BY (SELECT 1)", "ok", "[redacted]; [redacted]; ∅"},
		{"SELECT u.email FROM users u ORDER BY u.email IS NULL", "masked_column_predicate", ""},
		{"SELECT array_agg(s) FROM (SELECT * FROM users) s", "masked_column_expression", ""},
		{"SELECT email(u) FROM users u", "function_not_allowed", ""},
		{"SELECT s.email FROM users u, LATERAL (SELECT u.email) s WHERE u.id = 1", "ok", "[redacted]"},
		{"SELECT v.c FROM users u, LATERAL (VALUES (u.email)) v(c)", "masked_column_expression", ""},
		{"SELECT x FROM users u, LATERAL unnest(u.tags) x", "masked_column_expression", ""},
		{"UPDATE users SET (note, name) = (SELECT email, 'x' FROM users LIMIT 1) WHERE id = 1", "masked_column_expression", ""},
		{"MERGE INTO users u USING plain p ON p.user_id = u.id WHEN MATCHED THEN UPDATE SET note = u.email", "masked_column_expression", ""},
		{"MERGE INTO users u USING plain p ON p.label = u.email WHEN MATCHED THEN DELETE", "masked_column_predicate", ""},
	})
}

// What a view computes from other columns is shown, whatever else it reads.
func TestAViewsOtherColumnsAreShown(t *testing.T) {
	catalog := extended(t, "CREATE VIEW cards AS SELECT id, upper(name) AS n, 1 AS one, email || '!' AS e, id::text || coalesce(phone, '') AS p FROM users WHERE ssn IS NULL OR ssn <> ''")
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT * FROM cards WHERE id = 1", "ok", "1,ANN,1,∅,∅"},
		{"SELECT id FROM cards WHERE n = 'BOB' AND one = 1", "ok", "2"},
		{"SELECT id FROM cards WHERE p = '1'", "masked_column_predicate", ""},
	})
}
