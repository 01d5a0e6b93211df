package pulumi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// A program with every kind of mistake fails at preview, with one message for
// each that names the property, the value and what to do; a secret is never
// among the values, and nothing was asked of the API, let alone made.
func TestBadInputFailsAtPreview(t *testing.T) {
	const project, password = "prj_01h455vb4pex5vsknk084sn02q", "canary-of-a-bad-program"
	database := func(change map[string]any) map[string]any {
		d := map[string]any{"host": "db.example.com", "port": 5432, "name": "app", "username": "app", "password": secret(password)}
		for k, v := range change {
			d[k] = v
		}
		return d
	}
	policy := func(property string, value any) map[string]any {
		return map[string]any{"projectId": project, "name": "p", property: value}
	}
	cases := []struct {
		kind  string
		with  map[string]any
		wants []string // what the one message must say
	}{
		{"PolicyProfile", policy("accessMode", "readonly"), []string{"accessMode", `"readonly"`, "read_only", "read_write"}},
		{"Project", map[string]any{"orgId": "org_x", "name": "p", "database": database(map[string]any{"port": 70000})}, []string{"database.port", "70000", "65535"}},
		{"Project", map[string]any{"orgId": "org_x", "name": strings.Repeat("n", 101), "database": database(nil)}, []string{"name", "100"}},
		{"CacheRule", map[string]any{"projectId": project, "databaseId": "db_01h455vb4pex5vsknk084sn02q", "queryHash": "not a hash", "cacheEnabled": true}, []string{"queryHash", `"not a hash"`, "16"}},
		{"Project", map[string]any{"orgId": "org_x", "name": "p", "database": database(nil), "allowedCidrs": []any{"10.0.0.0/8", "10.1.2.3/8"}}, []string{"allowedCidrs[1]", "10.1.2.3/8", "10.0.0.0/8"}},
		{"Project", map[string]any{"orgId": "org_x", "name": "p", "database": database(map[string]any{"host": "https://db.example.com"})}, []string{"database.host", "https://db.example.com"}},
		{"AgentCredential", map[string]any{"projectId": project, "policyProfileId": "pol_01h455vb4pex5vsknk084sn02q", "name": "a", "expiresAt": "2020-01-01T00:00:00Z"}, []string{"expiresAt", "2020-01-01T00:00:00Z", "future"}},
		{"PolicyProfile", policy("maskingRules", []any{map[string]any{"table": "users", "column": strings.Repeat("c", 64), "kind": "hash"}}), []string{"maskingRules[0].column", "63"}},
		{"PolicyProfile", map[string]any{"projectId": project, "name": "p", "tableAllowlist": []any{"public.users"}, "tableDenylist": []any{"users"}}, []string{"tableAllowlist", "tableDenylist", "users"}},
		{"PolicyProfile", policy("maxRows", "many"), []string{"maxRows", "many"}},
		{"PolicyProfile", policy("maxRows", 3.7), []string{"maxRows", "3.7", "whole number"}},
		{"PolicyProfile", policy("acessMode", "read_only"), []string{"acessMode", "accessMode"}},
		{"WebhookEndpoint", map[string]any{"projectId": project, "url": "http://hooks.example.com/x"}, []string{"url", "http://hooks.example.com/x", "https"}},
		{"WebhookEndpoint", map[string]any{"projectId": project}, []string{"url", "required"}},
		{"CustomDomain", map[string]any{"projectId": project, "domain": "not_a_host!"}, []string{"domain", "not_a_host!"}},
		{"SpendLimit", map[string]any{"orgId": "org_x", "spendLimit": -1}, []string{"spendLimit", "-1", "0"}},
		{"Replica", map[string]any{"databaseId": "db_01h455vb4pex5vsknk084sn02q", "host": "r", "port": 5432, "sslMode": secret("canary-ssl-mode-" + password)}, []string{"sslMode", "verify-full"}},
	}
	beam := harness.StartBeam(t, harness.BeamOptions{})
	gate := harness.NewGate(t, beam.URL)
	program := resources{}
	for i, c := range cases {
		program["bad"+string(rune('A'+i))] = resource(c.kind, c.with)
	}
	stack := newStack(t, program, append(beam.Env(), "PGBEAM_API_URL="+gate.URL)...)
	for _, command := range [][]string{{"preview"}, {"up", "--yes", "--skip-preview"}} {
		r := stack.Try(command...)
		if r.Err == nil {
			t.Fatalf("pulumi %v accepts the program\n%s", command, r.Both())
		}
		for i, c := range cases {
			name := "bad" + string(rune('A'+i))
			if message := messageAbout(r.Both(), name); !containsAll(message, c.wants) {
				t.Errorf("pulumi %v says about %s %v:\n%s\nwant all of %q in it", command, c.kind, c.with, message, c.wants)
			}
		}
		t.Log(r.Both())
		harness.Secrets{"password": password}.NotIn(t, "the messages", []byte(r.Both()))
	}
	for _, r := range gate.Requests() {
		if !strings.HasPrefix(r, http.MethodGet) {
			t.Errorf("a program that fails at preview made a request: %s", r)
		}
	}
	beam.Empty(t)
}

// messageAbout picks the lines of an output that speak of one resource.
func messageAbout(output, resource string) string {
	var about []string
	inside := false
	for _, line := range strings.Split(output, "\n") {
		switch {
		case strings.Contains(line, "'"+resource+"'") || strings.Contains(line, "("+resource+")") || strings.Contains(line, "::"+resource):
			inside = true
		case strings.TrimSpace(line) == "" || !strings.HasPrefix(line, "    "):
			inside = false
		}
		if inside {
			about = append(about, line)
		}
	}
	return strings.Join(about, "\n")
}

func containsAll(text string, wants []string) bool {
	for _, w := range wants {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func TestAMissingKeyIsToldAtPreview(t *testing.T) {
	beam := harness.StartBeam(t, harness.BeamOptions{})
	stack := newStack(t, everything(beam.Org), "PGBEAM_API_URL="+beam.URL, "PGBEAM_API_KEY=")
	r := stack.Try("preview")
	if r.Err == nil || !containsAll(r.Both(), []string{"configure(", "pgbeam:apiKey", "PGBEAM_API_KEY"}) {
		t.Errorf("preview without a key: %v\n%s", r.Err, r.Both())
	}
}
