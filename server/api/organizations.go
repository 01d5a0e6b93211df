package api

import (
	"context"
	"time"

	"github.com/oapi-codegen/nullable"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// ListOrganizations gives the one organization that the key belongs to. Keys
// have no role in it, so none is shown.
func (s *server) ListOrganizations(ctx context.Context, _ contract.ListOrganizationsRequestObject) (contract.ListOrganizationsResponseObject, error) {
	c := callOf(ctx)
	org, err := c.tx.Organizations().Get("", c.key.OrgID)
	if err != nil {
		return nil, err
	}
	return contract.ListOrganizations200JSONResponse{
		Organizations: []contract.OrganizationSummary{{ID: org.ID, Name: org.Name, Slug: org.Slug}},
	}, nil
}

func (s *server) GetOrganizationPlan(ctx context.Context, request contract.GetOrganizationPlanRequestObject) (contract.GetOrganizationPlanResponseObject, error) {
	c := callOf(ctx)
	if err := c.organization(request.OrgID); err != nil {
		return nil, err
	}
	org, err := c.tx.Organizations().Get("", request.OrgID)
	if err != nil {
		return nil, err
	}
	return contract.GetOrganizationPlan200JSONResponse(s.planOut(org)), nil
}

// UpdateSpendLimit sets the limit of an organization: a number, or null for
// none; absent keeps it. A higher limit or none lifts a cap at once. A limit
// of 0 is a cap by itself: nothing may be spent.
func (s *server) UpdateSpendLimit(ctx context.Context, request contract.UpdateSpendLimitRequestObject) (contract.UpdateSpendLimitResponseObject, error) {
	c := callOf(ctx)
	if err := c.organization(request.OrgID); err != nil {
		return nil, err
	}
	org, err := c.tx.Organizations().Get("", request.OrgID)
	if err != nil {
		return nil, err
	}
	if request.Body.SpendLimit.IsSpecified() {
		now := s.now()
		before := org.SpendLimit
		org.SpendLimit = nil
		if limit, err := request.Body.SpendLimit.Get(); err == nil {
			if limit < 0 {
				return nil, invalid(fieldError{"spend_limit", "must not be negative; null removes the limit"})
			}
			org.SpendLimit = &limit
		}
		switch {
		case org.SpendLimit != nil && *org.SpendLimit == 0:
			if org.SpendCappedAt == nil {
				org.SpendCappedAt = &now
			}
		case org.SpendLimit == nil, before == nil, *org.SpendLimit > *before:
			org.SpendCappedAt = nil
		}
		org.UpdatedAt = now
		if err := c.tx.Organizations().Update(org); err != nil {
			return nil, err
		}
	}
	return contract.UpdateSpendLimit200JSONResponse(s.planOut(org)), nil
}

func (s *server) planOut(org store.Organization) contract.OrganizationPlan {
	now := s.now()
	out := contract.OrganizationPlan{
		OrgID:              org.ID,
		Plan:               contract.OrganizationPlanPlan(s.config.Plan.Name),
		BillingProvider:    new(contract.OrganizationPlanBillingProvider("manual")),
		SubscriptionStatus: new(contract.OrganizationPlanSubscriptionStatus("active")),
		CurrentPeriodEnd:   new(time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)), // metering goes by calendar month
		Enabled:            new(true),
		CustomPricing:      new(s.config.Plan.Name == enterprise.Name),
		SpendLimit:         nullable.NewNullNullable[float64](),
		SpendCapped:        new(org.SpendCappedAt != nil),
		SpendCappedAt:      timeOut(org.SpendCappedAt),
		Limits:             s.config.Plan.Limits,
		CreatedAt:          &org.CreatedAt,
		UpdatedAt:          &org.UpdatedAt,
	}
	if org.SpendLimit != nil {
		out.SpendLimit.Set(*org.SpendLimit)
	}
	return out
}
