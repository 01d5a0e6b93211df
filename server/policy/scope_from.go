package policy

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// use is one reference to a ruled relation in a FROM clause.
type use struct {
	holder   *pg.Node // the FROM item to replace
	rangeVar *pg.RangeVar
	sample   *pg.RangeTableSample // around rangeVar, or nil
	rules    *relationRules
	system   []string  // the system columns that its sub-select puts out
	wrapped  bool      // already stands behind its sub-select
	body     *viewBody // of a view that is computed from filtered tables
}

// from reads a FROM list into a namespace below outer.
func (a *analysis) from(list []*pg.Node, outer *namespace) *namespace {
	ns := &namespace{outer: outer}
	for _, n := range list {
		items, star := a.fromNode(n, ns)
		ns.items = append(ns.items, items...)
		ns.star.append(star)
	}
	return ns
}

// fromNode reads one FROM item. left is what stands to its left, which a
// lateral item sees; what others see is left.outer.
func (a *analysis) fromNode(n *pg.Node, left *namespace) ([]*fromItem, shape) {
	if !a.step() {
		return nil, shape{open: true}
	}
	switch f := n.GetNode().(type) {
	case *pg.Node_RangeVar:
		return one(a.table(n, f.RangeVar, nil, left))
	case *pg.Node_RangeTableSample:
		for _, arg := range f.RangeTableSample.Args {
			a.expr(arg, left, inExpression)
		}
		a.expr(f.RangeTableSample.Repeatable, left, inExpression)
		v := f.RangeTableSample.Relation.GetRangeVar()
		if v == nil {
			a.refuseUnknown("TABLESAMPLE of something that is no table")
			return nil, shape{open: true}
		}
		return one(a.table(n, v, f.RangeTableSample, left))
	case *pg.Node_RangeSubselect:
		return one(a.subselect(n, f.RangeSubselect, left))
	case *pg.Node_JoinExpr:
		return a.join(f.JoinExpr, left)
	case *pg.Node_RangeFunction:
		return one(a.function(f.RangeFunction, left))
	case *pg.Node_RangeTableFunc:
		t := f.RangeTableFunc
		a.expr(t, left, inExpression)
		var s shape
		for _, c := range t.Columns {
			s.columns = append(s.columns, column{name: c.GetRangeTableFuncCol().GetColname()})
		}
		return one(a.named(t.Alias, "xmltable", s))
	case *pg.Node_JsonTable:
		a.expr(f.JsonTable, left, inExpression)
		return one(a.named(f.JsonTable.Alias, "json_table", shape{open: true}))
	}
	a.refuseUnknown("item in FROM")
	return nil, shape{open: true}
}

func one(item *fromItem) ([]*fromItem, shape) { return []*fromItem{item}, item.shape }

// table reads a reference to a relation or CTE.
func (a *analysis) table(holder *pg.Node, v *pg.RangeVar, sample *pg.RangeTableSample, ns *namespace) *fromItem {
	if v.Schemaname == "" && v.Catalogname == "" {
		if c := ns.cte(v.Relname); c != nil {
			return a.named(v.Alias, v.Relname, a.cteShape(c))
		}
	}
	s, rules := a.relationShape(v)
	item := a.named(v.Alias, v.Relname, s)
	if v.Alias == nil {
		item.schema = rules.name.Schema
	}
	if rules.applies() {
		item.holder = holder
		a.touch(rules)
		u := use{holder: holder, rangeVar: v, sample: sample, rules: rules}
		if rules.unsafe {
			a.expand(&u)
		}
		a.use(u)
	}
	return item
}

func (a *analysis) use(u use) {
	if a.once(u.holder) {
		a.uses = append(a.uses, u)
	}
}

