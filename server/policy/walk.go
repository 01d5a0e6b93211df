package policy

import (
	"reflect"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// A statement is read once, from top to bottom, through every field of every
// node. Nothing is skipped for being of no interest: a node type that is not
// in knownNodes makes the statement one that is refused.

// statement is one statement on its way through the checks and rewriters.
type statement struct {
	node  *pg.Node // the statement itself; rewriters change it in place
	text  string   // its source
	class class
	out   Statement // what becomes of it in the decision

	refs      []*relationRef
	functions []functionRef
	operators [][]string
	casts     []*pg.TypeCast
	stored    map[string]bool // columns that values are stored in, "" for every one of a table
	types     []*pg.TypeName
	params    bool            // there are parameters
	made      map[string]bool // types that the statements before it make
	keywords  []string        // of the grammar, that read like calls
	columns   []*pg.ColumnRef
	fields    []string // of (expression).field
	samples   [][]string
	settings  []*pg.VariableSetStmt
	shows     []*pg.VariableShowStmt

	writes    []Kind // of each data-modifying node, at any depth
	nested    int    // data-modifying nodes below the statement itself
	whereless string // the first UPDATE or DELETE that no column restricts
	locks     bool   // FOR UPDATE and its kin
	creates   bool   // INTO or CREATE TABLE AS, at any depth
	floor     *floor // the first statement, at any depth, that no policy permits
	analyze   bool   // EXPLAIN that executes
	unknown   string // a node type that is not known

	// What rewriters leave for the decision.
	changed    bool   // node differs from text: it is deparsed
	rewritten  string // the text of the changed node, when it was read again already
	masked     []MaskedColumn
	predicates []string
	notes      []string

	held *held // computed when it is asked for
}

// relationRef is one reference to a relation; CTE names are none.
type relationRef struct {
	rangeVar *pg.RangeVar
	// holder is the FROM item that holds rangeVar, whose content a rewriter may
	// replace by a sub-select; nil for the target of a write and in DDL.
	holder *pg.Node
	target bool // written to, created or altered
	create bool // does not exist before the statement

	name     RelationName // as resolved
	relation *Relation    // nil without a catalog, or when not in it
	system   bool         // of pg_catalog or information_schema
	known    bool         // not in the catalog, but made earlier in the same text
}

// functionRef is one call.
type functionRef struct {
	name []string // as written, parts unquoted
	call *pg.FuncCall
	args int
}

// scope is the CTE names in sight, innermost first.
type scope struct {
	names []string
	outer *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		for _, n := range s.names {
			if n == name {
				return true
			}
		}
	}
	return false
}

// main is the statement that the answer is about: the one that a PREPARE
// prepares.
func (s *statement) main() *pg.Node {
	if n := s.node.GetPrepareStmt(); n != nil {
		return n.Query
	}
	return s.node
}

// read collects what the checks ask about node.
func read(node *pg.Node, text string) *statement {
	s := &statement{node: node, text: text}
	s.visit(node, nil)
	return s
}

