package store

import (
	"context"
	"sync"
	"time"
)

// hub passes changes on to watchers. A slow watcher holds nobody up: changes
// of one project collapse into the newest.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	hooks    map[*func(Change)]struct{}
	known    map[string]int64 // the newest revision announced per project
}

type watcher struct {
	wake    chan struct{} // holds one
	mu      sync.Mutex
	pending map[string]int64
	order   []string // of pending
	all     bool     // reload everything, instead of what is pending
}

func newHub() *hub {
	return &hub{watchers: map[*watcher]struct{}{}, hooks: map[*func(Change)]struct{}{}, known: map[string]int64{}}
}

// announce tells all watchers of changes they have not heard of. A Change
// without a project reloads all.
func (h *hub) announce(changes ...Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		if c.ProjectID != "" {
			if c.Revision <= h.known[c.ProjectID] {
				continue
			}
			h.known[c.ProjectID] = c.Revision
		}
		for hook := range h.hooks {
			(*hook)(c)
		}
		for w := range h.watchers {
			w.add(c)
		}
	}
}

func (s *store) OnChange(fn func(Change)) (stop func()) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.hooks[&fn] = struct{}{}
	return func() {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		delete(s.hub.hooks, &fn)
	}
}

// learn takes revisions that watchers starting now will load by themselves.
func (h *hub) learn(revisions map[string]int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, rev := range revisions {
		h.known[id] = max(h.known[id], rev)
	}
}

func (w *watcher) add(c Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case c.ProjectID == "":
		w.all, w.pending, w.order = true, map[string]int64{}, nil
	case w.all:
		return
	default:
		if _, waiting := w.pending[c.ProjectID]; !waiting {
			w.order = append(w.order, c.ProjectID)
		}
		w.pending[c.ProjectID] = c.Revision
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) next() (Change, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all {
		w.all = false
		return Change{}, true
	}
	if len(w.order) == 0 {
		return Change{}, false
	}
	id := w.order[0]
	w.order = w.order[1:]
	c := Change{ProjectID: id, Revision: w.pending[id]}
	delete(w.pending, id)
	return c, true
}

// Watch has one goroutine per watcher, which ends with ctx or the store.
func (s *store) Watch(ctx context.Context) <-chan Change {
	out := make(chan Change)
	w := &watcher{wake: make(chan struct{}, 1), pending: map[string]int64{}}
	s.hub.mu.Lock()
	s.hub.watchers[w] = struct{}{}
	s.hub.mu.Unlock()
	s.follow(ctx)

	leave := func() {
		s.hub.mu.Lock()
		delete(s.hub.watchers, w)
		s.hub.mu.Unlock()
		close(out)
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.ctx.Err() != nil {
		leave()
		return out
	}
	s.running.Go(func() {
		defer leave()
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.ctx.Done():
				return
			case <-w.wake:
			}
			for c, ok := w.next(); ok; c, ok = w.next() {
				select {
				case <-ctx.Done():
					return
				case <-s.ctx.Done():
					return
				case out <- c:
				}
			}
		}
	})
	return out
}

// follow starts, with the first watcher, to listen to what other processes
// change.
func (s *store) follow(ctx context.Context) {
	s.following.Do(func() {
		// What was committed before is for the watcher to load. When it cannot be
		// read now, the first poll that can announces all of it.
		if revisions, err := s.revisions(ctx); err == nil {
			s.hub.learn(revisions)
		}
		s.closing.Lock()
		defer s.closing.Unlock()
		if s.ctx.Err() == nil {
			s.running.Go(func() { s.engine.follow(s.ctx, s) })
		}
	})
}

// revisions reads the revision of every project.
func (s *store) revisions(ctx context.Context) (map[string]int64, error) {
	rows, err := s.engine.reader().QueryContext(ctx, "SELECT id, revision FROM projects")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var id string
		var rev int64
		if err := rows.Scan(&id, &rev); err != nil {
			return nil, err
		}
		out[id] = rev
	}
	return out, rows.Err()
}

// lookTimeout is for one look at the revisions. A connection whose other end
// is gone without a word would keep its reader for a quarter of an hour.
const lookTimeout = 3 * time.Second

// poll announces what changed since the last look.
func (s *store) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	revisions, err := s.revisions(ctx)
	if err != nil {
		return err
	}
	for id, rev := range revisions {
		s.hub.announce(Change{ProjectID: id, Revision: rev})
	}
	return nil
}