// relationShape is the row type of a relation, with what is masked in it.
func (a *analysis) relationShape(v *pg.RangeVar) (shape, *relationRules) {
	a.read[v] = true
	rel, name := a.rules.find(v)
	rules := &relationRules{name: name, relation: rel}
	if a.binding == nil {
		rules = a.rules.of(rel, name)
	}
	var s shape
	if rel == nil {
		s.open = true
		for column, kind := range rules.masks {
			s.hide(column, kind)
		}
		return s, rules
	}
	for _, c := range rel.Columns {
		s.columns = append(s.columns, column{name: c.Name, mask: rules.masks[c.Name], typ: c.Type, collated: c.Collated})
	}
	return s, rules
}

// named puts an alias and its column list on a shape.
func (a *analysis) named(alias *pg.Alias, name string, s shape) *fromItem {
	if b := a.binding; b != nil {
		b.captured = b.captured || alias != nil && alias.Aliasname == b.alias || alias == nil && name == b.alias
	}
	if alias == nil {
		return &fromItem{name: name, shape: s}
	}
	names := stringsOf(alias.Colnames)
	if s.renames(len(names)) {
		a.refuse(renameRefusal())
	}
	return &fromItem{name: alias.Aliasname, shape: s.rename(names)}
}

func (a *analysis) subselect(holder *pg.Node, n *pg.RangeSubselect, left *namespace) *fromItem {
	u, s, ok := a.recognize(n)
	if !ok {
		u, s, ok = a.recognizeView(n)
	}
	if ok {
		u.holder = holder
		a.touch(u.rules)
		a.use(u)
		return a.named(n.Alias, "", s)
	}
	sees := left.outer
	if n.Lateral {
		sees = left
	}
	return a.named(n.Alias, "", a.query(n.Subquery, sees))
}

// join reads both sides. An alias hides the names inside.
func (a *analysis) join(n *pg.JoinExpr, left *namespace) ([]*fromItem, shape) {
	litems, lstar := a.fromNode(n.Larg, left)
	// The right side sees the left one where it is lateral.
	middle := &namespace{items: append(append([]*fromItem(nil), left.items...), litems...), outer: left.outer, ctes: left.ctes}
	ritems, rstar := a.fromNode(n.Rarg, middle)
	items := append(append([]*fromItem(nil), litems...), ritems...)

	using := stringsOf(n.UsingClause)
	if n.IsNatural {
		if (lstar.open || rstar.open) && (lstar.masked() || rstar.masked()) {
			a.refuse(maskRefusal(inPredicate, "a NATURAL JOIN whose columns are not known"))
		}
		for _, c := range lstar.columns {
			if _, found, _ := rstar.find(c.name); found {
				using = append(using, c.name)
			}
		}
	}
	merged := make(map[string]bool)
	var star shape
	for _, name := range using {
		l, _, _ := lstar.find(name)
		r, _, _ := rstar.find(name)
		if l.mask != "" || r.mask != "" {
			a.refuse(maskRefusal(inPredicate, quoted(name)+" in a join"))
		}
		a.leaky = a.leaky || !comparable(l.family(), r.family())
		merged[name] = true
		star.columns = append(star.columns, column{name: name, typ: l.typ, collated: l.collated || r.collated})
	}
	for _, side := range []shape{lstar, rstar} {
		rest := shape{open: side.open, hidden: side.hidden}
		for _, c := range side.columns {
			if !merged[c.name] {
				rest.columns = append(rest.columns, c)
			}
		}
		star.append(rest)
	}
	if n.IsNatural || n.Alias != nil {
		a.wholly(items...)
	}
	if n.Quals != nil {
		on := &namespace{items: items, outer: left.outer, ctes: left.ctes}
		a.expr(n.Quals, on, inPredicate)
	}
	if n.JoinUsingAlias != nil {
		items = append(items, &fromItem{name: n.JoinUsingAlias.Aliasname, shape: shape{columns: star.columns[:len(using)]}})
	}
	if n.Alias != nil {
		item := a.named(n.Alias, "", star)
		return []*fromItem{item}, item.shape
	}
	return items, star
}
