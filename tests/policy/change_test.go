package policy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// changes are policies that change under a statement which is prepared
// already: what the next Execute gives.
var changes = []struct {
	name          string
	before, after []rule
	sql           string
	was, is       string
	code, says    string // of the next Execute; when empty, it gives what is
	writes, wrote string // a query, and what it gives when the next Execute wrote
	ends          bool   // a session that is in a transaction: it may have written
}{
	{name: "a table is denied", after: []rule{except("keys")},
		sql: "select label from keys order by id", was: "prod; test", code: "42501", says: `table "keys" is denied`},
	{name: "a column is masked", after: []rule{masks("users.email=redact")},
		sql: "select id, email from users where id = 4 or id = 1 order by id", was: "1|mark-ann@mail.test; 4|∅", is: "1|[redacted]; 4|∅"},
	{name: "a mask becomes another", before: []rule{masks("users.email=redact")}, after: []rule{set("masking_rules", nil), masks("users.email=null")},
		sql: "select email from users where id = 1", was: "[redacted]", is: "∅"},
	{name: "a row filter comes", after: []rule{filter("orders", "tenant_id = 1")},
		sql: "select count(*) from orders", was: "6", is: "3"},
	{name: "writing ends", after: []rule{readOnly},
		sql: "update tenants set name = 'x' where id = 1", code: "42501", says: "read-only", ends: true},
	{name: "a kind is denied", before: []rule{kinds(kindLists{"deny": []string{"copy"}})}, after: []rule{kinds(kindLists{"deny": []string{"select"}})},
		sql: "select 1", was: "1", code: "42501", says: "kind select"},
	{name: "a masked column is asked about", after: []rule{masks("users.email=redact")},
		sql: "select count(*) from users where email like 'mark-a%'", was: "1", code: "42501", says: "masked column"},
	{name: "results are cut", after: []rule{set("max_rows", 2)},
		sql: "select id from orders order by id", was: "10; 11; 12; 20; 21; 30", is: "10; 11"},
	{name: "a table is allowed", before: []rule{except("keys")}, after: []rule{set("table_denylist", []string{})},
		sql: "select name from tenants where id = 1", was: "acme", is: "acme"},
	{name: "what it writes to is filtered", after: []rule{filter("orders", "tenant_id = 1")},
		sql: "update orders set qty = 7 where id > 0", writes: "select count(*) from orders where qty = 7", wrote: "3"},
	{name: "a filter on what it inserts comes", after: []rule{filter("orders", "tenant_id = 1")},
		sql: "insert into orders values (90, 2, 3, 'new', 1, 1)", code: "42501", says: "row filter"},
	{name: "a filter on what it inserts changes", before: []rule{filter("orders", "tenant_id = 1")}, after: []rule{set("row_filters", nil), filter("orders", "tenant_id = 2")},
		sql: "insert into orders values (90, 1, 1, 'new', 1, 1) returning id", was: "90", code: "42501", says: "row filter"},
	{name: "a filter on what it inserts goes", before: []rule{filter("orders", "tenant_id = 1")}, after: []rule{set("row_filters", []map[string]any{})},
		sql: "insert into orders values (90, 1, 1, 'new', 1, 1) returning id, item", was: "90|new", is: "90|new", writes: "select tenant_id, item from orders where id = 90", wrote: "1|new"},
}

func TestPolicyChangedUnderAPreparedStatement(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			p := under(c.name, c.before...).copied(t)
			s := p.watched(t)
			prepare := &pgproto3.Parse{Name: "s", Query: c.sql}
			execute := []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}}
			if o := s.exchange(t, append([]pgproto3.FrontendMessage{prepare}, execute...)...); o.failure != nil || shown(o) != c.was {
				t.Fatalf("before: %s %s", said(o), shown(o))
			}
			restore(t)
			if shows := p.leaked(s.take()); shows != "" {
				t.Fatalf("before: %s", shows)
			}
			p.amend(t, c.after...)
			o := s.exchange(t, execute...)
			switch {
			case c.code == "" && (o.failure != nil || shown(o) != c.is):
				t.Errorf("after: %s %q, want %q", said(o), shown(o), c.is)
			case c.code != "" && (o.failure == nil || o.failure.Code != c.code || !strings.Contains(o.failure.Message, c.says) || len(o.results) > 0):
				t.Errorf("after: %s %q, want %s %s", said(o), shown(o), c.code, c.says)
			}
			if c.writes != "" {
				if got := direct(t, c.writes); got != c.wrote {
					t.Errorf("after: it wrote %q, want %q", got, c.wrote)
				}
				restore(t)
			} else if !unchanged(t) {
				t.Error("it wrote under the policy that had ended")
			}
			if shows := p.leaked(s.take()); shows != "" {
				t.Errorf("after: %s", shows)
			}
		})
	}
}

