package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// awayFromHourEnd waits out the end of an hour that would come in the middle
// of a test which counts within one.
func awayFromHourEnd(t *testing.T) {
	t.Helper()
	if left := time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)); left < 20*time.Second {
		time.Sleep(left + time.Second)
	}
}

func lease(t testing.TB, s Store, r BudgetRequest) BudgetLease {
	t.Helper()
	l, err := s.LeaseBudget(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func exhausted(t testing.TB, s Store, r BudgetRequest) *BudgetExhaustedError {
	t.Helper()
	l, err := s.LeaseBudget(t.Context(), r)
	var e *BudgetExhaustedError
	if !errors.As(err, &e) {
		t.Fatalf("leased %d units, error %v", l.Units, err)
	}
	return e
}

// used is what the rows say, in the hour and in the day.
func used(t testing.TB, db testDB, subject string) (hour, day int) {
	t.Helper()
	if err := db.raw(t).QueryRow("SELECT hour_used, day_used FROM budget_counts WHERE subject = $1", subject).Scan(&hour, &day); err != nil {
		t.Fatal(err)
	}
	return hour, day
}

// rewind makes a subject's row what it was so much later: its windows began
// that much earlier.
func rewind(t testing.TB, db testDB, hours, days int) {
	t.Helper()
	_, err := db.raw(t).Exec("UPDATE budget_counts SET hour_starts_at = hour_starts_at - $1, day_starts_at = day_starts_at - $2",
		int64(hours)*time.Hour.Microseconds(), int64(days)*24*time.Hour.Microseconds())
	if err != nil {
		t.Fatal(err)
	}
}

func TestBudgetIsCountedInHourAndDay(t *testing.T) {
	awayFromHourEnd(t)
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		r := BudgetRequest{Subject: agt1, PerHour: 10, PerDay: 25, Need: 10}
		now := time.Now().UTC()
		l := lease(t, s, r)
		if l.Units != 10 || l.Subject != agt1 {
			t.Errorf("leased %+v", l)
		}
		if !l.Hour.Equal(now.Truncate(time.Hour)) || !l.Day.Equal(time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)) {
			t.Errorf("at %s windows begin %s and %s", now, l.Hour, l.Day)
		}
		if left := l.Hour.Add(time.Hour).Sub(now); l.Remaining > left || l.Remaining < left-10*time.Second {
			t.Errorf("the hour remains %s, want at most %s", l.Remaining, left)
		}
		r.Need = 1
		if e := exhausted(t, s, r); e.Window != "hour" || !e.Resets.Equal(l.Hour.Add(time.Hour)) || e.Remaining > l.Remaining || e.Remaining < l.Remaining-20*time.Second {
			t.Errorf("refused for the %s until %s, in %s", e.Window, e.Resets, e.Remaining)
		}
		if hour, day := used(t, db, agt1); hour != 10 || day != 10 {
			t.Errorf("a refusal left %d and %d used, want 10 and 10", hour, day)
		}
		rewind(t, db, 1, 0) // the next hour of the same day
		r.Need = 10
		lease(t, s, r)
		rewind(t, db, 1, 0)
		// All or nothing, in both windows.
		if e := exhausted(t, s, r); e.Window != "day" || !e.Resets.Equal(l.Day.AddDate(0, 0, 1)) {
			t.Errorf("refused for the %s until %s", e.Window, e.Resets)
		}
		r.Need = 5
		lease(t, s, r)
		if hour, day := used(t, db, agt1); hour != 5 || day != 25 {
			t.Errorf("used %d and %d, want 5 and 25", hour, day)
		}
		r.Need = 6 // too much for both
		if e := exhausted(t, s, r); e.Window != "day" {
			t.Errorf("refused for the %s, which ends before the day does", e.Window)
		}
		rewind(t, db, 24, 1)
		r.Need = 10
		lease(t, s, r)
		if hour, day := used(t, db, agt1); hour != 10 || day != 10 {
			t.Errorf("a new day began with %d and %d used, want 10 and 10", hour, day)
		}
		other := r
		other.Subject = "somebody else"
		lease(t, s, other)
	})
}

