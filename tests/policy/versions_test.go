package policy

import "testing"

var (
	// switchboard may not see a column that another is computed from.
	switchboard = under("switchboard", masks("contacts.phone=redact"))

	// extension has a filter on the column that is computed.
	extension = under("extension", filter("contacts", "digits like '%1'"))
)

// versions are what PostgreSQL has had since one version or does differently
// since then. What the versions have in common is in the other tables.
func versions() []group {
	const (
		keysMerged = `select label from keys where id = 1`
		merging    = `merge into keys k using (values (1)) v(n) on k.id = v.n when matched then update set label = 'merged' returning `
	)
	return []group{
		{editor, []scenario{
			// A cast to a type that a text names is a cast.
			refused(`function_not_allowed`, `select pg_input_is_valid('mark-ann@mail.test', 'address')`, `type "address" checks its values`).since(16),
			refused(`function_not_allowed`, `select pg_input_is_valid('{mark-ann@mail.test}', 'public.address[]')`, `type "public.address" checks its values`).since(16),
			refused(`function_not_allowed`, `select (pg_input_error_info('mark-ann@mail.test', 'ADDRESS')).message`, `type "address" checks its values`).since(16),
			refused(`function_not_allowed`, `select pg_input_is_valid('mark-ann@mail.test', 'addr' || 'ess')`, `the type that "pg_input_is_valid" is asked about cannot be told`).since(16),
			refused(`function_not_allowed`, `select pg_input_is_valid('mark-ann@mail.test', 'address_'::char(7)::text)`, `cannot be told`).since(16),
			refused(`function_not_allowed`, `select pg_input_is_valid('mark-ann@mail.test', $1)`, `cannot be told`).with("address").since(16),
			refused(`function_not_allowed`, `select * from pg_input_error_info(type_name => 'address', value => 'mark-ann@mail.test')`, `cannot be told`).since(16),
			allow(`select id from tenants where pg_input_is_valid(name, 'numeric(4,2)') or pg_input_is_valid(id::text, 'int')`, `1; 2; 3`).since(16),

			allow(`select count(*) from tenants where plan::text = any (array_shuffle(enum_range(null::plan)::text[])) and cardinality(array_sample(array[id], 1)) = 1`, `3`).since(16),
			allow(`select any_value(name) from tenants where id = 1`, `acme`).since(16),
			refused(`masked_column_expression`, `select any_value(email) from users`, `"email"`).since(16),
			refused(`masked_column_expression`, `select json_arrayagg(email) from users`, `"email"`).since(16),
			refused(`masked_column_expression`, `select json_object('a': email) from users`, `"email"`).since(16),
			refused(`masked_column_predicate`, `select id from users where email is json`, `"email"`).since(16),

			refused(`masked_column_expression`, `select json_scalar(email) from users`, `"email"`).since(17),
			refused(`masked_column_expression`, `select json_query(to_jsonb(u), '$.email') from users u`, `a whole row`).since(17),
			refused(`masked_column_expression`, `select j.a from users u, json_table(to_jsonb(u), '$' columns (a text path '$.email')) j`, `a whole row`).since(17),
			refused(`masked_column_expression`, `select j.a from users u, json_table(jsonb '[1]', '$[*]' passing u.email as e columns (a text path '$e')) j`, `"email"`).since(17),
			masked(`select u.email, j.a from users u, json_table(jsonb '["x"]', '$[*]' columns (a text path '$')) j where u.id = 1`, `[redacted]|x`).since(17),
			refused(`function_not_allowed`, `select j.a from json_table(jsonb '["mark-ann@mail.test"]', '$[*]' columns (a address path '$' default 'no' on error)) j`, `type "address" checks its values`).since(17),
			refused(`function_not_allowed`, `select json_value(jsonb '"mark-ann@mail.test"', '$' returning address)`, `type "address" checks its values`).since(17),
			masked(merging+`merge_action(), k.id, k.value`, `UPDATE|1|[redacted]`).tagged("MERGE 1").leaving(keysMerged, `merged`).since(17),
			masked(merging+`k.*`, `1|merged|[redacted]`).tagged("MERGE 1").leaving(keysMerged, `merged`).since(17),
			masked(`with m as (`+merging+`k.value as x) select x from m`, `[redacted]`).leaving(keysMerged, `merged`).since(17),
			masked(merging+`*`, `1|1|merged|[redacted]`).tagged("MERGE 1").leaving(keysMerged, `merged`).since(17),
			refused(`masked_column_expression`, merging+`k`, `a whole row`).since(17),
			refused(`masked_column_expression`, merging+`length(k.value)`, `"value"`).since(17),
			masked(`merge into people p using (values (1)) v(n) on p.id = v.n when matched then update set name = 'nan' returning p.name, p.email, p.salary`, `nan|[redacted]|∅`).tagged("MERGE 1").leaving(`select name from users where id = 1`, `nan`).since(17),
			refused(`masked_column_predicate`, `merge into people p using (values (1)) v(n) on p.email = 'mark-ann@mail.test' when matched then update set name = 'nan' returning p.id`, `"email"`).since(17),
			refused(`masked_column_predicate`, `merge into products p using keys k on p.id = k.id when not matched by source and p.name in (select value from keys) then delete`, `a sub-select`).since(17),
			refused(`whereless_write`, `merge into products p using keys k on false when not matched by source then delete`, `every row`).since(17),

			refused(`statement_not_allowed`, `update keys set label = 'x' where id = 1 returning old.value`, `"old" is no table in sight`).since(18),
			refused(`statement_not_allowed`, `update keys set label = 'x' where id = 1 returning new.*`, `"new" is no table in sight`).since(18),
			refused(`statement_not_allowed`, `update keys set label = 'x' where id = 1 returning old`, `"old"`).since(18),
			refused(`statement_not_allowed`, `update keys set label = 'x' where id = 1 returning (select max(old.value) from tenants)`, `"old"`).since(18),
			refused(`statement_not_allowed`, `insert into keys values (1) on conflict (id) do update set label = 'x' returning old.value`, `"old"`).since(18),
			refused(`statement_not_allowed`, `delete from keys where id = 1 returning old.id`, `"old"`).since(18),
			refused(`statement_not_allowed`, merging+`new.value`, `"new"`).since(18),
			masked(`update keys old set label = 'x' where id = 1 returning old.id, old.value`, `1|[redacted]`).tagged("UPDATE 1").leaving(keysMerged, `x`),
			refused(`parse_error`, `update keys set label = 'x' where id = 1 returning with (old as o) o.value`, `syntax error at or near "with"`).coded("42601").since(18),
			refused(`parse_error`, `create table scratch.v (id int, two int generated always as (id * 2) virtual)`, `syntax error at or near "virtual"`).coded("42601").since(18),
			refused(`masked_column_expression`, `select max(u) from users u`, `a whole row`).since(18),
			refused(`masked_column_expression`, `select casefold(email) from users`, `"email"`).since(18),
		}},
		{switchboard, []scenario{
			masked(`select * from contacts order by id`, `1|[redacted]|∅; 2|[redacted]|∅`),
			masked(`select id, digits, n from dialled order by id`, `1|∅|∅; 2|∅|∅`),
			masked(`update contacts set id = 7 where id = 1 returning id, digits`, `7|∅`).tagged("UPDATE 1").leaving(`select id from contacts order by 1`, `2; 7`),
			refused(`masked_column_expression`, `alter table contacts alter column digits set expression as (phone)`, `ALTER TABLE on a table with masked columns`).since(17),
			refused(`masked_column_predicate`, `select id from contacts where digits like '%1'`, `"digits"`),
			refused(`masked_column_expression`, `select length(digits) from contacts`, `"digits"`),
			masked(`select id from contacts order by 1`, `1; 2`),
		}},
		{extension, []scenario{
			filtered(`select * from contacts`, `1|mark-5550100001|mark5550100001`),
			filtered(`select digits, n from dialled`, `mark5550100001|14`),
			filtered(`update contacts set phone = 'x-1' where id in (1, 2) returning digits`, `x1`).tagged("UPDATE 1").leaving(`select phone from contacts order by id`, `x-1; mark-5550100002`),
			filtered(`update contacts set phone = '7' where id = 1`, ``).fails("42501", `does not satisfy the policy's row filter`),
			filtered(`insert into contacts values (3, '3')`, ``).fails("42501", `does not satisfy the policy's row filter`),
		}},
		{unlined, []scenario{
			refused(`table_denied`, `merge into order_lines o using (values (10)) v(n) on o.id = v.n when matched then update set item = 'x' returning o.lines`, `table "order_lines" is denied`).since(17),
		}},
		{acme, []scenario{
			refused(`row_filter_unsafe`, `merge into open_orders o using (values (20)) v(id) on o.id = v.id when matched then update set qty = 1 returning o.item`, `table "open_orders" shows rows of tables that have a row filter`).since(17),
			refused(`statement_not_allowed`, `update orders set qty = 9 where id in (10, 20) returning old.id`, `"old"`).since(18),
			refused(`statement_not_allowed`, `insert into orders (id, tenant_id, item, amount, qty) values (20, 1, 'x', 1, 1) on conflict (id) do update set qty = 5 returning old.item`, `"old"`).since(18),
			refused(`row_filter_unsafe`, `merge into orders o using (values (20)) v(id) on o.id = v.id when matched then update set qty = 1 returning o.item`, `MERGE into table "orders" is not permitted`).since(17),
			filtered(`select qty, now() at time zone 'utc' is null, extract(year from placed) from orders where id = 10`, `2|f|2026`),
			filtered(`select item from orders where time with time zone '12:00+00' at time zone 'utc' < time with time zone '13:00+00' and extract(month from placed) = 1 order by 1`, `cap; ink; pen`),
		}},
	}
}

func TestVersions(t *testing.T) { try(t, versions()) }
