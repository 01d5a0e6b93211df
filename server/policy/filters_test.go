package policy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

var tenantFilter = []policy.Filter{
	{Table: "orders", Predicate: "tenant_id = 42"},
	{Table: "events", Predicate: "tenant_id = 42"},
}

func TestHiddenRowsAreNeverReached(t *testing.T) {
	_, catalog := database(t)
	enforce(t, compile(t, policy.Profile{Filters: tenantFilter}, catalog), []effect{
		{"SELECT id FROM orders ORDER BY id", "ok", "10; 11; 12"},
		{"SELECT * FROM orders WHERE id = 10", "ok", "10,42,1,5,pen"},
		{"SELECT o.item FROM public.orders o WHERE o.id IN (10, 20)", "ok", "pen"},
		{"SELECT public.orders.id FROM public.orders WHERE public.orders.id > 11", "ok", "12"},
		{"SELECT count(*), sum(amount) FROM orders", "ok", "3,13"},
		{"SELECT u.name, o.item FROM users u LEFT JOIN orders o ON o.user_id = u.id ORDER BY u.id", "ok", "ann,pen; bob,ink; cyd,∅"},
		{"SELECT o.id, p.id FROM orders o FULL JOIN orders p ON p.id = o.id + 10 ORDER BY 1, 2", "ok", "10,∅; 11,∅; 12,∅; ∅,10; ∅,11; ∅,12"},
		{"SELECT a FROM orders AS x(a, b) WHERE b > 0 ORDER BY a", "ok", "10; 11; 12"},
		{"SELECT id FROM ONLY orders TABLESAMPLE BERNOULLI (100) ORDER BY id", "ok", "10; 11; 12"},
		{"SELECT 1 / amount::int FROM orders WHERE id = 12", "ok", "1"},
		{"SELECT id FROM orders WHERE 1 / amount > 0.5", "ok", "12"},
		{"SELECT id FROM orders o WHERE (SELECT 1 / o.amount) > 0.5", "ok", "12"},
		{"SELECT y FROM (SELECT 10 / amount AS y FROM orders) s WHERE y > 9", "ok", "10.0000000000000000"},
		{"SELECT p.label FROM plain p JOIN orders o ON o.user_id = p.user_id AND 1 / o.amount > 0 ORDER BY p.id", "ok", "one; two"},
		{"WITH c AS (SELECT * FROM orders) SELECT count(*) FROM c", "ok", "3"},
		{"WITH RECURSIVE r AS (SELECT id FROM orders WHERE id = 10 UNION ALL SELECT o.id FROM orders o JOIN r ON o.id = r.id + 1) SELECT id FROM r ORDER BY 1", "ok", "10; 11; 12"},
		{"SELECT name FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id) ORDER BY id", "ok", "ann; bob"},
		{"SELECT name FROM users WHERE id NOT IN (SELECT user_id FROM orders WHERE user_id IS NOT NULL)", "ok", "cyd"},
		{"SELECT (SELECT max(id) FROM orders)", "ok", "12"},
		{"SELECT id FROM orders INTERSECT SELECT id FROM orders WHERE id > 11", "ok", "12"},
		{"WITH orders AS (SELECT 1 AS one) SELECT * FROM orders", "ok", "1"},
		{"SELECT item FROM orders WHERE id = 11 FOR UPDATE", "ok", "ink"},
		{"SELECT o FROM orders o WHERE id = 11", "ok", "(11,42,2,7,ink)"},
		{"UPDATE orders SET item = 'x' WHERE id > 10 RETURNING id", "ok", "11; 12"},
		{"UPDATE orders AS o SET item = 'x' WHERE 1 / o.amount > 0.15 RETURNING o.id", "ok", "10; 12"},
		{"UPDATE orders SET item = p.label FROM plain p WHERE p.user_id = orders.user_id RETURNING orders.id, item", "ok", "10,one; 11,two"},
		{"UPDATE plain SET label = o.item FROM orders o WHERE o.user_id = plain.user_id RETURNING label", "ok", "pen; ink"},
		{"DELETE FROM orders WHERE id < 100 OR id = 3 RETURNING id", "ok", "10; 11; 12"},
		{"DELETE FROM plain USING orders o WHERE o.user_id = plain.user_id RETURNING plain.id", "ok", "1; 2"},
		{"WITH d AS (DELETE FROM orders WHERE id > 0 RETURNING id) SELECT count(*) FROM d", "ok", "3"},
		{"INSERT INTO plain (id, label) SELECT id, item FROM orders WHERE id > 10 RETURNING label", "ok", "ink; cap"},
		{"MERGE INTO plain p USING orders o ON p.user_id = o.user_id WHEN MATCHED THEN UPDATE SET label = o.item", "ok", ""},
		{"SELECT body FROM events", "ok", "ok"},
		{"SELECT body FROM events_rest", "ok", ""},
		{"SELECT body FROM events_42", "ok", "ok"},
		{"SELECT n, total FROM sales", "ok", "3,13"},

		{"MERGE INTO orders o USING plain p ON p.id = o.id WHEN MATCHED THEN DELETE", "row_filter_unsafe", ""},
		{"UPDATE orders SET item = 'x' WHERE CURRENT OF c", "row_filter_unsafe", ""},
		{"EXPLAIN SELECT * FROM orders", "row_filter_unsafe", ""},
		{"EXPLAIN ANALYZE SELECT * FROM orders", "row_filter_unsafe", ""},
		{"CREATE VIEW w AS SELECT * FROM orders", "row_filter_unsafe", ""},
		{"CREATE UNIQUE INDEX ON orders (item)", "row_filter_unsafe", ""},
		{"ALTER TABLE orders ADD CHECK (amount > 0)", "row_filter_unsafe", ""},
		{"CREATE TABLE child () INHERITS (orders)", "row_filter_unsafe", ""},
	})
}

