package policy

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// What is put into a statement is written as text and parsed, so that it is
// the same tree as the parser makes of it when the statement is read again.

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteNames(names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = quoteName(n)
	}
	return strings.Join(parts, ".")
}

func parseExpression(text string) (*pg.Node, error) {
	tree, err := parse("SELECT " + text)
	if err != nil {
		return nil, err
	}
	list := tree.Stmts[0].Stmt.GetSelectStmt().GetTargetList()
	if len(list) != 1 {
		return nil, fmt.Errorf("want one expression")
	}
	return list[0].GetResTarget().GetVal(), nil
}

// deparse puts a statement into words.
func deparse(stmt *pg.Node) (string, error) {
	if losesBrackets(stmt) {
		stmt = proto.Clone(stmt).(*pg.Node)
		bracket(stmt)
	}
	return deparseTree(&pg.ParseResult{Stmts: []*pg.RawStmt{{Stmt: stmt}}})
}

// losesBrackets says whether the deparser would leave out brackets that
// matter: of (ARRAY[a, b])[2] it makes ARRAY[a, b][2], of (a OR b) IS NULL it
// makes a OR b IS NULL.
func losesBrackets(m proto.Message) bool {
	if len(bracketless(m)) > 0 {
		return true
	}
	found := false
	eachChild(m, func(_ string, child proto.Message) { found = found || losesBrackets(child) })
	return found
}

// bracket puts an indirection of nothing around each expression that needs
// brackets: the deparser writes it as brackets alone.
func bracket(m proto.Message) {
	eachChild(m, func(_ string, child proto.Message) { bracket(child) })
	for _, at := range bracketless(m) {
		inner := *at
		if bare(inner) {
			inner = &pg.Node{Node: &pg.Node_AIndirection{AIndirection: &pg.A_Indirection{Arg: inner}}}
		}
		if _, subscripted := m.(*pg.A_Indirection); !subscripted {
			inner = &pg.Node{Node: &pg.Node_AIndirection{AIndirection: &pg.A_Indirection{Arg: inner}}}
		}
		*at = inner
	}
}

// bracketless are the places directly below m whose brackets the deparser
// leaves out.
func bracketless(m proto.Message) []**pg.Node {
	switch n := m.(type) {
	case *pg.A_Indirection:
		if bare(n.Arg) {
			return []**pg.Node{&n.Arg}
		}
	case *pg.A_Expr:
		switch n.Kind {
		case pg.A_Expr_Kind_AEXPR_NULLIF:
			return nil // written as a call
		case pg.A_Expr_Kind_AEXPR_OP:
			return operands(func(o *pg.Node) bool {
				return o.GetBoolExpr() == nil && o.GetAExpr() == nil && o.GetNullTest() == nil && o.GetBooleanTest() == nil && operator(o)
			}, &n.Lexpr, &n.Rexpr)
		case pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN, pg.A_Expr_Kind_AEXPR_BETWEEN_SYM, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
			at := []**pg.Node{&n.Lexpr}
			if list := n.Rexpr.GetList(); list != nil {
				for i := range list.Items {
					at = append(at, &list.Items[i])
				}
			}
			return operands(operator, at...)
		}
		return operands(operator, &n.Lexpr, &n.Rexpr)
	case *pg.NullTest:
		return operands(operator, &n.Arg)
	case *pg.BooleanTest:
		return operands(operator, &n.Arg)
	case *pg.SubLink:
		return operands(operator, &n.Testexpr)
	case *pg.CollateClause:
		return operands(operator, &n.Arg)
	case *pg.TypeCast:
		return operands(func(o *pg.Node) bool { return o.GetAExpr() == nil && operator(o) }, &n.Arg)
	case *pg.JsonIsPredicate:
		return operands(operator, &n.Expr)
	case *pg.XmlExpr:
		if n.Op == pg.XmlExprOp_IS_DOCUMENT && len(n.Args) == 1 {
			return operands(operator, &n.Args[0])
		}
	case *pg.FuncCall:
		if atTimeZone(n) {
			return operands(operator, &n.Args[0], &n.Args[1])
		}
	}
	return nil
}

func operands(needs func(*pg.Node) bool, at ...**pg.Node) []**pg.Node {
	var list []**pg.Node
	for _, a := range at {
		if *a != nil && needs(*a) {
			list = append(list, a)
		}
	}
	return list
}

// operator says whether an expression is written with an operator, and so may
// be read as part of what stands around it.
func operator(n *pg.Node) bool {
	switch e := n.GetNode().(type) {
	case *pg.Node_BoolExpr, *pg.Node_NullTest, *pg.Node_BooleanTest, *pg.Node_CollateClause, *pg.Node_JsonIsPredicate:
		return true
	case *pg.Node_AExpr:
		return e.AExpr.Kind != pg.A_Expr_Kind_AEXPR_NULLIF
	case *pg.Node_SubLink:
		return e.SubLink.SubLinkType == pg.SubLinkType_ANY_SUBLINK || e.SubLink.SubLinkType == pg.SubLinkType_ALL_SUBLINK
	case *pg.Node_XmlExpr:
		return e.XmlExpr.Op == pg.XmlExprOp_IS_DOCUMENT
	case *pg.Node_FuncCall:
		return atTimeZone(e.FuncCall)
	}
	return false
}

// atTimeZone says whether a call is written as an operator.
func atTimeZone(n *pg.FuncCall) bool {
	names := stringsOf(n.Funcname)
	return n.Funcformat == pg.CoercionForm_COERCE_SQL_SYNTAX && len(n.Args) == 2 && len(names) > 0 && names[len(names)-1] == "timezone"
}

// bare says whether the deparser writes no brackets around what is subscripted
// and needs them.
func bare(arg *pg.Node) bool {
	switch n := arg.GetNode().(type) {
	case nil, *pg.Node_ColumnRef, *pg.Node_ParamRef, *pg.Node_AIndirection, *pg.Node_FuncCall, *pg.Node_AExpr,
		*pg.Node_TypeCast, *pg.Node_RowExpr, *pg.Node_JsonFuncExpr:
		return false
	case *pg.Node_SubLink:
		return n.SubLink.SubLinkType != pg.SubLinkType_EXPR_SUBLINK
	}
	return true
}

func deparseExpression(expr *pg.Node) (string, error) {
	s := &pg.SelectStmt{LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE,
		TargetList: []*pg.Node{pg.MakeResTargetNodeWithVal(expr, -1)}}
	text, err := deparse(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: s}})
	if err != nil {
		return "", err
	}
	rest, ok := strings.CutPrefix(text, "SELECT ")
	if !ok {
		return "", fmt.Errorf("the expression cannot be written")
	}
	return rest, nil
}

func sameExpression(n *pg.Node, text string) bool {
	want, err := parseExpression(text)
	return err == nil && sameNode(n, want)
}
