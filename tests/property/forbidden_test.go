package property

import (
	"regexp"
	"strings"
)

// Reasons that a refusal may give.
var (
	outOfPlace  = regexp.MustCompile(`masked column may not stand inside an expression`)
	deciding    = regexp.MustCompile(`masked column may not stand where its value would decide`)
	renaming    = regexp.MustCompile(`may not rename a masked column`)
	notListed   = regexp.MustCompile(`not in this credential's allowlist|denied to this credential`)
	unfiltered  = regexp.MustCompile(`shows rows of tables that have a row filter`)
	notBuiltIn  = regexp.MustCompile(`is never permitted|may change only what SET may|not one of PostgreSQL's own`)
	readOnly    = regexp.MustCompile(`read-only`)
	never       = regexp.MustCompile(`^blocked by PgBeam policy: `)
	filterHolds = regexp.MustCompile(`row filter|decides? which rows|has no rows of its own`)
)

// forbidden is a statement with one thing that the policy does not permit,
// somewhere; ok is false where the policy gives no occasion for the one drawn.
func (g *generator) forbidden() (s *statement, ok bool) {
	s = &statement{way: pick(g.draw, simply, textual, prepared, batch)}
	switch g.below(8) {
	case 0, 1, 2:
		s.sql, s.refused = g.maskedElsewhere()
	case 3:
		s.sql, s.refused = g.unlisted()
	case 4:
		call := pick(g.draw, "peek(1)", "public.peek(2)", "set_config('search_path', 'crm', false)", "pg_read_file('PG_VERSION')", "query_to_xml('select 1', true, true, '')",
			"pg_ls_dir('.')", "lo_get(1)", "pg_advisory_lock(1)")
		t := g.table()
		s.sql, s.refused = "SELECT "+call+" AS c1 FROM "+t.text+" WHERE "+g.condition(&scope{sources: []*source{t}}, 1), notBuiltIn
	case 5:
		s.sql, s.refused = g.heldByFilter()
		return s, s.sql != ""
	case 6:
		s.refused = never
		r := pick(g.draw, g.under.usable...).relation.in("")
		s.sql = pick(g.draw, "TRUNCATE "+r, "DROP TABLE "+r, "COPY "+r+" TO STDOUT", "LOCK TABLE "+r, "SET search_path = crm", "DO $$ BEGIN END $$", "DELETE FROM "+r,
			"SET ROLE app", "SET SESSION AUTHORIZATION app", "COPY (SELECT 1) TO PROGRAM 'true'", "LISTEN a", "PREPARE TRANSACTION 'a'", "ALTER TABLE "+r+" RENAME TO x")
		return s, true
	case 7:
		if g.under.AccessMode != "read_only" {
			return nil, false
		}
		s.refused = readOnly
		t := g.table()
		r := pick(g.draw, g.under.usable...).relation
		s.sql = pick(g.draw, "SELECT 1 FROM "+t.text+" FOR UPDATE", "DELETE FROM "+r.in("")+" WHERE "+r.columns[0].name+" IS NOT NULL", "CREATE TABLE made (a int)",
			"INSERT INTO "+r.in("")+" DEFAULT VALUES", "WITH w AS (DELETE FROM "+r.in("")+" WHERE "+r.columns[0].name+" IS NULL RETURNING 1) SELECT * FROM w", "SELECT 1 AS a INTO made")
		return s, true
	}
	if s.sql == "" {
		return nil, false
	}
	g.bury(s)
	return s, true
}

