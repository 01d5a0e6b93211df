package property

import (
	"slices"
	"strings"
)

// expr is an expression of a kind. It fails for no row that the principal
// sees.
func (g *generator) expr(k kind, sc *scope, depth int) string {
	if depth <= 0 || g.chance(4) {
		return g.column(k, sc)
	}
	sub := func(k kind) string { return g.expr(k, sc, depth-1) }
	switch g.below(8) {
	case 0:
		return g.column(k, sc)
	case 1:
		return "CASE WHEN " + g.condition(sc, depth-1) + " THEN " + sub(k) + " ELSE " + sub(k) + " END"
	case 2:
		return "coalesce(" + sub(k) + ", " + sub(k) + ")"
	case 3:
		if depth > 1 {
			return g.scalar(k, sc, depth-1)
		}
		return "nullif(" + sub(k) + ", " + g.literal(k) + ")"
	}
	switch k {
	case integer:
		switch g.below(9) {
		case 0:
			return "(" + sub(integer) + " + " + g.column(integer, sc) + ")"
		case 1:
			return "(" + sub(integer) + " - " + g.literal(integer) + ")"
		case 2:
			return "(" + sub(integer) + " % 5)"
		case 3:
			return "length(" + sub(text) + ")"
		case 4:
			return "abs(" + sub(integer) + ")"
		case 5:
			return "extract(year FROM " + sub(date) + ")::int"
		case 6:
			return "(" + g.condition(sc, depth-1) + ")::int"
		case 7:
			return "cardinality(" + sub(texts) + ")"
		}
		return "greatest(" + sub(integer) + ", " + sub(integer) + ")"
	case text:
		if s, ok := g.row(sc); ok && g.chance(8) {
			return "row_to_json(" + s.alias + ")::text"
		}
		switch g.below(9) {
		case 0:
			return "upper(" + sub(text) + ")"
		case 1:
			return "(" + sub(text) + " || " + g.column(text, sc) + ")"
		case 2:
			return "left(" + sub(text) + ", 6)"
		case 3:
			return sub(integer) + "::text"
		case 4:
			return "md5(" + sub(text) + ")"
		case 5:
			return "(" + sub(document) + " ->> 'colour')"
		case 6:
			return "(" + sub(texts) + ")[1]"
		case 7:
			return "CAST(" + sub(mood) + " AS text)"
		}
		return "replace(" + sub(text) + ", 'zq', '-')"
	case number:
		switch g.below(3) {
		case 0:
			return "round(" + sub(number) + " + 1.25, 2)"
		case 1:
			return "(" + sub(number) + " - " + g.column(number, sc) + ")"
		}
		return "round(" + sub(integer) + "::numeric * 1.5, 2)"
	case boolean:
		return "(" + g.condition(sc, depth-1) + ")"
	case date:
		return "(" + sub(date) + " + 1)"
	case timestamp:
		return "date_trunc('day', " + sub(timestamp) + ")"
	case texts:
		return "array_append(" + sub(texts) + ", " + g.column(text, sc) + "::text)"
	case document:
		return "jsonb_build_object('n', " + sub(integer) + ")"
	case float:
		return "(" + sub(float) + " * 2)"
	}
	return g.column(k, sc)
}

// scalar is a sub-select with one value and at most one row.
func (g *generator) scalar(k kind, sc *scope, depth int) string {
	if k == integer && g.chance(3) {
		q := g.query(sc, depth-1, nil, true)
		return "(SELECT count(*) FROM (" + q.sql + ") " + g.alias() + ")::int"
	}
	q := g.query(sc, depth-1, []kind{k}, false)
	if q.masked() || q.order == nil {
		s := g.table()
		for _, c := range s.plain() {
			if c.kind == k && slices.Contains(ordered[:4], k) {
				return "(SELECT " + pick(g.draw, "max", "min") + "(" + g.reference(s, c) + ") FROM " + s.text + " WHERE " + g.condition(&scope{[]*source{s}, sc}, depth-1) + ")"
			}
		}
		return g.column(k, sc)
	}
	return "(" + q.sql + " ORDER BY " + strings.Join(q.order, ", ") + " LIMIT 1)"
}

// ordered are kinds whose values compare; those of the first four are in every
// table and have min and max.
var ordered = []kind{integer, text, number, date, timestamp, boolean, mood, unique, float}

