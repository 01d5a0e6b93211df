package provider

import (
	"context"
	"strings"
	"testing"

	"github.com/blang/semver"
	"github.com/google/go-cmp/cmp"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

func (e *engine) invoke(name string, args object) p.InvokeResponse {
	e.t.Helper()
	resp, err := e.srv.Invoke(p.InvokeRequest{Token: tokens.Type("pgbeam:index:" + name), Args: values(args)})
	if err != nil {
		e.t.Fatal(err)
	}
	return resp
}

func TestFunctionsAnswer(t *testing.T) {
	e := newEngine(t)
	for _, name := range []string{"one", "two", "three"} {
		e.must(e.up(name, "Project", with(aProject, object{"name": name})))
	}
	e.must(e.up("policy", "PolicyProfile", with(samples[7].full, object{"projectId": e.state["two"].id})))

	if got := e.invoke("getProject", object{"projectId": e.state["two"].id}).Return; got.Get("name").AsString() != "two" || got.Get("id").AsString() != e.state["two"].id {
		t.Errorf("getProject: %v", got)
	}
	if got := e.invoke("getProjects", object{"orgId": "org_1"}).Return.Get("projects"); got.AsArray().Len() != 3 { // on two pages
		t.Errorf("getProjects: %v", got)
	}
	databaseID := text(e.output("two", "primaryDatabaseId"))
	if got := e.invoke("getDatabase", object{"projectId": e.state["two"].id, "databaseId": databaseID}).Return; got.Get("host").AsString() != "db.example.com" {
		t.Errorf("getDatabase: %v", got)
	}
	if got := e.invoke("getDatabases", object{"projectId": e.state["two"].id}).Return.Get("databases"); got.AsArray().Len() != 1 {
		t.Errorf("getDatabases: %v", got)
	}
	if got := e.invoke("getPolicyProfile", object{"projectId": e.state["two"].id, "policyProfileId": e.state["policy"].id}).Return; got.Get("name").AsString() != "safe" {
		t.Errorf("getPolicyProfile: %v", got)
	}
	if got := e.invoke("getRegions", object{}).Return.Get("regions").AsArray(); field(got.Get(0), "id").AsString() != "iad" {
		t.Errorf("getRegions: %v", got)
	}
}

func TestFunctionsCheckTheirArguments(t *testing.T) {
	e := newEngine(t)
	for name, c := range map[string]struct {
		args object
		want string
	}{
		"getProject": {object{"id": "prj_1"}, "id: is no property"}, "getDatabase": {object{"projectId": "prj_1", "databaseId": 3}, "databaseId: 3 is not a string"},
		"getQueryHash": {object{"sql": "selct 1"}, "sql: not valid SQL"},
	} {
		got := e.invoke(name, c.args)
		if len(got.Failures) == 0 || !strings.Contains(got.Failures[0].Reason, c.want) || got.Failures[0].Property != "" {
			t.Errorf("%s: %+v", name, got.Failures)
		}
	}
	if len(e.api.seen()) > 0 {
		t.Error("a wrong call was sent")
	}
	if _, err := e.srv.Invoke(p.InvokeRequest{Token: "pgbeam:index:getProjct"}); err == nil || !strings.Contains(err.Error(), `did you mean "pgbeam:index:getProject"?`) {
		t.Error(err)
	}
}

func TestQueryHashIsComputedHere(t *testing.T) {
	e := newEngine(t)
	got := e.invoke("getQueryHash", object{"sql": "SELECT * FROM t WHERE id = 7 -- seven"}).Return
	if got.Get("normalizedSql").AsString() != "select * from t where id = $1" || !queryHash.MatchString(got.Get("queryHash").AsString()) {
		t.Errorf("%v", got)
	}
	if len(e.api.seen()) > 0 {
		t.Error("the API was asked")
	}
}

// P20: functions run in previews too, and a preview must change nothing.
func TestP20VerifyingADomainWaitsForTheUpdate(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("d", "CustomDomain", samples[3].full))
	args := object{"projectId": "prj_1", "domainId": e.state["d"].id}
	ctx := context.WithValue(context.WithValue(t.Context(), keyPreview, true), keyProviderID, "prov-1")
	preview, err := integration.NewServer(ctx, Name, semver.MustParse("0.1.0"), integration.WithProvider(New()))
	e.must(err)
	e.must(preview.Configure(p.ConfigureRequest{Args: values(object{"apiKey": "key-canary", "baseUrl": e.api.URL})}))
	e.api.seen()
	got, err := preview.Invoke(p.InvokeRequest{Token: "pgbeam:index:verifyCustomDomain", Args: values(args)})
	e.must(err)
	if got.Return.Get("verified").AsBool() || field(got.Return.Get("domain"), "domain").AsString() != "db.example.com" {
		t.Errorf("the preview says %v", got.Return)
	}
	for _, r := range e.api.seen() {
		if !strings.HasPrefix(r, "GET ") {
			t.Errorf("the preview sent %s", r)
		}
	}
	if got := e.invoke("verifyCustomDomain", args).Return; !got.Get("verified").AsBool() {
		t.Errorf("the update says %v", got)
	}
}

