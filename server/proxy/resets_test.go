package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// holds says what a session is bound by, and what it runs with otherwise.
const holds = `select string_agg(name || '=' || setting, ' ' order by name) || ' ' || current_setting('pgbeam.credential_id') || ' ' || current_user
	from pg_settings where setting is distinct from boot_val and name !~ '^transaction_'`

// bound is a login whose upstream role has settings of its own, which PostgreSQL
// returns to on RESET: another search path than the session's, a longer timeout.
type bound struct {
	*deployment
	login  login
	role   string
	schema string // that names are resolved in
}

func newBound(t *testing.T, change func(*store.PolicyRules)) *bound {
	t.Helper()
	b := &bound{deployment: deploy(t), role: "t_" + store.NewSubdomain()}
	b.schema = fixture(t, "create table items (n int)", "insert into items values (1), (2)")
	own := direct(t)
	t.Cleanup(func() { _, _ = own.Exec(context.Background(), "drop role "+b.role) })
	mustExec(t, own, "create role "+b.role+" login superuser password 'p'", "alter role "+b.role+` set search_path = "$user", `+b.schema,
		"alter role "+b.role+" set statement_timeout = '1h'", "alter role "+b.role+" set work_mem = '5MB'")
	p := b.project("shop", func(_ *store.Project, db *store.Database) { db.Username, db.Password = b.role, secret.NewText("p") })
	b.login = b.credential(p, rules(change))
	return b
}

