package policy

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// viewSchema is views over what some profile filters, beside those of schema.
const viewSchema = `
create view open_orders as select id, item, amount, qty from orders where state = 'open';
create view shares as select id, 10 / qty as share, 1000000000 / (8420001 - amount::int) as odd from orders;
create view order_lines as select o.id, o.item, o.qty % 7 as rest, count(l.sku) as lines from orders o left join lines l on l.order_id = o.id group by o.id;
create view report as select t.name, k.n, k.total from tenants t left join takings k on k.tenant_id = t.id;
create view everything(number, word) as select id, item from orders union all select id, name from users except select 20, 'none';
create view chain as with recursive r(id, n) as (select id, 1 from orders where id = 10 union all select o.id, r.n + 1 from orders o join r on o.id = r.id + 1) select * from r;
create view buyers as select u.id, u.name, u.email, lower(u.email) as address, u.salary, o.item from users u join orders o on o.user_id = u.id where u.email like 'mark-%';
create view busiest as select b.name, b.email, (select max(amount) from orders o where o.user_id = b.id) as most from buyers b;
create view first_orders with (security_barrier) as select id, qty, amount from orders where id <> 12;
create view best as select t.id, l.item from tenants t cross join lateral (select item from orders o where o.tenant_id = t.id order by amount desc limit 1) l;
create view stated as select state, count(*) filter (where qty > 1) as many, json_agg(row_to_json(o) order by id) as lines from orders o group by grouping sets ((state), ());
create view logins as select body from events where body like '%log%' or body is null;
create view holders as select c.card, u.name from cards c join users u on u.id = c.id;
create view places as select ctid as place, id from orders;
create view order_rows as select o as line from orders o;
`

// dashboard reads views alone: to allow a view is to allow what it shows.
var dashboard = under("dashboard", readOnly, only("takings", "report", "order_lines", "busiest"), filter("orders", "tenant_id = 1"), filter("users", "tenant_id = 1"), masks("users.email=redact"))

// layered has filters on a view and on what it reads.
var layered = under("layered", readOnly, filter("orders", "tenant_id = 1 and qty > 0"), filter("open_orders", "item <> 'cap'"), filter("order_lines", "lines > 0"))