// A statement that has been executed in a pipeline is followed by a change of
// policy, and by another Execute of it in the same pipeline.
func TestPolicyChangedInAPipeline(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			p := under("in a pipeline, "+c.name, c.before...).copied(t)
			s := p.watched(t)
			execute := []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: "s", DestinationPortal: ""}, &pgproto3.Execute{}}
			first := append([]pgproto3.FrontendMessage{&pgproto3.Parse{Name: "s", Query: c.sql}}, execute...)
			if err := s.send(append(first, &pgproto3.Flush{})...); err != nil {
				t.Fatal(err)
			}
			for done := false; !done; {
				m, err := s.Receive()
				if err != nil {
					t.Fatal(err)
				}
				switch m := m.(type) {
				case *pgproto3.ErrorResponse:
					t.Fatalf("before: %s", m.Message)
				case *pgproto3.CommandComplete:
					done = true
				}
			}
			s.take()
			p.amend(t, c.after...)
			if err := s.send(append(execute, &pgproto3.Sync{})...); err != nil {
				t.Fatal(err)
			}
			o, err := s.await()
			if report, over := closed(err); c.ends {
				if !over || report == nil || report.Code != "57P01" || !unchanged(t) {
					t.Errorf("after: %v, %s", err, said(o))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			code, says := c.code, c.says
			if strings.HasPrefix(c.sql, "insert") { // the same for the second time in one transaction
				code, says = "23505", "duplicate key"
			}
			if code == "" {
				if o.failure != nil || shown(o) != c.is || o.status != 'I' {
					t.Errorf("after: %s %q, want %q", said(o), shown(o), c.is)
				}
				restore(t)
				return
			}
			if o.failure == nil || o.failure.Code != code || !strings.Contains(o.failure.Message, says) || len(o.results) > 0 {
				t.Errorf("after: %s %q, want %s %s", said(o), shown(o), code, says)
			}
			if o.status != 'I' || !unchanged(t) {
				t.Errorf("status %c; the pipeline is one transaction, and was to be undone", o.status)
			}
		})
	}
}

// SQL's PREPARE and the protocol's Parse make names of one kind: whichever
// made a name and whichever runs it, the policy of the moment holds.
func TestPolicyChangedUnderANameOfEitherKind(t *testing.T) {
	const query = "select id, email from users where id = 1"
	bySQL := []pgproto3.FrontendMessage{&pgproto3.Query{String: "prepare s as " + query}}
	byParse := []pgproto3.FrontendMessage{&pgproto3.Parse{Name: "s", Query: query}, &pgproto3.Sync{}}
	execute := []pgproto3.FrontendMessage{&pgproto3.Query{String: "execute s"}}
	bind := []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}}
	for _, c := range []struct {
		name         string
		prepare, run []pgproto3.FrontendMessage
		goesOn       bool
	}{{"PREPARE, EXECUTE", bySQL, execute, false}, {"PREPARE, Bind", bySQL, bind, false}, {"Parse, EXECUTE", byParse, execute, false}, {"Parse, Bind", byParse, bind, true}} {
		t.Run(c.name, func(t *testing.T) {
			p := under(c.name).copied(t)
			s := p.watched(t)
			if o := s.exchange(t, c.prepare...); o.failure != nil {
				t.Fatal(said(o))
			}
			if o := s.exchange(t, c.run...); shown(o) != "1|mark-ann@mail.test" {
				t.Fatalf("before: %s %q", said(o), shown(o))
			}
			s.take()
			p.amend(t, masks("users.email=redact"))
			o := s.exchange(t, c.run...)
			switch {
			case c.goesOn && shown(o) != "1|[redacted]":
				t.Errorf("after: %s %q", said(o), shown(o))
			case !c.goesOn && (o.failure == nil || o.failure.Code != "0A000" || !strings.Contains(o.failure.Message, "cached plan") || len(o.results) > 0):
				t.Errorf("after: %s %q", said(o), shown(o))
			}
			if o := s.exchange(t, &pgproto3.Query{String: "deallocate s"}); o.failure != nil {
				t.Fatal(said(o))
			}
			// Another text under the same name is another statement.
			if o := s.exchange(t, c.prepare...); o.failure != nil {
				t.Fatal(said(o))
			}
			if o := s.exchange(t, c.run...); shown(o) != "1|[redacted]" {
				t.Errorf("prepared again: %s %q", said(o), shown(o))
			}
			p.amend(t, except("users"))
			if o := s.exchange(t, c.run...); o.failure == nil || o.failure.Code != refusedCode || len(o.results) > 0 {
				t.Errorf("when the table is denied: %s %q", said(o), shown(o))
			}
		})
	}
}

