package api

import (
	"encoding/json"
	"errors"
	"fmt"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// CompilePolicy makes the engine of a policy profile that is not stored. The
// document is JSON, as createPolicyProfile takes it, and held to the same
// checks; it may do without a name. The error lists every mistake.
func CompilePolicy(document []byte) (*policy.Engine, error) {
	operations, err := loadOperations()
	if err != nil {
		return nil, err
	}
	value, err := decodeJSON(document)
	if err != nil {
		return nil, plainError(err)
	}
	if _, ok := value.(map[string]any); !ok {
		return nil, fmt.Errorf("a policy is a list of fields with their values, not %s", jsonType(value))
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
	return engine, nil
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
