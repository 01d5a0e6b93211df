package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

const marked = "MARKER-ada@example.com"

// people makes a table with sensitive values, a view and a partitioned table
// over the same, and a policy that masks and filters them.
func people(t *testing.T) (schema string, ask func(*store.PolicyRules)) {
	schema = fixture(t,
		"create table people (id int primary key, team int not null, email text unique, phone varchar(40), age int)",
		"insert into people values (1, 1, '"+marked+"', 'MARKER-555', 36), (2, 1, null, null, null), (3, 2, 'MARKER-hidden', 'MARKER-556', 40)",
		"create view contacts as select id, email as mail from people",
		"create table events (at int, who text) partition by range (at)",
		"create table events_1 partition of events for values from (0) to (100)",
		"insert into events values (1, 'MARKER-event')",
	)
	return schema, func(r *store.PolicyRules) {
		r.MaskingRules = []store.MaskingRule{
			{Table: schema + ".people", Column: "email", Kind: "redact"}, {Table: schema + ".people", Column: "phone", Kind: "hash"},
			{Table: schema + ".people", Column: "age", Kind: "redact"}, {Table: schema + ".events", Column: "who", Kind: "null"},
		}
		r.RowFilters = []store.RowFilter{{Table: schema + ".people", Predicate: "team = 1"}}
	}
}

func TestMasksAndFiltersInEveryProtocol(t *testing.T) {
	schema, ask := people(t)
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) { readOnly(r); ask(r) })
	sum := sha256.Sum256([]byte("MARKER-555"))
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				rows, err := conn.Query(t.Context(), "select id, email, phone, age from "+schema+".people where id < $1 order by id", mode, 100)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for rows.Next() {
					var id int
					var email, phone *string
					var age *int
					if err := rows.Scan(&id, &email, &phone, &age); err != nil {
						t.Fatal(err)
					}
					got = append(got, fmt.Sprint(id, text(email), text(phone), age == nil))
				}
				want := fmt.Sprint([]string{fmt.Sprint(1, "[redacted]", hex.EncodeToString(sum[:]), true), fmt.Sprint(2, "NULL", "NULL", true)})
				if err := rows.Err(); err != nil || fmt.Sprint(got) != want {
					t.Fatalf("got %v, %v, want %s", got, err, want)
				}
			}
		})
	}
	t.Run("every way to read", func(t *testing.T) {
		for _, sql := range []string{
			"table @people", "select * from @people p join @people q using (id)", "with w as (select * from @people) select * from w",
			"select (select email from @people where id = 1)", "select email from @people union all select phone from @people", "select * from @events", "select * from @events_1",
			"select p.* from @people p left join @events e on e.at = p.id", "select * from @contacts",
		} {
			out, err := psql(t, d, l, "sslmode=require", "-At", "-c", strings.ReplaceAll(sql, "@", schema+"."))
			if err != nil || strings.Contains(out, "MARKER") || out == "" {
				t.Errorf("%s: %v: %s", sql, err, out)
			}
		}
	})
	t.Run("every way refused", func(t *testing.T) {
		for _, sql := range []string{
			"select lower(email) from @people", "select id from @people where email like 'M%'", "select id from @people order by phone", "select max(email) from @people",
			"select people from @people", "explain analyze select * from @people", "select row_to_json(p) from @people p", "select id from @contacts where mail is not null",
		} {
			out, err := psql(t, d, l, "sslmode=require", "-At", "-c", strings.ReplaceAll(sql, "@", schema+"."))
			if err == nil || !strings.Contains(out, "blocked by PgBeam") || strings.Contains(out, "MARKER") {
				t.Errorf("%s: %v: %s", sql, err, out)
			}
		}
	})
}

// TestMasksWithoutFilters: a view shows masked what it takes from a masked
// column, and the rest as it is.
func TestMasksWithoutFilters(t *testing.T) {
	schema, ask := people(t)
	d := deploy(t)
	conn, _ := d.under(func(r *store.PolicyRules) { ask(r); r.RowFilters = nil })
	var id int
	var mail *string
	if err := conn.QueryRow(t.Context(), "select id, mail from "+schema+".contacts order by id limit 1").Scan(&id, &mail); err != nil || id != 1 || mail != nil && strings.Contains(*mail, "MARKER") {
		t.Fatalf("the view gives %d %v, %v", id, mail, err)
	}
	if plan := scalar[string](t, conn, "explain (costs off) select email from "+schema+".people"); strings.Contains(plan, "MARKER") || plan == "" {
		t.Fatalf("plan %q", plan)
	}
	if n := scalar[int](t, conn, "select count(*) from "+schema+".people where team = 2"); n != 1 {
		t.Fatalf("counted %d", n)
	}
}

