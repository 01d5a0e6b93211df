package policy

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// query reads a SELECT, VALUES, or a write with RETURNING, and returns what it
// puts out.
func (a *analysis) query(n *pg.Node, outer *namespace) shape {
	if !a.step() {
		return shape{open: true}
	}
	switch q := n.GetNode().(type) {
	case *pg.Node_SelectStmt:
		return a.selectStmt(q.SelectStmt, outer, false)
	case *pg.Node_InsertStmt:
		return a.insert(q.InsertStmt, outer)
	case *pg.Node_UpdateStmt:
		return a.update(q.UpdateStmt, outer)
	case *pg.Node_DeleteStmt:
		return a.delete(q.DeleteStmt, outer)
	case *pg.Node_MergeStmt:
		return a.merge(q.MergeStmt, outer)
	}
	a.refuseUnknown("query")
	return shape{open: true}
}

// with brings the names of a WITH clause into sight.
func (a *analysis) with(w *pg.WithClause, outer *namespace) *namespace {
	if w == nil {
		return outer
	}
	var all []*cte
	ns := outer
	if w.Recursive {
		frame := &cteFrame{}
		ns = &namespace{ctes: frame, outer: outer}
		for _, n := range w.Ctes {
			c := &cte{node: n.GetCommonTableExpr(), in: ns}
			frame.ctes, all = append(frame.ctes, c), append(all, c)
		}
	} else {
		for _, n := range w.Ctes {
			c := &cte{node: n.GetCommonTableExpr(), in: ns}
			ns, all = &namespace{ctes: &cteFrame{ctes: []*cte{c}}, outer: ns}, append(all, c)
		}
	}
	for _, c := range all {
		a.cteShape(c) // also of one that nothing refers to: it is checked
	}
	return ns
}

// cteShape analyzes a common table expression once. A recursive one is read
// until what it puts out no longer grows more masked: its first arm decides
// the columns, the second may mask more of them.
func (a *analysis) cteShape(c *cte) shape {
	if c.done || c.busy {
		return c.shape
	}
	c.busy = true
	names := stringsOf(c.node.Aliascolnames)
	apply := func(s shape) shape {
		if s.renames(len(names)) {
			a.refuse(renameRefusal())
		}
		return s.rename(names)
	}
	sel := c.node.Ctequery.GetSelectStmt()
	if sel != nil && sel.Op != pg.SetOperation_SETOP_NONE && sel.Larg != nil {
		in := a.with(sel.WithClause, c.in)
		c.shape = apply(a.selectStmt(sel.Larg, in, false))
	}
	for {
		before := c.shape
		next := apply(a.query(c.node.Ctequery, c.in))
		c.shape = next
		if a.refusal != nil || sameMasks(before, next) || sel == nil || sel.Op == pg.SetOperation_SETOP_NONE {
			break
		}
	}
	if (c.node.SearchClause != nil || c.node.CycleClause != nil) && c.masked() {
		a.refuse(maskRefusal(inPredicate, "SEARCH or CYCLE"))
	}
	if s := c.node.SearchClause; s != nil {
		c.columns = append(c.columns, column{name: s.SearchSeqColumn})
	}
	if s := c.node.CycleClause; s != nil {
		c.columns = append(c.columns, column{name: s.CycleMarkColumn}, column{name: s.CyclePathColumn})
	}
	c.busy, c.done = false, true
	return c.shape
}

func sameMasks(a, b shape) bool {
	if len(a.columns) != len(b.columns) || len(a.hidden) != len(b.hidden) {
		return false
	}
	for i := range a.columns {
		if a.columns[i].mask != b.columns[i].mask {
			return false
		}
	}
	return true
}

// selectStmt reads one SELECT. The select list of the statement itself (top)
// is evaluated above every filter, so what fails in it needs no fence.
func (a *analysis) selectStmt(n *pg.SelectStmt, outer *namespace, top bool) shape {
	if n == nil || !a.step() {
		return shape{open: true}
	}
	ns := a.with(n.WithClause, outer)
	var out shape
	switch {
	case n.Op != pg.SetOperation_SETOP_NONE:
		l, r := a.selectStmt(n.Larg, ns, false), a.selectStmt(n.Rarg, ns, false)
		out = union(l, r)
		if (l.open || r.open) && out.masked() && a.rules.catalog != nil {
			a.refuse(maskRefusal(inExpression, "a set operation over columns that are not known"))
		}
	case len(n.ValuesLists) > 0:
		out = a.values(n.ValuesLists, ns)
	default:
		ns = a.from(n.FromClause, ns)
		a.expr(n.WhereClause, ns, inPredicate)
		out = a.targets(n.TargetList, ns, top)
		for _, g := range n.GroupClause {
			a.sortItem(g, ns, out, top, true)
		}
		a.expr(n.HavingClause, ns, inPredicate)
		for _, w := range n.WindowClause {
			a.expr(w, ns, inPredicate)
		}
	}
	if len(n.DistinctClause) > 0 {
		named := false
		for _, d := range n.DistinctClause {
			if d.GetNode() != nil {
				named = true
				a.sortItem(d, ns, out, top, false)
			}
		}
		if !named && out.masked() {
			a.refuse(maskRefusal(inPredicate, "DISTINCT"))
		}
	}
	for _, s := range n.SortClause {
		a.sortItem(s, ns, out, top, false)
	}
	a.expr(n.LimitCount, ns, inLimit)
	a.expr(n.LimitOffset, ns, inLimit)
	if n.IntoClause != nil && out.masked() {
		a.refuse(maskRefusal(inExpression, "SELECT INTO"))
	}
	return out
}

