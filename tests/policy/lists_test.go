package policy

import "testing"

// shop may use four tables; one of them is partitioned, and one has a name
// that needs quotes.
var shop = under("shop", only("orders", "public.Lines", "products", "events", `"Customer Cards"`, "scratch.basket"))

// discreet may use everything but three tables.
var discreet = under("discreet", except("keys", "hr.payroll", "users"))

// A view that is listed shows nothing of a table that is denied.
var both = under("both", readOnly, only("orders", "key_labels", "hr.roster", "takings", "pg_catalog.pg_stat_activity"), except("keys", "public.users"))

func lists() []group {
	return []group{
		{shop, []scenario{
			allow(`select id, item from orders where tenant_id = 1 order by id`, `10|pen; 11|ink; 12|cap`),
			allow(`select o.id, l.sku from orders o join public.lines l on l.order_id = o.id where o.id < 12 order by 1, 2`, `10|p1; 10|p2; 11|i1`),
			allow(`select id from "orders" where id = 10`, `10`),
			allow(`select id from ORDERS where id = 10`, `10`),
			allow(`select "Id", "Card No" from "Customer Cards" where "Id" = 1`, `1|mark-card-4111`),
			allow(`select count(*) from public."Customer Cards"`, `2`),
			allow(`select id, body from events where tenant_id = 1 order by id`, `1|login; 2|logout`),
			allow(`select id from events_1 order by id`, `1; 2`),
			allow(`with users as (select 'cte' as name) select name from users`, `cte`),
			allow(`with recursive keys(n) as (select 1 union all select n + 1 from keys where n < 3) select max(n) from keys`, `3`),
			allow(`select users.n from (values (7)) users(n)`, `7`),
			allow(`select (select max(id) from orders where tenant_id = 1), exists (table lines)`, `12|t`),
			allow(`select count(*) from pg_class where relname = 'orders'`, `1`),
			allow(`select table_name from information_schema.tables where table_name = 'products'`, `products`),
			allow(`select * from generate_series(1, 3) n`, `1; 2; 3`),
			allow(`insert into products select id + 100, item || '!', 1 from orders where tenant_id = 1`, ``).tagged("INSERT 0 3").leaving(`select name from products where id > 100 order by id`, `pen!; ink!; cap!`),
			allow(`update products p set price = 1 from orders o where o.item = p.name and o.id = 10`, ``).tagged("UPDATE 1").leaving(`select price from products where id = 1`, `1.00`),
			allow(`delete from lines using orders o where o.id = lines.order_id and o.id = 10`, ``).tagged("DELETE 2").leaving(`select count(*) from lines`, `3`),
			allow(`create table scratch.basket (id int)`, ``).tagged("CREATE TABLE").leaving(`select count(*) from scratch.basket`, `0`),
			allow(`explain (costs off) select * from products`, `~Seq Scan on products`).tagged("EXPLAIN"),
			allow(`select 1 where false`, ``),

			refused(`table_not_allowed`, `select id from users`, `table "users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select id from public.users`, `table "public.users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select "id" from "users" as orders`, `table "users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select id from hr.users`, `table "hr.users" is not in this credential's allowlist; allowed tables: public.orders, public.Lines, public.products, public.events, public."Customer Cards"`),
			refused(`table_not_allowed`, `select 1 from orders join users using (id)`, `table "users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select 1 from orders natural join keys`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select id, (select email from users u where u.id = o.user_id) from orders o`, `table "users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select id from orders where exists (select from keys where value like 'mark-k%')`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select id from orders order by (select value from keys limit 1)`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select id from orders limit (select count(*) from users)`, `table "users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select id from orders union all select id from keys`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select 1 from orders o, lateral (select value from keys k where k.id = o.id) l`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `with orders as (select * from users) select * from orders`, `table "users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `with users as (select 1) select * from public.users`, `table "public.users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select * from (with keys as (select 1) select * from keys) x, keys`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select tenant_id, n from takings`, `table "takings" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select card from cards`, `table "cards" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select body from notes`, `table "notes" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `table keys`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select * from only keys tablesample system (100)`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `explain select * from keys`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `declare c cursor for select * from keys`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `insert into keys values (9, 'a', 'b')`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `insert into products (id, name) select id, value from keys`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `update products set name = (select value from keys where id = 1) where id = 1`, `table "keys" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `delete from products using users u where u.id = products.id`, `table "users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `create table scratch.basket (like users)`, `table "users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `create table scratch.copy as select * from orders`, `table "scratch.copy" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select nextval('tickets')`, `table "tickets" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select no_such_column from no_such_table`, `table "no_such_table" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select 1; select id from users`, `statement 2 of the batch: table "users" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select * from pg_stat_activity`, `table "pg_stat_activity"`),
			refused(`table_not_allowed`, `select usename, passwd from pg_shadow`, `table "pg_shadow"`),
			refused(`function_not_allowed`, `select email_of(1)`, `function "email_of" is not one of PostgreSQL's own`),
			refused(`function_not_allowed`, `select loud(item) from orders`, `function "loud" is not one of PostgreSQL's own`),
			refused(`function_not_allowed`, `select table_to_xml('keys', true, false, '')`, `function "table_to_xml" is never permitted`),
			refused(`function_not_allowed`, `select * from orders where pg_catalog.pg_advisory_xact_lock(id) is null`, `function "pg_advisory_xact_lock" is never permitted`),
		}},
		{discreet, []scenario{
			allow(`select label.name from tenants label where id = 1`, `acme`),
			allow(`select count(*) from orders`, `6`),
			allow(`select tenant_id, n from takings order by 1 limit 1`, `1|3`),
			allow(`select keys from (values (1)) v(keys)`, `1`),
			allow(`with keys as (select 5 as id) select id from keys`, `5`),
			allow(`select reason from old_notes`, `mark-reason-old`),
			allow(`select count(*) from "Customer Cards"`, `2`),
			allow(`insert into tenants values (9, 'keys', 'free')`, ``).tagged("INSERT 0 1").leaving(`select name from tenants where id = 9`, `keys`),

			refused(`table_denied`, `select * from keys`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `select * from KEYS`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `select * from U&"\006Beys"`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `select * from public . /* */ keys`, `table "public.keys" is denied to this credential`),
			refused(`table_denied`, `select k.label from tenants t left join keys k on k.id = t.id`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `select iban from hr.payroll`, `table "hr.payroll" is denied to this credential`),
			refused(`table_denied`, `select nickname from hr.users`, `table "hr.users" is denied to this credential`),
			refused(`table_denied`, `select id from users`, `table "users" is denied to this credential`),
			refused(`table_denied`, `select label from key_labels`, `table "key_labels" is denied to this credential`),
			refused(`table_denied`, `select name from directory`, `table "directory" is denied to this credential`),
			refused(`table_denied`, `select card from cards`, `table "cards" is denied to this credential`),
			refused(`table_denied`, `select name from hr.roster`, `table "hr.roster" is denied to this credential`),
			refused(`table_denied`, `delete from keys where id = 1`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `create view scratch.k as select * from keys`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `create trigger t after insert on keys execute function told()`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `grant select on keys to public`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `comment on column keys.value is 'x'`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `create table scratch.child () inherits (keys)`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `merge into tenants t using keys k on t.id = k.id when matched then do nothing`, `table "keys" is denied to this credential`),
			refused(`function_not_allowed`, `select email_of(1)`, `function "email_of" is not one of PostgreSQL's own`),
			refused(`table_not_allowed`, `select prosrc from no_such_schema.pg_proc`, `table "no_such_schema.pg_proc" is not known in this database`).coded("42P01"),
		}},
		{both, []scenario{
			allow(`select item from orders where id = 10`, `pen`),
			allow(`select tenant_id, n from takings order by 1 limit 1`, `1|3`),
			allow(`select count(*) > 0 from pg_stat_activity`, `t`),
			refused(`table_denied`, `select * from keys`, `table "keys" is denied to this credential`),
			refused(`table_denied`, `select label from key_labels`, `table "key_labels" is denied to this credential`),
			refused(`table_denied`, `select iban from hr.roster`, `table "hr.roster" is denied to this credential`),
			refused(`table_not_allowed`, `select * from tenants`, `table "tenants" is not in this credential's allowlist`),
			refused(`table_not_allowed`, `select nickname from hr.users`, `table "hr.users" is not in this credential's allowlist`),
			allow(`select id from app.public.orders where id = 10`, `10`),
			refused(`table_not_allowed`, `select * from app.public.tenants`, `table "public.tenants" is not in this credential's allowlist`),
			allow(`select * from elsewhere.public.orders`, ``).fails("0A000", "cross-database references are not implemented"),
		}},
	}
}

func TestLists(t *testing.T) { try(t, lists()) }
