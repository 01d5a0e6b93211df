package proxy

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// Wherever in its answer an upstream dies, its client is told what happened, or
// finds its connection closed where that is in the middle of a frame that was
// passed on as it came, and nobody waits.
func TestUpstreamThatDiesAtAnyByte(t *testing.T) {
	schema := fixture(t, "create table notes (team int default 1, secret text default 'SECRET', text text)")
	link := newLink(t, net.JoinHostPort(postgres.Host, itoa(postgres.Port)))
	d := deploy(t)
	p := d.project("shop", func(_ *store.Project, db *store.Database) { db.Port = link.port })
	l := d.credential(p, rules(func(r *store.PolicyRules) {
		readWrite(r)
		r.MaxRows, r.MaxAffectedRows = 2, 10
		r.RowFilters = []store.RowFilter{{Table: schema + ".notes", Predicate: "team = 1"}}
		r.MaskingRules = []store.MaskingRule{{Table: schema + ".notes", Column: "secret", Kind: "redact"}}
	}))
	for who, c := range map[string]struct {
		as     *pgx.ConnConfig
		frames []byte
	}{
		"user, extended": {d.config(l.host, "postgres", postgres.Password, "postgres"),
			pipelined("select 1, 'text'", "insert into "+schema+".notes (text) values ('a') returning text")},
		"user, simple": {d.config(l.host, "postgres", postgres.Password, "postgres"), wire.AppendQuery(nil, "select 1; select 1/0")},
		"credential, extended": {d.as(l),
			pipelined("select secret, text from "+schema+".notes limit 3", "insert into "+schema+".notes (text) values ('a') returning text")},
		"credential, simple": {d.as(l), wire.AppendQuery(nil, "insert into "+schema+".notes (text) values ('a') returning text")},
	} {
		t.Run(who, func(t *testing.T) {
			for lasts := 1; ; lasts++ {
				link.lasts.Store(nil)
				conn, err := pgx.ConnectConfig(t.Context(), c.as)
				if err != nil {
					t.Fatal(err)
				}
				raw := hijack(t, conn)
				var left atomic.Int64
				left.Store(int64(lasts))
				link.lasts.Store(&left)
				send(t, raw, c.frames)
				var types []byte
				var last wire.Report
				torn := false
				for {
					typ, body, err := wire.ReadFrame(raw, nil, 1<<20)
					if torn = errors.Is(err, io.ErrUnexpectedEOF); torn || errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatalf("after %d bytes: %q, then %v", lasts, types, err)
					}
					if types = append(types, typ); typ == wire.ErrorResponse {
						last = wire.ParseReport(body)
					}
					if typ == wire.ReadyForQuery {
						break
					}
				}
				raw.Close()
				if slices.Contains(types, wire.ReadyForQuery) {
					if lasts < 20 {
						t.Fatalf("all was answered in %d bytes", lasts)
					}
					return
				}
				if torn {
					continue
				}
				if len(types) == 0 || types[len(types)-1] != wire.ErrorResponse || last.Severity != "FATAL" || last.Code != codeConnectionFailure {
					t.Fatalf("after %d bytes: %q, the last is %+v", lasts, types, last)
				}
			}
		})
	}
}
