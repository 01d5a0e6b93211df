package pulumi

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// Each resource with mistakes fails at preview, with one message for every
// mistake that names the property, the value and what is allowed. A secret is
// never among the values, and nothing was made. The engine stops at the first
// resource that is refused, so each has a program of its own.
func TestBadInputFailsAtPreview(t *testing.T) {
	const project, password = "prj_01h455vb4pex5vsknk084sn02q", "canary-of-a-bad-program"
	cases := []struct {
		kind     string
		with     map[string]any
		messages [][]string // what one line each must say
	}{
		{"Project", map[string]any{
			"orgId": "org_x", "name": strings.Repeat("n", 101), "cloud": "asure", "agentsDisabld": true, "description": 7,
			"tags": []any{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}, "allowedCidrs": []any{"10.0.0.0/8", "10.1.2.3/8", "300.1.1.1"},
			"database": map[string]any{
				"host": "https://db.example.com", "port": 70000, "name": strings.Repeat("d", 64), "username": "", "password": secret(password), "queryTimeoutMs": 3.7, "sslMode": secret("canary-ssl-mode"),
				"poolConfig": map[string]any{"poolSize": 0, "minPoolSize": 1, "poolMode": "session"},
			},
		}, [][]string{
			{"name", "100"}, {"cloud", `"asure"`, "azure"}, {"agentsDisabld", "agentsDisabled"}, {"description", "7", "string"}, {"tags", "11", "10"},
			{"allowedCidrs[1]", "10.1.2.3/8", "10.0.0.0/8"}, {"allowedCidrs[2]", "300.1.1.1"}, {"database.host", "https://db.example.com"}, {"database.port", "70000", "65535"},
			{"database.name", "63"}, {"database.username", "empty"}, {"database.queryTimeoutMs", "3.7", "whole number"}, {"database.sslMode", "verify-full"}, {"database.poolConfig.poolSize", "0", "1"},
		}},
		{"PolicyProfile", map[string]any{
			"projectId": project, "accessMode": "readonly", "maxRows": "many", "statementRules": map[string]any{"allow": []any{"selct"}},
			"tableAllowlist": []any{"public.users"}, "tableDenylist": []any{"users"}, "maskingRules": []any{map[string]any{"table": "users", "column": strings.Repeat("c", 64), "kind": "blur"}},
		}, [][]string{
			{"name", "required"}, {"accessMode", `"readonly"`, "read_only"}, {"maxRows", "many"}, {"tableDenylist[0]", "users", "tableAllowlist[0]"}, {"maskingRules[0].column", "63"}, {"maskingRules[0].kind", "blur", "redact"},
		}},
		{"CacheRule", map[string]any{"projectId": project, "databaseId": "db_01h455vb4pex5vsknk084sn02q", "queryHash": "not a hash", "cacheEnabled": "yes", "cacheTtlSeconds": 90000}, [][]string{
			{"queryHash", "not a hash", "16"}, {"cacheEnabled", "yes"}, {"cacheTtlSeconds", "90000", "86400"},
		}},
		{"AgentCredential", map[string]any{"projectId": project, "policyProfileId": "pol_01h455vb4pex5vsknk084sn02q", "name": "a", "expiresAt": "2020-01-01T00:00:00Z", "principalType": "robot"}, [][]string{
			{"expiresAt", "2020-01-01T00:00:00Z", "past"}, {"principalType", "robot", "agent", "human"},
		}},
		{"WebhookEndpoint", map[string]any{"projectId": project, "url": "http://hooks.example.com/x", "format": "xml", "secret": secret(password + strings.Repeat("x", 300))}, [][]string{
			{"url", "http://hooks.example.com/x", "https"}, {"format", "xml", "json"}, {"secret", "256"},
		}},
		{"CustomDomain", map[string]any{"projectId": project, "domain": "not_a_host!"}, [][]string{{"domain", "not_a_host!"}}},
		{"SpendLimit", map[string]any{"orgId": "org_x", "spendLimit": -1}, [][]string{{"spendLimit", "-1", "0"}}},
		{"SelfHostEnrollment", map[string]any{"orgId": "org_x", "expiresAt": "tomorrow", "regionLabel": strings.Repeat("r", 101)}, [][]string{{"expiresAt", "tomorrow"}, {"regionLabel", "100"}}},
	}
	beam := harness.StartBeam(t, harness.BeamOptions{})
	gate := harness.NewGate(t, beam.URL)
	for i, c := range cases {
		t.Run(c.kind, func(t *testing.T) {
			// The plainest program there is: YAML and typed SDKs find some of these
			// mistakes themselves and then say nothing of the others.
			stack := inline(t, func(ctx *pulumi.Context) error {
				var r pulumi.CustomResourceState
				return ctx.RegisterResource("pgbeam:index:"+c.kind, "bad", untyped(c.with), &r)
			}, append(beam.Env(), "PGBEAM_API_URL="+gate.URL)...)
			runs := map[string]func(*testing.T) (string, error){"preview": stack.preview}
			if i == 0 {
				runs["up"] = stack.up
			}
			for command, run := range runs {
				said, err := run(t)
				if err == nil {
					t.Fatalf("pulumi %s accepts it", command)
				}
				for _, want := range c.messages {
					if !slices.ContainsFunc(strings.Split(said, "\n"), func(line string) bool { return containsAll(line, want) }) {
						t.Errorf("no line of pulumi %s says all of %q", command, want)
					}
				}
				harness.Secrets{"password": password, "ssl mode": "canary-ssl-mode"}.NotIn(t, "the messages", []byte(said))
				if t.Failed() {
					t.Fatalf("all that it says:\n%s", said)
				}
			}
		})
	}
	for _, r := range gate.Requests() {
		if !strings.HasPrefix(r, http.MethodGet) {
			t.Errorf("a program that fails at preview made a request: %s", r)
		}
	}
	beam.Empty(t)
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
