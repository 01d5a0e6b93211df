package provider

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// sample is how a test makes one resource of each kind.
type sample struct {
	token   string
	minimal object
	full    object
	edits   map[string]any // another value of each property
	replace []string       // the properties whose change replaces, exactly these
	kind    string         // of the object in the fake
}

var (
	fullDatabase = with(aDatabase, object{"sslMode": "require", "role": "primary", "poolRegion": "iad", "queryTimeoutMs": 1000, "autoReadRouting": true,
		"cacheConfig": object{"enabled": true, "ttlSeconds": 30, "maxEntries": 100, "swrSeconds": 0},
		"poolConfig":  object{"poolSize": 20, "minPoolSize": 2, "poolMode": "session", "maxActive": 50}})
	databaseEdits = object{"host": "db2.example.com", "port": 5433, "name": "app2", "username": "app2", "password": "db-canary-2", "sslMode": "verify-full",
		"role": "replica", "poolRegion": "fra", "queryTimeoutMs": 0, "autoReadRouting": false,
		"cacheConfig": object{"enabled": true, "ttlSeconds": 31, "maxEntries": 100, "swrSeconds": 0},
		"poolConfig":  object{"poolSize": 20, "minPoolSize": 3, "poolMode": "session", "maxActive": 50}}
)

var samples = []sample{
	{token: "Project", kind: "projects", minimal: aProject,
		full: with(aProject, object{"description": "A shop", "tags": []any{"a", "b"}, "cloud": "gcp", "selfHosted": true, "database": fullDatabase, "status": "suspended",
			"allowedCidrs": []any{"10.0.0.0/8", object{"cidr": "192.0.2.1", "label": "office"}}, "defaultPolicyProfileId": "pol_1", "residency": "eu", "agentsDisabled": true}),
		edits: object{"orgId": "org_2", "name": "shop2", "description": "Another", "tags": []any{"a", "c"}, "cloud": "azure", "selfHosted": false,
			"database": with(fullDatabase, object{"port": 5433}), "status": "active", "allowedCidrs": []any{"10.0.0.0/9"}, "defaultPolicyProfileId": "pol_2",
			"residency": "us", "agentsDisabled": false},
		replace: []string{"orgId", "cloud", "selfHosted"}},
	{token: "Database", kind: "databases", minimal: with(aDatabase, object{"projectId": "prj_1"}), full: with(fullDatabase, object{"projectId": "prj_1"}),
		edits: with(databaseEdits, object{"projectId": "prj_2"}), replace: []string{"projectId"}},
	{token: "Replica", kind: "replicas", minimal: object{"databaseId": "db_1", "host": "r.example.com", "port": 5432},
		full:    object{"databaseId": "db_1", "host": "r.example.com", "port": 5432, "sslMode": "require"},
		edits:   object{"databaseId": "db_2", "host": "r2.example.com", "port": 5433, "sslMode": "verify-ca"},
		replace: []string{"databaseId", "host", "port", "sslMode"}},
	{token: "CustomDomain", kind: "domains", minimal: object{"projectId": "prj_1", "domain": "db.example.com"}, full: object{"projectId": "prj_1", "domain": "db.example.com"},
		edits: object{"projectId": "prj_2", "domain": "db2.example.com"}, replace: []string{"projectId", "domain"}},
	{token: "CacheRule", kind: "rules", minimal: object{"projectId": "prj_1", "databaseId": "db_1", "queryHash": "a1b2c3d4e5f60718", "cacheEnabled": true},
		full: object{"projectId": "prj_1", "databaseId": "db_1", "queryHash": "a1b2c3d4e5f60718", "cacheEnabled": true, "cacheTtlSeconds": 60, "cacheSwrSeconds": 0},
		edits: object{"projectId": "prj_2", "databaseId": "db_2", "queryHash": "b1b2c3d4e5f60718", "cacheEnabled": false, "cacheTtlSeconds": 0,
			"cacheSwrSeconds": 10},
		replace: []string{"projectId", "databaseId", "queryHash"}},
	{token: "SpendLimit", kind: "plans", minimal: object{"orgId": "org_1", "spendLimit": 0}, full: object{"orgId": "org_1", "spendLimit": 100.5},
		edits: object{"orgId": "org_2", "spendLimit": 20}, replace: []string{"orgId"}},
	{token: "AgentCredential", kind: "agents", minimal: object{"projectId": "prj_1", "policyProfileId": "pol_1", "name": "bot"},
		full: object{"projectId": "prj_1", "policyProfileId": "pol_1", "name": "bot", "status": "disabled", "principalType": "human",
			"expiresAt": "2999-01-01T00:00:00Z", "rotationTriggers": object{"month": "may"}},
		edits: object{"projectId": "prj_2", "policyProfileId": "pol_2", "name": "bot2", "status": "active", "principalType": "agent",
			"expiresAt": "2999-02-01T00:00:00Z", "rotationTriggers": object{"month": "june"}},
		replace: []string{"projectId", "policyProfileId", "name", "principalType", "expiresAt"}},
	{token: "PolicyProfile", kind: "policies", minimal: object{"projectId": "prj_1", "name": "safe"},
		full: object{"projectId": "prj_1", "name": "safe", "accessMode": "read_write", "statementRules": object{"allow": []any{"select"}, "deny": []any{"delete"}},
			"tableAllowlist": []any{"public.orders"}, "tableDenylist": []any{"secrets"},
			"maskingRules":         []any{object{"table": "users", "column": "email", "kind": "redact"}},
			"budgetQueriesPerHour": 10, "budgetQueriesPerDay": 100, "maxRows": 50, "statementTimeoutMs": 1000, "rowFilters": []any{object{"table": "orders", "predicate": "tenant = 1"}},
			"writeMode": "rollback", "approvalMode": "writes", "approvalAutoMaxRows": 5, "approvalTimeoutSeconds": 60, "migrationSafety": "warn", "egressBytesPerDay": 1000, "maxAffectedRows": 7},
		edits: object{"projectId": "prj_2", "name": "safe2", "accessMode": "read_only", "statementRules": object{"allow": []any{"select"}, "deny": []any{"update"}},
			"tableAllowlist": []any{"public.orders", "public.lines"}, "tableDenylist": []any{"other"},
			"maskingRules":         []any{object{"table": "users", "column": "email", "kind": "hash"}},
			"budgetQueriesPerHour": 11, "budgetQueriesPerDay": 101, "maxRows": 0, "statementTimeoutMs": 0, "rowFilters": []any{object{"table": "orders", "predicate": "tenant = 2"}},
			"writeMode": "normal", "approvalMode": "all", "approvalAutoMaxRows": 6, "approvalTimeoutSeconds": 61, "migrationSafety": "block", "egressBytesPerDay": 1001, "maxAffectedRows": 8},
		replace: []string{"projectId"}},
	{token: "WebhookEndpoint", kind: "webhooks", minimal: object{"projectId": "prj_1", "url": "https://example.com/hook"},
		full: object{"projectId": "prj_1", "url": "https://example.com/hook", "secret": "hook-canary", "format": "datadog", "eventTypes": []any{"query_blocked"},
			"enabled": false, "description": "to us"},
		edits: object{"projectId": "prj_2", "url": "https://example.com/hook2", "secret": "hook-canary-2", "format": "elastic", "eventTypes": []any{"masked"},
			"enabled": true, "description": "to them"},
		replace: []string{"projectId"}},
	{token: "SelfHostEnrollment", kind: "enrollments", minimal: object{"orgId": "org_1"},
		full:    object{"orgId": "org_1", "regionLabel": "here", "description": "ours", "expiresAt": "2999-01-01T00:00:00Z"},
		edits:   object{"orgId": "org_2", "regionLabel": "there", "description": "yours", "expiresAt": "2999-02-01T00:00:00Z"},
		replace: []string{"orgId", "regionLabel", "description", "expiresAt"}},
}