// session opens a session, and makes the schema that the role's own search path
// finds first, with a table of the same name.
func (b *bound) session(t *testing.T) *pgx.Conn {
	t.Helper()
	conn := b.connect(b.as(b.login))
	own := direct(t)
	mustExec(t, own, "create schema "+b.role, "create table "+b.role+".items (n int)")
	t.Cleanup(func() {
		if _, err := own.Exec(context.Background(), "drop schema if exists "+b.role+" cascade"); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func timed(r *store.PolicyRules) { r.AccessMode, r.StatementTimeoutMs = "read_only", 20_000 }

// extended is a statement as a driver sends it in the extended protocol.
func extended(sql string) []byte {
	b := appendParse(nil, "", sql, []byte{0, 0})
	b = wire.AppendBody(b, wire.Bind, make([]byte, 8))
	return wire.AppendBody(b, wire.Execute, make([]byte, 5))
}

var synced = wire.AppendBody(nil, wire.Sync, nil)

// pipelined is a batch of statements.
func pipelined(statements ...string) []byte {
	var b []byte
	for _, sql := range statements {
		b = append(b, extended(sql)...)
	}
	return append(b, synced...)
}

func queries(texts ...string) []byte {
	var b []byte
	for _, sql := range texts {
		b = wire.AppendQuery(b, sql)
	}
	return b
}

// told is what a client gets for what it sends: tags, the first column of rows,
// SQLSTATEs and transaction statuses.
func told(t *testing.T, conn *pgx.Conn, b []byte) string {
	t.Helper()
	ready := 0
	for at := 0; at < len(b); {
		h, _, err := wire.ParseHeader(b[at:])
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == wire.Query || h.Type == wire.Sync {
			ready++
		}
		at += wire.HeaderSize + h.Body
	}
	c := rawOf(conn)
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	var got []string
	for ready > 0 {
		typ, body, err := wire.ReadFrame(c, nil, 1<<20)
		if err != nil {
			return strings.Join(append(got, "closed"), " ")
		}
		switch typ {
		case wire.CommandComplete:
			got = append(got, strings.ReplaceAll(string(body[:len(body)-1]), " ", "_"))
		case wire.DataRow:
			got = append(got, "("+string(body[6:])+")")
		case wire.ErrorResponse:
			got = append(got, wire.ParseReport(body).Code)
		case wire.ReadyForQuery:
			got = append(got, string(body))
			ready--
		}
	}
	return strings.Join(got, " ")
}

func mustExec(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// shows is what the client sees of a session's settings by a query, inside a
// text or a pipeline.
const shows = "select concat_ws(',', current_setting('search_path'), current_setting('statement_timeout'), current_setting('default_transaction_read_only'), (select count(*) from items))"

// Each way of resetting leaves a session as it was after the login, and what
// runs right behind it, in the same text or pipeline, finds it bound.
func TestResetsLeaveASessionAsBoundAsItWas(t *testing.T) {
	b := newBound(t, timed)
	for _, c := range []struct {
		name string
		send []byte
		want string // @ is what shows gives
	}{
		{"RESET ALL", queries("reset all"), "RESET I"},
		{"RESET ALL with a comment behind it", queries("reset all -- done"), "RESET I"},
		{"RESET ALL first in a text", queries("reset all; " + shows), "RESET (@) SELECT_1 I"},
		{"RESET ALL between others", queries("select 1; reset all; " + shows + "; select 2"), "(1) SELECT_1 RESET (@) SELECT_1 (2) SELECT_1 I"},
		{"RESET ALL twice", queries("reset all; " + shows + "; reset all; " + shows), "RESET (@) SELECT_1 RESET (@) SELECT_1 I"},
		{"RESET ALL and a query at once", queries("reset all", shows), "RESET I (@) SELECT_1 I"},
		{"RESET ALL in the extended protocol", pipelined("reset all"), "RESET I"},
		{"RESET ALL in a pipeline", pipelined("select 1", "reset all", shows, "select 2"), "(1) SELECT_1 RESET (@) SELECT_1 (2) SELECT_1 I"},
		{"RESET ALL in a transaction", queries("begin; reset all; "+shows, "commit"), "BEGIN RESET (@) SELECT_1 T COMMIT I"},
		{"RESET ALL in a transaction in the middle of a text", queries("begin; reset all; " + shows + "; commit; " + shows), "BEGIN RESET (@) SELECT_1 COMMIT (@) SELECT_1 I"},
		{"RESET ALL kept by a released savepoint", queries("begin; savepoint a; reset all; release a; " + shows + "; commit"), "BEGIN SAVEPOINT RESET RELEASE (@) SELECT_1 COMMIT I"},
		{"DISCARD ALL", queries("discard all"), "DISCARD_ALL I"},
		{"DISCARD ALL and a query at once", queries("discard all", shows), "DISCARD_ALL I (@) SELECT_1 I"},
		{"DISCARD ALL before a pipeline, as Npgsql sends it", append(queries("discard all"), pipelined(shows, "select 1")...), "DISCARD_ALL I (@) SELECT_1 (1) SELECT_1 I"},
		{"DISCARD ALL in the extended protocol", pipelined("discard all"), "DISCARD_ALL I"},
		{"DISCARD ALL first in a pipeline", pipelined("discard all", shows, "select 1"), "DISCARD_ALL (@) SELECT_1 (1) SELECT_1 I"},
		{"DISCARD ALL before a failure in a pipeline", append(pipelined("discard all", "select 1/0", shows), pipelined(shows)...), "DISCARD_ALL 22012 I (@) SELECT_1 I"},
		{"DISCARD ALL and a BEGIN in a pipeline", append(pipelined("discard all", "begin", shows), queries(shows, "rollback")...), "DISCARD_ALL BEGIN (@) SELECT_1 T (@) SELECT_1 T ROLLBACK I"},
		{"twice", append(pipelined("discard all"), queries("discard all", "reset all")...), "DISCARD_ALL I DISCARD_ALL I RESET I"},
		{"asyncpg's", queries("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;"), "() SELECT_1 CLOSE_CURSOR_ALL UNLISTEN RESET I"},
		{"Npgsql's for those who prepare", append(queries("SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP"), pipelined(shows)...),
			"SET RESET CLOSE_CURSOR_ALL UNLISTEN () SELECT_1 DISCARD_SEQUENCES DISCARD_TEMP I (@) SELECT_1 I"},
		{"Odyssey's for those who prepare", queries("SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD PLANS;DISCARD SEQUENCES;DISCARD TEMP;"),
			"SET RESET CLOSE_CURSOR_ALL UNLISTEN () SELECT_1 DISCARD_PLANS DISCARD_SEQUENCES DISCARD_TEMP I"},
		{"the same by pgjdbc, which sends one by one", pipelined("SET SESSION AUTHORIZATION DEFAULT", "RESET ALL", "CLOSE ALL", "UNLISTEN *", "SELECT pg_advisory_unlock_all()", "DISCARD SEQUENCES", "DISCARD TEMP", shows),
			"SET RESET CLOSE_CURSOR_ALL UNLISTEN () SELECT_1 DISCARD_SEQUENCES DISCARD_TEMP (@) SELECT_1 I"},
		{"SQLAlchemy's", queries("ROLLBACK; RESET ALL"), "ROLLBACK RESET I"},
		{"the same in a transaction", queries("begin", "ROLLBACK; RESET ALL; "+shows), "BEGIN T ROLLBACK RESET (@) SELECT_1 I"},
		{"Rails'", queries("ROLLBACK", "DISCARD ALL"), "ROLLBACK I DISCARD_ALL I"},
		{"identity", append(queries("set session authorization default; reset role; "+shows, "reset all"), pipelined("reset session authorization", shows)...), "SET RESET (@) SELECT_1 I RESET I RESET (@) SELECT_1 I"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := b.session(t)
			fresh := scalar[string](t, conn, holds, pgx.QueryExecModeSimpleProtocol)
			if !strings.Contains(fresh, "statement_timeout=20000") || !strings.Contains(fresh, "default_transaction_read_only=on") || !strings.Contains(fresh, b.login.ID) {
				t.Fatalf("after the login: %s", fresh)
			}
			zone := conn.PgConn().ParameterStatus("TimeZone")
			mustExec(t, conn, "set timezone = 'Asia/Tokyo'", "set work_mem = '1MB'", "set application_name = 'mine'", "set app.tenant = '7'", "declare held cursor with hold for select 1")
			want := strings.ReplaceAll(c.want, "@", b.schema+",20s,on,2")
			if got := told(t, conn, c.send); got != want {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
			if now := scalar[string](t, conn, holds, pgx.QueryExecModeSimpleProtocol); now != fresh {
				t.Fatalf("afterwards the session has\n%s\nafter the login it had\n%s", now, fresh)
			}
			if own := scalar[string](t, conn, "select current_setting('app.tenant')", pgx.QueryExecModeSimpleProtocol); own != "" {
				t.Fatalf("app.tenant is still %q", own)
			}
			_, err := conn.Exec(t.Context(), "insert into items values (3)")
			wantBlocked(t, err, "read-only")
			if zone == "" || zone == "Asia/Tokyo" {
				t.Fatalf("the login told the time zone %q", zone)
			}
		})
	}
}

// What fails leaves the session as it was: bound, and with its own settings.
func TestResetsThatFailHalfWay(t *testing.T) {
	b := newBound(t, timed)
	for _, c := range []struct {
		name string
		send []byte
		want string
		zone string // afterwards
	}{
		{"a text fails behind it", queries("reset all; select 1/0", shows), "RESET 22012 I (@) SELECT_1 I", "Asia/Tokyo"},
		{"a text fails before it", queries("select 1/0; reset all", shows), "22012 I (@) SELECT_1 I", "Asia/Tokyo"},
		{"a pipeline fails behind it", append(pipelined("reset all", "select 1/0", shows), queries(shows)...), "RESET 22012 I (@) SELECT_1 I", "Asia/Tokyo"},
		{"a pipeline fails before it", append(pipelined("select 1/0", "reset all", shows), queries(shows)...), "22012 I (@) SELECT_1 I", "Asia/Tokyo"},
		{"it is rolled back", queries("begin; reset all", shows, "rollback", shows), "BEGIN RESET T (@) SELECT_1 T ROLLBACK I (@) SELECT_1 I", "Asia/Tokyo"},
		{"it is rolled back to a savepoint", queries("begin; savepoint a; reset all; rollback to a; "+shows+"; commit", shows), "BEGIN SAVEPOINT RESET ROLLBACK (@) SELECT_1 COMMIT I (@) SELECT_1 I", "Asia/Tokyo"},
		{"in a failed transaction", queries("begin", "select 1/0", "reset all", "rollback", shows), "BEGIN T 22012 E 25P02 E ROLLBACK I (@) SELECT_1 I", "Asia/Tokyo"},
		{"in a failed transaction that ends in the text", queries("begin", "select 1/0", "rollback; reset all; "+shows), "BEGIN T 22012 E ROLLBACK RESET (@) SELECT_1 I", "@"},
		{"a refused statement behind it", queries("reset all; delete from items where n = 1", shows), "42501 I (@) SELECT_1 I", "Asia/Tokyo"},
		{"DISCARD ALL in a transaction", queries("begin", "discard all", "rollback", shows), "BEGIN T 25001 E ROLLBACK I (@) SELECT_1 I", "Asia/Tokyo"},
		{"DISCARD ALL in a failed transaction", queries("begin", "select 1/0", "discard all", "rollback", shows), "BEGIN T 22012 E 25P02 E ROLLBACK I (@) SELECT_1 I", "Asia/Tokyo"},
		{"DISCARD ALL in a text", queries("discard all; select 1", shows), "42501 I (@) SELECT_1 I", "Asia/Tokyo"},
		{"DISCARD ALL in a transaction, by a pipeline", append(append(queries("begin"), pipelined("discard all", "rollback", shows)...), queries(shows, "rollback", shows)...), "BEGIN T 25001 E 25P02 E ROLLBACK I (@) SELECT_1 I", "Asia/Tokyo"},
		{"DISCARD ALL behind a failure", append(pipelined("select 1/0", "discard all", shows), pipelined(shows)...), "22012 I (@) SELECT_1 I", "Asia/Tokyo"},
		{"DISCARD ALL behind a BEGIN in a pipeline", append(pipelined("begin", "discard all", "select 1"), queries("rollback", shows)...), "BEGIN 25001 E ROLLBACK I (@) SELECT_1 I", "Asia/Tokyo"},
		{"LISTEN and locks stay refused", queries("unlisten *; listen changes", "select pg_advisory_lock(1)", "select pg_advisory_unlock_all()"), "42501 I 42501 I () SELECT_1 I", "Asia/Tokyo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := b.session(t)
			zone := scalar[string](t, conn, "show timezone")
			mustExec(t, conn, "set timezone = 'Asia/Tokyo'")
			want := strings.ReplaceAll(c.want, "@", b.schema+",20s,on,2")
			if got := told(t, conn, c.send); got != want {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
			if got, want := scalar[string](t, conn, "show timezone"), strings.ReplaceAll(c.zone, "@", zone); got != want {
				t.Fatalf("the time zone is %s, want %s", got, want)
			}
		})
	}
}

// Policies that put statements into transactions of the proxy's do not undo a
// reset.
func TestResetsUnderCapsAndRollback(t *testing.T) {
	for name, change := range map[string]func(*store.PolicyRules){
		"rollback": rollback, "cap": threeRows, "both": func(r *store.PolicyRules) { rollback(r); threeRows(r) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBound(t, change)
			conn := b.session(t)
			fresh := scalar[string](t, conn, holds, pgx.QueryExecModeSimpleProtocol)
			at := b.schema + ",1h,off,2"
			for _, c := range []struct {
				send []byte
				want string
			}{
				{queries("select pg_advisory_unlock_all(); close all; unlisten *; reset all"), "() SELECT_1 CLOSE_CURSOR_ALL UNLISTEN RESET I"},
				{append(queries("discard all"), pipelined(shows)...), "DISCARD_ALL I (@) SELECT_1 I"},
				{pipelined("discard all", shows), "DISCARD_ALL (@) SELECT_1 I"},
				{append(pipelined("reset all"), queries(shows)...), "RESET I (@) SELECT_1 I"},
				{queries("begin", "rollback; reset all", shows), "BEGIN T ROLLBACK RESET I (@) SELECT_1 I"},
			} {
				mustExec(t, conn, "set timezone = 'Asia/Tokyo'")
				if got, want := told(t, conn, c.send), strings.ReplaceAll(c.want, "@", at); got != want {
					t.Fatalf("got  %s\nwant %s", got, want)
				}
				if now := scalar[string](t, conn, holds, pgx.QueryExecModeSimpleProtocol); now != fresh {
					t.Fatalf("afterwards the session has\n%s\nafter the login it had\n%s", now, fresh)
				}
			}
		})
	}
}

// A session that was bound anew by an edit of its policy is so after a reset:
// the startup packet said something else.
func TestResetsAfterAnEditOfThePolicy(t *testing.T) {
	for name, reset := range map[string][]byte{
		"RESET ALL": queries("reset all"), "DISCARD ALL": queries("discard all"),
		"RESET ALL, extended": pipelined("reset all"), "DISCARD ALL, extended": pipelined("discard all"),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBound(t, readWrite)
			conn := b.session(t)
			wants := func(want string) {
				t.Helper()
				told(t, conn, reset)
				if got, want := told(t, conn, queries(shows)), "("+b.schema+","+want+",2) SELECT_1 I"; got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
			wants("1h,off")
			b.amend(b.login, func(r *store.PolicyRules) { r.AccessMode, r.StatementTimeoutMs = "read_only", 7000 })
			wants("7s,on")
			b.amend(b.login, func(r *store.PolicyRules) { r.AccessMode, r.StatementTimeoutMs = "read_write", 8000 })
			wants("8s,off")
			if got := told(t, conn, queries("begin")); got != "BEGIN T" {
				t.Fatal(got)
			}
			b.amend(b.login, func(r *store.PolicyRules) { r.StatementTimeoutMs = 6000 })
			for _, sql := range []string{"reset all", "reset all; select 1", "select 2"} {
				told(t, conn, queries(sql))
				if got := told(t, conn, queries("show statement_timeout")); got != "(6s) SHOW T" {
					t.Fatalf("inside the transaction after %s: %s", sql, got)
				}
			}
			told(t, conn, queries("commit"))
			wants("6s,off")
			// The startup packet of this one says that it reads only.
			b.amend(b.login, timed)
			mustExec(t, direct(t), "drop schema "+b.role+" cascade")
			conn = b.session(t)
			wants("20s,on")
			b.amend(b.login, readWrite)
			wants("20s,off")
		})
	}
}

// DISCARD ALL and DEALLOCATE take prepared statements away, and with them what
// is kept of them here.
func TestDeallocatedStatementsAreForgotten(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(readOnly)
	for _, reset := range []string{"discard all", "deallocate all"} {
		for _, send := range [][]byte{queries(reset), pipelined(reset)} {
			mustExec(t, conn, "prepare p as select 1")
			told(t, conn, append(appendParse(nil, "s", "select 2", []byte{0, 0}), synced...))
			told(t, conn, send)
			bind := wire.AppendBody(nil, wire.Bind, []byte("\x00s\x00\x00\x00\x00\x00\x00\x00"))
			if got := told(t, conn, append(append(queries("execute p"), bind...), synced...)); got != "26000 I 26000 I" {
				t.Fatalf("after %s: %s", reset, got)
			}
			if got := told(t, conn, queries("prepare p as select 3", "execute p", "deallocate p", "execute p")); got != "PREPARE I (3) SELECT_1 I DEALLOCATE I 26000 I" {
				t.Fatalf("after %s: %s", reset, got)
			}
		}
	}
	// More than is kept at once, by far.
	long := strings.Repeat("x", maxPrepared/8)
	for i, reset := range []func(name string) []byte{
		func(string) []byte { return queries("discard all") }, func(string) []byte { return pipelined("discard all") },
		func(string) []byte { return queries("deallocate all") }, func(string) []byte { return pipelined("deallocate all") },
		func(name string) []byte { return queries("deallocate " + name) }, func(name string) []byte { return pipelined("deallocate " + name) },
	} {
		for j := range 10 {
			name := fmt.Sprintf("n%d_%d", i, j)
			if got := told(t, conn, queries("prepare "+name+" as select '"+long[:maxExamined/2]+"'", "select 1")); !strings.HasPrefix(got, "PREPARE I") {
				t.Fatalf("%s: %s", name, got)
			}
			for k := range 2 {
				if got := told(t, conn, append(appendParse(nil, fmt.Sprint(name, "_", k), "select '"+long[:maxExamined/2]+"'", []byte{0, 0}), synced...)); got != "I" {
					t.Fatalf("%s: %s", name, got)
				}
				if i > 3 {
					told(t, conn, reset(fmt.Sprint(name, "_", k)))
				}
			}
			if got := told(t, conn, reset(name)); !strings.HasSuffix(got, " I") || strings.Contains(got, "26000") {
				t.Fatalf("%s: %s", name, got)
			}
		}
	}
}

// What takes back is free: a pool that resets its connections spends nothing.
func TestResetsSpendNoBudget(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(func(r *store.PolicyRules) { r.AccessMode, r.BudgetQueriesPerDay = "read_only", 4 })
	free := append(queries("select pg_advisory_unlock_all(); close all; unlisten *; reset all", "discard all", "deallocate all", "rollback; reset all", "reset timezone"),
		pipelined("reset all", "discard temp", "close all", "select pg_advisory_unlock_all()")...)
	for range 3 {
		told(t, conn, free)
		told(t, conn, pipelined("discard all"))
	}
	if got := told(t, conn, queries("select 1; select 2", "reset all; select 3", "set timezone = 'UTC'", "select 5", "discard all")); got != "(1) SELECT_1 (2) SELECT_1 I RESET (3) SELECT_1 I SET I 53400 I DISCARD_ALL I" {
		t.Fatal(got)
	}
}

// Where the settings do not hold again, the session does not go on.
func TestASessionThatCannotBeBoundAgainEnds(t *testing.T) {
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"DISCARD ALL":           {queries("discard all", "select 1"), "DISCARD_ALL 42601 I 57P01 closed"},
		"DISCARD ALL, extended": {pipelined("discard all", "select 1"), "DISCARD_ALL 42601 57P01 closed"},
		// What takes away and what binds again are undone together.
		"RESET ALL":           {queries("reset all", "show timezone"), "42601 I (Asia/Tokyo) SHOW I"},
		"RESET ALL, extended": {append(pipelined("reset all", "select 1"), queries("show timezone")...), "RESET 42601 I (Asia/Tokyo) SHOW I"},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			conn, _ := d.under(readOnly)
			mustExec(t, conn, "set timezone = 'Asia/Tokyo'")
			for _, s := range sessionsOf(d) {
				s.enforcer.ground.pathSQL = "("
			}
			got := told(t, conn, c.send)
			if strings.HasSuffix(c.want, "closed") { // what the client still gets to see depends on who is faster
				if !strings.HasSuffix(got, "57P01 closed") || strings.Contains(got, "SELECT") {
					t.Fatalf("got %s, want %s", got, c.want)
				}
				return
			}
			if got != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Requests to cancel that hit a reset, or what stands behind it, never leave a
// session unbound.
func TestResetsThatAreCancelled(t *testing.T) {
	b := newBound(t, timed)
	conn := b.session(t)
	again := func() { // past the schema that is there by now
		mustExec(t, direct(t), "alter schema "+b.role+" rename to aside")
		conn = b.connect(b.as(b.login))
		mustExec(t, direct(t), "alter schema aside rename to "+b.role)
	}
	want := "(" + b.schema + ",20s,on,2) SELECT_1 I"
	for i := range 40 {
		send := [][]byte{queries("discard all"), pipelined("discard all"), queries("reset all; select pg_sleep(0)"), pipelined("reset all", "select pg_sleep(0)")}[i%4]
		var storm sync.WaitGroup
		for range 4 {
			storm.Go(func() { _ = conn.PgConn().CancelRequest(t.Context()) })
		}
		got := told(t, conn, send)
		storm.Wait()
		if strings.HasSuffix(got, "closed") {
			again()
		}
		var now string
		for now = "57014"; strings.Contains(now, "57014"); { // a request that came late
			now = told(t, conn, queries(shows))
		}
		if slices.Contains([]string{"closed", "57P01 closed"}, now) {
			again()
			continue
		}
		if now != want {
			t.Fatalf("%s, then %s; want %s", got, now, want)
		}
	}
}

// A position in the text that the proxy made would point nowhere in the
// client's.
func TestErrorsBehindAResetHaveNoPositionOfAnotherText(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(readOnly)
	for sql, has := range map[string]bool{"reset all; select nothing": false, "reset timezone; select nothing": true} {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if e := asPgError(t, err); e.Code != "42703" || (e.Position != 0) != has {
			t.Errorf("%s: %s at %d", sql, e.Code, e.Position)
		}
	}
}

// A user of the database under the project's default policy resets to what the
// connection string said.
func TestResetsOfUsersOfTheUpstream(t *testing.T) {
	d := deploy(t)
	p := d.project("shop")
	l := d.credential(p, rules(readOnly))
	d.changeProject(p, func(p *store.Project) { p.DefaultPolicyID = l.PolicyID })
	conn := d.connect(d.config(l.host, "postgres", postgres.Password, "postgres", "options=-c%20pgbeam.tenant%3D42"))
	for _, reset := range [][]byte{queries("reset all"), queries("discard all"), pipelined("reset all"), pipelined("discard all")} {
		mustExec(t, conn, "set timezone = 'Asia/Tokyo'")
		told(t, conn, reset)
		got := told(t, conn, queries("select current_setting('pgbeam.tenant') || current_setting('default_transaction_read_only') || (current_setting('timezone') = 'Asia/Tokyo')", "create table t_never (n int)"))
		if got != "(42onfalse) SELECT_1 I 42501 I" {
			t.Fatal(got)
		}
	}
}
