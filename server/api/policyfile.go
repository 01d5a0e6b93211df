package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// Draft is a policy profile that is not stored.
type Draft struct {
	engine *policy.Engine
	rules  store.PolicyRules
}

// Unenforced names the rules under which no login is let in.
func (d *Draft) Unenforced() []string { return d.rules.Unenforced() }

// Evaluate decides about a text by names alone, with the notes that an
// evaluation of the API has.
func (d *Draft) Evaluate(sql string) *policy.Decision {
	decision := *d.engine.Evaluate(sql)
	decision.Notes = slices.Concat(decision.Notes, sessionNotes(d.rules, &decision))
	return &decision
}

// CompilePolicy reads a policy profile. The document is JSON, as
// createPolicyProfile takes it or getPolicyProfile gives it, and held to the
// same checks; it may do without a name. The error lists every mistake.
func CompilePolicy(document []byte) (*Draft, error) {
	operations, err := loadOperations()
	if err != nil {
		return nil, err
	}
	value, err := decodeJSON(document)
	if err != nil {
		return nil, plainError(err)
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a policy is a list of fields with their values, not %s", jsonType(value))
	}
	for _, ofService := range []string{"id", "project_id", "created_at", "updated_at"} {
		delete(fields, ofService)
	}
	body := operations["POST /v1/projects/{project_id}/policies"].body.without("name")
	admitted, wrong := admit(body, value, "")
	if len(wrong) > 0 {
		return nil, mistakes(wrong)
	}
	text, err := json.Marshal(admitted)
	if err != nil {
		return nil, err
	}
	var in contract.PolicyProfileInput
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	rules := defaultRules
	rulesIn(&rules, &in)
	engine, wrong := compileRules(rules, nil)
	if len(wrong) > 0 {
		return nil, mistakes(wrong)
	}
	return &Draft{engine, rules}, nil
}

// mistakes lists what is wrong with a document, one error a field.
func mistakes(wrong []fieldError) error {
	all := make([]error, len(wrong))
	for i, w := range wrong {
		all[i] = fmt.Errorf("%s: %s", w.Field, w.Detail)
	}
	return errors.Join(all...)
}

// plainError is what a problem says, without its HTTP.
func plainError(err error) error {
	if p := (*problem)(nil); errors.As(err, &p) {
		return errors.New(p.detail)
	}
	return err
}
