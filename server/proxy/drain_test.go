package proxy

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// A simple query that fails behind a batch that has no Sync ends that batch and
// no more: what was asked behind it runs, and a drain lets it finish.
func TestQueryBehindAFailedQueryBehindABatchIsNoIdleSession(t *testing.T) {
	for name, batch := range map[string][]byte{
		"parse":           appendParse(nil, "", "select 1", []byte{0, 0}),
		"parse and flush": wire.AppendBody(appendParse(nil, "", "select 1", []byte{0, 0}), wire.Flush, nil),
		"run":             bytes.TrimSuffix(pipelined("select 1"), synced),
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			d.passthrough = true
			conn, _ := d.session()
			holder := direct(t)
			scalar[string](t, holder, "select pg_advisory_lock(4711)::text")
			raw := hijack(t, conn)
			frames := wire.AppendQuery(slices.Clone(batch), "select 1/0")
			send(t, raw, wire.AppendQuery(frames, "select pg_advisory_lock(4711)"))
			until := func(typ byte) {
				for {
					got, _, err := wire.ReadFrame(raw, nil, 1<<20)
					if err != nil {
						t.Fatalf("waiting for %q: %v", typ, err)
					}
					if got == typ {
						return
					}
				}
			}
			until(wire.ReadyForQuery) // of the one that failed
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s, stopped := sessionOf(t, d), make(chan error, 1)
			go func() { stopped <- d.server.Shutdown(ctx) }()
			eventually(t, "the session is told to end when it is idle", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.draining
			})
			scalar[bool](t, holder, "select pg_advisory_unlock(4711)")
			until(wire.CommandComplete)
			until(wire.ReadyForQuery)
			if err := <-stopped; err != nil {
				t.Fatal(err)
			}
		})
	}
}
