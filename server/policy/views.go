package policy

import (
	"errors"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// A view over filtered tables is read as what it shows when it is computed
// from what their filters leave: the reference is replaced by a sub-select of
// the view's definition, in which every filtered table is replaced as it would
// be in a statement. Masks play no part inside: what a view computes is its
// author's business, and the columns that come out of it are masked by their
// lineage.
//
// The first line of defence is the analysis of queries, here of the
// definition. The second: the finished text is parsed and read once more, by
// the analysis and by the plain walk that collects references (settle), and in
// a rewritten statement nothing is taken for the view but exactly that text
// (recognizeView).

const (
	// maxView bounds the text that stands for one view, maxViews those of one
	// statement or definition: views of views may double at each step.
	maxView  = 64 << 10
	maxViews = 256 << 10
	// maxViewDepth bounds views of views.
	maxViewDepth = 12
)

// viewBody is a view's definition over filtered tables, or why there is none.
type viewBody struct {
	texts   [2]string // without and with fences
	leaky   bool      // an expression in it may fail for a hidden row
	depth   int       // of the views in it, itself counted
	said    []string  // the predicates in it
	problem string
}

// expandable says whether a relation shows filtered rows by a definition that
// can be read in its place.
func (r *relationRules) expandable() bool {
	return r.unsafe && r.relation != nil && r.relation.Kind == 'v'
}

// enclosing are the views that a definition is read for, innermost first.
// PostgreSQL lets views form a circle, which fails only when it is read.
type enclosing struct {
	name  RelationName
	outer *enclosing
}

func (e *enclosing) has(name RelationName) bool {
	for ; e != nil; e = e.outer {
		if e.name == name {
			return true
		}
	}
	return false
}

// expand finds what stands for a view that is read.
func (a *analysis) expand(u *use) {
	name := u.rangeVar.Relname
	if !u.rules.expandable() {
		a.problem("it reads something whose rows were made of hidden ones")
		a.refuse(unfilterable(name))
		return
	}
	if u.sample != nil {
		a.refuse(refuse("row_filter_unsafe", "Leave out TABLESAMPLE.", "view %q has no rows of its own to take a sample of", name))
		return
	}
	body := a.rules.body(u.rules, a.inside)
	if body.problem != "" {
		a.problem(body.problem)
		a.refuse(refuse("row_filter_unsafe", "Read the tables themselves, or ask your operator to change the view.",
			"view %q shows rows of tables that have a row filter, and cannot be computed from what the filter leaves: %s", name, body.problem))
		return
	}
	u.body = body
	a.leaky = a.leaky || body.leaky
	if a.found[u.holder] {
		return
	}
	if a.expanded += len(body.texts[1]); a.expanded > maxViews {
		a.problem("its definition is too long")
		a.refuse(refuse("row_filter_unsafe", "Read fewer views in one statement, or the tables themselves.",
			"the definitions of the views in this statement are too long for the policy's row filters"))
	}
}

func unfilterable(name string) *refusal {
	return unsafeFilter("table %q shows rows of tables that have a row filter; read those tables themselves", name)
}

// problem keeps why a definition is refused, in words that name nothing of it:
// who reads a view may not know what it is made of.
func (a *analysis) problem(what string) {
	if a.inside != nil && a.refusal == nil && a.why == "" {
		a.why = what
	}
}

// body is what stands for a view, made once.
func (r *ruleSet) body(rules *relationRules, inside *enclosing) *viewBody {
	r = r.definitions
	if made, ok := r.bodies.Load(rules.name); ok {
		return made.(*viewBody)
	}
	// What is found in a circle is part of it, so that this holds for it whoever
	// reads it.
	b := &viewBody{problem: "it is a view of views without end"}
	if !inside.has(rules.name) {
		var err error
		if b, err = r.compute(rules.relation, &enclosing{rules.name, inside}); err != nil {
			b = &viewBody{problem: err.Error()}
		}
	}
	r.bodies.Store(rules.name, b)
	return b
}

var (
	errUnexamined = errors.New("its definition cannot be examined")
	errUncertain  = errors.New("its definition could not be rewritten with certainty")
	errTooLong    = errors.New("its definition is too long")
)

// compute writes a view's definition with its filtered tables replaced.
func (r *ruleSet) compute(view *Relation, in *enclosing) (*viewBody, error) {
	query, err := r.viewQuery(view)
	if err != nil {
		return nil, err
	}
	first := newAnalysis(r)
	first.inside = in
	out := first.query(query, &namespace{})
	switch {
	case first.why != "":
		return nil, errors.New(first.why)
	case first.refusal != nil:
		return nil, errUnexamined
	case !out.open && len(out.columns) != len(view.Columns):
		return nil, errors.New("its definition has changed")
	}
	if err := first.complete(query, view); err != nil {
		return nil, err
	}
	b := &viewBody{leaky: first.leaky, depth: 1}
	for _, u := range first.uses {
		if u.body != nil {
			b.depth = max(b.depth, u.body.depth+1)
		}
		said, err := r.told(u)
		if err != nil {
			return nil, errUncertain
		}
		for _, s := range said {
			if !slices.Contains(b.said, s) {
				b.said = append(b.said, s)
			}
		}
	}
	if b.depth > maxViewDepth {
		return nil, errTooLong
	}
	for i := range b.texts {
		fence := i == 1 || b.leaky
		for _, u := range first.uses {
			if first.replace(u, fence || u.rules.fenced()) != nil {
				return nil, errUncertain
			}
		}
		var ok bool
		if b.texts[i], ok = r.settle(query, first, fence); !ok {
			return nil, errUncertain
		}
		if len(b.texts[i]) > maxView {
			return nil, errTooLong
		}
	}
	return b, nil
}

// told is the predicates that stand for a reference, in a decision's words.
func (r *ruleSet) told(u use) ([]string, error) {
	alias := u.rangeVar.Relname
	if u.rangeVar.Alias != nil {
		alias = u.rangeVar.Alias.Aliasname
	}
	var all []string
	if len(u.rules.filters) > 0 {
		said, err := r.said(u.rules, alias)
		if err != nil {
			// The filter has a sub-select that uses the name; it is put in by
			// another, too.
			said, err = r.said(u.rules, within)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, said...)
	}
	if u.body != nil {
		all = append(all, u.body.said...)
	}
	return all, nil
}

// recognizeView says which of the views that were replaced a sub-select stands
// for.
func (a *analysis) recognizeView(n *pg.RangeSubselect) (use, shape, bool) {
	s := n.Subquery.GetSelectStmt()
	if !a.again || n.Lateral || len(s.GetFromClause()) != 1 || s.FromClause[0].GetRangeSubselect().GetAlias().GetAliasname() != within {
		return use{}, shape{}, false
	}
	for _, u := range a.views {
		// The fenced form first: where every filter is fenced anyway, both are
		// the same text.
		for _, fence := range []bool{true, false} {
			want, err := a.rules.source(u, fence)
			if err != nil || !sameNode(want, s) {
				continue
			}
			a.unfenced = a.unfenced || !fence
			columns, _ := a.relationShape(u.rangeVar)
			u.wrapped = true
			return u, columns, true
		}
	}
	return use{}, shape{}, false
}

// viewsOf are the views among what was replaced, each once.
func viewsOf(uses []use) []use {
	var list []use
	for _, u := range uses {
		if u.body != nil && !slices.ContainsFunc(list, func(have use) bool { return have.rules.name == u.rules.name }) {
			list = append(list, u)
		}
	}
	return list
}

// behind says whether every filtered relation below n, as the walk finds it
// that knows nothing of queries, is inside what was recognized to stand for
// one, or in a predicate that was. What is written to is held by other means.
func (a *analysis) behind(n *pg.Node) bool {
	held := make(map[*pg.RangeVar]bool)
	for _, u := range a.uses {
		if u.wrapped {
			for _, ref := range read(u.holder, "").refs {
				held[ref.rangeVar] = true
			}
		}
	}
	for _, check := range a.checks {
		for _, ref := range read(check, "").refs {
			held[ref.rangeVar] = true
		}
	}
	for _, w := range a.writes {
		if *w.where == nil {
			continue
		}
		own, _, _ := w.rest(a.rules)
		author := read(*w.where, "").refs
		for _, term := range own {
			for _, ref := range read(term, "").refs {
				author = slices.DeleteFunc(author, func(have *relationRef) bool { return have.rangeVar == ref.rangeVar })
			}
		}
		for _, ref := range author {
			held[ref.rangeVar] = true
		}
	}
	for _, ref := range read(n, "").refs {
		if ref.target || ref.create || held[ref.rangeVar] {
			continue
		}
		if rel, name := a.rules.find(ref.rangeVar); a.rules.of(rel, name).filtered() {
			return false
		}
	}
	return true
}
