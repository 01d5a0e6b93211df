package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// unbound is a policy that asks for nothing: what no policy lifts holds all
// the same.
var unbound = under("unbound")

func wire() []group {
	empty := func(sql string) scenario {
		return scenario{sql: sql, verdict: "allow", rule: "empty"}.dry("block", "empty")
	}
	return []group{
		{personal, []scenario{
			empty(`-- nothing`),
			empty(`/* select email from users */ ;;`),
			masked(`fetch 1 from c`, `[redacted]|1`).following(`begin`, `declare c scroll cursor for select email, id from users order by id`).tagged("FETCH 1").then(`commit`).dry("allow", "ok"),
			masked(`fetch backward 1 from c`, `[redacted]`).following(`begin`, `declare c scroll cursor for select email from users order by id`, `fetch 2 from c`).tagged("FETCH 1").then(`commit`).dry("allow", "ok"),
			masked(`fetch absolute 3 from "C"`, `[redacted]|cyd`).following(`begin`, `declare "C" scroll cursor for select email, name from users order by id`).tagged("FETCH 1").then(`commit`).dry("allow", "ok"),
			allow(`move 2 in c`, ``).following(`begin`, `declare c cursor for select email from users`).tagged("MOVE 2").then(`commit`),
			allow(`close c`, ``).following(`begin`, `declare c cursor for select email from users`).tagged("CLOSE CURSOR").then(`commit`),
			masked(`select email from users where id = $1::int`, `[redacted]`).with("2"),
			masked(`select $2::text, email from users where name = $1`, `x|[redacted]`).with("ann", "x"),
			masked(`select email, $1::int + id from users where id = any($2::int[]) order by id`, `[redacted]|11; [redacted]|12`).with("10", "{1,2}"),
			allow(`select $1::text`, `mark-of-the-client`).with("mark-of-the-client"),
			allow(`execute p(1)`, `[redacted]|<hash of mark-ssn-01>|1`).following(`prepare p(int) as select email, ssn, id from users where id = $1`).inBatch(),
			refused(`statement_not_allowed`, `prepare q as select email from users where id = 2; execute q; deallocate q`, `PREPARE may not stand in a text of several statements`),
			refused(`statement_not_allowed`, `execute p(1); execute p(3)`, `EXECUTE may not stand in a text of several statements`).following(`prepare p as select email from users where id = $1`),
			refused(`statement_not_allowed`, `explain (costs off) execute p(1)`, `EXECUTE is never permitted: inside another statement it is not known what it runs`).following(`prepare p(int) as select email from users where id <> $1`),
			refused(`function_not_allowed`, `execute p(email_of(1))`, `function "email_of" is not one of PostgreSQL's own`).following(`prepare p(text) as select $1`),
			refused(`masked_column_predicate`, `prepare p(text) as select id from users where email like $1`, `where its value would decide which rows, groups or order come back: "email"`),
			refused(`masked_column_predicate`, `prepare p as select 1; prepare r as select id from users order by email`, `statement 2 of the batch: a masked column may not stand where its value would decide which rows, groups or order come back: "email"`),
			allow(`deallocate all`, ``).tagged("DEALLOCATE ALL"),
			allow(`discard plans`, ``).tagged("DISCARD PLANS"),
			allow(`select current_setting('application_name') <> '', current_user`, `f|app`),
			refused(`setting_not_allowed`, `set client_min_messages = debug5`, `client_min_messages`),
			refused(`setting_not_allowed`, `begin; set local client_min_messages to log; select email from users; commit`, `client_min_messages`),
			refused(`masked_column_expression`, `declare c binary cursor for select email from users`, `inside an expression: a BINARY cursor`),
			refused(`masked_column_predicate`, `declare c cursor for select id from users where email like 'm%'`, `"email"`),
			refused(`masked_column_expression`, `prepare leak as select upper(email) from users`, `inside an expression: "email"`),
			refused(`function_not_allowed`, `select cursor_to_xml('c', 10, true, false, '')`, `function "cursor_to_xml" is never permitted`),
			refused(`masked_column_expression`, `select $1 || email from users`, `inside an expression: "email"`).with("x"),
			refused(`masked_column_predicate`, `select id from users where $1::text = email or $2::int = badge`, `"email"`).with("x", "1"),
		}},
		{acme, []scenario{
			filtered(`select id from orders where id = any($1::int[]) order by id`, `10; 12`).with("{10,12,20,30}"),
			filtered(`select $1::int / qty from orders where $2 or id = 10 order by id`, `4; 8; 2`).with("8", "true"),
			filtered(`select id from orders order by id limit $1 offset $2`, `11`).with("1", "1"),
			filtered(`select id from orders where item = $1 or $2::int / qty > 100`, `10`).with("pen", "10"),
			filtered(`update orders set qty = $1 where id = any($2::int[]) returning id, qty`, `10|8`).with("8", "{10,20}").tagged("UPDATE 1").leaving(`select qty from orders where id in (10, 20) order by id`, `8; 0`),
			allow(`execute p(8, 20)`, ``).following(`prepare p(int, int) as update orders set qty = $1 where id = $2 returning id`).tagged("UPDATE 0").inBatch().leaving(`select qty from orders where id = 20`, `0`),
			allow(`execute p`, `10|5; 11|10; 12|2`).following(`prepare p as select id, 10 / qty from orders order by id`).inBatch(),
			refused(`row_filter_unsafe`, `prepare p as with i as (insert into orders values (90, 1, 1, 'new', 1, 1) returning id) select * from i`, `INSERT into table "orders" is not permitted`),
			refused(`statement_not_allowed`, `explain execute p`, `EXECUTE is never permitted: inside another statement it is not known what it runs`).following(`prepare p as select id from orders`),
			allow(`move all in c`, ``).following(`begin`, `declare c cursor for select * from orders`).tagged("MOVE 3").then(`commit`),
			refused(`row_filter_unsafe`, `delete from orders where current of c`, `WHERE CURRENT OF is not permitted`).following(`begin`, `declare c cursor for select id from orders for update`),
		}},
		{unbound, []scenario{
			allow(`select name from tenants where id = 1`, `acme`),
			allow(`insert into tenants values (9, 'x', 'free')`, ``).tagged("INSERT 0 1").leaving(`select count(*) from tenants`, `4`),
			allow(`select loud('a')`, `a`).notes("seen a"),
			allow(`call close_order(11)`, ``).tagged("CALL").leaving(`select state from orders where id = 11`, `paid`),
			allow(`begin; update tenants set name = 'x' where id = 1; rollback`, ` ;;  ;; `).tagged("ROLLBACK").inBatch(),
			refused(`destructive_ddl`, `drop table lines`, `DROP TABLE destroys data`),
			refused(`whereless_write`, `delete from lines`, `this DELETE changes every row of the table`),
			refused(`statement_not_allowed`, `copy tenants to stdout`, `COPY is never permitted`),
			refused(`statement_not_allowed`, `do $$ begin end $$`, `DO is never permitted`),
			refused(`function_not_allowed`, `select pg_read_file('/etc/passwd')`, `function "pg_read_file" is never permitted`),
			refused(`setting_not_allowed`, `set role postgres`, `setting "role" may not be changed by this credential`),
		}},
	}
}

