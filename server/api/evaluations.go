package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// profileOf is what of a policy the engine decides by, as the proxy has it.
func profileOf(r store.PolicyRules) policy.Profile {
	p := policy.Profile{
		ReadOnly:        r.AccessMode != "read_write",
		AllowStatements: r.AllowStatements,
		DenyStatements:  r.DenyStatements,
		TableAllowlist:  r.TableAllowlist,
		TableDenylist:   r.TableDenylist,
		Masks: each(r.MaskingRules, func(m store.MaskingRule) policy.Mask {
			return policy.Mask{Table: m.Table, Column: m.Column, Kind: policy.MaskKind(m.Kind)}
		}),
		Filters: each(r.RowFilters, func(f store.RowFilter) policy.Filter {
			return policy.Filter{Table: f.Table, Predicate: f.Predicate}
		}),
		MaxRows:    r.MaxRows,
		Migrations: r.MigrationSafety,
	}
	if !p.ReadOnly { // else there is nothing to count or to undo
		p.MaxAffectedRows, p.RollBack = r.MaxAffectedRows, r.WriteMode == "rollback"
	}
	return p
}

// compileRules checks rules beyond their form: predicates must be SQL, and
// rules must not contradict each other. With a schema, which may be nil,
// predicates must bind to the columns of the tables that are there already.
func compileRules(r store.PolicyRules, schema *policy.Catalog) (*policy.Engine, []fieldError) {
	if wrong := checkRules(r); len(wrong) > 0 {
		return nil, wrong
	}
	engine, err := policy.Compile(profileOf(r), schema)
	if err != nil {
		field, reason, _ := strings.Cut(err.Error(), ": ")
		return nil, []fieldError{{field, reason}}
	}
	return engine, nil
}

// evaluate decides about a text under a policy of the project or a draft, as
// the proxy would: with the schema of the primary database, where the policy
// needs it and the database tells. It may take a while, which no transaction
// should last.
func (s *server) evaluate(ctx context.Context, c *call) (any, error) {
	var in contract.DryEvalInput
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, fmt.Errorf("decode evaluation: %w", err)
	}
	var rules store.PolicyRules
	database, err := s.withPrimary(ctx, c, func() (err error) {
		rules, err = c.rulesToTry(&in)
		return err
	})
	if err != nil {
		return nil, err
	}
	draft := in.Policy != nil
	engine, wrong := compileRules(rules, nil)
	if len(wrong) > 0 {
		return nil, cannotEvaluate(draft, wrong)
	}
	var schema known
	// The text itself may need it: which procedures are there to CALL?
	if profileOf(rules).NeedsCatalog() || engine.Evaluate(in.SQL).Unresolved {
		if draft { // it is held to what a policy is when it is saved
			schema = s.catalogs.ofDraft(ctx, c.path["project_id"], database, rules)
		} else {
			schema = s.catalogs.of(ctx, c.path["project_id"], database)
		}
	}
	if schema.catalog != nil {
		if engine, wrong = schema.compile(rules); len(wrong) > 0 {
			if draft {
				return nil, cannotEvaluate(draft, wrong)
			}
			return unenforceable(wrong), nil
		}
	}
	decision := engine.Evaluate(in.SQL)
	out := decisionOut(in.SQL, decision)
	notes := slices.Concat(schemaNotes(engine, schema, decision.Notes), findingNotes(decision), sessionNotes(rules, decision))
	if len(notes) > 0 {
		out.Notes = &notes
	}
	return out, nil
}

// cannotEvaluate refuses a draft, or a policy that was saved by a version that
// checked less.
func cannotEvaluate(draft bool, wrong []fieldError) error {
	if !draft {
		return invalid(fieldError{"policy_id", fmt.Sprintf("this policy cannot be evaluated: %s: %s", wrong[0].Field, wrong[0].Detail)})
	}
	for i := range wrong {
		wrong[i].Field = "policy." + wrong[i].Field
	}
	return invalid(wrong...)
}

// unenforceable is the decision about every statement while a saved policy
// does not fit the schema any more: the proxy lets none pass.
func unenforceable(wrong []fieldError) contract.DryEvalResult {
	return contract.DryEvalResult{
		Verdict: contract.DryEvalResultVerdict(policy.Block),
		Rule:    "row_filter_unsafe",
		Reason:  fmt.Sprintf("blocked by PgBeam policy: the policy cannot be applied: %s: %s", wrong[0].Field, wrong[0].Detail),
		Hint:    new("Ask your operator to correct the policy."),
	}
}

