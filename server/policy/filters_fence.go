package policy

import (
	"google.golang.org/protobuf/proto"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// PostgreSQL evaluates conditions of one level in the order of their cost, and
// pushes what it can below a sub-select. An expression that fails for some
// values would then fail for a row that the filter hides, and tell of it. Only
// what PostgreSQL itself calls leakproof may be evaluated there; anything else
// puts OFFSET 0 on the filtered sub-select, which nothing is pushed through.
//
// These families of built-in types compare without ever failing: their
// comparison functions are marked leakproof in pg_proc, which a test checks.
const (
	integers = iota + 1
	texts
	collatedTexts // of another collation than the database's
	paddedTexts
	booleans
	uuids
	dates
	timestamps
	zonedTimestamps
	oids
	anyValue // a literal or parameter, which takes the other side's type
)

// comparable says whether no two values of two families fail to compare. Texts
// of two collations do, unless one is the database's.
func comparable(l, r int) bool {
	switch {
	case l == anyValue || r == anyValue:
		return l != r && l != 0 && r != 0
	case l == collatedTexts || r == collatedTexts:
		return l == texts || r == texts
	}
	return l != 0 && l == r
}

// family of a column's values, 0 for none.
func (c column) family() int {
	f := family(c.typ)
	switch {
	case !c.collated:
		return f
	case f == texts:
		return collatedTexts
	}
	return 0
}

// family of a type by its OID, 0 for none.
func family(oid uint32) int {
	switch oid {
	case 21, 23, 20:
		return integers
	case 25, 1043:
		return texts
	case 1042:
		return paddedTexts
	case 16:
		return booleans
	case 2950:
		return uuids
	case 1082:
		return dates
	case 1114:
		return timestamps
	case 1184:
		return zonedTimestamps
	case 26:
		return oids
	}
	return 0
}

var castFamilies = map[string]int{"int2": integers, "int4": integers, "int8": integers, "text": texts, "varchar": texts,
	"bool": booleans, "uuid": uuids, "date": dates, "timestamp": timestamps, "timestamptz": zonedTimestamps, "oid": oids}

var comparisons = map[string]bool{"=": true, "<>": true, "<": true, "<=": true, ">": true, ">=": true}

// leakproof says whether an operator fails for no value. Its operands are
// judged on their own.
func (a *analysis) leakproof(n *pg.A_Expr, ns *namespace) bool {
	left := a.operand(n.Lexpr, ns)
	names := stringsOf(n.Name)
	builtin := len(names) == 1 || len(names) == 2 && names[0] == "pg_catalog"
	if !builtin || len(names) == 0 {
		return false
	}
	operator := names[len(names)-1]
	switch n.Kind {
	case pg.A_Expr_Kind_AEXPR_OP:
		return comparisons[operator] && comparable(left, a.operand(n.Rexpr, ns))
	case pg.A_Expr_Kind_AEXPR_DISTINCT, pg.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		return comparable(left, a.operand(n.Rexpr, ns))
	case pg.A_Expr_Kind_AEXPR_IN, pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:
		for _, item := range n.Rexpr.GetList().GetItems() {
			if !comparable(left, a.operand(item, ns)) {
				return false
			}
		}
		return left != anyValue
	case pg.A_Expr_Kind_AEXPR_OP_ANY, pg.A_Expr_Kind_AEXPR_OP_ALL:
		return comparisons[operator] && n.Rexpr.GetParamRef() != nil && left != 0 && left != anyValue
	}
	return false
}

// casesCompare says whether no comparison of a CASE fails.
func (a *analysis) casesCompare(n *pg.CaseExpr, ns *namespace) bool {
	left := a.operand(n.Arg, ns)
	for _, w := range n.Args {
		if !comparable(left, a.operand(w.GetCaseWhen().GetExpr(), ns)) {
			return false
		}
	}
	return left != 0 && left != anyValue
}

// operand is the family of one side of a comparison.
func (a *analysis) operand(n *pg.Node, ns *namespace) int {
	switch e := n.GetNode().(type) {
	case *pg.Node_ColumnRef:
		fields, star := columnFields(e.ColumnRef)
		if star || len(fields) == 0 {
			return 0
		}
		if m := ns.resolve(fields); m.known && m.row == nil {
			return m.family()
		}
	case *pg.Node_ParamRef:
		return anyValue
	case *pg.Node_AConst:
		switch e.AConst.Val.(type) {
		case *pg.A_Const_Ival:
			return integers
		case *pg.A_Const_Boolval:
			return booleans
		case *pg.A_Const_Sval, nil:
			return anyValue
		}
	case *pg.Node_TypeCast:
		names := stringsOf(e.TypeCast.TypeName.GetNames())
		if len(names) > 0 && a.constant(e.TypeCast) && len(e.TypeCast.TypeName.ArrayBounds) == 0 {
			return castFamilies[names[len(names)-1]]
		}
	}
	return 0
}

// constant says whether a cast is evaluated without regard to any row: that of
// a string to one of PostgreSQL's own types is when the statement is parsed,
// and that of a number when it is planned, as far as the cast is immutable. A
// parameter's is not: a client may declare it as text, and what cannot be cast
// then fails only where a row is there to compare it with.
func (a *analysis) constant(n *pg.TypeCast) bool {
	c := n.Arg.GetAConst()
	names := stringsOf(n.TypeName.GetNames())
	if c == nil || len(names) == 0 || len(names) > 2 {
		return false
	}
	name := names[len(names)-1]
	if len(names) == 2 && names[0] != "pg_catalog" || len(names) == 1 && !a.rules.builtinType(name) {
		return false
	}
	return c.Isnull || c.GetSval() != nil || castFamilies[name] != 0 || name == "numeric" || name == "float4" || name == "float8"
}

// builtinType says whether a bare name means one of PostgreSQL's own types.
func (r *ruleSet) builtinType(name string) bool {
	if r.catalog == nil {
		return true
	}
	found := false
	for _, t := range r.engine.types(name) {
		if t.Schema != "pg_catalog" {
			return false
		}
		found = true
	}
	return found
}

// harmless are the nodes that neither fail nor have effects by themselves.
func harmless(m proto.Message) bool {
	switch m.(type) {
	case *pg.Node, *pg.List, *pg.A_Const, *pg.Integer, *pg.Float, *pg.Boolean, *pg.String, *pg.BitString, *pg.ParamRef,
		*pg.BoolExpr, *pg.NullTest, *pg.BooleanTest, *pg.CaseExpr, *pg.CaseWhen, *pg.CoalesceExpr, *pg.SortBy, *pg.TypeName,
		*pg.SetToDefault, *pg.SQLValueFunction, *pg.WindowDef, *pg.GroupingSet, *pg.ResTarget:
		return true
	}
	return false
}
