package policy

import "testing"

var (
	short  = under("short", set("max_rows", 3))
	hasty  = under("hasty", set("statement_timeout_ms", 300))
	capped = under("capped", readOnly, set("max_rows", 2), set("statement_timeout_ms", 400), masks("users.email=redact"), filter("orders", "tenant_id = 1"))
)

func caps() []group {
	const cut = "result truncated to 3 rows by policy"
	return []group{
		{short, []scenario{
			allow(`select * from generate_series(1, 3)`, `1; 2; 3`),
			allow(`select * from generate_series(1, 4)`, `1; 2; 3`).notes(cut),
			allow(`select id from orders order by id`, `10; 11; 12`).notes(cut),
			allow(`select repeat('x', 3) from generate_series(1, 2000)`, `xxx; xxx; xxx`).notes(cut),
			allow(`values (1), (2), (3), (4), (5)`, `1; 2; 3`).notes(cut),
			allow(`select id from orders order by id limit 2 offset 3`, `20; 21`),
			allow(`select 1 union all select 2 union all select 3 union all select 4`, `1; 2; 3`).notes(cut),
			allow(`with o as (select id from orders) select id from o order by id`, `10; 11; 12`).notes(cut),
			allow(`select id from users order by id; select 1; select id from tenants order by id`, `1; 2; 3 ;; 1 ;; 1; 2; 3`).inBatch().notes(cut),
			allow(`update lines set qty = qty + 1 where qty > 0 returning 'done'`, `done; done; done`).tagged("UPDATE 5").leaving(`select sum(qty) from lines`, `19`).notes(cut),
			allow(`fetch 2 from c`, `10; 11`).following(`begin`, `declare c cursor for select id from orders order by id`).tagged("FETCH 2").then(`commit`),
			allow(`fetch all from c`, `12`).following(`begin`, `declare c cursor for select id from orders order by id`, `fetch 2 from c`).tagged("FETCH 1").then(`commit`).notes(cut),
			allow(`execute p(2)`, `10; 11; 12`).following(`prepare p(int) as select id from orders where id > $1 order by id`).inBatch().notes(cut),
			allow(`explain (costs off) select 1 union all select 2 union all select 3 union all select 4`, `~Append`).tagged("EXPLAIN"),
			allow(`select count(*) from orders`, `6`),
			allow(`select array_agg(id order by id) from orders`, `{10,11,12,20,21,30}`),
			allow(`insert into products select i, i::text, 1 from generate_series(10, 19) i`, ``).tagged("INSERT 0 10").leaving(`select count(*) from products`, `13`),
			refused(`statement_not_allowed`, `copy orders to stdout`, `COPY is never permitted`),
			refused(`statement_not_allowed`, `copy (select * from orders) to stdout`, `COPY is never permitted`),
			refused(`function_not_allowed`, `select query_to_xml('select * from orders', true, true, '')`, `function "query_to_xml" is never permitted`),
		}},
		{hasty, []scenario{
			allow(`select pg_sleep(0.01)`, ``),
			allow(`select pg_sleep(20)`, ``).fails("57014", "statement timeout"),
			allow(`select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b`, ``).fails("57014", "statement timeout"),
			allow(`with recursive r as (select 1 union all select 1 from r) select count(*) from r`, ``).fails("57014", "statement timeout"),
			allow(`show statement_timeout`, `300ms`).tagged("SHOW"),
			allow(`show statement_timeout`, `120ms`).tagged("SHOW").on(`alter database app set statement_timeout = '120ms'`, `alter database app reset statement_timeout`).firstUse(),
			allow(`show statement_timeout`, `300ms`).tagged("SHOW").on(`alter role app set statement_timeout = '10min'`, `alter role app reset statement_timeout`).firstUse(),
			refused(`setting_not_allowed`, `set statement_timeout = 0`, `setting "statement_timeout" may not be changed by this credential`),
			refused(`setting_not_allowed`, `set local statement_timeout to '1h'`, `setting "statement_timeout" may not be changed by this credential`),
			refused(`setting_not_allowed`, `reset statement_timeout`, `setting "statement_timeout" may not be changed by this credential`),
			refused(`setting_not_allowed`, `set session "statement_timeout" = default`, `setting "statement_timeout" may not be changed by this credential`),
			refused(`setting_not_allowed`, `begin; set statement_timeout = 0; select pg_sleep(1); commit`, `statement 2 of the batch: setting "statement_timeout" may not be changed by this credential`),
			refused(`function_not_allowed`, `select set_config('statement_timeout', '0', false)`, `function "set_config" may change only what SET may`),
			refused(`statement_not_allowed`, `alter role app set statement_timeout = 0`, `ALTER ROLE is never permitted`),
			refused(`statement_not_allowed`, `do $$ begin perform pg_sleep(1); end $$`, `DO is never permitted`),
		}},
		{capped, []scenario{
			masked(`select email from users order by id`, `[redacted]; [redacted]`).notes("result truncated to 2 rows by policy"),
			filtered(`select id from orders order by id`, `10; 11`).notes("result truncated to 2 rows by policy"),
			filtered(`select id from orders where id > 10 order by id`, `11; 12`),
			refused(`function_not_allowed`, `select email, pg_sleep(0) from users where id = 1`, `function "pg_sleep" has effects or results that this policy cannot account for`),
			refused(`masked_column_predicate`, `select id from users order by email limit 1`, `where its value would decide which rows, groups or order come back: "email"`),
		}},
	}
}

func TestCaps(t *testing.T) { try(t, caps()) }