func TestMasksAndFiltersCompose(t *testing.T) {
	_, catalog := database(t)
	e := compile(t, policy.Profile{
		Masks:   []policy.Mask{{Table: "orders", Column: "item", Kind: policy.Redact}},
		Filters: []policy.Filter{{Table: "orders", Predicate: "item IN ('pen', 'ink') AND EXISTS (SELECT FROM users WHERE users.id = user_id)"}},
	}, catalog)
	enforce(t, e, []effect{
		{"SELECT id, item FROM orders ORDER BY id", "ok", "10,[redacted]; 11,[redacted]"},
		{"UPDATE orders SET amount = amount + 1 WHERE id > 0 RETURNING *", "ok", "10,42,1,6,[redacted]; 11,42,2,8,[redacted]"},
		{"SELECT id FROM orders WHERE item = 'pen'", "masked_column_predicate", ""},
	})
	if d := e.Evaluate("SELECT item FROM orders"); d.Verdict != policy.RowFilter || d.Statements[0].Outputs[0] != policy.Redact {
		t.Errorf("verdict %s, outputs %v", d.Verdict, d.Statements[0].Outputs)
	}
}

func TestParametersKeepTheirNumbers(t *testing.T) {
	conn, catalog := database(t)
	e := compile(t, policy.Profile{Filters: tenantFilter}, catalog)
	d := e.Evaluate("SELECT id FROM orders WHERE id > $2 AND user_id = $1")
	var id int
	if err := conn.QueryRow(context.Background(), d.SQL, 2, 5).Scan(&id); err != nil || id != 11 {
		t.Fatalf("%s: id %d, %v", d.SQL, id, err)
	}
}

func TestAFilterIsFencedOnlyFromWhatCanFail(t *testing.T) {
	conn, catalog := database(t)
	e := compile(t, policy.Profile{Filters: tenantFilter}, catalog)
	ctx := context.Background()
	if _, err := conn.Exec(ctx, "SET enable_seqscan = off; SET enable_bitmapscan = off"); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = conn.Exec(ctx, "RESET enable_seqscan; RESET enable_bitmapscan") }()
	for sql, fenced := range map[string]bool{
		"SELECT item FROM orders WHERE user_id = 1":                                   false,
		"SELECT lower(item), 1 / amount FROM orders WHERE user_id IN (1, 2)":          false,
		"SELECT item FROM orders WHERE item = 'pen' AND user_id BETWEEN 1 AND 3":      false,
		"SELECT o.item FROM orders o JOIN users u ON u.id = o.user_id ORDER BY o.id":  false,
		"SELECT item FROM orders WHERE amount = 5":                                    true, // numeric_eq is not leakproof
		"SELECT item FROM orders WHERE item LIKE 'p%'":                                true,
		"SELECT item FROM orders WHERE user_id = 1 / id":                              true,
		"SELECT item FROM orders WHERE random() < 2":                                  true,
		"SELECT x FROM (SELECT 1 / amount AS x FROM orders) s WHERE x IS NOT NULL":    true,
		"SELECT item FROM orders WHERE item::date = '2020-01-01' AND user_id IS NULL": true,
	} {
		rewritten := fence(t, e, sql, fenced)
		_, plan := run(t, conn, "EXPLAIN "+rewritten)
		if !strings.Contains(plan, "orders_tenant") {
			t.Errorf("%s\n  does not use the index on the filter's column:\n%s", rewritten, plan)
		}
	}
}