func TestEverySampleIsComplete(t *testing.T) {
	var tokens []string
	for _, s := range samples {
		r := resourceByToken("pgbeam:index:" + s.token)
		tokens = append(tokens, r.Token)
		for _, p := range r.inputs() {
			if _, ok := s.full[p.Name]; !ok {
				t.Errorf("the full %s has no %s", s.token, p.Name)
			}
			if _, ok := s.edits[p.Name]; !ok {
				t.Errorf("the edits of %s have no %s", s.token, p.Name)
			}
		}
	}
	for _, r := range Resources {
		if !slices.Contains(tokens, r.Token) {
			t.Errorf("%s has no sample", r.Token)
		}
	}
}

// everySample runs a test with the minimal and the full inputs of each kind.
func everySample(t *testing.T, run func(t *testing.T, e *engine, s sample, inputs object)) {
	for _, s := range samples {
		for name, inputs := range map[string]object{"minimal": s.minimal, "full": s.full} {
			t.Run(s.token+"/"+name, func(t *testing.T) {
				e := newEngine(t)
				e.must(e.up("x", s.token, inputs))
				e.restart()
				e.api.seen()
				run(t, e, s, inputs)
			})
		}
	}
}

func TestUnchangedProgramChangesNothing(t *testing.T) {
	everySample(t, func(t *testing.T, e *engine, s sample, inputs object) {
		if d := e.diff("x", inputs); d.HasChanges {
			t.Errorf("the second up changes %v", d.DetailedDiff)
		}
		if drifted, err := e.refresh("x"); err != nil || drifted {
			t.Errorf("refresh: drift %v, %v", drifted, err)
		}
		if d := e.diff("x", inputs); d.HasChanges {
			t.Errorf("the up after refresh changes %v", d.DetailedDiff)
		}
	})
}

