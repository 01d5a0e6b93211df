package bench

import (
	"cmp"
	"fmt"
	"math/rand/v2"
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
// of rounds, of six turns each, BENCH_SECONDS how long a turn is. Everything
// but the straight lane is TLS for the client, and plain behind.
func BenchmarkStatements(b *testing.B) {
	seconds, turns := cmp.Or(os.Getenv("BENCH_SECONDS"), "1"), 0
	postgres, err := harness.StartPostgres(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(postgres.Close)
	harness.Run(b, harness.Command{Args: []string{harness.Program(b, "pgbench", "PostgreSQL's contributed programs"), "--initialize", "--quiet", postgres.AppURL()}})
	database := postmaster(postgres)
	t := table{lanes: lanes(b, postgres), mixes: mixes(b), runs: map[[2]string][]run{}}
	for _, m := range t.mixes { // decisions are made, plans are chosen
		for _, l := range t.lanes {
			pgbench(b, l, m, "1", database)
		}
	}
	order := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		for range 6 {
			for _, m := range t.mixes {
				for _, i := range order.Perm(len(t.lanes)) { // none always follows the same one
					l := t.lanes[i]
					key := [2]string{m.name, l.name}
					t.runs[key] = append(t.runs[key], pgbench(b, l, m, seconds, database))
				}
			}
			turns++
		}
	}

	rate := func(r run) float64 { return r.rate }
	used := func(r run) float64 { return float64(r.each.Nanoseconds()) / 1e3 }
	var out strings.Builder
	fmt.Fprintf(&out, "\npgbench -S, %d clients, median of %d turns of %s s; built with CGO_ENABLED=%s\n", clients, turns, seconds, harness.Cgo())
	fmt.Fprintf(&out, "\nstatements a second, and the ratio to the lane named below\n\n")
	t.print(&out, rate)
	if used(t.runs[[2]string{t.mixes[0].name, straight}][0]) > 0 {
		fmt.Fprintf(&out, "\nmicroseconds of processor time for one, of client, PostgreSQL and all between, and its ratio\n\n")
		t.print(&out, used)
	}
	fmt.Fprintf(&out, "\nRatios of PgBouncer and of %q are to %s, those of policies to %q.\n", passthrough, straight, passthrough)
	for _, l := range t.lanes {
		for _, m := range t.mixes {
			if l.beside != "" {
				b.ReportMetric(t.ratio(m.name, l, rate), metric(m.name, l.name))
			}
		}
	}
	seen := t.mixes[0].name
	fmt.Fprintf(&out, "Under a policy, statements that were seen before: no rule touched %.3f (goal 0.95), mask and filter %.3f (goal 0.85).\n\n",
		t.ratio(seen, lane{name: untouched, beside: passthrough}, rate), t.ratio(seen, lane{name: ruled, beside: passthrough}, rate))
	fmt.Print(out.String())
}

// table is what was measured.
type table struct {
	lanes []lane
	mixes []mix
	runs  map[[2]string][]run // by the names of mix and lane, in the order of turns
}

func (t *table) print(out *strings.Builder, value func(run) float64) {
	fmt.Fprintf(out, "  %-34s", "")
	for _, m := range t.mixes {
		fmt.Fprintf(out, " %22s", m.name)
	}
	fmt.Fprintln(out)
	for _, l := range t.lanes {
		fmt.Fprintf(out, "  %-34s", l.name)
		for _, m := range t.mixes {
			var all []float64
			for _, r := range t.runs[[2]string{m.name, l.name}] {
				all = append(all, value(r))
			}
			ratio := ""
			if l.beside != "" {
				ratio = fmt.Sprintf("%.3f", t.ratio(m.name, l, value))
			}
			fmt.Fprintf(out, " %13.0f %8s", middle(all), ratio)
		}
		fmt.Fprintln(out)
	}
}

// ratio is the median of the turns' ratios: what slowed a whole turn down
// slowed both.
func (t *table) ratio(mix string, l lane, value func(run) float64) float64 {
	with, without := t.runs[[2]string{mix, l.name}], t.runs[[2]string{mix, l.beside}]
	var each []float64
	for i := range with {
		each = append(each, value(with[i])/value(without[i]))
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
		return beam.Verified(made["connection_string"].(string))
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
	if at, pid := startBouncer(b, postgres); pid > 0 {
		lanes = append(lanes, lane{bouncer, at, straight, pid})
	}
	return slices.Concat(lanes, []lane{
		{passthrough, user.String(), straight, beam.PID()},
		{untouched, others.String(), passthrough, beam.PID()},
		{ruled, both.String(), passthrough, beam.PID()},
	})
}
