package proxy

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// TestNothingIsLeftBehind lets clients come, go, cancel, vanish and be thrown
// out at random, and then looks for what stayed.
func TestNothingIsLeftBehind(t *testing.T) {
	d := deploy(t)
	p := d.project("shop")
	l := d.credential(p, nil)
	cfg := d.as(l)
	cfg.RuntimeParams["application_name"] = "chaos"
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 15 {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				conn, err := pgx.ConnectConfig(ctx, cfg)
				if err != nil { // while it is disabled
					cancel()
					continue
				}
				switch rand.IntN(5) {
				case 0: // vanishes with a statement running
					go func() {
						time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
						conn.PgConn().Conn().Close()
					}()
					_, _ = conn.Exec(ctx, "select pg_sleep(600)")
				case 1: // gives up: the driver cancels and closes
					short, stop := context.WithTimeout(ctx, 5*time.Millisecond)
					_, _ = conn.Exec(short, "select pg_sleep(600)")
					stop()
				case 2: // leaves in a transaction
					_, _ = conn.Exec(ctx, "begin")
				case 3: // leaves in the middle of a COPY
					raw := conn.PgConn().Conn()
					_, _ = raw.Write(wire.AppendBody(nil, wire.Query, []byte("create temp table c (t text); copy c from stdin\x00")))
					raw.Close()
				default:
					for range 20 {
						_, _ = conn.Exec(ctx, "select 1")
					}
				}
				conn.Close(ctx)
				cancel()
			}
		})
	}
	stop := make(chan struct{})
	var flips sync.WaitGroup
	flips.Go(func() {
		for status := "disabled"; ; {
			select {
			case <-stop:
				return
			case <-time.After(40 * time.Millisecond):
			}
			_ = d.store.Update(context.Background(), func(tx store.Tx) error {
				c, err := tx.Credentials().Get(p.ID, l.ID)
				if err != nil {
					return err
				}
				c.Status = status
				return tx.Credentials().Update(c)
			})
			if status == "disabled" {
				status = "active"
			} else {
				status = "disabled"
			}
		}
	})
	clients.Wait()
	close(stop)
	flips.Wait()

	obs := direct(t)
	eventually(t, "no upstream session is left", func() bool {
		return scalar[int](t, obs, "select count(*) from pg_stat_activity where application_name = 'chaos'") == 0
	})
	eventually(t, "no place is taken", func() bool {
		d.server.registry.mu.Lock()
		held := d.server.registry.projects[p.ID]
		d.server.registry.mu.Unlock()
		d.server.mu.Lock()
		defer d.server.mu.Unlock()
		return held.connections() == 0 && len(d.server.sessions) == 0 && d.server.accepted == 0
	})
}
