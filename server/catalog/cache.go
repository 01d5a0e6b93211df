package catalog

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

const (
	// maxAge is how long a catalog is believed: changes that do not come
	// through the proxy are seen this late.
	maxAge = time.Minute
	// unknownPause is between two readings for the sake of unknown names.
	unknownPause = 2 * time.Second
	// failurePause is how long a failure answers for those who ask next.
	failurePause = time.Second
	// idleLife is how long a catalog that nobody asks for is kept.
	idleLife = 10 * time.Minute
)

// Key names a catalog: what a role sees of a database. Address is where the
// database is, so that one that moved is read anew.
type Key struct{ Project, Database, Address, Role string }

// KeyOf is the key of a project's database, as the role that the project
// itself logs in with sees it.
func KeyOf(project string, d *store.Database) Key {
	return Key{
		Project: project, Database: d.ID, Role: d.Username,
		Address: net.JoinHostPort(d.Host, strconv.Itoa(d.Port)) + "/" + d.Name,
	}
}

// Dial connects and logs in to what a key names.
type Dial func(ctx context.Context) (net.Conn, error)

// Cache holds catalogs. Safe for concurrent use; the zero value is ready.
type Cache struct {
	mu      sync.Mutex
	entries map[Key]*entry
}

// entry is one catalog. reading is held by whoever reads it from the server,
// so that all others wait for that one.
type entry struct {
	reading chan struct{} // a lock that can be waited for with a context
	asked   time.Time     // when somebody found no fresh one last; the cache's mu guards it

	// fresh is what there is to answer without a look at anything else, nil
	// when it is too old, expired, or could not be read.
	fresh atomic.Pointer[policy.Catalog]

	mu      sync.Mutex
	catalog *policy.Catalog
	digest  Digest
	at      time.Time // when reading began, or failed
	changes int       // of the schema that were announced
	seen    int       // of them, those that catalog has
	err     error
}

// Handle is what one session asks for its catalog. Get and Look are for one
// goroutine, Expire is for any.
type Handle struct {
	cache *Cache
	key   Key
	dial  Dial
	entry *entry // the cache has it while it is fresh
}

// Handle returns a handle on a catalog. dial is for its key.
func (c *Cache) Handle(k Key, dial Dial) *Handle { return &Handle{cache: c, key: k, dial: dial} }

// Get returns the catalog, reading it when it is not there, too old or
// expired. The same pointer means the same content. There is no answer from a
// catalog that should have been read again and could not be. While it need not
// be read, which every statement asks, that costs one atomic load.
func (h *Handle) Get(ctx context.Context) (*policy.Catalog, error) {
	if h.entry != nil {
		if fresh := h.entry.fresh.Load(); fresh != nil {
			return fresh, nil
		}
	}
	return h.get(ctx, maxAge)
}

// Look is Get for a statement that names what the catalog does not know. It
// reads again unless that was done a moment ago.
func (h *Handle) Look(ctx context.Context) (*policy.Catalog, error) { return h.get(ctx, unknownPause) }

// Expire notes that the schema of the database has changed, for all roles.
func (h *Handle) Expire() { h.cache.Expire(h.key.Project, h.key.Database) }

func (h *Handle) get(ctx context.Context, age time.Duration) (*policy.Catalog, error) {
	h.entry = h.cache.entry(h.key)
	return h.entry.get(ctx, h.dial, age)
}

// Expire notes that the schema of a database has changed, for all roles.
func (c *Cache) Expire(project, database string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.entries {
		if k.Project == project && k.Database == database {
			e.expire()
		}
	}
}

func (c *Cache) entry(k Key) *entry {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[k]
	if e == nil {
		if c.entries == nil {
			c.entries = map[Key]*entry{}
		}
		for old, o := range c.entries {
			if now.Sub(o.asked) > idleLife {
				delete(c.entries, old)
			}
		}
		e = &entry{reading: make(chan struct{}, 1)}
		c.entries[k] = e
	}
	e.asked = now
	return e
}

func (e *entry) expire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	e.fresh.Store(nil)
}

// held returns what needs no reading; ok is false when it has to be read.
func (e *entry) held(age time.Duration) (catalog *policy.Catalog, err error, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	since := time.Since(e.at)
	switch {
	case e.err != nil && since < failurePause:
		return nil, e.err, true
	case e.err == nil && e.catalog != nil && e.seen == e.changes && since < age:
		return e.catalog, nil, true
	}
	return nil, nil, false
}

func (e *entry) get(ctx context.Context, dial Dial, age time.Duration) (*policy.Catalog, error) {
	if catalog, err, ok := e.held(age); ok {
		return catalog, err
	}
	select {
	case e.reading <- struct{}{}:
		defer func() { <-e.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if catalog, err, ok := e.held(age); ok {
		return catalog, err
	}
	// What changes from here on is not in what is read.
	e.mu.Lock()
	begun, changes := time.Now(), e.changes
	e.mu.Unlock()
	catalog, digest, err := read(ctx, dial)

	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil { // else the asker left, which says nothing about the server
			e.fresh.Store(nil)
			e.at, e.err = time.Now(), err
		}
		return nil, err
	}
	e.at, e.err, e.seen = begun, nil, changes
	if e.catalog == nil || digest != e.digest {
		e.catalog, e.digest = catalog, digest
	}
	if e.seen == e.changes {
		e.fresh.Store(e.catalog)
		time.AfterFunc(time.Until(begun.Add(maxAge)), func() { e.age(begun) })
	}
	return e.catalog, nil
}

// age ends the freshness of what was read at some time.
func (e *entry) age(read time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.at.Equal(read) {
		e.fresh.Store(nil)
	}
}

func read(ctx context.Context, dial Dial) (*policy.Catalog, Digest, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, Digest{}, fmt.Errorf("connect to read catalog: %w", err)
	}
	defer conn.Close()
	return Load(ctx, conn)
}
