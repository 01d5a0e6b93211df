package meter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

const (
	// patience is how long the store may take to answer.
	patience = 5 * time.Second
	// refusalLasts is how long a refusal answers further charges, so that a
	// client which tries in a loop is no load on the store.
	refusalLasts = 100 * time.Millisecond
	// blockLasts is for how long a block should do at the pace of the moment.
	blockLasts = time.Second
)

// errForgotten says that the account was removed meanwhile: look again.
var errForgotten = errors.New("account was forgotten")

// account is what this process holds of one subject's budget.
type account struct {
	subject string

	mu        sync.Mutex
	forgotten bool // no longer in the meter's map; holds nothing for ever

	held   store.BudgetLease // Units: leased and not charged yet
	under  limits            // that held was leased under
	ends   time.Duration     // of held, as Meter.now
	leased time.Duration     // when held was last added to
	block  int               // how many to lease next

	charged int     // units since the last sweep
	refused refusal // the last one
	queue   []*waiter
	filling bool // a goroutine serves the queue
}

// waiter is a charge that what is held did not cover. First come, first
// served.
type waiter struct {
	limits
	n    int
	done chan struct{} // closed once err is final
	err  error
}

// refusal is the store's word that fewer than need units are left.
type refusal struct {
	limits
	need  int
	until time.Duration
	err   *Exhausted
}

// charge takes n units of what is held, or refuses, or else queues.
func (a *account) charge(m *Meter, l limits, n int) (*waiter, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.forgotten {
		return nil, errForgotten
	}
	now := m.now()
	if len(a.queue) == 0 && a.held.Units >= n && a.under == l && now < a.ends {
		a.take(n)
		return nil, nil
	}
	if r := &a.refused; now < r.until && r.limits == l && n-a.held.Units >= r.need {
		return nil, r.err
	}
	if !a.filling {
		if !m.start(func() { m.fill(a) }) {
			return nil, ErrClosed
		}
		a.filling = true
	}
	w := &waiter{limits: l, n: n, done: make(chan struct{})}
	a.queue = append(a.queue, w)
	return w, nil
}

func (a *account) take(n int) {
	a.held.Units -= n
	a.charged += n
}

// wait for a queued charge. Who goes away leaves the queue; a charge that was
// granted just then stays granted.
func (a *account) wait(ctx context.Context, w *waiter) error {
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.queue, w); i >= 0 {
		a.queue = slices.Delete(a.queue, i, i+1)
		return fmt.Errorf("wait for budget: %w", ctx.Err())
	}
	return w.err // final: it is set before w leaves the queue
}

// serve grants what is held to the head of the queue, as far as it goes.
func (a *account) serve() {
	served := 0
	for _, w := range a.queue {
		if w.limits != a.under || w.n > a.held.Units {
			break
		}
		a.take(w.n)
		close(w.done)
		served++
	}
	a.queue = slices.Delete(a.queue, 0, served)
}

// refuse ends the wait of those chosen.
func (a *account) refuse(err error, chosen func(*waiter) bool) {
	a.queue = slices.DeleteFunc(a.queue, func(w *waiter) bool {
		if !chosen(w) {
			return false
		}
		w.err = err
		close(w.done)
		return true
	})
}

// surrender takes n of the units held, to be given back. The refusal is no
// longer true then.
func (a *account) surrender(n int) store.BudgetLease {
	l := a.held
	l.Units = n
	a.held.Units -= n
	if n > 0 {
		a.refused = refusal{}
	}
	return l
}

// fill leases what the queue of an account waits for, until it is empty. One
// goroutine does it for all who wait, so that one query serves them; it is not
// theirs, so that a client who leaves takes no lease with it.
func (m *Meter) fill(a *account) {
	for {
		r, unfit, more := a.next(m.now())
		if !more {
			return
		}
		m.giveBack(unfit)
		if r.Need == 0 {
			continue
		}
		asked := m.now()
		l, err := m.lease(r)
		m.giveBack(a.settle(r, l, err, asked, m.now()))
	}
}

func (m *Meter) lease(r store.BudgetRequest) (store.BudgetLease, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return m.store.LeaseBudget(ctx, r)
}

// next is what to ask the store for, nothing when Need is 0, and what to give
// back before: units of an hour that is over, or leased under limits that are
// no longer those of the first in the queue.
func (a *account) next(now time.Duration) (r store.BudgetRequest, unfit store.BudgetLease, more bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		a.filling = false
		return r, unfit, false
	}
	first := a.queue[0]
	if a.under != first.limits || now >= a.ends {
		unfit = a.surrender(a.held.Units)
		a.under = first.limits
	}
	if a.serve(); len(a.queue) == 0 || a.queue[0].limits != a.under {
		return r, unfit, true
	}
	waiting := 0
	for _, w := range a.queue {
		waiting += w.n
	}
	return store.BudgetRequest{
		Subject: a.subject, PerHour: a.under.perHour, PerDay: a.under.perDay,
		Need: a.queue[0].n - a.held.Units, Want: max(a.block, waiting-a.held.Units),
	}, unfit, true
}

// settle takes in the store's answer, and returns what to give back after it.
func (a *account) settle(r store.BudgetRequest, l store.BudgetLease, err error, asked, now time.Duration) (unfit store.BudgetLease) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var exhausted *Exhausted
	switch {
	case errors.As(err, &exhausted):
		a.refused = refusal{limits: a.under, need: r.Need, until: min(now+refusalLasts, asked+exhausted.Remaining), err: exhausted}
		a.refuse(exhausted, func(w *waiter) bool { return w.limits == a.under && w.n-a.held.Units >= r.Need })
	case err != nil:
		err = fmt.Errorf("ask the store for budget: %w", err)
		a.refuse(err, func(*waiter) bool { return true })
	default:
		// The block that was used up sooner than it should was too small.
		if a.block = l.Units; asked-a.leased < blockLasts {
			a.block *= 2
		}
		if !l.Hour.Equal(a.held.Hour) {
			unfit = a.surrender(a.held.Units)
		}
		l.Units += a.held.Units
		a.held, a.leased = l, now
		a.ends = asked + l.Remaining // counted from before the store looked at its clock
		a.serve()
	}
	return unfit
}
