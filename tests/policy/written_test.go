package policy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// clerk writes rows of one tenant, some of whose columns it does not read.
var clerk = under("clerk", set("max_rows", 2), set("max_affected_rows", 3), masks("users.email=redact users.ssn=hash users.badge=null"),
	filter("users", "tenant_id = 1"), filter("orders", "tenant_id = 1"))

// trial writes, and nothing stays.
var trial = under("trial", set("write_mode", "rollback"), filter("orders", "tenant_id = 1"))

// fussy has filters that fail for some rows.
var fussy = under("fussy", filter("lines", "12 / qty > 1"), filter("notes", "case when author in ('ann', 'bob', 'cyd') then true else author::int > 0 end"))

const (
	unsatisfied = `a row that this statement writes does not satisfy the policy's row filter; nothing of it was kept`
	untold      = `this write failed for a row, in the statement itself or in the policy's row filter`
)

// violates is a statement that writes a row which its filter does not show.
func violates(sql string) scenario {
	return refused("row_filter_unsafe", sql, unsatisfied).dry("row-filter", "ok")
}

func writing() []group {
	const orders, lines, events = `select string_agg(concat_ws('/', id, tenant_id, left(item, 3), qty), ' ' order by id) from orders`,
		`select string_agg(concat(order_id, '/', sku), ' ' order by order_id, sku) from lines`, `select string_agg(concat(id, '/', tenant_id), ' ' order by id) from events`
	const all, here = `10/1/pen/2 11/1/ink/1 12/1/cap/4 20/2/mar/0 21/2/mar/1810000039 30/3/mar/3`, `select string_agg(concat_ws('/', id, tenant_id, item, qty), ' ' order by id) from orders where id < 20 or id > 80`
	const users = `select string_agg(concat_ws('/', id, tenant_id, name, email), ' ' order by id) from users where id > 4`
	stays := func(c scenario) scenario { return c.leaving(orders, all) }
	return []group{
		{acme, []scenario{
			filtered(`insert into orders values (90, 1, 1, 'new', 1, 1)`, ``).tagged("INSERT 0 1").leaving(here, `10/1/pen/2 11/1/ink/1 12/1/cap/4 90/1/new/1`),
			filtered(`insert into orders values (90, 1, 1, 'new', 1, 1), (91, 1, 1, 'newer', 1, 1) returning id, item`, `90|new; 91|newer`).tagged("INSERT 0 2").leaving(here, `10/1/pen/2 11/1/ink/1 12/1/cap/4 90/1/new/1 91/1/newer/1`),
			filtered(`insert into orders (id, tenant_id, item, amount, qty) values ($1, $2, $3, 1, 1) returning *`, `90|1|∅|new|1.00|1|open|∅`).with("90", "1", "new").tagged("INSERT 0 1").leaving(here, `10/1/pen/2 11/1/ink/1 12/1/cap/4 90/1/new/1`),
			filtered(`insert into public.orders as o select id + 80, tenant_id, user_id, item || '!', amount, qty from orders order by id returning o.id, (select count(*) from orders)`, `90|3; 91|3; 92|3`).tagged("INSERT 0 3").leaving(`select count(*) from orders`, `9`),
			filtered(`with n as (select 90 as id) insert into orders select id, 1, null, 'new', 1, 1 from n`, ``).tagged("INSERT 0 1").leaving(`select item from orders where id = 90`, `new`),
			filtered(`insert into orders values (10, 1, 1, 'new', 1, 1) on conflict do nothing returning id`, ``).tagged("INSERT 0 0").leaving(orders, all),
			filtered(`insert into orders values (20, 1, 1, 'new', 1, 1) on conflict do nothing`, ``).tagged("INSERT 0 0").leaving(orders, all),
			filtered(`insert into orders values (10, 1, 1, 'new', 1, 1) on conflict (id) do update set qty = 9, item = excluded.item returning id, qty`, `10|9`).tagged("INSERT 0 1").leaving(here, `10/1/new/9 11/1/ink/1 12/1/cap/4`),
			filtered(`insert into orders values (20, 1, 1, 'new', 1, 1) on conflict (id) do update set tenant_id = 1, qty = 9 returning item`, ``).tagged("INSERT 0 0").leaving(orders, all),
			filtered(`insert into orders values (20, 1, 1, 'new', 1, 1) on conflict (id) do update set qty = 9 where 10 / orders.qty > 0`, ``).tagged("INSERT 0 0").leaving(orders, all),
			filtered(`insert into orders values (30, 2, 1, 'new', 1, 1) on conflict (id) do update set qty = orders.amount::int4 * 1000 returning qty`, ``).tagged("INSERT 0 0").leaving(orders, all),
			filtered(`insert into lines values (10, 'new', 1) returning sku`, `new`).tagged("INSERT 0 1").leaving(lines, `10/new 10/p1 10/p2 11/i1 20/mark-sku-20 30/mark-sku-30`),
			filtered(`insert into events values (9, 1, 'x') returning tableoid::regclass::text, id`, `events_1|9`).tagged("INSERT 0 1").leaving(events, `1/1 2/1 3/2 4/3 9/1`),
			filtered(`update orders set tenant_id = 1 where id in (10, 20) returning tenant_id`, `1`).tagged("UPDATE 1").leaving(orders, all),
			filtered(`update lines set order_id = 11 where order_id in (10, 20) and sku <> 'p1'`, ``).tagged("UPDATE 1").leaving(lines, `10/p1 11/i1 11/p2 20/mark-sku-20 30/mark-sku-30`),
			filtered(`update orders o set (item, tenant_id) = (u.name, u.tenant_id) from users u where u.id = o.user_id returning u.id, o.item`, `1|ann; 2|bob`).tagged("UPDATE 2").leaving(here, `10/1/ann/2 11/1/bob/1 12/1/cap/4`),
			filtered(`update orders set tenant_id = 2 where id = 20 or 10 / qty > 20`, ``).tagged("UPDATE 0").leaving(orders, all),
			filtered(`insert into orders values (90, 1, 1, 'new', 1, 1); insert into lines values (90, 'a', 1) returning sku; select item from orders where id = 90`, ` ;; a ;; new`).inBatch().leaving(`select count(*) from lines where order_id = 90`, `1`),
			filtered(`insert into lines values (90, 'a', 1)`, ``).following(`begin`, `insert into orders values (90, 1, 1, 'new', 1, 1)`).tagged("INSERT 0 1").then(`commit`).leaving(`select count(*) from lines where order_id = 90`, `1`),
			filtered(`insert into lines values (10, 'a', 1)`, ``).following(`begin`).tagged("INSERT 0 1").then(`rollback`).leaving(`select count(*) from lines where order_id = 10`, `2`),
			allow(`execute p(90, 1)`, `90|new`).following(`prepare p(int, int) as insert into orders values ($1, $2, 1, 'new', 1, 1) returning id, item`).inBatch().tagged("INSERT 0 1").leaving(`select count(*) from orders`, `7`),
			allow(`execute p(90, 1)`, ``).following(`prepare p(int, int) as insert into orders values ($1, $2, 1, 'new', 1, 1)`).inBatch().tagged("INSERT 0 1").leaving(`select count(*) from orders`, `7`),
			allow(`execute p`, `10`).following(`prepare q as insert into orders values (90, 1, 1, 'new', 1, 1)`, `prepare p as update lines set qty = 2 where sku = 'p1' returning order_id`, `execute q`).inBatch().tagged("UPDATE 1").leaving(`select count(*) from orders`, `7`),
			filtered(`insert into orders values (10, 1, 1, 'new', 1, 1)`, ``).fails("23505", "orders_pkey"),
			filtered(`insert into orders values (20, 1, 1, 'new', 1, 1)`, ``).fails("23505", "orders_pkey"),
			filtered(`insert into orders values (90, 1, 3, null, 1, 1)`, ``).fails("23502", `null value in column "item"`),
			filtered(`insert into orders values (90, 1, 1, 'new', 1, 'one')`, ``).fails("22P02", `invalid input syntax for type integer: "one"`),
			filtered(`insert into orders values (90, 1, 1, 'new', 1, 1) returning 1 / (id - 90)`, ``).fails("22012", `division by zero`),

			stays(violates(`insert into orders values (90, 2, 1, 'new', 1, 1)`)),
			stays(violates(`insert into orders values (90, 1, 1, 'new', 1, 1), (91, 2, 1, 'new', 1, 1) returning id`)),
			stays(violates(`insert into orders select 90, 2, 1, 'new', 1, 1 returning *`)),
			stays(violates(`insert into orders values (90, 2, 1, 'new', 1, 1) returning 1 / (tenant_id - 2)`)),
			stays(violates(`insert into orders values (90, $1, 1, 'new', 1, 1)`).with("2")),
			stays(violates(`insert into orders values (90, 2, 1, 'new', 1, 1) on conflict do nothing`)),
			stays(violates(`insert into orders values (10, 1, 1, 'new', 1, 1) on conflict (id) do update set tenant_id = 2`)),
			stays(violates(`update orders set tenant_id = 2 where id = 10`)),
			stays(violates(`update orders set (item, tenant_id) = ('x', 2) where id = 10 returning id`)),
			stays(violates(`update orders o set tenant_id = o.tenant_id + u.id from users u where u.id = o.user_id`)),
			violates(`insert into lines values (20, 'new', 1)`),
			violates(`insert into lines values (99, 'new', 1)`),
			violates(`update lines set order_id = 20 where sku = 'p1'`),
			violates(`insert into events values (9, 2, 'x')`),
			violates(`insert into events_rest values (9, 2, 'x')`),
			violates(`update events set tenant_id = 3 where id = 1`),
			stays(violates(`insert into orders values (90, 1, 1, 'new', 1, 1); insert into orders values (91, 2, 1, 'new', 1, 1)`).inBatch().following(`select 1`)),
			stays(violates(`insert into orders values (91, 2, 1, 'new', 1, 1)`).following(`begin`, `insert into orders values (90, 1, 1, 'new', 1, 1)`).then(`rollback`)),
			violates(`update orders set tenant_id = 2 where id = 10`).following(`begin`, `insert into orders values (90, 1, 1, 'new', 1, 1)`, `savepoint s`).then(`rollback to s; commit`).leaving(here, `10/1/pen/2 11/1/ink/1 12/1/cap/4 90/1/new/1`),
			stays(violates(`execute p(90, 2)`).following(`prepare p(int, int) as insert into orders values ($1, $2, 1, 'new', 1, 1) returning id, item`).inBatch()).dry("allow", "ok"),
			stays(violates(`execute p(90, 2)`).following(`prepare p(int, int) as insert into orders values ($1, $2, 1, 'new', 1, 1)`).inBatch()).dry("allow", "ok"),
			refused(`row_filter_unsafe`, `with i as (insert into orders values (90, 1, 1, 'new', 1, 1) returning *) select * from i`, `INSERT into table "orders" is not permitted inside another statement`),
			refused(`row_filter_unsafe`, `with u as (update orders set tenant_id = 1 where id = 10 returning *) select * from u`, `column "tenant_id" decides which rows this credential may see and cannot be changed inside another statement`),
			refused(`row_filter_unsafe`, `insert into people (id, tenant_id, name) values (9, 1, 'x')`, `table "people" shows rows of tables that have a row filter`),
			refused(`row_filter_unsafe`, `explain insert into orders values (90, 1, 1, 'new', 1, 1)`, `EXPLAIN is not permitted on table "orders"`),
		}},
		{clerk, []scenario{
			filtered(`insert into users (id, tenant_id, name, email, ssn) values (9, 1, 'eve', 'e@f', '123') returning *`, `9|1|eve|[redacted]|<hash of 123>|∅|∅|∅|∅|∅|∅`).tagged("INSERT 0 1").leaving(users, `9/1/eve/e@f`),
			filtered(`insert into users (id, tenant_id, name, badge) values (9, 1, 'eve', 7) returning badge, email, name`, `∅|∅|eve`).tagged("INSERT 0 1").leaving(users, `9/1/eve`),
			filtered(`insert into users (id, tenant_id, name) values (7, 1, 'x'), (8, 1, 'y'), (9, 1, 'z') returning id`, `7; 8`).tagged("INSERT 0 3").notes("result truncated to 2 rows by policy").leaving(users, `7/1/x 8/1/y 9/1/z`),
			filtered(`insert into users (id, tenant_id, name) values (7, 1, 'x'), (8, 1, 'y'), (9, 1, 'z')`, ``).tagged("INSERT 0 3").leaving(users, `7/1/x 8/1/y 9/1/z`),
			filtered(`update users set tenant_id = 1, email = 'new' where id in (1, 3) returning email, id`, `[redacted]|1`).tagged("UPDATE 1").leaving(`select email from users where id = 1`, `new`),
			filtered(`insert into users (id, tenant_id, name) values (9, 1, 'x')`, ``).following(`begin`).tagged("INSERT 0 1").then(`commit`).leaving(users, `9/1/x`),
			violates(`insert into users (id, tenant_id, name) values (7, 1, 'x'), (8, 1, 'y'), (9, 2, 'z') returning id`).leaving(users, `∅`),
			violates(`insert into users (id, tenant_id, name, email) values (9, 2, 'z', 'x') returning email`).leaving(users, `∅`),
			violates(`update users set tenant_id = 2, name = 'x' where id = 1`).leaving(`select name from users where id = 1`, `ann`),
			violates(`insert into users (id, tenant_id, name) values (8, 2, 'z')`).following(`begin`, `insert into users (id, tenant_id, name) values (9, 1, 'x')`).then(`rollback`).leaving(users, `∅`),
			refused("max_affected_rows", `insert into users (id, tenant_id, name) select i, 1, 'x' from generate_series(6, 9) i returning id`, `this INSERT changed 4 rows`).dry("row-filter", "ok").leaving(users, `∅`),
			refused(`masked_column_expression`, `insert into users (id, tenant_id, name) values (9, 1, 'x') returning upper(email)`, `inside an expression: "email"`),
		}},
		{trial, []scenario{
			filtered(`insert into orders values (90, 1, 1, 'new', 1, 1) returning id`, `90`).tagged("INSERT 0 1").leaving(orders, all),
			filtered(`update orders set tenant_id = 1 where id = 10`, ``).tagged("UPDATE 1").leaving(orders, all),
			allow(`select item from orders where id = 90`, `new`).dry("row-filter", "ok").following(`begin`, `insert into orders values (90, 1, 1, 'new', 1, 1)`).then(`commit`).leaving(orders, all),
			stays(violates(`insert into orders values (90, 2, 1, 'new', 1, 1) returning id`)),
			stays(violates(`update orders set tenant_id = 2 where id = 10`)),
			stays(violates(`update orders set tenant_id = 2 where id = 10`).following(`begin`).then(`rollback`)),
		}},
		{fussy, []scenario{
			filtered(`insert into lines values (10, 'new', 3) returning qty`, `3`).tagged("INSERT 0 1").leaving(`select count(*) from lines`, `6`),
			filtered(`insert into notes values (9, '12', 'x')`, ``).tagged("INSERT 0 1").leaving(`select count(*) from notes`, `4`),
			filtered(`insert into notes values (9, 'a word', 'x')`, ``).fails("22P02", untold),
			filtered(`insert into lines values (10, 'new', 0) returning qty`, ``).fails("22012", untold),
			filtered(`insert into lines values (10, 'p1', 1)`, ``).fails("23505", "lines_pkey"),
			filtered(`insert into lines values (10, 'new', 1) returning qty::date`, ``).fails("42846", `cannot cast type integer to date`),
			violates(`insert into lines values (10, 'new', 12)`),
			violates(`update notes set author = '0' where id = 1`),
		}},
	}
}