// What changes nothing answers in previews as well, which is where a review reads it.
func TestPureFunctionsAnswerInPreviews(t *testing.T) {
	e := newEngine(t)
	ctx := context.WithValue(context.WithValue(t.Context(), keyPreview, true), keyProviderID, "prov-1")
	preview, err := integration.NewServer(ctx, Name, semver.MustParse("0.1.0"), integration.WithProvider(New()))
	e.must(err)
	e.must(preview.Configure(p.ConfigureRequest{Args: values(object{"apiKey": "key-canary", "baseUrl": e.api.URL})}))
	ask := func(name string, args object) property.Map {
		t.Helper()
		got, err := preview.Invoke(p.InvokeRequest{Token: tokens.Type("pgbeam:index:" + name), Args: values(args)})
		e.must(err)
		if len(got.Failures) > 0 {
			t.Fatalf("%s: %+v", name, got.Failures)
		}
		return got.Return
	}
	report := ask("lintMigration", object{"projectId": "prj_1", "sql": "drop table t"})
	finding := report.Get("findings").AsArray().Get(0)
	if report.Get("safe").AsBool() || field(finding, "statement").AsString() != "drop table t" || field(finding, "severity").AsString() != "error" {
		t.Errorf("lintMigration: %v", report)
	}
	masks := []any{object{"table": "t", "column": "email", "kind": "null"}}
	for _, by := range []object{{"policyProfileId": "pol_1"}, {"policy": object{"name": "draft", "maskingRules": masks}}} {
		decision := ask("evaluatePolicy", with(by, object{"projectId": "prj_1", "sql": "select email from t"}))
		masked := decision.Get("maskedColumns").AsArray().Get(0)
		if decision.Get("verdict").AsString() != "mask" || field(masked, "column").AsString() != "email" {
			t.Errorf("evaluatePolicy: %v", decision)
		}
		sent := e.api.body("POST /v1/projects/prj_1/policy-evaluations")
		draft, _ := sent["policy"].(object)
		if by["policy"] == nil && (sent["policy_id"] != "pol_1" || draft != nil) || by["policy"] != nil && !cmp.Equal(draft["masking_rules"], any(masks)) {
			t.Errorf("sent %v for %v", sent, by)
		}
	}
}

// A refusal by the API names what the program wrote.
func TestRefusalsOfCallsNameTheArgument(t *testing.T) {
	e := newEngine(t)
	e.api.fault = func(seenRequest) *fault {
		return &fault{status: 400, body: `{"code":"INVALID_INPUT","errors":[{"field":"policy_id","detail":"give one"},{"field":"policy.row_filters[0].predicate","detail":"bad"}]}`}
	}
	_, err := e.srv.Invoke(p.InvokeRequest{Token: "pgbeam:index:evaluatePolicy", Args: values(object{"projectId": "prj_1", "sql": "select 1"})})
	if err == nil || !strings.Contains(err.Error(), "; policyProfileId: give one; policy.rowFilters[0].predicate: bad") {
		t.Errorf("got %v", err)
	}
}

func TestPureFunctionsCheckTheirArguments(t *testing.T) {
	e := newEngine(t)
	for name, c := range map[string]struct {
		args object
		want string
	}{
		"lintMigration":  {object{"projectId": "prj_1", "sql": ""}, "sql: "},
		"evaluatePolicy": {object{"projectId": "prj_1", "sql": "select 1", "policy": object{"name": "d", "accessMode": "all"}}, "policy.accessMode: "},
	} {
		if got := e.invoke(name, c.args).Failures; len(got) == 0 || !strings.HasPrefix(got[0].Reason, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if len(e.api.seen()) > 0 {
		t.Error("a wrong call was sent")
	}
}

func TestUnknownArgumentsGiveUnknownResults(t *testing.T) {
	e := newEngine(t)
	if got := e.invoke("getProject", object{"projectId": unknown}).Return; !got.Get("name").IsComputed() {
		t.Errorf("%v", got)
	}
}

func TestAnOldPluginNamesWhatItLacks(t *testing.T) {
	e := newEngine(t)
	_, err := e.srv.Invoke(p.InvokeRequest{Token: "pgbeam:index:replayPolicy"})
	if err == nil || !strings.Contains(err.Error(), "this version of the plugin has no function") {
		t.Error(err)
	}
}
