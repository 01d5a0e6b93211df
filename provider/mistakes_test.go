package provider

import (
	"context"
	"strings"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
)

// Mistakes that providers like this one have made. Each test fails without
// what keeps us from it.

// Security settings that the create call cannot carry follow in the same `up`.
func TestMistake_SecuritySettingsAreSetByTheFirstUp(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", samples[0].full))
	o := e.api.objects["projects"][0]
	if len(o["allowed_cidrs"].([]any)) != 2 || o["agents_disabled"] != true || o["default_policy_profile_id"] != "pol_1" || o["residency"] != "eu" || o["status"] != "suspended" {
		t.Errorf("after the first up the project is %v", o)
	}
	e.must(e.up("a", "AgentCredential", samples[6].full))
	if o := e.api.objects["agents"][0]; o["status"] != "disabled" {
		t.Errorf("after the first up the credential is %v", o)
	}
	if got := e.api.seen(); len(got) != 4 {
		t.Errorf("it took %v", got)
	}
}

func TestMistake_AbsentInputsAreNotSent(t *testing.T) {
	for _, s := range samples {
		e := newEngine(t)
		e.must(e.up("x", s.token, s.minimal))
		for _, r := range e.api.requests {
			for k, v := range r.body {
				if v == nil && s.token != "CacheRule" && s.token != "SpendLimit" || v == "undefined" || strings.Contains(r.path, "undefined") {
					t.Errorf("%s: sent %s = %v", r, k, v)
				}
			}
		}
	}
	// A range without a label has none, not the label "undefined".
	e := newEngine(t)
	e.must(e.up("p", "Project", with(aProject, object{"allowedCidrs": []any{"10.0.0.0/8"}})))
	if o := e.api.objects["projects"][0]["allowed_cidrs"].([]any)[0].(object); len(o) != 1 {
		t.Errorf("the range was sent as %v", o)
	}
}

func TestMistake_ServerDefaultsAreNoDifference(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	explicit := with(aProject, object{"cloud": "aws", "status": "active", "agentsDisabled": false, "tags": []any{}, "allowedCidrs": []any{}, "residency": "any", "description": "",
		"defaultPolicyProfileId": ""})
	if d := e.diff("p", explicit); d.HasChanges {
		t.Errorf("writing the defaults out changes %v", d.DetailedDiff)
	}
	e.must(e.up("q", "Project", with(explicit, object{"name": "q"})))
	if d := e.diff("q", with(aProject, object{"name": "q"})); d.HasChanges {
		t.Errorf("leaving the defaults out changes %v", d.DetailedDiff)
	}
}

func TestMistake_EqualValuesInAnotherSpellingAreNoDifference(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", with(aProject, object{"allowedCidrs": []any{"10.0.0.0/8", "192.0.2.1", "2001:DB8::/32"}})))
	for name, cidrs := range map[string][]any{
		"order": {"192.0.2.1", "10.0.0.0/8", "2001:DB8::/32"}, "mask": {"10.0.0.0/8", "192.0.2.1/32", "2001:db8:0::/32"},
		"objects": {object{"cidr": "10.0.0.0/8"}, object{"cidr": "192.0.2.1"}, object{"cidr": "2001:db8::/32"}}, "twice": {"10.0.0.0/8", "10.0.0.0/8", "192.0.2.1", "2001:db8::/32"},
	} {
		if d := e.diff("p", with(aProject, object{"allowedCidrs": cidrs})); d.HasChanges {
			t.Errorf("%s: %v", name, d.DetailedDiff)
		}
	}
	if d := e.diff("p", with(aProject, object{"allowedCidrs": []any{"10.0.0.0/8", "192.0.2.1"}})); !d.HasChanges {
		t.Error("a range less is no difference")
	}
	e.must(e.up("a", "AgentCredential", with(samples[6].minimal, object{"expiresAt": "2999-01-01T00:00:00Z"})))
	if d := e.diff("a", with(samples[6].minimal, object{"expiresAt": "2999-01-01T02:00:00.000+02:00"})); d.HasChanges {
		t.Errorf("the same instant: %v", d.DetailedDiff)
	}
	e.must(e.up("d", "CustomDomain", object{"projectId": "p", "domain": "db.example.com"}))
	if d := e.diff("d", object{"projectId": "p", "domain": "DB.example.com"}); d.HasChanges {
		t.Errorf("the same host name: %v", d.DetailedDiff)
	}
}

