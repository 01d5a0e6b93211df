package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// numbers makes a table with the numbers from 1 to 10.
func numbers(t *testing.T) (schema string, count func() int) {
	t.Helper()
	schema = fixture(t, "create table items (n int)", "insert into items select generate_series(1, 10)",
		"create table checked (n int unique deferrable initially deferred)")
	look := direct(t)
	return schema, func() int {
		t.Helper()
		return scalar[int](t, look, "select count(*) from "+schema+".items")
	}
}

func threeRows(r *store.PolicyRules) { r.MaxAffectedRows = 3 }
func rollback(r *store.PolicyRules)  { r.WriteMode = "rollback" }

// run executes statements one by one and returns their tags and SQLSTATEs.
func run(t *testing.T, conn *pgx.Conn, mode pgx.QueryExecMode, statements ...string) string {
	t.Helper()
	var got []string
	for _, sql := range statements {
		tag, err := conn.Exec(t.Context(), sql, mode)
		if err != nil {
			got = append(got, asPgError(t, err).Code)
			continue
		}
		got = append(got, tag.String())
	}
	return strings.Join(got, ", ") + " " + string(conn.PgConn().TxStatus())
}

func TestMaxAffectedRows(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			schema, count := numbers(t)
			d := deploy(t)
			conn, _ := d.under(threeRows)
			for _, c := range []struct {
				statements, want string
				left             int
			}{
				{"delete from @items where n > 7", "DELETE 3 I", 7},
				{"delete from @items where n > 3", "42501 I", 7},
				{"insert into @items select generate_series(11, 13)", "INSERT 0 3 I", 10},
				{"insert into @items select generate_series(1, 4)", "42501 I", 10},
				{"update @items set n = n where n > 0", "42501 I", 10},
				{"update @items set n = n where n = 1", "UPDATE 1 I", 10},
				{"insert into @items values (1, 2)", "42601 I", 10},
				{"select count(*) from @items", "SELECT 1 I", 10},
				// In a transaction only the one that changed too much is undone.
				{"begin; delete from @items where n = 1; delete from @items where n > 1; select 1", "BEGIN, DELETE 1, 42501, SELECT 1 T", 10},
				{"delete from @items where n in (2, 3); commit", "DELETE 2, COMMIT I", 7},
				{"begin; delete from @items where n = 1/0; delete from @items where n = 4; rollback", "BEGIN, 22012, 25P02, ROLLBACK I", 7},
				{"begin; delete from @items where n = 4; savepoint a; delete from @items where n = 5; rollback to a; commit", "BEGIN, DELETE 1, SAVEPOINT, DELETE 1, ROLLBACK, COMMIT I", 6},
				// What PostgreSQL checks at the end is checked, and told.
				{"insert into @checked values (1), (1)", "23505 I", 6},
				{"select count(*) from @checked where n = 1", "SELECT 1 I", 6},
				{"insert into @items values (0) returning n", "INSERT 0 1 I", 7},
				{"with d as (delete from @items where n = 0 returning n) select * from d", "42501 I", 7},
			} {
				got := run(t, conn, mode, strings.Split(strings.ReplaceAll(c.statements, "@", schema+"."), "; ")...)
				if got != c.want || count() != c.left {
					t.Fatalf("%s\ngave %s, %d rows are left; want %s, %d", c.statements, got, count(), c.want, c.left)
				}
			}
		})
	}
}

// In one simple Query all statements are one transaction: one that changes too
// much undoes them all, and what follows it gives nothing.
func TestMaxAffectedRowsInABatch(t *testing.T) {
	schema, count := numbers(t)
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema+".") }
	d := deploy(t)
	conn, _ := d.under(threeRows)
	results, err := conn.PgConn().Exec(t.Context(), in("delete from @items where n = 1; update @items set n = 0 where n > 0; select 1")).ReadAll()
	if e := asPgError(t, err); e.Code != "42501" || !strings.Contains(e.Message, "changed 9 rows") || len(results) != 1 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	if n := count(); n != 10 {
		t.Fatalf("%d rows are left", n)
	}
	results, err = conn.PgConn().Exec(t.Context(), in("delete from @items where n = 1; delete from @items where n = 2; select count(*) from @items")).ReadAll()
	if err != nil || len(results) != 3 || string(results[2].Rows[0][0]) != "8" || count() != 8 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	_, err = conn.PgConn().Exec(t.Context(), in("begin; delete from @items where n > 0; commit")).ReadAll()
	wantBlocked(t, err, "transaction control")
	if n := count(); n != 8 {
		t.Fatalf("%d rows are left", n)
	}
}

