package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// rules is a policy without any rule, changed.
func rules(change func(*store.PolicyRules)) *store.PolicyRules {
	r := &store.PolicyRules{AccessMode: "read_write", WriteMode: "normal", ApprovalMode: "off", MigrationSafety: "off"}
	change(r)
	return r
}

func readOnly(r *store.PolicyRules) { r.AccessMode = "read_only" }

// under opens a session under a policy.
func (d *deployment) under(change func(*store.PolicyRules)) (*pgx.Conn, login) {
	d.Helper()
	l := d.credential(d.project("shop-"+store.NewSubdomain()), rules(change))
	return d.connect(d.as(l)), l
}

// amend changes the policy of a login.
func (d *deployment) amend(l login, f func(*store.PolicyRules)) {
	d.Helper()
	d.update(func(tx store.Tx) error {
		p, err := tx.Policies().Get(l.ProjectID, l.PolicyID)
		if err != nil {
			return err
		}
		f(&p.Rules)
		return tx.Policies().Update(p)
	})
}

// fixture makes a schema of its own upstream and returns its name.
func fixture(t *testing.T, ddl ...string) string {
	t.Helper()
	conn := direct(t)
	schema := "t_" + store.NewSubdomain()
	for _, sql := range append([]string{"create schema " + schema, "set search_path = " + schema}, ddl...) {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), postgres.URL("postgres"))
		if err == nil {
			_, err = conn.Exec(context.Background(), "drop schema "+schema+" cascade")
			conn.Close(context.Background())
		}
		if err != nil {
			t.Errorf("drop fixture: %v", err)
		}
	})
	return schema
}

func wantBlocked(t *testing.T, err error, reason string) {
	t.Helper()
	e := asPgError(t, err)
	if e.Code != "42501" || !strings.HasPrefix(e.Message, "blocked by PgBeam ") || !strings.Contains(e.Message, reason) {
		t.Fatalf("got %s %q, want a refusal with %q", e.Code, e.Message, reason)
	}
}

// modes are the ways in which pgx sends a statement.
var modes = map[string]pgx.QueryExecMode{
	"simple": pgx.QueryExecModeSimpleProtocol, "exec": pgx.QueryExecModeExec,
	"describe": pgx.QueryExecModeDescribeExec, "prepared": pgx.QueryExecModeCacheStatement,
}

