-- One of everything that a tool may describe.
create schema sales;
create type mood as enum ('sad', 'ok', 'happy');
create type address as (street text, zip text);
create type span as range (subtype = numeric);
create domain positive as int default 1 check (value > 0);
create sequence ticket increment 5 start 100;
create collation german (provider = icu, locale = 'de-DE');
create table staff (
  id int generated always as identity primary key, name varchar(40) not null unique, mood mood default 'ok', home address, seats positive, days span,
  boss int references staff on delete set null, tags text[] default '{}', notes jsonb, hired timestamptz default now(), salary numeric(10, 2),
  initials text generated always as (left(name, 1)) stored, name_in_german text collate german,
  constraint not_own_boss check (boss <> id), exclude using gist (days with &&));
create index staff_lower on staff (lower(name)) where salary > 0;
create index staff_notes on staff using gin (notes);
create index staff_included on staff (name desc nulls last) include (mood);
create statistics staff_together (dependencies, ndistinct) on name, mood from staff;
alter table staff enable row level security;
create policy everybody on staff for select using (true);
insert into staff (name, seats) values ('Ada', 2), ('Grace', 3);
create table sales.visit (id bigint, day date not null, staff_id int references staff, primary key (id, day)) partition by range (day);
create table sales.visit_2025 partition of sales.visit for values from ('2025-01-01') to ('2026-01-01');
create table sales.visit_2026 partition of sales.visit for values from ('2026-01-01') to ('2027-01-01');
create table sales.visit_other partition of sales.visit default;
create table parent (a int);
create table child (b int) inherits (parent);
create unlogged table scratch (a int) with (fillfactor = 70);
create view open_orders as select o_orderkey, o_orderdate from orders where o_orderstatus = 'O' with check option;
create view supplier_addresses with (security_barrier) as select s_suppkey, s_name, s_address from supplier;
create materialized view revenue_by_nation as
  select n_name, sum(l_extendedprice * (1 - l_discount)) as revenue from lineitem join supplier on s_suppkey = l_suppkey join nation on n_nationkey = s_nationkey group by n_name;
create unique index revenue_by_nation_name on revenue_by_nation (n_name);
create function add(a int, b int default 1) returns int language sql immutable strict as 'select a + b';
create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create procedure nothing(inout n int) language plpgsql as $$ begin n := 0; end $$;
create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0');
create operator === (leftarg = int, rightarg = int, function = int4eq, commutator = ===);
create cast (mood as int) with inout;
create trigger staff_touch before update of name on staff for each row when (old.name is distinct from new.name) execute function touch();
create rule no_deletes as on delete to parent do instead nothing;
create text search configuration plain (copy = simple);
create text search dictionary plain_words (template = simple, stopwords = english);
create conversion from_latin for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
create publication changes for table staff;
grant select on orders, nation to oracle_reader;
grant select (s_name, s_suppkey) on supplier to oracle_reader;
alter default privileges in schema sales grant select on tables to oracle_reader;
comment on table orders is 'What customers bought';
comment on column orders.o_orderstatus is 'F(inished), O(pen) or P(artly)';
comment on function add(int, int) is 'Adds';
comment on constraint not_own_boss on staff is 'Nobody is their own boss';
comment on schema sales is 'Who visited whom';
comment on type mood is 'How it is going';
analyze;
