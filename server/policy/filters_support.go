package policy

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// What the sub-selects of a filter read decides which rows it lets through:
// who could change it would choose what to see.

// support is a relation that a filter reads: the columns that it looks at, or
// all of them.
type support struct {
	columns map[string]bool
	all     bool
}

// supports are the relations that filters read, with what views show, children
// and parents. They are found once.
func (r *ruleSet) supports() map[RelationName]*support {
	r.supportOnce.Do(func() {
		r.supported = make(map[RelationName]*support)
		for _, f := range r.filters {
			expr, err := parsePredicate(f.text)
			if err != nil {
				continue // it was compiled
			}
			s := read(expr, "")
			all := readMentions(expr, nil).all
			for _, ref := range s.refs {
				r.engine.resolveRef(ref, newBatch())
				reads := []RelationName{ref.name}
				if ref.relation != nil {
					reads = r.engine.lineage(ref.relation).reads
					all = all || ref.relation.Kind == 'v'
				}
				for _, n := range reads {
					have := r.supported[n]
					if have == nil {
						have = &support{columns: make(map[string]bool)}
						r.supported[n] = have
					}
					have.all = have.all || all
					for c := range f.columns {
						have.columns[c] = true
					}
				}
			}
		}
	})
	return r.supported
}

// supporting are the supports that a change of a relation changes.
func (r *ruleSet) supporting(rel *Relation, name RelationName) []*support {
	known := r.supports()
	if len(known) == 0 {
		return nil
	}
	reads := []RelationName{name}
	if rel != nil {
		reads = r.engine.lineage(rel).reads
	}
	var list []*support
	for _, n := range reads {
		if s := known[n]; s != nil {
			list = append(list, s)
		}
	}
	return list
}

// sways refuses a write that changes what a filter reads. rows says that rows
// come or go.
func (a *analysis) sways(v *pg.RangeVar, rules *relationRules, rows bool, assigned []*pg.Node) {
	if a.binding != nil {
		return
	}
	view := rules.relation != nil && rules.relation.Kind == 'v'
	for _, s := range a.rules.supporting(rules.relation, rules.name) {
		if s.own(rules) {
			continue
		}
		if rows {
			a.refuse(unsafeFilter("rows of table %q decide which rows of another this credential may see, and are not added or deleted by it", v.GetRelname()))
		}
		for _, t := range assigned {
			if name := t.GetResTarget().GetName(); s.all || view || s.columns[name] {
				a.refuse(unsafeFilter("column %q decides which rows of another table this credential may see and cannot be changed by it", name))
			}
		}
	}
}

// own says whether a filter of the table itself, to which what is written is
// held, keeps its rows the principal's: whatever else the other filter looks at
// names one row each, as a primary key does, and what is written has names that
// nothing else went by before.
func (s *support) own(rules *relationRules) bool {
	if s.all || !rules.filtered() || rules.relation == nil {
		return false
	}
	for _, c := range rules.relation.Columns {
		if s.columns[c.Name] && !c.Unique && !rules.changes(c.Name) {
			return false
		}
	}
	return true
}

// swaying says whether a statement that is no query changes what a filter
// reads, or what its names mean.
func (r *ruleSet) swaying(s *statement) *relationRef {
	switch n := s.node.GetNode().(type) {
	case *pg.Node_VacuumStmt, *pg.Node_CommentStmt, *pg.Node_IndexStmt, *pg.Node_GrantStmt, *pg.Node_CreateStatsStmt:
		return nil
	case *pg.Node_CreateStmt:
		if len(n.CreateStmt.InhRelations) == 0 && n.CreateStmt.Partbound == nil {
			return nil
		}
	}
	for _, ref := range s.refs {
		if !ref.create && len(r.supporting(ref.relation, ref.name)) > 0 {
			return ref
		}
	}
	return nil
}

// redefined is the view that a statement may replace and a filter reads.
func (r *ruleSet) redefined(s *statement) *relationRef {
	if s.node.GetViewStmt() == nil {
		return nil
	}
	for _, ref := range s.refs {
		if ref.create && r.supports()[ref.name] != nil {
			return ref
		}
	}
	return nil
}
