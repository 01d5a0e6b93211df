package property

import (
	"slices"
	"strings"
)

// with is a WITH clause; what it names is known from here on.
func (g *generator) with(outer *scope, depth int) string {
	if g.chance(5) {
		return g.recursive(outer, depth)
	}
	var list []string
	for range 1 + g.below(2) {
		name := "w" + g.alias()
		q := g.query(outer, depth-1, nil, true)
		if a := pick(g.draw, g.under.usable...); g.chance(4) && a.relation.schema == "public" && !g.bare[a.relation.name] && !g.hidden[a.relation.name] {
			name = a.relation.name
			g.hidden[name] = true
		}
		list = append(list, name+" AS "+pick(g.draw, "", "MATERIALIZED ", "NOT MATERIALIZED ")+"("+q.sql+")")
		g.ctes = append(slices.Clone(g.ctes), &source{alias: name, columns: q.columns})
	}
	return "WITH " + strings.Join(list, ", ")
}

// recursive walks from users to those they manage, or counts.
func (g *generator) recursive(outer *scope, depth int) string {
	if a := g.under.access[users.name]; a.usable() && a.masks["id"] == "" && a.masks["manager_id"] == "" && !g.hidden["users"] {
		if g.authored {
			g.used["users"] = true
		}
		w := "w" + g.alias()
		q := &source{alias: w, columns: []column{{name: "id", kind: integer, from: users, attr: "id"}, {name: "boss", kind: integer}, {name: "who", kind: text, mask: a.masks["name"]}, {name: "far", kind: integer}}}
		top := g.alias()
		s := &source{alias: top, columns: []column{{name: "id", kind: integer, from: users, attr: "id"}}}
		defer func() { g.ctes = append(slices.Clone(g.ctes), q) }()
		return "WITH RECURSIVE " + w + " AS (SELECT " + top + ".id, " + top + ".manager_id AS boss, " + top + ".name AS who, 1 AS far FROM users " + top +
			" WHERE " + g.condition(&scope{[]*source{s}, outer}, depth-1) + pick(g.draw, " UNION ALL ", " UNION ") +
			"SELECT u.id, u.manager_id, u.name, v.far + 1 FROM public.users u JOIN " + w + " v ON v.id = u.manager_id WHERE v.far < 4)"
	}
	name := "w" + g.alias()
	g.ctes = append(slices.Clone(g.ctes), &source{alias: name, columns: []column{{name: "n", kind: integer}}, key: []string{"n"}})
	return "WITH RECURSIVE " + name + "(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM " + name + " WHERE n < 4)"
}
