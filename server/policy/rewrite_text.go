package policy

import (
	"fmt"
	"reflect"
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
// matter: of (ARRAY[a, b])[2] it makes ARRAY[a, b][2].
func losesBrackets(m proto.Message) bool {
	if i, ok := m.(*pg.A_Indirection); ok && bare(i.Arg) {
		return true
	}
	found := false
	eachChild(m, func(_ string, child proto.Message) { found = found || losesBrackets(child) })
	return found
}

// bare says whether the deparser writes no brackets around an argument that
// needs them.
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

// bracket puts an indirection of nothing around each such argument, which the
// deparser writes as brackets alone.
func bracket(m proto.Message) {
	eachChild(m, func(_ string, child proto.Message) { bracket(child) })
	if i, ok := m.(*pg.A_Indirection); ok && bare(i.Arg) {
		i.Arg = &pg.Node{Node: &pg.Node_AIndirection{AIndirection: &pg.A_Indirection{Arg: i.Arg}}}
	}
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

// sameNode compares trees but for where in a text they stood.
func sameNode(a, b proto.Message) bool {
	a, b = proto.Clone(a), proto.Clone(b)
	dislocate(a)
	dislocate(b)
	return proto.Equal(a, b)
}

func dislocate(m proto.Message) {
	if f := reflect.ValueOf(m).Elem().FieldByName("Location"); f.IsValid() && f.CanSet() && f.Kind() == reflect.Int32 {
		f.SetInt(0)
	}
	if s, ok := m.(*pg.RawStmt); ok {
		s.StmtLocation, s.StmtLen = 0, 0
	}
	eachChild(m, func(_ string, child proto.Message) { dislocate(child) })
}