func viewing() []group {
	return []group{
		{acme, []scenario{
			filtered(`select * from takings`, `1|3|13.75`),
			filtered(`select name from people order by 1`, `ann; bob`),
			filtered(`select name, iban from hr.roster order by 1`, `ann|mark-iban-1; bob|mark-iban-2`),
			filtered(`select * from open_orders`, `11|ink|7.50|1`),
			filtered(`select o.x, o.y from open_orders as o (x, y) where o.x > $1`, `11|ink`).with("1"),
			filtered(`select * from shares order by id`, `10|5|118; 11|10|118; 12|2|118`),
			filtered(`select count(*) from shares where odd > 0`, `3`),
			filtered(`select id, rest, lines from order_lines where item <> 'ink' order by id`, `10|2|2; 12|4|0`),
			filtered(`select max(lines) from public.order_lines`, `2`),
			filtered(`select * from report order by name`, `acme|3|13.75; bolt|∅|∅; core|∅|∅`),
			filtered(`select * from everything order by number`, `1|ann; 2|bob; 10|pen; 11|ink; 12|cap`),
			filtered(`select * from chain order by n`, `10|1; 11|2; 12|3`),
			filtered(`select * from buyers where salary > 0 order by id`, `1|ann|mark-ann@mail.test|mark-ann@mail.test|7310001.25|pen; 2|bob|mark-bob@mail.test|mark-bob@mail.test|7310002.50|ink`),
			filtered(`select name, most from busiest order by 1`, `ann|5.00; bob|7.50`),
			filtered(`select id from first_orders where 1 / (qty - 4) < 9 order by id`, `10; 11`),
			filtered(`select * from best order by id`, `1|ink`),
			filtered(`select state, many from stated order by 1 nulls last`, `open|0; paid|1; void|1; ∅|2`),
			filtered(`select lines -> 0 ->> 'item' from stated where state is null`, `pen`),
			filtered(`select * from logins order by 1`, `login; logout`),
			filtered(`select t.name, v.item from tenants t left join open_orders v on v.qty = t.id order by 1`, `acme|ink; bolt|∅; core|∅`),
			filtered(`select name from tenants t where not exists (select from takings k where k.tenant_id = t.id) order by 1`, `bolt; core`),
			filtered(`with orders as (select 1 as id), takings as (select 2 as id) select o.item, orders.id, takings.id from open_orders o, orders, takings`, `ink|1|2`),
			filtered(`select b, (b).name, row_to_json(b) from best t join busiest b on t.item = 'ink' where b.name = 'bob'`, `(bob,mark-bob@mail.test,7.50)|bob|{"name":"bob","email":"mark-bob@mail.test","most":7.50}`).inBinary(`a record|bob|{"name":"bob","email":"mark-bob@mail.test","most":7.50}`),
			filtered(`select (select n from takings), n from takings where n in (select n from takings)`, `3|3`),
			filtered(`select id from only open_orders`, `11`),
			filtered(`create table scratch.kept as select * from open_orders`, ``).tagged("SELECT 1").leaving(`select item from scratch.kept`, `ink`),
			filtered(`insert into products select id, item, amount from open_orders`, ``).fails("23505", "duplicate key"),
			filtered(`update products p set price = 1 from open_orders o where o.item = p.name`, ``).tagged("UPDATE 1").leaving(`select sum(price) from products`, `3.50`),
			allow(`fetch all from c`, `1|3|13.75`).following(`begin`, `declare c cursor for select * from takings`).tagged("FETCH 1").then(`commit`),
			allow(`execute p(11)`, `ink`).following(`prepare p as select item from open_orders where id = $1`).tagged("SELECT 1").then(`deallocate p`).inBatch(),
			refused(`row_filter_unsafe`, `select * from holders`, `view "holders" shows rows of tables that have a row filter, and cannot be computed from what the filter leaves: it reads something whose rows were made of hidden ones`),
			refused(`row_filter_unsafe`, `select id from places`, `it uses a system column of a table`),
			refused(`row_filter_unsafe`, `select line from order_rows`, `it uses the whole row of a table`),
			filtered(`select id from orders o where exists (select from open_orders v where v.id = o.id) for update`, `11`),
			refused(`row_filter_unsafe`, `select id from open_orders for update`, `none of them can be locked by way of it`),
			refused(`row_filter_unsafe`, `select t.id from tenants t join (select id from open_orders) v on true where exists (select 1) for share of v`, `none of them can be locked by way of it`),
			refused(`row_filter_unsafe`, `select * from takings tablesample system (100)`, `view "takings" has no rows of its own to take a sample of`),
			refused(`row_filter_unsafe`, `explain select * from takings`, `EXPLAIN is not permitted on table "takings", whose row filter it would tell about`),
			refused(`row_filter_unsafe`, `explain (analyze, costs off, timing off, summary off) select 1 from report`, `EXPLAIN is not permitted`),
			refused(`row_filter_unsafe`, `create view scratch.v as select * from takings`, `a view of table "takings" is not permitted, because it has a row filter`),
			refused(`row_filter_unsafe`, `update open_orders set qty = 2 where id = 20`, `table "open_orders" shows rows of tables that have a row filter`),
			refused(`row_filter_unsafe`, `delete from open_orders where id = 20 returning *`, `table "open_orders" shows rows of tables that have a row filter`),
			refused(`row_filter_unsafe`, `insert into open_orders values (50, 'x', 1, 1)`, `table "open_orders"`),
			filtered(`select takings.ctid from takings`, ``).fails("42703", "column takings.ctid does not exist"),
		}},
		{costly, []scenario{
			filtered(`select * from shares order by id`, `10|5|118; 11|10|118; 12|2|118`),
			filtered(`select id from open_orders where 1 / qty >= 0`, `11`),
			filtered(`select id from first_orders where 10 / qty > 0 order by id`, `10; 11`),
			filtered(`select id, lines from order_lines where 10 / rest >= 0 order by id`, `10|2; 11|1; 12|0`),
			filtered(`select item from open_orders where item::int > 0`, ``).fails("22P02", `"ink"`),
			filtered(`select n from takings where 1 / (tenant_id - 2) < 9 and 1 / (tenant_id - 3) < 9`, `3`),
			filtered(`select word from everything where number = 21`, ``),
		}},
		{support, []scenario{
			filtered(`select email, item from buyers`, `<hash of mark-ann@mail.test>|pen`),
			filtered(`select id, name, email, address, salary from buyers`, `1|ann|<hash of mark-ann@mail.test>|∅|∅`),
			filtered(`select name, email, most from busiest`, `ann|<hash of mark-ann@mail.test>|∅`),
			filtered(`select email from directory order by id`, `<hash of mark-ann@mail.test>; <hash of mark-bob@mail.test>`),
			refused(`masked_column_predicate`, `select name from buyers where email like 'mark-c%'`, `"email"`),
			refused(`masked_column_predicate`, `select name from buyers order by address`, `"address"`),
			refused(`masked_column_expression`, `select row_to_json(b) from buyers b`, `a whole row`),
			refused(`masked_column_rename`, `select z from buyers as b (x, y, z)`, `a list of column names`),
		}},
		{dashboard, []scenario{
			filtered(`select tenant_id, n, total from takings`, `1|3|13.75`),
			filtered(`select name, n from report order by name`, `acme|3; bolt|∅; core|∅`),
			filtered(`select id, item, lines from order_lines order by id`, `10|pen|2; 11|ink|1; 12|cap|0`),
			filtered(`select name, email from busiest order by 1`, `ann|[redacted]; bob|[redacted]`),
			refused(`masked_column_predicate`, `select name from busiest where most > 5`, `"most"`),
			refused(`table_not_allowed`, `select id from orders`, `table "orders" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select * from open_orders`, `table "open_orders" is not in this credential's allowlist`),
		}},
		{layered, []scenario{
			filtered(`select id from open_orders`, `11`),
			filtered(`select id, lines from order_lines order by id`, `10|2; 11|1`),
			filtered(`select id from open_orders where 1 / qty = 1 and item::text <> 'pen'`, `11`),
			filtered(`select n, total from takings`, `3|13.75`),
		}},
	}
}

