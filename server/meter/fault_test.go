package meter

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

var errOutage = errors.New("connection refused")

// brittle is a store that breaks as a test wants it to.
type brittle struct {
	Store
	outage   atomic.Bool  // everything fails
	noReturn atomic.Bool  // returns fail
	leases   atomic.Int64 // that were asked for
	returns  atomic.Int64
	lost     atomic.Int64 // units whose return came to nothing

	mu   sync.Mutex
	hold chan struct{} // when set, leases wait until it is closed or their context ends
}

func (b *brittle) LeaseBudget(ctx context.Context, r store.BudgetRequest) (store.BudgetLease, error) {
	b.leases.Add(1)
	b.mu.Lock()
	hold := b.hold
	b.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return store.BudgetLease{}, ctx.Err()
		}
	}
	if b.outage.Load() {
		return store.BudgetLease{}, errOutage
	}
	return b.Store.LeaseBudget(ctx, r)
}

func (b *brittle) ReturnBudget(ctx context.Context, l store.BudgetLease) error {
	b.returns.Add(1)
	if b.noReturn.Load() || b.outage.Load() {
		b.lost.Add(int64(l.Units))
		return errOutage
	}
	return b.Store.ReturnBudget(ctx, l)
}

// block makes leases wait until the returned function is called.
func (b *brittle) block() (release func()) {
	c := make(chan struct{})
	b.mu.Lock()
	b.hold = c
	b.mu.Unlock()
	return func() {
		b.mu.Lock()
		b.hold = nil
		b.mu.Unlock()
		close(c)
	}
}

// A process that dies loses what it holds, and no more than that.
func TestUnitsOfADeadProcessAreLost(t *testing.T) {
	eachStore(t, func(t *testing.T, open opener) {
		const limit = 1000
		b := Budget{Subject: agent, PerHour: limit}
		s := &brittle{Store: open()}
		s.noReturn.Store(true) // as if the process had been killed before
		dead := New(s, nil)
		for range 100 {
			if err := dead.Charge(t.Context(), b, 1); err != nil {
				t.Fatal(err)
			}
		}
		dead.Close()
		lost := int(s.lost.Load())
		m := New(open(), nil)
		defer m.Close()
		if n := drain(t, m, b); n != limit-100-lost {
			t.Errorf("%d granted after 100 and %d lost of %d", n, lost, limit)
		}
	})
}

func TestNothingRunsWhileTheStoreCannotBeAsked(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		b := Budget{Subject: agent, PerHour: 1000}
		f := &brittle{Store: s}
		m := New(f, nil)
		defer m.Close()
		f.outage.Store(true)
		for range 3 {
			err := m.Charge(t.Context(), b, 1)
			if !errors.Is(err, errOutage) {
				t.Errorf("charged during an outage: %v", err)
			}
			if _, spent := errors.AsType[*Exhausted](err); spent {
				t.Errorf("an outage is called exhaustion: %v", err)
			}
		}
		f.outage.Store(false)
		if n := drain(t, m, b); n != 1000 {
			t.Errorf("%d of 1000 granted after the outage", n)
		}
	})
}

// What was leased before an outage is good: it is counted already.
func TestHeldUnitsLastThroughAnOutage(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		b := Budget{Subject: agent, PerHour: 100_000}
		f := &brittle{Store: s}
		m := New(f, nil)
		defer m.Close()
		for range 40 {
			if err := m.Charge(t.Context(), b, 1); err != nil {
				t.Fatal(err)
			}
		}
		held := inHand(t, m)
		f.outage.Store(true)
		n := 0
		for m.Charge(t.Context(), b, 1) == nil {
			n++
		}
		if n != held {
			t.Errorf("%d granted in the outage, %d were held", n, held)
		}
	})
}

func TestStoreThatHangsRefusesInTime(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		f := &brittle{Store: s}
		m := New(f, nil)
		defer m.Close()
		release := f.block()
		began := time.Now()
		err := m.Charge(t.Context(), Budget{Subject: agent, PerHour: 10}, 1)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != patience {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		release()
		if n := drain(t, m, Budget{Subject: agent, PerHour: 10}); n != 10 {
			t.Errorf("%d of 10 granted", n)
		}
	})
}

// The second try could give units back that the first had given back already.
func TestFailedReturnIsNotRepeated(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		b := Budget{Subject: agent, PerHour: 100_000}
		f := &brittle{Store: s}
		f.noReturn.Store(true)
		m := New(f, nil)
		for range 100 {
			if err := m.Charge(t.Context(), b, 1); err != nil {
				t.Fatal(err)
			}
		}
		held := inHand(t, m)
		time.Sleep(10 * time.Second)
		if lost := int(f.lost.Load()); lost != held {
			t.Errorf("%d units were given back, %d were held", lost, held)
		}
		f.noReturn.Store(false)
		if n := drain(t, m, b); n != 100_000-100-held {
			t.Errorf("%d granted after 100 and %d lost of 100000", n, held)
		}
		m.Close()
	})
}

// The lease is not the client's who asked first: others wait for it too.
func TestClientWhoLeavesTakesNoUnitAlong(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		b := Budget{Subject: agent, PerHour: 2}
		f := &brittle{Store: s}
		m := New(f, nil)
		defer m.Close()
		release := f.block()
		leaving, leave := context.WithCancel(t.Context())
		left, stayed := make(chan error, 1), make(chan error, 1)
		go func() { left <- m.Charge(leaving, b, 1) }()
		synctest.Wait()
		go func() { stayed <- m.Charge(t.Context(), b, 1) }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "wait for budget") {
			t.Errorf("the client who left: %v", err)
		}
		release()
		if err := <-stayed; err != nil {
			t.Errorf("the client who stayed: %v", err)
		}
		if n := drain(t, m, b); n != 1 {
			t.Errorf("%d of 1 left granted", n)
		}
	})
}

func TestClosedMeterChargesNobody(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		b := Budget{Subject: agent, PerHour: 1000}
		f := &brittle{Store: s}
		m := New(f, nil)
		for range 20 {
			if err := m.Charge(t.Context(), b, 1); err != nil {
				t.Fatal(err)
			}
		}
		// One that waits for the store as the meter closes has its answer.
		release := f.block()
		waiting := make(chan error, 1)
		n := inHand(t, m) + 1
		go func() { waiting <- m.Charge(t.Context(), b, n) }()
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			m.Close()
			close(closed)
		}()
		synctest.Wait()
		if err := m.Charge(t.Context(), b, 1); !errors.Is(err, ErrClosed) {
			t.Errorf("charged while closing: %v", err)
		}
		release()
		if err := <-waiting; err != nil {
			t.Errorf("waiting as the meter closed: %v", err)
		}
		<-closed
		m.Close() // again
		if err := m.Charge(t.Context(), Budget{Subject: "another", PerHour: 1}, 1); !errors.Is(err, ErrClosed) {
			t.Errorf("charged after Close: %v", err)
		}
		next := New(s, nil)
		defer next.Close()
		if left := drain(t, next, b); left != 1000-20-n {
			t.Errorf("%d left after 20 and %d of 1000: Close kept some", left, n)
		}
	})
}