func TestWriting(t *testing.T) { try(t, writing()) }

// The column of the check is not the client's, whichever formats it asks for.
func TestWrittenRowsComeInTheirFormats(t *testing.T) {
	s := acme.watched(t)
	for _, c := range []struct {
		returning string
		formats   []int16
		want      string
	}{
		{" returning id, item, qty", nil, "90|new|1"},
		{" returning id, item, qty", []int16{1}, "\x00\x00\x00\x5a|new|\x00\x00\x00\x01"},
		{" returning id, item, qty", []int16{0, 0, 1}, "90|new|\x00\x00\x00\x01"},
		{" returning id, item, qty", []int16{1, 0, 0}, "\x00\x00\x00\x5a|new|1"},
		{" returning qty", []int16{1}, "\x00\x00\x00\x01"},
		{"", nil, ""},
		{"", []int16{1}, ""},
		{"", []int16{0, 1}, ""},
	} {
		o := s.exchange(t, &pgproto3.Parse{Query: "insert into orders values ($1, 1, 1, 'new', 1, 1)" + c.returning},
			&pgproto3.Bind{Parameters: [][]byte{[]byte("90")}, ResultFormatCodes: c.formats}, &pgproto3.Execute{}, &pgproto3.Sync{})
		if o.failure != nil || len(o.results) != 1 || shown(o) != c.want || o.results[0].tag != "INSERT 0 1" {
			t.Errorf("%q in %v: %s %q %s", c.returning, c.formats, said(o), shown(o), tagsOf(o))
		}
		restore(t)
	}
	o := s.exchange(t, &pgproto3.Parse{Query: "insert into orders values (90, 1, 1, 'new', 1, 1) returning id, item"},
		&pgproto3.Bind{ResultFormatCodes: []int16{0, 0, 0}}, &pgproto3.Execute{}, &pgproto3.Sync{})
	if o.failure == nil || o.failure.Code != "08P01" || !unchanged(t) {
		t.Errorf("three formats for two columns: %s", said(o))
	}
}

