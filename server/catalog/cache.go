package catalog

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
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

	mu      sync.Mutex
	catalog *policy.Catalog
	digest  Digest
	at      time.Time // when reading began
	expired bool
	err     error
	asked   time.Time
}

// Get returns the catalog of a key, reading it when it is not there, too old
// or expired. The same pointer means the same content. There is no answer
// from a catalog that should have been read again and could not be.
func (c *Cache) Get(ctx context.Context, k Key, dial Dial) (*policy.Catalog, error) {
	return c.entry(k).get(ctx, dial, maxAge)
}

// Look is Get for a statement that names what the catalog does not know. It
// reads again unless that was done a moment ago.
func (c *Cache) Look(ctx context.Context, k Key, dial Dial) (*policy.Catalog, error) {
	return c.entry(k).get(ctx, dial, unknownPause)
}

// Expire notes that the schema of a database has changed, for all roles.
func (c *Cache) Expire(project, database string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.entries {
		if k.Project == project && k.Database == database {
			e.mu.Lock()
			e.expired = true
			e.mu.Unlock()
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
			if o.idle(now) {
				delete(c.entries, old)
			}
		}
		e = &entry{reading: make(chan struct{}, 1), asked: now}
		c.entries[k] = e
	}
	return e
}

func (e *entry) idle(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return now.Sub(e.asked) > idleLife
}

// held returns what needs no reading; ok is false when it has to be read.
func (e *entry) held(age time.Duration) (catalog *policy.Catalog, err error, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = time.Now()
	since := e.asked.Sub(e.at)
	switch {
	case e.err != nil && since < failurePause:
		return nil, e.err, true
	case e.err == nil && e.catalog != nil && !e.expired && since < age:
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
	e.expired = false
	begun := time.Now()
	e.mu.Unlock()
	catalog, digest, err := read(ctx, dial)

	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		e.expired = true
		return nil, err // the asker left; that says nothing about the server
	}
	e.at, e.err = begun, err
	if err != nil {
		e.at = time.Now()
		return nil, err
	}
	if e.catalog == nil || digest != e.digest {
		e.catalog, e.digest = catalog, digest
	}
	return e.catalog, nil
}

func read(ctx context.Context, dial Dial) (*policy.Catalog, Digest, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, Digest{}, fmt.Errorf("connect to read catalog: %w", err)
	}
	defer conn.Close()
	return Load(ctx, conn)
}
