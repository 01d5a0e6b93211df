package policy

import (
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

func statementsOf(tree *pg.ParseResult) []*pg.Node {
	var list []*pg.Node
	for _, raw := range tree.GetStmts() {
		list = append(list, raw.Stmt)
	}
	return list
}

// writesUnchecked says whether something puts rows of its own into the table
// orders of smallCatalog, or changes which rows it shows, without the check in
// front of what it returns. It knows nothing of how rewriting works.
func writesUnchecked(m proto.Message) bool {
	orders := func(v *pg.RangeVar) bool {
		return v.GetRelname() == "orders" && (v.GetSchemaname() == "" || v.GetSchemaname() == "public")
	}
	unchecked := func(v *pg.RangeVar, returning []*pg.Node) bool {
		return orders(v) && (len(returning) == 0 || returning[0].GetResTarget().GetName() != checkColumn)
	}
	found := false
	switch n := m.(type) {
	case *pg.InsertStmt:
		found = unchecked(n.Relation, n.ReturningList)
	case *pg.UpdateStmt:
		for _, t := range n.TargetList {
			if name := t.GetResTarget().GetName(); name == "tenant_id" || name == "item" {
				found = found || unchecked(n.Relation, n.ReturningList)
			}
		}
	case *pg.MergeStmt:
		found = orders(n.Relation)
	}
	eachChild(m, func(_ string, child proto.Message) { found = found || writesUnchecked(child) })
	return found
}

// smallCatalog is enough of a schema to fuzz rewriting without a server.
func smallCatalog() *Catalog {
	c := &Catalog{SearchPath: []string{"public"}, Relations: make(map[RelationName]*Relation),
		Functions: make(map[RelationName][]Function), Types: map[uint32]TypeInfo{
			23: {OID: 23, Schema: "pg_catalog", Name: "int4", Category: 'N'},
			25: {OID: 25, Schema: "pg_catalog", Name: "text", Category: 'S'}}}
	add := func(name string, columns ...Column) {
		n := RelationName{"public", name}
		for i := range columns {
			columns[i].Number = int16(i + 1)
		}
		c.Relations[n] = &Relation{RelationName: n, Kind: 'r', Columns: columns}
	}
	add("users", Column{Name: "id", Type: 23}, Column{Name: "email", Type: 25})
	add("orders", Column{Name: "id", Type: 23}, Column{Name: "tenant_id", Type: 23}, Column{Name: "item", Type: 25})
	add("plain", Column{Name: "id", Type: 23}, Column{Name: "label", Type: 25})
	view := func(name, definition string, columns ...Column) {
		add(name, columns...)
		rel := c.Relations[RelationName{"public", name}]
		rel.Kind, rel.Definition = 'v', definition
	}
	view("items", "SELECT orders.id, orders.item FROM public.orders WHERE (orders.id IS NOT NULL)", Column{Name: "id", Type: 23}, Column{Name: "item", Type: 25})
	view("both", `SELECT u.email, i.item FROM (public.users u LEFT JOIN public.items i ON ((i.id = u.id))) UNION ALL SELECT plain.label, NULL::text AS item FROM public.plain`,
		Column{Name: "email", Type: 25, Sources: []ColumnRef{{RelationName{"public", "users"}, "email"}}}, Column{Name: "item", Type: 25})
	return c
}

// FuzzRewrite looks for panics, which Evaluate would hide, and for references
// to ruled relations that are left in what would be sent.
func FuzzRewrite(f *testing.F) {
	for _, sql := range []string{
		"SELECT * FROM users u LEFT JOIN orders USING (id) WHERE u.id IN (SELECT id FROM plain)",
		"WITH RECURSIVE r(a) AS (SELECT id FROM orders UNION ALL SELECT a + 1 FROM r) SELECT * FROM r, LATERAL (SELECT email FROM users WHERE id = a) x",
		"UPDATE orders o SET item = 'x' FROM users u WHERE u.id = o.id RETURNING *, u.email",
		"DELETE FROM orders USING plain WHERE plain.id = orders.id RETURNING orders.*",
		"INSERT INTO users (id, email) SELECT id, label FROM plain ON CONFLICT (id) DO UPDATE SET email = excluded.email WHERE users.id > 1 RETURNING email",
		"MERGE INTO plain p USING users u ON p.id = u.id WHEN MATCHED THEN UPDATE SET label = 'x' WHEN NOT MATCHED THEN INSERT VALUES (u.id, 'a')",
		"SELECT (SELECT email FROM users LIMIT 1), count(*) FILTER (WHERE id > 1) OVER (PARTITION BY id) FROM orders GROUP BY 1, GROUPING SETS ((id), ())",
		"EXPLAIN (ANALYZE) SELECT DISTINCT ON (id) * FROM users NATURAL JOIN plain ORDER BY 1",
		"SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY[1])) WITH ORDINALITY AS t(a, b, c), orders TABLESAMPLE SYSTEM (10)",
		"VALUES (1, (SELECT max(id) FROM orders)), (2, DEFAULT)",
		"ALTER TABLE users ADD COLUMN x int; CREATE INDEX ON users (id)",
		"SELECT FROM users WHERE CURRENT OF c",
		"DECLARE c BINARY CURSOR FOR TABLE users",
		"SELECT i.*, b.email FROM items AS i (a, b) JOIN both b ON b.item = i.b, LATERAL (SELECT * FROM ONLY items WHERE id = a) x WHERE (i).a > 0",
		"WITH orders AS (TABLE both), plain AS (SELECT item FROM items EXCEPT SELECT item FROM orders) SELECT (SELECT count(*) FROM items), * FROM plain",
		"UPDATE plain SET label = item FROM items i WHERE i.id = plain.id RETURNING i, label",
		"DELETE FROM items USING both TABLESAMPLE SYSTEM (1) WHERE items.item = both.item",
		"INSERT INTO orders AS o (id, tenant_id) VALUES ($1, 42), (2, $2) ON CONFLICT (id) DO UPDATE SET item = excluded.item WHERE o.id > 1 RETURNING o.*, 1",
		"INSERT INTO public.orders DEFAULT VALUES; PREPARE p AS INSERT INTO orders SELECT id, 42 FROM plain",
		"WITH w AS (SELECT 1) UPDATE orders SET (item, tenant_id) = (SELECT label, id FROM plain LIMIT 1) FROM users u WHERE u.id = orders.id RETURNING u.email",
	} {
		f.Add(sql)
	}
	e, err := Compile(Profile{Masks: []Mask{{"users", "email", Redact}}, Filters: []Filter{{"orders", "tenant_id = 42 OR item IS NULL"}}}, smallCatalog())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		tree, err := parse(sql)
		if err != nil {
			return
		}
		for _, raw := range tree.Stmts {
			s := read(raw.Stmt, sql)
			class, ok := classOf(s.node)
			if !ok || s.unknown != "" {
				continue
			}
			s.class = class
			e.resolve(s, newBatch())
			for _, w := range e.rewriters {
				if r := w.rewrite(s); r != nil && (r.rule == "" || r.reason == "") {
					t.Errorf("%s: refused without a reason: %+v", sql, r)
				}
			}
		}
		d := e.Evaluate(sql)
		if d.Verdict == RowFilter && !strings.Contains(d.SQL, "tenant_id = 42") {
			t.Errorf("%s: said to be filtered, but %s", sql, d.SQL)
		}
		if d.Verdict != Block {
			if sent, err := parse(d.SQL); err != nil || writesUnchecked(&pg.Node{Node: &pg.Node_List{List: &pg.List{Items: statementsOf(sent)}}}) {
				t.Errorf("%s: it writes without a check as %s (%v)", sql, d.SQL, err)
			}
		}
	})
}