func TestBudgetWithoutOneLimitStillCountsThatWindow(t *testing.T) {
	awayFromHourEnd(t)
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		r := BudgetRequest{Subject: agt1, PerHour: 5, Need: 5}
		lease(t, s, r)
		exhausted(t, s, r)
		r.PerHour, r.PerDay = 0, 9 // the policy was edited
		exhausted(t, s, r)
		r.Need = 4
		lease(t, s, r)
	})
}

func TestChangedLimitCountsWhatWasUsed(t *testing.T) {
	awayFromHourEnd(t)
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		r := BudgetRequest{Subject: agt1, PerHour: 10, Need: 8}
		l := lease(t, s, r)
		r.PerHour, r.Need = 5, 1
		exhausted(t, s, r)
		l.Units = 4 // of 8 were never used
		if err := s.ReturnBudget(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		lease(t, s, r)
		exhausted(t, s, r)
		r.PerHour, r.Need = 20, 15
		lease(t, s, r)
		r.Need = 1
		exhausted(t, s, r)
	})
}

func TestLeaseIsSmallWhereLittleRemains(t *testing.T) {
	awayFromHourEnd(t)
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		for _, c := range []struct{ limit, need, want, units int }{
			{1600, 1, 1000, 100},
			{1600, 1, 7, 7},
			{1600, 300, 1000, 300},
			{1600, 3, 1, 3},
			{15, 1, 1000, 1},
			{1, 1, 1000, 1},
		} {
			for _, r := range []BudgetRequest{{PerHour: c.limit}, {PerDay: c.limit}, {PerHour: c.limit, PerDay: c.limit + 1000}, {PerHour: c.limit + 1000, PerDay: c.limit}} {
				r.Subject, r.Need, r.Want = fmt.Sprint(c, r), c.need, c.want
				if l := lease(t, s, r); l.Units != c.units {
					t.Errorf("%+v leased %d, want %d", r, l.Units, c.units)
				}
			}
		}
	})
}

func TestReturnedBudget(t *testing.T) {
	awayFromHourEnd(t)
	for name, c := range map[string]struct {
		hours, days int // that pass before the return
		hour, day   int // used after it
	}{
		"in the same hour": {hour: 7, day: 7},
		"in the next hour": {hours: 1, hour: 1, day: 8},
		"in the next day":  {hours: 24, days: 1, hour: 1, day: 1},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, db testDB) {
				s := db.open(t)
				r := BudgetRequest{Subject: agt1, PerHour: 100, PerDay: 100, Need: 10}
				l := lease(t, s, r)
				rewind(t, db, c.hours, c.days)
				l.Hour, l.Day = l.Hour.Add(-time.Duration(c.hours)*time.Hour), l.Day.AddDate(0, 0, -c.days)
				if c.hours > 0 {
					r.Need = 1
					lease(t, s, r)
				}
				l.Units = 3
				if err := s.ReturnBudget(t.Context(), l); err != nil {
					t.Fatal(err)
				}
				if hour, day := used(t, db, agt1); hour != c.hour || day != c.day {
					t.Errorf("used %d and %d, want %d and %d", hour, day, c.hour, c.day)
				}
			})
		})
	}
}

// A clock that is set back would otherwise grant an hour twice.
func TestBudgetNeverGoesBackToAnEarlierWindow(t *testing.T) {
	awayFromHourEnd(t)
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		r := BudgetRequest{Subject: agt1, PerHour: 10, PerDay: 20, Need: 8}
		before := lease(t, s, r)
		rewind(t, db, -30, -1) // as the clock was then
		after := lease(t, s, BudgetRequest{Subject: agt1, PerHour: 10, PerDay: 20, Need: 1})
		if want := before.Hour.Add(30 * time.Hour); !after.Hour.Equal(want) {
			t.Errorf("charged to the hour of %s, want %s", after.Hour, want)
		}
		if want := before.Day.AddDate(0, 0, 1); !after.Day.Equal(want) {
			t.Errorf("charged to the day %s, want %s", after.Day, want)
		}
		if after.Remaining < 30*time.Hour {
			t.Errorf("the lease is good for %s", after.Remaining)
		}
		if e := exhausted(t, s, r); !e.Resets.Equal(after.Hour.Add(time.Hour)) {
			t.Errorf("resets at %s", e.Resets)
		}
	})
}

