package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

const (
	breakerFailures    = 3
	breakerCooldown    = 5 * time.Second
	breakerMaxCooldown = time.Minute
)

// Dialer dials with a circuit breaker per upstream and project: after three
// failures to connect in a row nobody waits for a server that is not there.
// After a cooldown one attempt probes; success closes the breaker at once,
// failure doubles the cooldown. An upstream that answers, be it with a refusal,
// is up.
type Dialer struct {
	mu       sync.Mutex
	breakers map[string]*breaker

	now  func() time.Time
	dial func(context.Context, Target) (*Upstream, error)
}

// NewDialer returns a dialer that knows no failure yet.
func NewDialer() *Dialer {
	return &Dialer{breakers: map[string]*breaker{}, now: time.Now, dial: Dial}
}

// breaker exists only while its upstream fails.
type breaker struct {
	failures int
	cooldown time.Duration
	openedAt time.Time
	probing  bool
	reason   string
}

// Dial is Dial unless the breaker of this project's upstream is open.
func (d *Dialer) Dial(ctx context.Context, project string, t Target) (*Upstream, error) {
	key := project + " " + net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) + " " + t.SSLMode
	probe, err := d.enter(key)
	if err != nil {
		return nil, err
	}
	u, err := d.dial(ctx, t)
	d.leave(key, probe, err)
	return u, err
}

// enter takes the probe, or refuses while the breaker is open.
func (d *Dialer) enter(key string) (probe bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.breakers[key]
	if b == nil || b.failures < breakerFailures {
		return false, nil
	}
	wait := b.openedAt.Add(b.cooldown).Sub(d.now())
	if wait <= 0 && !b.probing {
		b.probing = true
		return true, nil
	}
	return false, &Error{Report: wire.Report{
		Severity: wire.SeverityFatal,
		Code:     codeConnectionFailure,
		Message:  "upstream unavailable (circuit breaker open)",
		Detail:   b.reason,
		Hint:     fmt.Sprintf("The upstream is tried again in %s.", max(wait, time.Second).Round(time.Second)),
	}}
}

func (d *Dialer) leave(key string, probe bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.breakers[key]
	var e *Error
	if !errors.As(err, &e) || e.Reached {
		delete(d.breakers, key)
		return
	}
	if errors.Is(err, context.Canceled) || e.ours { // says nothing about the upstream
		if b != nil && probe {
			b.probing = false
		}
		return
	}
	if b == nil {
		b = &breaker{}
		d.breakers[key] = b
	}
	b.failures++
	b.reason = e.Report.Message
	switch {
	case probe:
		b.probing = false
		b.cooldown = min(2*b.cooldown, breakerMaxCooldown)
		b.openedAt = d.now()
	case b.failures == breakerFailures:
		b.cooldown = breakerCooldown
		b.openedAt = d.now()
	}
}
