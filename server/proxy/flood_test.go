package proxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// Thousands of requests to cancel, with wrong keys and with the right one, cost
// other sessions nothing and leave nothing behind; those with the right key hit
// what runs, and nothing that is sent later.
func TestFloodOfCancelRequests(t *testing.T) {
	d := deploy(t)
	victim, l := d.session()
	bystander := d.connect(d.as(l))
	right := wire.AppendCancel(nil, victim.PgConn().PID(), victim.PgConn().SecretKey())
	wrong := append([]byte(nil), right...)
	wrong[len(wrong)-1] ^= 1
	stop := make(chan struct{})
	var sent atomic.Int64
	var flood sync.WaitGroup
	for i := range 16 {
		frame := wrong
		if i%2 == 0 {
			frame = right
		}
		flood.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := net.Dial("tcp", d.addr)
				if err != nil {
					continue
				}
				_, _ = conn.Write(frame)
				if i%4 != 0 { // the others do not wait for the end
					_, _ = io.Copy(io.Discard, conn)
				}
				conn.Close()
				sent.Add(1)
			}
		})
	}
	began := time.Now()
	for range 300 {
		scalar[int](t, bystander, "select 1")
	}
	for range 20 {
		if _, err := victim.Exec(t.Context(), "select pg_sleep(600)"); err == nil || asPgError(t, err).Code != "57014" {
			t.Fatalf("got %v", err)
		}
	}
	close(stop)
	flood.Wait()
	t.Logf("%d requests in %v", sent.Load(), time.Since(began))
	scalar[int](t, victim, "select 1")
	eventually(t, "no connection is left of the flood", func() bool {
		d.server.mu.Lock()
		defer d.server.mu.Unlock()
		return d.server.accepted == 2
	})
}
