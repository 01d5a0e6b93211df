package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// link is a connection to the upstream that can be cut, and frozen: then it
// takes connections and bytes, as a machine without power for its programs
// does, and nothing comes of them.
type link struct {
	port   int
	lasts  atomic.Pointer[atomic.Int64] // bytes of the upstream's that still come through; then the link is cut
	frozen atomic.Bool
	after  atomic.Int64 // connections since it is frozen
	thaw   chan struct{}

	mu    sync.Mutex
	conns []net.Conn
}

func (l *link) through(to io.Writer) io.Writer { return linkWriter{l, to} }

type linkWriter struct {
	*link
	to io.Writer
}

func (w linkWriter) Write(b []byte) (int, error) {
	if w.frozen.Load() {
		<-w.thaw
	}
	return w.to.Write(b)
}

// shortLived is the client's end of a link.
type shortLived struct {
	*link
	to io.Writer
}

func (w shortLived) Write(b []byte) (int, error) {
	left := w.lasts.Load()
	if left == nil {
		return w.to.Write(b)
	}
	n, err := w.to.Write(b[:min(len(b), int(left.Load()))])
	if left.Add(int64(-n)) == 0 && err == nil {
		err = io.ErrClosedPipe
	}
	return n, err
}

// thawed ends the freezing, for good.
func (l *link) thawed() {
	if l.frozen.Swap(false) {
		close(l.thaw)
	}
}

func newLink(t testing.TB, to string) *link {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{port: ln.Addr().(*net.TCPAddr).Port, thaw: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			if l.frozen.Load() {
				l.after.Add(1)
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, in, out)
			l.mu.Unlock()
			wg.Go(func() { _, _ = io.Copy(l.through(out), in); out.Close() })
			wg.Go(func() { _, _ = io.Copy(l.through(shortLived{l, in}), out); in.Close() })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		l.cut()
		l.thawed()
		wg.Wait()
	})
	return l
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
}

// outage is a store whose reading can fail.
type outage struct {
	store.Store
	down atomic.Bool
}

func (o *outage) View(ctx context.Context, fn func(store.Tx) error) error {
	if o.down.Load() {
		return errors.New("the store is down")
	}
	return o.Store.View(ctx, fn)
}

// hanging is a store whose next view never ends by itself.
type hanging struct {
	store.Store
	next atomic.Bool
}

func (h *hanging) View(ctx context.Context, fn func(store.Tx) error) error {
	if h.next.CompareAndSwap(true, false) {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Store.View(ctx, fn)
}