// Never more than the limit, whoever asks, and all of it when all is asked for.
func TestBudgetIsExactAcrossProcesses(t *testing.T) {
	awayFromHourEnd(t)
	eachEngine(t, func(t *testing.T, db testDB) {
		const limit, workers = 700, 12
		stores := []*store{db.open(t), db.open(t), db.open(t)}
		var mu sync.Mutex
		held := 0
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				s, rng := stores[w%len(stores)], rand.New(rand.NewPCG(uint64(w), 1))
				r := BudgetRequest{Subject: agt1, PerHour: limit, PerDay: 10 * limit}
				for r.Need = 4; r.Need > 0; {
					r.Want = r.Need + rng.IntN(30)
					l, err := s.LeaseBudget(t.Context(), r)
					var e *BudgetExhaustedError
					switch {
					case errors.As(err, &e):
						r.Need-- // what is left may still be enough for less
						continue
					case err != nil:
						t.Error(err)
						return
					}
					mu.Lock()
					if held += l.Units; held > limit {
						t.Errorf("%d of %d granted", held, limit)
					}
					mu.Unlock()
					if rng.IntN(3) > 0 {
						continue
					}
					l.Units = rng.IntN(l.Units + 1)
					mu.Lock()
					held -= l.Units // no longer used, from before the store knows
					mu.Unlock()
					if err := s.ReturnBudget(t.Context(), l); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		// Who was refused while others still held units may ask again.
		for {
			l, err := stores[0].LeaseBudget(t.Context(), BudgetRequest{Subject: agt1, PerHour: limit, Need: 1})
			if err != nil {
				break
			}
			held += l.Units
		}
		if hour, day := used(t, db, agt1); held != limit || hour != limit || day != limit {
			t.Errorf("%d granted, %d and %d counted, want %d", held, hour, day, limit)
		}
	})
}

func TestUsedBudgetOutlivesTheProcess(t *testing.T) {
	awayFromHourEnd(t)
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		r := BudgetRequest{Subject: agt1, PerDay: 10, Need: 7}
		lease(t, s, r)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := db.open(t)
		exhausted(t, again, r)
		r.Need = 3
		lease(t, again, r)
	})
}

func TestBudgetsOfPastDaysAreRemoved(t *testing.T) {
	awayFromHourEnd(t)
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		for days, subject := range []string{"today", "yesterday", "before"} {
			lease(t, s, BudgetRequest{Subject: subject, PerDay: 10, Need: 1})
			if _, err := db.raw(t).Exec("UPDATE budget_counts SET day_starts_at = day_starts_at - $1 WHERE subject = $2",
				int64(days)*24*time.Hour.Microseconds(), subject); err != nil {
				t.Fatal(err)
			}
		}
		if db.engine == "postgres" {
			// The server's clock counts: a process that is a week ahead makes no
			// budget whole.
			s.now = func() time.Time { return time.Now().AddDate(0, 0, 7) }
		}
		update(t, s, func(tx Tx) error { return tx.ReportConnections("proxy", prj1, 1, time.Now()) })
		var left []string
		for _, row := range query(t, db.raw(t), "SELECT subject FROM budget_counts ORDER BY subject") {
			left = append(left, row["subject"].(string))
		}
		if got := strings.Join(left, " "); got != "today yesterday" {
			t.Errorf("kept %s, want today yesterday", got)
		}
	})
}

func TestBudgetWithinATransactionIsRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		update(t, s, func(Tx) error {
			if _, err := s.LeaseBudget(t.Context(), BudgetRequest{Subject: agt1, PerDay: 1, Need: 1}); !errors.Is(err, ErrNested) {
				t.Errorf("lease: %v", err)
			}
			if err := s.ReturnBudget(t.Context(), BudgetLease{Subject: agt1, Units: 1}); !errors.Is(err, ErrNested) {
				t.Errorf("return: %v", err)
			}
			return nil
		})
		for _, r := range []BudgetRequest{{Subject: agt1, PerDay: 1}, {Subject: agt1, PerDay: 1, Need: -1}, {PerDay: 1, Need: 1}} {
			if _, err := s.LeaseBudget(t.Context(), r); err == nil {
				t.Errorf("%+v was granted", r)
			}
		}
	})
}