func TestMaxAffectedRowsInAPipeline(t *testing.T) {
	schema, count := numbers(t)
	d := deploy(t)
	conn, _ := d.under(threeRows)
	sync := func(b []byte) []byte { return wire.AppendBody(b, wire.Sync, nil) }
	extended := func(statements ...string) []byte {
		var b []byte
		for _, sql := range statements {
			b = appendParse(b, "", strings.ReplaceAll(sql, "@", schema+"."), []byte{0, 0})
			b = wire.AppendBody(b, wire.Bind, make([]byte, 8))
			b = wire.AppendBody(b, wire.Execute, make([]byte, 5))
		}
		return b
	}
	for _, c := range []struct {
		name string
		send []byte
		want string
		left int
	}{
		{"within", sync(extended("delete from @items where n = 1", "select 1")), "12C12DCZ", 9},
		{"a pipeline is one transaction", sync(extended("delete from @items where n = 2", "delete from @items where n > 2", "select 1")), "12C12EZ", 9},
		{"two batches at once", append(sync(extended("delete from @items where n > 2")), sync(extended("delete from @items where n = 2"))...), "12EZ12CZ", 8},
		{"an own transaction", sync(extended("begin", "delete from @items where n = 3", "delete from @items where n > 3", "select 1")), "12C12C12EZ", 8},
		{"goes on", sync(extended("delete from @items where n = 4", "commit")), "12C12CZ", 6},
		{"ended and begun in a pipeline", sync(extended("begin", "delete from @items where n = 5", "commit", "delete from @items where n > 5")), "12C12C12C12EZ", 5},
		{"a failure is the upstream's", sync(extended("delete from @items where n = 1/0", "delete from @items where n = 6")), "1EZ", 5},
		{"a query follows", append(sync(extended("delete from @items where n > 5")), wire.AppendQuery(nil, "delete from "+schema+".items where n = 6")...), "12EZCZ", 4},
	} {
		got := exchanges(t, conn, c.send, strings.Count(c.want, "Z"))
		if got != c.want || count() != c.left {
			t.Fatalf("%s: got %s, %d rows are left; want %s, %d", c.name, got, count(), c.want, c.left)
		}
	}
	scalar[int](t, conn, "select 1")
}

func TestRollback(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			schema, count := numbers(t)
			d := deploy(t)
			conn, notices := d.noticed(rollback)
			for _, c := range []struct{ statements, want, notices string }{
				{"delete from @items where n > 3", "DELETE 7 I", ""},
				{"select count(*) from @items", "SELECT 1 I", ""},
				{"insert into @items values (1, 2)", "42601 I", ""},
				{"create table @other (n int)", "CREATE TABLE I", ""},
				{"select * from @other", "42P01 I", ""},
				{"begin; delete from @items where n > 3; select count(*) from @items; commit", "BEGIN, DELETE 7, SELECT 1, ROLLBACK I", "[write mode rollback: COMMIT became ROLLBACK, and nothing was kept]"},
				{"begin; delete from @items where n = 1/0; select 1; commit", "BEGIN, 22012, 25P02, ROLLBACK I", "[write mode rollback: COMMIT became ROLLBACK, and nothing was kept]"},
				{"begin; delete from @items where n = 1; savepoint a; delete from @items where n = 2; rollback to a; rollback", "BEGIN, DELETE 1, SAVEPOINT, DELETE 1, ROLLBACK, ROLLBACK I", ""},
				{"set timezone = 'Asia/Tokyo'; show timezone", "SET, SHOW I", ""},
				{"insert into @checked values (1), (1)", "INSERT 0 2 I", ""},
				{"create index concurrently on @items (n)", "25001 I", ""},
				{"delete from @items where n = 1 returning n", "DELETE 1 I", ""},
			} {
				*notices = nil
				got := run(t, conn, mode, strings.Split(strings.ReplaceAll(c.statements, "@", schema+"."), "; ")...)
				told := ""
				if len(*notices) > 0 {
					told = fmt.Sprint(*notices)
				}
				if got != c.want || told != c.notices || count() != 10 {
					t.Fatalf("%s\ngave %s %s, %d rows are left; want %s %s", c.statements, got, told, count(), c.want, c.notices)
				}
			}
			if got := scalar[string](t, conn, "show timezone"); got != "Asia/Tokyo" {
				t.Fatalf("the session's time zone is %s", got)
			}
		})
	}
}

