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

// link is a connection to the upstream that can be cut.
type link struct {
	port  int
	mu    sync.Mutex
	conns []net.Conn
}

func newLink(t testing.TB, to string) *link {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{port: ln.Addr().(*net.TCPAddr).Port}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, in, out)
			l.mu.Unlock()
			wg.Go(func() { _, _ = io.Copy(out, in); out.Close() })
			wg.Go(func() { _, _ = io.Copy(in, out); in.Close() })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		l.cut()
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
