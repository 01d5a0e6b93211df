package api

import (
	"context"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// defaultRules is what a policy asks for when the request does not say.
var defaultRules = store.PolicyRules{
	AccessMode:             "read_only",
	WriteMode:              "normal",
	ApprovalMode:           "off",
	ApprovalTimeoutSeconds: 300,
	MigrationSafety:        "off",
}

func (s *server) CreatePolicyProfile(ctx context.Context, request contract.CreatePolicyProfileRequestObject) (contract.CreatePolicyProfileResponseObject, error) {
	c, in := callOf(ctx), request.Body
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	now := s.now()
	policy := store.Policy{
		ID:        store.NewID("pol_"),
		ProjectID: p.ID,
		Name:      in.Name,
		Rules:     defaultRules,
		CreatedAt: now,
		UpdatedAt: now,
	}
	rulesIn(&policy.Rules, in)
	if _, wrong := c.schema().compile(policy.Rules); len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	if err := c.tx.Policies().Insert(policy); err != nil {
		return nil, err
	}
	c.resource = policy.ID
	return contract.CreatePolicyProfile201JSONResponse(policyOut(policy)), nil
}

func (s *server) ListPolicyProfiles(ctx context.Context, request contract.ListPolicyProfilesRequestObject) (contract.ListPolicyProfilesResponseObject, error) {
	c := callOf(ctx)
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	policies, next, _, err := c.tx.Policies().List(p.ID, pageOf(request.Params.PageSize, request.Params.PageToken))
	if err != nil {
		return nil, err
	}
	return contract.ListPolicyProfiles200JSONResponse{
		Policies:      each(policies, policyOut),
		NextPageToken: nextToken(next),
	}, nil
}

func (s *server) GetPolicyProfile(ctx context.Context, request contract.GetPolicyProfileRequestObject) (contract.GetPolicyProfileResponseObject, error) {
	c := callOf(ctx)
	policy, err := lookUp(c, c.tx.Policies(), "policy profile", request.ProjectID, request.PolicyID)
	if err != nil {
		return nil, err
	}
	return contract.GetPolicyProfile200JSONResponse(policyOut(policy)), nil
}

// UpdatePolicyProfile changes what the request mentions and keeps the rest.
func (s *server) UpdatePolicyProfile(ctx context.Context, request contract.UpdatePolicyProfileRequestObject) (contract.UpdatePolicyProfileResponseObject, error) {
	c, in := callOf(ctx), request.Body
	policy, err := lookUp(c, c.tx.Policies(), "policy profile", request.ProjectID, request.PolicyID)
	if err != nil {
		return nil, err
	}
	setText(&policy.Name, &in.Name)
	rulesIn(&policy.Rules, in)
	if _, wrong := c.schema().compile(policy.Rules); len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	policy.UpdatedAt = s.now()
	if err := c.tx.Policies().Update(policy); err != nil {
		return nil, err
	}
	return contract.UpdatePolicyProfile200JSONResponse(policyOut(policy)), nil
}

func (s *server) DeletePolicyProfile(ctx context.Context, request contract.DeletePolicyProfileRequestObject) (contract.DeletePolicyProfileResponseObject, error) {
	c := callOf(ctx)
	policy, err := lookUp(c, c.tx.Policies(), "policy profile", request.ProjectID, request.PolicyID)
	if err != nil {
		return nil, err
	}
	if err := c.tx.Policies().Delete(policy.ProjectID, policy.ID); err != nil {
		return nil, err
	}
	return contract.DeletePolicyProfile204Response{}, nil
}

// rulesIn changes the rules that a request mentions. statement_rules is one
// field: allow and deny change together.
func rulesIn(r *store.PolicyRules, in *contract.PolicyProfileInput) {
	setEnum(&r.AccessMode, in.AccessMode)
	setEnum(&r.WriteMode, in.WriteMode)
	setEnum(&r.ApprovalMode, in.ApprovalMode)
	setEnum(&r.MigrationSafety, in.MigrationSafety)
	if in.StatementRules != nil {
		r.AllowStatements = or(in.StatementRules.Allow, nil)
		r.DenyStatements = or(in.StatementRules.Deny, nil)
	}
	set(&r.TableAllowlist, in.TableAllowlist)
	set(&r.TableDenylist, in.TableDenylist)
	if in.MaskingRules != nil {
		r.MaskingRules = each(*in.MaskingRules, func(m contract.MaskingRule) store.MaskingRule {
			return store.MaskingRule{Table: m.Table, Column: m.Column, Kind: string(m.Kind)}
		})
	}
	if in.RowFilters != nil {
		r.RowFilters = each(*in.RowFilters, func(f contract.RowFilter) store.RowFilter {
			return store.RowFilter{Table: f.Table, Predicate: f.Predicate}
		})
	}
	set(&r.BudgetQueriesPerHour, in.BudgetQueriesPerHour)
	set(&r.BudgetQueriesPerDay, in.BudgetQueriesPerDay)
	set(&r.MaxRows, in.MaxRows)
	set(&r.StatementTimeoutMs, in.StatementTimeoutMs)
	set(&r.ApprovalAutoMaxRows, in.ApprovalAutoMaxRows)
	set(&r.ApprovalTimeoutSeconds, in.ApprovalTimeoutSeconds)
	set(&r.EgressBytesPerDay, in.EgressBytesPerDay)
	set(&r.MaxAffectedRows, in.MaxAffectedRows)
}

func setEnum[E ~string](record *string, field *E) {
	if field != nil {
		*record = string(*field)
	}
}

func policyOut(p store.Policy) contract.PolicyProfile {
	r := p.Rules
	list := func(l []string) []string { return append([]string{}, l...) }
	filters := each(r.RowFilters, func(f store.RowFilter) contract.RowFilter {
		return contract.RowFilter{Table: f.Table, Predicate: f.Predicate}
	})
	return contract.PolicyProfile{
		ID:         p.ID,
		ProjectID:  p.ProjectID,
		Name:       p.Name,
		AccessMode: contract.PolicyProfileAccessMode(r.AccessMode),
		StatementRules: &contract.StatementRules{
			Allow: new(list(r.AllowStatements)),
			Deny:  new(list(r.DenyStatements)),
		},
		TableAllowlist: list(r.TableAllowlist),
		TableDenylist:  list(r.TableDenylist),
		MaskingRules: each(r.MaskingRules, func(m store.MaskingRule) contract.MaskingRule {
			return contract.MaskingRule{Table: m.Table, Column: m.Column, Kind: contract.MaskingRuleKind(m.Kind)}
		}),
		RowFilters:             &filters,
		BudgetQueriesPerHour:   &r.BudgetQueriesPerHour,
		BudgetQueriesPerDay:    &r.BudgetQueriesPerDay,
		MaxRows:                &r.MaxRows,
		StatementTimeoutMs:     &r.StatementTimeoutMs,
		WriteMode:              new(contract.PolicyProfileWriteMode(r.WriteMode)),
		ApprovalMode:           new(contract.PolicyProfileApprovalMode(r.ApprovalMode)),
		ApprovalAutoMaxRows:    &r.ApprovalAutoMaxRows,
		ApprovalTimeoutSeconds: &r.ApprovalTimeoutSeconds,
		MigrationSafety:        new(contract.PolicyProfileMigrationSafety(r.MigrationSafety)),
		EgressBytesPerDay:      &r.EgressBytesPerDay,
		MaxAffectedRows:        &r.MaxAffectedRows,
		CreatedAt:              p.CreatedAt,
		UpdatedAt:              p.UpdatedAt,
	}
}