// visit reads one message and everything below it.
func (s *statement) visit(m proto.Message, in *scope) {
	if len(m.ProtoReflect().GetUnknown()) > 0 {
		s.refuseNode("field of a newer PostgreSQL")
		return
	}
	switch n := m.(type) {
	case *pg.Node:
		s.visitNode(n, in)
		return
	case *pg.RangeVar:
		s.refer(n, nil, in)
	case *pg.SelectStmt:
		in = s.with(n.WithClause, in)
		s.creates = s.creates || n.IntoClause != nil
		s.locks = s.locks || len(n.LockingClause) > 0
		s.children(n, in, "WithClause", "IntoClause")
		s.into(n.IntoClause, in)
		return
	case *pg.InsertStmt:
		s.writes = append(s.writes, Insert)
		s.nest(n == s.main().GetInsertStmt())
		in = s.with(n.WithClause, in)
		s.write(n.Relation)
		s.stores(n.Cols, n.SelectStmt != nil)
		if c := n.OnConflictClause; c != nil && c.Action == pg.OnConflictAction_ONCONFLICT_UPDATE {
			s.writes = append(s.writes, Update)
		}
		s.children(n, in, "WithClause", "Relation")
		return
	case *pg.UpdateStmt:
		s.writes = append(s.writes, Update)
		s.nest(n == s.main().GetUpdateStmt())
		in = s.with(n.WithClause, in)
		s.restrict("UPDATE", n.WhereClause)
		s.write(n.Relation)
		s.stores(n.TargetList, false)
		s.children(n, in, "WithClause", "Relation")
		return
	case *pg.DeleteStmt:
		s.writes = append(s.writes, Delete)
		s.nest(n == s.main().GetDeleteStmt())
		in = s.with(n.WithClause, in)
		s.restrict("DELETE", n.WhereClause)
		s.write(n.Relation)
		s.children(n, in, "WithClause", "Relation")
		return
	case *pg.MergeStmt:
		s.nest(n == s.main().GetMergeStmt())
		in = s.with(n.WithClause, in)
		s.merge(n)
		s.write(n.Relation)
		s.children(n, in, "WithClause", "Relation")
		return
	case *pg.CreateTableAsStmt:
		s.creates = true
		s.children(n, in, "Into")
		s.into(n.Into, in)
		return
	case *pg.OnConflictClause:
		s.stores(n.TargetList, false)
	case *pg.MergeWhenClause:
		s.stores(n.TargetList, n.CommandType == pg.CmdType_CMD_INSERT)
	case *pg.LockingClause:
		return // names aliases of the FROM list, which is read itself
	case *pg.ConstraintsSetStmt:
		return // names constraints
	case *pg.CreateStmt:
		s.create(n.Relation)
		s.children(n, in, "Relation")
		return
	case *pg.ViewStmt:
		s.create(n.View)
		s.children(n, in, "View")
		return
	case *pg.CreateSeqStmt:
		s.create(n.Sequence)
		s.children(n, in, "Sequence")
		return
	case *pg.CompositeTypeStmt:
		s.children(n, in, "Typevar")
		return
	case *pg.AlterTableStmt:
		if n.Objtype == pg.ObjectType_OBJECT_TYPE { // PostgreSQL takes no table for one
			s.children(n, in, "Relation")
			return
		}
	case *pg.DefElem:
		if n.Arg.GetTypeName() != nil && n.Defname != "subtype" {
			return // a word, in (check_option = local); but for a range's, no values are made where it is a type
		}
	case *pg.FuncCall:
		s.functions = append(s.functions, functionRef{name: stringsOf(n.Funcname), call: n, args: len(n.Args)})
	case *pg.CreateTrigStmt:
		s.functions = append(s.functions, functionRef{name: stringsOf(n.Funcname), args: 0})
	case *pg.A_Expr:
		if implied := betweens[n.Kind]; implied != nil {
			s.operators = append(s.operators, implied...)
		} else {
			s.operators = append(s.operators, stringsOf(n.Name))
		}
	case *pg.SubLink:
		if len(n.OperName) > 0 {
			s.operators = append(s.operators, stringsOf(n.OperName))
		} else if n.SubLinkType == pg.SubLinkType_ANY_SUBLINK { // IN
			s.operators = append(s.operators, equals)
		}
	case *pg.CaseExpr:
		if n.Arg != nil {
			s.operators = append(s.operators, equals)
		}
	case *pg.JoinExpr:
		if n.IsNatural || len(n.UsingClause) > 0 {
			s.operators = append(s.operators, equals)
		}
	case *pg.SortBy:
		if len(n.UseOp) > 0 {
			s.operators = append(s.operators, stringsOf(n.UseOp))
		}
	case *pg.TypeCast:
		s.casts = append(s.casts, n)
	case *pg.XmlSerialize:
		s.castTo(n.TypeName)
	case *pg.JsonOutput:
		s.castTo(n.TypeName)
	case *pg.ColumnDef, *pg.AlterTableCmd, *pg.CreateDomainStmt, *pg.AlterDomainStmt:
		s.define(n)
	case *pg.PrepareStmt: // what EXECUTE gives is cast to the types of the parameters
		for _, t := range n.Argtypes {
			s.castTo(t.GetTypeName())
		}
	case *pg.TypeName:
		s.types = append(s.types, n)
	case *pg.ParamRef:
		s.params = true
	case *pg.ColumnRef:
		s.columns = append(s.columns, n)
	case *pg.A_Indirection:
		for _, f := range n.Indirection {
			if name := f.GetString_(); name != nil {
				s.fields = append(s.fields, name.Sval)
			}
		}
	case *pg.RangeTableSample:
		s.samples = append(s.samples, stringsOf(n.Method))
	case *pg.VariableSetStmt:
		s.settings = append(s.settings, n)
	case *pg.VariableShowStmt:
		s.shows = append(s.shows, n)
	case *pg.ExplainStmt:
		s.analyze = s.analyze || explainRuns(n)
	case *pg.CommentStmt:
		s.comment(n)
	}
	if name := keywordOf(m); name != "" {
		s.keywords = append(s.keywords, name)
	}
	s.children(m, in)
}

