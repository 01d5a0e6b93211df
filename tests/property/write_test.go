package property

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// write is what a statement changes.
type write struct {
	table    *access
	assigned []string // columns that it gives values to
	// commit: the change is kept, looked at from behind the proxy, and undone
	// there; else it is rolled back.
	commit bool
	// held: rows that it writes may be what the table's filters do not show.
	held bool
}

// firstNew is the least key of the rows that statements insert.
const firstNew = 9000

// writing is a statement that changes one table, where the policy lets any be
// changed.
func (g *generator) writing() (*statement, bool) {
	var tables []*access
	for _, a := range g.under.usable {
		if a.relation.view == "" && g.testable(a) != "" {
			tables = append(tables, a)
		}
	}
	if len(tables) == 0 {
		return nil, false
	}
	if filtered := slices.DeleteFunc(slices.Clone(tables), func(a *access) bool { return len(a.filters) == 0 || !g.insertable(a) || g.under.swayed(a) != nil }); len(filtered) > 0 && g.chance(2) {
		tables = filtered
	}
	a := tables[g.below(len(tables))]
	s := &statement{write: &write{table: a, commit: g.chance(3)}, way: pick(g.draw, simply, textual, binary, prepared, batch)}
	verb := g.below(6)
	if len(a.filters) > 0 && g.chance(2) {
		verb = 2
	}
	if g.under.swayed(a) != nil {
		verb = 4 // no row may come or go
	}
	switch {
	case verb < 2:
		s.sql, s.columns = g.delete(a)
	case verb == 2 && g.insertable(a):
		s.sql, s.columns = g.insert(s.write)
	case verb == 3 && g.insertable(a) && len(a.filters) == 0 && the.postgres.Version >= 15:
		s.sql = g.merge(s.write)
		return s, s.sql != ""
	default:
		s.sql, s.columns = g.update(s.write)
	}
	if s.sql != "" && len(s.columns) > 0 && !s.write.held && g.chance(5) {
		for i := range s.columns {
			s.columns[i].name = outputName(i)
		}
		names := make([]string, len(s.columns))
		for i, c := range s.columns {
			names[i] = c.name
		}
		s.sql = "WITH w(" + strings.Join(names, ", ") + ") AS (" + s.sql + ") SELECT * FROM w"
		if anyMasked(s.columns) {
			s.sql = strings.Replace(s.sql, "w("+strings.Join(names, ", ")+")", "w", 1) // no list may rename a masked one
		}
	}
	return s, s.sql != ""
}

// testable is a column that a WHERE may test.
func (g *generator) testable(a *access) string {
	for _, c := range a.relation.columns {
		if a.masks[c.name] == "" {
			return c.name
		}
	}
	return ""
}

// changed is a reference to a table that a statement changes.
func (g *generator) changed(a *access) *source {
	s := &source{alias: g.alias(), table: true}
	for _, c := range a.relation.columns {
		s.columns = append(s.columns, column{name: c.name, kind: c.kind, mask: a.masks[c.name], from: a.relation, attr: c.name})
	}
	name := a.relation.name
	if a.relation.schema != "public" || g.chance(3) {
		name = a.relation.schema + "." + name
	}
	s.text = name + " AS " + s.alias
	return s
}

func (g *generator) delete(a *access) (string, []column) {
	s := g.changed(a)
	sql := "DELETE FROM " + s.text
	sc := &scope{sources: []*source{s}}
	if g.chance(3) {
		other := g.item(&scope{}, 1)
		sql += " USING " + other.text
		sc.sources = append(sc.sources, other)
	}
	sql += " WHERE " + s.alias + "." + g.testable(a) + " IS NOT NULL AND " + g.aim(sc)
	returning, columns := g.returning(s)
	return sql + returning, columns
}

// aim is the condition of a write: often one that fails for hidden rows.
func (g *generator) aim(sc *scope) string {
	if g.chance(2) {
		if trap, ok := g.trap(sc); ok {
			return trap
		}
	}
	return g.condition(sc, 2)
}