// schemaNotes adds to the engine's notes what became of the schema: why it is
// not known, or which rules are about nothing in it.
func schemaNotes(e *policy.Engine, schema known, notes []string) []string {
	if schema.missing != "" {
		notes = slices.DeleteFunc(slices.Clone(notes), func(n string) bool { return n == policy.ByNamesAlone })
		return append(notes, policy.ByNamesAlone+": "+schema.missing)
	}
	for _, m := range e.Unmatched() {
		notes = append(notes, m.Field+": "+m.Reason)
	}
	return notes
}

// rulesToTry are those of the policy or the draft that a request names.
func (c *call) rulesToTry(in *contract.DryEvalInput) (store.PolicyRules, error) {
	project := c.path["project_id"]
	if _, err := c.project(project); err != nil {
		return store.PolicyRules{}, err
	}
	switch {
	case in.PolicyID != nil && in.Policy != nil:
		return store.PolicyRules{}, invalid(fieldError{"policy", "must be absent where policy_id is given"})
	case in.PolicyID != nil:
		p, err := lookUp(c, c.tx.Policies(), "policy profile", project, *in.PolicyID)
		return p.Rules, err
	case in.Policy != nil:
		rules := defaultRules
		rulesIn(&rules, in.Policy)
		return rules, nil
	}
	return store.PolicyRules{}, invalid(fieldError{"policy_id", "give the id of a policy profile, or a draft as policy"})
}

// DryEvalPolicy reports the decision. A refused statement is a decision, too:
// only a request that is itself wrong fails.
func (s *server) DryEvalPolicy(ctx context.Context, request contract.DryEvalPolicyRequestObject) (contract.DryEvalPolicyResponseObject, error) {
	c := callOf(ctx)
	if _, err := c.rulesToTry(request.Body); err != nil {
		return nil, err
	}
	return contract.DryEvalPolicy200JSONResponse(c.found.(contract.DryEvalResult)), nil
}

func decisionOut(sql string, d *policy.Decision) contract.DryEvalResult {
	out := contract.DryEvalResult{
		Verdict: contract.DryEvalResultVerdict(d.Verdict),
		Rule:    d.Rule,
		Reason:  d.Reason,
	}
	if d.Verdict == policy.Block {
		if d.Hint != "" {
			out.Hint = &d.Hint
		}
		return out
	}
	if len(d.MaskedColumns) > 0 {
		out.MaskedColumns = new(each(d.MaskedColumns, func(m policy.MaskedColumn) contract.DryEvalMaskedColumn {
			return contract.DryEvalMaskedColumn{Column: m.Column, Kind: contract.DryEvalMaskedColumnKind(m.Kind)}
		}))
	}
	if d.Predicate != "" {
		out.RowFilterPredicate = &d.Predicate
	}
	if d.SQL != sql {
		out.RewrittenSQL = &d.SQL
	}
	return out
}

// findingNotes are what migration safety found.
func findingNotes(d *policy.Decision) []string {
	return each(d.Findings, func(f policy.Finding) string {
		return fmt.Sprintf("migration safety: %s (%s)", f.Message, f.Rule)
	})
}

// sessionNotes are the rules whose outcome only a running session knows, and
// those under which there is none.
func sessionNotes(r store.PolicyRules, d *policy.Decision) []string {
	if d.Verdict == policy.Block {
		return nil
	}
	var notes []string
	note := func(asked bool, format string, args ...any) {
		if asked {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	if names := r.Unenforced(); len(names) > 0 {
		note(true, "logins under this policy are refused: this version does not enforce %s", strings.Join(names, ", "))
	}
	note(r.BudgetQueriesPerHour > 0, "refused once %d queries were run in the hour", r.BudgetQueriesPerHour)
	note(r.BudgetQueriesPerDay > 0, "refused once %d queries were run in the day", r.BudgetQueriesPerDay)
	note(r.StatementTimeoutMs > 0, "cancelled after %d ms", r.StatementTimeoutMs)
	note(r.WriteMode == "rollback" && r.AccessMode == "read_write", "rolled back when it has run")
	return notes
}