// A label that was set in the console stays, though the program writes ranges
// as strings; a label the program drops goes.
func TestMistake_ALabelSetElsewhereIsNotLost(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", with(aProject, object{"allowedCidrs": []any{"10.0.0.0/8", object{"cidr": "192.0.2.0/24", "label": "ours"}}})))
	e.api.set("projects", 0, object{"allowed_cidrs": []any{object{"cidr": "10.0.0.0/8", "label": "console"}, object{"cidr": "192.0.2.0/24", "label": "ours"}}})
	if drifted, err := e.refresh("p"); err != nil || drifted {
		t.Errorf("a label is drift: %v %v", drifted, err)
	}
	e.must(e.up("p", "Project", with(aProject, object{"allowedCidrs": []any{"10.0.0.0/8", "198.51.100.0/24", "192.0.2.0/24"}})))
	labels := map[string]any{}
	for _, item := range e.api.objects["projects"][0]["allowed_cidrs"].([]any) {
		labels[item.(object)["cidr"].(string)] = item.(object)["label"]
	}
	if labels["10.0.0.0/8"] != "console" || labels["192.0.2.0/24"] != nil || len(labels) != 3 {
		t.Errorf("the labels are %v", labels)
	}
}

func TestMistake_DroppingALabelAloneIsAChange(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", with(aProject, object{"allowedCidrs": []any{object{"cidr": "192.0.2.0/24", "label": "ours"}}})))
	e.must(e.up("p", "Project", with(aProject, object{"allowedCidrs": []any{"192.0.2.0/24"}})))
	if o := e.api.objects["projects"][0]["allowed_cidrs"].([]any)[0].(object); o["label"] != nil {
		t.Errorf("the range is still %v", o)
	}
}

func TestMistake_NestedCredentialsAreSent(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	e.must(e.up("p", "Project", with(aProject, object{"database": with(aDatabase, object{"password": "db-canary-2"})})))
	if o := e.api.objects["databases"][0]; o["password"] != "db-canary-2" {
		t.Errorf("the server has the password %v", o["password"])
	}
	if got := e.api.body("PATCH /v1/projects/prj_1/databases/db_2"); len(got) != 1 {
		t.Errorf("more than the password was sent: %v", got)
	}
}

func TestMistake_OneTimeSecretsSurviveEverything(t *testing.T) {
	e := newEngine(t)
	inputs := samples[6].minimal
	e.must(e.up("a", "AgentCredential", inputs))
	want := e.output("a", "connectionString").AsString()
	same := func(after string) {
		t.Helper()
		got := e.output("a", "connectionString")
		if !got.IsString() || got.AsString() != want || !got.Secret() || !e.output("a", "mcpToken").Secret() || !e.output("a", "mcpUrl").IsString() {
			t.Errorf("after %s the connection string is %v", after, got)
		}
	}
	same("create")
	e.must(e.up("a", "AgentCredential", with(inputs, object{"status": "disabled"})))
	same("an unrelated update")
	_, err := e.refresh("a")
	e.must(err)
	same("refresh")
	e.api.fault = func(r seenRequest) *fault { return &fault{status: 400} }
	if err := e.up("a", "AgentCredential", inputs); err == nil {
		t.Error("a failed update was reported as success")
	}
	e.api.fault = nil
	same("a failed update")
	e.restart()
	e.must(e.up("a", "AgentCredential", inputs))
	same("a later update")
	if o := e.preview("a", with(inputs, object{"status": "disabled"})).Get("connectionString"); o.IsComputed() {
		t.Error("the preview of an unrelated update shows the connection string changing")
	}
}

func TestMistake_RotationRenewsTheSecretsInPlace(t *testing.T) {
	e := newEngine(t)
	inputs := with(samples[6].minimal, object{"rotationTriggers": object{"month": "may"}})
	e.must(e.up("a", "AgentCredential", inputs))
	id, old := e.state["a"].id, e.output("a", "connectionString").AsString()
	rotated := with(inputs, object{"rotationTriggers": object{"month": "june"}})
	shown := e.preview("a", rotated)
	if !shown.Get("connectionString").IsComputed() || !shown.Get("mcpToken").IsComputed() || shown.Get("pgUsername").IsComputed() || shown.Get("mcpUrl").IsComputed() {
		t.Errorf("the preview shows %v", plain(shown))
	}
	e.must(e.up("a", "AgentCredential", rotated))
	if e.state["a"].id != id || e.output("a", "connectionString").AsString() == old || !e.output("a", "connectionString").Secret() {
		t.Errorf("after the rotation: %v", plain(e.state["a"].state))
	}
	e.api.seen()
	e.must(e.up("a", "AgentCredential", rotated))
	e.must(e.up("a", "AgentCredential", with(rotated, object{"rotationTriggers": nil})))
	if got := e.api.seen(); len(got) != 0 {
		t.Errorf("without a change of triggers: %v", got)
	}
	if d := e.diff("a", with(rotated, object{"rotationTriggers": nil})); d.HasChanges {
		t.Errorf("dropping the triggers stays a change: %v", d.DetailedDiff)
	}
}

