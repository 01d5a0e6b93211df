package policy

import (
	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// refuseStored refuses to keep today's rules in a definition.
func (a *analysis) refuseStored() {
	for _, t := range a.touched {
		if t.filtered() {
			a.refuse(unsafeFilter("a view of table %q is not permitted, because it has a row filter", t.name.Name))
		}
		if len(t.masks) > 0 {
			a.refuse(maskRefusal(inExpression, "a view of a table with masked columns"))
		}
	}
}

// definition decides about statements that are no queries: whatever changes or
// reads a ruled relation otherwise is refused, but for a few that are known to
// show and loosen nothing.
func (r *ruleSet) definition(s *statement) *refusal {
	for _, ref := range s.refs {
		if ref.create {
			continue
		}
		rules := r.of(ref.relation, ref.name)
		if !rules.applies() {
			continue
		}
		if rules.filtered() {
			if n := s.node.GetVacuumStmt(); n == nil || verbose(n) { // it tells how many rows there are
				return unsafeFilter("%s is not permitted on table %q, which has a row filter", s.class.tag, ref.typed())
			}
			continue
		}
		s.out.HideDetail = true
		if !r.harmlessDefinition(s, rules) {
			return maskRefusal(inExpression, s.class.tag+" on a table with masked columns")
		}
	}
	if ref := r.swaying(s); ref != nil {
		return unsafeFilter("%s is not permitted on table %q, which a row filter of another table reads", s.class.tag, ref.typed())
	}
	return nil
}

func (r *ruleSet) harmlessDefinition(s *statement, rules *relationRules) bool {
	switch n := s.node.GetNode().(type) {
	case *pg.Node_VacuumStmt, *pg.Node_CommentStmt:
		return true
	case *pg.Node_IndexStmt:
		return !mentionsAny(s.node, rules)
	case *pg.Node_AlterTableStmt:
		for _, c := range n.AlterTableStmt.Cmds {
			if c.GetAlterTableCmd().GetSubtype() != pg.AlterTableType_AT_AddColumn {
				return false
			}
		}
		return !mentionsAny(s.node, rules)
	}
	return false
}

func verbose(n *pg.VacuumStmt) bool {
	for _, o := range n.Options {
		if o.GetDefElem().GetDefname() == "verbose" {
			return true
		}
	}
	return false
}

// mentionsAny says whether any string below m is a masked column's name, or
// means the whole row.
func mentionsAny(m proto.Message, rules *relationRules) bool {
	found := false
	switch n := m.(type) {
	case *pg.String:
		_, found = rules.masks[n.Sval]
	case *pg.IndexElem:
		_, found = rules.masks[n.Name]
	case *pg.ColumnRef:
		fields, star := columnFields(n)
		found = star || len(fields) > 0 && fields[len(fields)-1] == rules.name.Name
	}
	eachChild(m, func(_ string, child proto.Message) { found = found || mentionsAny(child, rules) })
	return found
}