func TestPolicyChangedUnderAnOpenCursor(t *testing.T) {
	p := under("cursor").copied(t)
	s := p.watched(t)
	for _, sql := range []string{"begin", "declare c cursor for select id, email from users order by id", "fetch 1 from c"} {
		if o, err := s.query(sql); err != nil || o.failure != nil {
			t.Fatalf("%s: %v %s", sql, err, said(o))
		}
	}
	s.take()
	p.amend(t, masks("users.email=redact"))
	o, err := s.query("fetch all from c")
	if err != nil || o.failure == nil || len(o.results) > 0 || o.status != 'E' {
		t.Fatalf("%v %s %q", err, said(o), shown(o))
	}
	if o, err = s.query("rollback"); err != nil || o.failure != nil {
		t.Fatalf("%v %s", err, said(o))
	}
	// One that outlives its transaction is no way round.
	for _, sql := range []string{"begin", "declare h cursor with hold for select id, email from users order by id", "commit"} {
		if o, err := s.query(sql); err != nil || o.failure != nil {
			t.Fatalf("%s: %v %s", sql, err, said(o))
		}
	}
	p.amend(t, set("masking_rules", nil), masks("users.email=null"))
	if o, err = s.query("fetch all from h"); err != nil || o.failure == nil || len(o.results) > 0 {
		t.Fatalf("%v %s %q", err, said(o), shown(o))
	}
	p.amend(t, set("masking_rules", nil), masks("users.email=redact"))
	if o, err = s.query("fetch 1 from h"); err != nil || shown(o) != "1|[redacted]" {
		t.Fatalf("%v %s %q", err, said(o), shown(o))
	}
	if o, err = s.query("select id, email from users where id = 1"); err != nil || shown(o) != "1|[redacted]" {
		t.Fatalf("%v %s %q", err, said(o), shown(o))
	}
}

func TestPolicyChangedInATransaction(t *testing.T) {
	p := under("transaction").copied(t)
	s := p.watched(t)
	step := func(sql, rows string) {
		t.Helper()
		if o, err := s.query(sql); err != nil || o.failure != nil || shown(o) != rows {
			t.Fatalf("%s: %v %s %q", sql, err, said(o), shown(o))
		}
	}
	step("begin", "")
	step("select count(*) from orders", "6")
	p.amend(t, filter("orders", "tenant_id = 1"))
	step("select count(*) from orders", "3")
	p.amend(t, set("row_filters", []any{}), set("max_rows", 1))
	step("select id from tenants order by id", "1")
	step("update tenants set name = 'x' where id = 1", "")
	p.amend(t, set("max_rows", 0), readOnly)
	// What it has written so far may not be committed any more.
	o, err := s.query("commit")
	if report, over := closed(err); !over || report == nil || report.Code != "57P01" {
		t.Fatalf("%v %s", err, said(o))
	}
	if !unchanged(t) {
		restore(t)
		t.Error("a credential that may only read has committed")
	}
}

// Outside of a transaction the session goes on, as the policy now has it.
func TestPolicyChangedBetweenStatements(t *testing.T) {
	p := under("between").copied(t)
	s := p.watched(t)
	defer restore(t)
	step := func(sql, want string) {
		t.Helper()
		o, err := s.query(sql)
		if got := shown(o) + said(o); err != nil || !strings.Contains(got, want) {
			t.Fatalf("%s: %v %s", sql, err, got)
		}
	}
	step("select email from users where id = 1", "mark-ann@mail.test")
	s.take()
	p.amend(t, readOnly, set("statement_timeout_ms", 250), masks("users.email=redact"))
	step("select email from users where id = 1", "[redacted]")
	step("show transaction_read_only", "on")
	step("select reopen(10)", "PgBeam") // masks let no function of others be called
	step("select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b", "statement timeout")
	step("update tenants set name = 'x' where id = 1", "read-only")
	p.amend(t, set("access_mode", "read_write"), set("statement_timeout_ms", 0), set("write_mode", "rollback"))
	step("show statement_timeout", "0")
	step("update tenants set name = 'x' where id = 1 returning name", "x")
	if !unchanged(t) {
		t.Error("a rehearsal was kept")
	}
	p.amend(t, set("write_mode", "normal"), set("max_affected_rows", 1))
	step("update tenants set name = 'x' where id < 3", "changed 2 rows")
	step("update tenants set name = 'x' where id = 3 returning name", "x")
}