// A conflict is an error with the way out. Nothing is adopted, whatever its
// name and on whatever page of the list it stands.
func TestMistake_ConflictIsExplainedAndNothingAdopted(t *testing.T) {
	for name, c := range map[string]struct {
		token   string
		inputs  object
		import_ string
	}{
		"project":    {"Project", aProject, "pulumi import pgbeam:index:Project mine prj_"},
		"policy":     {"PolicyProfile", samples[7].minimal, "pulumi import pgbeam:index:PolicyProfile mine prj_1/pol_"},
		"credential": {"AgentCredential", samples[6].minimal, "pulumi import pgbeam:index:AgentCredential mine prj_1/agt_"},
		"replica":    {"Replica", samples[2].minimal, "pulumi import pgbeam:index:Replica mine db_1/rep_"},
		"domain":     {"CustomDomain", samples[3].minimal, "pulumi import pgbeam:index:CustomDomain mine prj_1/dom_"},
		"webhook":    {"WebhookEndpoint", samples[8].minimal, "pulumi import pgbeam:index:WebhookEndpoint mine prj_1/whk_"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			for _, other := range []string{"a", "b", "c"} { // so that it stands on the second page
				inputs := with(c.inputs, object{})
				for _, key := range []string{"name", "domain", "host", "url"} {
					if s, ok := inputs[key].(string); ok && key != "host" || ok && c.token == "Replica" {
						inputs[key] = strings.Replace(s, "://", "://"+other+".", 1)
						if !strings.Contains(s, "://") {
							inputs[key] = other + "." + s
						}
					}
				}
				e.must(e.up(other, c.token, inputs))
			}
			e.must(e.up("theirs", c.token, c.inputs))
			kind := samples[0].kind
			for _, s := range samples {
				if s.token == c.token {
					kind = s.kind
				}
			}
			before := len(e.api.objects[kind])
			err := e.up("mine", c.token, c.inputs)
			if err == nil || !strings.Contains(err.Error(), c.import_+strings.TrimLeft(e.state["theirs"].id, "abcdefghijklmnopqrstuvwxyz_")) {
				t.Errorf("%v", err)
			}
			if e.state["mine"] != nil || len(e.api.objects[kind]) != before {
				t.Error("the conflict left something behind")
			}
			if c.token == "AgentCredential" && !strings.Contains(err.Error(), "cannot be had again") {
				t.Errorf("the lost secrets are not mentioned: %v", err)
			}
		})
	}
}

func TestMistake_ExistingSettingsAreNotOverwritten(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("theirs", "CacheRule", samples[4].full))
	e.must(e.up("limit", "SpendLimit", object{"orgId": "org_1", "spendLimit": 100}))
	err := e.up("mine", "CacheRule", with(samples[4].full, object{"cacheTtlSeconds": 5}))
	if err == nil || !strings.Contains(err.Error(), "pulumi import pgbeam:index:CacheRule mine prj_1/db_1/a1b2c3d4e5f60718") {
		t.Errorf("%v", err)
	}
	err = e.up("mine", "SpendLimit", object{"orgId": "org_1", "spendLimit": 5})
	if err == nil || !strings.Contains(err.Error(), "pulumi import pgbeam:index:SpendLimit mine org_1") {
		t.Errorf("%v", err)
	}
	if e.api.objects["rules"][0]["cache_ttl_seconds"] != 60.0 || e.api.objects["plans"][0]["spend_limit"] != 100.0 {
		t.Error("the settings were overwritten")
	}
	// What is there already as asked, after a crash for one, is taken.
	e.must(e.up("mine", "CacheRule", samples[4].full))
	e.must(e.up("mine2", "SpendLimit", object{"orgId": "org_1", "spendLimit": 100}))
}