// bury puts a forbidden SELECT somewhere inside a statement.
func (g *generator) bury(s *statement) {
	t := g.table()
	here := " FROM " + t.text
	switch g.below(9) {
	case 1:
		s.sql = "SELECT 1" + here + " WHERE EXISTS (" + s.sql + ")"
	case 2:
		s.sql = "SELECT 1 FROM (" + s.sql + ") x"
	case 3:
		s.sql = "WITH w AS (" + s.sql + ") SELECT 1" + here
	case 4:
		s.sql = "SELECT 1" + here + " UNION ALL SELECT 2 WHERE EXISTS (" + s.sql + ")"
	case 5:
		s.sql = "SELECT (SELECT count(*) FROM (" + s.sql + ") x)" + here
	case 6:
		s.sql = "SELECT 1" + here + " LEFT JOIN LATERAL (" + s.sql + ") x ON true"
	case 7:
		s.sql = "DECLARE p CURSOR FOR " + s.sql
	case 8:
		s.sql = "SELECT 1; SELECT 2; " + s.sql
		s.way = simply
	}
}

// maskedElsewhere uses a masked column somewhere else than in a select list.
func (g *generator) maskedElsewhere() (string, *regexp.Regexp) {
	s := g.table()
	list := s.masked()
	for range 4 {
		if len(list) > 0 {
			break
		}
		s = g.table()
		list = s.masked()
	}
	if len(list) == 0 {
		return "", nil
	}
	c := list[g.below(len(list))]
	with := ""
	switch g.below(5) {
	case 1:
		inner := s
		s = &source{alias: g.alias(), columns: []column{{name: "m", kind: c.kind, mask: c.mask}}}
		s.text, c = "(SELECT "+g.reference(inner, c)+" AS m FROM "+inner.text+") "+s.alias, s.columns[0]
	case 2:
		inner := s
		s = &source{alias: g.alias(), columns: []column{{name: "m", kind: c.kind, mask: c.mask}}}
		with = "WITH v AS (SELECT " + g.reference(inner, c) + " AS m FROM " + inner.text + " UNION ALL SELECT " + g.reference(inner, c) + " FROM " + inner.text + ") "
		s.text, c = "v "+s.alias, s.columns[0]
	}
	from := " FROM " + s.text
	m := g.reference(s, c)
	type use struct {
		sql string
		why *regexp.Regexp
	}
	uses := []use{
		{"SELECT 1 AS c1" + from + " WHERE " + m + " IS NOT NULL", deciding},
		{"SELECT " + m + " IS NULL AS c1" + from, outOfPlace},
		{"SELECT " + m + "::text AS c1" + from, outOfPlace},
		{"SELECT coalesce(" + m + ", " + m + ") AS c1" + from, outOfPlace},
		{"SELECT 1 AS c1" + from + " ORDER BY " + m, deciding},
		{"SELECT " + m + " AS c1" + from + " ORDER BY 1", deciding},
		{"SELECT " + m + " AS c1" + from + " ORDER BY c1", deciding},
		{"SELECT count(*) AS c1" + from + " GROUP BY " + m, deciding},
		{"SELECT count(*) AS c1, " + m + " AS c2" + from + " GROUP BY 2", deciding},
		{"SELECT count(*) AS c1" + from + " GROUP BY ROLLUP (" + m + ")", deciding},
		{"SELECT count(" + m + ") AS c1" + from, outOfPlace},
		{"SELECT count(*) FILTER (WHERE " + m + " IS NULL) AS c1" + from, deciding},
		{"SELECT 1 AS c1" + from + " HAVING count(" + m + ") > 0", deciding},
		{"SELECT DISTINCT " + m + " AS c1" + from, deciding},
		{"SELECT DISTINCT ON (" + m + ") 1 AS c1" + from, deciding},
		{"SELECT rank() OVER (ORDER BY " + m + ") AS c1" + from, deciding},
		{"SELECT count(*) OVER w AS c1" + from + " WINDOW w AS (PARTITION BY " + m + ")", deciding},
		{"SELECT max(" + m + "::text) OVER () AS c1" + from, outOfPlace},
		{"SELECT 1 AS c1" + from + " WHERE 'a' IN (SELECT " + m + "::text)", regexp.MustCompile(outOfPlace.String() + "|" + deciding.String())},
		{"SELECT 1 AS c1" + from + " JOIN (VALUES (1)) y ON " + m + " IS NOT NULL", deciding},
		{"SELECT y.x AS c1" + from + ", LATERAL (VALUES (" + m + ")) y(x)", outOfPlace},
		{"SELECT " + s.alias + " AS c1" + from, outOfPlace},
		{"SELECT row_to_json(" + s.alias + ") AS c1" + from, outOfPlace},
		{"SELECT ROW(" + s.alias + ".*) AS c1" + from, outOfPlace},
		{"SELECT ARRAY[" + m + "] AS c1" + from, outOfPlace},
		{"SELECT ARRAY(SELECT " + m + ") AS c1" + from, outOfPlace},
		{"SELECT 1 AS c1" + from + " WHERE EXISTS (SELECT 1 WHERE " + m + " IS NULL)", deciding},
		{"SELECT CASE WHEN " + m + " IS NULL THEN 1 END AS c1" + from, outOfPlace},
		{"SELECT x.* FROM (SELECT " + m + from + ") AS x(renamed)", renaming},
	}
	u := uses[g.below(len(uses))]
	if with != "" && strings.HasPrefix(u.sql, "SELECT") {
		u.sql = with + u.sql
	}
	return u.sql, u.why
}

