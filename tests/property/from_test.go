package property

import (
	"fmt"
	"slices"
	"strings"
)

// table is a reference to a relation that the policy lets be read.
func (g *generator) table() *source { return g.tableOf(pick(g.draw, g.under.usable...)) }

func (g *generator) tableOf(a *access) *source {
	r := a.relation
	if g.authored {
		g.used[r.name] = true
	}
	s := &source{alias: g.alias(), table: true}
	for _, c := range r.columns {
		s.columns = append(s.columns, column{name: c.name, kind: c.kind, mask: a.masks[c.name], from: r, attr: c.name})
	}
	if !slices.ContainsFunc(r.key, func(k string) bool { return a.masks[k] != "" }) {
		s.key = r.key
	}
	name := r.name
	if r.schema != "public" || g.hidden[r.name] || g.chance(6) {
		name = r.schema + "." + r.name
	}
	if r == docs && g.chance(3) && !g.authored {
		name = "ONLY " + name
	}
	switch n := g.below(8); {
	case n == 7 && !g.bare[r.name] && !g.hidden[r.name] && r.schema == "public":
		g.bare[r.name] = true // once in a statement, so that nothing stands in its way
		s.alias, s.text = r.name, name
		if strings.HasPrefix(name, "public.") && g.chance(2) {
			s.alias = name
		}
	case n == 6 && len(a.masks) == 0 && len(r.columns) > 1:
		s.text = name + " AS " + s.alias + "(a, b)"
		s.columns[0].name, s.columns[1].name = "a", "b"
		s.key = nil
	case n == 5 && r.view == "":
		s.text = name + " " + s.alias + " TABLESAMPLE " + pick(g.draw, "SYSTEM", "BERNOULLI") + " (100)"
	default:
		s.text = name + pick(g.draw, " ", " AS ") + s.alias
	}
	return s
}

// item is one item of FROM. What stands to its left it may refer to where it
// is LATERAL.
func (g *generator) item(left *scope, depth int) *source {
	choice := g.below(12)
	switch {
	case choice == 6 && len(g.ctes) > 0, choice == 7 && len(g.ctes) > 0, choice == 8 && len(g.ctes) > 0:
		c := g.ctes[g.below(len(g.ctes))]
		s := &source{alias: g.alias(), columns: c.columns, key: c.key}
		s.text = c.alias + " " + s.alias
		return s
	case choice == 9 && depth > 0, choice == 10 && depth > 0:
		sees, lateral := left.outer, ""
		if len(left.sources) > 0 && g.chance(2) {
			sees, lateral = left, "LATERAL "
		}
		q := g.query(sees, depth-1, nil, true)
		s := &source{alias: g.alias(), columns: q.columns}
		s.text = lateral + "(" + q.sql + ") " + s.alias
		return s
	case choice == 11:
		return g.made(left)
	}
	return g.table()
}

// made is an item whose rows come from no table.
func (g *generator) made(left *scope) *source {
	s := &source{alias: g.alias()}
	switch g.below(5) {
	case 0:
		s.text = "generate_series(1, 3) " + s.alias + "(n)"
		s.columns, s.key = []column{{name: "n", kind: integer}}, []string{"n"}
	case 1:
		s.text = "(VALUES (1, 'zq'), (2, NULL), (42, 'open')) AS " + s.alias + "(n, w)"
		s.columns, s.key = []column{{name: "n", kind: integer}, {name: "w", kind: text}}, []string{"n"}
	case 2:
		s.text = "unnest(ARRAY[7, 2], ARRAY['pen', NULL]) WITH ORDINALITY AS " + s.alias + "(n, w, o)"
		s.columns, s.key = []column{{name: "n", kind: integer}, {name: "w", kind: text}, {name: "o", kind: integer}}, []string{"o"}
	case 3:
		s.text = "LATERAL (VALUES (" + g.expr(integer, left, 1) + ")) AS " + s.alias + "(n)"
		s.columns, s.key = []column{{name: "n", kind: integer}}, []string{"n"}
	default:
		s.text = "jsonb_to_record('{\"n\": 4, \"w\": \"ink\"}') AS " + s.alias + "(n int, w text)"
		s.columns, s.key = []column{{name: "n", kind: integer}, {name: "w", kind: text}}, []string{"n"}
	}
	return s
}

// fromClause is what stands behind FROM, and what a star puts out.
type fromClause struct {
	text  string
	scope *scope
	star  []column
	order []string
	// closed: what stands behind a comma cannot be joined with what stands
	// before it.
	closed bool
}

