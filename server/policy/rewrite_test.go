package policy

import (
	"strings"
	"testing"
)

// TestOrdinarySyntaxSurvivesRewriting: whatever else a statement uses, having a
// filtered table in it must neither change nor refuse it.
func TestOrdinarySyntaxSurvivesRewriting(t *testing.T) {
	e, err := Compile(Profile{Filters: []Filter{{"orders", "tenant_id = 42"}}}, smallCatalog())
	if err != nil {
		t.Fatal(err)
	}
	expressions := []string{
		"date '1994-01-01' + interval '1' year", "interval '90' day", "interval '1 day 2 hours'", "interval(3) '1s'", "extract(year FROM now())",
		"substring(item FROM 1 FOR 2)", "substring(item, 1, 2)", "position('a' IN item)", "trim(BOTH 'x' FROM item)", "trim(item)", "overlay(item PLACING 'a' FROM 1)",
		"item::bpchar", "item::char(3)", "item::varchar(10)", "item::character varying", "id::bigint", "id::numeric(10,2)", "id::float8", "id::real",
		"now() AT TIME ZONE 'UTC'", "now()::timestamp(3)", "now()::timestamptz", "now()::time with time zone", "current_date", "current_timestamp(3)", "localtime",
		"item LIKE 'a!%' ESCAPE '!'", "item NOT ILIKE 'a%'", "item SIMILAR TO 'a|b'", "item ~* 'x'", "item COLLATE \"C\"",
		"ARRAY[[1,2],[3,4]]", "'{1,2}'::int[]", "id = ANY (ARRAY[1,2])", "id = ANY ($1)", "id <> ALL ($1::int[])",
		"'{\"a\":1}'::jsonb -> 'a' ->> 'b'", "'{}'::jsonb @> '{}'", "'{}'::json #>> '{a,b}'", "jsonb_build_object('a', id)",
		"CASE id WHEN 1 THEN 'a' ELSE 'b' END", "CASE WHEN id > 1 THEN 1 END", "coalesce(item, 'x')", "nullif(id, 0)", "greatest(id, 1)",
		"id IS DISTINCT FROM 1", "id IS NOT DISTINCT FROM 1", "id BETWEEN SYMMETRIC 1 AND 2", "id NOT BETWEEN 1 AND 2", "(id, tenant_id) = (1, 2)", "ROW(id, item)",
		"id IN (1, 2)", "id NOT IN (SELECT id FROM plain)", "(id, item) IN (SELECT id, label FROM plain)", "EXISTS (SELECT 1)", "id > ALL (SELECT 1)",
		"- id", "+ id", "@ id", "id % 2", "2 ^ id", "id || 'x'", "NOT (id > 1 AND id < 3 OR id = 5)", "(id > 1) IS TRUE", "item IS NULL", "true AND (false OR NULL)",
		"count(*)", "count(DISTINCT item)", "string_agg(item, ',' ORDER BY id DESC NULLS LAST)", "sum(id) FILTER (WHERE id > 1)",
		"percentile_cont(0.5) WITHIN GROUP (ORDER BY id)", "array_agg(id ORDER BY item)",
		"rank() OVER (PARTITION BY item ORDER BY id)", "sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
		"sum(id) OVER (ORDER BY id RANGE UNBOUNDED PRECEDING EXCLUDE TIES)", "lag(id) OVER w",
		"E'a\\nb'", "U&'\\0061'", "B'101'", "X'1F'", "1e10", "1.50", "-1", "'it''s'", "$$x$$", "\"id\"", "1_000",
		"f(a => 1)", "pg_catalog.lower(item)", "(SELECT max(id) FROM plain)", "ARRAY(SELECT id FROM plain)", "id::text::varchar", "bool 'true'", "timestamp '2020-01-01'", "time '10:00'",
		"xmlelement(name a, 'x')", "('2020-01-01'::date, '2021-01-01'::date) OVERLAPS ('2020-01-01'::date, '2021-01-01'::date)", "item IS NORMALIZED", "normalize(item)",
		"grouping(id)", "json_object('a': 1)", "json_array(1, 2)", "'a' IS JSON", "id::oid::regclass", "\"char\" 'a'", "b'1'::bit(3)", "id::bit(4)", "item::name", "'1'::money",
	}
	var refused []string
	try := func(sql string) {
		tree, err := parse(sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			return
		}
		s := read(tree.Stmts[0].Stmt, sql)
		e.resolve(s, newBatch())
		if r := e.rewriters[0].rewrite(s); r != nil {
			refused = append(refused, sql+": "+r.rule)
		}
	}
	for _, x := range expressions {
		try("SELECT " + x + " AS x FROM orders WINDOW w AS (ORDER BY id)")
	}
	for _, sql := range []string{
		"SELECT item, sum(id) FROM orders GROUP BY item HAVING sum(id) > 1 ORDER BY 2 DESC NULLS FIRST LIMIT 10 OFFSET 5",
		"SELECT id FROM orders ORDER BY id FETCH FIRST 3 ROWS WITH TIES", "SELECT DISTINCT item FROM orders", "SELECT DISTINCT ON (item) item, id FROM orders ORDER BY item",
		"SELECT item FROM orders GROUP BY ROLLUP (item, id)", "SELECT item FROM orders GROUP BY GROUPING SETS ((item), ())", "SELECT item FROM orders GROUP BY CUBE (item)",
		"SELECT id FROM orders UNION (SELECT id FROM plain EXCEPT ALL SELECT 1) ORDER BY 1", "(SELECT id FROM orders LIMIT 1) UNION ALL (SELECT id FROM orders LIMIT 1)",
		"SELECT * FROM orders o, LATERAL (SELECT * FROM plain p WHERE p.id = o.id) l", "SELECT * FROM orders CROSS JOIN plain", "SELECT * FROM orders JOIN plain USING (id)",
		"SELECT * FROM orders FULL OUTER JOIN plain ON true", "SELECT * FROM (orders JOIN plain USING (id)) AS j", "SELECT * FROM orders NATURAL LEFT JOIN plain",
		"SELECT * FROM generate_series(1, 2) WITH ORDINALITY AS g(a, b), orders", "SELECT * FROM unnest(ARRAY[1], ARRAY[2]) AS u(a, b), orders",
		"SELECT * FROM json_to_recordset('[]') AS r(a int, b text), orders", "SELECT * FROM orders FOR UPDATE OF orders SKIP LOCKED", "SELECT * FROM orders FOR NO KEY UPDATE NOWAIT",
		"WITH a AS NOT MATERIALIZED (SELECT * FROM orders) SELECT * FROM a", "WITH RECURSIVE a(n) AS (SELECT 1 UNION SELECT n + 1 FROM a, orders WHERE n < 3) SELECT n FROM a",
		"VALUES (1, 'a'), ((SELECT max(id) FROM orders), NULL)", "TABLE orders", "SELECT FROM orders", "SELECT ALL id FROM orders", "SELECT orders.* FROM orders",
		"UPDATE orders SET (item, id) = (SELECT label, id FROM plain LIMIT 1) WHERE id = 1", "UPDATE orders SET (item, id) = ROW('a', 1) WHERE id = 1", "UPDATE orders SET item = DEFAULT WHERE id = $1",
		"DELETE FROM orders o USING plain p WHERE p.id = o.id OR o.id = 3", "UPDATE ONLY orders SET item = 'x' WHERE id IN (1) RETURNING id AS i",
		"INSERT INTO plain SELECT id, item FROM orders ON CONFLICT DO NOTHING", "INSERT INTO plain (id) SELECT id FROM orders ON CONFLICT ON CONSTRAINT c DO UPDATE SET label = excluded.label",
		"DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT * FROM orders", "CREATE TEMP TABLE x ON COMMIT DROP AS SELECT * FROM orders", "SELECT * INTO TEMP x FROM orders",
		"SELECT l_returnflag, sum(l.x * (1 - l.y) * (1 + l.y)) FROM (SELECT item AS l_returnflag, id AS x, id AS y FROM orders) AS l GROUP BY l_returnflag",
		"SELECT 100.00 * sum(CASE WHEN item LIKE 'PROMO%' THEN id * (1 - id) ELSE 0 END) / sum(id) FROM orders WHERE tenant_id >= 1 AND tenant_id < 1 + 1",
	} {
		try(sql)
	}
	if len(refused) > 0 {
		t.Errorf("%d refused:\n%s", len(refused), strings.Join(refused, "\n"))
	}
}