// unlisted reads what a list keeps away, or what shows filtered rows unfiltered.
func (g *generator) unlisted() (string, *regexp.Regexp) {
	for range 8 {
		r := relations[g.below(len(relations))]
		a := g.under.access[r.name]
		switch {
		case !a.listed:
			return "SELECT " + pick(g.draw, "1", "x.*", "count(*)") + " AS c1 FROM " + r.in("") + " x", notListed
		case a.unsafe:
			return "SELECT 1 AS c1 FROM " + r.in("") + " x", unfiltered
		}
	}
	return "", nil
}

// heldByFilter would put rows past a row filter, or tell of those behind it.
func (g *generator) heldByFilter() (string, *regexp.Regexp) {
	for _, a := range g.under.usable {
		r := a.relation
		if g.under.AccessMode == "read_write" && g.under.swayed(a) != nil && g.chance(2) {
			return pick(g.draw, "DELETE FROM "+r.in("")+" WHERE "+r.key[0]+" = 1", "UPDATE "+r.in("")+" SET "+g.under.swayed(a)[0]+" = NULL WHERE "+r.key[0]+" = 1"), filterHolds
		}
		if !a.filtered() || r.view != "" && !a.expanded {
			continue
		}
		if a.expanded {
			return pick(g.draw, "EXPLAIN SELECT 1 FROM "+r.in(""), "SELECT 1 FROM "+r.in("")+" TABLESAMPLE SYSTEM (100)"), filterHolds
		}
		choices := []string{"EXPLAIN SELECT 1 FROM " + r.in("")}
		if g.under.AccessMode == "read_write" {
			if len(g.under.Allow) == 0 { // else "made" is not listed
				choices = append(choices, "CREATE VIEW made AS SELECT 1 FROM "+r.in(""))
			}
			choices = append(choices, "WITH w AS (INSERT INTO "+r.in("")+" ("+r.key[0]+") VALUES (1) RETURNING 1) SELECT * FROM w",
				"MERGE INTO "+r.in("")+" t USING (VALUES (1)) v(n) ON t."+r.key[0]+" = v.n WHEN MATCHED THEN DELETE")
			if strings.Contains(a.filters[0].Predicate, " FROM "+r.name+" ") {
				choices = append(choices, "INSERT INTO "+r.in("")+" ("+r.key[0]+") VALUES (1)")
			}
			for _, f := range a.filters {
				if len(f.columns) > 0 && r.has(f.columns[0]) {
					choices = append(choices, "WITH w AS (UPDATE "+r.in("")+" SET "+f.columns[0]+" = NULL WHERE "+r.key[0]+" = 1 RETURNING 1) SELECT * FROM w")
				}
			}
		}
		return choices[g.below(len(choices))], filterHolds
	}
	return "", nil
}
