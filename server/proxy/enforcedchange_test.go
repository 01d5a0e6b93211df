package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func TestTableListsHoldByWhatIsRead(t *testing.T) {
	schema := fixture(t, "create table open (n int)", "create table secret (n int)", "create view window_on as select n from secret",
		"create table parted (n int) partition by range (n)", "create table parted_1 partition of parted for values from (0) to (10)",
		"create function peek() returns setof int language sql set search_path from current as 'select n from secret'",
		"insert into open values (1)", "insert into secret values (2)", "insert into parted values (3)")
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema+".") }
	d := deploy(t)
	conn, _ := d.under(func(r *store.PolicyRules) {
		readOnly(r)
		r.TableDenylist = []string{schema + ".secret"}
	})
	for _, sql := range []string{"select n from @open", "select n from @parted", "select n from @parted_1", "select count(*) from pg_class"} {
		if _, err := conn.Exec(t.Context(), in(sql)); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"select n from @secret", "select n from @window_on", "select * from @open, @secret", "with s as (table @secret) select * from s",
		"select (select max(n) from @secret)", "select exists (select from @secret)", "select * from @peek()",
	} {
		_, err := conn.Exec(t.Context(), in(sql))
		if e := asPgError(t, err); e.Code != "42501" || !strings.Contains(e.Message, "PgBeam") {
			t.Errorf("%s: got %v", sql, e)
		}
	}
	only, _ := d.under(func(r *store.PolicyRules) { r.TableAllowlist = []string{schema + ".open"} })
	if n := scalar[int](t, only, in("select n from @open")); n != 1 {
		t.Fatalf("the allowed table gives %d", n)
	}
	if _, err := only.Exec(t.Context(), in("insert into @open values ($1)"), 5); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"select n from @parted", "insert into @secret values (1)", "insert into @open select n from @secret"} {
		_, err := only.Exec(t.Context(), in(sql))
		wantBlocked(t, err, "allowlist")
	}
}

// TestCatalogFollowsTheSchema changes the schema past the proxy and through
// it: what is new is known to the next statement that names it.
func TestCatalogFollowsTheSchema(t *testing.T) {
	schema := fixture(t, "create table secret (n int)")
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema+".") }
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) { r.TableDenylist = []string{schema + ".secret"} })
	if _, err := conn.Exec(t.Context(), in("create table @mine (n int)")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), in("insert into @mine values (1)")); err != nil {
		t.Fatalf("the table made in the statement before is not known: %v", err)
	}
	if _, err := d.connect(d.as(l)).Exec(t.Context(), in("select * from @mine")); err != nil {
		t.Fatalf("another session does not know the table: %v", err)
	}
	if _, err := direct(t).Exec(t.Context(), in("create table @theirs (n int)")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a table made past the proxy is known", func() bool {
		_, err := conn.Exec(t.Context(), in("select * from @theirs"))
		return err == nil
	})
}

func TestNoCatalogNoStatement(t *testing.T) {
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) { r.TableDenylist = []string{"secret"} })
	d.update(func(tx store.Tx) error { // the stored credentials stop working, sessions go on
		dbs, _, _, err := tx.Databases().List(l.ProjectID, store.Page{})
		if err != nil {
			return err
		}
		dbs[0].Username = "nobody_at_all"
		return tx.Databases().Update(dbs[0])
	})
	d.amend(l, func(r *store.PolicyRules) { r.TableDenylist = []string{"secret", "other"} })
	s := sessionOf(t, d)
	s.srv.catalogs.Expire(l.ProjectID, s.id.databaseID)
	_, err := conn.Exec(t.Context(), "select 1")
	wantBlocked(t, err, "schema of the database cannot be read")
}

// sessionOf returns the only session of a deployment.
func sessionOf(t *testing.T, d *deployment) *session {
	t.Helper()
	d.server.mu.Lock()
	defer d.server.mu.Unlock()
	for _, s := range d.server.sessions {
		return s
	}
	t.Fatal("there is no session")
	return nil
}

