package proxy

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// crowded is a proxy with room for one long frame of 100 kB, and two sessions
// under a policy. fill has the first one take that room for a statement of which
// only a part has come, and returns the rest of it.
func crowded(t *testing.T) (d *deployment, first, second *pgx.Conn, schema string, fill func() (rest []byte)) {
	const all = copies * 100_000
	d = deploy(t, func(c *Config) { c.FrameMemory = all })
	schema = fixture(t, "create table notes (team int default 1, text text)")
	first, l := d.under(func(r *store.PolicyRules) {
		readWrite(r)
		r.RowFilters = []store.RowFilter{{Table: schema + ".notes", Predicate: "team = 1"}}
	})
	fill = func() []byte {
		d.roomIs(all)
		statement := wire.AppendQuery(nil, "select '"+strings.Repeat("x", 90_000)+"'")
		send(t, rawOf(first), statement[:50_000])
		d.roomIs(all - copies*(len(statement)-wire.HeaderSize))
		return statement[50_000:]
	}
	return d, first, d.connect(d.as(l)), schema, fill
}

// roomIs waits until so many bytes are left for long frames.
func (d *deployment) roomIs(bytes int) {
	d.Helper()
	eventually(d.TB, fmt.Sprintf("%d bytes are left for long frames", bytes), func() bool { return d.server.frames.left.Load() == int64(bytes) })
}

func wantNoRoom(t *testing.T, why wire.Report, severity string) {
	t.Helper()
	if why.Severity != severity || why.Code != codeOutOfMemory || why.Message != noRoom || why.Hint != noRoomHint {
		t.Errorf("got %+v", why)
	}
}

func TestLongStatementsOfAllSessionsHaveOneBound(t *testing.T) {
	d, first, second, _, fill := crowded(t)
	long := strings.Repeat("y", 60_000)
	rest := fill()
	for name, frames := range map[string][]byte{
		"query": wire.AppendQuery(nil, "select '"+long+"'"),
		"parse": append(appendParse(nil, "", "select '"+long+"'", []byte{0, 0}), synced...),
	} {
		if why, types := ask(t, second, frames); types != "EZ" {
			t.Errorf("%s: %s", name, types)
		} else {
			wantNoRoom(t, why, "ERROR")
		}
	}
	if got := scalar[int](t, second, "select 41 + 1"); got != 42 {
		t.Errorf("the session goes on with %d", got)
	}
	if _, types := ask(t, first, rest); types != "TDCZ" {
		t.Errorf("the statement that had the room: %s", types)
	}
	d.roomIs(copies * 100_000) // given back a moment after the answer
	if _, types := ask(t, second, wire.AppendQuery(nil, "select '"+long+"'")); types != "TDCZ" {
		t.Errorf("once there is room again: %s", types)
	}
}

func TestRoomOfASessionThatEndsIsGivenBack(t *testing.T) {
	d, first, _, _, fill := crowded(t)
	fill()
	first.Close(context.Background())
	d.roomIs(copies * 100_000)
}

func TestLongParametersAndRowsHaveTheSameBound(t *testing.T) {
	d, first, second, schema, fill := crowded(t)
	parse := appendParse(nil, "", "insert into "+schema+".notes (text) values ($1) returning team, text", []byte{0, 0})
	run := append(wire.AppendBody(nil, wire.Execute, make([]byte, 5)), synced...)
	if _, types := ask(t, second, parse, longBind(60_000, 0, 1), run); types != "12DCZ" {
		t.Errorf("while there is room: %s", types)
	}
	rest := fill()
	why, types := ask(t, second, parse, longBind(60_000, 0, 1), run)
	if wantNoRoom(t, why, "ERROR"); types != "1EZ" {
		t.Errorf("parameters: %s", types)
	}
	// A row that the client must not get as it is, and cannot be held, ends it.
	raw := hijack(t, second)
	send(t, raw, wire.AppendQuery(nil, "insert into "+schema+".notes (text) values (repeat('SECRET', 10000)) returning team, text"))
	for {
		typ, body, err := wire.ReadFrame(raw, nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if typ == wire.DataRow {
			t.Fatalf("a row of %d bytes", len(body))
		}
		if typ == wire.ErrorResponse {
			wantNoRoom(t, wire.ParseReport(body), "FATAL")
			break
		}
	}
	wantClosed(t, raw)
	if _, types := ask(t, first, rest); types != "TDCZ" {
		t.Errorf("the statement that had the room: %s", types)
	}
	d.roomIs(copies * 100_000)
}

// What a row takes while its client does not read is not for others; when that
// client is gone, it is.
func TestLongRowThatNobodyReadsHoldsItsRoom(t *testing.T) {
	d := deploy(t)
	schema := fixture(t, "create table notes (team int default 1, text text)")
	conn, l := d.under(func(r *store.PolicyRules) {
		readWrite(r)
		r.RowFilters = []store.RowFilter{{Table: schema + ".notes", Predicate: "team = 1"}}
	})
	raw := hijack(t, conn)
	send(t, raw, wire.AppendQuery(nil, "insert into "+schema+".notes (text) select repeat('x', 20000000) from generate_series(1, 2) returning text"))
	eventually(t, "a row waits for its client", func() bool { return d.server.frames.left.Load() < 1<<30 })
	d.change(l, func(c *store.Credential) { c.Status = "disabled" })
	d.roomIs(1 << 30)
}
