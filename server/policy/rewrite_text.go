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

func deparseExpression(expr *pg.Node) (string, error) {
	s := &pg.SelectStmt{LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE,
		TargetList: []*pg.Node{pg.MakeResTargetNodeWithVal(expr, -1)}}
	text, err := deparseTree(&pg.ParseResult{Stmts: []*pg.RawStmt{{Stmt: &pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: s}}}}})
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