func TestPolicyChangedUnderAPreparedStatement(t *testing.T) {
	schema := fixture(t, "create table items (n int)", "insert into items values (1), (2)")
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) { r.DenyStatements = []string{"ddl"} })
	if _, err := conn.Prepare(t.Context(), "reading", "select n from "+schema+".items order by n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Prepare(t.Context(), "writing", "insert into "+schema+".items values (3)"); err != nil {
		t.Fatal(err)
	}
	d.amend(l, func(r *store.PolicyRules) { r.DenyStatements = []string{"insert"} })
	if n := scalar[int](t, conn, "reading"); n != 1 {
		t.Fatalf("got %d", n)
	}
	_, err := conn.Exec(t.Context(), "writing")
	wantBlocked(t, err, "insert")
	d.amend(l, func(r *store.PolicyRules) { r.DenyStatements, r.TableDenylist = nil, []string{schema + ".items"} })
	_, err = conn.Exec(t.Context(), "reading")
	wantBlocked(t, err, "denied")
	d.amend(l, func(r *store.PolicyRules) { r.TableDenylist = []string{"other"} })
	if n := scalar[int](t, conn, "reading"); n != 1 {
		t.Fatalf("got %d", n)
	}
}

func TestPolicyChangedUnderAnOpenPortal(t *testing.T) {
	schema := fixture(t, "create table items (n int)", "insert into items select generate_series(1, 10)")
	for name, open := range map[string]string{
		"cursor of SQL": "declare c cursor for select n from " + schema + ".items",
		"portal":        "",
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			conn, l := d.under(func(r *store.PolicyRules) { r.DenyStatements = []string{"ddl"} })
			if _, err := conn.Exec(t.Context(), "begin"); err != nil {
				t.Fatal(err)
			}
			fetch := func() error { _, err := conn.Exec(t.Context(), "fetch 2 from c"); return err }
			if open != "" {
				if _, err := conn.Exec(t.Context(), open); err != nil {
					t.Fatal(err)
				}
			} else {
				b := appendParse(nil, "s", "select n from "+schema+".items", []byte{0, 0})
				b = wire.AppendBody(b, wire.Bind, []byte("c\x00s\x00\x00\x00\x00\x00\x00\x00"))
				b = wire.AppendBody(b, wire.Sync, nil)
				exchange(t, conn, b)
			}
			if err := fetch(); err != nil {
				t.Fatal(err)
			}
			d.amend(l, func(r *store.PolicyRules) { r.TableDenylist = []string{schema + ".items"} })
			wantBlocked(t, fetch(), "denied")
			if _, err := conn.Exec(t.Context(), "rollback"); err != nil {
				t.Fatal(err)
			}
			scalar[int](t, conn, "select 1")
		})
	}
}

// A cursor is one of the transaction that its declaration runs in, however long
// before that it was prepared.
func TestPolicyChangedUnderACursorWhoseDeclarationWasPrepared(t *testing.T) {
	schema := fixture(t, "create table items (n int)", "insert into items values (1), (2)")
	for _, hold := range []string{"", "with hold "} {
		d := deploy(t)
		conn, l := d.under(func(*store.PolicyRules) {})
		told(t, conn, append(appendParse(nil, "s", "declare c cursor "+hold+"for select n from "+schema+".items order by n", []byte{0, 0}), synced...))
		told(t, conn, queries("select 1", "begin"))
		b := wire.AppendBody(nil, wire.Bind, []byte("\x00s\x00\x00\x00\x00\x00\x00\x00"))
		b = wire.AppendBody(b, wire.Execute, make([]byte, 5))
		if got := told(t, conn, append(b, pipelined("select 7")...)); got != "DECLARE_CURSOR (7) SELECT_1 T" {
			t.Fatal(got)
		}
		if hold != "" {
			told(t, conn, queries("commit"))
		}
		d.amend(l, func(r *store.PolicyRules) {
			r.RowFilters = []store.RowFilter{{Table: schema + ".items", Predicate: "n = 1"}}
		})
		if got := told(t, conn, queries("fetch all from c")); !strings.HasPrefix(got, "0A000 ") {
			t.Errorf("%q: %s", hold, got)
		}
	}
}

// exchange sends frames that end in a Sync or are a Query, and returns the
// types of what comes back.
func exchange(t *testing.T, conn *pgx.Conn, b []byte) string {
	t.Helper()
	return exchanges(t, conn, b, 1)
}

