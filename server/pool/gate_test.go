package pool

import (
	"sync"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

func TestReadMoreDoesNotWait(t *testing.T) {
	for _, mode := range []string{"disable", "require"} {
		t.Run(mode, func(t *testing.T) {
			u := dial(t, target(func(to *Target) { to.SSLMode = mode }))
			buf := make([]byte, 1<<20)
			if n, err := u.ReadMore(buf); n != 0 || err != nil {
				t.Fatalf("%d bytes, %v from an idle server", n, err)
			}
			if _, err := u.Write(wire.AppendBody(nil, wire.Query, []byte("select repeat('x', 5000)\x00"))); err != nil {
				t.Fatal(err)
			}
			n, err := u.Read(buf[:1]) // waits
			for err == nil && buf[max(n-6, 0)] != wire.ReadyForQuery {
				var more int
				more, err = u.ReadMore(buf[n:])
				n += more
			}
			if err != nil || n < 5000 {
				t.Fatalf("%d bytes, %v", n, err)
			}
			if got := ask(t, u, "select 'in step'"); got != "in step" { // TLS went on after the reads that found nothing
				t.Fatalf("got %q", got)
			}
		})
	}
}

func TestReadWithBorrowsOnlyWhenThereIsSomething(t *testing.T) {
	u, holder := dial(t, target(func(to *Target) { to.SSLMode = "disable" })), dial(t, target())
	ask(t, holder, "select pg_advisory_lock(1)")
	if _, err := u.Write(wire.AppendBody(nil, wire.Query, []byte("select pg_advisory_lock(1)\x00"))); err != nil {
		t.Fatal(err)
	}
	// The answer comes once the reader has found nothing: the lock is let go then.
	l := &lender{buf: make([]byte, 1024), nothing: sync.OnceFunc(func() { holder.Close() })}
	n, ok, err := u.ReadWith(l)
	if !ok || err != nil || n == 0 || l.buf[0] != 'T' {
		t.Fatalf("%d bytes, %v, %v", n, ok, err)
	}
	if l.borrowed != l.back+1 || l.back == 0 {
		t.Fatalf("borrowed %d times, gave back %d times", l.borrowed, l.back)
	}
}

type lender struct {
	buf            []byte
	borrowed, back int
	nothing        func() // is called when nothing has arrived
}

func (l *lender) Borrow() []byte { l.borrowed++; return l.buf }
func (l *lender) GiveBack()      { l.back++; l.nothing() }
