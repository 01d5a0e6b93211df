package policy

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// A relation with masks or filters is replaced, wherever a query reads it, by
// a sub-select of it that masks and filters: behind that sub-select there is
// nothing left to leak. The target of a write cannot be replaced; its filter
// goes into WHERE and its masks into RETURNING.
//
// A relation with masks alone stays as it is where the statement neither names
// a masked column nor could come by one without naming it, so that grouping by
// a primary key and the like keep working.

// within is the relation's name inside the sub-select that replaces it.
const within = "pgbeam_row"

// ruleSet rewrites statements for the masks and filters of a profile.
type ruleSet struct {
	engine  *Engine
	catalog *Catalog
	masks   []compiledMask
	filters []*compiledFilter
	known   sync.Map // RelationName -> *relationRules, of the catalog's relations
	sources sync.Map // sourceKey -> *pg.SelectStmt, of the catalog's relations; nobody changes one
	aliases sync.Map // aliasKey -> []string, what said returns; aliased counts them
	aliased atomic.Int32
	// definitions are the rules inside of views: filters, and no masks. bodies,
	// of that set alone, are what stands for views.
	definitions *ruleSet
	bodies      sync.Map // RelationName -> *viewBody

	supportOnce sync.Once
	supported   map[RelationName]*support
}

// newRuleSet compiles masks and filters and binds each predicate.
func newRuleSet(e *Engine) (*ruleSet, error) {
	masks, err := compileMasks(e.profile.Masks, e.catalog)
	if err != nil {
		return nil, err
	}
	filters, err := compileFilters(e.profile.Filters)
	if err != nil {
		return nil, err
	}
	r := &ruleSet{engine: e, catalog: e.catalog, masks: masks, filters: filters}
	r.definitions = &ruleSet{engine: e, catalog: e.catalog, filters: filters}
	r.definitions.definitions = r.definitions
	return r, r.bindAll()
}

// bindAll binds each predicate to the relations that it is for. A bare name is
// meant in every schema; where its predicate does not bind to a namesake, that
// one is refused when it is used, but some relation must take it.
func (r *ruleSet) bindAll() error {
	if r.catalog == nil {
		return nil
	}
	for _, f := range r.filters {
		var failed error
		bound := false
		for name, rel := range r.catalog.Relations {
			if !f.table.restricts(name) {
				continue
			}
			if _, err := f.bind(r, name, rel, within); err == nil {
				bound = true
			} else if failed == nil || name.Schema == "public" {
				failed = err
			}
		}
		if failed != nil && !bound {
			return fmt.Errorf("%s: %w", f.field, failed)
		}
	}
	return nil
}

// relationRules is what rules say about one relation.
type relationRules struct {
	name     RelationName
	relation *Relation
	masks    map[string]MaskKind // by column, in the catalog's case
	filters  []*compiledFilter
	unsafe   bool // it shows filtered rows in a way that cannot be filtered here
	lost     bool // a column that is to be masked is not in it, see compiledMask
}

var noRules = &relationRules{}

func (r *relationRules) applies() bool  { return len(r.masks) > 0 || r.lost || r.filtered() }
func (r *relationRules) filtered() bool { return len(r.filters) > 0 || r.unsafe }

// fenced says whether a predicate always needs a fence.
func (r *relationRules) fenced() bool {
	for _, f := range r.filters {
		if f.subselect {
			return true
		}
	}
	return false
}

// find resolves a reference.
func (r *ruleSet) find(v *pg.RangeVar) (*Relation, RelationName) {
	ref := &relationRef{rangeVar: v}
	r.engine.resolveRef(ref, newBatch())
	return ref.relation, ref.name
}

// of is what rules say about a relation, collected once. rel is nil for one
// that no catalog knows.
func (r *ruleSet) of(rel *Relation, name RelationName) *relationRules {
	if rel == nil {
		return r.collect(rel, name)
	}
	if have, ok := r.known.Load(name); ok {
		return have.(*relationRules)
	}
	rules := r.collect(rel, name)
	r.known.Store(name, rules)
	return rules
}

