package property

import "strings"

// failing is a statement whose failure depends on the rows in sight: with the
// same rows it fails alike.
func (g *generator) failing() *statement {
	s := &statement{way: pick(g.draw, simply, textual, binary, prepared, portions, cursor), mayFail: true}
	t := g.table()
	if t.columns[0].from.drawn { // PostgreSQL may reckon with its constants before it looks for rows
		return g.reading()
	}
	from := " FROM " + t.text
	sc := &scope{sources: []*source{t}}
	if !g.chance(3) {
		from += " WHERE " + g.condition(sc, 2)
	}
	k := pick(g.draw, integer, text)
	list := sc.own().find(k)
	if len(list) == 0 {
		return g.reading()
	}
	at := list[g.below(len(list))]
	c := g.reference(at.source, at.column)
	s.columns = []column{{name: "c1", kind: integer}}
	expr := map[kind]string{integer: pick(g.draw, "1 / ("+c+" - "+g.literal(integer)+")", c+" + 2147483640", "sqrt("+c+" - 3)::int"), text: c + "::int"}[k]
	s.sql = "SELECT " + expr + " AS c1" + from
	if g.chance(4) {
		s.sql = "SELECT (SELECT " + c + from + ") AS c1"
	}
	return s
}

// reading is a statement that reads.
func (g *generator) reading() *statement {
	switch g.below(16) {
	case 14:
		if s, ok := g.locking(); ok {
			return s
		}
	case 15:
		if s, ok := g.explained(); ok {
			return s
		}
	}
	depth := 1 + g.below(3)
	var q query
	switch g.below(5) {
	case 4:
		known := g.ctes
		with := g.with(nil, depth)
		q = g.core(nil, depth, nil, false)
		g.ctes, q.sql = known, with+" "+q.sql
	default:
		q = g.query(nil, depth, nil, false)
	}
	s := &statement{sql: q.sql, columns: q.columns, way: pick(g.draw, simply, textual, binary, prepared, portions, cursor, batch, executed, reset, discarded)}
	if q.order != nil && g.chance(2) {
		for i, o := range q.order {
			q.order[i] = o + pick(g.draw, "", " DESC", " NULLS FIRST")
		}
		s.sql += " ORDER BY " + strings.Join(q.order, ", ")
		if g.chance(2) {
			s.sql += g.limit()
		}
		s.sorted = true
	}
	return s
}

// locking is a SELECT that locks the rows it gives.
func (g *generator) locking() (*statement, bool) {
	t := g.table()
	if g.under.AccessMode == "read_only" || t.columns[0].from.view != "" {
		return nil, false
	}
	sc := &scope{sources: []*source{t}}
	s := &statement{columns: t.columns, way: pick(g.draw, simply, textual, binary, prepared)}
	s.sql = "SELECT " + t.alias + ".* FROM " + t.text + " WHERE " + g.condition(sc, 2) + pick(g.draw, " FOR UPDATE", " FOR SHARE", " FOR NO KEY UPDATE SKIP LOCKED")
	return s, true
}

// explained is EXPLAIN of what no filter is about: plans differ, but none may
// tell a hidden value.
func (g *generator) explained() (*statement, bool) {
	t := g.table()
	if g.under.access[t.columns[0].from.name].filtered() {
		return nil, false
	}
	list := []string{"1"}
	for _, c := range t.those(func(column) bool { return true }) {
		list = append(list, g.reference(t, c))
	}
	return &statement{way: simply, planned: true, columns: []column{{name: "QUERY PLAN", kind: text}},
		sql: pick(g.draw, "EXPLAIN ", "EXPLAIN (VERBOSE, COSTS OFF) ") + "SELECT " + strings.Join(list, ", ") + " FROM " + t.text}, true
}
