package policy

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// written is the target of a write that rules are about.
type written struct {
	rules *relationRules
	alias string    // how the statement's expressions name it
	where **pg.Node // of UPDATE and DELETE, nil otherwise
	bare  bool      // on the second reading: its filter is missing, or what may fail is not guarded
}

// returned is a masked column of a write's target in RETURNING.
type returned struct {
	target *pg.ResTarget
	ref    *pg.ColumnRef
	column column
}

// expansion is a star in RETURNING that covers masked columns of the target.
type expansion struct {
	list  *[]*pg.Node
	items []*fromItem
}

// destination reads the target of a write.
func (a *analysis) destination(v *pg.RangeVar) (*fromItem, *relationRules) {
	if v == nil {
		a.refuseUnknown("write without a target")
		return &fromItem{shape: shape{open: true}}, noRules
	}
	s, rules := a.relationShape(v)
	for i := range s.columns {
		s.columns[i].live = true
	}
	item := &fromItem{name: v.Relname, shape: s}
	if v.Alias != nil {
		item.name = v.Alias.Aliasname
	} else {
		item.schema = rules.name.Schema
	}
	if rules.applies() {
		a.touch(rules)
		if rules.unsafe {
			a.refuse(unfilterable(rules.name.Name))
		}
	}
	return item, rules
}

func (a *analysis) insert(n *pg.InsertStmt, outer *namespace) shape {
	ns := a.with(n.WithClause, outer)
	item, rules := a.destination(n.Relation)
	a.insertable(n, rules)
	a.sways(n.Relation, rules, true, n.OnConflictClause.GetTargetList())
	a.cascades(n.Relation, rules, n.OnConflictClause.GetTargetList(), false)
	if n.SelectStmt != nil {
		if out := a.query(n.SelectStmt, ns); out.masked() {
			a.refuse(maskRefusal(inExpression, "INSERT … SELECT, which would store it"))
		}
	}
	target := &namespace{items: []*fromItem{item}, star: item.shape, outer: ns}
	if c := n.OnConflictClause; c != nil {
		excluded := &fromItem{name: "excluded", shape: shape{open: item.open}}
		for _, col := range item.columns {
			excluded.columns = append(excluded.columns, column{name: col.name, typ: col.typ, collated: col.collated})
		}
		both := &namespace{items: []*fromItem{item, excluded}, outer: ns}
		if c.Infer != nil {
			for _, e := range c.Infer.IndexElems {
				if ie := e.GetIndexElem(); ie.GetName() != "" {
					if col, ok, _ := item.find(ie.Name); ok && col.mask != "" {
						a.refuse(maskRefusal(inPredicate, "ON CONFLICT"))
					}
				} else {
					a.expr(ie.GetExpr(), target, inPredicate)
				}
			}
			a.expr(c.Infer.WhereClause, target, inPredicate)
			if a.arbitrates(rules, c.Infer.Conname) {
				a.refuse(maskRefusal(inPredicate, "ON CONFLICT ON CONSTRAINT"))
			}
		}
		a.assignments(c.TargetList, both)
		if c.Action == pg.OnConflictAction_ONCONFLICT_UPDATE {
			a.restricted(rules, item, &c.WhereClause, both)
		} else {
			a.expr(c.WhereClause, both, inPredicate)
		}
	}
	if !rules.filtered() {
		return a.returns(&n.ReturningList, target)
	}
	return a.hold(heldWrite{written: written{rules: rules, alias: item.name}, returning: &n.ReturningList,
		told: n.OnConflictClause.GetAction() == pg.OnConflictAction_ONCONFLICT_UPDATE}, target)
}

// arbitrates says whether a masked column may be one that a constraint keeps
// apart. The index of a constraint has its name.
func (a *analysis) arbitrates(rules *relationRules, constraint string) bool {
	if constraint == "" || rules.relation == nil || len(rules.masks) == 0 {
		return false
	}
	index, ok := a.rules.catalog.Indexes[RelationName{rules.name.Schema, constraint}]
	return !ok || slices.ContainsFunc(index.Columns, func(name string) bool { return name == "" || rules.masks[name] != "" })
}

