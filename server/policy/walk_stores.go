package policy

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// PostgreSQL casts what is stored to the type of its column, and what a
// definition holds or changes to the type that is defined, without a cast in
// the tree.

// stores records the columns that a write names. Where it names none, every
// stands for all.
func (s *statement) stores(columns []*pg.Node, every bool) {
	if s.stored == nil {
		s.stored = make(map[string]bool)
	}
	for _, c := range columns {
		s.stored[c.GetResTarget().GetName()] = true
	}
	if every && len(columns) == 0 {
		s.stored[""] = true
	}
}

// define records what a definition casts.
func (s *statement) define(m proto.Message) {
	switch n := m.(type) {
	case *pg.ColumnDef:
		if n.RawDefault != nil || slices.ContainsFunc(n.Constraints, fills) {
			s.castTo(n.TypeName)
		}
	case *pg.AlterTableCmd:
		switch n.Subtype {
		case pg.AlterTableType_AT_AlterColumnType:
			s.castTo(n.Def.GetColumnDef().GetTypeName())
		case pg.AlterTableType_AT_ColumnDefault:
			s.stores([]*pg.Node{pg.MakeResTargetNodeWithName(n.Name, 0)}, false)
		}
	case *pg.CreateDomainStmt:
		if slices.ContainsFunc(n.Constraints, fills) {
			s.castTo(n.TypeName)
		}
	case *pg.AlterDomainStmt:
		if n.Subtype == "T" && n.Def != nil { // SET DEFAULT
			s.castTo(&pg.TypeName{Names: n.TypeName})
		}
	}
}

// fills says whether a constraint of a column or domain gives it values.
func fills(n *pg.Node) bool {
	switch n.GetConstraint().GetContype() {
	case pg.ConstrType_CONSTR_DEFAULT, pg.ConstrType_CONSTR_GENERATED:
		return true
	}
	return false
}
