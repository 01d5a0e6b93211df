package policy

import (
	"errors"
	"sort"
	"strings"
	"sync"
)

// Engine decides under one profile and one catalog. It is safe for concurrent
// use and never changes its mind about a text.
type Engine struct {
	profile Profile
	catalog *Catalog

	allow, deny map[Kind]bool
	allowed     []pattern  // the allowlist
	denied      []pattern  // the denylist
	ruled       bool       // a list, mask or filter is there: not every function may be called
	rewriters   []rewriter // masks first, then filters

	narrowed   bool // statement rules permit only some writes, or writes are counted
	hasSystem  bool // the catalog holds the system's own relations
	childrenOf map[RelationName][]*Relation
	// rowFunctions are the functions of others that take a single row, and so
	// can be called in the form of an attribute.
	rowFunctions map[string]bool
	typesOnce    sync.Once
	typesByName  map[string][]TypeInfo
	swayOnce     sync.Once
	sway         sway     // of all filters
	lineages     sync.Map // RelationName -> *lineage, computed on first use
}

// rewriter enforces one family of rules on a statement that passed every
// check. It changes s.node in place and sets s.changed, puts what the wire must
// do into s.out.Outputs, and adds to s.masked, s.predicates and s.notes. It
// sees s.refs resolved; holders of references may be replaced, and a rewriter
// that adds references appends them. What it cannot rewrite safely it refuses.
//
// An EXPLAIN, a DECLARE CURSOR, CREATE TABLE AS and CREATE VIEW arrive here
// too, with their query inside s.node. Note that PostgreSQL reads u.f as f(u)
// when u has no column f: a column reference that binds to no column must be
// refused.
type rewriter interface {
	rewrite(s *statement) *refusal
}

// Evaluate decides about one text, which may hold several statements: one
// refusal refuses all. It is total: what cannot be decided is refused.
func (e *Engine) Evaluate(sql string) (d *Decision) {
	defer func() {
		if recover() != nil {
			// Nothing of the panic goes into the reason: it may quote data.
			d = refuse("parse_error", parseHint, "this statement could not be examined").blocked(nil, 0)
		}
	}()
	tree, err := parse(sql)
	if err != nil {
		d = refuse("parse_error", parseHint, "this statement could not be parsed: %s", err).blocked(nil, 0)
		var told *parserError
		var spared *unexamined
		switch {
		case errors.As(err, &told):
			d.Syntax = &SyntaxError{Message: told.Message, Position: max(told.Cursorpos, 0)}
			if strings.HasSuffix(told.Message, `at or near "\"`) {
				d.Hint, d.Syntax.Hint = psqlHint, psqlHint
			}
		case errors.As(err, &spared):
			d.Hint = spared.hint
		}
		return d
	}
	if len(tree.Stmts) == 0 {
		return refuse("empty", "Send a statement.", "there is no statement in this text").blocked(nil, 0)
	}
	if r := e.checkNames(sql); r != nil {
		return r.blocked(nil, 0)
	}
	statements := make([]*statement, len(tree.Stmts))
	batch := newBatch()
	for i, raw := range tree.Stmts {
		s := read(raw.Stmt, sourceOf(sql, raw))
		statements[i] = s
		if r := e.check(s, batch); r != nil {
			return r.blocked(outs(statements[:i+1]), i).unresolvedIf(batch.unresolved)
		}
	}
	for i, s := range statements {
		for _, w := range e.rewriters {
			if r := w.rewrite(s); r != nil {
				return r.blocked(outs(statements), i)
			}
		}
	}
	if i, r := e.checkTransactions(statements); r != nil {
		return r.blocked(outs(statements), i)
	}
	findings, r := e.checkMigration(sql, statements)
	if r != nil {
		d := r.blocked(outs(statements), 0)
		d.Findings = findings
		return d
	}
	d = e.permit(sql, statements)
	d.Findings = findings
	return d
}

const (
	parseHint = "Send SQL that PostgreSQL 17 or older accepts; what cannot be examined is refused."
	psqlHint  = `Commands that begin with a backslash, such as \d, are psql's and no SQL; read information_schema or pg_catalog instead.`
)

// check runs the checks in the order in which refusals are reported.
func (e *Engine) check(s *statement, b *batch) *refusal {
	class, ok := classOf(s.node)
	if !ok || s.unknown != "" {
		what := s.unknown
		if what == "" {
			what = "statement"
		}
		return refuse("parse_error", parseHint, "this kind of %s is not known", what)
	}
	s.class = class
	s.out = Statement{Kind: class.kind, Tag: class.tag, Writes: s.changes(), SQL: s.text,
		Name:   s.node.GetPrepareStmt().GetName() + s.node.GetExecuteStmt().GetName() + s.node.GetDeallocateStmt().GetName(),
		Resets: resetting(s.node), Unbinds: unbinding(s.node.GetVariableSetStmt()),
		MaxRows: e.profile.MaxRows, MaxAffectedRows: e.profile.MaxAffectedRows}
	e.resolve(s, b)
	s.describe()
	for _, check := range []func(*statement) *refusal{
		e.checkFloor, e.checkAccess, e.checkStatements, e.checkRelations, e.checkFunctions, e.checkSettings, e.checkSavepoint, e.checkCaps,
	} {
		if r := check(s); r != nil {
			b.unresolved = b.unresolved || e.catalog == nil && class.tag == "CALL" // which procedures there are
			return r
		}
	}
	b.remember(s)
	return nil
}

// describe fills what a decision says about a statement.
func (s *statement) describe() {
	relations := make(map[string]bool)
	for _, r := range s.refs {
		relations[r.name.String()] = true
	}
	functions := make(map[string]bool)
	for _, f := range s.functions {
		functions[strings.Join(f.name, ".")] = true
	}
	s.out.Relations, s.out.Functions = sorted(relations), sorted(functions)
}

// checkCaps refuses writes that max_affected_rows could not count: the command
// tag of a query counts nothing of the writes in its WITH.
func (e *Engine) checkCaps(s *statement) *refusal {
	if e.profile.MaxAffectedRows == 0 || len(s.writes) == 0 {
		return nil
	}
	if s.nested > 0 && (s.class.kind != Explain || s.analyze) {
		return refuse("max_affected_rows_writable_cte", "Send the write as a statement of its own.",
			"this credential may change at most %d rows at a time, and writes inside WITH or EXPLAIN ANALYZE cannot be counted",
			e.profile.MaxAffectedRows)
	}
	return nil
}

// checkMigration examines DDL for what hurts a database that is in use. It
// reads the text as the principal wrote it.
func (e *Engine) checkMigration(sql string, statements []*statement) ([]Finding, *refusal) {
	if e.profile.Migrations == "" || e.profile.Migrations == "off" {
		return nil, nil
	}
	found := false
	for _, s := range statements {
		found = found || s.class.kind == DDL
	}
	if !found {
		return nil, nil
	}
	findings := LintMigration(sql)
	if e.profile.Migrations == "block" {
		for _, f := range findings {
			if f.Severity == "error" {
				return findings, refuse("migration_block", f.Hint, "migration blocked: %s. %s", f.Rule, f.Message)
			}
		}
	}
	return findings, nil
}

func outs(statements []*statement) []Statement {
	out := make([]Statement, len(statements))
	for i, s := range statements {
		out[i] = s.out
	}
	return out
}

func sorted(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