// condition is a boolean expression. Here it is that a statement may show what
// it must not: conditions are what PostgreSQL evaluates early.
func (g *generator) condition(sc *scope, depth int) string {
	if g.chance(4) {
		if trap, ok := g.trap(sc); ok {
			return trap
		}
	}
	if depth <= 0 {
		return g.comparison(sc, 0)
	}
	switch g.below(14) {
	case 0, 1, 2:
		return g.comparison(sc, depth-1)
	case 3:
		return "(" + g.condition(sc, depth-1) + " OR " + g.condition(sc, depth-1) + ")"
	case 4:
		return "(" + g.condition(sc, depth-1) + " AND " + g.condition(sc, depth-1) + ")"
	case 5:
		return "NOT (" + g.condition(sc, depth-1) + ")"
	case 6:
		return "EXISTS (" + g.query(sc, depth-1, nil, true).sql + ")"
	case 7:
		return "NOT EXISTS (" + g.query(sc, depth-1, nil, true).sql + ")"
	case 8, 9:
		k := pick(g.draw, integer, text, number, date)
		if q := g.query(sc, depth-1, []kind{k}, true); !q.masked() {
			return g.expr(k, sc, depth-1) + pick(g.draw, " IN (", " = ANY (", " NOT IN (", " > ALL (", " <> SOME (") + q.sql + ")"
		}
	case 10:
		return "(" + g.column(integer, sc) + ", " + g.column(text, sc) + ") " + pick(g.draw, "=", "<>", "<", "IS DISTINCT FROM") + " (" + g.column(integer, sc) + ", " + g.column(text, sc) + ")"
	case 11:
		return g.expr(integer, sc, depth-1) + " IN (" + g.literal(integer) + ", " + g.literal(integer) + ", " + g.expr(integer, sc, depth-1) + ")"
	case 12:
		if g.chance(3) {
			return "(" + g.condition(sc, depth-1) + pick(g.draw, ") = (", ") IS DISTINCT FROM (", ") IN (true, ") + g.condition(sc, depth-1) + ")"
		}
		return g.expr(integer, sc, depth-1) + " BETWEEN " + g.literal(integer) + " AND " + g.expr(integer, sc, depth-1)
	}
	return g.comparison(sc, depth)
}

func (g *generator) comparison(sc *scope, depth int) string {
	if s, ok := g.row(sc); ok && g.chance(10) {
		return s.alias + pick(g.draw, " IS NOT NULL", " IS DISTINCT FROM NULL", "::text LIKE '%zq%'")
	}
	switch g.below(6) {
	case 0, 1:
		k := ordered[g.below(4)]
		return g.expr(k, sc, depth) + pick(g.draw, " = ", " <> ", " < ", " >= ", " IS DISTINCT FROM ") + g.expr(k, sc, depth)
	case 2:
		k := ordered[g.below(len(ordered))]
		return g.column(k, sc) + pick(g.draw, " = ", " <> ", " > ") + g.literal(k)
	case 3:
		return g.expr(text, sc, depth) + pick(g.draw, " LIKE 'zq%'", " ~ '^[0-9]'", " ILIKE '%a%'", " NOT LIKE '%1%'", " SIMILAR TO 'zq%'")
	case 4:
		return g.expr(ordered[g.below(len(ordered))], sc, depth) + pick(g.draw, " IS NOT NULL", " IS NULL")
	}
	return g.expr(boolean, sc, depth) + pick(g.draw, "", " IS TRUE", " IS NOT FALSE")
}

// aggregate is one over the rows of a scope.
func (g *generator) aggregate(k kind, sc *scope, depth int) string {
	over := sc.own()
	arg := func(k kind) string { return g.expr(k, over, depth) }
	var call string
	filterable := true
	switch k {
	case integer:
		switch g.below(5) {
		case 0:
			call = "count(*)"
		case 1:
			call = "count(" + pick(g.draw, "", "DISTINCT ") + arg(ordered[g.below(4)]) + ")"
		case 2:
			call, filterable = "sum("+arg(integer)+")::bigint", false
		case 3:
			call = "max(" + arg(integer) + ")"
		default:
			call, filterable = "avg("+arg(integer)+")::bigint", false
		}
	case text:
		switch g.below(3) {
		case 0:
			call = pick(g.draw, "min(", "max(") + arg(text) + ")"
		case 1:
			column := g.column(text, over)
			call = "string_agg(" + column + ", ',' ORDER BY " + strings.ReplaceAll(strings.ReplaceAll(column, valueFrom, ""), valueTo, "") + ")"
		default:
			call, filterable = "bool_and("+arg(boolean)+")::text", false
		}
	case number:
		if g.chance(2) {
			call, filterable = "round(avg("+arg(number)+"), 2)", false
		} else {
			call = "sum(" + arg(number) + ")"
		}
	case date, timestamp:
		call = "max(" + arg(k) + ")"
	case boolean:
		call = pick(g.draw, "bool_or(", "every(") + arg(boolean) + ")"
	default:
		return g.aggregate(integer, sc, depth)
	}
	if filterable && g.chance(4) {
		call += " FILTER (WHERE " + g.condition(over, depth) + ")"
	}
	return call
}
