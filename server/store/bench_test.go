package store

import (
	"path/filepath"
	"sync/atomic"
	"testing"
)

// BenchmarkStore measures what one resource costs the control plane and one
// reload the data plane, alone and in parallel.
func BenchmarkStore(b *testing.B) {
	engines := map[string]func(b *testing.B) testDB{
		"sqlite": func(b *testing.B) testDB {
			path := filepath.Join(b.TempDir(), "pgbeam.db")
			return testDB{engine: "sqlite", url: "sqlite:" + path, path: path, keys: newKeys(b)}
		},
		"postgres": func(b *testing.B) testDB {
			return testDB{engine: "postgres", url: newPostgresDatabase(b), keys: newKeys(b)}
		},
	}
	for name, fresh := range engines {
		b.Run(name, func(b *testing.B) {
			s := fresh(b).open(b)
			seed(b, s)
			var n atomic.Int64
			insert := func(b *testing.B) {
				i := int(n.Add(1)) + 1
				if err := s.Update(b.Context(), func(tx Tx) error { return tx.Webhooks().Insert(aWebhook(prj1, i)) }); err != nil {
					b.Error(err)
				}
			}
			load := func(b *testing.B) {
				if err := s.View(b.Context(), func(tx Tx) error { return second(tx.Snapshot(prj1)) }); err != nil {
					b.Error(err)
				}
			}
			for what, op := range map[string]func(b *testing.B){"insert": insert, "snapshot": load} {
				b.Run(what, func(b *testing.B) {
					for b.Loop() {
						op(b)
					}
				})
				b.Run(what+" in parallel", func(b *testing.B) {
					b.SetParallelism(8)
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							op(b)
						}
					})
				})
			}
		})
	}
}
