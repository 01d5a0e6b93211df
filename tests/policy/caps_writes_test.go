package policy

import (
	"testing"
	"time"
)

var (
	// frugal changes two rows at a time.
	frugal = under("frugal", set("max_affected_rows", 2))
	// rehearsal writes, and nothing stays.
	rehearsal = under("rehearsal", set("write_mode", "rollback"))
	// dress is a rehearsal with everything else.
	dress = under("dress", set("write_mode", "rollback"), set("max_affected_rows", 2), set("max_rows", 2), masks("users.email=redact"), filter("orders", "tenant_id = 1"))
	// daily and hourly run three and two statements.
	daily  = under("daily", set("budget_queries_per_day", 3))
	hourly = under("hourly", readOnly, set("budget_queries_per_hour", 2), masks("users.email=redact"))
)

func writeCaps() []group {
	const names, left = `select string_agg(name, ' ' order by id) from tenants`, `select count(*) from lines`
	over := func(sql, says string) scenario {
		return refused("max_affected_rows", sql, says).dry("allow", "ok").leaving(names, `acme bolt core`)
	}
	return []group{
		{frugal, []scenario{
			allow(`update tenants set name = 'x' where id <= 2`, ``).tagged("UPDATE 2").leaving(names, `x x core`),
			allow(`update tenants set name = 'x' where id > 50`, ``).tagged("UPDATE 0").leaving(names, `acme bolt core`),
			allow(`delete from lines where order_id = 10 returning sku`, `p1; p2`).tagged("DELETE 2").leaving(left, `3`),
			allow(`insert into tenants values (8, 'h', 'free'), (9, 'i', 'free')`, ``).tagged("INSERT 0 2").leaving(names, `acme bolt core h i`),
			allow(`merge into products p using (values (1), (2)) v(id) on p.id = v.id when matched then update set price = 1`, ``).tagged("MERGE 2").leaving(`select sum(price) from products`, `2.00`).since(15),
			allow(`insert into products values (1, 'pen', 1), (9, 'new', 1), (10, 'newer', 1) on conflict do nothing`, ``).tagged("INSERT 0 2").leaving(`select count(*) from products`, `5`),
			allow(`delete from lines where order_id = 10; delete from lines where order_id = 11`, ` ;; `).tagged("DELETE 1").inBatch().leaving(left, `2`),
			allow(`delete from lines where order_id = 11`, ``).following(`begin`, `delete from lines where order_id = 10`).tagged("DELETE 1").then(`commit`).leaving(left, `2`),
			allow(`delete from lines where order_id = 11`, ``).following(`begin`, `delete from lines where order_id = 10`).tagged("DELETE 1").then(`rollback`).leaving(left, `5`),
			allow(`select id from orders where tenant_id = 1 order by id for update`, `10; 11; 12`),
			allow(`create table scratch.t as select * from orders`, ``).tagged("SELECT 6").leaving(`select count(*) from scratch.t`, `6`),
			allow(`insert into tenants values (9, 'x', 'free'), (9, 'y', 'free')`, ``).fails("23505", "tenants_pkey"),
			allow(`delete from lines where qty = $1`, ``).with("5").tagged("DELETE 1").leaving(left, `4`),
			allow(`select count(*) from lines`, `5`),

			over(`update tenants set name = 'x' where id <= 3`, `this UPDATE changed 3 rows`),
			over(`update tenants set name = 'x' where id <= 3 returning name`, `this UPDATE changed 3 rows`),
			over(`update tenants set name = 'x' where id <= $1`, `this UPDATE changed 3 rows`).with("3"),
			over(`delete from lines where qty > 0`, `this DELETE changed 5 rows`).leaving(left, `5`),
			over(`insert into tenants select i, 'x', 'free' from generate_series(10, 12) i`, `this INSERT changed 3 rows`),
			over(`insert into products select id, 'x' || id, 0 from products on conflict (id) do update set price = 0`, `this INSERT changed 3 rows`).leaving(`select sum(price) from products`, `10.00`),
			over(`merge into products p using (values (1), (2), (3)) v(id) on p.id = v.id when matched then delete`, `this MERGE changed 3 rows`).leaving(`select count(*) from products`, `3`).since(15),
			over(`update tenants set name = 'x' where id > 0`, `this UPDATE changed 3 rows`).following(`begin`, `update tenants set name = 'y' where id = 1`).then(`commit`).leaving(names, `y bolt core`),
			over(`delete from lines where order_id = 10; delete from lines where qty > 0`, `this DELETE changed 3 rows`).inBatch().following(`select 1`).leaving(left, `5`),
			allow(`execute p(2)`, ``).following(`prepare p(int) as update tenants set name = 'x' where id <= $1`).tagged("UPDATE 2").inBatch().leaving(names, `x x core`),
			over(`execute p(3)`, `this UPDATE changed 3 rows`).following(`prepare p(int) as update tenants set name = 'x' where id <= $1`).inBatch(),
			refused(`max_affected_rows_writable_cte`, `prepare p as with d as (delete from lines where qty = 5 returning sku) select * from d`, `this credential may change at most 2 rows at a time, and writes inside WITH or EXPLAIN ANALYZE cannot be counted`),
			refused(`max_affected_rows_writable_cte`, `with d as (delete from lines where qty = 5 returning sku) select * from d`, `this credential may change at most 2 rows at a time, and writes inside WITH or EXPLAIN ANALYZE cannot be counted`),
			refused(`max_affected_rows_writable_cte`, `explain analyze delete from lines where qty = 5`, `this credential may change at most 2 rows at a time, and writes inside WITH or EXPLAIN ANALYZE cannot be counted`),
			refused(`whereless_write`, `delete from lines`, `this DELETE changes every row of the table`),
		}},
		{rehearsal, []scenario{
			allow(`insert into tenants values (9, 'new', 'free') returning id`, `9`).tagged("INSERT 0 1").leaving(names, `acme bolt core`),
			allow(`update tenants set name = 'x' where id <= 2`, ``).tagged("UPDATE 2").leaving(names, `acme bolt core`),
			allow(`delete from lines where qty > 0`, ``).tagged("DELETE 5").leaving(left, `5`),
			allow(`merge into products p using (values (1)) v(id) on p.id = v.id when matched then delete`, ``).tagged("MERGE 1").leaving(`select count(*) from products`, `3`).since(15),
			allow(`with d as (delete from lines where qty > 0 returning 1) select count(*) from d`, `5`).leaving(left, `5`),
			allow(`create table scratch.t (a int)`, ``).tagged("CREATE TABLE").leaving(`select to_regclass('scratch.t')`, `∅`),
			allow(`alter table tenants add column x int`, ``).tagged("ALTER TABLE").leaving(`select count(*) from pg_attribute where attrelid = 'tenants'::regclass and attnum > 0`, `3`),
			allow(`explain (analyze, costs off, timing off, summary off) delete from lines where qty > 0`, `~Delete on lines`).tagged("EXPLAIN").leaving(left, `5`),
			allow(`insert into tenants values (1, 'again', 'free')`, ``).fails("23505", "tenants_pkey").leaving(names, `acme bolt core`),
			allow(`select count(*) from lines`, `3`).following(`begin`, `delete from lines where order_id = 10`).then(`commit`).leaving(left, `5`),
			allow(`commit`, ``).following(`begin`, `delete from lines where order_id = 10`).tagged("ROLLBACK").notes("COMMIT became ROLLBACK").leaving(left, `5`),
			allow(`select nextval('tickets')`, `100`).leaving(`select last_value, is_called from tickets`, `100|t`),
			allow(`select name from tenants where id = 1`, `acme`),
			allow(`rollback`, ``).following(`begin`, `delete from lines where order_id = 10`).tagged("ROLLBACK").leaving(left, `5`),
			allow(`execute p`, ``).following(`prepare p as delete from lines where qty > 0`).tagged("DELETE 5").inBatch().leaving(left, `5`),
			refused(`destructive_ddl`, `drop table lines`, `DROP TABLE destroys data`),
			refused(`whereless_write`, `delete from lines`, `this DELETE changes every row of the table`),
		}},
		{dress, []scenario{
			masked(`insert into users (id, tenant_id, name, email) values (9, 1, 'eve', 'e@f') returning name, email`, `eve|[redacted]`).tagged("INSERT 0 1").leaving(`select count(*) from users`, `4`),
			filtered(`update orders set qty = 9 where id in (10, 11, 20) returning id, qty`, `10|9; 11|9`).tagged("UPDATE 2").leaving(`select sum(qty) from orders where id < 20`, `7`),
			filtered(`select id from orders order by id`, `10; 11`).notes("result truncated to 2 rows by policy"),
			over(`update orders set qty = 9 where id > 0`, `this UPDATE changed 3 rows`).dry("row-filter", "ok").leaving(`select sum(qty) from orders where id < 20`, `7`),
			refused(`masked_column_predicate`, `update users set name = 'x' where email like 'm%'`, `where its value would decide which rows, groups or order come back: "email"`),
		}},
	}
}