func TestEveryPropertyUpdatesOrReplacesAsDeclared(t *testing.T) {
	for _, s := range samples {
		for name, v := range s.edits {
			t.Run(s.token+"/"+name, func(t *testing.T) {
				e := newEngine(t)
				e.must(e.up("x", s.token, s.full))
				changed := with(s.full, object{name: v})
				d := e.diff("x", changed)
				if !d.HasChanges || len(d.DetailedDiff) != 1 {
					t.Fatalf("changing %s gives %v", name, d.DetailedDiff)
				}
				for at, diff := range d.DetailedDiff {
					if !strings.HasPrefix(at, name) {
						t.Errorf("the diff names %s", at)
					}
					if replaces := strings.HasSuffix(string(diff.Kind), "replace"); replaces != slices.Contains(s.replace, name) {
						t.Errorf("changing %s is %s", name, diff.Kind)
					}
				}
				if slices.Contains(s.replace, name) {
					return
				}
				e.must(e.up("x", s.token, changed))
				if d := e.diff("x", changed); d.HasChanges {
					t.Errorf("after the update of %s there is still %v", name, d.DetailedDiff)
				}
				if drifted, err := e.refresh("x"); err != nil || drifted {
					t.Errorf("after the update of %s refresh shows drift: %v %v", name, drifted, err)
				}
				if d := e.diff("x", changed); d.HasChanges {
					t.Errorf("after refresh there is still %v", d.DetailedDiff)
				}
			})
		}
	}
}

// A property that the program stops setting goes back to the server's default,
// really: the server is asked, and a later refresh agrees.
func TestEveryDroppedPropertyIsReset(t *testing.T) {
	for _, s := range samples {
		r := resourceByToken("pgbeam:index:" + s.token)
		for name := range s.full {
			prop := r.property(name)
			_, clearable := cleared(prop)
			if prop.Required || prop.Replace || !clearable {
				continue
			}
			t.Run(s.token+"/"+name, func(t *testing.T) {
				e := newEngine(t)
				e.must(e.up("x", s.token, s.full))
				less := with(s.full, object{name: nil})
				e.must(e.up("x", s.token, less))
				if _, err := e.refresh("x"); err != nil {
					t.Fatal(err)
				}
				want, _ := cleared(prop)
				if got := e.output("x", name); !prop.WriteOnly && !equal(&prop.Type, orNothing(prop, got), decode(&prop.Type, want)) {
					t.Errorf("%s is %v after it was dropped", name, got)
				}
				if d := e.diff("x", less); d.HasChanges {
					t.Errorf("after the reset there is still %v", d.DetailedDiff)
				}
			})
		}
	}
}