// keywordOf is the name of what became a part of the grammar after PostgreSQL
// 15 and reads like a call of a function.
func keywordOf(m proto.Message) string {
	switch n := m.(type) {
	case *pg.JsonFuncExpr:
		switch n.Op {
		case pg.JsonExprOp_JSON_EXISTS_OP:
			return "json_exists"
		case pg.JsonExprOp_JSON_QUERY_OP:
			return "json_query"
		}
		return "json_value"
	case *pg.JsonParseExpr:
		return "json"
	case *pg.JsonScalarExpr:
		return "json_scalar"
	case *pg.JsonSerializeExpr:
		return "json_serialize"
	case *pg.JsonObjectConstructor:
		return "json_object"
	case *pg.JsonArrayConstructor, *pg.JsonArrayQueryConstructor:
		return "json_array"
	case *pg.JsonObjectAgg:
		return "json_objectagg"
	case *pg.JsonArrayAgg:
		return "json_arrayagg"
	case *pg.JsonTable:
		return "json_table"
	case *pg.MergeSupportFunc:
		return "merge_action"
	}
	return ""
}

func (s *statement) visitNode(n *pg.Node, in *scope) {
	switch inner := n.Node.(type) {
	case nil:
		return // a NULL in one of PostgreSQL's lists, as in plain DISTINCT
	case *pg.Node_RangeVar:
		if !in.has(inner.RangeVar.Relname) || inner.RangeVar.Schemaname != "" {
			s.refer(inner.RangeVar, n, in)
		}
		s.children(inner.RangeVar, in)
		return
	}
	if c, ok := classOf(n); ok && s.floor == nil {
		s.floor = c.floor
		if c.tag == "EXECUTE" && n != s.node {
			s.floor = never(Other, c.tag, true, "inside another statement it is not known what it runs", preparedHint).floor
		}
	}
	if m := alternative(reflect.ValueOf(&n.Node).Elem()); m != nil {
		s.visit(m, in)
	}
}

// castTo records a cast that the tree does not call one, of any value.
func (s *statement) castTo(t *pg.TypeName) {
	if t != nil {
		s.casts = append(s.casts, &pg.TypeCast{TypeName: t})
	}
}

// equals is the operator that PostgreSQL looks up, by its name, for what is
// compared without one: by IN, USING, NATURAL and CASE.
var equals = []string{"="}

// betweens are the operators that it looks up for expressions that the tree
// names by a keyword.
var betweens = map[pg.A_Expr_Kind][][]string{
	pg.A_Expr_Kind_AEXPR_BETWEEN:         {{">="}, {"<="}},
	pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:     {{"<"}, {">"}},
	pg.A_Expr_Kind_AEXPR_BETWEEN_SYM:     {{">="}, {"<="}},
	pg.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM: {{"<"}, {">"}},
}

// refer records a reference, unless it is to a CTE.
func (s *statement) refer(v *pg.RangeVar, holder *pg.Node, in *scope) {
	if v.Schemaname == "" && v.Catalogname == "" && holder != nil && in.has(v.Relname) {
		return
	}
	s.refs = append(s.refs, &relationRef{rangeVar: v, holder: holder, target: holder == nil})
}

// write records the target of a write. It is never a CTE: PostgreSQL does not
// look for one there.
func (s *statement) write(v *pg.RangeVar) {
	if v == nil {
		s.refuseNode("write without a target")
		return
	}
	s.refs = append(s.refs, &relationRef{rangeVar: v, target: true})
}

func (s *statement) create(v *pg.RangeVar) {
	s.write(v)
	s.refs[len(s.refs)-1].create = true
}

func (s *statement) into(c *pg.IntoClause, in *scope) {
	if c == nil {
		return
	}
	s.create(c.Rel)
	s.children(c, in, "Rel")
}

func (s *statement) merge(n *pg.MergeStmt) {
	for _, w := range n.MergeWhenClauses {
		switch w.GetMergeWhenClause().GetCommandType() {
		case pg.CmdType_CMD_INSERT:
			s.writes = append(s.writes, Insert)
		case pg.CmdType_CMD_UPDATE:
			s.writes = append(s.writes, Update)
			s.mergeAll("MERGE … UPDATE", n, w)
		case pg.CmdType_CMD_DELETE:
			s.writes = append(s.writes, Delete)
			s.mergeAll("MERGE … DELETE", n, w)
		}
	}
	s.writes = append(s.writes, Merge)
}