func TestWhatALoginMayAskFor(t *testing.T) {
	for _, c := range []struct{ options, show, value string }{
		{"-c application_name=report", "application_name", "report"},
		{"-c timezone=UTC -c datestyle=ISO", "timezone", "UTC"},
		{"-c client_min_messages=error", "client_min_messages", "error"},
		{"--extra_float_digits=0", "extra_float_digits", "0"},
		{"-c search_path=hr", "", ""},
		{"-c role=postgres", "", ""},
		{"-c session_authorization=postgres", "", ""},
		{"-c statement_timeout=0", "", ""},
		{"-c default_transaction_read_only=off", "", ""},
		{"--default_transaction_read_only=off", "", ""},
		{"-c DEFAULT_TRANSACTION_READ_ONLY=off", "", ""},
		{"-c row_security=off", "", ""},
		{"-c pgbeam.tenant=2", "", ""},
		{"-c pgbeam.principal_type=human", "", ""},
		{"-c client_encoding=SJIS", "", ""},
		{"-c client_min_messages=debug1", "", ""},
		{"-c client_min_messages=log", "", ""},
		{"-c standard_conforming_strings=off", "", ""},
	} {
		t.Run(c.options, func(t *testing.T) {
			s, err := connect(t.Context(), withOptions(reader.login(t), c.options))
			if c.show == "" {
				var refusal *pgconn.PgError
				if !errors.As(err, &refusal) || refusal.Severity != "FATAL" || refusal.Code != refusedCode {
					t.Errorf("the login ended with %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			if o, err := s.query("show " + c.show); err != nil || shown(o) != c.value {
				t.Errorf("%s is %q, want %q; %v", c.show, shown(o), c.value, err)
			}
		})
	}
}

// What one credential set is not there for the next.
func TestNothingOfASessionIsLeftToTheNext(t *testing.T) {
	s := writer.connect(t)
	for _, sql := range []string{"set my.tenant = '7'", "set time zone 'Asia/Tokyo'", "create temp table left_over (a int)", "set application_name = 'first'"} {
		if o, err := s.query(sql); err != nil || o.failure != nil {
			t.Fatalf("%s: %v %s", sql, err, said(o))
		}
	}
	s.close()
	for _, p := range []*profile{writer, reader} {
		next := p.watched(t)
		o, err := next.query("select coalesce(current_setting('my.tenant', true), ''), current_setting('timezone') = 'Asia/Tokyo', to_regclass('left_over'), current_setting('application_name') = 'first'")
		if err != nil || shown(o) != "|f|∅|f" {
			t.Errorf("%s: %v %s %q", p.name, err, said(o), shown(o))
		}
	}
}

func TestCancelEndsAStatementUnderAPolicy(t *testing.T) {
	for _, p := range []*profile{reader, unbound, rehearsal} {
		s := p.watched(t)
		if err := s.send(&pgproto3.Query{String: "select pg_sleep(600)"}); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, replyTimeout, "the statement runs", func() bool {
			return direct(t, "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()") == "1"
		})
		cancel(t, s)
		o, err := s.await()
		if err != nil || o.failure == nil || o.failure.Code != "57014" {
			t.Fatalf("%s: %v %s", p.name, err, said(o))
		}
		if o, err = s.query("select 2"); err != nil || shown(o) != "2" {
			t.Fatalf("%s: %v %s", p.name, err, said(o))
		}
	}
}

func cancel(t *testing.T, s *session) {
	t.Helper()
	raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", beam.Proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	trust, err := trusted()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := handshake(context.Background(), raw, &tls.Config{RootCAs: trust, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	request, err := (&pgproto3.CancelRequest{ProcessID: s.secret.PID, SecretKey: s.secret.SecretKey}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Read(make([]byte, 1)) // the server hangs up
}