// A reviewer reads a policy in the program. Whoever loosened it past that, in
// properties that the program does not set, was left alone for ever.
func TestAPolicyIsAllThatTheProgramSays(t *testing.T) {
	e := newEngine(t)
	policy := object{"projectId": "prj_1", "name": "safe", "maxRows": 5, "statementRules": object{"allow": []any{"select"}}}
	e.must(e.up("p", "PolicyProfile", policy))
	e.api.set("policies", 0, object{
		"access_mode": "read_write", "approval_timeout_seconds": 9.0, "table_denylist": []any{"nothing"},
		"statement_rules": object{"allow": []any{"select"}, "deny": []any{"show"}},
		"masking_rules":   []any{object{"table": "users", "column": "email", "kind": "redact"}},
	})
	if _, err := e.refresh("p"); err != nil {
		t.Fatal(err)
	}
	found := slices.Sorted(maps.Keys(e.diff("p", policy).DetailedDiff))
	if want := []string{"accessMode", "approvalTimeoutSeconds", "maskingRules", "statementRules.deny", "tableDenylist"}; !slices.Equal(found, want) {
		t.Errorf("a preview undoes %v, want %v", found, want)
	}
	e.must(e.up("p", "PolicyProfile", policy))
	want := object{"access_mode": "read_only", "approval_timeout_seconds": 300.0, "table_denylist": []any{}, "masking_rules": []any{}, "max_rows": 5.0}
	got := e.api.objects["policies"][0]
	for name, v := range want {
		if !reflect.DeepEqual(got[name], v) {
			t.Errorf("%s is %v, want %v", name, got[name], v)
		}
	}
	if drifted, err := e.refresh("p"); err != nil || drifted || e.diff("p", policy).HasChanges {
		t.Errorf("afterwards: drift %v, %v, %v", drifted, err, e.diff("p", policy).DetailedDiff)
	}
}

func TestDeletedBehindOurBackIsCreatedAgain(t *testing.T) {
	everySample(t, func(t *testing.T, e *engine, s sample, inputs object) {
		if s.token == "SpendLimit" {
			e.api.set("plans", 0, object{"spend_limit": nil})
		} else {
			e.api.drop(s.kind)
		}
		if _, err := e.refresh("x"); err != nil {
			t.Fatalf("refresh of a missing object: %v", err)
		}
		if e.state["x"] != nil {
			t.Fatal("the missing object is still in the state")
		}
		e.must(e.up("x", s.token, inputs))
		if drifted, err := e.refresh("x"); err != nil || drifted {
			t.Errorf("the new object: drift %v, %v", drifted, err)
		}
	})
}

func TestDestroyLeavesNothing(t *testing.T) {
	everySample(t, func(t *testing.T, e *engine, s sample, inputs object) {
		e.must(e.destroy("x"))
		for _, o := range e.api.objects[s.kind] {
			switch s.token {
			case "SpendLimit":
				if o["spend_limit"] != nil {
					t.Errorf("the limit is still %v", o["spend_limit"])
				}
			case "CacheRule":
				if o["cache_enabled"] != false || o["cache_ttl_seconds"] != nil {
					t.Errorf("the rule is still %v", o)
				}
			default:
				t.Errorf("%v is still there", o)
			}
		}
	})
}

func TestDeleteOfSomethingGoneSucceeds(t *testing.T) {
	everySample(t, func(t *testing.T, e *engine, s sample, _ object) {
		if s.token != "SpendLimit" {
			e.api.drop(s.kind)
		}
		if err := e.destroy("x"); err != nil {
			t.Errorf("%v", err)
		}
	})
}

func TestImportPreviewsClean(t *testing.T) {
	everySample(t, func(t *testing.T, e *engine, s sample, inputs object) {
		r := resourceByToken("pgbeam:index:" + s.token)
		made := e.state["x"]
		template := r.Import
		id, ok := r.identity(template, object{"id": made.id}, made.state)
		if !ok {
			t.Fatalf("no import id: %s of %v", template, made.state)
		}
		e.must(e.importAs("y", s.token, id))
		got := e.state["y"]
		if got.id != made.id {
			t.Errorf("imported as %q, created as %q", got.id, made.id)
		}
		// The program that import writes sets exactly the inputs that came out.
		if d := e.diffWith("y", got.inputs); d.HasChanges {
			t.Errorf("the imported program changes %v", d.DetailedDiff)
		}
		// The program that created it differs in what no API tells, only.
		d := e.diff("y", inputs)
		for at := range d.DetailedDiff {
			if !slices.Contains([]string{"database.password", "password", "secret", "rotationTriggers"}, at) {
				t.Errorf("the program that created it changes %s", at)
			}
		}
		// Everything the API tells is among the inputs.
		for name, v := range inputs {
			prop := r.property(name)
			if prop.WriteOnly || name == rotationTriggers {
				continue
			}
			if in := got.inputs.Get(name); absent(in) && !equal(&prop.Type, value(v), orNothing(prop, property.Value{})) {
				t.Errorf("import left out %s", name)
			}
		}
	})
}