// returning is a RETURNING list of the target's columns.
func (g *generator) returning(s *source) (string, []column) {
	g.qualified = true // what stands beside the target is in sight too
	switch g.below(4) {
	case 0:
		return "", nil
	case 1:
		return " RETURNING " + s.alias + ".*", s.columns
	}
	var list []string
	var columns []column
	sc := &scope{sources: []*source{s}}
	for range 1 + g.below(3) {
		c := s.columns[g.below(len(s.columns))]
		expr := s.alias + "." + c.name
		if c.mask == "" {
			expr = g.expr(c.kind, sc, 1)
		}
		c.name = outputName(len(columns))
		list, columns = append(list, expr+" AS "+c.name), append(columns, c)
	}
	return " RETURNING " + strings.Join(list, ", "), columns
}

func (g *generator) update(w *write) (string, []column) {
	a := w.table
	s := g.changed(a)
	sc := &scope{sources: []*source{s}}
	from := ""
	if g.chance(3) {
		// A row of the table meets one row of the other at most.
		other := g.table()
		if len(other.key) == 1 && other.columns[0].kind == integer {
			for _, c := range s.plain() {
				if c.kind == integer {
					from = " FROM " + other.text + " WHERE " + other.alias + "." + other.key[0] + " = " + g.reference(s, c)
					sc = &scope{sources: []*source{s, other}}
					break
				}
			}
		}
	}
	var list []string
	for range 1 + g.below(2) {
		c := a.relation.columns[g.below(len(a.relation.columns))]
		if read := slices.DeleteFunc(slices.Clone(a.relation.columns), func(c attribute) bool { return g.fixed(a, c.name) || !a.filterReads(c.name) }); len(read) > 0 && g.chance(2) {
			c = read[g.below(len(read))]
		}
		if g.fixed(a, c.name) || slices.Contains(w.assigned, c.name) {
			continue
		}
		w.assigned, w.held = append(w.assigned, c.name), w.held || a.filterReads(c.name)
		list = append(list, c.name+" = "+g.value(a, c, sc))
	}
	if len(list) == 0 {
		return "", nil
	}
	sql := "UPDATE " + s.text + " SET " + strings.Join(list, ", ") + from + map[bool]string{true: " WHERE ", false: " AND "}[from == ""] +
		s.alias + "." + g.testable(a) + " IS NOT NULL AND " + g.aim(sc)
	returning, columns := g.returning(s)
	return sql + returning, columns
}

// fixed columns are not changed: keys and partition keys would fail where other
// rows stand in the way.
func (g *generator) fixed(a *access, name string) bool {
	if a.filterReads(name) && !a.checkable() || slices.Contains(g.under.swayed(a), name) {
		return true
	}
	return slices.Contains(a.relation.key, name) || a.relation.columns[0].name == "id" && strings.HasPrefix(a.relation.name, "events") && name == "tenant_id"
}

// value is what a column is set to. By hand a masked column gets what its mask
// makes of the value.
func (g *generator) value(a *access, c attribute, sc *scope) string {
	kind := a.masks[c.name]
	if kind == "" {
		if shown := g.under.shown[a.relation.name][c.name]; shown != "" && a.filterReads(c.name) && !g.chance(3) {
			return pick(g.draw, shown, shown, "NULL") // what else there is says little to a filter
		}
		switch c.kind {
		case text:
			return "left(" + g.expr(text, sc, 1) + ", 6)"
		case number:
			return "least(" + g.expr(number, sc, 1) + ", 9999.99)"
		}
		return g.expr(c.kind, sc, 1)
	}
	switch {
	case c.kind != text:
		return storedFrom + g.literal(c.kind) + or + "NULL" + storedEnd
	case g.chance(5):
		return "NULL"
	}
	value := pick(g.draw, "new", "other", "")
	byHand := map[string]string{"redact": "'[redacted]'", "null": "NULL", "hash": fmt.Sprintf("'%x'", sha256.Sum256([]byte(value)))}[kind]
	return storedFrom + "'" + value + "'" + or + byHand + storedEnd
}

