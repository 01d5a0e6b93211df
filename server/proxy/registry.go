package proxy

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

const (
	// refreshTimeout is how long a statement waits for a view that was announced.
	refreshTimeout = 2 * time.Second
	// reloadTimeout is for one view in the background. A connection to the store
	// whose other end is gone without a word would hold up all changes.
	reloadTimeout = 5 * time.Second
)

// registry holds the projects that have been logged in to, each with its
// newest view. An outage of the store leaves the last view in force for the
// sessions that are there; a login asks the store and fails without it.
type registry struct {
	store store.Store
	log   *slog.Logger

	mu       sync.Mutex
	projects map[string]*project
}

// project is one project in this process.
type project struct {
	id     string
	view   atomic.Pointer[view]
	newest atomic.Int64 // revision that was announced; ahead of view's until it is loaded

	queries atomic.Pointer[rate.Limiter] // statements; nil without a limit
	engines engines

	loading  sync.Mutex
	mu       sync.Mutex
	sessions map[*session]struct{}
	places   int // taken by sessions and by logins that are on their way upstream
}

func newRegistry(st store.Store, log *slog.Logger) *registry {
	return &registry{store: st, log: log, projects: map[string]*project{}}
}

// load returns a project with a view at least as new as tx sees it. fresh
// tells that it was not held before: what was announced while tx was open
// passed it by, and it needs a refresh before use.
func (r *registry) load(tx store.Tx, id string) (p *project, fresh bool, err error) {
	row, err := tx.Projects().Get("", id)
	if err != nil {
		return nil, false, err
	}
	r.mu.Lock()
	p = r.projects[id]
	r.mu.Unlock()
	if p != nil && p.view.Load().revision >= row.Revision {
		return p, false, nil
	}
	snap, err := tx.Snapshot(id)
	if err != nil {
		return nil, false, err
	}
	p, fresh = r.install(newView(snap))
	return p, fresh, nil
}

// install makes v the view of its project unless a newer one is there, and
// ends the sessions that it refuses.
func (r *registry) install(v *view) (p *project, fresh bool) {
	r.mu.Lock()
	p = r.projects[v.project.ID]
	if p == nil {
		p = &project{id: v.project.ID, sessions: map[*session]struct{}{}}
		p.setRate(v)
		p.view.Store(v)
		r.projects[p.id] = p
		r.mu.Unlock()
		return p, true
	}
	r.mu.Unlock()
	p.replace(v)
	return p, false
}

// replace puts v in force unless a newer view is, and has all sessions ask.
func (p *project) replace(v *view) {
	p.mu.Lock()
	if old := p.view.Load(); v.ended != gone && old.revision > v.revision {
		p.mu.Unlock()
		return
	}
	p.setRate(v)
	p.view.Store(v)
	affected := make([]*session, 0, len(p.sessions))
	for s := range p.sessions {
		affected = append(affected, s)
	}
	p.mu.Unlock()
	for _, s := range affected {
		s.recheck()
	}
}

// held returns the ids of all projects that are loaded.
func (r *registry) held() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make(map[string]bool, len(r.projects))
	for id := range r.projects {
		ids[id] = true
	}
	return ids
}

// announced notes a change the moment it is committed. From then on no
// statement goes by the older view.
func (r *registry) announced(c store.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.projects[c.ProjectID]; p != nil && p.newest.Load() < c.Revision {
		p.newest.Store(c.Revision)
	}
}

// current returns the view that is in force for p. It waits for one that was
// announced and is on its way; when the store does not give it, the last one
// stays.
func (r *registry) current(ctx context.Context, p *project) *view {
	v, newest := p.view.Load(), p.newest.Load()
	if v.revision >= newest || v.ended != nil {
		return v
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	if v = p.view.Load(); v.revision >= newest || v.ended != nil {
		return v
	}
	within, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	err := r.refresh(within, p.id)
	v = p.view.Load()
	switch {
	case err != nil && ctx.Err() != nil: // who asked has left: that says nothing about the store
		return v
	case err != nil:
		r.log.Warn("reload project failed, its sessions go on with what they have", "project", p.id, "error", err)
	}
	p.newest.CompareAndSwap(newest, v.revision) // asked once: from here on it is the watcher's
	return v
}

// watch keeps the views new until ctx ends.
func (r *registry) watch(ctx context.Context, changes <-chan store.Change) {
	const soonest, latest = 100 * time.Millisecond, 2 * time.Second
	stale := map[string]bool{}
	wait := soonest
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case c, ok := <-changes:
			switch {
			case !ok && ctx.Err() != nil:
				return
			case !ok: // the store gave up on us: begin again, and believe nothing held
				changes = nil
				stale = r.held()
			case c.ProjectID == "":
				stale = r.held()
			default:
				stale[c.ProjectID] = true
			}
		case <-retry.C:
			if changes == nil {
				changes = r.store.Watch(ctx)
			}
		}
		r.reload(ctx, stale)
		if len(stale) > 0 || changes == nil {
			retry.Reset(wait)
			wait = min(2*wait, latest)
		} else {
			wait = soonest
		}
	}
}

// reload loads what is stale and still held, and takes from stale what it
// could load.
func (r *registry) reload(ctx context.Context, stale map[string]bool) {
	held := r.held()
	for id := range stale {
		if !held[id] {
			delete(stale, id)
			continue
		}
		within, cancel := context.WithTimeout(ctx, reloadTimeout)
		err := r.refresh(within, id)
		cancel()
		if err == nil {
			delete(stale, id)
		} else if ctx.Err() == nil {
			r.log.Warn("reload project failed, its sessions go on with what they have", "project", id, "error", err)
		}
	}
}

// refresh loads a project's newest view and puts it in force.
func (r *registry) refresh(ctx context.Context, id string) error {
	var snap store.Snapshot
	err := r.store.View(ctx, func(tx store.Tx) (err error) {
		snap, err = tx.Snapshot(id)
		return err
	})
	switch {
	case err == nil:
		r.install(newView(snap))
	case errors.Is(err, store.ErrNotFound):
		r.remove(id)
	default:
		return err
	}
	return nil
}

// remove forgets a project that was deleted and ends its sessions.
func (r *registry) remove(id string) {
	r.mu.Lock()
	p := r.projects[id]
	delete(r.projects, id)
	r.mu.Unlock()
	if p == nil {
		return
	}
	p.replace(&view{project: store.Project{ID: id}, ended: gone})
}

// setRate applies the project's limit of statements a second. A limit that
// has not changed keeps its account.
func (p *project) setRate(v *view) {
	limit, burst := rate.Limit(v.project.QueriesPerSecond), int(v.project.BurstSize)
	if limit == 0 {
		p.queries.Store(nil)
		return
	}
	if burst == 0 {
		burst = int(limit)
	}
	if l := p.queries.Load(); l == nil || l.Limit() != limit || l.Burst() != burst {
		p.queries.Store(rate.NewLimiter(limit, burst))
	}
}

// take takes a place for one more connection, nil, or says why there is none.
func (p *project) take() *refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := int(p.view.Load().project.MaxConnections)
	if limit > 0 && p.places >= limit {
		return fatal(codeTooMany, "Close connections that are not needed, or raise the limit.", "too many connections for project")
	}
	p.places++
	return nil
}

// giveBack ends what take began.
func (p *project) giveBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.places--
}

// join makes s one of the sessions that learn of new views, and returns the
// view that is in force from then on.
func (p *project) join(s *session) *view {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions[s] = struct{}{}
	return p.view.Load()
}

// leave ends what join began.
func (p *project) leave(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s)
}

// connections is the number of places taken.
func (p *project) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.places
}
