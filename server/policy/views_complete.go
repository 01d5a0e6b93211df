package policy

import (
	"errors"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// A table has what a sub-select of it has not: system columns, a row type of
// its own, and a primary key. A definition that depends on the first two is
// refused. Where it groups by the key, the columns that the key decides are
// added to GROUP BY, which makes the same groups of them.

// complete makes a definition fit for its tables to be replaced.
func (a *analysis) complete(query *pg.Node, view *Relation) error {
	if len(a.uses) == 0 {
		return errUnexamined // it shows no filtered rows, or they were not found
	}
	if err := ofTables(query, nil); err != nil {
		return err
	}
	if !view.KeyGroups {
		return nil
	}
	replaced := make(map[*pg.Node]use)
	for _, u := range a.uses {
		replaced[u.holder] = u
	}
	return a.completeGroups(query, replaced)
}

// wholeRows are the functions that make the same of the row of a table and of
// a record with its columns.
var wholeRows = nameSet(`count json_agg jsonb_agg row_to_json to_json to_jsonb`)

// ofTables looks for system columns and whole rows. A printed definition has
// no star but that of a whole row.
func ofTables(m, parent proto.Message) error {
	if ref, ok := m.(*pg.ColumnRef); ok {
		fields, star := columnFields(ref)
		if star {
			call, _ := parent.(*pg.FuncCall)
			if names := stringsOf(call.GetFuncname()); len(names) == 0 || !wholeRows[names[len(names)-1]] {
				return errors.New("it uses the whole row of a table")
			}
		} else if len(fields) > 0 && systemColumns[fields[len(fields)-1]] {
			return errors.New("it uses a system column of a table")
		}
	}
	if _, node := m.(*pg.Node); !node {
		parent = m
	}
	var err error
	eachChild(m, func(_ string, child proto.Message) {
		if err == nil {
			err = ofTables(child, parent)
		}
	})
	return err
}

func (a *analysis) completeGroups(m proto.Message, replaced map[*pg.Node]use) error {
	if n, ok := m.(*pg.SelectStmt); ok && len(n.GroupClause) > 0 {
		if err := a.groupByTheRest(n, replaced); err != nil {
			return err
		}
	}
	var err error
	eachChild(m, func(_ string, child proto.Message) {
		if err == nil {
			err = a.completeGroups(child, replaced)
		}
	})
	return err
}

// groupByTheRest adds to GROUP BY what is mentioned of replaced tables outside
// of aggregates: PostgreSQL took the definition because the key decides it.
func (a *analysis) groupByTheRest(n *pg.SelectStmt, replaced map[*pg.Node]use) error {
	g := grouping{rules: a.rules, groups: n.GroupClause, tables: make(map[string]*Relation)}
	items := 0
	for _, item := range n.FromClause {
		items += g.gather(item, replaced)
	}
	g.alone = items == 1
	for _, list := range [][]*pg.Node{n.TargetList, {n.HavingClause}, n.SortClause, n.DistinctClause, n.WindowClause} {
		for _, e := range list {
			g.collect(e, false)
		}
	}
	for _, ref := range g.rest {
		for _, have := range n.GroupClause {
			if have.GetGroupingSet() != nil {
				return errors.New("it has grouping sets beside columns that a primary key decides")
			}
		}
		n.GroupClause = append(n.GroupClause, ref)
	}
	if g.unequal {
		return errors.New("it groups rows by a key beside columns whose type knows no equality")
	}
	return nil
}

// grouping is what one GROUP BY leaves out.
type grouping struct {
	rules   *ruleSet
	groups  []*pg.Node
	tables  map[string]*Relation // the replaced ones of this level, by alias
	alone   bool                 // there is one item in FROM: columns are printed bare
	rest    []*pg.Node
	unequal bool
}

// gather finds the replaced tables of an item of FROM, and counts its items.
func (g *grouping) gather(n *pg.Node, replaced map[*pg.Node]use) int {
	if j := n.GetJoinExpr(); j != nil {
		return g.gather(j.Larg, replaced) + g.gather(j.Rarg, replaced)
	}
	if u, ok := replaced[n]; ok && u.body == nil {
		alias := u.rangeVar.Relname
		if u.rangeVar.Alias != nil {
			alias = u.rangeVar.Alias.Aliasname
		}
		g.tables[alias] = u.rules.relation
	}
	return 1
}

func (g *grouping) collect(n *pg.Node, below bool) {
	if n.GetNode() == nil {
		return
	}
	for _, have := range append(g.groups, g.rest...) {
		if sameNode(have, n) {
			return
		}
	}
	switch e := n.Node.(type) {
	case *pg.Node_ColumnRef:
		g.column(n, stringsOf(e.ColumnRef.Fields), below)
		return
	case *pg.Node_FuncCall:
		if e.FuncCall.Over == nil && g.rules.engine.aggregates(stringsOf(e.FuncCall.Funcname)) {
			return
		}
	case *pg.Node_SubLink:
		below = true
	}
	var walk func(proto.Message)
	walk = func(m proto.Message) {
		eachChild(m, func(_ string, child proto.Message) {
			if node, ok := child.(*pg.Node); ok {
				g.collect(node, below)
			} else {
				walk(child)
			}
		})
	}
	walk(n)
}

// column adds a reference to a table of this level. Below, in sub-selects,
// PostgreSQL prints it with an alias that nothing there has, too.
func (g *grouping) column(n *pg.Node, fields []string, below bool) {
	var table *Relation
	switch {
	case len(fields) == 2:
		table = g.tables[fields[0]]
	case len(fields) == 1 && g.alone && !below:
		for _, table = range g.tables {
		}
	}
	if table == nil {
		return
	}
	g.rest = append(g.rest, proto.Clone(n).(*pg.Node))
	for _, c := range table.Columns {
		if c.Name == fields[len(fields)-1] {
			base, ok := baseType(c.Type, g.rules.catalog)
			g.unequal = g.unequal || !ok || base.Schema == "pg_catalog" && unequal[base.Name]
		}
	}
}

// unequal are the types of PostgreSQL's own that cannot be grouped.
var unequal = nameSet(`json xml point line lseg box path polygon circle`)

// aggregates says whether a function of PostgreSQL's own is an aggregate.
func (e *Engine) aggregates(names []string) bool {
	if len(names) != 2 {
		return false
	}
	for _, f := range e.catalog.Functions[RelationName{names[0], names[1]}] {
		if f.Kind == 'a' {
			return true
		}
	}
	return false
}