func budgets() []group {
	exhausted := func(sql, window string, before ...string) scenario {
		c := refused("budget_exhausted", sql, "PgBeam agent "+window+" query budget exhausted; resets at 20").dry("allow", "ok").following(before...).firstUse()
		c.code = "53400"
		return c
	}
	last := func(sql, rows string, before ...string) scenario {
		return allow(sql, rows).following(before...).firstUse()
	}
	return []group{
		{daily, []scenario{
			last(`select 3`, `3`, `select 1`, `select 2`),
			last(`select 4`, `4`, `begin`, `select 2`, `commit`, `select 3`),
			last(`select 3`, `3`, ``, `-- nothing`, `select 1`, `begin`, `savepoint s`, `release s`, `rollback`, `select 2`),
			last(`select 1; select 2; select 3`, `1 ;; 2 ;; 3`, `begin`).inBatch().then(`commit`),
			last(`insert into tenants values (9, 'x', 'free')`, ``, `select 1`, `show timezone`).tagged("INSERT 0 1").leaving(`select count(*) from tenants`, `4`),
			exhausted(`select 4`, "day", `select 1`, `select 2`, `select 3`),
			exhausted(`select 4`, "day", `select 1; select 2; select 3`),
			exhausted(`select 4`, "day", `begin`, `select 1`, `select 2`, `select 3`, `rollback`),
			exhausted(`execute p`, "day", `prepare p as select 1`, `execute p`, `execute p`).inBatch(),
			exhausted(`show timezone`, "day", `select 1`, `set time zone 'UTC'`, `explain select 1`),
			exhausted(`insert into tenants values (9, 'x', 'free')`, "day", `select 1`, `select 2`, `select 3`),
			exhausted(`select 1; select 2; select 3; select 4`, "day", `begin`).inBatch(),
		}},
		{hourly, []scenario{
			masked(`select email from users where id = 1`, `[redacted]`).following(`select 1`).firstUse(),
			exhausted(`select email from users where id = 1`, "hour", `select 1`, `select 2`).dry("mask", "ok"),
			exhausted(`select name from tenants where id = $1`, "hour", `select 1`, `select 2`).with("1"),
		}},
	}
}

func TestWriteCaps(t *testing.T) { try(t, writeCaps()) }

func TestBudgets(t *testing.T) {
	clearOf(time.Hour)
	try(t, budgets())
}
