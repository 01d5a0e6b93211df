package policy

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// compiledFilter is a row filter of the profile. Its predicate is what the
// policy's author wrote: no mask, filter or list applies inside it.
type compiledFilter struct {
	table   pattern
	text    string
	field   string // of the profile, for errors
	columns map[string]bool
	// subselect: the planner may make a join of the predicate, and evaluate
	// expressions below it.
	subselect bool
}

func compileFilters(filters []Filter) ([]*compiledFilter, error) {
	out := make([]*compiledFilter, 0, len(filters))
	for i, f := range filters {
		p, err := parsePattern(f.Table)
		if err != nil {
			return nil, fmt.Errorf("row_filters[%d].table: %w", i, err)
		}
		field := fmt.Sprintf("row_filters[%d].predicate", i)
		expr, err := parsePredicate(f.Predicate)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		// Without the parentheses around it: "a) or (b" must not pass.
		if _, err := parse("SELECT WHERE " + f.Predicate); err != nil {
			return nil, fmt.Errorf("%s: want one expression, with balanced parentheses", field)
		}
		c := &compiledFilter{table: p, text: f.Predicate, field: field, columns: make(map[string]bool)}
		if err := c.inspect(expr); err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// parsePredicate parses one boolean expression and nothing that follows it.
func parsePredicate(text string) (*pg.Node, error) {
	// The line break ends a comment that the text may end with.
	tree, err := parse("SELECT WHERE (" + text + "\n)")
	if err != nil {
		if _, alone := parse("SELECT WHERE " + text); alone != nil {
			return nil, alone // speaks of no parenthesis that the text does not have
		}
		return nil, err
	}
	if len(tree.Stmts) != 1 {
		return nil, fmt.Errorf("want one expression")
	}
	s := tree.Stmts[0].Stmt.GetSelectStmt()
	if s == nil || s.WhereClause == nil {
		return nil, fmt.Errorf("want one expression")
	}
	where := s.WhereClause
	rest := proto.Clone(s).(*pg.SelectStmt)
	rest.WhereClause = nil
	bare := &pg.SelectStmt{LimitOption: rest.LimitOption, Op: pg.SetOperation_SETOP_NONE}
	if !proto.Equal(rest, bare) {
		return nil, fmt.Errorf("want one expression, with balanced parentheses")
	}
	return where, nil
}

// inspect refuses what may not stand in a predicate and collects the names it
// uses.
func (c *compiledFilter) inspect(m proto.Message) error {
	switch n := m.(type) {
	case *pg.Node:
		if n == nil {
			return nil
		}
	case *pg.ParamRef:
		return fmt.Errorf("parameters cannot be used: nobody would bind $%d", n.Number)
	case *pg.SubLink:
		c.subselect = true
	case *pg.FuncCall:
		if n.Over != nil || n.AggStar || n.AggDistinct || n.AggFilter != nil || len(n.AggOrder) > 0 {
			return fmt.Errorf("aggregates and window functions cannot be used")
		}
	case *pg.InsertStmt, *pg.UpdateStmt, *pg.DeleteStmt, *pg.MergeStmt, *pg.IntoClause, *pg.LockingClause:
		return fmt.Errorf("a predicate only reads")
	case *pg.ColumnRef:
		if names := stringsOf(n.Fields); len(names) > 0 {
			c.columns[names[len(names)-1]] = true
		}
	}
	var err error
	eachChild(m, func(_ string, child proto.Message) {
		if err == nil {
			err = c.inspect(child)
		}
	})
	return err
}

// bind is the predicate's SQL with the relation's columns qualified by alias,
// so that nothing around it captures them. rel is nil without a catalog.
func (c *compiledFilter) bind(rules *ruleSet, name RelationName, rel *Relation, alias string) (string, error) {
	expr, err := parsePredicate(c.text)
	if err != nil {
		return "", err
	}
	item := &fromItem{name: name.Name, schema: name.Schema, shape: shape{open: rel == nil}}
	if rel != nil {
		for _, col := range rel.Columns {
			item.columns = append(item.columns, column{name: col.Name, typ: col.Type, collated: col.Collated})
		}
	}
	a := newAnalysis(rules)
	a.binding = &binding{item: item, alias: alias}
	a.expr(expr, &namespace{items: []*fromItem{item}}, inPredicate)
	switch b := a.binding; {
	case len(b.unknown) > 0:
		return "", fmt.Errorf("table %q has no column %q", name.Name, b.unknown[0])
	case b.captured:
		return "", fmt.Errorf("a sub-select of it uses the name %q too", alias)
	case a.refusal != nil:
		return "", fmt.Errorf("%s", a.refusal.reason)
	}
	if err := rules.pin(expr); err != nil {
		return "", err
	}
	return deparseExpression(expr)
}

// pin names the schema of every relation and type in a predicate. A bare name
// would mean a temporary table of the principal's before the one that the
// author meant, and the filter would read what the principal wrote.
func (r *ruleSet) pin(expr *pg.Node) error {
	if r.catalog == nil {
		return nil
	}
	for _, ref := range read(expr, "").refs {
		v := ref.rangeVar
		var in []string
		for _, schema := range r.engine.searchPath() {
			if v.Schemaname == "" && r.catalog.Relations[RelationName{schema, v.Relname}] != nil {
				in = append(in, schema)
			}
		}
		switch {
		case v.Schemaname != "":
			if r.catalog.Relations[RelationName{v.Schemaname, v.Relname}] == nil {
				return fmt.Errorf("it reads table %q, which is not there", v.Schemaname+"."+v.Relname)
			}
		case len(in) == 0:
			return fmt.Errorf("it reads table %q, which is not there", v.Relname)
		case len(in) > 1 && !r.engine.profile.ReadOnly:
			return fmt.Errorf("it reads table %q, which is there in several schemas: name the schema", v.Relname)
		default:
			v.Schemaname = in[0]
		}
	}
	r.pinTypes(expr)
	return nil
}

func (r *ruleSet) pinTypes(m proto.Message) {
	if n, ok := m.(*pg.TypeName); ok && len(n.Names) == 1 {
		name := n.Names[0].GetString_().GetSval()
		for _, t := range r.engine.types(name) {
			// Qualified, bpchar would be written as char, which is char(1).
			if t.Schema == "pg_catalog" && name != "bpchar" {
				n.Names = []*pg.Node{pg.MakeStrNode("pg_catalog"), n.Names[0]}
				break
			}
		}
	}
	eachChild(m, func(_ string, child proto.Message) { r.pinTypes(child) })
}

// binding is what an analysis does while it binds a predicate.
type binding struct {
	item     *fromItem
	alias    string
	unknown  []string
	captured bool
}

// see qualifies a reference that means the filtered relation.
func (b *binding) see(n *pg.ColumnRef, m match, fields []string, nested bool) {
	switch {
	case m.item == b.item && m.row == nil && m.known, !m.known && m.unsure && !nested:
		n.Fields = []*pg.Node{pg.MakeStrNode(b.alias), pg.MakeStrNode(fields[len(fields)-1])}
	case !m.known && !m.unsure, m.row == b.item:
		b.unknown = append(b.unknown, strings.Join(fields, "."))
	}
}

// predicates are the bound predicates of a relation's filters.
func (r *relationRules) predicates(rules *ruleSet, alias string) ([]string, error) {
	var list []string
	for _, f := range r.filters {
		text, err := f.bind(rules, r.name, r.relation, alias)
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, nil
}

// restrict puts the filter into the WHERE of an UPDATE or DELETE. Where the
// principal's condition could fail for a hidden row, CASE keeps PostgreSQL
// from evaluating it before the filter; the filter stands in front as well, so
// that an index on its column still serves.
func (a *analysis) restrict(w written, leaky bool) *refusal {
	filter, err := w.filter(a.rules)
	if err != nil {
		return unsafeFilter("a row filter cannot be applied to this statement")
	}
	var own []*pg.Node
	if *w.where != nil {
		own = []*pg.Node{*w.where}
	}
	if len(own) > 0 && (leaky || w.rules.fenced()) {
		guarded := &pg.CaseWhen{Expr: conjunction(filter), Result: own[0], Location: -1}
		again, err := w.filter(a.rules)
		if err != nil {
			return unsafeFilter("a row filter cannot be applied to this statement")
		}
		filter = again
		own = []*pg.Node{{Node: &pg.Node_CaseExpr{CaseExpr: &pg.CaseExpr{Location: -1,
			Args:      []*pg.Node{{Node: &pg.Node_CaseWhen{CaseWhen: guarded}}},
			Defresult: boolConst(false)}}}}
	}
	*w.where = conjunction(append(filter, own...))
	return nil
}

// filter is the terms of the target's filters, qualified by the target's name.
func (w *written) filter(rules *ruleSet) ([]*pg.Node, error) {
	texts, err := w.rules.predicates(rules, w.alias)
	if err != nil {
		return nil, err
	}
	var terms []*pg.Node
	for _, text := range texts {
		expr, err := parsePredicate(text)
		if err != nil {
			return nil, err
		}
		terms = append(terms, expr)
	}
	return flatten(terms), nil
}

// flatten dissolves ANDs as PostgreSQL's parser does with what stands left.
func flatten(terms []*pg.Node) []*pg.Node {
	var flat []*pg.Node
	for _, t := range terms {
		if b := t.GetBoolExpr(); b != nil && b.Boolop == pg.BoolExprType_AND_EXPR {
			flat = append(flat, flatten(b.Args)...)
		} else {
			flat = append(flat, t)
		}
	}
	return flat
}

func conjunction(terms []*pg.Node) *pg.Node {
	if len(terms) == 1 {
		return terms[0]
	}
	return pg.MakeBoolExprNode(pg.BoolExprType_AND_EXPR, terms, -1)
}

func boolConst(v bool) *pg.Node {
	return &pg.Node{Node: &pg.Node_AConst{AConst: &pg.A_Const{Val: &pg.A_Const_Boolval{Boolval: &pg.Boolean{Boolval: v}}, Location: -1}}}
}

// rest is what a WHERE says besides the target's filter, which stands in front;
// guarded when CASE keeps it from hidden rows. ok is false where the filter is
// missing.
func (w *written) rest(rules *ruleSet) (rest []*pg.Node, guarded, ok bool) {
	want, err := w.filter(rules)
	if err != nil || *w.where == nil {
		return nil, false, false
	}
	have := []*pg.Node{*w.where}
	if len(want) > 1 || (*w.where).GetBoolExpr().GetBoolop() == pg.BoolExprType_AND_EXPR {
		have = flattenLeft(*w.where)
	}
	if len(have) < len(want) {
		return nil, false, false
	}
	for i, term := range want {
		if !sameNode(have[i], term) {
			return nil, false, false
		}
	}
	rest = have[len(want):]
	if len(rest) == 1 {
		if when := firstWhen(rest[0]); when != nil && sameNode(when.Expr, conjunction(want)) {
			return []*pg.Node{when.Result}, true, true
		}
	}
	return rest, false, true
}

func flattenLeft(n *pg.Node) []*pg.Node {
	b := n.GetBoolExpr()
	if b == nil || b.Boolop != pg.BoolExprType_AND_EXPR {
		return []*pg.Node{n}
	}
	return append(flattenLeft(b.Args[0]), b.Args[1:]...)
}
