package policy

import (
	"fmt"
	"sort"
	"strings"
)

// refusal is why a statement is not permitted.
type refusal struct {
	rule, reason, hint string
	undefined          string // of Decision
}

// undefinedName marks a refusal whose only reason is a name that is nowhere.
func (r *refusal) undefinedName(code string) *refusal {
	r.undefined = code
	return r
}

func refuse(rule, hint, format string, args ...any) *refusal {
	return &refusal{rule: rule, hint: hint, reason: fmt.Sprintf(format, args...)}
}

// prefix begins the reason of every refusal, so that who reads it in a
// driver's exception knows that it was not PostgreSQL that refused.
const prefix = "blocked by PgBeam policy: "

// blocked is the decision that a refusal leads to. Nothing of the text runs,
// so SQL stays empty.
func (r *refusal) blocked(statements []Statement, index int) *Decision {
	reason := r.reason
	if index > 0 {
		reason = fmt.Sprintf("statement %d of the batch: %s", index+1, reason)
	}
	return &Decision{Verdict: Block, Rule: r.rule, Reason: prefix + reason, Hint: r.hint, Statements: statements, Undefined: r.undefined}
}

// unresolvedIf marks a refusal that a fresher catalog might lift.
func (d *Decision) unresolvedIf(unresolved bool) *Decision {
	d.Unresolved = unresolved
	return d
}

// permit is the decision about a text that every check let pass.
func (e *Engine) permit(sql string, statements []*statement) *Decision {
	d := &Decision{Verdict: Allow, Rule: "ok", Reason: "permitted by policy", SQL: sql}
	changed := false
	masked := make(map[MaskedColumn]bool)
	for _, s := range statements {
		changed = changed || s.changed
		d.Checked = d.Checked || s.out.Check != nil
		for _, m := range s.masked {
			masked[m] = true
		}
		d.Predicate = joined(d.Predicate, strings.Join(s.predicates, " AND "))
		d.Notes = append(d.Notes, s.notes...)
	}
	if changed {
		if r := rewriteText(d, statements); r != nil {
			return r.blocked(outs(statements), 0)
		}
	}
	d.Statements = outs(statements)
	for m := range masked {
		d.MaskedColumns = append(d.MaskedColumns, m)
	}
	sort.Slice(d.MaskedColumns, func(i, j int) bool {
		a, b := d.MaskedColumns[i], d.MaskedColumns[j]
		return a.Column < b.Column || a.Column == b.Column && a.Kind < b.Kind
	})
	switch {
	case d.Predicate != "":
		d.Verdict = RowFilter
	case len(masked) > 0:
		d.Verdict = Masked
	}
	d.Notes = append(d.Notes, e.notes(statements)...)
	return d
}

// rewriteText puts the changed trees into words. What the parser would not
// read again is not sent.
func rewriteText(d *Decision, statements []*statement) *refusal {
	failed := refuse("parse_error", parseHint, "this statement could not be rewritten under the policy")
	texts := make([]string, len(statements))
	for i, s := range statements {
		switch {
		case s.rewritten != "":
			s.out.SQL = s.rewritten
		case s.changed:
			text, err := deparse(s.node)
			if err != nil {
				return failed
			}
			again, err := parseTree(text)
			if err != nil || len(again.Stmts) != 1 {
				return failed
			}
			s.out.SQL = text
		}
		texts[i] = s.out.SQL
	}
	d.SQL = Text(texts)
	return nil
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " AND " + b
}

// ByNamesAlone is the note of a decision that a schema could have changed.
const ByNamesAlone = "decided by names alone, without the schema of the database"

// notes say what only a running session can decide.
func (e *Engine) notes(statements []*statement) []string {
	var notes []string
	if e.profile.MaxRows > 0 {
		notes = append(notes, fmt.Sprintf("results are cut after %d rows", e.profile.MaxRows))
	}
	if e.profile.MaxAffectedRows > 0 {
		for _, s := range statements {
			if s.out.Writes {
				notes = append(notes, fmt.Sprintf("rolled back if it changes more than %d rows", e.profile.MaxAffectedRows))
				break
			}
		}
	}
	if e.catalog == nil && e.ruled {
		notes = append(notes, ByNamesAlone)
	}
	return notes
}