func TestReadOnlySessionReads(t *testing.T) {
	schema := fixture(t, "create table items (id int primary key, name text)", "insert into items select i, 'item ' || i from generate_series(1, 100) i")
	d := deploy(t)
	conn, l := d.under(readOnly)
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				var n int
				if err := conn.QueryRow(t.Context(), "select count(*) from "+schema+".items where id <= $1", mode, 40).Scan(&n); err != nil || n != 40 {
					t.Fatalf("counted %d, %v", n, err)
				}
			}
		})
	}
	t.Run("cursor", func(t *testing.T) {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		if _, err := tx.Exec(t.Context(), "declare c cursor for select id from "+schema+".items order by id"); err != nil {
			t.Fatal(err)
		}
		var last int
		rows, err := tx.Query(t.Context(), "fetch 7 from c")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pgx.ForEachRow(rows, []any{&last}, func() error { return nil }); err != nil || last != 7 {
			t.Fatalf("fetched up to %d, %v", last, err)
		}
	})
	t.Run("pipeline", func(t *testing.T) {
		var batch pgx.Batch
		for i := range 50 {
			batch.Queue("select name from "+schema+".items where id = $1", i+1)
		}
		results := conn.SendBatch(t.Context(), &batch)
		for i := range 50 {
			var name string
			if err := results.QueryRow().Scan(&name); err != nil || name != fmt.Sprint("item ", i+1) {
				t.Fatalf("row %d: %q, %v", i, name, err)
			}
		}
		if err := results.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("ping", func(t *testing.T) {
		if err := conn.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("psql", func(t *testing.T) {
		for _, command := range []string{`\d`, `\d ` + schema + `.items`, `\dt *.*`, `\df`, `\dn`, `\du`, `\l`, `\dT`, `\dp`, `\di`, `\dv`, `\ds`, `\dx`, `\conninfo`} {
			out, err := psql(t, d, l, "sslmode=require", "-v", "ON_ERROR_STOP=1", "-c", command)
			if err != nil || strings.Contains(out, "blocked") {
				t.Errorf("%s: %v: %s", command, err, out)
			}
		}
	})
}

func TestReadOnlySessionDoesNotWrite(t *testing.T) {
	schema := fixture(t, "create table items (id int primary key, name text)", "insert into items values (1, 'one')",
		"create function sneak() returns int language sql set search_path from current as $$ insert into items values (99, 'sneaked') returning id $$",
		"create sequence numbers")
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema+".") }
	tests := []struct{ sql, reason string }{
		{"insert into @items values (2, 'two')", "read-only; insert"},
		{"update @items set name = 'x' where id = 1", "read-only; update"},
		{"delete from @items where id = 1", "read-only; delete"},
		{"with gone as (delete from @items where id = 1 returning *) select * from gone", "read-only; delete"},
		{"merge into @items i using (select 1 as id) s on i.id = s.id when matched then delete", "read-only"},
		{"create table @more (n int)", "read-only; create table"},
		{"select * into @more from @items", "read-only"},
		{"create table @more as select * from @items", "read-only"},
		{"drop table @items", "drop table"},
		{"truncate @items", "truncate"},
		{"explain analyze delete from @items where id = 1", "read-only"},
		{"select * from @items for update", "row locks"},
		{"copy @items to stdout", "COPY"},
		{"copy @items from stdin", "COPY"},
		{"do $$ begin delete from items; end $$", "DO"},
		{"prepare p as delete from @items", "changes every row"},
		{"prepare p as delete from @items where id = 1", "read-only; delete"},
		{"listen channel", "LISTEN"},
		{"notify channel", "NOTIFY"},
		{"lock table @items", "LOCK"},
		{"set default_transaction_read_only = off", "default_transaction_read_only"},
		{"set session characteristics as transaction read write", "READ WRITE"},
		{"begin read write", "READ WRITE"},
		{"set transaction read write", "READ WRITE"},
		{"set transaction_read_only = off", "READ WRITE"},
		{"select set_config('default_transaction_read_only', 'off', false)", "set_config"},
		{"update pg_catalog.pg_settings set setting = 'off' where name = 'default_transaction_read_only'", "read-only"},
		{"reset default_transaction_read_only", "default_transaction_read_only"},
		{"set role postgres", "role"},
		{"set session authorization postgres", "session_authorization"},
		{"set search_path = pg_catalog", "search_path"},
		{"set standard_conforming_strings = off", "standard_conforming_strings"},
		{"set client_encoding = 'sjis'", "client_encoding"},
		{"select pg_read_file('/etc/passwd')", "pg_read_file"},
		{"select pg_terminate_backend(1)", "pg_terminate_backend"},
		{"select lo_import('/etc/passwd')", "lo_import"},
		{"select query_to_xml('delete from items', true, true, '')", "query_to_xml"},
		{"select 1; delete from @items where id = 1", "statement 2 of the batch"},
		{"commit; delete from @items where id = 1", "statement 2 of the batch"},
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			conn, _ := d.under(readOnly)
			for _, tt := range tests {
				_, err := conn.Exec(t.Context(), in(tt.sql), mode)
				if err == nil {
					t.Errorf("%s was let through", tt.sql)
					continue
				}
				e := asPgError(t, err)
				if e.Code != "42501" || !strings.Contains(strings.ToLower(e.Message), strings.ToLower(tt.reason)) || e.Severity != "ERROR" {
					t.Errorf("%s: got %s %s %q, want %q", tt.sql, e.Severity, e.Code, e.Message, tt.reason)
				}
				if strings.Contains(e.Message, "pgbeam_refused") || e.Position != 0 {
					t.Errorf("%s: the error shows what was sent upstream: %+v", tt.sql, e)
				}
				if n := scalar[int](t, conn, "select 1"); n != 1 {
					t.Fatalf("after %s the session answers %d", tt.sql, n)
				}
			}
			// What the parse tree does not show, the engine refuses.
			for _, sql := range []string{"select @sneak()", "select nextval('@numbers')"} {
				_, err := conn.Exec(t.Context(), in(sql), mode)
				if e := asPgError(t, err); e.Code != "25006" && e.Code != "42501" {
					t.Errorf("%s: got %v", sql, e)
				}
			}
		})
	}
	if n := scalar[int](t, direct(t), in("select count(*) from @items")); n != 1 {
		t.Fatalf("%d rows after all that, want 1", n)
	}
}

// TestRefusalInATransaction compares with an error of PostgreSQL's own: the
// transaction is aborted, and rolls back to a savepoint.
func TestRefusalInATransaction(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(readOnly)
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			for _, failing := range []string{"select 1/0", "create table nope (n int)"} {
				var got []string
				for _, sql := range []string{"begin", "savepoint s", failing, "select 1", "rollback to s", "select 2", failing, "commit"} {
					tag, err := conn.Exec(t.Context(), sql, mode)
					var e *pgconn.PgError
					switch {
					case errors.As(err, &e) && sql != failing:
						got = append(got, e.Code)
					case err == nil:
						got = append(got, tag.String())
					}
					got = append(got, string(conn.PgConn().TxStatus()))
				}
				if have, want := strings.Join(got, " "), "BEGIN T SAVEPOINT T E 25P02 E ROLLBACK T SELECT 1 T E ROLLBACK I"; have != want {
					t.Errorf("%s: got %s, want %s", failing, have, want)
				}
			}
		})
	}
}

