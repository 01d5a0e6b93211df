package meter

import (
	"context"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// sweepEvery is how often accounts are looked at. Units that nobody used
// between two looks go back.
const sweepEvery = 500 * time.Millisecond

// sweepUntilStopped sweeps while there are accounts and sleeps while there
// are none.
func (m *Meter) sweepUntilStopped() {
	for {
		select {
		case <-m.stop:
			return
		case <-m.wake:
		}
		tick := time.NewTicker(sweepEvery)
		for again := true; again; {
			select {
			case <-m.stop:
				tick.Stop()
				return
			case <-tick.C:
				again = m.sweep()
			}
		}
		tick.Stop()
	}
}

// sweep returns units that are not being used, and forgets accounts without
// any. It reports whether accounts are left.
func (m *Meter) sweep() bool {
	until := m.now() + patience
	for _, a := range m.all() {
		select {
		case <-m.stop:
			return true
		default:
		}
		if m.now() > until { // the store hardly answers: what is still held stays good
			return true
		}
		m.giveBack(m.idle(a))
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.accounts) > 0
}

func (m *Meter) all() []*account {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make([]*account, 0, len(m.accounts))
	for _, a := range m.accounts {
		all = append(all, a)
	}
	return all
}

// idle takes from an account what it does not need at its pace: all but twice
// what was charged since the last look.
func (m *Meter) idle(a *account) (excess store.BudgetLease) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.filling {
		return excess
	}
	now, pace := m.now(), a.charged
	a.charged = 0
	switch {
	case now >= a.ends || pace == 0:
		excess = a.surrender(a.held.Units)
	case a.held.Units > 2*pace:
		excess = a.surrender(a.held.Units - 2*pace)
	}
	if excess.Units > 0 {
		a.block = max(1, 2*pace)
	}
	if a.held.Units == 0 && pace == 0 && now >= a.refused.until {
		a.forgotten = true
		m.mu.Lock()
		delete(m.accounts, a.subject)
		m.mu.Unlock()
	}
	return excess
}

// giveBack returns units to the store. What cannot be returned stays counted
// as used: an answer that was lost may have been a yes, and a second try would
// give the units back twice.
func (m *Meter) giveBack(l store.BudgetLease) {
	if l.Units == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m.giveBackWithin(ctx, l)
}

func (m *Meter) giveBackWithin(ctx context.Context, l store.BudgetLease) {
	if err := m.store.ReturnBudget(ctx, l); err != nil {
		m.log.Warn("cannot return unused budget, it counts as used until its window ends", "subject", l.Subject, "statements", l.Units, "error", err)
	}
}

// Close refuses further charges and returns what is held. It waits for those
// that are under way, as long as the store may take to answer.
func (m *Meter) Close() {
	m.mu.Lock()
	closed := m.closed
	m.closed = true
	m.mu.Unlock()
	if !closed {
		close(m.stop)
	}
	m.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, a := range m.all() {
		a.mu.Lock()
		held := a.surrender(a.held.Units)
		a.mu.Unlock()
		if held.Units > 0 {
			m.giveBackWithin(ctx, held)
		}
	}
}
