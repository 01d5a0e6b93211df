package proxy

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// A server that takes all it is sent and answers nothing, neither statements
// nor requests to cancel them, does not keep the proxy from stopping: it is
// asked to cancel once, for as long as an answer may take.
func TestShutdownDoesNotWaitForAFrozenUpstream(t *testing.T) {
	for _, mode := range []string{"disable", "require"} {
		t.Run(mode, func(t *testing.T) {
			link := newLink(t, net.JoinHostPort(postgres.Host, itoa(postgres.Port)))
			d := deploy(t)
			d.mode = mode
			p := d.project("shop", func(_ *store.Project, db *store.Database) { db.Port = link.port })
			conn := d.connect(d.as(d.credential(p, nil)))
			pid := scalar[int](t, conn, "select pg_backend_pid()")
			raw := hijack(t, conn)
			send(t, raw, wire.AppendQuery(nil, "select pg_sleep(600)"))
			waitActive(t, pid)
			link.frozen.Store(true)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			began := time.Now()
			_ = d.server.Shutdown(ctx)
			t.Logf("it took %v", time.Since(began))
			if n := link.after.Load(); n != 1 {
				t.Errorf("the upstream was asked to cancel %d times, want once", n)
			}
			link.cut()
			scalar[bool](t, direct(t), "select pg_terminate_backend($1)", pid)
		})
	}
}