// exchanges is exchange up to several ReadyForQuery.
func exchanges(t *testing.T, conn *pgx.Conn, b []byte, ready int) string {
	t.Helper()
	c := rawOf(conn)
	_ = c.SetDeadline(time.Now().Add(patience))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	var types strings.Builder
	for {
		typ, _, err := wire.ReadFrame(c, nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		types.WriteByte(typ)
		if typ == wire.ReadyForQuery {
			if ready--; ready == 0 {
				return types.String()
			}
		}
	}
}

func TestPolicyChangedInAPipeline(t *testing.T) {
	schema := fixture(t, "create table items (n int)", "insert into items values (1)")
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) { r.DenyStatements = []string{"ddl"} })
	if _, err := conn.Prepare(t.Context(), "reading", "select n from "+schema+".items"); err != nil {
		t.Fatal(err)
	}
	p := conn.PgConn().StartPipeline(t.Context())
	p.SendQueryPrepared("reading", nil, nil, nil)
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	p.SendFlushRequest()
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.GetResults(); err != nil {
		t.Fatal(err)
	}
	d.amend(l, func(r *store.PolicyRules) { r.TableDenylist = []string{schema + ".items"} })
	p.SendQueryPrepared("reading", nil, nil, nil)
	if err := p.Sync(); err != nil {
		t.Fatal(err)
	}
	_, err := p.GetResults()
	wantBlocked(t, err, "denied")
	if err := p.Close(); err != nil {
		var e error = err
		wantBlocked(t, e, "denied")
	}
	scalar[int](t, conn, "select 1")
}

// TestPolicyThatNeedsAnotherSession covers changes that a session was not set
// up for: it ends with its next statement, which does not run.

func TestStatementTimeoutIsTheSmaller(t *testing.T) {
	for name, tt := range map[string]struct {
		database, policy int
		want             string
		role             string // of the upstream's own
	}{
		"policy alone": {0, 250, "250ms", "0"}, "policy smaller": {5000, 250, "250ms", "0"}, "database smaller": {250, 5000, "250ms", "0"},
		"role's own smaller": {0, 5000, "250ms", "250ms"}, "role's own larger": {0, 250, "250ms", "1h"},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			role := "t_" + store.NewSubdomain()
			own := direct(t)
			for _, sql := range []string{"create role " + role + " login superuser password 'p'", "alter role " + role + " set statement_timeout = '" + tt.role + "'"} {
				if _, err := own.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			p := d.project("shop", func(_ *store.Project, db *store.Database) {
				db.QueryTimeoutMs, db.Username, db.Password = tt.database, role, secret.NewText("p")
			})
			conn := d.connect(d.as(d.credential(p, rules(func(r *store.PolicyRules) { r.StatementTimeoutMs = tt.policy }))))
			if got := scalar[string](t, conn, "show statement_timeout"); got != tt.want {
				t.Fatalf("statement_timeout is %s", got)
			}
			for _, sql := range []string{"set statement_timeout = 0", "set local statement_timeout = '1h'", "reset statement_timeout",
				"select set_config('statement_timeout', '0', false)"} {
				_, err := conn.Exec(t.Context(), sql)
				wantBlocked(t, err, "")
			}
			for _, sql := range []string{"reset all", "discard all"} {
				if _, err := conn.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
				if got := scalar[string](t, conn, "show statement_timeout", pgx.QueryExecModeSimpleProtocol); got != tt.want {
					t.Fatalf("statement_timeout is %s after %s", got, sql)
				}
			}
			_, err := conn.Exec(t.Context(), "select pg_sleep(5)")
			if e := asPgError(t, err); e.Code != "57014" {
				t.Fatalf("got %v", e)
			}
		})
	}
}