func TestRollbackOfABatch(t *testing.T) {
	schema, count := numbers(t)
	d := deploy(t)
	conn, _ := d.under(rollback)
	for _, c := range []struct {
		sql, want string
		status    byte
	}{
		{"delete from @items where n = 1; delete from @items where n = 2", "DELETE 1, DELETE 1", 'I'},
		{"begin; delete from @items where n = 1; commit", "BEGIN, DELETE 1, ROLLBACK", 'I'},
		{"delete from @items where n = 1; commit", "DELETE 1, ROLLBACK", 'I'},
		{"begin; delete from @items where n = 1", "BEGIN, DELETE 1", 'T'},
		{"delete from @items where n = 2; commit", "DELETE 1, ROLLBACK", 'I'},
	} {
		results, err := conn.PgConn().Exec(t.Context(), strings.ReplaceAll(c.sql, "@", schema+".")).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var tags []string
		for _, r := range results {
			tags = append(tags, r.CommandTag.String())
		}
		if got := strings.Join(tags, ", "); got != c.want || conn.PgConn().TxStatus() != c.status || count() != 10 {
			t.Fatalf("%s gave %s, %c, %d rows are left", c.sql, got, conn.PgConn().TxStatus(), count())
		}
	}
	_, err := conn.PgConn().Exec(t.Context(), "commit; delete from "+schema+".items where n = 1").ReadAll()
	wantBlocked(t, err, "may only stand last")
}

// A client that goes away, or that cancels, leaves nothing behind.
func TestEnclosedStatementsThatAreCutShort(t *testing.T) {
	for name, under := range map[string]func(*store.PolicyRules){"cap": threeRows, "rollback": rollback} {
		t.Run(name, func(t *testing.T) {
			schema, count := numbers(t)
			d := deploy(t)
			conn, l := d.under(under)
			slow := "update " + schema + ".items set n = n from pg_sleep(0.2) where items.n = 1"
			for i := range 6 {
				canceled := make(chan error, 1)
				time.AfterFunc(time.Duration(i)*40*time.Millisecond, func() { canceled <- conn.PgConn().CancelRequest(t.Context()) })
				_, err := conn.Exec(t.Context(), slow, pgx.QueryExecModeSimpleProtocol)
				if err := <-canceled; err != nil {
					t.Fatal(err)
				}
				if err != nil && asPgError(t, err).Code != "57014" {
					t.Fatal(err)
				}
				if status := conn.PgConn().TxStatus(); status != 'I' {
					t.Fatalf("the session is left in %c", status)
				}
				scalar[int](t, conn, "select 1")
			}
			gone := d.connect(d.as(l))
			pid := scalar[int](t, gone, "select pg_backend_pid()")
			raw := hijack(t, gone)
			send(t, raw, wire.AppendQuery(nil, "delete from "+schema+".items using pg_sleep(600) where items.n = 2"))
			look := direct(t)
			eventually(t, "the statement runs", func() bool {
				return scalar[bool](t, look, "select coalesce(wait_event = 'PgSleep', false) from pg_stat_activity where pid = $1", pid)
			})
			raw.Close()
			wantNoBackend(t, pid)
			if n := count(); n != 10 {
				t.Fatalf("%d rows are left", n)
			}
		})
	}
}

