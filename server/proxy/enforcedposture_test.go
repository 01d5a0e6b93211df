package proxy

import (
	"fmt"
	"math"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func readWrite(r *store.PolicyRules) { r.AccessMode = "read_write" }

// The upstream's own part of a policy follows an edit without a new session:
// the function writes in a way that only a READ ONLY transaction stops.
func TestAccessModeChangesUnderASession(t *testing.T) {
	schema := fixture(t, "create table items (n int)",
		"create function put() returns int language plpgsql set search_path from current as $$ begin insert into items values (1); return 1; end $$")
	put := "select " + schema + ".put()"
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			conn, l := d.under(readWrite)
			pid := scalar[int](t, conn, "select pg_backend_pid()")
			for range 2 {
				if _, err := conn.Exec(t.Context(), put, mode); err != nil {
					t.Fatal(err)
				}
				d.amend(l, readOnly)
				_, err := conn.Exec(t.Context(), "insert into "+schema+".items values (1)", mode)
				wantBlocked(t, err, "read-only")
				_, err = conn.Exec(t.Context(), put, mode)
				if e := asPgError(t, err); e.Code != "25006" {
					t.Fatalf("got %v", e)
				}
				d.amend(l, readWrite)
			}
			if now := scalar[int](t, conn, "select pg_backend_pid()"); now != pid {
				t.Fatal("the session is another one")
			}
		})
	}
}

func TestWhatATransactionWroteBeforeReadOnlyIsNotCommitted(t *testing.T) {
	schema := fixture(t, "create table items (n int)")
	d := deploy(t)
	conn, l := d.under(readWrite)
	for _, sql := range []string{"begin", "insert into " + schema + ".items values (1)"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	d.amend(l, readOnly)
	_, err := conn.Exec(t.Context(), "commit")
	wantError(t, asPgError(t, err), "FATAL", "57P01", "terminating connection because the policy of this login changed")
	if n := scalar[int](t, direct(t), "select count(*) from "+schema+".items"); n != 0 {
		t.Fatalf("%d rows were committed", n)
	}
}

func TestStatementTimeoutChangesUnderASession(t *testing.T) {
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) { r.StatementTimeoutMs = 5000 })
	set := func(ms int) {
		t.Helper()
		d.amend(l, func(r *store.PolicyRules) { r.StatementTimeoutMs = ms })
	}
	shown := func(want string) {
		t.Helper()
		if got := scalar[string](t, conn, "show statement_timeout"); got != want {
			t.Fatalf("statement_timeout is %s, want %s", got, want)
		}
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	shown("5s")
	set(250)
	shown("250ms")
	_, err := conn.Exec(t.Context(), "select pg_sleep(5)")
	if e := asPgError(t, err); e.Code != "57014" {
		t.Fatalf("got %v", e)
	}
	exec("begin")
	set(300)
	shown("300ms") // inside the transaction
	exec("rollback")
	shown("300ms")
	exec("begin")
	shown("300ms")
	set(400)
	set(300)
	shown("300ms")
	exec("commit")
	set(0)
	shown("0")
}

// A session whose upstream does not take what a changed policy asks of it runs
// nothing more.
func TestPolicyThatTheUpstreamDoesNotTakeEndsTheSession(t *testing.T) {
	for _, begin := range []string{"select 1", "begin"} {
		t.Run(begin, func(t *testing.T) {
			schema, count := numbers(t)
			d := deploy(t)
			conn, l := d.under(readWrite)
			mustExec(t, conn, begin)
			d.amend(l, func(r *store.PolicyRules) { r.StatementTimeoutMs = math.MaxInt32 + 1 })
			_, err := conn.Exec(t.Context(), "delete from "+schema+".items where n = 1")
			asPgError(t, err)
			if _, err := conn.Exec(t.Context(), "commit"); err == nil || !conn.IsClosed() || count() != 10 {
				t.Fatalf("got %v, %d rows are left", err, count())
			}
		})
	}
}

// An edit between the parts of a pipeline waits for its end where the upstream
// is concerned, and holds at once where it is for the proxy to decide.
func TestTimeoutChangesInsideAPipeline(t *testing.T) {
	d := deploy(t)
	conn, l := d.under(readWrite)
	for i := range 20 {
		d.amend(l, func(r *store.PolicyRules) { r.StatementTimeoutMs = 1000 + i })
		batch := conn.PgConn().StartPipeline(t.Context())
		batch.SendQueryParams("select 1", nil, nil, nil, nil)
		batch.SendQueryParams("show statement_timeout", nil, nil, nil, nil)
		if err := batch.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := batch.Close(); err != nil {
			t.Fatal(err)
		}
		if got, want := scalar[string](t, conn, "show statement_timeout"), fmt.Sprint(1000+i, "ms"); got != want && !(i == 0 && got == "1s") {
			t.Fatalf("statement_timeout is %s, want %s", got, want)
		}
	}
}
