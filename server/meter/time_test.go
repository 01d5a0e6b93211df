package meter

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// inTime runs a test on a SQLite store in a bubble whose clock, the store's
// included, begins at midnight of 2000-01-01 UTC and moves as all sleep.
func inTime(t *testing.T, test func(t *testing.T, s store.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, opens(t, sqliteURL(t))()) })
}

func mustCharge(t *testing.T, m *Meter, b Budget, times int) {
	t.Helper()
	for i := range times {
		if err := m.Charge(t.Context(), b, 1); err != nil {
			t.Fatalf("statement %d of %d at %s: %v", i+1, times, time.Now().UTC(), err)
		}
	}
}

// unitsOf is how many units the meter holds for the agent.
func unitsOf(m *Meter) (held int) {
	for _, a := range m.all() {
		if a.subject == agent {
			a.mu.Lock()
			held = a.held.Units
			a.mu.Unlock()
		}
	}
	return held
}

// inHand is unitsOf where the test wants some.
func inHand(t *testing.T, m *Meter) int {
	t.Helper()
	held := unitsOf(m)
	if held == 0 {
		t.Fatal("no units in hand")
	}
	return held
}

func TestWindowsFollowTheClock(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		m := New(s, nil)
		defer m.Close()
		b := Budget{Subject: agent, PerHour: 40, PerDay: 100}
		midnight := time.Now()
		until := func(at time.Duration) { time.Sleep(time.Until(midnight.Add(at))) }
		for _, c := range []struct {
			at      time.Duration // after midnight
			granted int
			window  string
			resets  time.Duration
		}{
			{40 * time.Minute, 40, "hour", time.Hour},
			{time.Hour - time.Millisecond, 0, "hour", time.Hour},
			{time.Hour, 40, "hour", 2 * time.Hour},
			{5*time.Hour + time.Minute, 20, "day", 24 * time.Hour},
			{24*time.Hour - time.Millisecond, 0, "day", 24 * time.Hour},
			{24 * time.Hour, 40, "hour", 25 * time.Hour},
		} {
			until(c.at)
			if n := drain(t, m, b); n != c.granted {
				t.Errorf("after %s %d granted, want %d", c.at, n, c.granted)
			}
			e, _ := errors.AsType[*Exhausted](m.Charge(t.Context(), b, 1))
			if e.Window != c.window || !e.Resets.Equal(midnight.Add(c.resets)) {
				t.Errorf("after %s exhausted for the %s until %s", c.at, e.Window, e.Resets)
			}
		}
	})
}

// Units in hand when their hour ends are no present to the next one, and their
// part of the day is not lost.
func TestUnitsInHandLapseWithTheirHour(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		m := New(s, nil)
		defer m.Close()
		b := Budget{Subject: agent, PerHour: 1000, PerDay: 1500}
		time.Sleep(time.Hour - 100*time.Millisecond)
		mustCharge(t, m, b, 300)
		inHand(t, m)
		time.Sleep(100 * time.Millisecond)
		if n := drain(t, m, b); n != 1000 {
			t.Errorf("%d of 1000 granted in the second hour", n)
		}
		time.Sleep(time.Hour)
		if n := drain(t, m, b); n != 200 {
			t.Errorf("%d granted in the third hour, want what 300 and 1000 leave of the day's 1500", n)
		}
	})
}

func TestUnusedUnitsGoBackWithinASecond(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		m, other := New(s, nil), New(s, nil)
		defer m.Close()
		defer other.Close()
		b := Budget{Subject: agent, PerHour: 1000}
		mustCharge(t, m, b, 400)
		held := inHand(t, m)
		if n := drain(t, other, b); n != 600-held {
			t.Errorf("%d granted elsewhere while %d of 600 were held", n, held)
		}
		time.Sleep(time.Second + refusalLasts)
		if n := drain(t, other, b); n != held {
			t.Errorf("%d granted elsewhere after %d unused went back", n, held)
		}
		time.Sleep(time.Second + sweepEvery)
		if kept := len(m.all()) + len(other.all()); kept != 0 {
			t.Errorf("%d accounts are kept for nobody", kept)
		}
	})
}

