package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// support is a policy with something to see of every kind.
var support = object{
	"name":                    "support",
	"table_denylist":          []any{"secrets"},
	"masking_rules":           []any{object{"table": "customers", "column": "email", "kind": "hash"}},
	"row_filters":             []any{object{"table": "orders", "predicate": "tenant_id = 42"}},
	"budget_queries_per_hour": 100,
	"statement_timeout_ms":    2000,
}

func TestEvaluationDecidesAsTheProxyWould(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	saved := s.send("POST", "/v1/projects/"+project+"/policies", support).want(201, "").text("id")
	path := "/v1/projects/" + project + "/policy-evaluations"
	for sql, c := range map[string]struct{ verdict, rule string }{
		"select id, name from products":   {"allow", "ok"},
		"select id, email from customers": {"mask", "ok"},
		"select id from orders":           {"row-filter", "ok"},
		"select o.id, c.email from orders o join customers c on c.id = o.customer_id": {"row-filter", "ok"},
		"select id from customers where email = 'a@b.c'":                              {"block", "masked_column_predicate"},
		"select * from secrets":           {"block", "table_denied"},
		"delete from orders where id = 1": {"block", "read_only"},
		"drop table orders":               {"block", "destructive_ddl"},
		"selec 1":                         {"block", "parse_error"},
		"-- nothing":                      {"block", "empty"},
	} {
		t.Run(sql, func(t *testing.T) {
			byID := s.send("POST", path, object{"sql": sql, "policy_id": saved}).want(200, "")
			if byID.text("verdict") != c.verdict || byID.text("rule") != c.rule || byID.text("reason") == "" {
				t.Fatalf("got %s", byID.raw)
			}
			if blocked := c.verdict == "block"; (byID.body["hint"] != nil) != blocked || blocked && byID.body["rewritten_sql"] != nil {
				t.Errorf("a hint comes with a refusal, and only then: %s", byID.raw)
			}
			draft := s.send("POST", path, object{"sql": sql, "policy": support}).want(200, "")
			if diff := cmp.Diff(byID.body, draft.body); diff != "" {
				t.Errorf("a draft with the same rules is decided otherwise:\n%s", diff)
			}
		})
	}
}

func TestEvaluationTellsWhatWouldRun(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/policy-evaluations"
	r := s.send("POST", path, object{"policy": support, "sql": "select o.id, c.email as mail from orders o join customers c on c.id = o.customer_id"}).want(200, "")
	want := []any{object{"column": "email", "kind": "hash"}, object{"column": "mail", "kind": "hash"}}
	if diff := cmp.Diff(want, r.body["masked_columns"]); diff != "" {
		t.Errorf("masked columns (-want +got):\n%s", diff)
	}
	if r.text("row_filter_predicate") == "" || !strings.Contains(r.text("rewritten_sql"), "tenant_id = 42") {
		t.Errorf("the filter is not shown: %s", r.raw)
	}
	var notes []string
	for _, n := range r.body["notes"].([]any) {
		notes = append(notes, n.(string))
	}
	for _, want := range []string{"refused once 100 queries were run in the hour", "cancelled after 2000 ms"} {
		if !slices.Contains(notes, want) {
			t.Errorf("no note %q in %q", want, notes)
		}
	}
	undone := object{"name": "trial", "access_mode": "read_write", "write_mode": "rollback"}
	if r := s.send("POST", path, object{"policy": undone, "sql": "commit"}).want(200, ""); r.text("rewritten_sql") != "ROLLBACK" {
		t.Errorf("a commit of what is rolled back: %s", r.raw)
	}
	plain := s.send("POST", path, object{"policy": object{"name": "reader"}, "sql": "select 1"}).want(200, "")
	for _, absent := range []string{"hint", "masked_columns", "row_filter_predicate", "rewritten_sql", "notes"} {
		if plain.body[absent] != nil {
			t.Errorf("%s says something of a plain statement: %s", absent, plain.raw)
		}
	}
}