func text(s *string) string {
	if s == nil {
		return "NULL"
	}
	return *s
}

// TestMaskedColumnsAreNullInBinary asks for all columns in binary.
func TestMaskedColumnsAreNullInBinary(t *testing.T) {
	schema, ask := people(t)
	d := deploy(t)
	conn, _ := d.under(ask)
	big := strings.Repeat("x", 100<<10)
	for name, sql := range map[string]string{"short": "select id, email, phone from " + schema + ".people where id = 1", "long": "select id, email, phone, '" + big[:50<<10] + "'::text from " + schema + ".people where id = 1"} {
		t.Run(name, func(t *testing.T) {
			for _, formats := range [][]int16{{1}, {1, 1, 1}, {1, 1, 0}, {0}, nil} {
				if name == "long" && len(formats) == 3 {
					formats = append(formats, 1)
				}
				r := conn.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, formats).Read()
				if r.Err != nil || len(r.Rows) != 1 {
					t.Fatalf("%v: %d rows, %v", formats, len(r.Rows), r.Err)
				}
				inBinary := func(i int) bool { return len(formats) == 1 && formats[0] == 1 || len(formats) > 1 && formats[i] == 1 }
				for i := 1; i <= 2; i++ {
					if (r.Rows[0][i] == nil) != inBinary(i) {
						t.Errorf("%v: column %d is %q", formats, i, r.Rows[0][i])
					}
				}
				if len(r.Rows[0][0]) == 0 {
					t.Errorf("%v: the key is gone", formats)
				}
			}
		})
	}
	r := conn.PgConn().ExecParams(t.Context(), "select email, $1::text from "+schema+".people where id = 1", [][]byte{[]byte(big)}, nil, nil, []int16{1}).Read()
	if r.Err != nil || len(r.Rows) != 1 || r.Rows[0][0] != nil || string(r.Rows[0][1]) != big {
		t.Fatalf("with a long parameter: %q, %v", r.Rows, r.Err)
	}
	for _, mode := range modes {
		if got := run(t, conn, mode, "begin", "declare c cursor for select id, email from "+schema+".people where id = 1"); got != "BEGIN, DECLARE CURSOR T" {
			t.Fatal(got)
		}
		r = conn.PgConn().ExecParams(t.Context(), "fetch all from c", nil, nil, nil, []int16{1}).Read()
		if r.Err != nil || len(r.Rows) != 1 || r.Rows[0][1] != nil {
			t.Errorf("fetched from a cursor in binary: %q, %v", r.Rows, r.Err)
		}
		run(t, conn, mode, "rollback")
	}
	scalar[int](t, conn, "select 1")
}

func TestWritesUnderMasksAndFilters(t *testing.T) {
	schema, ask := people(t)
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema+".") }
	d := deploy(t)
	conn, l := d.under(ask)
	var email string
	if err := conn.QueryRow(t.Context(), in("update @people set age = 1 where id = $1 returning email"), 1).Scan(&email); err != nil || email != "[redacted]" {
		t.Fatalf("returned %q, %v", email, err)
	}
	if tag, err := conn.Exec(t.Context(), in("update @people set age = 1 where id = 3")); err != nil || tag.RowsAffected() != 0 {
		t.Fatalf("a hidden row was updated: %v, %v", tag, err)
	}
	if tag, err := conn.Exec(t.Context(), in("delete from @people where id = 3")); err != nil || tag.RowsAffected() != 0 {
		t.Fatalf("a hidden row was deleted: %v, %v", tag, err)
	}
	// PostgreSQL quotes the row in DETAIL.
	for _, sql := range []string{"update @people set team = null where id = 1", "update @people set id = 2 where id = 1"} {
		for name, mode := range modes {
			_, err := conn.Exec(t.Context(), in(sql), mode)
			e := asPgError(t, err)
			if e.Detail != "" || e.Where != "" || strings.Contains(fmt.Sprintf("%+v", e), "MARKER") {
				t.Errorf("%s, %s: %+v", name, sql, e)
			}
		}
		if out, err := psql(t, d, l, "sslmode=require", "-c", in(sql)); err == nil || strings.Contains(out, "MARKER") {
			t.Errorf("%s: %v: %s", sql, err, out)
		}
	}
	if n := scalar[int](t, direct(t), in("select count(*) from @people")); n != 3 {
		t.Fatalf("%d people left", n)
	}
}