// A portal gives its rows in parts; one without rows completes at once.
func TestAWriteGivesItsRowsInParts(t *testing.T) {
	s := acme.watched(t)
	for returning, order := range map[string]string{" returning id": "DsDsC", "": "C"} {
		o := s.exchange(t, &pgproto3.Parse{Query: "insert into orders select i, 1, null, 'x' || i, 1, 1 from generate_series(90, 91) i" + returning}, &pgproto3.Bind{DestinationPortal: "p"},
			&pgproto3.Execute{Portal: "p", MaxRows: 1}, &pgproto3.Execute{Portal: "p", MaxRows: 1}, &pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
		if returning == "" {
			o = s.exchange(t, &pgproto3.Parse{Query: "insert into lines values (10, 'a', 1), (10, 'b', 1)"}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Sync{})
		}
		if got := string(o.order); got != order || o.failure != nil {
			t.Errorf("%q: %s %s", returning, got, said(o))
		}
		restore(t)
	}
	o := s.exchange(t, &pgproto3.Parse{Query: "insert into orders values (90, 1, 1, 'a', 1, 1), (91, 2, 1, 'b', 1, 1) returning id"}, &pgproto3.Bind{},
		&pgproto3.Execute{MaxRows: 1}, &pgproto3.Sync{})
	if o.failure == nil || !strings.Contains(o.failure.Message, unsatisfied) || strings.Contains(string(o.order), "D") || !unchanged(t) {
		t.Errorf("a part without the row that violates: %s %s", o.order, said(o))
	}
}

func TestAPipelineEndsAtARowThatViolatesItsFilter(t *testing.T) {
	s := acme.watched(t)
	insert := func(id, tenant int, returning string) []pgproto3.FrontendMessage {
		return statementMessages(fmt.Sprintf("insert into orders values (%d, %d, 1, 'x%d', 1, 1)%s", id, tenant, id, returning), 1)
	}
	var all []pgproto3.FrontendMessage
	for _, part := range [][]pgproto3.FrontendMessage{insert(90, 1, ""), insert(91, 1, " returning id"), insert(92, 2, ""), insert(93, 1, " returning id")} {
		all = append(all, part...)
	}
	o := s.exchange(t, append(all, &pgproto3.Sync{})...)
	if got := string(o.order); got != "CDCE" || o.failure.Code != refusedCode || o.status != 'I' || !unchanged(t) {
		t.Errorf("in one batch: %s, %s, status %c", got, said(o), o.status)
	}
	restore(t)
	// Each in a batch of its own, all sent before the first answer.
	all = nil
	for id, tenant := range []int{1, 2, 1, 2, 1} {
		all = append(append(all, insert(90+id, tenant, " returning id")...), &pgproto3.Sync{})
	}
	if err := s.send(all...); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		want := map[bool]string{true: "DC", false: "E"}[i%2 == 0]
		if o, err := s.await(); err != nil || string(o.order) != want {
			t.Errorf("batch %d: %v %s %s, want %s", i, err, o.order, said(o), want)
		}
	}
	if got := direct(t, "select string_agg(id::text, ' ' order by id) from orders where id >= 90"); got != "90 92 94" {
		t.Errorf("kept %s", got)
	}
	restore(t)
	// A transaction within the pipeline.
	all = append(statementMessages("begin", 0), insert(90, 1, "")...)
	all = append(append(all, insert(91, 2, "")...), statementMessages("commit", 0)...)
	if o := s.exchange(t, append(all, &pgproto3.Sync{})...); string(o.order) != "CCE" || o.status != 'E' {
		t.Errorf("in a transaction: %s, %s, status %c", o.order, said(o), o.status)
	}
	if o, err := s.query("rollback"); err != nil || o.status != 'I' || !unchanged(t) {
		t.Errorf("after it: %v", err)
	}
}

