package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// spender runs statements of one budget, one after the other, on sessions of
// several proxies, and counts those that were not refused.
type spender struct {
	t    *testing.T
	done atomic.Int64
}

// spend runs statements on every session until the budget refuses them, or
// enough returns true, or the session breaks.
func (s *spender) spend(sessions []*pgx.Conn, enough func(done int64) bool) {
	var wg sync.WaitGroup
	for _, session := range sessions {
		wg.Go(func() {
			for {
				_, err := session.Exec(context.Background(), "select 1", pgx.QueryExecModeSimpleProtocol)
				pg, refused := errors.AsType[*pgconn.PgError](err)
				switch {
				case err == nil:
					if enough(s.done.Add(1)) {
						return
					}
				case refused && pg.Code == "53400":
					if !strings.Contains(pg.Message, "hour query budget exhausted; resets at "+time.Now().UTC().Truncate(time.Hour).Add(time.Hour).Format(time.RFC3339)) {
						s.t.Errorf("refused with %q", pg.Message)
					}
					return
				case session.IsClosed(): // its proxy is gone
					return
				default:
					s.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// spendUntil goes on after refusals: units that were on lease elsewhere, or a
// limit that was raised, take a moment to arrive.
func (s *spender) spendUntil(total int64, sessions []*pgx.Conn) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%d statements run", total), func() bool {
		s.spend(sessions, func(done int64) bool { return done >= total })
		return s.done.Load() >= total
	})
}

// Two proxies grant one budget together: all of it, never more, whatever
// happens to one of them.
func TestBudgetAcrossProxies(t *testing.T) {
	c := newCluster(t)
	_, port := c.proxy(t)
	victim, otherPort := c.proxy(t)
	_, r := c.api(t, port)
	if left := time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)); left < 45*time.Second {
		time.Sleep(left + time.Second) // the test counts within one hour
	}
	rules := map[string]any{"name": "frugal", "access_mode": "read_only", "budget_queries_per_hour": 60}
	connection, policyURL := agentUnder(t, r, rules)
	elsewhere := strings.Replace(connection, ":"+port+"/", ":"+otherPort+"/", 1)
	here := []*pgx.Conn{connect(t, connection), connect(t, connection)}
	there := []*pgx.Conn{connect(t, elsewhere), connect(t, elsewhere)}
	all := append(here[:2:2], there...)
	never := func(int64) bool { return false }
	s := &spender{t: t}

	s.spendUntil(60, all)
	s.spend(all, never)
	if n := s.done.Load(); n != 60 {
		t.Fatalf("%d of 60 statements ran", n)
	}

	// Raised for sessions that go on; then one proxy dies with units on lease.
	rules["budget_queries_per_hour"] = 600
	if got := call(t, http.MethodPut, policyURL, c.key, rules, nil); got != http.StatusOK {
		t.Fatalf("raising the limit gets %d", got)
	}
	s.spendUntil(200, all)
	var kill sync.Once
	s.spend(all, func(done int64) bool {
		if done > 300 {
			kill.Do(func() { _ = victim.end(syscall.SIGKILL) })
		}
		return false
	})
	_, newPort := c.proxy(t)
	again := connect(t, strings.Replace(connection, ":"+port+"/", ":"+newPort+"/", 1))
	// Lost are a lease of the dead one, a sixteenth of what remained at most, and
	// the statements that were on their way through it.
	least := int64(600 - 600/16 - len(there))
	s.spendUntil(least, append(here[:2:2], again))
	s.spend(append(here[:2:2], again), never)
	if n := s.done.Load(); n > 600 {
		t.Errorf("%d of 600 statements ran", n)
	}
}
