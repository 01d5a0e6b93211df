package property

import (
	"slices"
	"strings"
)

// grouped is a SELECT with aggregates.
func (g *generator) grouped(f fromClause, body string, depth int, want []kind, inside bool) (query, bool) {
	aggregated := []kind{integer, text, number, date, timestamp, boolean}
	kinds := want
	if kinds == nil {
		for range 1 + g.below(4) {
			kinds = append(kinds, aggregated[g.below(len(aggregated))])
		}
	}
	type key struct {
		located
		text string
	}
	var keys []key
	for range g.below(3) {
		list := f.scope.own().find(aggregated[g.below(4)])
		if len(list) > 0 {
			at := list[g.below(len(list))]
			keys = append(keys, key{at, g.reference(at.source, at.column)})
		}
	}
	var q query
	var list []string
	for i, k := range kinds {
		expr, c := "", column{kind: k, name: outputName(i)}
		at := slices.IndexFunc(keys, func(at key) bool { return at.kind == k })
		switch {
		case at >= 0 && g.chance(2):
			expr, c.from, c.attr = keys[at].text, keys[at].from, keys[at].attr
		case !slices.Contains(aggregated, k):
			return query{}, false
		default:
			expr = g.aggregate(k, f.scope, depth-1)
		}
		if inside || g.chance(2) {
			expr += " AS " + c.name
		}
		list, q.columns = append(list, expr), append(q.columns, c)
	}
	q.sql = "SELECT " + strings.Join(list, ", ") + body
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.text
	}
	if len(keys) > 0 {
		by := strings.Join(names, ", ")
		switch g.below(6) {
		case 3:
			q.sql += " GROUP BY ROLLUP (" + by + ")"
		case 4:
			q.sql += " GROUP BY CUBE (" + by + ")"
		case 5:
			q.sql += " GROUP BY GROUPING SETS ((" + by + "), (" + names[0] + "), ())"
		default:
			q.sql += " GROUP BY " + by
			q.order = names
		}
	} else {
		q.order = []string{"count(*)"}
	}
	if g.chance(3) {
		q.sql += " HAVING " + g.aggregate(integer, f.scope, depth-1) + pick(g.draw, " > 0", " IS NOT NULL", " < 4") + pick(g.draw, "", " OR "+g.aggregate(boolean, f.scope, depth-1))
	}
	return q, true
}

// distinct is SELECT DISTINCT, or DISTINCT ON what its ORDER BY begins with.
func (g *generator) distinct(f fromClause, body string, depth int, want []kind, inside bool) (query, bool) {
	kinds := want
	if kinds == nil {
		kinds = []kind{ordered[g.below(4)], ordered[g.below(4)]}
	}
	var q query
	var list []string
	on := f.order != nil && g.chance(2)
	for i, k := range kinds {
		expr, c := "", column{kind: k}
		if on {
			expr, c = g.target(k, f, depth-1) // of masked columns too
		} else {
			if !slices.Contains(ordered, k) {
				return query{}, false
			}
			expr = g.expr(k, f.scope, depth-1)
		}
		c.name = outputName(i)
		list, q.columns = append(list, expr+" AS "+c.name), append(q.columns, c)
		if !on {
			q.order = append(q.order, c.name)
		}
	}
	if on {
		by := g.expr(integer, f.scope, 1)
		if strings.Contains(by, valueFrom) {
			by = f.order[0]
		}
		q.sql = "SELECT DISTINCT ON (" + by + ") " + strings.Join(list, ", ") + body + " ORDER BY " + by + ", " + strings.Join(f.order, ", ")
		return q, true
	}
	q.sql = "SELECT DISTINCT " + strings.Join(list, ", ") + body
	return q, true
}

// byKey groups by a primary key, on which the other columns depend. It works
// where the policy has no rule about the table.
func (g *generator) byKey(outer *scope, depth int) query {
	for _, a := range g.under.usable {
		if r := a.relation; !a.ruled() && r.view == "" && r.name != "events" {
			s := g.tableOf(a)
			if s.key == nil {
				continue
			}
			last := s.columns[len(s.columns)-1]
			key := s.alias + "." + strings.Join(s.key, ", "+s.alias+".")
			sc := &scope{[]*source{s}, outer}
			return query{sql: "SELECT " + g.reference(s, last) + ", count(*) FROM " + s.text + " WHERE " + g.condition(sc, depth-1) + " GROUP BY " + key,
				columns: []column{{name: last.name, kind: last.kind}, {name: "count", kind: integer}}, order: strings.Split(key, ", ")}
		}
	}
	return g.core(outer, depth, nil, false)
}
