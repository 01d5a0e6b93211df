package meter

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// BenchmarkCharge measures what a budget adds to a statement: for one session,
// for many of one credential, and for many of as many credentials.
func BenchmarkCharge(b *testing.B) {
	run := func(name string, charge func(b *testing.B, m *Meter)) {
		b.Run(name, func(b *testing.B) {
			m := New(opens(b, sqliteURL(b))(), nil)
			defer m.Close()
			b.ReportAllocs()
			charge(b, m)
		})
	}
	budget := func(subject string) Budget { return Budget{Subject: subject, PerHour: 1 << 40, PerDay: 1 << 40} }
	one := func(b *testing.B, m *Meter, budget Budget) {
		if err := m.Charge(b.Context(), budget, 1); err != nil {
			b.Error(err)
		}
	}
	run("one session", func(b *testing.B, m *Meter) {
		for b.Loop() {
			one(b, m, budget(agent))
		}
	})
	run("sessions of one credential", func(b *testing.B, m *Meter) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				one(b, m, budget(agent))
			}
		})
	})
	run("sessions of many credentials", func(b *testing.B, m *Meter) {
		b.RunParallel(func(pb *testing.PB) {
			mine := budget(store.NewID("agt"))
			for pb.Next() {
				one(b, m, mine)
			}
		})
	})
}
