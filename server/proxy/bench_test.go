package proxy

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// BenchmarkSelect compares round trips: directly in plain text, which is the
// floor, and through the proxy under TLS.
func BenchmarkSelect(b *testing.B) {
	d := deploy(b)
	l := d.credential(d.project("shop"), nil)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		run := func(name string, conn *pgx.Conn) {
			b.Run(name+"/"+mode.String(), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					var n int
					if err := conn.QueryRow(b.Context(), "select 1", mode).Scan(&n); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("direct", direct(b))
		run("proxy", d.connect(d.as(l)))
	}
}

// BenchmarkLogin is a whole connection: TLS, SCRAM, the upstream's login.
func BenchmarkLogin(b *testing.B) {
	d := deploy(b)
	l := d.credential(d.project("shop"), nil)
	for b.Loop() {
		conn, err := pgx.ConnectConfig(b.Context(), d.as(l))
		if err != nil {
			b.Fatal(err)
		}
		conn.Close(b.Context())
	}
}
