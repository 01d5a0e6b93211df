package api

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPolicyDefaults(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	r := s.send("POST", "/v1/projects/"+project+"/policies", object{"name": "reader"}).want(201, "")
	for _, name := range []string{"id", "project_id", "created_at", "updated_at"} {
		if r.text(name) == "" {
			t.Errorf("no %s", name)
		}
		delete(r.body, name)
	}
	want := object{
		"name": "reader", "access_mode": "read_only", "statement_rules": object{"allow": []any{}, "deny": []any{}},
		"table_allowlist": []any{}, "table_denylist": []any{}, "masking_rules": []any{}, "row_filters": []any{},
		"budget_queries_per_hour": 0.0, "budget_queries_per_day": 0.0, "max_rows": 0.0, "statement_timeout_ms": 0.0,
		"write_mode": "normal", "approval_mode": "off", "approval_auto_max_rows": 0.0, "approval_timeout_seconds": 300.0,
		"migration_safety": "off", "egress_bytes_per_day": 0.0, "max_affected_rows": 0.0,
	}
	if diff := cmp.Diff(want, r.body); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
}

func TestPolicyPutKeepsWhatItDoesNotMention(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	full := object{
		"name": "full", "access_mode": "read_write", "statement_rules": object{"allow": []any{"select", "update"}, "deny": []any{"copy"}},
		"table_allowlist": []any{"orders", "sales.items"}, "table_denylist": []any{"secrets"},
		"masking_rules": []any{object{"table": "users", "column": "email", "kind": "hash"}},
		"row_filters":   []any{object{"table": "orders", "predicate": "tenant_id = 42"}},
		"max_rows":      100.0, "egress_bytes_per_day": 9007199254740993.0, "approval_timeout_seconds": 0.0, "max_affected_rows": 7.0,
		"budget_queries_per_hour": 1.0, "budget_queries_per_day": 2.0, "statement_timeout_ms": 3.0, "approval_auto_max_rows": 4.0,
		"write_mode": "rollback", "approval_mode": "ddl", "migration_safety": "warn",
	}
	path := "/v1/projects/" + project + "/policies"
	created := s.send("POST", path, full).want(201, "")
	path += "/" + created.text("id")
	updated := s.send("PUT", path, object{"max_rows": 5, "budget_queries_per_hour": nil}).want(200, "")
	want := created.body
	want["max_rows"] = 5.0
	want["updated_at"] = updated.body["updated_at"]
	if diff := cmp.Diff(want, updated.body); diff != "" {
		t.Errorf("after PUT (-want +got):\n%s", diff)
	}
	for name := range full {
		if name != "max_rows" {
			if diff := cmp.Diff(full[name], updated.body[name]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	cleared := s.send("PUT", path, object{"table_allowlist": []any{}, "masking_rules": []any{}, "row_filters": []any{}, "statement_rules": object{"deny": []any{"copy"}}}).want(200, "")
	if got := fmt.Sprint(cleared.field("table_allowlist"), cleared.field("masking_rules"), cleared.field("row_filters"), cleared.field("statement_rules")); got != "[] [] [] map[allow:[] deny:[copy]]" {
		t.Errorf("after clearing: %s", got)
	}
	s.send("PUT", path, object{"name": "renamed"}).want(200, "")
	if got := s.send("GET", path, nil).text("name"); got != "renamed" {
		t.Errorf("name is %s", got)
	}
	s.send("PUT", path, object{"name": ""}).want(400, "INVALID_INPUT")
}

func TestPolicyRulesThatMeanNothingAreRefused(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/policies"
	mask := func(table, column string) object { return object{"table": table, "column": column, "kind": "redact"} }
	for name, c := range map[string]struct {
		body  object
		field string
	}{
		"unknown statement":           {object{"statement_rules": object{"allow": []any{"select", "truncate"}}}, "statement_rules.allow[1]"},
		"upper-case statement":        {object{"statement_rules": object{"deny": []any{"SELECT"}}}, "statement_rules.deny[0]"},
		"allowed and denied":          {object{"table_allowlist": []any{"a", "orders"}, "table_denylist": []any{"orders"}}, "table_denylist[0]"},
		"same table, other words":     {object{"table_allowlist": []any{"public.Orders"}, "table_denylist": []any{`"orders"`}}, "table_denylist[0]"},
		"empty table":                 {object{"table_allowlist": []any{""}}, "table_allowlist[0]"},
		"table with a space":          {object{"table_denylist": []any{"my orders"}}, "table_denylist[0]"},
		"pattern":                     {object{"table_denylist": []any{"public.*"}}, "table_denylist[0]"},
		"three parts":                 {object{"table_denylist": []any{"a.b.c"}}, "table_denylist[0]"},
		"open quote":                  {object{"table_denylist": []any{`"a`}}, "table_denylist[0]"},
		"name too long":               {object{"table_denylist": []any{fmt.Sprintf("%064d", 0)}}, "table_denylist[0]"},
		"column mask twice":           {object{"masking_rules": []any{mask("users", "email"), mask("public.USERS", "Email")}}, "masking_rules[1]"},
		"mask without column":         {object{"masking_rules": []any{mask("users", "")}}, "masking_rules[0].column"},
		"mask of two columns":         {object{"masking_rules": []any{mask("users", "a.b")}}, "masking_rules[0].column"},
		"mask of no table":            {object{"masking_rules": []any{mask("1users", "email")}}, "masking_rules[0].table"},
		"unknown mask":                {object{"masking_rules": []any{object{"table": "a", "column": "b", "kind": "blur"}}}, "masking_rules[0].kind"},
		"blank predicate":             {object{"row_filters": []any{object{"table": "orders", "predicate": " \n"}}}, "row_filters[0].predicate"},
		"kind null without quotes":    {object{"masking_rules": []any{object{"table": "a", "column": "b", "kind": nil}}}, "masking_rules[0].kind"},
		"timeout beyond PostgreSQL's": {object{"statement_timeout_ms": 2147483648}, "statement_timeout_ms"},
		"negative budget":             {object{"budget_queries_per_day": -1}, "budget_queries_per_day"},
	} {
		t.Run(name, func(t *testing.T) {
			c.body["name"] = "p"
			if r := s.send("POST", path, c.body).want(400, "INVALID_INPUT"); r.fields()[c.field] == "" {
				t.Errorf("%s is not named: %s", c.field, r.raw)
			}
		})
	}
	// Rules that look alike and are not.
	s.send("POST", path, object{"name": "p", "table_allowlist": []any{`"Orders"`, "sales.orders", "größe", "a$1"}, "table_denylist": []any{"orders", `"a.b""c"`},
		"masking_rules": []any{mask("users", "email"), mask("users", `"Email"`), mask("sales.users", "email")}}).want(201, "")
	// A merge must be checked as a whole.
	id := s.send("POST", path, object{"name": "q", "table_allowlist": []any{"orders"}}).want(201, "").text("id")
	s.send("PUT", path+"/"+id, object{"table_denylist": []any{"orders"}}).want(400, "INVALID_INPUT")
}

func TestPolicyInUseIsNotDeleted(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	p := "/v1/projects/" + project
	policy := s.newPolicy(project, "reader")
	agent := s.send("POST", p+"/agents", object{"name": "bot", "policy_profile_id": policy}).want(201, "").text("credential.id")
	if r := s.send("DELETE", p+"/policies/"+policy, nil).want(409, "CONFLICT"); r.text("error.message") == "" {
		t.Error("no message")
	}
	s.send("DELETE", p+"/agents/"+agent, nil).want(204, "")
	s.send("PATCH", p, object{"default_policy_profile_id": policy}).want(200, "")
	s.send("DELETE", p+"/policies/"+policy, nil).want(409, "CONFLICT")
	s.send("PATCH", p, object{"default_policy_profile_id": nil}).want(200, "")
	s.send("DELETE", p+"/policies/"+policy, nil).want(204, "")
	s.send("GET", p+"/policies/"+policy, nil).want(404, "NOT_FOUND")
}

func TestPolicyNameIsUniqueInItsProject(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	other, _ := s.newProject("other")
	s.newPolicy(project, "reader")
	s.newPolicy(other, "reader")
	s.send("POST", "/v1/projects/"+project+"/policies", object{"name": "reader"}).want(409, "CONFLICT")
}
