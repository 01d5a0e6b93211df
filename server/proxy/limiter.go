package proxy

import (
	"net/netip"
	"sync"
	"time"
)

// limiterSize bounds the memory that strangers can make the limiter take.
const limiterSize = 1 << 16

// limiter counts failed logins per client address and user, in windows of a
// minute that begin with the first failure.
type limiter struct {
	limit int
	now   func() time.Time

	mu      sync.Mutex
	current map[attemptKey]attempts
	old     map[attemptKey]attempts // the generation before, until it is a minute old
	turned  time.Time
}

type attemptKey struct {
	addr    netip.Prefix
	project string
	user    string
}

type attempts struct {
	since    time.Time
	failures int
}

func newLimiter(limit int) *limiter {
	return &limiter{limit: limit, now: time.Now, current: map[attemptKey]attempts{}}
}

// keyOf makes a key: an IPv6 client has a whole /64 to come from. The user
// is cut to the length of an identifier.
func keyOf(addr netip.Addr, user string) attemptKey {
	bits := 32
	if addr = addr.Unmap(); addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return attemptKey{addr: p, user: user[:min(len(user), 63)]}
}

// blocked reports whether this key has failed too often. It is asked before
// the exchange, and again when a verdict is due, so that many attempts at
// once get no more verdicts than the same number in a row.
func (l *limiter) blocked(key attemptKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.get(key).failures >= l.limit
}

// failed counts a failure.
func (l *limiter) failed(key attemptKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.get(key)
	if a.failures == 0 {
		a.since = l.now()
	}
	a.failures++
	if len(l.current) >= limiterSize || l.now().Sub(l.turned) >= time.Minute {
		l.old, l.current, l.turned = l.current, map[attemptKey]attempts{}, l.now()
	}
	l.current[key] = a
}

// get returns what counts of a key now. l.mu must be held.
func (l *limiter) get(key attemptKey) attempts {
	a, ok := l.current[key]
	if !ok {
		a = l.old[key]
	}
	if l.now().Sub(a.since) >= time.Minute {
		return attempts{}
	}
	return a
}
