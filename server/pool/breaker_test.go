package pool

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// fakeUpstream stands for dialling: it counts and fails as told, at a time
// that the test sets.
type fakeUpstream struct {
	at    time.Time
	dials int
	err   error
}

func newTestDialer() (*Dialer, *fakeUpstream) {
	f := &fakeUpstream{at: time.Unix(1000, 0)}
	d := NewDialer()
	d.now = func() time.Time { return f.at }
	d.dial = func(context.Context, Target) (*Upstream, error) {
		f.dials++
		return nil, f.err
	}
	return d, f
}

var (
	errDown    = &Error{Report: wire.Report{Code: "08001", Message: "connection refused"}}
	errRefused = &Error{Reached: true, Report: wire.Report{Code: "28P01", Message: "password authentication failed"}}
	errLeft    = &Error{Report: wire.Report{Code: "08001"}, cause: context.Canceled}
)

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	d, f := newTestDialer()
	try := func() error { _, err := d.Dial(t.Context(), "prj", Target{Host: "h", Port: 1}); return err }
	wantDials := func(n int) {
		t.Helper()
		if f.dials != n {
			t.Fatalf("%d attempts reached the upstream, want %d", f.dials, n)
		}
	}
	f.err = errDown
	for range 3 {
		_ = try()
	}
	wantDials(3)
	var e *Error
	if err := try(); !errors.As(err, &e) || e.Report.Code != "08006" || e.Report.Message != "upstream unavailable (circuit breaker open)" || e.Report.Detail != "connection refused" {
		t.Fatalf("got %+v", err)
	}
	wantDials(3)

	// Each failed probe doubles the cooldown, up to a minute.
	for i, cooldown := range []time.Duration{5, 10, 20, 40, 60, 60} {
		f.at = f.at.Add(cooldown*time.Second - 1)
		_ = try()
		wantDials(3 + i)
		f.at = f.at.Add(1)
		_ = try()
		wantDials(4 + i)
		_ = try()
		wantDials(4 + i)
	}

	f.at = f.at.Add(time.Minute)
	f.err = nil
	for range 3 { // success closes at once
		if err := try(); err != nil {
			t.Fatal(err)
		}
	}
	f.err = errDown
	_ = try()
	_ = try()
	if err := try(); err.Error() != errDown.Error() {
		t.Fatalf("it forgot that it was closed: %v", err)
	}
}

func TestBreakerLetsOneProbeThrough(t *testing.T) {
	d, f := newTestDialer()
	f.err = errDown
	try := func() error { _, err := d.Dial(t.Context(), "prj", Target{Host: "h"}); return err }
	for range 3 {
		_ = try()
	}
	f.at = f.at.Add(breakerCooldown)
	inner := 0
	d.dial = func(context.Context, Target) (*Upstream, error) {
		inner++
		_ = try() // while the probe is on its way
		return nil, nil
	}
	_ = try()
	if inner != 1 {
		t.Fatalf("%d probes at once", inner)
	}
}

func TestBreakerCountsOnlyWhatTheUpstreamDid(t *testing.T) {
	d, f := newTestDialer()
	try := func(project string) error { _, err := d.Dial(t.Context(), project, Target{Host: "h"}); return err }
	for _, err := range []error{errDown, errDown, errLeft, errRefused, errDown, errDown, errLeft} {
		f.err = err
		_ = try("prj")
	}
	if f.dials != 7 || len(d.breakers) != 1 {
		t.Fatalf("%d attempts, %d breakers", f.dials, len(d.breakers))
	}
	f.err = errDown
	_ = try("prj")
	_ = try("prj")
	if f.dials != 8 {
		t.Fatal("a third failure in a row did not open the breaker")
	}
	_ = try("other project")
	if f.dials != 9 {
		t.Fatal("another project's breaker was open")
	}
}

func TestProbeThatIsAbandonedLeavesTheNextOne(t *testing.T) {
	d, f := newTestDialer()
	try := func() { _, _ = d.Dial(t.Context(), "prj", Target{Host: "h"}) }
	f.err = errDown
	for range 3 {
		try()
	}
	f.at = f.at.Add(breakerCooldown)
	f.err = errLeft
	try()
	f.err = nil
	try()
	if f.dials != 5 || len(d.breakers) != 0 {
		t.Fatalf("%d attempts, %d breakers", f.dials, len(d.breakers))
	}
}

// A proxy that is out of files finds out nothing about its upstreams.
func TestBreakerDoesNotCountWhatThisMachineLacks(t *testing.T) {
	d, f := newTestDialer()
	f.err = newError(Target{Host: "h"}, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, nil)
	for range 2 * breakerFailures {
		_, _ = d.Dial(t.Context(), "prj", Target{Host: "h"})
	}
	if f.dials != 2*breakerFailures || len(d.breakers) != 0 {
		t.Fatalf("%d attempts, %d breakers", f.dials, len(d.breakers))
	}
}
