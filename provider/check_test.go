package provider

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// failures are what a check of these inputs says.
func (e *engine) failures(token string, inputs object) []string {
	e.t.Helper()
	_, err := e.check(urnOf("pgbeam:index:"+token, "x"), nil, values(inputs))
	var wrong refused
	if err != nil && !errors.As(err, &wrong) {
		e.t.Fatal(err)
	}
	return wrong
}

func TestCheckNamesPropertyValueAndRemedy(t *testing.T) {
	policy, agent, webhook := samples[7].minimal, samples[6].minimal, samples[8].minimal
	rule := samples[4].minimal
	for name, c := range map[string]struct {
		token  string
		inputs object
		want   string
	}{
		"number out of range":     {"Project", with(aProject, object{"database": with(aDatabase, object{"port": 70000})}), "database.port: 70000 is out of range; allowed: 1 to 65535"},
		"fraction":                {"Project", with(aProject, object{"database": with(aDatabase, object{"port": 3.7})}), "database.port: 3.7 is not a whole number; allowed: 1 to 65535"},
		"text for a number":       {"Project", with(aProject, object{"database": with(aDatabase, object{"port": "5432"})}), `database.port: "5432" is not a whole number; allowed: 1 to 65535`},
		"number for a text":       {"Project", with(aProject, object{"name": 3}), "name: 3 is not a string"},
		"text for a flag":         {"Project", with(aProject, object{"agentsDisabled": "no"}), `agentsDisabled: "no" is not true or false`},
		"text for a list":         {"Project", with(aProject, object{"tags": "a"}), `tags: "a" is not a list`},
		"text for an object":      {"Project", with(aProject, object{"database": "db"}), `database: "db" is not an object`},
		"enum":                    {"Project", with(aProject, object{"cloud": "amazon"}), `cloud: "amazon" is not allowed; allowed: "aws", "azure" or "gcp"`},
		"enum misspelt":           {"PolicyProfile", with(policy, object{"accessMode": "readOnly"}), `did you mean "read_only"?`},
		"enum in a list":          {"PolicyProfile", with(policy, object{"maskingRules": []any{object{"table": "t", "column": "c", "kind": "nil"}}}), `maskingRules[0].kind: "nil" is not allowed; allowed: "redact", "null" or "hash"; did you mean "null"?`},
		"status nobody may set":   {"Project", with(aProject, object{"status": "deleted"}), `status: "deleted" is not allowed; allowed: "active" or "suspended"`},
		"revoked status":          {"AgentCredential", with(agent, object{"status": "revoked"}), `status: "revoked" is not allowed; allowed: "active" or "disabled"`},
		"too many":                {"Project", with(aProject, object{"tags": []any{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}}), "tags: has 11 entries, at most 10 are allowed"},
		"too long":                {"Project", with(aProject, object{"name": strings.Repeat("n", 101)}), "has 101 characters, at most 100 are allowed"},
		"too long in a list":      {"Project", with(aProject, object{"tags": []any{strings.Repeat("n", 51)}}), "tags[0]: "},
		"empty":                   {"Project", with(aProject, object{"name": ""}), "name: must not be empty"},
		"missing":                 {"Project", with(aProject, object{"orgId": nil}), "orgId: is required"},
		"missing nested":          {"Project", with(aProject, object{"database": with(aDatabase, object{"host": nil})}), "database.host: is required"},
		"unknown property":        {"Project", with(aProject, object{"allowedCidr": []any{}}), `allowedCidr: is no property of a project; did you mean "allowedCidrs"?`},
		"snake case":              {"Project", with(aProject, object{"agents_disabled": true}), `agents_disabled: is no property of a project; did you mean "agentsDisabled"?`},
		"unknown nested":          {"Project", with(aProject, object{"database": with(aDatabase, object{"user": "x"})}), `database.user: is no property of a projectDatabase`},
		"output as input":         {"Project", with(aProject, object{"proxyHost": "x"}), "proxyHost: is no property of a project"},
		"null in a list":          {"Project", with(aProject, object{"tags": []any{nil}}), "tags[0]: must not be null"},
		"host bits":               {"Project", with(aProject, object{"allowedCidrs": []any{"10.0.0.1/8"}}), `allowedCidrs[0]: "10.0.0.1/8" has bits set below its mask; did you mean 10.0.0.0/8, or 10.0.0.1/32?`},
		"no range":                {"Project", with(aProject, object{"allowedCidrs": []any{object{"cidr": "10.0.0.300"}}}), `allowedCidrs[0].cidr: "10.0.0.300" is not an address range`},
		"mask too long":           {"Project", with(aProject, object{"allowedCidrs": []any{"10.0.0.0/33"}}), `is not an address range`},
		"label too long":          {"Project", with(aProject, object{"allowedCidrs": []any{object{"cidr": "10.0.0.0/8", "label": strings.Repeat("l", 101)}}}), "allowedCidrs[0].label: "},
		"number for a range":      {"Project", with(aProject, object{"allowedCidrs": []any{10}}), "allowedCidrs[0]: 10 is not a string or an object with cidr"},
		"host with space":         {"Replica", object{"databaseId": "db_1", "host": "a b", "port": 1}, `host: "a b" is not a host name`},
		"host with port":          {"Replica", object{"databaseId": "db_1", "host": "a:5432", "port": 1}, `put "a" into host and "5432" into port`},
		"host with scheme":        {"Replica", object{"databaseId": "db_1", "host": "https://a", "port": 1}, `write the host alone`},
		"domain is an address":    {"CustomDomain", object{"projectId": "p", "domain": "192.0.2.1"}, "is an address; a domain name is needed"},
		"domain of one label":     {"CustomDomain", object{"projectId": "p", "domain": "db"}, "a full domain name"},
		"webhook without TLS":     {"WebhookEndpoint", with(webhook, object{"url": "http://example.com"}), `url: "http://example.com" must begin with https://`},
		"webhook without host":    {"WebhookEndpoint", with(webhook, object{"url": "https://"}), "is not an address"},
		"webhook with password":   {"WebhookEndpoint", with(webhook, object{"url": "https://u:p@example.com"}), "holds a user name or password"},
		"past":                    {"AgentCredential", with(agent, object{"expiresAt": "2001-01-01T00:00:00Z"}), `expiresAt: "2001-01-01T00:00:00Z" is in the past`},
		"no date":                 {"AgentCredential", with(agent, object{"expiresAt": "tomorrow"}), "is not a date and time; allowed: RFC 3339"},
		"identifier too long":     {"Project", with(aProject, object{"database": with(aDatabase, object{"name": strings.Repeat("é", 32)})}), "has 64 bytes; PostgreSQL names have at most 63"},
		"empty identifier":        {"PolicyProfile", with(policy, object{"maskingRules": []any{object{"table": "t", "column": "", "kind": "null"}}}), "maskingRules[0].column: "},
		"relation":                {"PolicyProfile", with(policy, object{"tableAllowlist": []any{"a.b.c"}}), "has more than a schema and a table"},
		"relation quote":          {"PolicyProfile", with(policy, object{"tableAllowlist": []any{`"a`}}), "has a quote that does not end"},
		"predicate":               {"PolicyProfile", with(policy, object{"rowFilters": []any{object{"table": "t", "predicate": "WHERE a = 1"}}}), "begins with WHERE"},
		"query hash":              {"CacheRule", with(rule, object{"queryHash": "A1B2C3D4E5F60718"}), "16 lower-case hexadecimal digits are needed, as getQueryHash gives them"},
		"id that climbs":          {"Replica", object{"databaseId": "a/b", "host": "a", "port": 1}, `databaseId: "a/b" does not fit`},
		"negative budget":         {"PolicyProfile", with(policy, object{"maxRows": -1}), "maxRows: -1 is out of range; allowed: 0 or more"},
		"table allowed, denied":   {"PolicyProfile", with(policy, object{"tableAllowlist": []any{"Public.Users"}, "tableDenylist": []any{"x", `public."users"`}}), `is also in tableAllowlist[0]; a table is either allowed or denied, remove one`},
		"kind allowed and denied": {"PolicyProfile", with(policy, object{"statementRules": object{"allow": []any{"select"}, "deny": []any{"select"}}}), `statementRules.deny[0]: "select" is also in statementRules.allow[0]`},
		"kind of statement":       {"PolicyProfile", with(policy, object{"statementRules": object{"allow": []any{"SELECT"}}}), `statementRules.allow[0]: "SELECT" is not known; allowed: "select", "insert"`},
		"event":                   {"WebhookEndpoint", with(webhook, object{"eventTypes": []any{"queryBlocked"}}), `did you mean "query_blocked"?`},
		"bare and in public":      {"PolicyProfile", with(policy, object{"tableAllowlist": []any{"public.users"}, "tableDenylist": []any{"users"}}), `is also in tableAllowlist[0]`},
		"beyond ASCII":            {"PolicyProfile", with(policy, object{"tableAllowlist": []any{`Größe`}, "tableDenylist": []any{`"größe"`}}), `is also in tableAllowlist[0]`},
		"two masks":               {"PolicyProfile", with(policy, object{"maskingRules": []any{object{"table": "t", "column": "c", "kind": "null"}, object{"table": "T", "column": "c", "kind": "hash"}}}), `maskingRules[1].kind: "hash" contradicts maskingRules[0].kind, which is another for the same column`},
		"pool sizes":              {"Project", with(aProject, object{"database": with(aDatabase, object{"poolConfig": object{"poolSize": 5, "minPoolSize": 6, "poolMode": "session"}})}), "database.poolConfig.minPoolSize: 6 is more than database.poolConfig.poolSize, which is 5"},
		"map of another kind":     {"AgentCredential", with(agent, object{"rotationTriggers": object{"a b": 1}}), `rotationTriggers["a b"]: 1 is not a string`},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			got := e.failures(c.token, c.inputs)
			if len(got) != 1 || !strings.Contains(got[0], c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestCheckAccepts(t *testing.T) {
	policy, agent, webhook := samples[7].minimal, samples[6].minimal, samples[8].minimal
	for name, c := range map[string]struct {
		token  string
		inputs object
	}{
		"IPv6 and single addresses": {"Project", with(aProject, object{"allowedCidrs": []any{"2001:db8::/32", "::1", "192.0.2.7", object{"cidr": "10.0.0.0/8", "label": "x"}}})},
		"hosts":                     {"Project", with(aProject, object{"database": with(aDatabase, object{"host": "my_db.internal"})})},
		"IPv6 host":                 {"Project", with(aProject, object{"database": with(aDatabase, object{"host": "2001:db8::1"})})},
		"quoted relations":          {"PolicyProfile", with(policy, object{"tableAllowlist": []any{`public."Order ""Lines"""`, "straße", `"a.b"."c.d"`}})},
		"63 bytes beyond ASCII":     {"PolicyProfile", with(policy, object{"tableAllowlist": []any{`"` + strings.Repeat("я", 31) + `x"`}})},
		"other letters do not fold": {"PolicyProfile", with(policy, object{"tableAllowlist": []any{"Ärger"}, "tableDenylist": []any{`"ärger"`}})},
		"quoted name differs":       {"PolicyProfile", with(policy, object{"tableAllowlist": []any{`"Users"`}, "tableDenylist": []any{"users"}})},
		"webhook on this machine":   {"WebhookEndpoint", with(webhook, object{"url": "http://localhost:8080/hook"})},
		"time with offset":          {"AgentCredential", with(agent, object{"expiresAt": "2999-01-01T00:00:00.5+02:00"})},
		"the same mask twice":       {"PolicyProfile", with(policy, object{"maskingRules": []any{object{"table": "t", "column": "c", "kind": "null"}, object{"table": "t", "column": "c", "kind": "null"}}})},
		"nulls":                     {"Project", with(aProject, object{"description": property.New(property.Null), "database": with(aDatabase, object{"role": property.New(property.Null)})})},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newEngine(t).failures(c.token, c.inputs); len(got) > 0 {
				t.Error(got)
			}
		})
	}
}

func TestCheckFindsEverythingInOneRun(t *testing.T) {
	e := newEngine(t)
	got := e.failures("Project", object{"orgId": 1, "name": "", "cloud": "moon", "tags": "x", "database": object{"host": "a b", "port": 0, "name": "", "username": "u", "password": "", "sslMode": "on"}, "nam": "x"})
	if len(got) != 10 {
		t.Errorf("%d findings:\n%s", len(got), strings.Join(got, "\n"))
	}
	if len(e.api.seen()) > 0 {
		t.Error("a check asked the API")
	}
}

func TestUnknownInputsPassAndDoNotCrash(t *testing.T) {
	for _, s := range samples {
		e := newEngine(t)
		r := resourceByToken("pgbeam:index:" + s.token)
		inputs := object{}
		for name := range s.full {
			inputs[name] = unknown
		}
		if got := e.failures(s.token, inputs); len(got) > 0 {
			t.Errorf("%s: %v", s.token, got)
		}
		resp, err := e.srv.Create(p.CreateRequest{Urn: urnOf(r.Token, "x"), Properties: values(inputs), DryRun: true})
		if err != nil || !resp.Properties.Get(r.inputs()[0].Name).IsComputed() {
			t.Errorf("%s: %v %v", s.token, resp.Properties, err)
		}
		e.must(e.up("x", s.token, s.full))
		e.api.seen()
		e.preview("x", inputs)
		e.diff("x", inputs)
		if len(e.api.seen()) > 0 {
			t.Errorf("%s: a preview asked the API", s.token)
		}
	}
	e := newEngine(t)
	if got := e.failures("PolicyProfile", with(samples[7].minimal, object{"maskingRules": []any{object{"table": unknown, "column": "c", "kind": unknown}, unknown},
		"tableAllowlist": []any{unknown}, "tableDenylist": unknown})); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// An expiry that was ahead when it was set passes; the program is not wrong
// for it afterwards.
func TestExpiryThatHasPassedSinceIsNoFailure(t *testing.T) {
	e := newEngine(t)
	urn := urnOf("pgbeam:index:AgentCredential", "x")
	inputs := values(with(samples[6].minimal, object{"expiresAt": time.Now().Add(-time.Hour).Format(time.RFC3339)}))
	if _, err := e.check(urn, nil, inputs); err == nil {
		t.Error("a first expiry in the past was accepted")
	}
	if _, err := e.check(urn, &saved{inputs: inputs}, inputs); err != nil {
		t.Errorf("the unchanged expiry: %v", err)
	}
}

func TestCheckMarksSecretInputs(t *testing.T) {
	e := newEngine(t)
	got, err := e.check(urnOf("pgbeam:index:Project", "x"), nil, values(aProject))
	e.must(err)
	if !field(got.Get("database"), "password").Secret() {
		t.Error("the nested password is not marked")
	}
	if got.Get("name").Secret() || got.Get("database").Secret() {
		t.Error("what is no secret is marked")
	}
	got, err = e.check(urnOf("pgbeam:index:WebhookEndpoint", "x"), nil, values(samples[8].full))
	e.must(err)
	if !got.Get("secret").Secret() {
		t.Error("the webhook secret is not marked")
	}
}

func TestUnknownResourceIsNamed(t *testing.T) {
	e := newEngine(t)
	_, err := e.srv.Check(p.CheckRequest{Urn: urnOf("pgbeam:index:Projet", "x")})
	if err == nil || !strings.Contains(err.Error(), `did you mean "pgbeam:index:Project"?`) {
		t.Error(err)
	}
}

func TestEveryFormatOfTheTablesIsChecked(t *testing.T) {
	var visit func(at string, t *testing.T, ty *Type)
	visit = func(at string, t *testing.T, ty *Type) {
		if ty.Format != "" && formats[ty.Format] == nil {
			t.Errorf("%s has the format %q, which nothing checks", at, ty.Format)
		}
		if ty.Pattern != "" {
			pattern(ty.Pattern)
		}
		if ty.Items != nil {
			visit(at+"[]", t, ty.Items)
		}
		for i := range ty.Fields {
			visit(at+"."+ty.Fields[i].Name, t, &ty.Fields[i].Type)
		}
	}
	for _, r := range Resources {
		for i := range r.Properties {
			visit(r.Token+"."+r.Properties[i].Name, t, &r.Properties[i].Type)
		}
	}
}

func TestSuggestions(t *testing.T) {
	for got, want := range map[string]string{"cachTtlSeconds": "cacheTtlSeconds", "cache_enabled": "cacheEnabled", "TAGS": "tags", "zzzzzz": ""} {
		hint := suggest(got, []string{"cacheTtlSeconds", "cacheEnabled", "tags"})
		if want == "" && hint != "" || !strings.Contains(hint, want) {
			t.Errorf("%s: %q", got, hint)
		}
	}
	if distance("kitten", "sitting") != 3 || distance("", "ab") != 2 {
		t.Error("distance is wrong")
	}
	if !slices.Equal([]string{oneOf([]string{"a"}, "or"), oneOf([]string{"a", "b", "c"}, "or")}, []string{"a", "a, b or c"}) {
		t.Error("oneOf is wrong")
	}
}