// Most statements ask no store, however many sessions there are.
func TestBlocksFollowThePaceOfUse(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		f := &brittle{Store: s}
		m := New(f, nil)
		defer m.Close()
		b := Budget{Subject: agent, PerDay: 10_000_000}
		mustCharge(t, m, b, 20_000)
		if asked := f.leases.Load(); asked > 20 {
			t.Errorf("20000 statements at once asked the store %d times", asked)
		}
		f.leases.Store(0)
		f.returns.Store(0)
		var wg sync.WaitGroup
		for range 20 { // sessions, for a minute
			wg.Go(func() {
				for range 600 {
					mustCharge(t, m, b, 1)
					time.Sleep(time.Duration(50+rand.IntN(100)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if asked := f.leases.Load() + f.returns.Load(); asked > 120 {
			t.Errorf("12000 statements in a minute asked the store %d times", asked)
		}
		if held := unitsOf(m); held > 800 {
			t.Errorf("%d units are held at 200 statements a second", held)
		}
	})
}

// A client that goes on after a refusal is no load on the store, and learns
// soon when there is budget again.
func TestRefusedClientInALoop(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		f := &brittle{Store: s}
		m := New(f, nil)
		defer m.Close()
		b := Budget{Subject: agent, PerHour: 5}
		mustCharge(t, m, b, 5)
		f.leases.Store(0)
		for range 1000 {
			if _, spent := errors.AsType[*Exhausted](m.Charge(t.Context(), b, 1)); !spent {
				t.Fatal("more than the limit was granted")
			}
			time.Sleep(time.Millisecond)
		}
		if asked := f.leases.Load(); asked > 11 {
			t.Errorf("1000 refusals in a second asked the store %d times", asked)
		}
		b.PerHour = 6
		mustCharge(t, m, b, 1) // at once: the limit was raised
	})
}

// First come, first served: the units that a batch waits for are not taken by
// a statement that came after it.
func TestBatchIsNotStarvedBySingles(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		f := &brittle{Store: s}
		m := New(f, nil)
		defer m.Close()
		b := Budget{Subject: agent, PerDay: 1000}
		mustCharge(t, m, b, 50)
		inHand(t, m)
		release := f.block()
		batch, single := make(chan error, 1), make(chan error, 1)
		go func() { batch <- m.Charge(t.Context(), b, 950) }()
		synctest.Wait()
		go func() { single <- m.Charge(t.Context(), b, 1) }()
		synctest.Wait()
		release()
		if err := <-batch; err != nil {
			t.Errorf("the batch: %v", err)
		}
		if _, spent := errors.AsType[*Exhausted](<-single); !spent {
			t.Error("the statement after the batch was granted what did not remain")
		}
	})
}

// What a refused batch leaves is for those behind it who need less.
func TestRefusedBatchLetsSinglesPass(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		f := &brittle{Store: s}
		m := New(f, nil)
		defer m.Close()
		b := Budget{Subject: agent, PerDay: 10}
		release := f.block()
		batch, singles := make(chan error, 1), make(chan error, 10)
		go func() { batch <- m.Charge(t.Context(), b, 11) }()
		synctest.Wait()
		for range 10 {
			go func() { singles <- m.Charge(t.Context(), b, 1) }()
		}
		synctest.Wait()
		release()
		if _, spent := errors.AsType[*Exhausted](<-batch); !spent {
			t.Error("11 of 10 were granted")
		}
		for range 10 {
			if err := <-singles; err != nil {
				t.Errorf("a statement behind the batch: %v", err)
			}
		}
	})
}

// A session that goes on slowly does not keep the block of a burst.
func TestUnitsBeyondThePaceGoBackWhileInUse(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		m, other := New(s, nil), New(s, nil)
		defer m.Close()
		defer other.Close()
		b := Budget{Subject: agent, PerHour: 100_000}
		mustCharge(t, m, b, 5000)
		if held := inHand(t, m); held < 100 {
			t.Fatalf("the test wants more than %d units in hand", held)
		}
		for range 4 {
			time.Sleep(sweepEvery / 2)
			mustCharge(t, m, b, 1)
		}
		if n, left := drain(t, other, b), 100_000-5004; n < left-4 || n > left {
			t.Errorf("%d of %d left were granted elsewhere", n, left)
		}
	})
}

// Two revisions of a policy meet while sessions learn of the newer one.
func TestSessionsUnderTwoLimitsAtOnce(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		m := New(s, nil)
		defer m.Close()
		granted := make(chan int, 2)
		for _, limit := range []int{300, 700} {
			go func() {
				n := 0
				for ; m.Charge(t.Context(), Budget{Subject: agent, PerHour: limit}, 1) == nil; n++ {
					time.Sleep(time.Millisecond)
				}
				granted <- n
			}()
		}
		if n := <-granted + <-granted; n != 700 {
			t.Errorf("%d granted under limits of 300 and 700", n)
		}
	})
}