// mergeAll remembers an action of a MERGE that no column restricts, neither in
// ON nor behind WHEN MATCHED.
func (s *statement) mergeAll(tag string, n *pg.MergeStmt, when *pg.Node) {
	if !namesColumn(n.JoinCondition) {
		s.restrict(tag, when.GetMergeWhenClause().GetCondition())
	}
}

// with reads a WITH clause and returns the scope of the statement it belongs
// to. Without RECURSIVE a query sees the names before it, with it all of them.
func (s *statement) with(w *pg.WithClause, in *scope) *scope {
	if w == nil {
		return in
	}
	inner := &scope{outer: in}
	if w.Recursive {
		for _, n := range w.Ctes {
			inner.names = append(inner.names, n.GetCommonTableExpr().GetCtename())
		}
	}
	for _, n := range w.Ctes {
		s.visit(n, inner)
		if !w.Recursive {
			inner = &scope{names: []string{n.GetCommonTableExpr().GetCtename()}, outer: inner}
		}
	}
	return inner
}

// restrict remembers an UPDATE or DELETE whose WHERE is missing, or names no
// column and so restricts nothing.
func (s *statement) restrict(tag string, where *pg.Node) {
	if s.whereless == "" && !namesColumn(where) {
		s.whereless = tag
	}
}

func namesColumn(m proto.Message) bool {
	if n, ok := m.(*pg.Node); ok && n == nil {
		return false
	}
	switch n := m.(type) {
	case *pg.ColumnRef, *pg.CurrentOfExpr:
		return true
	case *pg.BoolExpr:
		if n.Boolop == pg.BoolExprType_OR_EXPR { // one arm that restricts nothing lets every row in
			return !slices.ContainsFunc(n.Args, func(arm *pg.Node) bool { return !namesColumn(arm) })
		}
	}
	found := false
	eachChild(m, func(_ string, child proto.Message) {
		found = found || namesColumn(child)
	})
	return found
}

// comment records the relation that a COMMENT is on, which the tree holds as
// a list of names.
func (s *statement) comment(n *pg.CommentStmt) {
	names := stringsOf(n.Object.GetList().GetItems())
	switch n.Objtype {
	case pg.ObjectType_OBJECT_COLUMN, pg.ObjectType_OBJECT_TABCONSTRAINT, pg.ObjectType_OBJECT_TRIGGER,
		pg.ObjectType_OBJECT_POLICY, pg.ObjectType_OBJECT_RULE:
		if len(names) > 0 {
			names = names[:len(names)-1]
		}
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW,
		pg.ObjectType_OBJECT_FOREIGN_TABLE, pg.ObjectType_OBJECT_SEQUENCE:
	default:
		return
	}
	switch len(names) {
	case 1:
		s.write(&pg.RangeVar{Relname: names[0]})
	case 2:
		s.write(&pg.RangeVar{Schemaname: names[0], Relname: names[1]})
	default:
		s.refuseNode("comment on an object of another database")
	}
}

func (s *statement) nest(isRoot bool) {
	if !isRoot {
		s.nested++
	}
}

func (s *statement) refuseNode(what string) {
	if s.unknown == "" {
		s.unknown = what
	}
}

// children reads what m holds, but for the fields named.
func (s *statement) children(m proto.Message, in *scope, except ...string) {
	l := layoutOf(m)
	if !l.known {
		s.refuseNode(l.of.Name())
		return
	}
	l.eachChild(m, func(field string, child proto.Message) {
		if !slices.Contains(except, field) {
			s.visit(child, in)
		}
	})
}

// explainRuns says whether an EXPLAIN executes its statement. Only a plain
// "off" turns ANALYZE off; what is in doubt runs.
func explainRuns(n *pg.ExplainStmt) bool {
	runs := false
	for _, o := range n.Options {
		d := o.GetDefElem()
		if d.GetDefname() != "analyze" {
			continue
		}
		runs = true
		switch arg := d.GetArg().GetNode().(type) {
		case *pg.Node_String_:
			runs = arg.String_.Sval != "off" && arg.String_.Sval != "false"
		case *pg.Node_Integer:
			runs = arg.Integer.Ival != 0
		case *pg.Node_Boolean:
			runs = arg.Boolean.Boolval
		}
	}
	return runs
}
