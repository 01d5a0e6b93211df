package policy

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// maxSteps bounds the work of one analysis: recursive common table expressions
// inside each other are read more than once.
const maxSteps = 200_000

// analysis is one reading of one statement.
type analysis struct {
	rules *ruleSet
	main  *pg.Node // the statement, or the one that it prepares
	again bool     // the second reading, of what was rewritten
	// mustGuard: on the first reading an expression was found that may fail.
	mustGuard bool

	uses      []use
	writes    []written
	held      []heldWrite
	returning []returned
	nulls     map[*pg.ResTarget]string // scalar sub-selects over a masked column, and what clients call them
	touched   map[RelationName]*relationRules
	// found are the places in the tree that uses, writes and returning speak
	// of: parts of a recursive query are read more than once.
	found   map[any]bool
	read    map[*pg.RangeVar]bool // every reference that was looked at
	whole   map[*pg.Node]bool     // FROM items of which all columns are asked for
	refusal *refusal

	leaky     bool // an expression below a filter may fail
	currentOf bool
	changed   bool
	unfenced  bool
	unchecked bool       // on the second reading: a check is missing
	checks    []*pg.Node // those that are there
	steps     int
	views     []use      // on the second reading: the views that were replaced
	inside    *enclosing // the view whose definition is read
	why       string     // what keeps that from being used
	expanded  int        // bytes of what stands for views
	binding   *binding
}

func newAnalysis(r *ruleSet) *analysis {
	return &analysis{rules: r, nulls: make(map[*pg.ResTarget]string), touched: make(map[RelationName]*relationRules),
		found: make(map[any]bool), read: make(map[*pg.RangeVar]bool), whole: make(map[*pg.Node]bool)}
}

// once says whether a place in the tree is found for the first time.
func (a *analysis) once(place any) bool {
	again := a.found[place]
	a.found[place] = true
	return !again
}

func (a *analysis) step() bool {
	a.steps++
	if a.steps > maxSteps {
		a.refuse(refuse("parse_error", "Send it in parts, or long lists of values as one array in a parameter.", "this statement is too complex to be examined"))
	}
	return a.refusal == nil
}

// refuse keeps the first refusal.
func (a *analysis) refuse(r *refusal) {
	if a.refusal == nil {
		a.refusal = r
	}
}

func (a *analysis) refuseUnknown(what string) {
	a.refuse(refuse("parse_error", parseHint, "this kind of %s is not known", what))
}

func (a *analysis) touch(r *relationRules) {
	a.touched[r.name] = r
	if r.lost {
		a.refuse(refuse("masked_column_expression", "Ask your operator to correct the policy.",
			"the policy masks a column that table %q does not have; perhaps it has another name now", r.name.Name))
	}
}

// rewrite implements rewriter.
func (r *ruleSet) rewrite(s *statement) *refusal {
	first := newAnalysis(r)
	out, known := first.statement(s.node)
	if first.refusal != nil {
		return first.refusal
	}
	if !known {
		return r.definition(s)
	}
	if err := first.overlooked(s); err != nil {
		return err
	}
	if ref := r.redefined(s); ref != nil {
		return unsafeFilter("view %q is read by a row filter and cannot be replaced", ref.typed())
	}
	if len(first.touched) == 0 {
		return nil
	}
	if r := first.lockedViews(s); r != nil {
		return r
	}
	s.out.HideDetail = len(s.writes) > 0
	s.masked = append(s.masked, first.maskedColumns(out)...)
	if len(s.masked) > 0 {
		s.out.Outputs = outputKinds(out)
	}
	if r.catalog == nil && len(s.masked) > 0 {
		s.notes = append(s.notes, "without the database's catalog masks are named here but not put into the SQL")
	}
	if err := first.edit(s); err != nil {
		return err
	}
	if s.changed && r.catalog != nil {
		return r.verify(s, first)
	}
	return nil
}

// overlooked holds the analysis against the other walk through the statement,
// which knows nothing of what a query means: a reference that only one of them
// saw is a mistake of the other, and hides nothing.
func (a *analysis) overlooked(s *statement) *refusal {
	for _, ref := range s.refs {
		if !ref.create && !a.read[ref.rangeVar] && a.rules.of(ref.relation, ref.name).applies() {
			return maskRefusal(inExpression, "this statement reads it where masks and filters cannot be applied")
		}
	}
	return nil
}