func TestMistake_AMissingObjectDoesNotFailRefreshAndOtherErrorsDo(t *testing.T) {
	for _, status := range []int{401, 403, 500} {
		e := newEngine(t)
		e.must(e.up("p", "Project", aProject))
		e.api.fault = func(seenRequest) *fault { return &fault{status: status} }
		if _, err := e.refresh("p"); err == nil || e.state["p"] == nil {
			t.Errorf("status %d: %v, state %v", status, err, e.state["p"])
		}
	}
}

// An object that was deleted is not bound to another of the same name.
func TestMistake_NotReboundToAnotherOfTheSameName(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "PolicyProfile", samples[7].minimal))
	e.api.drop("policies")
	e.must(e.up("other", "PolicyProfile", samples[7].minimal))
	if _, err := e.refresh("p"); err != nil || e.state["p"] != nil {
		t.Errorf("refresh: %v, state %v", err, e.state["p"])
	}
}

func TestMistake_FailedUpdatesAreErrors(t *testing.T) {
	everySample(t, func(t *testing.T, e *engine, s sample, inputs object) {
		for name, v := range s.edits {
			if find(resourceByToken("pgbeam:index:"+s.token).Properties, name).Replace || name == "queryHash" {
				continue
			}
			if !e.diff("x", with(inputs, object{name: v})).HasChanges {
				continue
			}
			for _, bad := range []*fault{{status: 500}, {status: 400}, {cut: true}} {
				old := e.state["x"].state
				e.api.fault = func(r seenRequest) *fault {
					if r.method == "GET" {
						return nil
					}
					return bad
				}
				err := e.up("x", s.token, with(inputs, object{name: v}))
				// A cut connection answers before its handler has returned.
				e.api.mu.Lock()
				e.api.fault = nil
				e.api.mu.Unlock()
				if err == nil {
					t.Errorf("an update of %s that failed with %+v is a success", name, bad)
				}
				if !e.state["x"].state.Equals(old) {
					t.Errorf("the failed update of %s changed the state", name)
				}
			}
		}
	})
}

func TestMistake_PreviewHasNoSideEffects(t *testing.T) {
	for _, s := range samples {
		e := newEngine(t)
		r := resourceByToken("pgbeam:index:" + s.token)
		resp, err := e.srv.Create(p.CreateRequest{Urn: urnOf(r.Token, "x"), Properties: values(s.full), DryRun: true})
		e.must(err)
		for name, v := range resp.Properties.All {
			if prop := r.property(name); prop.Input && absent(value(s.full[name])) != v.IsComputed() {
				t.Errorf("%s: %s is previewed as %v", s.token, name, v)
			} else if !prop.Input && !v.IsComputed() {
				t.Errorf("%s: the output %s is known before there is anything", s.token, name)
			}
		}
		if len(e.api.seen()) > 0 {
			t.Errorf("%s: the preview asked the API", s.token)
		}
	}
}

// A half-made project is kept, and the next `up` sends what is missing.
func TestMistake_AHalfMadeProjectIsKeptAndCompleted(t *testing.T) {
	e := newEngine(t)
	e.api.fault = func(r seenRequest) *fault {
		if r.method == "PATCH" {
			return &fault{status: 403, body: `{"error":{"code":"FORBIDDEN","message":"not in your plan"}}`}
		}
		return nil
	}
	full := samples[0].full
	err := e.up("p", "Project", full)
	if err == nil || !strings.Contains(err.Error(), "not in your plan") {
		t.Fatal(err)
	}
	kept := e.state["p"]
	if kept == nil || kept.id == "" || !kept.unfinished {
		t.Fatalf("the project is orphaned: %v", kept)
	}
	if e.output("p", "agentsDisabled").AsBool() {
		t.Error("the state says what has not happened")
	}
	e.api.fault = nil
	e.restart()
	e.api.seen()
	e.must(e.up("p", "Project", full))
	if got := e.api.seen(); len(got) != 1 || got[0] != "PATCH /v1/projects/"+kept.id {
		t.Errorf("completing took %v", got)
	}
	if d := e.diff("p", full); d.HasChanges || e.state["p"].unfinished {
		t.Errorf("still unfinished: %v", d.DetailedDiff)
	}
	if e.api.objects["projects"][0]["agents_disabled"] != true {
		t.Error("the kill-switch was never set")
	}
}

