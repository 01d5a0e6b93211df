package proxy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestLimiterCountsPerMinute(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLimiter(20)
	l.now = func() time.Time { return now }
	a := keyOf(netip.MustParseAddr("192.0.2.1"), "agent")
	for i := range 20 {
		if l.blocked(a) {
			t.Fatalf("blocked after %d failures", i)
		}
		l.failed(a)
		now = now.Add(time.Second)
	}
	if !l.blocked(a) {
		t.Fatal("not blocked after 20 failures")
	}
	for _, other := range []attemptKey{keyOf(netip.MustParseAddr("192.0.2.2"), "agent"), keyOf(netip.MustParseAddr("192.0.2.1"), "other")} {
		if l.blocked(other) {
			t.Fatalf("%v is blocked as well", other)
		}
	}
	now = time.Unix(1000, 0).Add(time.Minute - 1)
	if !l.blocked(a) {
		t.Fatal("free before the minute ended")
	}
	now = now.Add(1)
	if l.blocked(a) {
		t.Fatal("blocked after the minute ended")
	}
}

func TestLimiterTakesAnIPv6NetworkForOneClient(t *testing.T) {
	l := newLimiter(1)
	l.failed(keyOf(netip.MustParseAddr("2001:db8::1"), "a"))
	if !l.blocked(keyOf(netip.MustParseAddr("2001:db8::ffff"), "a")) {
		t.Fatal("another address of the same /64 has attempts of its own")
	}
	l.failed(keyOf(netip.MustParseAddr("192.0.2.1"), "a"))
	if !l.blocked(keyOf(netip.MustParseAddr("::ffff:192.0.2.1"), "a")) {
		t.Fatal("the same IPv4 address in IPv6 form has attempts of its own")
	}
}

func TestLimiterMemoryIsBounded(t *testing.T) {
	l := newLimiter(20)
	addr := netip.MustParseAddr("192.0.2.1")
	for i := range 3 * limiterSize {
		l.failed(keyOf(addr, fmt.Sprint(i)))
	}
	if n := len(l.current) + len(l.old); n > 2*limiterSize {
		t.Fatalf("%d keys are kept", n)
	}
}
