package proxy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// pgbenchMix is what a client of pgbench has decided about, its transaction
// and its SELECT. ? is a parameter, or a value in the text.
var pgbenchMix = []string{
	"BEGIN;",
	"UPDATE pgbench_accounts SET abalance = abalance + ? WHERE aid = ?;",
	"SELECT abalance FROM pgbench_accounts WHERE aid = ?;",
	"UPDATE pgbench_tellers SET tbalance = tbalance + ? WHERE tid = ?;",
	"UPDATE pgbench_branches SET bbalance = bbalance + ? WHERE bid = ?;",
	"INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP);",
	"END;",
}

// BenchmarkDecisions has eight sessions ask about the mix at once, the first
// time included, and reports how long single decisions took: with parameters,
// as pgbench has it with -M prepared and -M extended, and in the simple
// protocol, where every text is a new one with values in it, and is examined.
func BenchmarkDecisions(b *testing.B) {
	b.Run("parameters", func(b *testing.B) {
		benchmarkDecisions(b, func(b []byte, text string, _ *rand.Rand) []byte {
			for n := 1; ; n++ {
				before, after, more := strings.Cut(text, "?")
				if b = append(b, before...); !more {
					return b
				}
				b, text = fmt.Appendf(b, "$%d", n), after
			}
		})
	})
	b.Run("simple", func(b *testing.B) {
		benchmarkDecisions(b, func(b []byte, text string, random *rand.Rand) []byte {
			for {
				before, after, more := strings.Cut(text, "?")
				if b = append(b, before...); !more {
					return b
				}
				b, text = fmt.Appendf(b, "%d", 1+random.IntN(100000)), after
			}
		})
	})
}

func benchmarkDecisions(b *testing.B, fill func(b []byte, text string, random *rand.Rand) []byte) {
	const sessions = 8
	compiled, err := policy.Compile(policy.Profile{TableDenylist: []string{"secrets"}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	compiled.Evaluate("SELECT 1") // the parser is there
	e := &engine{Engine: compiled}
	var all []time.Duration
	var mu sync.Mutex
	b.ReportAllocs()
	b.ResetTimer()
	var group sync.WaitGroup
	for session := range sessions {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(session)))
			took := make([]time.Duration, 0, b.N/sessions+1)
			var text []byte
			for i := range b.N/sessions + 1 {
				text = fill(text[:0], pgbenchMix[i%len(pgbenchMix)], random)
				began := time.Now()
				e.decide(text)
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
