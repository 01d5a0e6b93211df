package proxy

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

const (
	reportEvery = 10 * time.Second
	// reportAtMost is how soon a change is written: many in between are one.
	reportAtMost = time.Second
	// touchEvery is how often one credential's last use is written.
	touchEvery = time.Minute
)

// reporter writes to the store what only the proxy knows: how many clients
// each project has, and when a credential was last used. Logins do not wait
// for it, and an outage of the store costs nothing but the numbers.
type reporter struct {
	store    store.Store
	log      *slog.Logger
	instance string
	wake     chan struct{} // holds one

	mu      sync.Mutex
	counts  map[string]int // project -> connections; an entry of zero is reported once and forgotten
	changed bool
	uses    map[string]time.Time // credential -> last use that is not written yet
	written map[string]time.Time // credential -> when its use was written last
}

func newReporter(st store.Store, log *slog.Logger, instance string) *reporter {
	return &reporter{
		store: st, log: log, instance: instance, wake: make(chan struct{}, 1),
		counts: map[string]int{}, uses: map[string]time.Time{}, written: map[string]time.Time{},
	}
}

// connections notes a change of a project's number.
func (r *reporter) connections(project string, delta int) {
	r.mu.Lock()
	r.counts[project] += delta
	r.changed = true
	r.mu.Unlock()
	r.poke()
}

// used notes a login.
func (r *reporter) used(credential string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Sub(r.written[credential]) < touchEvery {
		return
	}
	r.uses[credential] = at
	r.poke()
}

func (r *reporter) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run writes until ctx ends, and then zeros, once.
func (r *reporter) run(ctx context.Context) {
	regular := time.NewTicker(reportEvery)
	defer regular.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			r.flush(last, true)
			cancel()
			return
		case <-regular.C:
			r.flush(ctx, true)
		case <-r.wake:
			r.flush(ctx, false)
			select { // changes in quick succession are one report
			case <-time.After(reportAtMost):
			case <-ctx.Done():
			}
		}
	}
}

// flush writes the counts when they changed or all is asked for, and the uses.
func (r *reporter) flush(ctx context.Context, all bool) {
	now := time.Now()
	r.mu.Lock()
	counts := map[string]int{}
	if r.changed || all {
		for project, n := range r.counts {
			counts[project] = n
			if n == 0 {
				delete(r.counts, project)
			}
		}
	}
	r.changed = false
	uses := r.uses
	r.uses = map[string]time.Time{}
	for id, at := range r.written {
		if now.Sub(at) >= touchEvery {
			delete(r.written, id)
		}
	}
	r.mu.Unlock()
	if len(counts)+len(uses) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	err := r.store.Update(ctx, func(tx store.Tx) error {
		for project, n := range counts {
			if err := tx.ReportConnections(r.instance, project, n, now); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		for id, at := range uses {
			if err := tx.TouchCredential(id, at); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		for id := range uses {
			r.written[id] = now
		}
		return
	}
	r.log.Warn("report connections failed, trying again with the next report", "error", err)
	for project := range counts {
		if _, still := r.counts[project]; !still {
			r.counts[project] = 0 // it was zero, and that is still to be said
		}
	}
	r.changed = true
	for id, at := range uses {
		if r.uses[id].Before(at) {
			r.uses[id] = at
		}
	}
}
