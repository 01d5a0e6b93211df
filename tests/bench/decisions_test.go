package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// decisions are the benchmarks that say how long decisions take.
var decisions = []struct {
	of, pkg, benchmark, metric string
	unit                       string
	goal                       string
}{
	{"pgbench's mix with parameters, 8 sessions at once, 95 % within", "./server/proxy", "BenchmarkDecisions/parameters", "p95-ns", "ns", "1000 ns"},
	{"the same with values in the text, every one new", "./server/proxy", "BenchmarkDecisions/simple", "p95-ns", "ns", ""},
	{"first of each of TPC-H's 22 queries, the middle one", "./server/policy", "BenchmarkFirstDecisionTPCH", "median-µs", "µs", "300 µs"},
	{"first of each of TPC-H's 22 queries, the slowest", "./server/policy", "BenchmarkFirstDecisionTPCH", "worst-µs", "µs", "300 µs"},
}

// BenchmarkDecisionsOfBothBuilds measures decisions with the parser of either
// build: PostgreSQL's as C, or compiled to WebAssembly where there is no C
// compiler. The test binary itself is of one build only, so it runs others.
func BenchmarkDecisionsOfBothBuilds(b *testing.B) {
	builds := []string{"0", "1"}
	if _, err := exec.LookPath("cc"); err != nil {
		builds = builds[:1]
	}
	measured := map[string][]float64{} // by build, benchmark and metric
	for b.Loop() {
		for _, build := range builds {
			for _, d := range decisions[:3] { // the last two are of one benchmark
				for metric, value := range measure(b, build, d.pkg, d.benchmark) {
					key := build + d.benchmark + metric
					measured[key] = append(measured[key], value)
				}
			}
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\nDecisions, median of %d rounds\n\n  %-64s", b.N, "")
	for _, build := range builds {
		fmt.Fprintf(&out, " %15s", "CGO_ENABLED="+build)
	}
	fmt.Fprintf(&out, " %10s\n", "goal")
	for _, d := range decisions {
		fmt.Fprintf(&out, "  %-64s", d.of)
		for _, build := range builds {
			value := middle(measured[build+d.benchmark+d.metric])
			fmt.Fprintf(&out, " %12.0f %s", value, d.unit)
			b.ReportMetric(value, d.benchmark+"/"+d.metric+"/cgo="+build)
		}
		fmt.Fprintf(&out, " %10s\n", d.goal)
	}
	fmt.Println(out.String())
}

var measurement = regexp.MustCompile(`([0-9.e+]+) (\S+)(?:\s|$)`)

// measure runs one benchmark of a package and returns its metrics by unit.
func measure(b *testing.B, build, pkg, benchmark string) map[string]float64 {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "go", "test", "-run", "^$", "-bench", "^"+strings.ReplaceAll(benchmark, "/", "$/^")+"$", pkg)
	cmd.Dir, cmd.Env = harness.Root(), append(os.Environ(), "CGO_ENABLED="+build)
	out, err := cmd.CombinedOutput()
	at := bytes.Index(out, []byte(benchmark))
	if err != nil || at < 0 {
		b.Fatalf("%s with CGO_ENABLED=%s: %v\n%s", benchmark, build, err, out)
	}
	line, _, _ := bytes.Cut(out[at:], []byte("\n"))
	metrics := map[string]float64{}
	for _, m := range measurement.FindAllSubmatch(line, -1) {
		value, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		metrics[string(m[2])] = value
	}
	return metrics
}