// fence is the rewritten text of a permitted statement, whose filter is fenced
// as wanted.
func fence(t *testing.T, e *policy.Engine, sql string, fenced bool) string {
	t.Helper()
	d := e.Evaluate(sql)
	if d.Rule != "ok" {
		t.Errorf("%s: %s", sql, d.Reason)
	} else if got := strings.Contains(d.SQL, "OFFSET 0"); got != fenced {
		t.Errorf("fenced %v, want %v: %s", got, fenced, d.SQL)
	}
	return d.SQL
}

// Texts of two collations fail to compare, where neither is the database's: for
// a hidden row as well, unless the filter comes first.
func TestTextsOfTwoCollationsAreFenced(t *testing.T) {
	conn, catalog := database(t)
	e := compile(t, policy.Profile{Filters: []policy.Filter{{Table: "codes", Predicate: "tenant_id = 42 OR upper(lower(name)) = 'ZZ'"}}}, catalog)
	for sql, fenced := range map[string]bool{
		"SELECT id FROM codes WHERE c = 'x' AND posix <> name AND c BETWEEN 'a' AND name":                   false,
		"SELECT id FROM codes WHERE posix = c":                                                              true,
		"SELECT id FROM codes WHERE id = 1 AND posix IN ('x', c)":                                           true,
		"SELECT id FROM codes WHERE posix IS DISTINCT FROM c":                                               true,
		"SELECT id FROM codes WHERE posix IN (SELECT c FROM codes)":                                         true,
		"SELECT id FROM codes WHERE (CASE c WHEN posix THEN id ELSE 2 END) = 1":                             true,
		"SELECT o.id FROM codes JOIN (SELECT id, posix AS c FROM codes) AS o USING (c)":                     true,
		"SELECT id FROM (SELECT id, c FROM codes UNION ALL SELECT id, posix FROM codes) AS o WHERE c = 'x'": true,
	} {
		rewritten := fence(t, e, sql, fenced)
		if seen, rows := run(t, conn, rewritten); strings.Contains(seen, "collation") || rows != "" {
			t.Errorf("%s\n  tells of a hidden row: %s", rewritten, seen)
		}
	}
}

func TestTheFamiliesOfTheFenceAreLeakproofInPostgreSQL(t *testing.T) {
	conn, _ := database(t)
	rows, err := conn.Query(context.Background(), `SELECT oprleft::regtype || ' ' || oprname || ' ' || oprright::regtype
		FROM pg_operator o JOIN pg_proc p ON p.oid = oprcode
		WHERE oprname IN ('=', '<>', '<', '<=', '>', '>=') AND NOT proleakproof AND
			(oprleft = oprright AND oprleft IN (16, 25, 26, 1042, 2950, 1082, 1114, 1184) OR
			oprleft IN (20, 21, 23) AND oprright IN (20, 21, 23))`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var operator string
		_ = rows.Scan(&operator)
		t.Errorf("%s is not leakproof", operator)
	}
}

func TestPredicatesMustBind(t *testing.T) {
	_, catalog := database(t)
	for predicate, want := range map[string]string{
		"tenant = 42":             "row_filters[0].predicate: table \"orders\" has no column \"tenant\"",
		"users.tenant_id = 42":    "has no column \"users.tenant_id\"",
		"tenant_id = $1":          "row_filters[0].predicate: parameters cannot be used",
		"true) UNION SELECT (1":   "row_filters[0].predicate: ",
		"true) ORDER BY (1":       "balanced parentheses",
		"true; DROP TABLE orders": "row_filters[0].predicate: ",
		"tenant_id =":             "row_filters[0].predicate: ",
		"":                        "row_filters[0].predicate: ",
		"count(*) > 1":            "aggregates",
		"tenant_id IN (SELECT nowhere FROM plain)":   "has no column \"nowhere\"",
		"id IN (SELECT id FROM plain AS pgbeam_row)": "uses the name",
	} {
		_, err := policy.Compile(policy.Profile{Filters: []policy.Filter{{Table: "orders", Predicate: predicate}}}, catalog)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", predicate, err, want)
		}
	}
	for _, predicate := range []string{"tenant_id = 42 -- mine", "orders.tenant_id = 42", "public.orders.tenant_id = 42",
		"tenant_id = current_setting('pgbeam.tenant')::int", "user_id IN (SELECT id FROM users WHERE name = item)"} {
		if _, err := policy.Compile(policy.Profile{Filters: []policy.Filter{{Table: "orders", Predicate: predicate}}}, catalog); err != nil {
			t.Errorf("%q: %v", predicate, err)
		}
	}
}
