package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// lint examines a migration. A long one takes a while, which no transaction
// should last.
func (s *server) lint(ctx context.Context, c *call) (any, error) {
	var in contract.MigrationLintRequest
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, fmt.Errorf("decode migration: %w", err)
	}
	err := s.store.View(ctx, func(tx store.Tx) error {
		c.tx = tx
		return c.lintTarget(in.DatabaseID)
	})
	if err != nil {
		return nil, err
	}
	return policy.LintMigration(in.SQL), nil
}

// lintTarget checks that what a migration is for exists.
func (c *call) lintTarget(databaseID *string) error {
	if databaseID == nil {
		_, err := c.project(c.path["project_id"])
		return err
	}
	_, _, err := c.database(c.path["project_id"], *databaseID)
	return err
}

// LintMigration reports what was found. Only a request that is itself wrong
// fails: SQL that PostgreSQL cannot parse is a finding.
func (s *server) LintMigration(ctx context.Context, request contract.LintMigrationRequestObject) (contract.LintMigrationResponseObject, error) {
	c := callOf(ctx)
	if err := c.lintTarget(request.Body.DatabaseID); err != nil {
		return nil, err
	}
	findings := c.found.([]policy.Finding)
	return contract.LintMigration200JSONResponse{
		Safe: !slices.ContainsFunc(findings, func(f policy.Finding) bool {
			return f.Severity == string(contract.MigrationFindingSeverityError)
		}),
		Findings: each(findings, findingOut),
	}, nil
}

func findingOut(f policy.Finding) contract.MigrationFinding {
	out := contract.MigrationFinding{
		Severity: contract.MigrationFindingSeverity(f.Severity),
		Rule:     f.Rule,
		Message:  f.Message,
	}
	if f.Statement != "" {
		out.Statement = &f.Statement
	}
	if f.Hint != "" {
		out.Hint = &f.Hint
	}
	return out
}