func (g *generator) from(outer *scope, depth int) fromClause {
	first := g.item(&scope{outer: outer}, depth)
	f := fromClause{text: first.text, scope: &scope{sources: []*source{first}, outer: outer}, star: first.columns}
	for range []int{0, 0, 1, 1, 1, 2}[g.below(6)] {
		g.join(&f, depth)
	}
	f.order = []string{}
	for _, s := range f.scope.sources {
		if s.key == nil {
			f.order = nil
			break
		}
		for _, k := range s.key {
			f.order = append(f.order, s.alias+"."+k)
		}
	}
	return f
}

// join adds one item.
func (g *generator) join(f *fromClause, depth int) {
	if f.closed {
		return
	}
	switch g.below(8) {
	case 0:
		if len(f.scope.sources) == 1 {
			s := g.item(f.scope, depth-1)
			f.text += ", " + s.text
			f.add(s)
			f.closed = true
			return
		}
	case 1, 2:
		if g.joinByName(f) {
			return
		}
	case 3:
		// FULL JOIN needs a condition that can be merged, and no reference to
		// its left.
		s := g.item(&scope{outer: f.scope.outer}, depth-1)
		left := f.scope
		if on := g.match(left, s); on != "" {
			f.text += " FULL JOIN " + s.text + " ON " + on
			f.add(s)
			return
		}
	}
	kind := pick(g.draw, "JOIN", "LEFT JOIN", "RIGHT JOIN", "CROSS JOIN", "INNER JOIN", "LEFT OUTER JOIN")
	sees := f.scope
	if kind == "RIGHT JOIN" {
		sees = &scope{outer: f.scope.outer}
	}
	s := g.item(sees, depth-1)
	if kind == "CROSS JOIN" && len(f.scope.sources) > 1 {
		kind = "JOIN"
	}
	left := f.scope
	f.add(s)
	f.text += " " + kind + " " + s.text
	if kind != "CROSS JOIN" {
		f.text += " ON " + g.equal(left, s)
		if g.chance(3) {
			f.text += " AND " + g.condition(f.scope, depth-1)
		}
	}
}

func (f *fromClause) add(s *source) {
	f.scope = &scope{sources: append(slices.Clone(f.scope.sources), s), outer: f.scope.outer}
	f.star = append(slices.Clone(f.star), s.columns...)
}

// match equates a column of s with one of the sources before it; "" where no
// two compare.
func (g *generator) match(left *scope, s *source) string {
	var pairs []string
	for _, l := range left.sources {
		for _, a := range l.plain() {
			for _, b := range s.plain() {
				if a.kind == b.kind && a.kind == integer {
					pairs = append(pairs, g.reference(l, a)+" = "+g.reference(s, b))
				}
			}
		}
	}
	if len(pairs) == 0 {
		return ""
	}
	return pairs[g.below(len(pairs))]
}

// equal is the condition of a join.
func (g *generator) equal(left *scope, s *source) string {
	if on := g.match(left, s); on != "" {
		return on
	}
	return "true"
}

// joinByName joins two tables USING columns of theirs, or NATURAL.
func (g *generator) joinByName(f *fromClause) bool {
	if len(f.scope.sources) != 1 {
		return false
	}
	first, s := f.scope.sources[0], g.table()
	if !first.table {
		return false
	}
	var common []string
	clean := true
	for _, a := range first.columns {
		for _, b := range s.columns {
			if a.name != b.name {
				continue
			}
			if a.kind != b.kind {
				return false
			}
			if a.mask != "" || b.mask != "" {
				clean = false
			} else {
				common = append(common, a.name)
			}
		}
	}
	if len(common) == 0 {
		return false
	}
	kind := pick(g.draw, "JOIN ", "LEFT JOIN ", "RIGHT JOIN ", "FULL JOIN ")
	if clean && g.chance(2) {
		f.text += " NATURAL " + kind + s.text
	} else {
		common = common[:1+g.below(len(common))]
		f.text += " " + kind + s.text + " USING (" + strings.Join(common, ", ") + ")"
	}
	f.add(s)
	var star []column
	for _, name := range common {
		c := first.columns[slices.IndexFunc(first.columns, func(c column) bool { return c.name == name })]
		star = append(star, column{name: c.name, kind: c.kind})
	}
	for _, side := range [][]column{first.columns, s.columns} {
		for _, c := range side {
			if !slices.Contains(common, c.name) {
				star = append(star, c)
			}
		}
	}
	f.star = star
	return true
}

// outputName is the name of a column of a query inside another one.
func outputName(i int) string { return fmt.Sprintf("c%d", i+1) }