// statement reads a whole statement. known is false for what is no query.
func (a *analysis) statement(n *pg.Node) (out shape, known bool) {
	root := &namespace{}
	switch s := n.GetNode().(type) {
	case *pg.Node_SelectStmt:
		return a.selectStmt(s.SelectStmt, root, true), true
	case *pg.Node_InsertStmt, *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_MergeStmt:
		a.main = n
		return a.query(n, root), true
	case *pg.Node_ExplainStmt:
		_, known = a.statement(s.ExplainStmt.Query)
		for _, t := range a.touched {
			if t.filtered() {
				// Estimates come from statistics over hidden rows too, and
				// ANALYZE counts the rows that a filter removes.
				a.refuse(unsafeFilter("EXPLAIN is not permitted on table %q, whose row filter it would tell about", t.name.Name))
			}
		}
		return shape{}, known
	case *pg.Node_PrepareStmt:
		return a.statement(s.PrepareStmt.Query)
	case *pg.Node_ExecuteStmt:
		return shape{}, true // decided about when it was prepared
	case *pg.Node_DeclareCursorStmt:
		return a.cursor(s.DeclareCursorStmt, root), true
	case *pg.Node_CreateTableAsStmt:
		if s.CreateTableAsStmt.Query.GetExecuteStmt() != nil {
			return shape{}, false
		}
		if a.query(s.CreateTableAsStmt.Query, root).masked() {
			a.refuse(maskRefusal(inExpression, "CREATE TABLE AS or CREATE MATERIALIZED VIEW, which would store it"))
		}
		if s.CreateTableAsStmt.Objtype == pg.ObjectType_OBJECT_MATVIEW {
			a.refuseStored()
		}
		return shape{}, true
	case *pg.Node_ViewStmt:
		if a.query(s.ViewStmt.Query, root).masked() {
			a.refuse(maskRefusal(inExpression, "CREATE VIEW"))
		}
		a.refuseStored()
		return shape{}, true
	}
	return shape{}, false
}

// cursor reads DECLARE CURSOR. Its rows come with a later FETCH, in the format
// that it was declared with or in the one that a Bind asks for.
func (a *analysis) cursor(n *pg.DeclareCursorStmt, root *namespace) shape {
	const binary = 0x0001 // CURSOR_OPT_BINARY
	out := a.query(n.Query, root)
	if out.masked() && n.Options&binary != 0 {
		a.refuse(maskRefusal(inExpression, "a BINARY cursor"))
	}
	return out
}

// edit changes the statement as the analysis found necessary.
func (a *analysis) edit(s *statement) *refusal {
	said := readMentions(s.node, nil)
	for _, u := range a.uses {
		// A filter that goes into a WHERE or RETURNING may name masked columns there.
		if !u.rules.filtered() && (a.rules.catalog == nil || !said.reach(u) && len(a.writes)+len(a.held) == 0) {
			continue
		}
		if a.rules.catalog == nil && len(u.rules.masks) > 0 {
			u.rules = &relationRules{name: u.rules.name, filters: u.rules.filters}
		}
		if err := a.supply(&u, said); err != nil {
			return err
		}
		if err := a.replace(u, u.rules.filtered() && (a.leaky || u.rules.fenced())); err != nil {
			return err
		}
		a.changed = true
		said, err := a.rules.told(u)
		if err != nil {
			return unsafeFilter("a row filter cannot be applied to this statement")
		}
		s.predicates = append(s.predicates, said...)
	}
	for _, w := range a.writes {
		if err := a.restrict(w, a.leaky); err != nil {
			return err
		}
		a.changed = true
		if err := a.tell(s, w.rules, w.alias); err != nil {
			return err
		}
	}
	if a.rules.catalog != nil {
		for _, t := range a.returning {
			if err := a.mask(t); err != nil {
				return err
			}
			a.changed = true
		}
	}
	for t, name := range a.nulls {
		// A CASE without ELSE has the type of its only branch.
		t.Name = name
		t.Val = &pg.Node{Node: &pg.Node_CaseExpr{CaseExpr: &pg.CaseExpr{Location: -1, Args: []*pg.Node{
			pg.MakeCaseWhenNode(boolConst(false), t.Val, -1)}}}}
		a.changed = true
	}
	if err := a.enforceChecks(s); err != nil {
		return err
	}
	if a.changed {
		unqualify(s.node, a.uses)
	}
	s.changed = s.changed || a.changed
	return nil
}