// An update of two objects of which the second fails tells what was done.
func TestMistake_AHalfMadeUpdateTellsTheTruth(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	e.api.fault = func(r seenRequest) *fault {
		if strings.Contains(r.path, "/databases/") {
			return &fault{status: 400}
		}
		return nil
	}
	changed := with(aProject, object{"description": "new", "database": with(aDatabase, object{"port": 5433, "password": "db-canary-2"})})
	if err := e.up("p", "Project", changed); err == nil {
		t.Fatal("a failed update was reported as success")
	}
	if e.output("p", "description").AsString() != "new" || field(e.output("p", "database"), "port").AsNumber() != 5432 ||
		field(e.output("p", "database"), "password").AsString() != "db-canary" {
		t.Errorf("the state is %v", e.state["p"].state)
	}
	e.api.fault = nil
	e.api.seen()
	e.must(e.up("p", "Project", changed))
	if got := e.api.body("PATCH /v1/projects/prj_1/databases/db_2"); got["password"] != "db-canary-2" || got["port"] != 5433.0 || len(got) != 2 {
		t.Errorf("sent %v", got)
	}
	if got := e.api.seen(); len(got) != 1 {
		t.Errorf("completing took %v", got)
	}
}

func TestMistake_CountersNeverCauseADifference(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	e.must(e.up("r", "CacheRule", samples[4].full))
	e.must(e.up("a", "AgentCredential", samples[6].minimal))
	e.api.set("projects", 0, object{"active_connections": 17.0, "database_count": 3.0, "updated_at": "2999-01-01T00:00:00Z"})
	e.api.set("rules", 0, object{"call_count": 1000.0, "recommendation": "great", "normalized_sql": "select $1"})
	e.api.set("agents", 0, object{"last_used_at": "2026-01-01T00:00:00Z"})
	e.restart()
	for _, name := range []string{"p", "r", "a"} {
		if drifted, err := e.refresh(name); err != nil || drifted {
			t.Errorf("%s: %v %v", name, drifted, err)
		}
	}
	if e.output("r", "callCount").AsNumber() != 1000 {
		t.Error("the counter was not read")
	}
}

func TestRefreshShowsDriftAndTheNextUpUndoesIt(t *testing.T) {
	e := newEngine(t)
	full := samples[0].full
	e.must(e.up("p", "Project", full))
	e.api.set("projects", 0, object{"description": "changed in the console", "agents_disabled": false, "allowed_cidrs": []any{}})
	e.api.set("databases", 0, object{"port": 9999.0})
	if drifted, err := e.refresh("p"); err != nil || !drifted {
		t.Errorf("refresh: %v %v", drifted, err)
	}
	d := e.diff("p", full)
	for _, at := range []string{"description", "agentsDisabled", "allowedCidrs", "database.port"} {
		if _, ok := d.DetailedDiff[at]; !ok {
			t.Errorf("the drift of %s is not shown: %v", at, d.DetailedDiff)
		}
	}
	if len(d.DetailedDiff) != 4 {
		t.Errorf("more than the drift is shown: %v", d.DetailedDiff)
	}
	e.must(e.up("p", "Project", full))
	if e.api.objects["projects"][0]["agents_disabled"] != true || e.api.objects["databases"][0]["port"] != 5432.0 {
		t.Error("the drift was not undone")
	}
}

// What the program never set is nobody's drift.
func TestRefreshIgnoresWhatTheProgramDoesNotManage(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	e.api.set("projects", 0, object{"description": "set in the console"})
	if drifted, err := e.refresh("p"); err != nil || drifted {
		t.Errorf("refresh: %v %v", drifted, err)
	}
	if d := e.diff("p", aProject); d.HasChanges {
		t.Errorf("%v", d.DetailedDiff)
	}
}

// A field of a nested object that the program leaves to others is not reset
// when another field changes.
func TestUpdateKeepsNestedFieldsThatOthersSet(t *testing.T) {
	e := newEngine(t)
	with1 := with(aDatabase, object{"projectId": "prj_1", "poolConfig": object{"poolSize": 5, "minPoolSize": 1, "poolMode": "session"}})
	e.must(e.up("d", "Database", with1))
	pool := e.api.objects["databases"][0]["pool_config"].(object)
	e.api.set("databases", 0, object{"pool_config": with(pool, object{"max_active": 77.0})})
	_, err := e.refresh("d")
	e.must(err)
	e.must(e.up("d", "Database", with(with1, object{"poolConfig": object{"poolSize": 6, "minPoolSize": 1, "poolMode": "session"}})))
	if got := e.api.objects["databases"][0]["pool_config"].(object); got["max_active"] != 77.0 || got["pool_size"] != 6.0 {
		t.Errorf("the pool is %v", got)
	}
	// Set and dropped again, it goes back to the default.
	e.must(e.up("d", "Database", with(with1, object{"poolConfig": object{"poolSize": 6, "minPoolSize": 1, "poolMode": "session", "maxActive": 9}})))
	e.must(e.up("d", "Database", with(with1, object{"poolConfig": object{"poolSize": 6, "minPoolSize": 1, "poolMode": "session"}})))
	if got := e.api.objects["databases"][0]["pool_config"].(object); got["max_active"] != 200.0 {
		t.Errorf("the pool is %v", got)
	}
}

