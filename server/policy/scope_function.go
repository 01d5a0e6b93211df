package policy

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// function reads a function in FROM, or several side by side.
func (a *analysis) function(n *pg.RangeFunction, left *namespace) *fromItem {
	var s shape
	name := ""
	for _, f := range n.Functions {
		// Each is a list of the call and its column definition list.
		items := f.GetList().GetItems()
		if len(items) == 0 {
			continue
		}
		a.expr(items[0], left, inExpression)
		call := items[0].GetFuncCall()
		if names := stringsOf(call.GetFuncname()); len(names) > 0 && name == "" {
			name = names[len(names)-1]
		}
		defs := n.Coldeflist
		if len(items) > 1 && len(items[1].GetList().GetItems()) > 0 {
			defs = items[1].GetList().GetItems()
		}
		if len(defs) > 0 {
			for _, d := range defs {
				s.columns = append(s.columns, column{name: d.GetColumnDef().GetColname()})
			}
			continue
		}
		columns, ok := a.returned(call, left, n)
		s.columns = append(s.columns, columns...)
		s.open = s.open || !ok
	}
	if n.Ordinality {
		s.columns = append(s.columns, column{name: "ordinality"})
	}
	return a.named(n.Alias, name, s)
}

// returned is the columns that a call in FROM gives. ok is false where they
// are not known.
func (a *analysis) returned(call *pg.FuncCall, ns *namespace, from *pg.RangeFunction) (columns []column, ok bool) {
	names := stringsOf(call.GetFuncname())
	if len(names) == 0 {
		return nil, false
	}
	// A single value is named like the alias or else like the function.
	name := names[len(names)-1]
	alone := column{name: name}
	if from.Alias != nil && len(from.Functions) == 1 {
		alone.name = from.Alias.Aliasname
	}
	if name == "unnest" && len(names) == 1 {
		for _, arg := range call.Args {
			if !a.plainArray(arg, ns) {
				return nil, false
			}
			columns = append(columns, alone)
		}
		return columns, true
	}
	if a.rules.catalog == nil || len(a.rules.catalog.Functions) == 0 {
		return []column{alone}, singleValued[name]
	}
	foreign, builtin := a.rules.engine.candidates(functionRef{name: names, call: call, args: len(call.Args)})
	if len(foreign) > 0 || len(builtin) == 0 {
		return nil, false
	}
	for _, o := range builtin {
		if !slices.Equal(o.Outputs, builtin[0].Outputs) || len(o.Outputs) == 0 && !a.scalar(o.Returns) {
			return nil, false
		}
	}
	for _, out := range builtin[0].Outputs {
		columns = append(columns, column{name: out})
	}
	if len(columns) == 0 {
		columns = []column{alone}
	}
	return columns, true
}

// scalar says whether a value of a type is one column.
func (a *analysis) scalar(oid uint32) bool {
	t, ok := a.rules.catalog.Types[oid]
	return ok && t.Category != 'C' && t.Category != 'P' && t.Base == 0
}

// plainArray says whether unnest of an expression gives one column.
func (a *analysis) plainArray(n *pg.Node, ns *namespace) bool {
	switch e := n.GetNode().(type) {
	case *pg.Node_AArrayExpr:
		// All have one type: one of a known type tells it, and so do literals
		// alone.
		literals := true
		for _, item := range e.AArrayExpr.Elements {
			if a.plainArray(item, ns) || a.scalarItem(item, ns) {
				return true
			}
			literals = literals && item.GetAConst() != nil
		}
		return literals && len(e.AArrayExpr.Elements) > 0
	case *pg.Node_TypeCast:
		names := stringsOf(e.TypeCast.TypeName.GetNames())
		return len(e.TypeCast.TypeName.GetArrayBounds()) > 0 && len(names) > 0 && castFamilies[names[len(names)-1]] != 0
	case *pg.Node_ColumnRef:
		fields, star := columnFields(e.ColumnRef)
		if star || len(fields) == 0 || a.rules.catalog == nil {
			return false
		}
		m := ns.resolve(fields)
		return m.known && m.row == nil && a.scalar(a.rules.catalog.Types[m.typ].Element)
	}
	return false
}

// scalarItem says whether an expression is known to be of a type of one column.
func (a *analysis) scalarItem(n *pg.Node, ns *namespace) bool {
	switch e := n.GetNode().(type) {
	case *pg.Node_AConst:
		return !e.AConst.Isnull && e.AConst.GetSval() == nil
	case *pg.Node_TypeCast:
		names := stringsOf(e.TypeCast.TypeName.GetNames())
		return len(names) > 0 && castFamilies[names[len(names)-1]] != 0
	case *pg.Node_ColumnRef:
		fields, star := columnFields(e.ColumnRef)
		if star || len(fields) == 0 || a.rules.catalog == nil {
			return false
		}
		m := ns.resolve(fields)
		return m.known && m.row == nil && a.scalar(m.typ)
	}
	return false
}

// singleValued are functions that return one column, for deciding without a
// catalog.
var singleValued = func() map[string]bool {
	set := make(map[string]bool)
	for _, name := range strings.Fields(`generate_series generate_subscripts regexp_split_to_table string_to_table
		json_object_keys jsonb_object_keys jsonb_path_query now current_date random`) {
		set[name] = true
	}
	return set
}()
