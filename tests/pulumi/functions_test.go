package pulumi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// A program may demand that its migration is safe and that its policy refuses
// what it must; a preview says so before anything has changed.
func TestProgramsRefuseUnsafeMigrationsAndLaxPolicies(t *testing.T) {
	beam := harness.StartBeam(t, harness.BeamOptions{})
	project := beam.Call(t, "POST", "/v1/projects", map[string]any{
		"org_id": beam.Org, "name": "reviewed",
		"database": map[string]any{"host": "db.example.com", "port": 5432, "name": "app", "username": "app", "password": "x"},
	})["project"].(map[string]any)["id"].(string)

	migration := "drop table orders"
	masks := pulumi.Array{}
	var seen []string // by the program
	stack := inline(t, func(ctx *pulumi.Context) error {
		var report struct {
			Safe     bool `pulumi:"safe"`
			Findings []struct {
				Rule string `pulumi:"rule"`
			} `pulumi:"findings"`
		}
		if err := ctx.Invoke("pgbeam:index:lintMigration", pulumi.Map{"projectId": pulumi.String(project), "sql": pulumi.String(migration)}, &report); err != nil {
			return err
		}
		if !report.Safe {
			return fmt.Errorf("unsafe migration: %s", report.Findings[0].Rule)
		}
		var decision struct {
			Verdict string `pulumi:"verdict"`
			Rule    string `pulumi:"rule"`
		}
		if err := ctx.Invoke("pgbeam:index:evaluatePolicy", pulumi.Map{
			"projectId": pulumi.String(project),
			"policy":    pulumi.Map{"name": pulumi.String("support"), "maskingRules": masks},
			"sql":       pulumi.String("select id from customers where email = 'a@example.com'"),
		}, &decision); err != nil {
			return err
		}
		seen = append(seen, decision.Verdict+" "+decision.Rule)
		if decision.Verdict != "block" {
			return fmt.Errorf("lax policy: verdict %s", decision.Verdict)
		}
		return nil
	}, beam.Env()...)

	refused := func(why string) {
		t.Helper()
		if said, err := stack.preview(t); err == nil || !strings.Contains(said+err.Error(), why) {
			t.Errorf("want %q, got %v\n%s", why, err, said)
		}
	}
	refused("unsafe migration: drop_table")
	migration = "alter table orders add column note text"
	refused("lax policy: verdict allow")
	masks = append(masks, pulumi.StringMap{"table": pulumi.String("customers"), "column": pulumi.String("email"), "kind": pulumi.String("redact")})
	if said, err := stack.preview(t); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if last := seen[len(seen)-1]; last != "block masked_column_predicate" {
		t.Errorf("the program saw %q", last)
	}
}