func TestStartupSettingsUnderAPolicy(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), rules(readOnly))
	for _, option := range []string{
		"-c default_transaction_read_only=off", "-c search_path=pg_temp", "-crole=postgres", "--session_authorization=postgres", "-c statement_timeout=0",
		"-c standard_conforming_strings=off", "--session-replication-role=replica", "-O", "-c pgbeam.credential_id=x", "-c row_security=off",
	} {
		c := d.as(l)
		c.RuntimeParams["options"] = option
		if e := d.refused(c); e.Code != "42501" {
			t.Errorf("%s: got %s %q", option, e.Code, e.Message)
		}
	}
	for name, value := range map[string]string{"search_path": "pg_temp", "Default_Transaction_Read_Only": "off", "client_encoding": "SJIS", "role": "postgres"} {
		c := d.as(l)
		c.RuntimeParams[name] = value
		if e := d.refused(c); e.Code != "42501" {
			t.Errorf("%s: got %s %q", name, e.Code, e.Message)
		}
	}
	c := d.as(l)
	for name, value := range map[string]string{"client_encoding": "SQL_ASCII", "application_name": "it's", "TimeZone": "Europe/Paris", "options": "-c work_mem=8MB"} {
		c.RuntimeParams[name] = value
	}
	conn := d.connect(c)
	for name, want := range map[string]string{
		"client_encoding": "UTF8", "application_name": "it's", "timezone": "Europe/Paris", "work_mem": "8MB", "default_transaction_read_only": "on",
		"standard_conforming_strings": "on", "pgbeam.credential_id": l.ID, "pgbeam.principal_type": "agent",
	} {
		if got := scalar[string](t, conn, "show "+name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := scalar[string](t, conn, "show search_path"); got != "public" {
		t.Errorf("search_path is %q", got)
	}
	c = d.as(l)
	c.RuntimeParams["client_encoding"] = "'utf-8'" // asyncpg's
	if got := scalar[string](t, d.connect(c), "show client_encoding"); got != "UTF8" {
		t.Errorf("client_encoding is %q", got)
	}
}

func TestDefaultPolicyHoldsUsersOfTheUpstream(t *testing.T) {
	d := deploy(t)
	p := d.project("shop")
	l := d.credential(p, rules(readOnly))
	d.changeProject(p, func(p *store.Project) { p.DefaultPolicyID = l.PolicyID })
	conn := d.connect(d.config(l.host, "postgres", postgres.Password, "postgres", "options=-c%20pgbeam.tenant%3D42"))
	if got := scalar[string](t, conn, "select current_setting('pgbeam.tenant')"); got != "42" {
		t.Fatalf("pgbeam.tenant is %q", got)
	}
	for _, sql := range []string{"create table t (n int)", "set pgbeam.tenant = '43'", "set role postgres"} {
		_, err := conn.Exec(t.Context(), sql)
		wantBlocked(t, err, "")
	}
	if got := exchange(t, conn, wire.AppendBody(nil, wire.FunctionCall, []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0})); got != "EZ" {
		t.Fatalf("a function call gets %q", got)
	}
	scalar[int](t, conn, "select 1")
	d.changeProject(p, func(p *store.Project) { p.DefaultPolicyID = "" })
	_, err := conn.Exec(t.Context(), "select 1")
	wantError(t, asPgError(t, err), "FATAL", "57P01", "terminating connection because the policy of this login changed")
}

func TestLongStatementsUnderAPolicy(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(readOnly)
	for _, mode := range modes {
		for size, ok := range map[int]bool{1000: true, 40 << 10: true, 900 << 10: true, 1<<20 + 100: false, 5 << 20: false} {
			var n int
			err := conn.QueryRow(t.Context(), "select length('"+strings.Repeat("x", size)+"')", mode).Scan(&n)
			if ok && (err != nil || n != size) {
				t.Fatalf("%d bytes: %d, %v", size, n, err)
			}
			if !ok {
				wantBlocked(t, err, "long")
			}
			scalar[int](t, conn, "select 1")
		}
	}
	var n int
	if err := conn.QueryRow(t.Context(), "select length($1::text)", strings.Repeat("y", 3<<20)).Scan(&n); err != nil || n != 3<<20 {
		t.Fatalf("a long parameter: %d, %v", n, err)
	}
}

