package property

import (
	"slices"
	"strings"
)

// query is a SELECT whose columns are of the kinds wanted, or of any. Inside
// another one its columns have names of their own.
func (g *generator) query(outer *scope, depth int, want []kind, inside bool) query {
	if depth > 0 {
		switch g.below(10) {
		case 8:
			return g.setOperation(outer, depth, want)
		case 9:
			known := g.ctes
			with := g.with(outer, depth)
			var q query
			if g.chance(4) {
				q = g.setOperation(outer, depth-1, want)
			} else {
				q = g.core(outer, depth-1, want, inside)
			}
			g.ctes = known
			q.sql = with + " " + q.sql
			return q
		}
	}
	q := g.core(outer, depth, want, inside)
	if inside && q.order != nil && g.chance(6) {
		q.sql += " ORDER BY " + strings.Join(q.order, ", ") + g.limit()
		q.order = nil
	}
	return q
}

func (g *generator) limit() string {
	return pick(g.draw, " LIMIT 3", " LIMIT 1", " OFFSET 1", " LIMIT 4 OFFSET 1", " FETCH FIRST 2 ROWS ONLY", " LIMIT (SELECT 2)")
}

// core is a SELECT of one level.
func (g *generator) core(outer *scope, depth int, want []kind, inside bool) query {
	f := g.from(outer, depth)
	where := ""
	if !g.chance(4) {
		where = " WHERE " + g.condition(f.scope, depth)
	}
	body := " FROM " + f.text + where
	switch g.below(9) {
	case 5, 6:
		if q, ok := g.grouped(f, body, depth, want, inside); ok {
			return q
		}
	case 7:
		if q, ok := g.distinct(f, body, depth, want, inside); ok {
			return q
		}
	case 8:
		if want == nil && !inside && g.chance(2) {
			return g.byKey(outer, depth)
		}
	}
	var q query
	var list []string
	add := func(expr string, c column) {
		c.name = outputName(len(q.columns))
		if inside || g.chance(2) || strings.HasPrefix(expr, nulledFrom) {
			expr += " AS " + c.name
		}
		list, q.columns = append(list, expr), append(q.columns, c)
	}
	if want == nil && g.chance(4) {
		list, q.columns = append(list, "*"), slices.Clone(f.star)
	} else {
		kinds := want
		if kinds == nil {
			for range 1 + g.below(4) {
				kinds = append(kinds, g.anyKind(f.scope))
			}
		}
		for _, k := range kinds {
			if want == nil && g.chance(8) {
				s := f.scope.sources[g.below(len(f.scope.sources))]
				list, q.columns = append(list, s.alias+".*"), append(q.columns, s.columns...)
				continue
			}
			expr, c := g.target(k, f, depth)
			add(expr, c)
		}
	}
	q.sql = "SELECT " + strings.Join(list, ", ") + body
	q.order = f.order
	return q
}

// anyKind is one that a scope has columns of.
func (g *generator) anyKind(sc *scope) kind {
	s := sc.sources[g.below(len(sc.sources))]
	return s.columns[g.below(len(s.columns))].kind
}

// target is an item of a select list: a masked column may stand there.
func (g *generator) target(k kind, f fromClause, depth int) (string, column) {
	var masked []located
	for _, s := range f.scope.sources {
		for _, c := range s.masked() {
			if c.kind == k {
				masked = append(masked, located{s, c})
			}
		}
	}
	if len(masked) > 0 && !g.chance(3) {
		at := masked[g.below(len(masked))]
		return g.reference(at.source, at.column), at.column
	}
	switch g.below(7) {
	case 0:
		if list := f.scope.find(k); len(list) > 0 {
			at := list[g.below(len(list))]
			return g.reference(at.source, at.column), at.column
		}
	case 1:
		if expr, ok := g.nulled(k, f.scope, depth); ok {
			return expr, column{kind: k, mask: "null"}
		}
	case 2, 3:
		return g.window(k, f, depth), column{kind: k}
	}
	return g.expr(k, f.scope, depth), column{kind: k}
}

// nulled is a sub-select whose value is a masked column: it is shown as NULL.
func (g *generator) nulled(k kind, sc *scope, depth int) (string, bool) {
	s := g.table()
	for _, c := range s.masked() {
		if c.kind == k && s.key != nil {
			return nulledFrom + "(SELECT " + g.reference(s, c) + " FROM " + s.text + " WHERE " + g.condition(&scope{[]*source{s}, sc}, depth-1) +
				" ORDER BY " + s.alias + "." + strings.Join(s.key, ", "+s.alias+".") + " LIMIT 1)" + nulledTo, true
		}
	}
	return "", false
}

// window is a window function's call whose value no order of equals changes.
func (g *generator) window(k kind, f fromClause, depth int) string {
	over := "PARTITION BY " + g.expr(ordered[g.below(4)], f.scope, depth-1)
	switch k {
	case integer:
		switch g.below(4) {
		case 0:
			return "count(*) OVER ()"
		case 1:
			return pick(g.draw, "rank", "dense_rank") + "() OVER (" + over + " ORDER BY " + g.expr(integer, f.scope, depth-1) + ")"
		case 2:
			if f.order != nil {
				return "row_number() OVER (ORDER BY " + strings.Join(f.order, ", ") + ")"
			}
		}
		return "sum(" + g.expr(integer, f.scope, depth-1) + ") OVER (" + over + ")::bigint"
	case text, date, number:
		if f.order != nil && g.chance(2) {
			return pick(g.draw, "lag", "first_value", "last_value") + "(" + g.expr(k, f.scope, depth-1) + ") OVER (" + over + " ORDER BY " + strings.Join(f.order, ", ") + ")"
		}
		return pick(g.draw, "max", "min") + "(" + g.expr(k, f.scope, depth-1) + ") OVER (" + over + ")"
	}
	return g.expr(k, f.scope, depth)
}

// setOperation joins two queries.
func (g *generator) setOperation(outer *scope, depth int, want []kind) query {
	if want == nil {
		for range 1 + g.below(3) {
			want = append(want, ordered[g.below(4)])
		}
	}
	l, r := g.query(outer, depth-1, want, true), g.query(outer, depth-1, want, true)
	q := query{columns: slices.Clone(l.columns), sql: "(" + l.sql + ") " + pick(g.draw, "UNION ALL", "UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL") + " (" + r.sql + ")"}
	for i := range q.columns {
		c := &q.columns[i]
		c.mask, c.from = both(c.mask, r.columns[i].mask), nil
		q.order = append(q.order, outputName(i))
	}
	if q.masked() || slices.ContainsFunc(want, func(k kind) bool { return !slices.Contains(ordered, k) }) {
		q.order = nil
	}
	return q
}
