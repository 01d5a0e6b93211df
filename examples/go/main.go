// Command tour puts a PostgreSQL database behind PgBeam and gives an agent a
// login of its own.
package main

import (
	"cmp"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/pgbeam/pulumi-pgbeam/sdk/go/pgbeam"
)

func main() {
	pulumi.Run(tour)
}

func tour(ctx *pulumi.Context) error {
	cfg := config.New(ctx, "")

	// The proxy endpoint and the database behind it, made in one call.
	project, err := pgbeam.NewProject(ctx, "shop", &pgbeam.ProjectArgs{
		OrgId:       pulumi.String(cfg.Require("orgId")),
		Name:        pulumi.String("shop-tour-go"),
		Description: pulumi.String("The sample shop, behind PgBeam"),
		Tags:        pulumi.ToStringArray([]string{"tour", "go"}),
		// Plain strings, or a CIDR with its label. An empty list lets everybody in.
		AllowedCidrs: pulumi.Array{
			pgbeam.CidrEntryArgs{Cidr: pulumi.String("127.0.0.0/8"), Label: pulumi.String("this machine")},
			pulumi.String("::1"),
			pulumi.String("10.0.0.0/8"),
		},
		Database: pgbeam.ProjectDatabaseArgs{
			Host:           pulumi.String(cmp.Or(cfg.Get("databaseHost"), "127.0.0.1")),
			Port:           pulumi.Int(cmp.Or(cfg.GetInt("databasePort"), 5432)),
			Name:           pulumi.String(cmp.Or(cfg.Get("databaseName"), "shop")),
			Username:       pulumi.String(cmp.Or(cfg.Get("databaseUser"), "shop_app")),
			Password:       cfg.RequireSecret("databasePassword"),
			QueryTimeoutMs: pulumi.Int(30_000),
		},
	})
	if err != nil {
		return err
	}

	// What the agent of this tour may do: read everything but addresses, which it
	// can tell apart and not read, so much at a time and so often.
	reporting, err := pgbeam.NewPolicyProfile(ctx, "reporting", &pgbeam.PolicyProfileArgs{
		ProjectId:  project.ID(),
		Name:       pulumi.String("reporting"),
		AccessMode: pgbeam.AccessModeReadOnly,
		MaskingRules: pgbeam.MaskingRuleArray{
			pgbeam.MaskingRuleArgs{Table: pulumi.String("public.customers"), Column: pulumi.String("email"), Kind: pgbeam.MaskingKindHash},
			pgbeam.MaskingRuleArgs{Table: pulumi.String("public.customers"), Column: pulumi.String("phone"), Kind: pgbeam.MaskingKindRedact},
		},
		MaxRows:              pulumi.Int(1_000),
		StatementTimeoutMs:   pulumi.Int(10_000),
		BudgetQueriesPerHour: pulumi.Int(1_000),
	})
	if err != nil {
		return err
	}

	// A narrower one, for an agent that answers customers: three tables, and only
	// the customers of one country. A credential keeps its policy for life, so
	// moving the agent means pointing PolicyProfileId here, which replaces it.
	supportDesk, err := pgbeam.NewPolicyProfile(ctx, "support-desk", &pgbeam.PolicyProfileArgs{
		ProjectId:      project.ID(),
		Name:           pulumi.String("support-desk"),
		AccessMode:     pgbeam.AccessModeReadOnly,
		TableAllowlist: pulumi.ToStringArray([]string{"public.customers", "public.orders", "public.order_totals"}),
		MaskingRules: pgbeam.MaskingRuleArray{
			pgbeam.MaskingRuleArgs{Table: pulumi.String("public.customers"), Column: pulumi.String("phone"), Kind: pgbeam.MaskingKindNull},
		},
		RowFilters: pgbeam.RowFilterArray{
			pgbeam.RowFilterArgs{Table: pulumi.String("public.customers"), Predicate: pulumi.String("country = 'DE'")},
		},
		MaxRows:              pulumi.Int(100),
		StatementTimeoutMs:   pulumi.Int(5_000),
		BudgetQueriesPerHour: pulumi.Int(500),
	})
	if err != nil {
		return err
	}

	// A login of its own for one agent. Its password is shown once, here.
	agent, err := pgbeam.NewAgentCredential(ctx, "reporting", &pgbeam.AgentCredentialArgs{
		ProjectId:       project.ID(),
		PolicyProfileId: reporting.ID(),
		Name:            pulumi.String("reporting-agent"),
		// Change a value to get a new password under the same user name.
		RotationTriggers: pulumi.StringMap{"issued": pulumi.String("2026-11")},
	})
	if err != nil {
		return err
	}

	// Answers to one query are kept for a minute. The hash leaves literals out,
	// so the rule holds for every category.
	topProducts := pgbeam.GetQueryHashOutput(ctx, pgbeam.GetQueryHashOutputArgs{
		Sql: pulumi.String("select name, price from products where category = 'kitchen' order by price desc limit 10"),
	})
	_, err = pgbeam.NewCacheRule(ctx, "top-products", &pgbeam.CacheRuleArgs{
		ProjectId:       project.ID(),
		DatabaseId:      project.PrimaryDatabaseId,
		QueryHash:       topProducts.QueryHash(),
		CacheEnabled:    pulumi.Bool(true),
		CacheTtlSeconds: pulumi.Int(60),
		CacheSwrSeconds: pulumi.Int(30),
	})
	if err != nil {
		return err
	}

	_, err = pgbeam.NewWebhookEndpoint(ctx, "blocked-statements", &pgbeam.WebhookEndpointArgs{
		ProjectId:   project.ID(),
		Url:         pulumi.String("https://hooks.example.com/pgbeam"),
		EventTypes:  pulumi.ToStringArray([]string{"query_blocked"}),
		Description: pulumi.String("Tell the team when a policy refuses a statement"),
		Secret:      cfg.RequireSecret("webhookSecret"),
	})
	if err != nil {
		return err
	}

	ctx.Export("projectId", project.ID())
	ctx.Export("proxyHost", project.ProxyHost)
	ctx.Export("strictPolicyId", supportDesk.ID())
	ctx.Export("pgUsername", agent.PgUsername)
	ctx.Export("mcpUrl", agent.McpUrl)
	// Secrets: `pulumi stack output connectionString --show-secrets`.
	ctx.Export("connectionString", agent.ConnectionString)
	ctx.Export("mcpToken", agent.McpToken)
	return nil
}
