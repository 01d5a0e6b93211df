package meter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const agent = "agt_01h455vb4pex5vsknk084sn02q"

// drain charges one by one until the budget is exhausted, and returns how many
// that were.
func drain(t testing.TB, m *Meter, b Budget) int {
	t.Helper()
	for n := 0; ; n++ {
		err := m.Charge(context.Background(), b, 1)
		if _, spent := errors.AsType[*Exhausted](err); spent {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if n > 1_000_000 {
			t.Fatal("the budget does not end")
		}
	}
}

func TestChargeRefusesWhenTheBudgetIsGone(t *testing.T) {
	eachStore(t, func(t *testing.T, open opener) {
		m := New(open(), nil)
		defer m.Close()
		if n := drain(t, m, Budget{Subject: agent, PerHour: 100}); n != 100 {
			t.Errorf("%d of 100 granted", n)
		}
		err := m.Charge(t.Context(), Budget{Subject: agent, PerHour: 1000, PerDay: 100}, 1)
		now := time.Now().UTC()
		e, spent := errors.AsType[*Exhausted](err)
		if !spent || e.Window != "day" || !e.Resets.Equal(time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC)) || e.Resets.Location() != time.UTC {
			t.Errorf("at %s refused with %v", now, err)
		}
		err = m.Charge(t.Context(), Budget{Subject: agent, PerHour: 100, PerDay: 1000}, 1)
		if e, spent := errors.AsType[*Exhausted](err); !spent || e.Window != "hour" || !e.Resets.Equal(now.Truncate(time.Hour).Add(time.Hour)) {
			t.Errorf("at %s refused with %v", now, err)
		}
		if err := m.Charge(t.Context(), Budget{Subject: "another", PerHour: 1}, 1); err != nil {
			t.Errorf("another subject: %v", err)
		}
		if err := m.Charge(t.Context(), Budget{Subject: agent}, 1); err != nil {
			t.Errorf("without limits: %v", err)
		}
		if err := m.Charge(t.Context(), Budget{Subject: agent, PerHour: 100}, 0); err != nil {
			t.Errorf("nothing to charge: %v", err)
		}
	})
}

func TestBatchIsChargedAllOrNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, open opener) {
		m := New(open(), nil)
		defer m.Close()
		b := Budget{Subject: agent, PerHour: 50, PerDay: 10}
		charge := func(n int) error { return m.Charge(t.Context(), b, n) }
		if err := charge(7); err != nil {
			t.Fatal(err)
		}
		if _, spent := errors.AsType[*Exhausted](charge(4)); !spent {
			t.Fatal("4 of 3 were granted")
		}
		if err := charge(2); err != nil {
			t.Fatalf("a refusal took what it refused: %v", err)
		}
		if _, spent := errors.AsType[*Exhausted](charge(2)); !spent {
			t.Fatal("2 of 1 were granted")
		}
		if err := charge(1); err != nil {
			t.Fatal(err)
		}
		if _, spent := errors.AsType[*Exhausted](charge(1)); !spent {
			t.Fatal("11 of 10 were granted")
		}
	})
}

// Several processes, many sessions each, more demand than budget: exactly the
// limit is granted, whoever gets it.
func TestManyProcessesGrantExactlyTheLimit(t *testing.T) {
	eachStore(t, func(t *testing.T, open opener) {
		const limit, sessions = 3000, 16
		b := Budget{Subject: agent, PerHour: limit, PerDay: limit + 1}
		var meters []*Meter
		for range 3 {
			m := New(open(), nil)
			defer m.Close()
			meters = append(meters, m)
		}
		var granted atomic.Int64
		var wg sync.WaitGroup
		for _, m := range meters {
			for i := range sessions {
				wg.Go(func() {
					for n := 1 + i%3; ; {
						err := m.Charge(t.Context(), b, n)
						if err == nil {
							if g := granted.Add(int64(n)); g > limit {
								t.Errorf("%d of %d granted", g, limit)
								return
							}
							continue
						}
						if _, spent := errors.AsType[*Exhausted](err); !spent {
							t.Error(err)
							return
						}
						if n--; n == 0 {
							return
						}
					}
				})
			}
		}
		wg.Wait()
		// Units that one meter held while another refused come back as it closes.
		for _, m := range meters {
			m.Close()
		}
		last := New(open(), nil)
		defer last.Close()
		granted.Add(int64(drain(t, last, b)))
		if g := granted.Load(); g != limit {
			t.Errorf("%d of %d granted", g, limit)
		}
	})
}

// As two proxies behind one address do it: every other statement here, every
// other there. The one that is behind is not refused because of blocks.
func TestProcessesTakingTurnsReachTheLimit(t *testing.T) {
	eachStore(t, func(t *testing.T, open opener) {
		for _, limit := range []int{1, 2, 10, 30} {
			b := Budget{Subject: fmt.Sprint(limit), PerHour: limit}
			meters := []*Meter{New(open(), nil), New(open(), nil)}
			for i := range limit {
				if err := meters[i%2].Charge(t.Context(), b, 1); err != nil {
					t.Errorf("statement %d of %d: %v", i+1, limit, err)
				}
			}
			for _, m := range meters {
				if n := drain(t, m, b); n != 0 {
					t.Errorf("%d more than %d granted", n, limit)
				}
				m.Close()
			}
		}
	})
}

func TestUseCountsOnAfterRestart(t *testing.T) {
	eachStore(t, func(t *testing.T, open opener) {
		const limit = 1000
		b := Budget{Subject: agent, PerDay: limit}
		used := 0
		for _, n := range []int{1, 300, 37} {
			s := open()
			m := New(s, nil)
			for range n {
				if err := m.Charge(t.Context(), b, 1); err != nil {
					t.Fatal(err)
				}
			}
			used += n
			m.Close()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		m := New(open(), nil)
		defer m.Close()
		if n := drain(t, m, b); n != limit-used {
			t.Errorf("%d granted after %d of %d", n, used, limit)
		}
	})
}

func TestChangedLimitActsOnTheNextCharge(t *testing.T) {
	eachStore(t, func(t *testing.T, open opener) {
		m, other := New(open(), nil), New(open(), nil)
		defer m.Close()
		defer other.Close()
		limit := func(n int) Budget { return Budget{Subject: agent, PerHour: n} }
		charge := func(m *Meter, b Budget, n int) {
			t.Helper()
			for range n {
				if err := m.Charge(t.Context(), b, 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		charge(m, limit(10_000), 100) // and more are held in blocks
		charge(other, limit(10_000), 1)
		if n := drain(t, m, limit(110)); n != 9 {
			t.Errorf("lowered to 110 after 101: %d more granted, want 9", n)
		}
		if n := drain(t, other, limit(110)); n != 0 {
			t.Errorf("the other process granted %d more", n)
		}
		if n := drain(t, m, limit(50)); n != 0 {
			t.Errorf("lowered below what was used: %d more granted", n)
		}
		if n := drain(t, other, limit(200)); n != 90 {
			t.Errorf("raised to 200 after 110: %d more granted, want 90", n)
		}
		charge(m, Budget{Subject: agent}, 10) // lifted
		if n := drain(t, m, limit(230)); n != 30 {
			t.Errorf("limited to 230 after 200: %d more granted, want 30", n)
		}
	})
}