// TestTinyPiecesUnderAPolicy sends every byte alone.
func TestTinyPiecesUnderAPolicy(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(readOnly)
	c := rawOf(conn)
	b := wire.AppendQuery(nil, "select 1")
	b = wire.AppendQuery(b, "drop table x")
	b = appendParse(b, "s", "select 2", []byte{0, 0})
	b = wire.AppendBody(b, wire.Bind, []byte("\x00s\x00\x00\x00\x00\x00\x00\x00"))
	b = wire.AppendBody(b, wire.Execute, []byte("\x00\x00\x00\x00\x00"))
	b = wire.AppendBody(b, wire.Close, []byte("Ss\x00"))
	b = wire.AppendBody(b, wire.Sync, nil)
	go func() {
		for i := range b {
			if _, err := c.Write(b[i : i+1]); err != nil {
				return
			}
		}
	}()
	var got strings.Builder
	_ = c.SetDeadline(time.Now().Add(patience))
	for strings.Count(got.String(), "Z") < 3 {
		typ, _, err := wire.ReadFrame(c, nil, 1<<20)
		if err != nil {
			t.Fatalf("after %s: %v", got.String(), err)
		}
		got.WriteByte(typ)
	}
	if got.String() != "TDCZEZ12DC3Z" {
		t.Fatalf("got %s", got.String())
	}
}

// TestNamesThatWereSkippedStandForBoth: after an error, a Parse that did not
// happen must not hide what the name stands for upstream.
func TestNamesThatWereSkippedStandForBoth(t *testing.T) {
	schema := fixture(t, "create table items (n int)", "insert into items values (1)")
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) { r.DenyStatements = []string{"ddl"} })
	b := appendParse(nil, "s", "select n from "+schema+".items", []byte{0, 0})
	exchange(t, conn, wire.AppendBody(b, wire.Sync, nil))
	b = appendParse(nil, "", "this fails", []byte{0, 0})
	b = wire.AppendBody(b, wire.Close, []byte("Ss\x00"))
	b = appendParse(b, "s", "select 1", []byte{0, 0})
	if got := exchange(t, conn, wire.AppendBody(b, wire.Sync, nil)); got != "EZ" {
		t.Fatalf("got %s", got)
	}
	d.amend(l, func(r *store.PolicyRules) { r.TableDenylist = []string{schema + ".items"} })
	b = wire.AppendBody(nil, wire.Bind, []byte("\x00s\x00\x00\x00\x00\x00\x00\x00"))
	b = wire.AppendBody(b, wire.Execute, []byte("\x00\x00\x00\x00\x00"))
	if got := exchange(t, conn, wire.AppendBody(b, wire.Sync, nil)); got != "EZ" {
		t.Fatalf("what the name still stands for ran: %s", got)
	}
}

// The error of a batch may be back before the client goes on with the batch:
// what it sends then is skipped as well. A statement that it seemed to replace
// once ran as it was prepared under the policy before.
func TestNamesThatAreSkippedBehindAnErrorThatIsBack(t *testing.T) {
	schema := fixture(t, "create table items (n int)", "insert into items values (1), (2)")
	d := deploy(t)
	conn, l := d.under(func(*store.PolicyRules) {})
	prepare := append(appendParse(nil, "s", "select n from "+schema+".items order by n", []byte{0, 0}), synced...)
	told(t, conn, prepare)
	d.amend(l, func(r *store.PolicyRules) {
		r.RowFilters = []store.RowFilter{{Table: schema + ".items", Predicate: "n = 1"}}
	})
	c := rawOf(conn)
	send(t, c, wire.AppendBody(appendParse(nil, "", "this fails", []byte{0, 0}), wire.Flush, nil))
	if why := report(t, c); why.Code != "42601" {
		t.Fatal(why)
	}
	if got := told(t, conn, prepare); got != "I" {
		t.Fatal(got)
	}
	b := wire.AppendBody(nil, wire.Bind, []byte("\x00s\x00\x00\x00\x00\x00\x00\x00"))
	b = wire.AppendBody(b, wire.Execute, make([]byte, 5))
	if got := told(t, conn, append(b, synced...)); strings.Contains(got, "(2)") {
		t.Fatalf("what the policy before permitted ran: %s", got)
	}
}