// collect gathers a relation's own rules, those of its parents and of its
// children, and of the columns that a view takes its own from.
func (r *ruleSet) collect(rel *Relation, name RelationName) *relationRules {
	out := &relationRules{name: name, relation: rel, masks: make(map[string]MaskKind)}
	if rel == nil {
		for _, m := range r.masks {
			if m.table.restricts(name) {
				out.masks[m.column] = combine(out.masks[m.column], m.kind)
			}
		}
		out.filters = r.filtersOf(name)
		return out
	}
	line := r.ancestors(rel)
	reads := r.engine.lineage(rel).reads
	for _, c := range rel.Columns {
		kind := r.maskOf(line, c.Name)
		for _, n := range reads {
			if other := r.catalog.Relations[n]; other != nil && other.Kind != 'v' && other.Kind != 'm' && rel.Kind != 'v' && rel.Kind != 'm' {
				kind = combine(kind, r.maskOf([]RelationName{n}, c.Name))
			}
		}
		for _, s := range c.Sources {
			source := r.catalog.Relations[s.Relation]
			from := []RelationName{s.Relation}
			if source != nil {
				from = r.ancestors(source)
			}
			k := r.maskOf(from, s.Column)
			if k != "" && c.Computed {
				k = Null
			}
			kind = combine(kind, k)
		}
		if kind != "" {
			out.masks[c.Name] = kind
		}
	}
	applied := make(map[*compiledFilter]bool)
	for _, n := range line {
		for _, f := range r.filtersOf(n) {
			if !applied[f] {
				applied[f] = true
				out.filters = append(out.filters, f)
			}
		}
	}
	for _, n := range reads {
		for _, f := range r.filtersOf(n) {
			out.unsafe = out.unsafe || !applied[f]
		}
		for _, m := range r.masks {
			out.lost = out.lost || m.lost && m.table.restricts(n)
		}
	}
	return out
}

// ancestors are a relation and its parents, at any height.
func (r *ruleSet) ancestors(rel *Relation) []RelationName {
	line := []RelationName{rel.RelationName}
	seen := map[RelationName]bool{rel.RelationName: true}
	for i := 0; i < len(line); i++ {
		at := r.catalog.Relations[line[i]]
		if at == nil {
			continue
		}
		for _, p := range at.Parents {
			if !seen[p] {
				seen[p] = true
				line = append(line, p)
			}
		}
	}
	return line
}

func (r *ruleSet) maskOf(relations []RelationName, column string) MaskKind {
	var kind MaskKind
	for _, m := range r.masks {
		for _, n := range relations {
			if m.table.restricts(n) && m.column == lower(column) {
				kind = combine(kind, m.kind)
			}
		}
	}
	return kind
}

func (r *ruleSet) filtersOf(name RelationName) []*compiledFilter {
	var list []*compiledFilter
	for _, f := range r.filters {
		if f.table.restricts(name) {
			list = append(list, f)
		}
	}
	return list
}

// sourceText is the sub-select that stands for a relation.
func (r *ruleSet) sourceText(u use, fence bool) (string, error) {
	rules := u.rules
	list := "*"
	if len(rules.masks) > 0 {
		if rules.relation == nil {
			return "", fmt.Errorf("its columns are not known")
		}
		items := make([]string, len(rules.relation.Columns))
		for i, c := range rules.relation.Columns {
			items[i] = within + "." + quoteName(c.Name)
			if kind := rules.masks[c.Name]; kind != "" {
				text, ok := maskText(items[i], kind, c.Type, r.catalog)
				if !ok {
					return "", fmt.Errorf("the type of a masked column is not known")
				}
				items[i] = text + " AS " + quoteName(c.Name)
			}
		}
		list = strings.Join(items, ", ")
	}
	for _, c := range u.system {
		list += ", " + within + "." + c
	}
	text := "SELECT " + list + " FROM "
	if !u.rangeVar.Inh && u.body == nil {
		text += "ONLY "
	}
	switch {
	case u.body != nil:
		text += u.body.from(rules.relation, fence)
		// A barrier keeps what may fail from the rows that the view leaves out.
		fence = rules.relation.Barrier || fence && len(rules.filters) > 0
	case r.catalog == nil && u.rangeVar.Schemaname == "":
		text += quoteName(rules.name.Name) + " AS " + within
	default:
		text += quoteName(rules.name.Schema) + "." + quoteName(rules.name.Name) + " AS " + within
	}
	if len(rules.filters) > 0 {
		predicates, err := rules.predicates(r, within)
		if err != nil {
			return "", err
		}
		text += " WHERE (" + strings.Join(predicates, ") AND (") + ")"
	}
	if fence {
		text += " OFFSET 0"
	}
	return text, nil
}