// insertable refuses an INSERT whose rows nothing could hold to a filter.
func (a *analysis) insertable(n *pg.InsertStmt, rules *relationRules) {
	switch {
	case !rules.filtered():
	case a.main.GetInsertStmt() != n:
		a.refuse(refuse("row_filter_unsafe", "Send the INSERT as a statement of its own.",
			"INSERT into table %q is not permitted inside another statement: its rows could not be held to the policy's row filter", n.Relation.GetRelname()))
	case !a.rules.checkable(rules):
		a.refuse(unsafeFilter("INSERT into table %q is not permitted: its rows could not be held to the policy's row filter", n.Relation.GetRelname()))
	}
}

// assignments reads SET lists: what is assigned may be a masked column, what
// it is computed from may not.
func (a *analysis) assignments(list []*pg.Node, ns *namespace) {
	for _, t := range list {
		target := t.GetResTarget()
		for _, i := range target.GetIndirection() {
			a.expr(i, ns, inSelectList)
		}
		a.expr(target.GetVal(), ns, inSelectList)
	}
}

func (a *analysis) update(n *pg.UpdateStmt, outer *namespace) shape {
	ns := a.with(n.WithClause, outer)
	item, rules := a.destination(n.Relation)
	target := &namespace{items: []*fromItem{item}, star: item.shape, outer: ns}
	scope := a.alongside(target, n.FromClause)
	held := a.moves(n, rules)
	a.sways(n.Relation, rules, false, n.TargetList)
	a.cascades(n.Relation, rules, n.TargetList, false)
	a.assignments(n.TargetList, scope)
	a.restricted(rules, item, &n.WhereClause, scope)
	if !held {
		return a.returns(&n.ReturningList, scope)
	}
	return a.hold(heldWrite{written: written{rules: rules, alias: item.name}, returning: &n.ReturningList, told: true}, scope)
}

// moves says whether an UPDATE could move a row out of the filter's sight, and
// refuses one that nothing could hold to it.
func (a *analysis) moves(n *pg.UpdateStmt, rules *relationRules) bool {
	for _, t := range n.TargetList {
		name := t.GetResTarget().GetName()
		switch {
		case !rules.changes(name):
			continue
		case a.main.GetUpdateStmt() != n:
			a.refuse(refuse("row_filter_unsafe", "Send the UPDATE as a statement of its own.",
				"column %q decides which rows this credential may see and cannot be changed inside another statement", name))
		case !a.rules.checkable(rules):
			a.refuse(unsafeFilter("column %q decides which rows this credential may see and cannot be changed by it", name))
		}
		return true
	}
	return false
}

func (a *analysis) delete(n *pg.DeleteStmt, outer *namespace) shape {
	ns := a.with(n.WithClause, outer)
	item, rules := a.destination(n.Relation)
	target := &namespace{items: []*fromItem{item}, star: item.shape, outer: ns}
	scope := a.alongside(target, n.UsingClause)
	a.sways(n.Relation, rules, true, nil)
	a.cascades(n.Relation, rules, nil, true)
	a.restricted(rules, item, &n.WhereClause, scope)
	return a.returns(&n.ReturningList, scope)
}

// alongside adds a FROM or USING list to a write's target. Such items see the
// target only where they are lateral, which PostgreSQL refuses anyway.
func (a *analysis) alongside(target *namespace, list []*pg.Node) *namespace {
	more := a.from(list, target.outer)
	scope := &namespace{items: append(target.items[:1:1], more.items...), outer: target.outer}
	scope.star.append(target.star)
	scope.star.append(more.star)
	return scope
}

// restricted reads the WHERE of an UPDATE or DELETE, which the target's filter
// joins.
func (a *analysis) restricted(rules *relationRules, item *fromItem, where **pg.Node, scope *namespace) {
	cursor := a.currentOf
	a.currentOf = false
	if !rules.filtered() {
		a.expr(*where, scope, inPredicate)
	} else {
		w := written{rules: rules, alias: item.name, where: where}
		own := []*pg.Node{*where}
		if a.again {
			// The filter is the author's: it may name what the principal may not.
			var guarded, ok bool
			own, guarded, ok = w.rest(a.rules)
			w.bare = !ok || !guarded && len(own) > 0 && (a.mustGuard || rules.fenced())
		}
		for _, term := range own {
			a.expr(term, scope, inPredicate)
		}
		if a.currentOf {
			a.refuse(unsafeFilter("WHERE CURRENT OF is not permitted on table %q, which has a row filter", rules.name.Name))
		}
		if a.once(where) {
			a.writes = append(a.writes, w)
		}
	}
	a.currentOf = a.currentOf || cursor
}

