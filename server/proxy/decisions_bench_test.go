package proxy

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// pgbenchMix is what a client of pgbench has decided about, its transaction
// and its SELECT, with the statements prepared.
var pgbenchMix = []string{
	"BEGIN;",
	"UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2;",
	"SELECT abalance FROM pgbench_accounts WHERE aid = $1;",
	"UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2;",
	"UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2;",
	"INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP);",
	"END;",
}

// BenchmarkDecisions has eight sessions ask about the mix at once, the first
// time included, and reports how long single decisions took.
func BenchmarkDecisions(b *testing.B) {
	const sessions = 8
	compiled, err := policy.Compile(policy.Profile{TableDenylist: []string{"secrets"}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	compiled.Evaluate("SELECT 1") // the parser is there
	e := &engine{Engine: compiled}
	var texts [][]byte
	for _, text := range pgbenchMix {
		texts = append(texts, []byte(text))
	}
	var all []time.Duration
	var mu sync.Mutex
	b.ReportAllocs()
	b.ResetTimer()
	var group sync.WaitGroup
	for range sessions {
		group.Go(func() {
			took := make([]time.Duration, 0, b.N/sessions+1)
			for i := range b.N/sessions + 1 {
				began := time.Now()
				e.decide(texts[i%len(texts)])
				took = append(took, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	group.Wait()
	b.StopTimer()
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(all[len(all)*95/100].Nanoseconds()), "p95-ns")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "p99-ns")
}