// The deparser leaves out the brackets of (ARRAY[…])[2], which makes it another
// expression.
func TestBracketsSurviveRewriting(t *testing.T) {
	e, err := Compile(Profile{Filters: []Filter{{"orders", "tenant_id = (ARRAY[41, 42])[2]"}}}, smallCatalog())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []string{"(ARRAY[1, 2])[2]", "(CASE WHEN true THEN ARRAY[1] END)[1]", "(COALESCE(ARRAY[1], ARRAY[2]))[1:1]", "(GREATEST(ARRAY[1], ARRAY[2]))[1]",
		"((ARRAY[ARRAY[1]])[1:1])[1]", "(SELECT ARRAY[1])[1]", "($1)[1]", "(string_to_array(item, ','))[1]", "ARRAY[(ARRAY[1])[1]]",
		"(ARRAY(SELECT 1))[1]", "(xmlelement(name a)).x", "(NOT true)[1]", "(item COLLATE \"C\")[1]", "('{1}')[1]", "(item IS NULL).x", "(current_date).x", "(item AT TIME ZONE 'UTC').x", "(json_array(1)).x"} {
		d := e.Evaluate("SELECT " + x + " FROM orders")
		if d.Rule != "ok" || !strings.Contains(d.SQL, "tenant_id = (ARRAY[41, 42])[2]") {
			t.Errorf("%s: %s, %s", x, d.Reason, d.SQL)
		}
	}
}

// A comment that ended a statement took the semicolon behind it along.
func TestACommentBeforeASemicolonStaysInItsStatement(t *testing.T) {
	e := mustCompile(t, Profile{RollBack: true}, nil)
	d := e.Evaluate("SELECT 1 -- one\n; COMMIT -- two")
	if d.Rule != "ok" || len(d.Statements) != 2 {
		t.Fatalf("%s: %s", d.Rule, d.Reason)
	}
	tree, err := parse(d.SQL)
	if err != nil || len(tree.Stmts) != 2 {
		t.Fatalf("runs as %q: %v", d.SQL, err)
	}
}