// TestFilterByTheCredential filters by a setting of the proxy's, which the
// principal can't change.
func TestFilterByTheCredential(t *testing.T) {
	schema := fixture(t, "create table notes (owner text, what text)")
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) {
		r.RowFilters = []store.RowFilter{{Table: schema + ".notes", Predicate: "owner = current_setting('pgbeam.credential_id')"}}
	})
	if _, err := direct(t).Exec(t.Context(), "insert into "+schema+".notes values ($1, 'mine'), ('agt_other', 'theirs')", l.ID); err != nil {
		t.Fatal(err)
	}
	if got := scalar[string](t, conn, "select string_agg(what, ',') from "+schema+".notes"); got != "mine" {
		t.Fatalf("sees %q", got)
	}
	for _, sql := range []string{"set pgbeam.credential_id = 'agt_other'", "set local pgbeam.credential_id to 'agt_other'", "select set_config('pgbeam.credential_id', 'agt_other', false)", "reset pgbeam.credential_id"} {
		_, err := conn.Exec(t.Context(), sql)
		wantBlocked(t, err, "")
	}
}

// TestMaskedColumnOnTheWireEndsTheSession stands for a hole in the decision:
// the wire refuses what names a masked column as it is.
func TestMaskedColumnOnTheWireEndsTheSession(t *testing.T) {
	schema, ask := people(t)
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			conn, _ := d.under(ask)
			sql := "select email from " + schema + ".people where id = 1"
			scalar[int](t, conn, "select 1")
			s := sessionOf(t, d)
			hole := *s.enforcer.engine.decide([]byte(sql))
			hole.SQL = sql
			for i := range hole.Statements {
				hole.Statements[i].Outputs = nil
			}
			e := s.enforcer.engine
			e.decisions = decisions{}
			e.decisions.keep(sql, &hole)
			rows, err := conn.Query(t.Context(), sql, mode)
			if err == nil {
				for rows.Next() {
					v, _ := rows.Values()
					if strings.Contains(fmt.Sprint(v), "MARKER") {
						t.Fatalf("got %v", v)
					}
				}
				err = rows.Err()
			}
			if mode == pgx.QueryExecModeExec && err == nil {
				t.Fatal("it was let through")
			}
			wantError(t, asPgError(t, err), "FATAL", "42501", "blocked by PgBeam policy: the result would show a masked column as it is")
		})
	}
}

func TestTerseErrors(t *testing.T) {
	report := wire.AppendReport(nil, wire.Report{Severity: "ERROR", Code: "23502", Message: "null value", Detail: "Failing row contains (MARKER).", Hint: "MARKER"})
	got := terse(wire.ErrorResponse, report[wire.HeaderSize:])
	if r := wire.ParseReport(got[wire.HeaderSize:]); r != (wire.Report{Severity: "ERROR", Code: "23502", Message: "null value"}) {
		t.Fatalf("got %+v", r)
	}
}

func FuzzNullify(f *testing.F) {
	f.Add([]byte{0, 2, 0, 0, 0, 1, 'x', 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = nullify(body, []int{0, 1, 5})
		_ = fields(body, func(field) {})
		_, _ = binaryColumns(body, nil)
		_ = terse(wire.ErrorResponse, body)
	})
}

// A role may be set up to be sent the server's log, which quotes statements as
// they went upstream.
func TestClientIsNotToldTheUpstreamsLog(t *testing.T) {
	d := deploy(t)
	owner := direct(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := owner.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("create table logged (id int, tenant int); alter role postgres set client_min_messages = debug5; alter role postgres set log_statement = 'all'")
	t.Cleanup(func() {
		exec("drop table logged; alter role postgres reset client_min_messages; alter role postgres reset log_statement")
	})
	conn, notices := d.noticed(func(r *store.PolicyRules) {
		r.RowFilters = []store.RowFilter{{Table: "logged", Predicate: "tenant = 4711"}}
	})
	*notices = nil // of the login, which come of no statement of the client's
	for _, mode := range modes {
		if _, err := conn.Exec(t.Context(), "select id from logged; ", mode); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Exec(t.Context(), "do $$ begin raise notice 'heard'; end $$"); err == nil || len(*notices) > 0 {
		t.Fatalf("%v; told %q", err, *notices)
	}
	if _, err := conn.Exec(t.Context(), "rollback"); err != nil || len(*notices) != 1 {
		t.Fatalf("a notice is not heard: %v, %q", err, *notices)
	}
}