func TestWire(t *testing.T) { try(t, wire()) }

// exchange sends messages in one go and reads up to the next ReadyForQuery.
func (s *session) exchange(t *testing.T, messages ...pgproto3.FrontendMessage) *outcome {
	t.Helper()
	if err := s.send(messages...); err != nil {
		t.Fatal(err)
	}
	o, err := s.await()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// watched is a session of a profile that may show nothing of what it hides
// from the first byte to the last.
func (p *profile) watched(t *testing.T) *session {
	t.Helper()
	s := p.connect(t)
	t.Cleanup(func() {
		if shows := p.leaked(s.take()); shows != "" {
			t.Errorf("received %s", shows)
		}
		s.close()
	})
	return s
}

// statementMessages run a statement without ending the pipeline.
func statementMessages(sql string, format int16) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Parse{Query: sql}, &pgproto3.Bind{ResultFormatCodes: []int16{format}}, &pgproto3.Execute{}}
}

func TestAPortalGivesMaskedRowsInParts(t *testing.T) {
	s := personal.watched(t)
	for format, masked := range map[int16]string{0: "[redacted]", 1: "∅"} {
		o := s.exchange(t, &pgproto3.Parse{Name: "s", Query: "select id, email, salary from users order by id"}, &pgproto3.Describe{ObjectType: 'S', Name: "s"},
			&pgproto3.Bind{PreparedStatement: "s", DestinationPortal: "p", ResultFormatCodes: []int16{format}}, &pgproto3.Describe{ObjectType: 'P', Name: "p"},
			&pgproto3.Execute{Portal: "p", MaxRows: 2}, &pgproto3.Execute{Portal: "p", MaxRows: 1}, &pgproto3.Execute{Portal: "p"},
			&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
		if got := string(o.order); got != "TTDDsDsDC" || o.failure != nil {
			t.Fatalf("format %d: got %s, %s", format, got, said(o))
		}
		want := strings.ReplaceAll("1|M|∅; 2|M|∅ ;; 3|M|∅ ;; 4|∅|∅", "M", masked)
		if got := shown(o); got != want {
			t.Errorf("format %d: got %s, want %s", format, got, want)
		}
		for i, d := range o.described[0] {
			if p := o.described[1][i]; p.name != d.name || p.oid != d.oid || p.binary != (format == 1) {
				t.Errorf("format %d: the portal says %+v, the statement %+v", format, p, d)
			}
		}
	}
}

func TestEachColumnComesInItsFormat(t *testing.T) {
	s := personal.watched(t)
	o := s.exchange(t, &pgproto3.Parse{Query: "select email, email as again, ssn, ssn as too, id, badge from users where id = 1"},
		&pgproto3.Bind{ResultFormatCodes: []int16{0, 1, 1, 0, 1, 1}}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
	if got, want := shown(o), expand("[redacted]|∅|∅|<hash of mark-ssn-01>|1|∅", "text"); got != want {
		t.Errorf("got %s, want %s; %s", got, want, said(o))
	}
}

func TestAPipelineEndsAtARefusal(t *testing.T) {
	s := editor.watched(t)
	defer restore(t)
	update := "update tenants set name = 'x' where id = 1"
	for _, place := range []string{"first", "middle", "last"} {
		refused, fine := statementMessages("select upper(email) from users", 0), statementMessages(update, 0)
		var all []pgproto3.FrontendMessage
		order := ""
		switch place {
		case "first":
			all, order = append(append(all, refused...), fine...), "E"
		case "middle":
			all, order = append(append(append(all, fine...), refused...), fine...), "CE"
		case "last":
			all, order = append(append(all, fine...), refused...), "CE"
		}
		o := s.exchange(t, append(all, &pgproto3.Sync{})...)
		if got := string(o.order); got != order || o.failure.Code != refusedCode || o.status != 'I' {
			t.Errorf("%s: got %s, %s, status %c", place, got, said(o), o.status)
		}
		if !unchanged(t) {
			t.Errorf("%s: the part of the pipeline that ran was kept", place)
		}
		if o, err := s.query("select email from users where id = 1"); err != nil || shown(o) != "[redacted]" {
			t.Errorf("%s: the statement after it: %v", place, err)
		}
	}
}

func TestAPipelineOfMaskedStatements(t *testing.T) {
	s := personal.watched(t)
	var all []pgproto3.FrontendMessage
	var want []string
	for i := range 40 {
		format, masked := int16(i%2), "[redacted]"
		if format == 1 {
			masked = "∅"
		}
		all = append(all, statementMessages(fmt.Sprintf("select id, email from users where id = %d", 1+i%3), format)...)
		want = append(want, fmt.Sprintf("%d|%s", 1+i%3, masked))
	}
	// Nothing was described: the client knows the columns.
	types := []column{{oid: 23}, {oid: 1043}}
	o := s.exchange(t, append(all, &pgproto3.Sync{})...)
	if len(o.results) != len(want) {
		t.Fatalf("%d results of %d; %s", len(o.results), len(want), said(o))
	}
	for i, r := range o.results {
		types[0].binary, types[1].binary = i%2 == 1, i%2 == 1
		if got := cells(r.rows[0], types); got != want[i] {
			t.Errorf("statement %d: got %s, want %s", i, got, want[i])
		}
	}
}

func TestALongResultIsMaskedToItsEnd(t *testing.T) {
	const rows = 20000
	s := personal.watched(t)
	for format, masked := range map[int16]string{0: "[redacted]", 1: "∅"} {
		o, err := s.extended("select u.id, u.email, repeat('x', 40) from users u, generate_series(1, 5000) where u.id < 5", format)
		if err != nil || o.failure != nil || len(o.results) != 1 || len(o.results[0].rows) != rows {
			t.Fatalf("format %d: %v %s", format, err, said(o))
		}
		seen := map[string]int{}
		for _, row := range o.results[0].rows {
			seen[cells(row[1:2], o.results[0].columns[1:2])]++
		}
		if format == 0 && (seen[masked] != rows*3/4 || seen["∅"] != rows/4) || format == 1 && seen["∅"] != rows {
			t.Errorf("format %d: %v", format, seen)
		}
	}
}

func TestReturningIsDescribedAsItComes(t *testing.T) {
	s := editor.watched(t)
	for _, sql := range []string{
		"update users set name = 'x' where id = 1 returning *",
		"insert into keys values (9, 'a', 'b') returning value, keys.value as again, id",
		"delete from notes where id = 1 returning body, author",
		"with u as (update users set name = 'y' where id = 2 returning *) select email, name, badge from u",
	} {
		for format, mode := range map[int16]string{0: "text", 1: "binary"} {
			o, err := s.extended(sql, format)
			if err != nil || o.failure != nil {
				t.Fatalf("%s: %v %s", sql, err, said(o))
			}
			for _, problem := range append(describedAlike(o, mode), editor.unmasked(t, o)...) {
				t.Errorf("%s, %s: %s", sql, mode, problem)
			}
			restore(t)
		}
	}
}

func TestFunctionCallMessageIsRefused(t *testing.T) {
	for _, p := range []*profile{reader, personal, unbound} {
		s := p.watched(t)
		o := s.exchange(t, &pgproto3.FunctionCall{Function: 764, Arguments: [][]byte{int4(131072)}}) // lo_open
		if o.failure == nil || o.failure.Code != "0A000" || o.status != 'I' {
			t.Errorf("%s: got %s", p.name, said(o))
		}
		if o, err := s.query("select 1"); err != nil || shown(o) != "1" {
			t.Errorf("%s: the statement after it: %v %s", p.name, err, said(o))
		}
	}
}

func TestCopyThatIsRefusedTakesNoData(t *testing.T) {
	s := writer.watched(t)
	if err := s.send(&pgproto3.Query{String: "copy tenants from stdin"}, &pgproto3.CopyData{Data: []byte("9\tx\tfree\n")}, &pgproto3.CopyDone{}, &pgproto3.Query{String: "select count(*) from tenants"}); err != nil {
		t.Fatal(err)
	}
	first, err := s.await()
	if err != nil || first.failure == nil || first.failure.Code != refusedCode {
		t.Fatalf("%v %s", err, said(first))
	}
	if second, err := s.await(); err != nil || shown(second) != "3" {
		t.Fatalf("%v %s %s", err, said(second), shown(second))
	}
}

func TestAStatementTooLongToExamineIsRefused(t *testing.T) {
	s := reader.watched(t)
	long := "select '" + strings.Repeat("x", 2<<20) + "'"
	for _, send := range [][]pgproto3.FrontendMessage{{&pgproto3.Query{String: long}}, append(statementMessages(long, 0), &pgproto3.Sync{})} {
		if o := s.exchange(t, send...); o.failure == nil || o.failure.Code != refusedCode || !strings.Contains(o.failure.Message, "bytes") {
			t.Errorf("got %s", said(o))
		}
		if o, err := s.query("select 1"); err != nil || shown(o) != "1" {
			t.Errorf("the statement after it: %v", err)
		}
	}
}