func TestViews(t *testing.T) { try(t, viewing()) }

// A view's definition is part of what is sent: one that is replaced is read
// anew, by statements that were prepared before, too.
func TestAViewReplacedUnderAPreparedStatement(t *testing.T) {
	p := under("replaced", filter("orders", "tenant_id = 1")).copied(t)
	owner := under("owner of scratch").copied(t).watched(t)
	reader := p.watched(t)
	step := func(s *session, sql string) {
		t.Helper()
		if o, err := s.query(sql); err != nil || o.failure != nil {
			t.Fatalf("%s: %v %s", sql, err, said(o))
		}
	}
	defer restore(t)
	step(owner, "create view scratch.latest as select id, item from orders where qty < 4")
	prepare := &pgproto3.Parse{Name: "s", Query: "select * from scratch.latest order by id"}
	execute := []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}}
	if o := reader.exchange(t, append([]pgproto3.FrontendMessage{prepare}, execute...)...); shown(o) != "10|pen; 11|ink" {
		t.Fatalf("%s %q", said(o), shown(o))
	}
	step(owner, "create or replace view scratch.latest as select id, item from orders where qty > 1")
	if o := reader.exchange(t, execute...); shown(o) != "10|pen; 12|cap" {
		t.Errorf("after it was replaced: %s %q", said(o), shown(o))
	}
	if leak := p.leaked(reader.take()); leak != "" {
		t.Error(leak)
	}
}
