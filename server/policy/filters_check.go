package policy

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// What an INSERT leaves behind, or an UPDATE of a column that the filter reads,
// must be a row that the filter shows, as WITH CHECK has it in PostgreSQL's own
// row security. RETURNING sees each row as it was written, with defaults,
// generated columns and what BEFORE triggers made of it: an item in front of
// the client's own fails for a row that does not satisfy the filter, and
// PostgreSQL undoes the statement. It stands in front so that no expression of
// the client's sees such a row, and no row of the result is sent before all
// were written and held to it.

// Check says that the rows a statement returns begin with a column that holds
// what it writes to a row filter. That column is not the client's.
type Check struct {
	// Alone: the client asked for no rows, and is to get none.
	Alone bool
	// Fallible: the filter itself may fail for a row, and say why.
	Fallible bool
}

// violation is what PostgreSQL fails to take for a boolean. It is in the log of
// the database, too.
const violation = "a written row does not satisfy the row filter of its PgBeam policy"

// checkColumn is the name of the column.
const checkColumn = "pgbeam_check"

// Violated says whether an error of PostgreSQL means that a row did not satisfy
// the filter.
func (c *Check) Violated(message string) bool { return strings.Contains(message, violation) }

// Refusal is what a client is told then.
func (c *Check) Refusal() (reason, hint string) {
	return prefix + "a row that this statement writes does not satisfy the policy's row filter; nothing of it was kept",
		"Write only rows that this credential could read afterwards, or ask your operator how the policy's row filters are meant."
}

// RowsAreChecked is the note of a decision about a statement with a Check.
const RowsAreChecked = "rolled back if a written row does not satisfy the row filter"

// heldWrite is a write whose rows are held to its target's filter.
type heldWrite struct {
	written
	returning *[]*pg.Node
	alone     bool // it returns nothing of its own
	told      bool // that its filter applies
}

// hold reads the RETURNING of a write whose rows are to be held to a filter.
func (a *analysis) hold(h heldWrite, scope *namespace) shape {
	if !a.again {
		h.alone = len(*h.returning) == 0
		if a.once(h.returning) {
			a.held = append(a.held, h)
		}
		return a.returns(h.returning, scope)
	}
	own := *h.returning
	want, err := h.check(a.rules)
	if err != nil || len(own) == 0 || !sameNode(own[0], want) {
		a.unchecked = true
		return shape{open: true}
	}
	a.checks = append(a.checks, own[0])
	own = own[1:]
	return a.returns(&own, scope)
}

// enforce puts the check into RETURNING.
func (h *heldWrite) enforce(rules *ruleSet) *refusal {
	check, err := h.check(rules)
	if err != nil {
		return unsafeFilter("a row filter cannot be applied to this statement")
	}
	*h.returning = append([]*pg.Node{check}, *h.returning...)
	return nil
}

// enforceChecks puts in those of a statement, and says so in the decision.
func (a *analysis) enforceChecks(s *statement) *refusal {
	for i := range a.held {
		h := &a.held[i]
		if err := h.enforce(a.rules); err != nil {
			return err
		}
		a.changed = true
		s.out.Check = &Check{Alone: h.alone, Fallible: a.rules.fallible(h.rules)}
		s.notes = append(s.notes, RowsAreChecked)
		if h.told {
			continue
		}
		if err := a.tell(s, h.rules, h.alias); err != nil {
			return err
		}
	}
	return nil
}

// check is the item of RETURNING. What it fails with is computed by a function
// that PostgreSQL does not evaluate before it meets a row.
func (h *heldWrite) check(rules *ruleSet) (*pg.Node, error) {
	terms, err := h.filter(rules)
	if err != nil {
		return nil, err
	}
	fail, err := parseExpression("pg_catalog.concat('" + violation + "')::pg_catalog.bool")
	if err != nil {
		return nil, err
	}
	when := &pg.CaseWhen{Expr: conjunction(terms), Result: boolConst(true), Location: -1}
	value := &pg.CaseExpr{Args: []*pg.Node{{Node: &pg.Node_CaseWhen{CaseWhen: when}}}, Defresult: fail, Location: -1}
	item := pg.MakeResTargetNodeWithVal(&pg.Node{Node: &pg.Node_CaseExpr{CaseExpr: value}}, -1)
	item.GetResTarget().Name = checkColumn
	return item, nil
}

// changes says whether a filter reads a column that an UPDATE assigns to: by
// its name, or by way of a generated column. A predicate with the whole row
// does not bind.
func (r *relationRules) changes(column string) bool {
	for _, f := range r.filters {
		if f.columns[column] {
			return true
		}
		if r.relation == nil {
			continue
		}
		for name := range f.columns {
			if slices.Contains(r.relation.sourcesOf(name), ColumnRef{r.name, column}) {
				return true
			}
		}
	}
	return false
}

// sourcesOf are what a column is computed from, of a generated one.
func (r *Relation) sourcesOf(name string) []ColumnRef {
	for _, c := range r.Columns {
		if c.Name == name {
			return c.Sources
		}
	}
	return nil
}

// checkable says whether RETURNING tells of each row that is written to a
// relation what the filter will say of it afterwards. A view's may be what a
// trigger says, and a foreign table's what another server says. What a filter
// reads with a sub-select or a function is what was there before the statement.
func (r *ruleSet) checkable(rules *relationRules) bool {
	family := map[RelationName]bool{rules.name: true}
	if rules.relation != nil {
		for _, n := range r.engine.lineage(rules.relation).reads {
			family[n] = true
			if rel := r.catalog.Relations[n]; rel != nil && rel.Kind != 'r' && rel.Kind != 'p' {
				return false
			}
		}
	}
	for _, f := range rules.filters {
		expr, err := parsePredicate(f.text)
		if err != nil {
			return false
		}
		s := read(expr, "")
		if s.unknown != "" || r.reads(s, family) {
			return false
		}
		// Which operators may be meant depends on the types of its columns.
		s.refs = append(s.refs, &relationRef{name: rules.name, relation: rules.relation})
		if !r.engine.builtinOnly(s) {
			return false
		}
	}
	return true
}

// reads resolves what a predicate reads, and says whether it is one of some
// relations.
func (r *ruleSet) reads(s *statement, family map[RelationName]bool) bool {
	b := newBatch()
	for _, ref := range s.refs {
		r.engine.resolveRef(ref, b)
		if family[ref.name] {
			return true
		}
		if ref.relation == nil {
			if r.catalog != nil {
				return true
			}
			continue
		}
		line := r.engine.lineage(ref.relation)
		if line.opaque || slices.ContainsFunc(line.reads, func(n RelationName) bool { return family[n] }) {
			return true
		}
	}
	return false
}

// fallible says whether a filter may fail for a row.
func (r *ruleSet) fallible(rules *relationRules) bool {
	item := &fromItem{name: rules.name.Name, schema: rules.name.Schema, shape: shape{open: rules.relation == nil}}
	if rules.relation != nil {
		for _, c := range rules.relation.Columns {
			item.columns = append(item.columns, column{name: c.Name, typ: c.Type, collated: c.Collated})
		}
	}
	for _, f := range rules.filters {
		expr, err := parsePredicate(f.text)
		if err != nil {
			return true
		}
		a := newAnalysis(r)
		a.binding = &binding{item: item, alias: item.name}
		a.expr(expr, &namespace{items: []*fromItem{item}}, inPredicate)
		if a.leaky || a.refusal != nil {
			return true
		}
	}
	return false
}
