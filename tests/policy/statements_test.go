package policy

import "testing"

type kindLists = map[string]any

var (
	// asker may ask, and nothing else, however much the access mode permits.
	asker = under("asker", kinds(kindLists{"allow": []string{"select", "explain"}}))
	// appender adds rows and takes none back.
	appender = under("appender", kinds(kindLists{"allow": []string{"select", "insert", "transaction", "show"}}))
	// keeper may do everything but delete, and change the schema.
	keeper = under("keeper", kinds(kindLists{"deny": []string{"delete", "ddl"}}))
	// Deny beats allow, and neither lifts the access mode.
	narrow = under("narrow", readOnly, kinds(kindLists{"allow": []string{"select", "insert", "show", "set"}, "deny": []string{"set"}}))
	// loader writes without looking.
	loader = under("loader", kinds(kindLists{"deny": []string{"select", "transaction"}}))
)

func statements() []group {
	return []group{
		{asker, []scenario{
			allow(`select name from tenants where id = 1`, `acme`),
			allow(`table tenants order by id limit 1`, `1|acme|team`),
			allow(`values (1)`, `1`),
			refused(`statement_not_allowed`, `explain delete from tenants where id = 1`, `statements of kind delete are not among those allowed to this credential`),
			allow(`explain (analyze, costs off, timing off, summary off) select 1`, `~Result`).tagged("EXPLAIN"),
			allow(`select half(3)`, `1.5000000000000000`),
			allow(`select email_of(3)`, `mark-cyd@mail.test`),
			refused(`statement_not_allowed`, `show server_version`, `statements of kind show are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `begin`, `statements of kind transaction are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `set time zone 'UTC'`, `statements of kind set are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `insert into tenants values (9, 'x', 'free')`, `statements of kind insert are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `with d as (delete from lines where qty = 1 returning sku) select * from d`, `statements of kind delete are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `explain analyze update tenants set name = 'x' where id = 1`, `statements of kind update are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `select * into scratch.t from tenants`, `statements of kind ddl are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `create table scratch.t (a int)`, `statements of kind ddl are not among those allowed to this credential`),
			refused(`function_not_allowed`, `select reopen(10)`, `function "reopen" may write`),
			refused(`function_not_allowed`, `select nextval('tickets'), loud('x')`, `function "loud" may write`),
			refused(`statement_not_allowed`, `select 1; commit`, `statement 2 of the batch: statements of kind transaction are not among those allowed to this credential`),
		}},
		{appender, []scenario{
			allow(`insert into tenants values (9, 'x', 'free') returning id`, `9`).tagged("INSERT 0 1").leaving(`select count(*) from tenants`, `4`),
			allow(`insert into products values (1, 'pen', 1) on conflict do nothing`, ``).tagged("INSERT 0 0").leaving(`select price from products where id = 1`, `2.50`),
			allow(`with i as (insert into lines values (12, 'c1', 1) returning sku) select * from i`, `c1`).leaving(`select count(*) from lines`, `6`),
			allow(`merge into products p using (values (9)) v(id) on p.id = v.id when not matched then insert values (v.id, 'nine', 9)`, ``).tagged("MERGE 1").leaving(`select name from products where id = 9`, `nine`).since(15),
			allow(`show time zone`, `Etc/UTC`).tagged("SHOW"),
			allow(`begin; insert into tenants values (9, 'x', 'free'); commit`, ` ;;  ;; `).tagged("COMMIT").inBatch().leaving(`select count(*) from tenants`, `4`),
			allow(`select 1`, `1`).following(`begin`, `savepoint s`, `rollback to s`).then(`commit`),
			refused(`statement_not_allowed`, `insert into products values (1, 'pen', 1) on conflict (id) do update set price = 0`, `statements of kind update are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `merge into products p using (values (1)) v(id) on p.id = v.id when matched then delete`, `statements of kind delete are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `merge into products p using (values (1)) v(id) on p.id = v.id when matched then update set price = 0 when not matched then insert values (v.id, 'x', 0)`, `statements of kind update are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `begin; insert into tenants values (9, 'x', 'free'); delete from tenants where id = 9; commit`, `statement 3 of the batch: statements of kind delete are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `explain select 1`, `statements of kind explain are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `update tenants set name = 'x' where id = 1`, `statements of kind update are not among those allowed to this credential`),
		}},
		{keeper, []scenario{
			allow(`update tenants set name = 'x' where id = 1 returning name`, `x`).tagged("UPDATE 1").leaving(`select name from tenants where id = 1`, `x`),
			allow(`insert into tenants values (9, 'x', 'free'), (10, 'y', 'free')`, ``).tagged("INSERT 0 2").leaving(`select count(*) from tenants`, `5`),
			allow(`set statement_timeout_x.y = '1'`, ``).tagged("SET"),
			allow(`select name from tenants where id = 1 for no key update`, `acme`),
			allow(`merge into products p using (values (1)) v(id) on p.id = v.id when matched then update set price = 4`, ``).tagged("MERGE 1").leaving(`select price from products where id = 1`, `4.00`).since(15),
			refused(`statement_denied`, `explain delete from tenants where id = 3`, `statements of kind delete are denied to this credential`),
			refused(`statement_denied`, `delete from tenants where id = 3`, `statements of kind delete are denied to this credential`),
			refused(`statement_denied`, `with d as (delete from lines where qty = 1 returning *) insert into products select 9, sku, 1 from d`, `statements of kind delete are denied to this credential`),
			refused(`statement_denied`, `merge into products p using (values (1)) v(id) on p.id = v.id when matched and p.price > 100 then delete`, `statements of kind delete are denied to this credential`),
			refused(`statement_denied`, `explain analyze delete from tenants where id = 3`, `statements of kind delete are denied to this credential`),
			refused(`statement_denied`, `create index on tenants (name)`, `statements of kind ddl are denied to this credential`),
			refused(`statement_denied`, `create temp table t as select 1`, `statements of kind ddl are denied to this credential`),
			refused(`statement_denied`, `alter table tenants add column x int`, `statements of kind ddl are denied to this credential`),
			refused(`statement_denied`, `vacuum tenants`, `statements of kind ddl are denied to this credential`),
			refused(`statement_denied`, `comment on table tenants is 'x'`, `statements of kind ddl are denied to this credential`),
			refused(`destructive_ddl`, `drop table lines`, `DROP TABLE destroys data`),
			refused(`function_not_allowed`, `select reopen(10)`, `function "reopen" may write`),
		}},
		{narrow, []scenario{
			allow(`select 1`, `1`),
			allow(`show application_name`, `policies`).tagged("SHOW").connecting(`-c application_name=policies`),
			allow(`select email_of(1)`, `mark-ann@mail.test`),
			refused(`read_only`, `insert into tenants values (9, 'x', 'free')`, `insert is not permitted`),
			refused(`statement_denied`, `set application_name = 'x'`, `statements of kind set are denied to this credential`),
			refused(`statement_denied`, `reset time zone`, `statements of kind set are denied to this credential`),
			refused(`statement_not_allowed`, `begin`, `statements of kind transaction are not among those allowed to this credential`),
			refused(`statement_not_allowed`, `explain select 1`, `statements of kind explain are not among those allowed to this credential`),
		}},
		{loader, []scenario{
			allow(`insert into tenants select 9, 'x', 'free'`, ``).tagged("INSERT 0 1").leaving(`select count(*) from tenants`, `4`),
			allow(`delete from lines where qty = 5`, ``).tagged("DELETE 1").leaving(`select count(*) from lines`, `4`),
			allow(`show transaction_isolation`, `read committed`).tagged("SHOW"),
			allow(`explain (costs off) select 1`, `Result`).tagged("EXPLAIN"),
			refused(`statement_denied`, `select 1`, `statements of kind select are denied to this credential`),
			refused(`statement_denied`, `values (1)`, `statements of kind select are denied to this credential`),
			refused(`statement_denied`, `with i as (insert into tenants values (9, 'x', 'free') returning *) select * from i`, `statements of kind select are denied to this credential`),
			refused(`statement_denied`, `explain analyze select 1`, `statements of kind select are denied to this credential`),
			refused(`statement_denied`, `declare c cursor with hold for select 1`, `statements of kind select are denied to this credential`),
			refused(`statement_denied`, `begin`, `statements of kind transaction are denied to this credential`),
			refused(`statement_denied`, `set transaction isolation level serializable`, `statements of kind transaction are denied to this credential`),
		}},
	}
}

func TestStatements(t *testing.T) { try(t, statements()) }
