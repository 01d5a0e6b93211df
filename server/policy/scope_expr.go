package policy

import (
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// place is where an expression stands: it decides which rule a masked column
// breaks there, and whether a row filter must be fenced from what may fail.
type place struct {
	rule  string
	above bool // evaluated after every filter
}

var (
	inExpression = place{rule: "masked_column_expression"}
	inSelectList = place{rule: "masked_column_expression", above: true}
	inPredicate  = place{rule: "masked_column_predicate"}
	inTopSort    = place{rule: "masked_column_predicate", above: true}
	inLimit      = place{rule: "masked_column_predicate", above: true}
)

// expr reads an expression: no masked column may stand in it.
func (a *analysis) expr(m proto.Message, ns *namespace, p place) {
	if !a.step() {
		return
	}
	switch n := m.(type) {
	case *pg.Node:
		if n == nil || n.GetAConst() != nil { // texts are full of constants, and nothing is below them
			return
		}
	case *pg.ColumnRef:
		a.reference(n, ns, p)
		return
	case *pg.SubLink:
		a.subLink(n, ns, p)
		return
	case *pg.SelectStmt:
		if out := a.selectStmt(n, ns, false); out.masked() {
			a.refuse(maskRefusal(p, "a sub-select in an expression"))
		}
		return
	case *pg.InsertStmt, *pg.UpdateStmt, *pg.DeleteStmt, *pg.MergeStmt, *pg.RangeVar:
		a.refuseUnknown("statement inside an expression")
		return
	case *pg.FuncCall:
		a.expensive(p)
		for _, arg := range n.Args {
			a.expr(arg, ns, p)
		}
		inner := place{rule: inPredicate.rule, above: p.above}
		for _, o := range n.AggOrder {
			a.expr(o, ns, inner)
		}
		a.expr(n.AggFilter, ns, inner)
		if n.Over != nil {
			a.expr(n.Over, ns, inner)
		}
		return
	case *pg.A_Expr:
		if !p.above && !a.leakproof(n, ns) {
			a.leaky = true
		}
	case *pg.TypeCast:
		if !a.constant(n) {
			a.expensive(p)
		}
		a.expr(n.Arg, ns, p)
		return
	case *pg.CaseExpr:
		if n.Arg != nil && !p.above && !a.casesCompare(n, ns) {
			a.leaky = true
		}
	case *pg.CurrentOfExpr:
		a.currentOf = true
		return
	default:
		if !harmless(m) {
			a.expensive(p)
		}
	}
	eachChild(m, func(_ string, child proto.Message) { a.expr(child, ns, p) })
}

// expensive notes something that may fail or have effects.
func (a *analysis) expensive(p place) {
	if !p.above {
		a.leaky = true
	}
}

func (a *analysis) reference(n *pg.ColumnRef, ns *namespace, p place) {
	fields, star := columnFields(n)
	if star {
		if len(fields) == 0 {
			a.wholly(ns.items...)
			if ns.star.masked() {
				a.refuse(maskRefusal(p, "a star in an expression"))
			}
			return
		}
		item := ns.itemAnywhere(fields)
		if item == nil {
			a.refuse(unresolved(append(fields, "*")))
			return
		}
		a.wholly(item)
		if item.masked() {
			a.refuse(maskRefusal(p, "a whole row"))
		}
		return
	}
	if len(fields) == 0 {
		a.refuseUnknown("column reference")
		return
	}
	m := ns.resolve(fields)
	if a.binding != nil {
		a.binding.see(n, m, fields, ns.outer != nil)
		return
	}
	switch {
	case m.known && m.row != nil:
		a.expensive(p)
		a.wholly(m.row)
		if m.row.masked() {
			a.refuse(maskRefusal(p, "a whole row"))
		}
	case m.known && m.mask != "":
		a.refuse(maskRefusal(p, quoted(fields[len(fields)-1])))
	case !m.known && !systemColumns[fields[len(fields)-1]] && (!m.unsure || rowsOfWrites[fields[0]]):
		a.refuse(unresolved(fields))
	}
}

// rowsOfWrites are what RETURNING calls the row before and after, since
// PostgreSQL 18.
var rowsOfWrites = map[string]bool{"old": true, "new": true}

func (a *analysis) subLink(n *pg.SubLink, ns *namespace, p place) {
	if n.Testexpr != nil {
		a.expr(n.Testexpr, ns, p)
	}
	out := a.query(n.Subselect, ns)
	if n.SubLinkType == pg.SubLinkType_EXISTS_SUBLINK {
		return // looks at no value
	}
	if out.masked() {
		a.refuse(maskRefusal(p, "a sub-select in an expression"))
	}
	// = ANY of a plain column fails for no value; anything else may.
	if !p.above {
		test := a.operand(n.Testexpr, ns)
		plain := n.SubLinkType == pg.SubLinkType_ANY_SUBLINK && len(n.OperName) == 0 && len(out.columns) == 1
		if !plain || test == anyValue || !comparable(test, out.columns[0].family()) {
			a.leaky = true
		}
	}
}

// outputName is the name that PostgreSQL gives an output column, for those
// forms whose name could be confused with a column's.
func outputName(t *pg.ResTarget) string {
	if t.Name != "" {
		return t.Name
	}
	return figureName(t.Val)
}

func figureName(n *pg.Node) string {
	switch e := n.GetNode().(type) {
	case *pg.Node_ColumnRef:
		if fields, star := columnFields(e.ColumnRef); len(fields) > 0 && !star {
			return fields[len(fields)-1]
		}
	case *pg.Node_AIndirection:
		for i := len(e.AIndirection.Indirection) - 1; i >= 0; i-- {
			if s := e.AIndirection.Indirection[i].GetString_(); s != nil {
				return s.Sval
			}
		}
		return figureName(e.AIndirection.Arg)
	case *pg.Node_FuncCall:
		if names := stringsOf(e.FuncCall.Funcname); len(names) > 0 {
			return names[len(names)-1]
		}
	case *pg.Node_TypeCast:
		if name := figureName(e.TypeCast.Arg); name != "?column?" {
			return name
		}
		if names := stringsOf(e.TypeCast.TypeName.GetNames()); len(names) > 0 {
			return names[len(names)-1]
		}
	case *pg.Node_CollateClause:
		return figureName(e.CollateClause.Arg)
	case *pg.Node_CaseExpr:
		if name := figureName(e.CaseExpr.Defresult); name != "?column?" {
			return name
		}
		return "case"
	case *pg.Node_CoalesceExpr:
		return "coalesce"
	case *pg.Node_RowExpr:
		return "row"
	case *pg.Node_AArrayExpr:
		return "array"
	case *pg.Node_SubLink:
		switch e.SubLink.SubLinkType {
		case pg.SubLinkType_EXISTS_SUBLINK:
			return "exists"
		case pg.SubLinkType_ARRAY_SUBLINK:
			return "array"
		}
	}
	return "?column?"
}

func itoa(n int) string { return strconv.Itoa(n) }

func quoted(name string) string { return strconv.Quote(name) }