// TestUnnamedStatementIsTheLastOne: what the unnamed statement was under an
// older policy is no matter of the one that replaces it.
func TestUnnamedStatementIsTheLastOne(t *testing.T) {
	schema := fixture(t, "create table items (n int)", "insert into items values (1)")
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) { r.DenyStatements = []string{"ddl"} })
	if err := conn.QueryRow(t.Context(), "select n from "+schema+".items", pgx.QueryExecModeExec).Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	d.amend(l, func(r *store.PolicyRules) { r.TableDenylist = []string{schema + ".items"} })
	var n int
	if err := conn.QueryRow(t.Context(), "select 2", pgx.QueryExecModeExec).Scan(&n); err != nil || n != 2 {
		t.Fatalf("got %d, %v", n, err)
	}
}

// What SQL prepares is decided about when it is prepared, and again when the
// policy has changed until it runs.
func TestPrepareAndExecuteInSQL(t *testing.T) {
	schema, ask := people(t)
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema+".") }
	d := deploy(t)
	conn, l := d.under(func(r *store.PolicyRules) {
		ask(r)
		r.MaxRows = 1
	})
	const simple = pgx.QueryExecModeSimpleProtocol
	exec := func(sql string) (string, error) {
		results, err := conn.PgConn().Exec(t.Context(), in(sql)).ReadAll()
		var cells []string
		for _, r := range results {
			for _, row := range r.Rows {
				for _, cell := range row {
					cells = append(cells, string(cell))
				}
			}
		}
		return strings.Join(cells, "|"), err
	}
	if _, err := exec("prepare one(int) as select email from @people where id >= $1 order by id"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := exec("execute one(1)"); err != nil || got != "[redacted]" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	for _, sql := range []string{
		"prepare leak as select upper(email) from @people", "prepare p as select 1; execute p", "explain execute one(1)", "create temp table t as execute one(1)",
		"execute one((select max(id) from @people))", "prepare gone as delete from @people",
	} {
		_, err := exec(sql)
		if e := asPgError(t, err); e.Code != "42501" {
			t.Errorf("%s: %v", sql, e)
		}
	}
	if _, err := exec("execute nothing"); asPgError(t, err).Code != "26000" {
		t.Error(err)
	}
	if r := conn.PgConn().ExecParams(t.Context(), "prepare two as select 1", nil, nil, nil, nil).Read(); asPgError(t, r.Err).Code != "0A000" {
		t.Error(r.Err)
	}
	// Names of the protocol and of SQL are the same ones.
	if _, err := conn.Prepare(t.Context(), "three", in("select phone from @people where id = 1")); err != nil {
		t.Fatal(err)
	}
	if got, err := exec("execute three"); err != nil || len(got) != 64 {
		t.Fatalf("%q, %v", got, err)
	}
	d.amend(l, func(r *store.PolicyRules) { r.MaskingRules, r.TableDenylist = nil, []string{schema + ".people"} })
	for _, sql := range []string{"execute one(1)", "execute three"} {
		_, err := exec(sql)
		wantBlocked(t, err, "denied")
	}
	d.amend(l, func(r *store.PolicyRules) { *r = store.PolicyRules{AccessMode: "read_write", MaxAffectedRows: 1} })
	if _, err := exec("execute one(1)"); asPgError(t, err).Code != "0A000" { // prepared with its mask
		t.Error(err)
	}
	if _, err := exec("prepare four(int) as update @people set age = age where id >= $1"); err != nil {
		t.Fatal(err)
	}
	if got := run(t, conn, simple, "execute four(1000)", "execute four(1)"); got != "UPDATE 0, 42501 I" {
		t.Error(got)
	}
	d.amend(l, func(r *store.PolicyRules) { r.MaxAffectedRows, r.WriteMode = 0, "rollback" })
	if _, err := exec("prepare five as delete from @people where id = 1"); err != nil {
		t.Fatal(err)
	}
	if got := run(t, conn, simple, "execute five", "execute five", "deallocate five"); got != "DELETE 1, DELETE 1, DEALLOCATE I" {
		t.Error(got)
	}
	d.amend(l, func(r *store.PolicyRules) { *r = store.PolicyRules{AccessMode: "read_only"} })
	if _, err := exec("execute four(1)"); err == nil || asPgError(t, err).Code != "42501" {
		t.Error(err)
	}
}