func TestReplacementOrder(t *testing.T) {
	for name, c := range map[string]struct {
		token string
		from  object
		to    object
		first bool // the old one is deleted first
	}{
		"same replica address":         {"Replica", samples[2].full, with(samples[2].full, object{"sslMode": "prefer"}), true},
		"another replica address":      {"Replica", samples[2].full, with(samples[2].full, object{"host": "other.example.com"}), false},
		"same credential name":         {"AgentCredential", samples[6].minimal, with(samples[6].minimal, object{"expiresAt": "2999-01-01T00:00:00Z"}), true},
		"another credential name":      {"AgentCredential", samples[6].minimal, with(samples[6].minimal, object{"name": "bot2"}), false},
		"same domain, another project": {"CustomDomain", samples[3].full, with(samples[3].full, object{"projectId": "prj_2"}), true},
		"same project name":            {"Project", aProject, with(aProject, object{"cloud": "gcp"}), true},
		"enrollment":                   {"SelfHostEnrollment", samples[9].full, with(samples[9].full, object{"regionLabel": "moon"}), false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.must(e.up("x", c.token, c.from))
			if d := e.diff("x", c.to); d.DeleteBeforeReplace != c.first {
				t.Errorf("delete before replace: %v, %v", d.DeleteBeforeReplace, d.DetailedDiff)
			}
			e.must(e.up("x", c.token, c.to))
			if d := e.diff("x", c.to); d.HasChanges {
				t.Errorf("after the replacement there is still %v", d.DetailedDiff)
			}
		})
	}
}

// The walk over all projects finds what a plain id names.
func TestImportByPlainID(t *testing.T) {
	e := newEngine(t)
	for _, name := range []string{"one", "two", "three"} {
		e.must(e.up(name, "Project", with(aProject, object{"name": name})))
	}
	projectID := e.state["three"].id
	databaseID := text(e.output("three", "primaryDatabaseId"))
	for token, inputs := range map[string]object{
		"Database": with(aDatabase, object{"projectId": projectID}), "Replica": {"databaseId": databaseID, "host": "r.example.com", "port": 5432},
		"CustomDomain":    {"projectId": projectID, "domain": "db.example.com"},
		"AgentCredential": {"projectId": projectID, "policyProfileId": "pol_1", "name": "bot"},
		"PolicyProfile":   {"projectId": projectID, "name": "safe"}, "WebhookEndpoint": {"projectId": projectID, "url": "https://example.com"},
		"SelfHostEnrollment": {"orgId": "org_1"}, "Project": aProject,
	} {
		e.must(e.up(token, token, inputs))
		e.restart()
		e.must(e.importAs("again", token, e.state[token].id))
		got := e.state["again"]
		if got.id != e.state[token].id {
			t.Errorf("%s %s was imported as %s", token, e.state[token].id, got.id)
		}
		for name, v := range inputs {
			if find(resourceByToken("pgbeam:index:"+token).Properties, name).WriteOnly || name == "database" || name == "password" {
				continue
			}
			if has := got.inputs.Get(name); !equal(&Type{}, has, value(v)) {
				t.Errorf("%s: %s was imported as %v", token, name, has)
			}
		}
	}
	if err := e.importAs("none", "Database", "db_404"); err == nil {
		t.Error("an id that nothing has was imported")
	}
}