// sourceKey is what the sub-select for a relation of the catalog depends on.
type sourceKey struct {
	name         RelationName
	fence, whole bool // whole is without ONLY
	system       string
}

// source parses it, with the reference's TABLESAMPLE put in.
func (r *ruleSet) source(u use, fence bool) (*pg.SelectStmt, error) {
	key := sourceKey{u.rules.name, fence, u.rangeVar.Inh, strings.Join(u.system, " ")}
	made, ok := r.sources.Load(key)
	if !ok || u.rules.relation == nil {
		text, err := r.sourceText(u, fence)
		if err != nil {
			return nil, err
		}
		tree, err := parse(text)
		if err != nil {
			return nil, err
		}
		s := tree.Stmts[0].Stmt.GetSelectStmt()
		if s == nil || len(s.FromClause) != 1 {
			return nil, fmt.Errorf("the sub-select is none")
		}
		if made = s; u.rules.relation != nil {
			r.sources.Store(key, s)
		}
	}
	s := proto.Clone(made.(*pg.SelectStmt)).(*pg.SelectStmt)
	if u.sample != nil {
		sample := proto.Clone(u.sample).(*pg.RangeTableSample)
		sample.Relation = s.FromClause[0]
		s.FromClause[0] = &pg.Node{Node: &pg.Node_RangeTableSample{RangeTableSample: sample}}
	}
	return s, nil
}

// replace puts the sub-select where the reference stands.
func (a *analysis) replace(u use, fence bool) *refusal {
	s, err := a.rules.source(u, fence)
	if err != nil {
		if u.rules.filtered() {
			return unsafeFilter("the row filter of table %q cannot be applied to this statement", u.rangeVar.Relname)
		}
		return untyped()
	}
	alias := u.rangeVar.Alias
	if alias == nil {
		alias = &pg.Alias{Aliasname: u.rangeVar.Relname}
	}
	u.holder.Node = &pg.Node_RangeSubselect{RangeSubselect: &pg.RangeSubselect{
		Subquery: &pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: s}}, Alias: alias}}
	return nil
}

// recognize says which relation a sub-select stands for, when it is exactly
// what replace puts in.
func (a *analysis) recognize(n *pg.RangeSubselect) (use, shape, bool) {
	s := n.Subquery.GetSelectStmt()
	if !a.again || s == nil || len(s.FromClause) != 1 || n.Lateral {
		return use{}, shape{}, false
	}
	u := use{sample: s.FromClause[0].GetRangeTableSample(), wrapped: true, system: supplied(s)}
	u.rangeVar = s.FromClause[0].GetRangeVar()
	if u.sample != nil {
		u.rangeVar = u.sample.Relation.GetRangeVar()
	}
	if u.rangeVar.GetAlias().GetAliasname() != within {
		return use{}, shape{}, false
	}
	var columns shape
	columns, u.rules = a.relationShape(u.rangeVar)
	if !u.rules.applies() || u.rules.unsafe {
		return use{}, shape{}, false
	}
	for _, fence := range []bool{false, true} {
		want, err := a.rules.source(u, fence)
		if err == nil && sameNode(want, s) {
			a.unfenced = a.unfenced || !fence && len(u.rules.filters) > 0
			return u, columns, true
		}
	}
	return use{}, shape{}, false
}