func TestPreviewOfAnUpdateKeepsStableOutputsKnown(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	shown := e.preview("p", with(aProject, object{"description": "new", "allowedCidrs": []any{"10.0.0.0/8"}}))
	for _, name := range []string{"proxyHost", "createdAt", "primaryDatabaseId", "name", "database", "residency"} {
		if v := shown.Get(name); absent(v) || v.IsComputed() {
			t.Errorf("%s is unknown in the preview: %v", name, v)
		}
	}
	if !shown.Get("updatedAt").IsComputed() || shown.Get("description").AsString() != "new" {
		t.Errorf("updatedAt is %v, description %v", shown.Get("updatedAt"), shown.Get("description"))
	}
	// Short forms are shown as the state will have them.
	if v := shown.Get("allowedCidrs").AsArray().Get(0); !v.IsMap() || field(v, "cidr").AsString() != "10.0.0.0/8" {
		t.Errorf("allowedCidrs is %v", shown.Get("allowedCidrs"))
	}
	if shown = e.preview("p", aProject); shown.Get("updatedAt").IsComputed() {
		t.Error("an update of nothing shows outputs changing")
	}
}

func TestAPrimaryDatabaseThatIsGoneIsMadeAgain(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	e.api.drop("databases")
	if drifted, err := e.refresh("p"); err != nil || !drifted {
		t.Errorf("refresh: %v %v", drifted, err)
	}
	e.must(e.up("p", "Project", aProject))
	if len(e.api.objects["databases"]) != 1 || e.api.objects["databases"][0]["password"] != "db-canary" {
		t.Errorf("the databases are %v", e.api.objects["databases"])
	}
	if d := e.diff("p", aProject); d.HasChanges || text(e.output("p", "primaryDatabaseId")) == "" {
		t.Errorf("still %v", d.DetailedDiff)
	}
}

func TestAPrimaryDatabaseThatAKilledRunMadeIsTaken(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	e.api.drop("databases")
	if _, err := e.refresh("p"); err != nil {
		t.Fatal(err)
	}
	before := *e.state["p"]
	e.must(e.up("p", "Project", aProject))
	e.state["p"] = &before // the state was not written
	e.restart()
	e.must(e.up("p", "Project", aProject))
	if len(e.api.objects["databases"]) != 1 {
		t.Errorf("the databases are %v", e.api.objects["databases"])
	}
	if d := e.diff("p", aProject); d.HasChanges || text(e.output("p", "primaryDatabaseId")) != e.api.objects["databases"][0]["id"] {
		t.Errorf("still %v", d.DetailedDiff)
	}
}

// Cancelling ends waiting at once, and what was made by then is kept.
func TestCancelStopsPromptlyAndKeepsWhatWasMade(t *testing.T) {
	e := newEngine(t)
	slow := make(chan struct{})
	old := patience
	patience = func(ctx context.Context, _ time.Duration) error {
		close(slow)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	defer func() { patience = old }()
	e.api.fault = func(r seenRequest) *fault {
		if r.method == "PATCH" {
			return &fault{status: 503}
		}
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- e.up("p", "Project", samples[0].full) }()
	<-slow
	e.must(e.srv.Cancel())
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "cancel") {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("cancelling did not end the update")
	}
	if e.state["p"] == nil || e.state["p"].id == "" {
		t.Error("the project that was made is not in the state")
	}
}

func TestCustomTimeoutEndsACreate(t *testing.T) {
	e := newEngine(t)
	e.api.fault = func(seenRequest) *fault { return &fault{status: 503, header: map[string]string{"Retry-After": "60"}} }
	old := patience
	patience = sleep
	defer func() { patience = old }()
	_, err := e.srv.Create(p.CreateRequest{Urn: urnOf("pgbeam:index:Project", "x"), Properties: values(aProject), Timeout: 1})
	if err == nil || !strings.Contains(err.Error(), "deadline") || !strings.Contains(err.Error(), "503") {
		t.Errorf("%v", err)
	}
}
