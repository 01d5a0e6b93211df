package policy

import (
	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// mentions is every way in which a statement says names of columns.
type mentions struct {
	names  map[string]bool
	system map[string]bool   // of names, the system columns; "" is there when one has no qualifier
	dotted [][2]string       // qualifier and name of columns: PostgreSQL reads u.f as f(u) when u has no column f
	all    bool              // a star, NATURAL JOIN or join with an alias, which name none
	skip   map[*pg.Node]bool // FROM items that we put in
}

func readMentions(m proto.Message, skip map[*pg.Node]bool) *mentions {
	s := &mentions{names: make(map[string]bool), system: make(map[string]bool), skip: skip}
	s.read(m)
	return s
}

func (s *mentions) read(m proto.Message) {
	switch n := m.(type) {
	case *pg.Node:
		if s.skip[n] {
			return
		}
	case *pg.String:
		s.names[n.Sval] = true
	case *pg.A_Star:
		s.all = true
	case *pg.JoinExpr:
		s.all = s.all || n.IsNatural || n.Alias != nil
	case *pg.ColumnRef:
		// The qualifier of a column is no mention of the whole row.
		names := stringsOf(n.Fields)
		if len(names) > 0 {
			last := names[len(names)-1]
			s.names[last] = true
			if systemColumns[last] {
				s.system[last] = true
				s.system[""] = s.system[""] || len(names) == 1
			}
		}
		if len(names) > 1 {
			s.dotted = append(s.dotted, [2]string(names[len(names)-2:]))
		}
		_, star := columnFields(n)
		s.all = s.all || star
		return
	}
	eachChild(m, func(_ string, child proto.Message) { s.read(child) })
}

// reach says whether a statement could come by a masked column of a reference:
// by the column's name, by a star, by the row as a whole, or by position.
func (s *mentions) reach(u use) bool {
	if s.all || len(u.rangeVar.GetAlias().GetColnames()) > 0 || s.names[u.rangeVar.Relname] ||
		s.names[u.rangeVar.GetAlias().GetAliasname()] {
		return true
	}
	for name := range u.rules.masks {
		if s.names[name] {
			return true
		}
	}
	for _, d := range s.dotted {
		named := d[0] == u.rangeVar.Relname || d[0] == u.rangeVar.GetAlias().GetAliasname()
		if named && u.rules.relation != nil && !u.rules.relation.has(d[1]) && !systemColumns[d[1]] {
			return true
		}
	}
	return false
}
