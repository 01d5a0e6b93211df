package policy

import (
	"os"
	"path/filepath"
	"testing"
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

// BenchmarkEvaluateTPCH reports per query, over all 22 of them.
func BenchmarkEvaluateTPCH(b *testing.B) {
	e := mustCompile(b, Profile{ReadOnly: true, TableDenylist: []string{"secrets"}}, nil)
	var texts []string
	for _, q := range tpch(b) {
		texts = append(texts, q)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Evaluate(texts[i%len(texts)])
	}
}

func BenchmarkNesting(b *testing.B) {
	text := tpch(b)["q20.sql"]
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		nesting(text)
	}
}