// TestRefusalInAPipeline compares with an error of PostgreSQL's own: what
// follows up to the Sync is skipped, and what follows that runs.
func TestRefusalInAPipeline(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(readOnly)
	run := func(failing string) string {
		p := conn.PgConn().StartPipeline(t.Context())
		for i := range 3 {
			p.SendQueryParams(fmt.Sprintf("select %d", i), nil, nil, nil, nil)
			p.SendQueryParams(failing, nil, nil, nil, nil)
			p.SendQueryParams("select 'skipped'", nil, nil, nil, nil)
			p.SendPrepare("never", failing, nil)
			if err := p.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for {
			r, err := p.GetResults()
			if err != nil {
				got = append(got, "error "+asPgError(t, err).Severity)
				continue
			}
			if r == nil {
				break
			}
			switch r := r.(type) {
			case *pgconn.ResultReader:
				res := r.Read()
				if res.Err != nil {
					got = append(got, "error "+asPgError(t, res.Err).Severity)
				} else {
					got = append(got, string(res.Rows[0][0]))
				}
			case *pgconn.PipelineSync:
				got = append(got, "sync")
			default:
				got = append(got, fmt.Sprintf("%T", r))
			}
			if strings.Count(strings.Join(got, " "), "sync") == 3 {
				break
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		return strings.Join(got, ", ")
	}
	if have, want := run("delete from pg_class where true"), run("select 1/0"); have != want {
		t.Fatalf("a refusal gives\n%s\nan error of PostgreSQL\n%s", have, want)
	}
	scalar[int](t, conn, "select 1")
}

// What PostgreSQL itself would refuse is refused in its words, in its place.
// A client that always has something outstanding does not make the proxy keep
// what was refused and then skipped.
func TestRefusalsInALongPipelineAreForgotten(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(readOnly)
	raw := hijack(t, conn)
	batch := appendParse(nil, "", "delete from t", []byte{0, 0})
	batch = wire.AppendBody(append(batch, batch...), wire.Sync, nil)
	send(t, raw, batch)
	const rounds = 200
	for range rounds {
		send(t, raw, batch)
		for _, want := range []byte("EZ") {
			if typ, _, err := wire.ReadFrame(raw, nil, 1<<20); err != nil || typ != want {
				t.Fatalf("got %q, %v; want %q", typ, err, want)
			}
		}
	}
	s := sessionOf(t, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.enforcer.refusals); n > 10 {
		t.Fatalf("%d refusals are kept of %d", n, 2*rounds)
	}
}

func TestMistakesInAStatementAreToldAsSuch(t *testing.T) {
	schema := fixture(t, "create table items (n int)")
	d := deploy(t)
	masked, _ := d.under(func(r *store.PolicyRules) {
		readOnly(r)
		r.MaskingRules = []store.MaskingRule{{Table: schema + ".items", Column: "n", Kind: "null"}}
	})
	plain, _ := d.under(readOnly)
	for name, conn := range map[string]*pgx.Conn{"mask": masked, "plain": plain} {
		for mode, m := range modes {
			_, err := conn.Exec(t.Context(), "select 1 fro items", m)
			if e := asPgError(t, err); e.Code != "42601" || e.Message != `syntax error at or near "items"` || e.Position != 14 {
				t.Errorf("%s, %s: %+v", name, mode, e)
			}
			_, err = conn.Exec(t.Context(), "select 1 from no_such_table", m)
			if e := asPgError(t, err); e.Code != "42P01" {
				t.Errorf("%s, %s: %v", name, mode, e)
			}
		}
		scalar[int](t, conn, "select 1")
	}
}

func TestProceduresThatAreKnownMayBeCalled(t *testing.T) {
	schema := fixture(t, "create table items (n int)", "create procedure put(n int) language sql set search_path from current as 'insert into items values (n)'")
	d := deploy(t)
	free, _ := d.under(readWrite)
	for mode, m := range modes {
		if _, err := free.Exec(t.Context(), "call "+schema+".put(1)", m); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		_, err := free.Exec(t.Context(), "call "+schema+".no_such_procedure(1)", m)
		wantBlocked(t, err, "CALL")
	}
	for name, change := range map[string]func(*store.PolicyRules){"read-only": readOnly, "cap": threeRows, "statement rules": func(r *store.PolicyRules) { r.DenyStatements = []string{"ddl"} }} {
		conn, _ := d.under(change)
		_, err := conn.Exec(t.Context(), "call "+schema+".put(1)")
		if e := asPgError(t, err); e.Code != "42501" {
			t.Errorf("%s: %v", name, e)
		}
	}
	if n := scalar[int](t, direct(t), "select count(*) from "+schema+".items"); n != len(modes) {
		t.Fatalf("%d rows were written", n)
	}
}
