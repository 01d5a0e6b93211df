package policy

import (
	"strings"
)

// schema is what every case finds. What some profile hides has values that
// occur nowhere else: texts that begin with "mark-", and numbers of many
// digits. A case may create things in the schema scratch, which is emptied
// after it.
const schema = `
create type plan as enum ('free', 'team', 'scale');
create type order_state as enum ('open', 'paid', 'void');
create table tenants (id int primary key, name text not null, plan plan not null);
create table users (
  id int primary key, tenant_id int not null references tenants, name text not null, email varchar(60) unique, ssn char(14),
  salary numeric(12,2), badge int unique, photo bytea, tags text[], born date, manager_id int references users,
  constraint sane check (salary is null or salary > 0));
create table orders (
  id int primary key, tenant_id int not null references tenants, user_id int references users, item text not null,
  amount numeric(12,2) not null, qty int not null, state order_state not null default 'open', placed date,
  constraint one_item unique (tenant_id, item));
create index orders_by_tenant on orders (tenant_id);
create table lines (order_id int references orders, sku text, qty int not null, primary key (order_id, sku));
create table products (id int primary key, name text unique, price numeric(8,2) check (price >= 0));
create table keys (id int primary key, label text, value text);
create domain label as text;
create table regions (id int primary key, name text);
create table shops (id int primary key, region_id int references regions on update cascade on delete set null, motto label);
create table shelves (id int primary key, shop_id int references shops on delete cascade, goods text);
create view territories as select id as code, name from regions;
create table "Customer Cards" ("Id" int primary key, "Card No" text, holder text);

create view directory as select id, name, email from users;
create view mailing as select id, lower(email) as address, name as "to" from users;
create view takings as select tenant_id, count(*) as n, sum(amount) as total from orders group by tenant_id;
create view key_labels as select id, label from keys;
create materialized view cards as select id, name || ' <' || email || '>' as card from users;
create view people as select * from users;

create table events (id int not null, tenant_id int not null, body text) partition by list (tenant_id);
create table events_1 partition of events for values in (1);
create table events_rest partition of events default;

create table notes (id int primary key, author text, body text);
create table old_notes (reason text) inherits (notes);

create sequence tickets start 100;
create function email_of(who int) returns text language sql stable as 'select email::text from users where id = who';
create function half(n numeric) returns numeric language sql immutable as 'select n / 2';
create function told(t text) returns boolean language plpgsql cost 0.0001 as $$ begin raise notice 'seen %', t; return true; end $$;
create function loud(t text) returns text language plpgsql as $$ begin raise notice 'seen %', t; return t; end $$;
create function reopen(n int) returns int language sql as 'update orders set state = ''open'' where id = n returning id';
create type account as (id int, email text);
create function account_of(who int) returns account language sql stable as 'select id, email::text from users where id = who';
create cast (int as account) with function account_of(int);
create function is_address(t text) returns boolean language sql stable as 'select exists (select from users where email = t)';
create domain address as text check (is_address(value));
create type letter as (sender address, body text);
create type reach as range (subtype = address);
create table letters (id int, sender address);
create type mood as enum ('calm');
create type tone as enum ('flat', 'sharp');
create function tone_of(m mood) returns tone language sql stable as 'select case when exists (select from users where email = ''mark-ann@mail.test'') then ''flat''::tone else ''sharp'' end';
create cast (mood as tone) with function tone_of(mood) as implicit;
create procedure close_order(n int) language sql as 'update orders set state = ''paid'' where id = n';

do $$ begin
  -- Computed when they are read since PostgreSQL 18, which is its default then.
  execute 'create table contacts (id int primary key, phone text, digits text generated always as (replace(phone, ''-'', '''')) '
    || case when current_setting('server_version_num')::int >= 180000 then '' else 'stored' end || ')';
end $$;
create view dialled as select id, digits, length(digits) as n from contacts;

create schema hr;
create table hr.payroll (user_id int primary key, iban text, amount numeric(12,2));
create table hr.users (id int primary key, nickname text);
create view hr.roster as select u.id, u.name, p.iban from users u join hr.payroll p on p.user_id = u.id;

create schema scratch;
`

