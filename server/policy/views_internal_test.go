package policy

import (
	"fmt"
	"strings"
	"testing"
)

// viewed is a rule set over smallCatalog with a filter on orders.
func viewed(t *testing.T, add ...func(*Catalog)) *ruleSet {
	t.Helper()
	c := smallCatalog()
	for _, a := range add {
		a(c)
	}
	e := mustCompile(t, Profile{Filters: []Filter{{"orders", "tenant_id = 42"}}}, c)
	return e.rewriters[0].(*ruleSet)
}

func defined(name, definition string) func(*Catalog) {
	return func(c *Catalog) {
		n := RelationName{"public", name}
		c.Relations[n] = &Relation{RelationName: n, Kind: 'v', Definition: definition, Columns: []Column{{Name: "id", Number: 1, Type: 23}}}
	}
}

// The second reading is on its own: a text in which a filter is missing, or is
// another, is not settled, whatever the first reading found.
func TestATextThatMissesAFilterIsNotSettled(t *testing.T) {
	r := viewed(t)
	const whole = "SELECT * FROM (SELECT * FROM (SELECT orders.id, orders.item FROM (SELECT * FROM public.orders pgbeam_row WHERE pgbeam_row.tenant_id = 42) orders WHERE orders.id IS NOT NULL) pgbeam_row(id, item)) items"
	first := newAnalysis(r)
	tree, err := parse("SELECT * FROM items")
	if err != nil {
		t.Fatal(err)
	}
	first.statement(tree.Stmts[0].Stmt)
	if len(first.uses) != 1 || first.uses[0].body == nil {
		t.Fatalf("the view is not seen: %+v, %v", first.uses, first.refusal)
	}
	settled := func(sql string) bool {
		tree, err := parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		_, ok := r.settle(tree.Stmts[0].Stmt, first, false)
		return ok
	}
	if !settled(whole) {
		t.Fatal("the text that stands for the view is not recognized")
	}
	for _, change := range [][2]string{
		{" WHERE pgbeam_row.tenant_id = 42", ""},
		{"tenant_id = 42", "tenant_id = 43"},
		{"tenant_id = 42", "tenant_id = 42 OR true"},
		{"(SELECT * FROM public.orders pgbeam_row WHERE pgbeam_row.tenant_id = 42) orders", "public.orders"},
		{"(SELECT * FROM public.orders pgbeam_row WHERE pgbeam_row.tenant_id = 42) orders", "public.items orders"},
		{" pgbeam_row(id, item)", " pgbeam_row(id, item), public.orders o"},
		{") items", ") items, public.items i"},
		{") items", ") items WHERE EXISTS (SELECT FROM orders)"},
	} {
		if sql := strings.Replace(whole, change[0], change[1], 1); sql == whole || settled(sql) {
			t.Errorf("%s is taken for certain", sql)
		}
	}
}

// The walk that knows nothing of queries finds by itself what is not behind a
// filter.
func TestWhatIsNotBehindAFilterIsFound(t *testing.T) {
	r := viewed(t)
	for sql, behind := range map[string]bool{
		"SELECT * FROM (SELECT * FROM public.orders pgbeam_row WHERE pgbeam_row.tenant_id = 42) o, plain": true,
		"SELECT * FROM (SELECT * FROM public.orders pgbeam_row WHERE pgbeam_row.tenant_id = 42) o, items": false,
		"SELECT 1 FROM plain WHERE id IN (SELECT id FROM public.orders)":                                  false,
		"WITH orders AS (SELECT 1) SELECT * FROM orders":                                                  true,
		"WITH orders AS (SELECT 1) SELECT * FROM public.orders":                                           false,
	} {
		tree, err := parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		a := newAnalysis(r)
		a.again = true
		a.statement(tree.Stmts[0].Stmt)
		if got := a.behind(tree.Stmts[0].Stmt); got != behind {
			t.Errorf("%s: behind is %v", sql, got)
		}
	}
}

func TestADefinitionThatIsInDoubtIsNotUsed(t *testing.T) {
	var deep []func(*Catalog)
	for i := range 40 {
		from := "public.orders"
		if i > 0 {
			from = fmt.Sprintf("public.deep_%d", i-1)
		}
		deep = append(deep, defined(fmt.Sprintf("deep_%d", i), "SELECT d.id FROM "+from+" d"))
	}
	for definition, want := range map[string]string{
		"SELECT o.id FROM public.orders o":                                                              "",
		"SELECT o.id, o.item FROM public.orders o":                                                      "changed",
		"SELECT o.id FROM public.orders o NATURAL JOIN public.plain p":                                  "NATURAL",
		"SELECT o.id FROM public.orders o WHERE (o.id = ANY (SELECT o2.nowhere FROM public.orders o2))": "cannot be examined",
		"SELECT o.id FROM public.orders o ORDER BY o.id USING ===":                                      "not one of PostgreSQL's own",
		"SELECT id FROM public.deep_11":                                                                 "too long",
		"SELECT id FROM public.deep_10":                                                                 "",
	} {
		r := viewed(t, append(deep, defined("doubtful", definition))...)
		rel := r.catalog.Relations[RelationName{"public", "doubtful"}]
		if got := r.body(r.of(rel, rel.RelationName), nil).problem; (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", definition, got, want)
		}
	}
	// Nor does it matter which of them was read first.
	r := viewed(t, deep...)
	for _, name := range []string{"deep_10", "deep_39", "deep_11", "deep_15"} {
		rel := r.catalog.Relations[RelationName{"public", name}]
		if got := r.body(r.of(rel, rel.RelationName), nil).problem; (got == "") != (name < "deep_12") {
			t.Errorf("%s: %q", name, got)
		}
	}
	r = viewed(t, defined("late", "SELECT o.id FROM public.orders o"), func(c *Catalog) { c.SearchPath = []string{"public", "pg_catalog"} })
	rel := r.catalog.Relations[RelationName{"public", "late"}]
	if got := r.body(r.of(rel, rel.RelationName), nil).problem; !strings.Contains(got, "search_path") {
		t.Errorf("where public is searched first: %q", got)
	}
}
