package store

import (
	"context"
	"fmt"
	"time"
)

// leaseShare bounds a lease to this part of what remains of a budget, so that
// near the limit no process sits on units that another one could use.
const leaseShare = 16

// BudgetRequest asks for units of a subject's budget. The subject is an opaque
// name. A limit of 0 is none.
type BudgetRequest struct {
	Subject         string
	PerHour, PerDay int
	Need            int // fewer are of no use; at least 1
	Want            int // more than Need where plenty remain
}

// BudgetLease are units that already count as used, in the hour and in the day
// of the store's clock. They are good until that hour ends.
type BudgetLease struct {
	Subject   string
	Units     int
	Hour, Day time.Time     // when the windows began, UTC
	Remaining time.Duration // of the hour, as the lease was made
}

// BudgetExhaustedError says that a window has too few units left. Where both
// have, it names the one that lasts longer.
type BudgetExhaustedError struct {
	Window    string        // "hour" or "day"
	Resets    time.Time     // when the window ends, UTC
	Remaining time.Duration // of it, by the store's clock
}

func (e *BudgetExhaustedError) Error() string {
	return fmt.Sprintf("%s budget exhausted; resets at %s", e.Window, e.Resets.UTC().Format(time.RFC3339))
}

func (s *store) LeaseBudget(ctx context.Context, r BudgetRequest) (l BudgetLease, err error) {
	if r.Subject == "" || r.Need < 1 {
		return BudgetLease{}, fmt.Errorf("lease budget: %d units of %q make no sense", r.Need, r.Subject)
	}
	err = s.count(ctx, func(tx *tx) error {
		l, err = tx.leaseBudget(r)
		return err
	})
	if err != nil {
		return BudgetLease{}, err
	}
	return l, nil
}

// leaseBudget counts as used what it grants. The row it begins with is locked
// until tx ends: leases of one subject follow one another.
func (tx *tx) leaseBudget(r BudgetRequest) (BudgetLease, error) {
	now, err := tx.store.engine.clock(tx)
	if err != nil {
		return BudgetLease{}, fmt.Errorf("read the store's clock: %w", err)
	}
	var hour, day int64
	var hourUsed, dayUsed int
	err = tx.row(`INSERT INTO budget_counts AS b (subject, hour_starts_at, hour_used, day_starts_at, day_used) VALUES (?, ?, 0, ?, 0)
		ON CONFLICT (subject) DO UPDATE SET
			hour_used = CASE WHEN b.hour_starts_at < excluded.hour_starts_at THEN 0 ELSE b.hour_used END,
			hour_starts_at = CASE WHEN b.hour_starts_at < excluded.hour_starts_at THEN excluded.hour_starts_at ELSE b.hour_starts_at END,
			day_used = CASE WHEN b.day_starts_at < excluded.day_starts_at THEN 0 ELSE b.day_used END,
			day_starts_at = CASE WHEN b.day_starts_at < excluded.day_starts_at THEN excluded.day_starts_at ELSE b.day_starts_at END
		RETURNING hour_starts_at, hour_used, day_starts_at, day_used`,
		[]any{r.Subject, windowStart(now, time.Hour), windowStart(now, 24*time.Hour)}, &hour, &hourUsed, &day, &dayUsed)
	if err != nil {
		return BudgetLease{}, fmt.Errorf("read budget: %w", err)
	}
	l := BudgetLease{Subject: r.Subject, Hour: time.UnixMicro(hour).UTC(), Day: time.UnixMicro(day).UTC()}
	l.Remaining = l.Hour.Add(time.Hour).Sub(now)

	remain := max(r.Want, r.Need) * leaseShare // where nothing limits
	if r.PerHour > 0 {
		remain = min(remain, r.PerHour-hourUsed)
	}
	if r.PerDay > 0 {
		remain = min(remain, r.PerDay-dayUsed)
	}
	if remain < r.Need {
		e := &BudgetExhaustedError{Window: "hour", Resets: l.Hour.Add(time.Hour)}
		if r.PerDay > 0 && r.PerDay-dayUsed < r.Need {
			e = &BudgetExhaustedError{Window: "day", Resets: l.Day.AddDate(0, 0, 1)}
		}
		e.Remaining = e.Resets.Sub(now)
		return BudgetLease{}, e
	}
	l.Units = max(r.Need, min(r.Want, remain/leaseShare))
	_, err = tx.exec("UPDATE budget_counts SET hour_used = hour_used + ?, day_used = day_used + ? WHERE subject = ?", l.Units, l.Units, r.Subject)
	if err != nil {
		return BudgetLease{}, fmt.Errorf("count leased budget: %w", err)
	}
	return l, nil
}

func windowStart(at time.Time, window time.Duration) int64 {
	return at.UTC().Truncate(window).UnixMicro() // windows of UTC begin at multiples since the zero time
}

func (s *store) ReturnBudget(ctx context.Context, l BudgetLease) error {
	return s.count(ctx, func(tx *tx) error {
		hour, day := l.Hour.UnixMicro(), l.Day.UnixMicro()
		_, err := tx.exec(`UPDATE budget_counts SET
			hour_used = CASE WHEN hour_starts_at = ? THEN hour_used - ? ELSE hour_used END,
			day_used = CASE WHEN day_starts_at = ? THEN day_used - ? ELSE day_used END
			WHERE subject = ?`, hour, l.Units, day, l.Units, l.Subject)
		if err != nil {
			return fmt.Errorf("return budget: %w", err)
		}
		return nil
	})
}

// count runs fn in a transaction that touches one row of budget_counts. Row
// locks order such transactions, so they need neither the snapshot of Update
// nor its retries, and changes of configuration do not collide with them.
func (s *store) count(ctx context.Context, fn func(tx *tx) error) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	raw, err := s.engine.writer().BeginTx(ctx, s.engine.rowOptions())
	for err != nil && s.engine.retryable(err) {
		if ended := ctx.Err(); ended != nil {
			return fmt.Errorf("begin transaction: %w: %w", ended, err)
		}
		raw, err = s.engine.writer().BeginTx(ctx, s.engine.rowOptions())
	}
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer raw.Rollback() // does nothing after a commit
	if err := fn(&tx{ctx: ctx, sql: raw, store: s, write: true}); err != nil {
		return err
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// sweepBudgets removes the rows of subjects that were not seen since before
// yesterday. By the store's clock, as everything about windows: a process
// whose own is wrong must not make anybody's budget whole.
func (tx *tx) sweepBudgets() error {
	now, err := tx.store.engine.clock(tx)
	if err == nil {
		_, err = tx.exec("DELETE FROM budget_counts WHERE day_starts_at < ?", windowStart(now.AddDate(0, 0, -1), 24*time.Hour))
	}
	if err != nil {
		return fmt.Errorf("remove budgets of past days: %w", err)
	}
	return nil
}