// seed fills the tables, and empties what a case may have put into them.
const seed = `
set lock_timeout = '20s';
set client_min_messages = warning;
drop schema scratch cascade;
create schema scratch;
delete from lines; delete from orders; delete from users; delete from tenants; delete from products; delete from keys;
delete from shelves; delete from shops; delete from regions;
delete from "Customer Cards"; delete from events; delete from notes; delete from contacts; delete from hr.payroll; delete from hr.users;
alter sequence tickets restart;
insert into tenants values (1, 'acme', 'team'), (2, 'bolt', 'free'), (3, 'core', 'scale');
insert into users values
  (1, 1, 'ann', 'mark-ann@mail.test', 'mark-ssn-01', 7310001.25, 1910000017, convert_to('mark-photo-ann', 'UTF8'), '{mark-tag-ann}', '1980-01-01', null),
  (2, 1, 'bob', 'mark-bob@mail.test', 'mark-ssn-02', 7310002.50, 1910000029, convert_to('mark-photo-bob', 'UTF8'), '{mark-tag-bob,x}', '1981-02-02', 1),
  (3, 2, 'cyd', 'mark-cyd@mail.test', 'mark-ssn-03', 7310003.75, 1910000031, null, null, '1982-03-03', null),
  (4, 2, 'dee', null, null, null, null, null, '{}', null, 3);
insert into orders values
  (10, 1, 1, 'pen', 5.00, 2, 'paid', '2026-01-10'), (11, 1, 2, 'ink', 7.50, 1, 'open', '2026-01-11'), (12, 1, null, 'cap', 1.25, 4, 'void', '2026-01-12'),
  (20, 2, 3, 'mark-item-bolt', 8420001.00, 0, 'paid', '2026-01-20'), (21, 2, 4, 'mark-item-desk', 8420002.00, 1810000039, 'open', '2026-01-21'),
  (30, 3, 1, 'mark-item-core', 8420003.00, 3, 'open', '2026-01-30');
insert into lines values (10, 'p1', 1), (10, 'p2', 1), (11, 'i1', 1), (20, 'mark-sku-20', 5), (30, 'mark-sku-30', 6);
insert into products values (1, 'pen', 2.50), (2, 'ink', 7.50), (3, 'cap', 0.00);
insert into keys values (1, 'prod', 'mark-key-prod'), (2, 'test', 'mark-key-test');
insert into regions values (1, 'north'), (2, 'south');
insert into shops values (1, 1, 'open late'), (2, 2, 'mark-shop-south');
insert into shelves values (1, 1, 'tea'), (2, 2, 'mark-goods-south');
insert into "Customer Cards" values (1, 'mark-card-4111', 'ann'), (2, 'mark-card-5500', 'bob');
insert into events values (1, 1, 'login'), (2, 1, 'logout'), (3, 2, 'mark-event-bolt'), (4, 3, 'mark-event-core');
insert into notes values (1, 'ann', 'mark-note-ann'), (2, 'bob', 'mark-note-bob');
insert into old_notes values (3, 'cyd', 'mark-note-old', 'mark-reason-old');
insert into contacts values (1, 'mark-5550100001'), (2, 'mark-5550100002');
insert into hr.payroll values (1, 'mark-iban-1', 6550001.00), (2, 'mark-iban-2', 6550002.00);
insert into hr.users values (1, 'mark-nick-ann');
`

// filled is run once, when the tables are first filled.
const filled = `refresh materialized view cards`

// tables are all that hold rows of the fixture.
var tables = strings.Fields(`tenants users orders lines products keys regions shops shelves "Customer_Cards" events notes contacts hr.payroll hr.users`)

// statement is the SQL name of a table in tables.
func statement(table string) string { return strings.ReplaceAll(table, "_", " ") }

// fingerprint is one value that changes when anything of the fixture does:
// rows, sequences, settings of roles and the objects themselves.
func fingerprint() string {
	var parts []string
	for _, t := range tables {
		parts = append(parts, "(select string_agg(t::text, '/' order by t::text) from "+statement(t)+" t)")
	}
	parts = append(parts,
		"(select last_value::text || is_called from tickets)",
		"(select string_agg(concat(relname, relkind, relacl, relhastriggers), '/' order by c.oid) from pg_class c where relnamespace::regnamespace::text in ('public', 'hr', 'scratch') and relkind <> 'I')",
		"(select string_agg(concat(attname, atttypid, attnotnull, atthasdef), '/' order by attrelid, attnum) from pg_attribute a join pg_class c on c.oid = attrelid where relnamespace::regnamespace::text in ('public', 'hr', 'scratch') and attnum > 0 and not attisdropped)",
		"(select count(*)::text from pg_proc where pronamespace::regnamespace::text in ('public', 'hr', 'scratch'))",
		"(select count(*)::text from pg_largeobject_metadata)",
		"(select count(*)::text from pg_namespace where nspname not like 'pg_%')",
		"(select string_agg(obj_description(oid), '/' order by oid) from pg_class where relnamespace = 'public'::regnamespace)",
		"(select string_agg(setconfig::text, '/') from pg_db_role_setting)")
	return "select md5(concat_ws('#', " + strings.Join(parts, ",\n") + "))"
}