func (a *analysis) merge(n *pg.MergeStmt, outer *namespace) shape {
	ns := a.with(n.WithClause, outer)
	item, rules := a.destination(n.Relation)
	if rules.filtered() {
		a.refuse(unsafeFilter("MERGE into table %q is not permitted: its rows could not be held to the policy's row filter", n.Relation.GetRelname()))
	}
	source := a.from([]*pg.Node{n.SourceRelation}, ns)
	scope := &namespace{items: append([]*fromItem{item}, source.items...), outer: ns}
	// RETURNING * puts the source first.
	scope.star.append(source.star)
	scope.star.append(item.shape)
	a.expr(n.JoinCondition, scope, inPredicate)
	for _, w := range n.MergeWhenClauses {
		when := w.GetMergeWhenClause()
		a.expr(when.GetCondition(), scope, inPredicate)
		if c := when.GetCommandType(); c == pg.CmdType_CMD_UPDATE {
			a.sways(n.Relation, rules, false, when.GetTargetList())
			a.cascades(n.Relation, rules, when.GetTargetList(), false)
		} else {
			a.sways(n.Relation, rules, c == pg.CmdType_CMD_INSERT || c == pg.CmdType_CMD_DELETE, nil)
			a.cascades(n.Relation, rules, nil, c == pg.CmdType_CMD_DELETE)
		}
		a.assignments(when.GetTargetList(), scope)
		for _, v := range when.GetValues() {
			a.expr(v, scope, inExpression)
		}
	}
	scope.items = append(source.items[:len(source.items):len(source.items)], item)
	return a.returns(&n.ReturningList, scope)
}

// returns reads a RETURNING list. A star over masked columns of the target is
// written out, so that each can be replaced.
func (a *analysis) returns(list *[]*pg.Node, scope *namespace) shape {
	var flat []*pg.Node
	expanded, whole := false, false
	for _, n := range *list {
		fields, star := columnFields(n.GetResTarget().GetVal().GetColumnRef())
		if !star {
			flat = append(flat, n)
			continue
		}
		items := scope.items
		if len(fields) > 0 {
			item := scope.item(fields)
			if item == nil {
				flat = append(flat, n)
				continue
			}
			items = []*fromItem{item}
		}
		live := false
		for _, item := range items {
			live = live || item.masked() && item.live()
		}
		if !live || a.rules.catalog == nil {
			flat = append(flat, n)
			continue
		}
		expanded, whole = true, whole || len(fields) == 0
		flat = append(flat, a.writeOut(items)...)
	}
	if expanded {
		if whole && len(scope.items) > 1 && !plainStar(scope) {
			a.refuse(maskRefusal(inExpression, "RETURNING * over several tables; list the columns"))
			return shape{open: true}
		}
		*list = flat
		a.changed = true
	}
	return a.targets(*list, scope, true)
}

func (f *fromItem) live() bool {
	for _, c := range f.columns {
		if c.live {
			return true
		}
	}
	return false
}

// plainStar says whether the star of a namespace is its items in their order.
func plainStar(ns *namespace) bool {
	at := 0
	for _, item := range ns.items {
		for _, c := range item.columns {
			if item.name == "" || at >= len(ns.star.columns) || ns.star.columns[at].name != c.name {
				return false
			}
			at++
		}
	}
	return at == len(ns.star.columns)
}

func (a *analysis) writeOut(items []*fromItem) []*pg.Node {
	var list []*pg.Node
	for _, item := range items {
		if item.open {
			a.refuse(maskRefusal(inExpression, "a star over columns that are not known"))
		}
		for _, c := range item.columns {
			ref := pg.MakeColumnRefNode([]*pg.Node{pg.MakeStrNode(item.name), pg.MakeStrNode(c.name)}, -1)
			list = append(list, pg.MakeResTargetNodeWithVal(ref, -1))
		}
	}
	return list
}
