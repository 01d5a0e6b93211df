// Package meter holds principals to their budgets: so many statements in a
// clock hour, so many in a day, in UTC, counted over all processes of the
// deployment.
//
// The store counts. A process leases units from it in blocks and charges
// statements against what it holds, so that most statements cost a mutex and
// no query:
//
//	Charge ──enough held──> granted
//	   └──too few──> queue ──> fill ──LeaseBudget──> granted or Exhausted
//	sweep, every half second: what is not being used ──ReturnBudget──> store
//
// Leased units count as used from the moment they are leased. A process that
// dies takes those it holds with it; no unit is ever granted twice.
package meter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// ErrClosed says that the meter was closed and charges nobody any more.
var ErrClosed = errors.New("meter is closed")

// Exhausted is why Charge refused: a window has too few units left.
type Exhausted = store.BudgetExhaustedError

// Store is what a Meter needs of one; a store.Store has it.
type Store interface {
	LeaseBudget(ctx context.Context, r store.BudgetRequest) (store.BudgetLease, error)
	ReturnBudget(ctx context.Context, l store.BudgetLease) error
}

// Budget is what one subject may use. What it used is known by the subject
// alone: limits may change from one charge to the next.
type Budget struct {
	Subject         string // whoever shares the budget: a credential's id, a user of a database
	PerHour, PerDay int    // statements; 0 is unlimited
}

// limits are the part of a budget that a policy edit changes.
type limits struct{ perHour, perDay int }

// Meter charges statements. Safe for concurrent use; Close it.
type Meter struct {
	store   Store
	log     *slog.Logger
	started time.Time

	wake    chan struct{} // holds one: there is an account to sweep
	stop    chan struct{} // closed by Close
	running sync.WaitGroup

	mu       sync.RWMutex // taken within an account's, never around it
	closed   bool
	accounts map[string]*account // by subject
}

// New makes a meter over a store, which must outlive it.
func New(s Store, log *slog.Logger) *Meter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Meter{
		store: s, log: log, started: time.Now(),
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
		accounts: map[string]*account{},
	}
	m.running.Go(m.sweepUntilStopped)
	return m
}

// Charge takes n units of a budget before n statements run, all or none.
//
// It returns an *Exhausted when a window has too few left. Any other error
// says that the store could not be asked, or that ctx ended first: the
// statements must not run then either.
func (m *Meter) Charge(ctx context.Context, b Budget, n int) error {
	if n <= 0 || b.PerHour <= 0 && b.PerDay <= 0 {
		return nil
	}
	for {
		a, err := m.account(b.Subject)
		if err != nil {
			return err
		}
		w, err := a.charge(m, limits{max(b.PerHour, 0), max(b.PerDay, 0)}, n)
		switch {
		case errors.Is(err, errForgotten):
			continue
		case w == nil:
			return err
		}
		return a.wait(ctx, w)
	}
}

// account finds the subject's account, or opens one.
func (m *Meter) account(subject string) (*account, error) {
	m.mu.RLock()
	a, closed := m.accounts[subject], m.closed
	m.mu.RUnlock()
	if closed {
		return nil, ErrClosed
	}
	if a != nil {
		return a, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	if a = m.accounts[subject]; a == nil {
		a = &account{subject: subject, block: 1, leased: -blockLasts}
		m.accounts[subject] = a
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
	return a, nil
}

// start runs fn so that Close waits for it; false once the meter is closed.
func (m *Meter) start(fn func()) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return false
	}
	m.running.Go(fn)
	return true
}

// now is the time since the meter was made. It is monotonic: how long a lease
// lasts was said by the store, and no change of this machine's clock adds to it.
func (m *Meter) now() time.Duration { return time.Since(m.started) }