// insertable says whether the generator puts rows into a table.
func (g *generator) insertable(a *access) bool {
	r := a.relation
	return (len(a.filters) == 0 || a.checkable()) && !r.partition && len(r.key) == 1 && a.masks[r.key[0]] == ""
}

func (g *generator) insert(w *write) (string, []column) {
	r := w.table.relation
	s := g.changed(w.table)
	names := []string{r.key[0]}
	columns := []attribute{}
	for _, c := range r.columns {
		if c.name != r.key[0] && (w.table.filterReads(c.name) || !g.chance(3)) {
			columns, names = append(columns, c), append(names, c.name)
		}
	}
	w.assigned, w.held = names, len(w.table.filters) > 0
	tuple := func(key string, sc *scope) string {
		list := []string{key}
		for _, c := range columns {
			value := g.value(w.table, c, sc)
			if w.table.masks[c.name] == "" {
				value += "::" + c.decl
			}
			list = append(list, value)
		}
		return strings.Join(list, ", ")
	}
	sql := "INSERT INTO " + s.text + " (" + strings.Join(names, ", ") + ") "
	if other := g.table(); g.chance(2) && len(other.key) == 1 && other.columns[0].kind == integer && r.name != "events" {
		sql += "SELECT " + tuple(fmt.Sprintf("%d + %s.%s", firstNew, other.alias, other.key[0]), &scope{sources: []*source{other}}) +
			" FROM " + other.text + " WHERE " + g.condition(&scope{sources: []*source{other}}, 2)
	} else {
		var rows []string
		for i := range 1 + g.below(3) {
			rows = append(rows, "("+tuple(fmt.Sprint(firstNew+i), &scope{})+")")
		}
		sql += "VALUES " + strings.Join(rows, ", ")
		there := g.under.shown[r.name][r.key[0]]
		if len(w.table.filters) == 0 {
			there = strings.Trim(r.rows[0][:strings.Index(r.rows[0], ",")], "(")
		}
		if r.name != "events" && there != "" && g.chance(3) {
			sql = strings.Replace(sql, fmt.Sprintf("(%d,", firstNew), "("+there+",", 1) + " ON CONFLICT (" + names[0] + ") DO " + g.conflict(w, s)
		}
	}
	returning, out := g.returning(s)
	return sql + returning, out
}

// conflict is what becomes of a row that is there already.
func (g *generator) conflict(w *write, s *source) string {
	g.qualified = true // "excluded" is in sight
	for _, c := range s.columns {
		if c.mask == "" && c.name != w.table.relation.key[0] && slices.Contains(w.assigned, c.name) {
			return pick(g.draw, "NOTHING", "UPDATE SET "+c.name+" = excluded."+c.name+" WHERE "+g.condition(&scope{sources: []*source{s}}, 1))
		}
	}
	return "NOTHING"
}

func (g *generator) merge(w *write) string {
	s := g.changed(w.table)
	r := w.table.relation
	for _, c := range r.columns {
		if w.table.masks[c.name] == "" && !g.fixed(w.table, c.name) {
			w.assigned = []string{r.key[0], c.name}
			sc := &scope{sources: []*source{s}}
			return "MERGE INTO " + s.text + " USING (VALUES (1), (3), (9000)) v(n) ON v.n = " + s.alias + "." + r.key[0] +
				" WHEN MATCHED AND " + g.condition(sc, 1) + " THEN " + pick(g.draw, "UPDATE SET "+c.name+" = "+g.value(w.table, c, sc), "DELETE") +
				" WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED AND v.n > 8000 THEN INSERT (" + r.key[0] + ", " + c.name + ") VALUES (v.n, " + g.value(w.table, c, &scope{}) + ")"
		}
	}
	return ""
}