// What a client sends while its write is counted is read ahead, and loses
// nothing.
func TestFramesBehindACountedWrite(t *testing.T) {
	schema, _ := numbers(t)
	d := deploy(t)
	conn, _ := d.under(threeRows)
	slow := func(n string) []byte {
		return wire.AppendQuery(nil, "delete from "+schema+".items using pg_sleep(0.4) where items.n = "+n)
	}
	if got := exchanges(t, conn, append(slow("1"), slow("2")...), 2); got != "CZCZ" {
		t.Fatalf("got %s", got)
	}
	long := "select '" + strings.Repeat("x", 3*bufferSize) + "'"
	if got := exchanges(t, conn, wire.AppendQuery(wire.AppendQuery(slow("3"), "select 1"), long), 3); got != "CZTDCZTDCZ" {
		t.Fatalf("got %s", got)
	}
	scalar[int](t, conn, "select 1")
}

// The first thing a client sends may name what does not exist: nothing was
// decided for this session yet.
func TestFirstFrameOfASessionUnderAPolicy(t *testing.T) {
	d := deploy(t)
	_, l := d.under(func(r *store.PolicyRules) { r.MaxRows, r.BudgetQueriesPerHour = 5, 100 })
	for name, c := range map[string]struct {
		frame []byte
		want  string
	}{
		"execute":            {wire.AppendBody(nil, wire.Execute, make([]byte, 5)), "EZ"},
		"bind":               {wire.AppendBody(nil, wire.Bind, make([]byte, 8)), "EZ"},
		"describe statement": {wire.AppendBody(nil, wire.Describe, []byte("Sx\x00")), "EZ"},
		"describe portal":    {wire.AppendBody(nil, wire.Describe, []byte("Px\x00")), "EZ"},
		"close":              {wire.AppendBody(nil, wire.Close, []byte("Sx\x00")), "3Z"},
		"flush":              {wire.AppendBody(nil, wire.Flush, nil), "Z"},
		"sync":               {nil, "Z"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := d.connect(d.as(l))
			if got := exchange(t, conn, wire.AppendBody(c.frame, wire.Sync, nil)); got != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
			scalar[int](t, conn, "select 1")
		})
	}
}

// A mistake of ours ends the session that met it, and no other.
func TestAPanicEndsOneSession(t *testing.T) {
	d := deploy(t)
	conn, l := d.under(threeRows)
	bystander := d.connect(d.as(l))
	scalar[int](t, bystander, "select 1")
	for _, s := range sessionsOf(d) {
		if s.raw.RemoteAddr().String() == conn.PgConn().Conn().LocalAddr().String() {
			s.enforcer.ground.path, s.enforcer.of = nil, nil
		}
	}
	_, err := conn.Exec(t.Context(), "select 'a secret'")
	wantError(t, asPgError(t, err), "FATAL", "XX000", "internal error of PgBeam")
	scalar[int](t, bystander, "select 1")
	if log := d.log.String(); !strings.Contains(log, "session failed") || strings.Contains(log, "a secret") {
		t.Fatalf("the log says %s", log)
	}
}

// faulty is a store that makes whoever reads it fail.
type faulty struct {
	store.Store
	on atomic.Bool
}

func (f *faulty) View(ctx context.Context, fn func(store.Tx) error) error {
	if f.on.Load() {
		panic("a secret")
	}
	return f.Store.View(ctx, fn)
}

// Nor does one in a login.
func TestAPanicEndsOneLogin(t *testing.T) {
	var st faulty
	d := deploy(t, func(c *Config) {
		st.Store = c.Store
		c.Store = &st
	})
	bystander, l := d.session()
	st.on.Store(true)
	if conn, err := pgx.ConnectConfig(t.Context(), d.as(l)); err == nil {
		conn.Close(t.Context())
		t.Fatal("the client was let in")
	}
	st.on.Store(false)
	scalar[int](t, bystander, "select 1")
	scalar[int](t, d.connect(d.as(l)), "select 1")
	if log := d.log.String(); !strings.Contains(log, "session failed") || strings.Contains(log, "a secret") {
		t.Fatalf("the log says %s", log)
	}
}

func sessionsOf(d *deployment) []*session {
	d.server.mu.Lock()
	defer d.server.mu.Unlock()
	return d.server.list()
}