// The program that `pulumi import` generates has "" where a required value
// cannot be read; it must preview clean all the same.
func TestTheProgramThatImportGeneratesPreviewsClean(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", samples[0].full))
	e.must(e.up("s", "SelfHostEnrollment", samples[9].minimal))
	e.api.set("enrollments", 0, object{"description": ""})
	e.restart()
	e.must(e.importAs("q", "Project", e.state["p"].id))
	e.must(e.importAs("r", "SelfHostEnrollment", e.state["s"].id))
	if _, ok := e.state["r"].inputs.GetOk("description"); ok {
		t.Error("an empty description became an input")
	}
	generated := e.state["q"].inputs
	generated = generated.Set("database", property.New(generated.Get("database").AsMap().Set("password", property.New(""))))
	if d := e.diffWith("q", generated); d.HasChanges {
		t.Errorf("%v", d.DetailedDiff)
	}
	e.must(e.upWith("q", "Project", generated.Set("description", property.New("new"))))
	if got := e.api.objects["databases"][0]["password"]; got != "db-canary" {
		t.Errorf("the password became %q", got)
	}
	// A password once given cannot be taken back by an empty one.
	e.must(e.up("q", "Project", samples[0].full))
	empty := with(samples[0].full, object{"database": with(fullDatabase, object{"password": ""})})
	if err := e.up("q", "Project", empty); err == nil || !strings.Contains(err.Error(), "database.password: must not be empty") {
		t.Errorf("%v", err)
	}
}

func TestImportSaysHowAnIDLooks(t *testing.T) {
	e := newEngine(t)
	for token, shape := range map[string]string{
		"Project": "<id>", "Database": "<projectId>/<id> or <id>", "Replica": "<databaseId>/<id> or <id>",
		"CacheRule": "<projectId>/<databaseId>/<queryHash>", "SpendLimit": "<orgId>", "SelfHostEnrollment": "<orgId>/<id> or <id>",
	} {
		for _, id := range []string{"a/b/c/d", "a b", "../x", "..", ""} {
			if err := e.importAs("x", token, id); err == nil || !strings.Contains(err.Error(), shape) {
				t.Errorf("import of %s %q: %v", token, id, err)
			}
		}
	}
	if len(e.api.seen()) > 0 {
		t.Error("a malformed id was asked for")
	}
}

// 0 and absent are different.
func TestZeroIsNotAbsent(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("l", "SpendLimit", object{"orgId": "org_1", "spendLimit": 0}))
	if got := e.api.body("PUT /v1/organizations/org_1/spend-limit"); got["spend_limit"] != 0.0 {
		t.Errorf("sent %v", got)
	}
	e.must(e.up("l", "SpendLimit", object{"orgId": "org_1"}))
	if got := e.api.body("PUT /v1/organizations/org_1/spend-limit"); got["spend_limit"] != nil || len(got) != 1 {
		t.Errorf("sent %v", got)
	}
	if drifted, err := e.refresh("l"); err != nil || drifted || e.state["l"] == nil {
		t.Errorf("a program that asks for no limit lost its resource: %v %v", drifted, err)
	}
	if d := e.diff("l", object{"orgId": "org_1", "spendLimit": 0}); !d.HasChanges {
		t.Error("0 after nothing is no change")
	}
	if d := e.diff("l", object{"orgId": "org_1", "spendLimit": nil}); d.HasChanges {
		t.Errorf("null after nothing is %v", d.DetailedDiff)
	}
}

// A kind that the program took off one of the two lists stayed on it, as long
// as the program set the other list.
func TestDroppedStatementRulesAreTakenBack(t *testing.T) {
	for _, dropped := range []string{"allow", "deny"} {
		e := newEngine(t)
		policy := func(rules object) object {
			return object{"projectId": "prj_1", "name": "safe", "statementRules": rules}
		}
		rules := object{"allow": []any{"select"}, "deny": []any{"show"}}
		e.must(e.up("p", "PolicyProfile", policy(rules)))
		now := maps.Clone(rules)
		delete(now, dropped)
		if d := e.diff("p", policy(now)).DetailedDiff; len(d) != 1 || string(d["statementRules."+dropped].Kind) != "delete" {
			t.Errorf("without %s: %v", dropped, d)
		}
		e.must(e.up("p", "PolicyProfile", policy(now)))
		got, _ := e.api.objects["policies"][0]["statement_rules"].(map[string]any)
		if left, _ := got[dropped].([]any); len(left) > 0 || len(got) == 0 {
			t.Errorf("without %s the service has %v", dropped, got)
		}
		if d := e.diff("p", policy(now)); d.HasChanges {
			t.Errorf("without %s, again: %v", dropped, d.DetailedDiff)
		}
	}
}
