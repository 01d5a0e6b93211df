package policy

import "testing"

var (
	// strict has what would hurt a database in use refused.
	strict = under("strict", set("migration_safety", "block"))
	// warned is told, and it runs.
	warned = under("warned", set("migration_safety", "warn"))
	// Migrations under masks and filters obey those first.
	guarded = under("guarded", set("migration_safety", "warn"), masks("users.email=redact"), filter("orders", "tenant_id = 1"))
)

// migrated is what stands in the schema scratch before a migration.
const migrated = `
create table scratch.t (id int not null, a varchar(20), n int not null);
insert into scratch.t values (1, 'x', 1), (2, 'y', 2);
create unique index t_id on scratch.t (id);
create table scratch.u (t_id int, day date);
create table scratch.p (id int, day date) partition by range (day);
create table scratch.p1 (id int, day date);
create materialized view scratch.m as select id from scratch.t;
create unique index on scratch.m (id);
create type scratch.mood as enum ('ok');
create view scratch.v as select id from scratch.t`

func migrate(cases ...scenario) []scenario {
	for i := range cases {
		cases[i] = cases[i].on(migrated, "")
	}
	return cases
}

func migrations() []group {
	const columns = `select attname, attnotnull from pg_attribute where attrelid = 'scratch.t'::regclass and attnum > 3 and not attisdropped order by attnum`
	const indexes = `select relname from pg_class where relnamespace = 'scratch'::regnamespace and relkind = 'i' and relname ~ '^i' order by 1`
	const constraints = `select conname, convalidated from pg_constraint where connamespace = 'scratch'::regnamespace and contype <> 'n' order by 1`
	return []group{
		{strict, migrate(
			allow(`alter table scratch.t add column note text`, ``).tagged("ALTER TABLE").leaving(columns, `note|f`),
			allow(`alter table scratch.t add column region text not null default 'eu'`, ``).tagged("ALTER TABLE").leaving(columns, `region|t`),
			allow(`alter table scratch.t add column at timestamptz not null default now()`, ``).tagged("ALTER TABLE").leaving(columns, `at|t`),
			allow(`alter table scratch.t alter column n drop not null`, ``).tagged("ALTER TABLE").leaving(`select attnotnull from pg_attribute where attrelid = 'scratch.t'::regclass and attname = 'n'`, `f`),
			allow(`create index concurrently i on scratch.t (a)`, ``).tagged("CREATE INDEX").leaving(indexes, `i`),
			allow(`create table scratch.fresh (id int primary key, a text check (a <> '')); create index i on scratch.fresh (a)`, ` ;; `).tagged("CREATE INDEX").inBatch().leaving(indexes, `i`),
			allow(`alter table scratch.t add constraint positive check (n > 0) not valid`, ``).tagged("ALTER TABLE").leaving(constraints, `positive|f`),
			allow(`alter table scratch.u add constraint to_t foreign key (t_id) references scratch.t (id) not valid`, ``).tagged("ALTER TABLE").leaving(constraints, `to_t|f`),
			allow(`alter table scratch.t add constraint id_once unique using index t_id`, ``).tagged("ALTER TABLE").leaving(constraints, `id_once|t`).notes("will rename index"),
			allow(`reindex table concurrently scratch.t`, ``).tagged("REINDEX").leaving(indexes, ``),
			allow(`refresh materialized view concurrently scratch.m`, ``).tagged("REFRESH MATERIALIZED VIEW").leaving(`select count(*) from scratch.m`, `2`),
			allow(`alter type scratch.mood add value 'sad'`, ``).tagged("ALTER TYPE").leaving(`select enum_range(null::scratch.mood)`, `{ok,sad}`),
			allow(`vacuum scratch.t`, ``).tagged("VACUUM").leaving(columns, ``),
			allow(`alter table scratch.t rename column a to b`, ``).tagged("ALTER TABLE").leaving(`select b from scratch.t order by id`, `x; y`).notes("migration safety: rename_column (warning)"),
			allow(`alter table scratch.t alter column a type text`, ``).tagged("ALTER TABLE").leaving(`select atttypid::regtype from pg_attribute where attrelid = 'scratch.t'::regclass and attname = 'a'`, `text`).notes("alter_column_type (info)"),
			allow(`create view scratch.w as select n from scratch.t`, ``).tagged("CREATE VIEW").leaving(`select count(*) from scratch.w`, `2`),
			allow(`update scratch.t set a = 'z' where id = 1`, ``).tagged("UPDATE 1").leaving(`select a from scratch.t where id = 1`, `z`),
			allow(`select a from scratch.t order by id`, `x; y`),

			refused(`migration_block`, `create index i on scratch.t (a)`, `migration blocked: missing_concurrently`),
			refused(`migration_block`, `create unique index i on scratch.t (a)`, `migration blocked: missing_concurrently`),
			refused(`migration_block`, `alter table scratch.t drop column a`, `migration blocked: drop_column`),
			refused(`migration_block`, `alter table scratch.t add column region text not null`, `migration blocked: add_not_null_no_default`),
			refused(`migration_block`, `alter table scratch.t alter column a set not null`, `migration blocked: set_not_null`),
			refused(`migration_block`, `alter table scratch.t add column token uuid default gen_random_uuid()`, `migration blocked: add_column_volatile_default`),
			refused(`migration_block`, `alter table scratch.t alter column n type bigint`, `migration blocked: alter_column_type`),
			refused(`migration_block`, `alter table scratch.t add constraint positive check (n > 0)`, `migration blocked: add_check_not_valid_missing`),
			refused(`migration_block`, `alter table scratch.u add foreign key (t_id) references scratch.t (id)`, `migration blocked: add_foreign_key_not_valid_missing`),
			refused(`migration_block`, `alter table scratch.t add unique (a)`, `migration blocked: add_unique_constraint`),
			refused(`migration_block`, `alter table scratch.t add primary key (id)`, `migration blocked: add_primary_key`),
			refused(`migration_block`, `reindex table scratch.t`, `migration blocked: reindex_not_concurrently`),
			refused(`migration_block`, `vacuum full scratch.t`, `migration blocked: vacuum_full`),
			refused(`migration_block`, `cluster scratch.t using t_id`, `migration blocked: cluster`),
			refused(`migration_block`, `refresh materialized view scratch.m`, `migration blocked: refresh_matview_not_concurrently`),
			refused(`migration_block`, `select 1; alter table scratch.t drop column a`, `migration blocked: drop_column`),
			refused(`migration_block`, `begin; alter table scratch.t add column b text; create index on scratch.t (b); commit`, `migration blocked: missing_concurrently`),
			refused(`destructive_ddl`, `drop table scratch.t`, `DROP TABLE destroys data`),
			refused(`destructive_ddl`, `drop index scratch.t_id`, `DROP INDEX destroys data`),
			refused(`destructive_ddl`, `truncate scratch.t`, `TRUNCATE TABLE destroys data`),
			refused(`statement_not_allowed`, `lock table scratch.t in share mode`, `LOCK TABLE is never permitted: it blocks other sessions`),
		)},
		{warned, migrate(
			allow(`create index i on scratch.t (a)`, ``).tagged("CREATE INDEX").leaving(indexes, `i`).notes("migration safety: missing_concurrently (error)"),
			allow(`alter table scratch.t drop column a`, ``).tagged("ALTER TABLE").leaving(`select count(*) from pg_attribute where attrelid = 'scratch.t'::regclass and attname = 'a'`, `0`).notes("drop_column (error)"),
			allow(`alter table scratch.t add column token uuid default gen_random_uuid()`, ``).tagged("ALTER TABLE").leaving(columns, `token|f`).notes("add_column_volatile_default (error)"),
			allow(`alter table scratch.t add column region text not null`, ``).fails("23502", `column "region"`).leaving(columns, ``),
			allow(`alter table scratch.t alter column n type bigint`, ``).tagged("ALTER TABLE").leaving(`select atttypid::regtype from pg_attribute where attrelid = 'scratch.t'::regclass and attname = 'n'`, `bigint`).notes("alter_column_type (error)"),
			allow(`alter table scratch.t add primary key (id)`, ``).tagged("ALTER TABLE").leaving(constraints, `t_pkey|t`).notes("add_primary_key (error)"),
			allow(`alter table scratch.p attach partition scratch.p1 for values from ('2026-01-01') to ('2026-02-01')`, ``).tagged("ALTER TABLE").leaving(`select relispartition from pg_class where oid = 'scratch.p1'::regclass`, `t`).notes("attach_partition_without_check (warning)"),
			allow(`alter table scratch.t rename to s`, ``).tagged("ALTER TABLE").leaving(`select count(*) from scratch.s`, `2`).notes("rename_table (warning)"),
			allow(`alter table scratch.t disable trigger all`, ``).tagged("ALTER TABLE").leaving(columns, ``).notes("foreign keys are not enforced either"),
			allow(`alter table scratch.t disable trigger user`, ``).tagged("ALTER TABLE").leaving(columns, ``).notes("disable_trigger (warning)"),
			allow(`begin; alter type scratch.mood add value 'sad'; commit`, ` ;;  ;; `).tagged("COMMIT").inBatch().leaving(`select enum_range(null::scratch.mood)`, `{ok,sad}`).notes("enum_value_in_transaction (warning)"),
			allow(`cluster scratch.t using t_id`, ``).tagged("CLUSTER").leaving(columns, ``).notes("cluster (error)"),
			allow(`refresh materialized view scratch.m`, ``).tagged("REFRESH MATERIALIZED VIEW").leaving(`select count(*) from scratch.m`, `2`).notes("refresh_matview_not_concurrently (error)"),
			allow(`alter table scratch.t add constraint positive check (n > 0) not valid`, ``).tagged("ALTER TABLE").leaving(constraints, `positive|f`),
			refused(`destructive_ddl`, `drop table scratch.t`, `DROP TABLE destroys data`),
			refused(`destructive_ddl`, `truncate scratch.t`, `TRUNCATE TABLE destroys data`),
			refused(`statement_not_allowed`, `create function scratch.f() returns int language sql as 'select 1'`, `CREATE FUNCTION is never permitted`),
		)},
		{guarded, []scenario{
			allow(`create index i on products (price)`, ``).tagged("CREATE INDEX").leaving(`select count(*) from pg_class where relname = 'i'`, `1`).on(``, `drop index i`).notes("missing_concurrently (error)"),
			allow(`alter table products add column note text`, ``).tagged("ALTER TABLE").leaving(`select note from products where id = 1`, `∅`).on(``, `alter table products drop column note`),
			refused(`masked_column_expression`, `create index on users (email)`, `inside an expression: CREATE INDEX on a table with masked columns`),
			refused(`row_filter_unsafe`, `alter table orders add column note text`, `ALTER TABLE is not permitted on table "orders", which has a row filter`),
			refused(`statement_not_allowed`, `alter table products rename to wares`, `renaming or moving is not permitted`),
		}},
	}
}

func TestMigrations(t *testing.T) { try(t, migrations()) }