// tell adds a filter's predicate to what the decision says.
func (a *analysis) tell(s *statement, rules *relationRules, alias string) *refusal {
	if len(rules.filters) == 0 {
		return nil
	}
	said, err := a.rules.said(rules, alias)
	if err != nil {
		return unsafeFilter("a row filter cannot be applied to this statement")
	}
	s.predicates = append(s.predicates, said...)
	return nil
}

// said are the predicates of a relation under an alias, as they are joined by
// AND.
func (r *ruleSet) said(rules *relationRules, alias string) ([]string, error) {
	key := aliasKey{rules.name, alias}
	if have, ok := r.aliases.Load(key); ok && rules.relation != nil {
		return have.([]string), nil
	}
	predicates, err := rules.predicates(r, alias)
	if err != nil {
		return nil, err
	}
	for i, p := range predicates {
		if expr, err := parsePredicate(p); err == nil && expr.GetBoolExpr().GetBoolop() == pg.BoolExprType_OR_EXPR {
			predicates[i] = "(" + p + ")"
		}
	}
	if rules.relation != nil && r.aliased.Add(1) <= maxAliases {
		r.aliases.Store(key, predicates)
	}
	return predicates, nil
}

// maxAliases bounds how many are kept: principals choose them.
const maxAliases = 1000

// aliasKey is what the predicates of a relation of the catalog depend on.
type aliasKey struct {
	name  RelationName
	alias string
}

// unqualify takes the schema from references to what now has an alias only.
func unqualify(m proto.Message, uses []use) {
	if ref, ok := m.(*pg.ColumnRef); ok && len(ref.Fields) >= 3 {
		// [database.]schema.table.column, or a star in its place.
		at := len(ref.Fields) - 3
		schema, table := ref.Fields[at].GetString_().GetSval(), ref.Fields[at+1].GetString_().GetSval()
		for _, u := range uses {
			if u.rangeVar.Alias == nil && schema == u.rules.name.Schema && table == u.rangeVar.Relname {
				ref.Fields = ref.Fields[at+1:]
				break
			}
		}
		return
	}
	eachChild(m, func(_ string, child proto.Message) { unqualify(child, uses) })
}

// verify reads what will really be sent once more. Nothing of it may need
// rewriting still: the text that PostgreSQL gets, not the tree that it was
// made from, is what counts.
func (r *ruleSet) verify(s *statement, first *analysis) *refusal {
	rule, leaky := "masked_column_expression", first.leaky
	for _, t := range first.touched {
		if t.filtered() {
			rule = "row_filter_unsafe"
		}
	}
	doubt := refuse(rule, "Send a simpler statement.", "this statement could not be rewritten under the policy's masks and filters with certainty")
	text, ok := r.settle(s.node, first, leaky)
	if !ok {
		return doubt
	}
	s.rewritten = text
	return nil
}

// settle puts what was rewritten into words and reads those.
func (r *ruleSet) settle(n *pg.Node, first *analysis, leaky bool) (text string, ok bool) {
	text, err := deparse(n)
	if err != nil {
		return "", false
	}
	tree, err := parse(text)
	if err != nil || len(tree.Stmts) != 1 {
		return "", false
	}
	again := tree.Stmts[0].Stmt
	if !sameNode(again, n) {
		return "", false // the deparser would make another statement of it
	}
	second := newAnalysis(r)
	second.again, second.mustGuard = true, leaky
	second.views, second.inside = viewsOf(first.uses), first.inside
	if second.inside != nil {
		second.query(again, &namespace{})
	} else if _, known := second.statement(again); !known {
		return "", false
	}
	if second.refusal != nil || second.unchecked || len(second.returning) > 0 || len(second.nulls) > 0 || second.unfenced && leaky {
		return "", false
	}
	sources := make(map[*pg.Node]bool)
	for _, u := range second.uses {
		if u.wrapped {
			sources[u.holder] = true
		}
	}
	said := readMentions(again, sources)
	for _, u := range second.uses {
		if !u.wrapped && (u.rules.filtered() || said.reach(u)) {
			return "", false
		}
	}
	for _, w := range second.writes {
		if w.bare {
			return "", false
		}
	}
	return text, second.behind(again)
}

func lower(s string) string { return strings.ToLower(s) }
