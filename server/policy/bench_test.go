package policy

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// tpch reads the queries of testdata/tpch, by file name.
func tpch(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/tpch/*.sql")
	if err != nil || len(files) != 22 {
		t.Fatalf("%d TPC-H queries, want 22 (%v)", len(files), err)
	}
	queries := make(map[string]string)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		queries[filepath.Base(f)] = string(text)
	}
	return queries
}

func BenchmarkEvaluatePgbenchSelect(b *testing.B) {
	e := mustCompile(b, Profile{ReadOnly: true, TableDenylist: []string{"secrets"}}, nil)
	b.ReportAllocs()
	for b.Loop() {
		e.Evaluate("SELECT abalance FROM pgbench_accounts WHERE aid = $1")
	}
}

// BenchmarkFirstDecisionTPCH decides about each of the 22 queries anew, and
// reports the median of each: that in the middle, and the worst.
func BenchmarkFirstDecisionTPCH(b *testing.B) {
	e := mustCompile(b, Profile{ReadOnly: true, TableDenylist: []string{"secrets"}}, nil)
	took := map[string][]time.Duration{}
	queries := tpch(b)
	for _, text := range queries { // the parser is there
		e.Evaluate(text)
	}
	b.ReportAllocs()
	for b.Loop() {
		for name, text := range queries {
			began := time.Now()
			d := e.Evaluate(text)
			took[name] = append(took[name], time.Since(began))
			if d.Rule != "ok" {
				b.Fatal(name, d.Reason)
			}
		}
	}
	var each []float64
	for _, t := range took {
		slices.Sort(t)
		each = append(each, float64(t[len(t)/2].Nanoseconds())/1e3)
	}
	slices.Sort(each)
	b.ReportMetric(each[len(each)/2], "median-µs")
	b.ReportMetric(each[len(each)-1], "worst-µs")
	b.ReportMetric(0, "ns/op") // of all 22 together: nobody asked
}

func BenchmarkNesting(b *testing.B) {
	text := tpch(b)["q20.sql"]
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		nesting(text)
	}
}
