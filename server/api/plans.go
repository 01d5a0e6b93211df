package api

import (
	"context"
	"fmt"
	"strings"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
)

// Plan is what organizations of a deployment may use. In its limits 0 is no
// limit.
type Plan struct {
	Name   string // starter, pro, scale, enterprise
	Limits contract.PlanLimits
}

// enterprise is the plan of a server that people run themselves.
var enterprise = Plan{Name: "enterprise"}

// customDomains and selfHosting come with the two large plans.
func (p Plan) customDomains() bool { return p.Name == "scale" || p.Name == "enterprise" }
func (p Plan) selfHosting() bool   { return p.Name == "scale" || p.Name == "enterprise" }

const gigabyte = 1 << 30

// offers are all plans, smallest first; prices in US dollars.
var offers = []contract.PlanInfo{
	{
		Name: "starter", Label: "Starter", MonthlyPrice: 9, AnnualPrice: new(90), TrialDays: new(14),
		Description: new("For one small application."),
		OverageText: new("No overage: queries beyond the daily limit wait for the next day."),
		Limits: contract.PlanLimits{
			QueriesPerDay: 50_000, BytesPerMonth: 10 * gigabyte, MaxProjects: 5, MaxDatabases: 3,
			MaxConnections: 20, QueriesPerSecond: 10, IncludedSeats: 1, MaxQueryShapes: 100, AuditRetentionDays: 7,
		},
	},
	{
		Name: "pro", Label: "Pro", MonthlyPrice: 29, AnnualPrice: new(290), TrialDays: new(14),
		Description: new("For a team with several applications."),
		OverageText: new("$0.10 per 1000 queries, $0.20 per GB, $10 per seat and month."),
		Limits: contract.PlanLimits{
			QueriesPerDay: 250_000, BytesPerMonth: 50 * gigabyte, MaxProjects: 20, MaxDatabases: 10,
			MaxConnections: 100, QueriesPerSecond: 50, IncludedSeats: 3, MaxQueryShapes: 1000, AuditRetentionDays: 30,
		},
	},
	{
		Name: "scale", Label: "Scale", MonthlyPrice: 99, AnnualPrice: new(990), TrialDays: new(14),
		Description: new("For production at scale, with custom domains and self-hosted data planes."),
		OverageText: new("$0.10 per 1000 queries, $0.20 per GB, $10 per seat and month."),
		Limits: contract.PlanLimits{
			QueriesPerDay: 2_000_000, BytesPerMonth: 200 * gigabyte, MaxProjects: 100, MaxDatabases: 50,
			MaxConnections: 500, QueriesPerSecond: 250, IncludedSeats: 5, MaxQueryShapes: 10_000, AuditRetentionDays: 90,
		},
	},
	{
		Name: "enterprise", Label: "Enterprise", TrialDays: new(0),
		Description: new("Every feature without limits. A server that you run yourself has it unless its configuration says otherwise."),
		OverageText: new("By agreement."),
	},
}

// PlanByName returns a plan with its usual limits.
func PlanByName(name string) (Plan, error) {
	names := make([]string, len(offers))
	for i, offer := range offers {
		if offer.Name == name {
			return Plan{Name: offer.Name, Limits: offer.Limits}, nil
		}
		names[i] = offer.Name
	}
	return Plan{}, fmt.Errorf("there is no plan %q; the plans are %s", name, strings.Join(names, ", "))
}

// ListPlans shows every plan; the deployment's own with the limits that it
// really has.
func (s *server) ListPlans(context.Context, contract.ListPlansRequestObject) (contract.ListPlansResponseObject, error) {
	plans := each(offers, func(offer contract.PlanInfo) contract.PlanInfo {
		if offer.Name == s.config.Plan.Name {
			offer.Limits = s.config.Plan.Limits
		}
		return offer
	})
	return contract.ListPlans200JSONResponse{Plans: plans}, nil
}
