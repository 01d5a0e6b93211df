package bench

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

const (
	straight    = "PostgreSQL itself"
	bouncer     = "PgBouncer"
	passthrough = "PgBeam, a user of the database"
	untouched   = "PgBeam, policy, no rule touched"
	ruled       = "PgBeam, policy, mask and filter"
)

// BenchmarkStatements runs pgbench's SELECT straight to PostgreSQL, through
// PgBouncer where it is installed, and through PgBeam, by turns, so that
// whatever else the machine does falls on all. -benchtime=Nx sets the number
// of rounds, BENCH_SECONDS how long each run is. Everything but the straight
// lane is TLS for the client, and plain behind.
func BenchmarkStatements(b *testing.B) {
	seconds := cmp.Or(os.Getenv("BENCH_SECONDS"), "2")
	postgres, err := harness.StartPostgres(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(postgres.Close)
	harness.Run(b, harness.Command{Args: []string{harness.Program(b, "pgbench", "PostgreSQL's contributed programs"), "--initialize", "--quiet", postgres.AppURL()}})
	lanes := lanes(b, postgres)
	mixes := mixes(b)

	for _, m := range mixes { // decisions are made, plans are chosen
		for _, l := range lanes {
			pgbench(b, l, m, "1")
		}
	}
	rates := map[[2]string][]float64{}
	for round := 0; b.Loop(); round++ {
		for _, m := range mixes {
			for i := range lanes {
				l := lanes[(i+round)%len(lanes)]
				key := [2]string{m.name, l.name}
				rates[key] = append(rates[key], pgbench(b, l, m, seconds))
			}
		}
	}

	var out strings.Builder
	fmt.Fprintf(&out, "\npgbench -S, %d clients, %s s by turns, median of %d rounds; built with CGO_ENABLED=%s\n", clients, seconds, b.N, harness.Cgo())
	fmt.Fprintf(&out, "statements a second, and the ratio to the lane named below\n\n  %-34s", "")
	for _, m := range mixes {
		fmt.Fprintf(&out, " %22s", m.name)
	}
	fmt.Fprintln(&out)
	for _, l := range lanes {
		fmt.Fprintf(&out, "  %-34s", l.name)
		for _, m := range mixes {
			fmt.Fprintf(&out, " %12.0f", middle(rates[[2]string{m.name, l.name}]))
			if l.beside == "" {
				fmt.Fprintf(&out, " %9s", "")
				continue
			}
			ratio := ratio(rates[[2]string{m.name, l.name}], rates[[2]string{m.name, l.beside}])
			fmt.Fprintf(&out, " %9.3f", ratio)
			b.ReportMetric(ratio, metric(m.name, l.name))
		}
		fmt.Fprintln(&out)
	}
	fmt.Fprintf(&out, "\nRatios of PgBouncer and of %q are to %s, those of policies to %q.\n", passthrough, straight, passthrough)
	seen := mixes[0].name
	fmt.Fprintf(&out, "Under a policy, statements that were seen before: no rule touched %.3f (goal 0.95), mask and filter %.3f (goal 0.85).\n\n",
		ratio(rates[[2]string{seen, untouched}], rates[[2]string{seen, passthrough}]),
		ratio(rates[[2]string{seen, ruled}], rates[[2]string{seen, passthrough}]))
	fmt.Print(out.String())
}

// ratio is the median of the rounds' ratios: what slowed a whole round down
// slowed both.
func ratio(with, without []float64) float64 {
	var each []float64
	for i := range with {
		each = append(each, with[i]/without[i])
	}
	return middle(each)
}

// metric makes a unit of testing.B out of what people read.
func metric(words ...string) string {
	return strings.NewReplacer(" ", "-", ",", "").Replace(strings.Join(words, "/"))
}

// mixes are the ways in which the same SELECT is sent.
func mixes(b *testing.B) []mix {
	script := filepath.Join(b.TempDir(), "seen.sql")
	const text = "\\set aid random(1, 200)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return []mix{
		{"prepared", []string{"--select-only", "--protocol", "prepared"}},
		{"simple, 200 texts", []string{"--file", script, "--protocol", "simple"}},
		{"simple, ever new texts", []string{"--select-only", "--protocol", "simple"}},
	}
}

// lanes starts what stands before the database.
func lanes(b *testing.B, postgres *harness.Postgres) []lane {
	beam := harness.StartBeam(b, harness.BeamOptions{LogLevel: "info"})
	made := beam.Call(b, "POST", "/v1/projects", map[string]any{
		"name": "bench", "org_id": beam.Org,
		"database": map[string]any{
			"host": postgres.Host, "port": postgres.Port, "name": postgres.Database, "username": postgres.Username, "password": postgres.AppPassword, "ssl_mode": "disable",
			"pool_config": map[string]any{"pool_mode": "session", "pool_size": 100, "min_pool_size": 1, "max_active": 200},
		},
	})
	project := "/v1/projects/" + made["project"].(map[string]any)["id"].(string)
	agent := func(name string, rules map[string]any) *url.URL {
		rules["name"] = name
		policy := beam.Call(b, "POST", project+"/policies", rules)
		made := beam.Call(b, "POST", project+"/agents", map[string]any{"name": name, "policy_profile_id": policy["id"]})
		u, err := url.Parse(made["connection_string"].(string))
		if err != nil {
			b.Fatal(err)
		}
		q := u.Query()
		q.Set("sslmode", "verify-full")
		q.Set("sslrootcert", beam.CA)
		u.RawQuery = q.Encode()
		return u
	}
	others := agent("others", map[string]any{
		"access_mode": "read_only", "table_denylist": []any{"pgbench_tellers"},
		"masking_rules": []any{map[string]any{"table": "pgbench_branches", "column": "filler", "kind": "hash"}},
		"row_filters":   []any{map[string]any{"table": "pgbench_history", "predicate": "bid = 1"}},
	})
	both := agent("both", map[string]any{
		"access_mode":   "read_only",
		"masking_rules": []any{map[string]any{"table": "pgbench_accounts", "column": "abalance", "kind": "redact"}},
		"row_filters":   []any{map[string]any{"table": "pgbench_accounts", "predicate": "bid = 1"}},
	})
	user := *others
	user.User = url.UserPassword(postgres.Username, postgres.AppPassword)

	lanes := []lane{{name: straight, url: postgres.AppURL()}}
	if at, ok := startBouncer(b, postgres); ok {
		lanes = append(lanes, lane{name: bouncer, url: at, beside: straight})
	}
	return slices.Concat(lanes, []lane{
		{name: passthrough, url: user.String(), beside: straight},
		{name: untouched, url: others.String(), beside: passthrough},
		{name: ruled, url: both.String(), beside: passthrough},
	})
}