// union is the shape of a set operation: the names of the left arm, masked
// where either is.
func union(l, r shape) shape {
	out := shape{columns: append([]column(nil), l.columns...), open: l.open || r.open}
	for name, kind := range l.hidden {
		out.hide(name, kind)
	}
	for name, kind := range r.hidden {
		out.hide(name, kind)
	}
	for i := range out.columns {
		if i >= len(r.columns) {
			break
		}
		out.columns[i].mask = combine(out.columns[i].mask, r.columns[i].mask)
		if r.columns[i].typ != out.columns[i].typ || r.columns[i].collated && out.columns[i].collated {
			out.columns[i].typ = 0
		}
		out.columns[i].collated = out.columns[i].collated || r.columns[i].collated
	}
	return out
}

// combine is the mask of what may carry two masks.
func combine(a, b MaskKind) MaskKind {
	switch {
	case a == "" || a == b:
		return b
	case b == "":
		return a
	}
	return Null
}

func (a *analysis) values(lists []*pg.Node, ns *namespace) shape {
	var out shape
	for _, l := range lists {
		items := l.GetList().GetItems()
		for len(out.columns) < len(items) {
			out.columns = append(out.columns, column{name: "column" + itoa(len(out.columns)+1)})
		}
		a.expr(l, ns, inExpression)
	}
	return out
}

// targets reads a select list or RETURNING list.
func (a *analysis) targets(list []*pg.Node, ns *namespace, top bool) shape {
	var out shape
	for _, n := range list {
		t := n.GetResTarget()
		if t == nil {
			a.refuseUnknown("item in a select list")
			continue
		}
		out.append(a.target(t, ns, top))
	}
	return out
}

func (a *analysis) target(t *pg.ResTarget, ns *namespace, top bool) shape {
	if ref := t.Val.GetColumnRef(); ref != nil {
		fields, star := columnFields(ref)
		if star {
			return a.star(fields, ns)
		}
		m := ns.resolve(fields)
		if a.binding != nil {
			a.binding.see(ref, m, fields, true)
		}
		if m.known && m.row == nil {
			c := m.column
			if c.mask != "" && c.live {
				if a.once(t) {
					a.returning = append(a.returning, returned{target: t, ref: ref, column: c})
				}
				c.live = false
			}
			if t.Name != "" {
				c.name = t.Name
			}
			return shape{columns: []column{c}}
		}
	}
	if c, ok := a.recognizeMask(t, ns); ok {
		return shape{columns: []column{c}}
	}
	sub, nulled := scalarSubquery(t.Val)
	if sub == nil {
		p := inExpression
		if top {
			p = inSelectList
		}
		a.expr(t.Val, ns, p)
		return shape{columns: []column{{name: outputName(t)}}}
	}
	s := a.query(sub.Subselect, ns)
	c := column{name: outputName(t)}
	if t.Name == "" && len(s.columns) > 0 {
		c.name = s.columns[0].name
	}
	if s.masked() {
		c.mask = Null
		if !nulled {
			a.nulls[t] = c.name
		}
	}
	return shape{columns: []column{c}}
}

// scalarSubquery is the sub-select that is all of a select list's item, and
// whether it stands in the form that makes it NULL.
func scalarSubquery(n *pg.Node) (*pg.SubLink, bool) {
	nulled := false
	if c := n.GetCaseExpr(); c != nil && c.Arg == nil && c.Defresult == nil && len(c.Args) == 1 {
		when := c.Args[0].GetCaseWhen()
		if b := when.GetExpr().GetAConst().GetBoolval(); b != nil && !b.Boolval {
			n, nulled = when.Result, true
		}
	}
	if l := n.GetSubLink(); l != nil && l.SubLinkType == pg.SubLinkType_EXPR_SUBLINK {
		return l, nulled
	}
	return nil, false
}

// star expands "*" or "name.*".
func (a *analysis) star(fields []string, ns *namespace) shape {
	var s shape
	if len(fields) == 0 {
		s = ns.star
		a.wholly(ns.items...)
	} else if item := ns.itemAnywhere(fields); item != nil {
		s = item.shape
		a.wholly(item)
	} else {
		a.refuse(unresolved(append(fields, "*")))
		return shape{open: true}
	}
	if s.open && s.masked() && a.rules.catalog != nil {
		a.refuse(maskRefusal(inExpression, "a star over columns that are not known"))
	}
	return s
}

// sortItem reads an item of ORDER BY, GROUP BY or DISTINCT ON: an output's
// position or name, or an expression. GROUP BY prefers input columns.
func (a *analysis) sortItem(n *pg.Node, ns *namespace, out shape, top, inputFirst bool) {
	inner := n
	if s := n.GetSortBy(); s != nil {
		inner = s.Node
	}
	if i := inner.GetAConst().GetIval(); i != nil {
		at := int(i.Ival) - 1
		if out.open && out.masked() || at >= 0 && at < len(out.columns) && out.columns[at].mask != "" {
			a.refuse(maskRefusal(inPredicate, "a position that stands for it"))
		}
		return
	}
	if set := inner.GetGroupingSet(); set != nil {
		for _, c := range set.Content {
			a.sortItem(c, ns, out, top, inputFirst)
		}
		return
	}
	if fields, star := columnFields(inner.GetColumnRef()); len(fields) == 1 && !star {
		input := inputFirst && ns.columnHere(fields).known
		if c, found, _ := out.find(fields[0]); found && !input {
			if c.mask != "" {
				a.refuse(maskRefusal(inPredicate, quoted(fields[0])))
			}
			return
		}
	}
	p := inPredicate
	if top {
		p = inTopSort
	}
	a.expr(inner, ns, p)
}