func TestEvaluationTakesAPolicyOrADraft(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	other, _ := s.newProject("other")
	saved := s.send("POST", "/v1/projects/"+project+"/policies", support).want(201, "").text("id")
	elsewhere := s.send("POST", "/v1/projects/"+other+"/policies", support).want(201, "").text("id")
	path := "/v1/projects/" + project + "/policy-evaluations"
	draft := func(rules object) object {
		rules["name"] = "draft"
		return object{"sql": "select 1", "policy": rules}
	}
	for name, c := range map[string]struct {
		body   object
		status int
		code   string
		field  string
	}{
		"neither":                     {object{"sql": "select 1"}, 400, "INVALID_INPUT", "policy_id"},
		"both":                        {object{"sql": "select 1", "policy_id": saved, "policy": support}, 400, "INVALID_INPUT", "policy"},
		"no SQL":                      {object{"policy_id": saved}, 400, "INVALID_INPUT", "sql"},
		"SQL that is too long":        {object{"sql": strings.Repeat("x", 100001), "policy_id": saved}, 400, "INVALID_INPUT", "sql"},
		"unknown policy":              {object{"sql": "select 1", "policy_id": "pol_x"}, 404, "NOT_FOUND", ""},
		"policy of another project":   {object{"sql": "select 1", "policy_id": elsewhere}, 404, "NOT_FOUND", ""},
		"draft with an unknown field": {draft(object{"colour": "red"}), 400, "INVALID_INPUT", "policy.colour"},
		"draft with a wrong table":    {draft(object{"table_allowlist": []any{"a b"}}), 400, "INVALID_INPUT", "policy.table_allowlist[0]"},
		"draft with a wrong predicate": {draft(object{"row_filters": []any{object{"table": "orders", "predicate": "tenant_id ="}}}),
			400, "INVALID_INPUT", "policy.row_filters[0].predicate"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.send("POST", path, c.body).want(c.status, c.code)
			if c.field != "" && r.fields()[c.field] == "" {
				t.Errorf("%s is not named: %s", c.field, r.raw)
			}
		})
	}
}

// Nobody logs in under these rules, so no evaluation may speak as if somebody did.
func TestEvaluationTellsWhatIsNotEnforced(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	r := s.send("POST", "/v1/projects/"+project+"/policy-evaluations", object{"sql": "select 1",
		"policy": object{"name": "d", "write_mode": "sandbox", "approval_mode": "all", "egress_bytes_per_day": 7}}).want(200, "")
	want := []any{"logins under this policy are refused: this version does not enforce write_mode sandbox, approval_mode all, egress_bytes_per_day"}
	if diff := cmp.Diff(want, r.body["notes"]); diff != "" {
		t.Error(diff)
	}
}

// What cannot be enforced is refused when it is saved, not when an agent logs in.
func TestPolicyIsCompiledWhenItIsSaved(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/policies"
	saved := path + "/" + s.send("POST", path, object{"name": "saved"}).want(201, "").text("id")
	for name, c := range map[string]struct {
		rules object
		field string
	}{
		"predicate that is no SQL":   {object{"row_filters": []any{object{"table": "orders", "predicate": "tenant_id = = 1"}}}, "row_filters[0].predicate"},
		"predicate with a statement": {object{"row_filters": []any{object{"table": "orders", "predicate": "true; select 1"}}}, "row_filters[0].predicate"},
		"every allowed kind denied":  {object{"statement_rules": object{"allow": []any{"select"}, "deny": []any{"select"}}}, "statement_rules"},
	} {
		t.Run(name, func(t *testing.T) {
			rules := object{"name": "wrong"}
			for k, v := range c.rules {
				rules[k] = v
			}
			for _, r := range []*reply{s.send("POST", path, rules), s.send("PUT", saved, c.rules)} {
				if r.want(400, "INVALID_INPUT"); r.fields()[c.field] == "" {
					t.Errorf("%s is not named: %s", c.field, r.raw)
				}
			}
		})
	}
	if got := s.send("GET", saved, nil).want(200, "").body["row_filters"]; len(got.([]any)) != 0 {
		t.Errorf("a refused change left %v", got)
	}
}