// A statement that SQL prepared may be run by the protocol, and one that the
// protocol prepared by SQL.
func TestAWriteOfEitherKindOfName(t *testing.T) {
	s := acme.watched(t)
	for returning, rows := range map[string]string{" returning item, id": "new|90", "": ""} {
		text := "insert into orders values ($1, 1, 1, 'new', 1, 1)" + returning
		if o, err := s.query("prepare a(int) as " + text); err != nil || o.failure != nil {
			t.Fatalf("%v %s", err, said(o))
		}
		o := s.exchange(t, &pgproto3.Describe{ObjectType: 'S', Name: "a"}, &pgproto3.Bind{PreparedStatement: "a", Parameters: [][]byte{[]byte("90")}}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
		if o.failure != nil || shown(o) != rows || len(describedAlike(o, "text")) > 0 || (o.described[0] == nil) != (rows == "") {
			t.Errorf("%q: %s %q %v", returning, said(o), shown(o), o.described)
		}
		restore(t)
		if o := s.exchange(t, &pgproto3.Parse{Name: "b", Query: text}, &pgproto3.Sync{}); o.failure != nil {
			t.Fatal(said(o))
		}
		if o, err := s.query("execute b(90)"); err != nil || o.failure != nil || shown(o) != rows || o.results[0].tag != "INSERT 0 1" {
			t.Errorf("%q: %v %s %q", returning, err, said(o), shown(o))
		}
		restore(t)
		if o, err := s.query("deallocate all"); err != nil || o.failure != nil {
			t.Fatalf("%v %s", err, said(o))
		}
	}
}

// SQL's FETCH runs portals of the protocol: it once changed any number of rows
// under max_affected_rows, whose count it does not tell.
func TestFetchRunsNoWrite(t *testing.T) {
	for sql, p := range map[string]*profile{
		"insert into orders values (90, 1, 1, 'new', 1, 1) returning id": acme,
		"update tenants set name = 'x' where id <= 3 returning id":       frugal,
	} {
		for _, fetch := range []string{"fetch all from p", "move all in p", "fetch 1 from p"} {
			for _, way := range []string{"simple", "extended"} {
				s := p.watched(t)
				if o, err := s.query("begin"); err != nil || o.failure != nil {
					t.Fatalf("%v %s", err, said(o))
				}
				if o := s.exchange(t, &pgproto3.Parse{Query: sql}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{}); o.failure != nil {
					t.Fatal(said(o))
				}
				messages := []pgproto3.FrontendMessage{&pgproto3.Query{String: fetch}}
				if way == "extended" {
					messages = append(statementMessages(fetch, 0), &pgproto3.Sync{})
				}
				if o := s.exchange(t, messages...); o.failure == nil || o.failure.Code != "0A000" {
					t.Errorf("%s, %s of %s: %s %q", way, fetch, sql, said(o), shown(o))
				}
				if o, err := s.query("commit"); err != nil || o.failure != nil || !unchanged(t) {
					t.Errorf("%s, %s of %s: %v %s", way, fetch, sql, err, said(o))
				}
			}
		}
		s := p.watched(t)
		for _, text := range []string{"begin", "declare c cursor for select id from tenants order by id"} {
			if o, err := s.query(text); err != nil || o.failure != nil {
				t.Fatalf("%v %s", err, said(o))
			}
		}
		if o := s.exchange(t, &pgproto3.Parse{Query: "update tenants set name = 'x' where id = 1 returning id"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}); o.failure != nil {
			t.Fatal(said(o))
		}
		if o, err := s.query("fetch all from c"); err != nil || shown(o) != "1; 2; 3" {
			t.Errorf("a cursor beside the portal of a driver: %v %s", err, said(o))
		}
		if o, err := s.query("rollback"); err != nil || o.failure != nil {
			t.Fatalf("%v %s", err, said(o))
		}
	}
}

// Values and rows longer than any buffer.
func TestALongWriteIsChecked(t *testing.T) {
	s := under("long writes", filter("notes", "author = 'ann'")).watched(t)
	defer restore(t)
	for _, size := range []int{100_000, 3 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		for author, want := range map[string]string{"ann": "", "bob": unsatisfied} {
			o := s.exchange(t, &pgproto3.Parse{Query: "insert into notes values ($1, $2, $3) returning body"},
				&pgproto3.Bind{Parameters: [][]byte{fmt.Append(nil, size+len(want)), []byte(author), body}}, &pgproto3.Execute{}, &pgproto3.Sync{})
			switch {
			case want == "" && (o.failure != nil || len(o.results[0].rows[0]) != 1 || !bytes.Equal(o.results[0].rows[0][0], body)):
				t.Errorf("%d bytes: %s", size, said(o))
			case want != "" && (o.failure == nil || !strings.Contains(o.failure.Message, want)):
				t.Errorf("%d bytes of another: %s", size, said(o))
			}
		}
	}
	if o, err := s.query("insert into notes select i, 'ann', repeat('y', 50000) from generate_series(100, 140) i returning length(body), body"); err != nil || len(o.results[0].rows) != 41 || len(o.results[0].columns) != 2 || len(o.results[0].rows[40][1]) != 50000 {
		t.Errorf("%v %s", err, said(o))
	}
}
