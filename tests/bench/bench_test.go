// Package bench measures what the provider adds to what the engine takes
// anyway, and what the server adds to what PostgreSQL does. It prints; it
// never fails because of a time.
package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

const floor = "github.com/pgbeam/pulumi-pgbeam/tests/bench/floor"

var operations = []struct {
	name string
	args []string
}{
	{"up", []string{"up", "--yes", "--skip-preview"}},
	{"preview", []string{"preview"}},
	{"refresh", []string{"refresh", "--yes", "--skip-preview"}},
	{"destroy", []string{"destroy", "--yes", "--skip-preview"}},
}

// BenchmarkTwoHundredResources runs one program through a life with our
// provider and with one that does nothing, by turns, so that whatever else the
// machine does falls on both. -benchtime=Nx sets the number of rounds.
func BenchmarkTwoHundredResources(b *testing.B) {
	beam := harness.StartBeam(b, harness.BeamOptions{LogLevel: "info"})
	gate := harness.NewGate(b, beam.URL)
	dir := b.TempDir()
	size := program(b, dir, beam.Org)
	ours := harness.NewPulumi(b, beam.Env()...).NewStack(b, dir, "ours")
	idle := harness.NewPulumiWith(b, floor, beam.Env()...).NewStack(b, dir, "floor")

	// Once through the gate, to count; also a warm-up for both.
	counted := *ours
	counted.Pulumi = &harness.Pulumi{Backend: ours.Backend, Env: append(slices.Clone(ours.Env), "PGBEAM_API_URL="+gate.URL)}
	requests := map[string][]string{}
	for _, o := range operations {
		gate.On(nil, nil)
		counted.Must(o.args...)
		requests[o.name] = gate.Requests()
		idle.Must(o.args...)
	}

	took := map[string][2][]time.Duration{}
	for b.Loop() {
		for _, o := range operations {
			t := took[o.name]
			t[0] = append(t[0], ours.Must(o.args...).Took)
			t[1] = append(t[1], idle.Must(o.args...).Took)
			took[o.name] = t
		}
	}

	var out strings.Builder
	fmt.Fprintf(&out, "\n%d resources of every kind, YAML, median of %d rounds by turns\n\n", size, len(took["up"][0]))
	fmt.Fprintf(&out, "  %-10s %10s %10s %8s %10s\n", "", "PgBeam", "floor", "ratio", "requests")
	for _, o := range operations {
		with, without := median(took[o.name][0]), median(took[o.name][1])
		ratio := with.Seconds() / without.Seconds()
		fmt.Fprintf(&out, "  %-10s %9.2fs %9.2fs %8.2f %10d\n", o.name, with.Seconds(), without.Seconds(), ratio, len(requests[o.name]))
		b.ReportMetric(ratio, o.name+"-ratio")
	}
	fmt.Fprint(&out, "\nThe floor is a provider that does nothing: what the engine itself takes.\n\n")
	fmt.Print(out.String())
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// program writes one with about two hundred resources, all ten kinds, and
// returns how many there are.
func program(b *testing.B, dir, org string) int {
	resources := map[string]any{}
	add := func(name, kind string, properties map[string]any) {
		resources[name] = map[string]any{"type": "pgbeam:" + kind, "properties": properties}
	}
	secret := func(v string) map[string]any { return map[string]any{"fn::secret": v} }
	add("limit", "SpendLimit", map[string]any{"orgId": org, "spendLimit": 100})
	for i := range 22 {
		n := fmt.Sprintf("%02d", i)
		project := "${project" + n + ".id}"
		add("project"+n, "Project", map[string]any{"orgId": org, "name": "bench-" + n, "tags": []any{"bench"},
			"database": map[string]any{"host": "db.example.com", "port": 5432, "name": "app", "username": "app", "password": secret("of the database")}})
		add("database"+n, "Database", map[string]any{"projectId": project, "host": "reports.example.com", "port": 5432, "name": "reports", "username": "app", "password": secret("of the database")})
		add("replica"+n, "Replica", map[string]any{"databaseId": "${project" + n + ".primaryDatabaseId}", "host": "replica.example.com", "port": 5432, "sslMode": "require"})
		add("domain"+n, "CustomDomain", map[string]any{"projectId": project, "domain": "db" + n + ".bench.example.com"})
		add("rule"+n, "CacheRule", map[string]any{"projectId": project, "databaseId": "${project" + n + ".primaryDatabaseId}", "queryHash": fmt.Sprintf("%016x", i+1), "cacheEnabled": true, "cacheTtlSeconds": 60})
		add("policy"+n, "PolicyProfile", map[string]any{"projectId": project, "name": "readers", "tableDenylist": []any{"public.secrets"}, "maskingRules": []any{map[string]any{"table": "public.users", "column": "email", "kind": "hash"}}})
		add("agent"+n, "AgentCredential", map[string]any{"projectId": project, "policyProfileId": "${policy" + n + ".id}", "name": "agent"})
		add("webhook"+n, "WebhookEndpoint", map[string]any{"projectId": project, "url": "https://hooks.example.com/bench", "secret": secret("of the webhook")})
		add("enrollment"+n, "SelfHostEnrollment", map[string]any{"orgId": org, "regionLabel": "rack " + n})
	}
	text, err := json.Marshal(map[string]any{"name": "bench", "runtime": "yaml", "resources": resources})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), text, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	return len(resources)
}
