-- The tables of TPC-H with a little of our own data: 40 suppliers, 400 parts,
-- 300 customers, 3000 orders, about 13,000 lines. The same rows every time.
create table region (r_regionkey int primary key, r_name char(25) not null, r_comment varchar(152));
create table nation (n_nationkey int primary key, n_name char(25) not null, n_regionkey int not null references region, n_comment varchar(152));
create table supplier (
  s_suppkey int primary key, s_name char(25) not null, s_address varchar(40) not null, s_nationkey int not null references nation,
  s_phone char(15) not null, s_acctbal numeric(15, 2) not null, s_comment varchar(101) not null);
create table part (
  p_partkey int primary key, p_name varchar(55) not null, p_mfgr char(25) not null, p_brand char(10) not null, p_type varchar(25) not null,
  p_size int not null, p_container char(10) not null, p_retailprice numeric(15, 2) not null, p_comment varchar(23) not null);
create table partsupp (
  ps_partkey int references part, ps_suppkey int references supplier, ps_availqty int not null, ps_supplycost numeric(15, 2) not null,
  ps_comment varchar(199) not null, primary key (ps_partkey, ps_suppkey));
create table customer (
  c_custkey int primary key, c_name varchar(25) not null, c_address varchar(40) not null, c_nationkey int not null references nation,
  c_phone char(15) not null, c_acctbal numeric(15, 2) not null, c_mktsegment char(10) not null, c_comment varchar(117) not null);
create table orders (
  o_orderkey int primary key, o_custkey int not null references customer, o_orderstatus char(1) not null check (o_orderstatus in ('F', 'O', 'P')),
  o_totalprice numeric(15, 2) not null, o_orderdate date not null, o_orderpriority char(15) not null, o_clerk char(15) not null,
  o_shippriority int not null, o_comment varchar(79) not null);
create table lineitem (
  l_orderkey int references orders, l_partkey int not null, l_suppkey int not null, l_linenumber int,
  l_quantity numeric(15, 2) not null, l_extendedprice numeric(15, 2) not null, l_discount numeric(15, 2) not null, l_tax numeric(15, 2) not null,
  l_returnflag char(1) not null, l_linestatus char(1) not null, l_shipdate date not null, l_commitdate date not null, l_receiptdate date not null,
  l_shipinstruct char(25) not null, l_shipmode char(10) not null, l_comment varchar(44) not null,
  primary key (l_orderkey, l_linenumber), foreign key (l_partkey, l_suppkey) references partsupp);
create index on lineitem (l_partkey, l_suppkey);
create index on lineitem (l_shipdate);
create index on orders (o_custkey);
create index on orders (o_orderdate);

-- pick draws a number below k, the same for the same n and salt; one_of an element.
create function pick(n bigint, salt int, k int) returns int language sql immutable
  return (abs(hashint8extended(n, salt) % k))::int;
create function one_of(n bigint, salt int, choices text[]) returns text language sql immutable
  return choices[1 + pick(n, salt, cardinality(choices))];

insert into region
  select i - 1, name, 'a region' from unnest(array['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST']) with ordinality r(name, i);
insert into nation
  select i - 1, name, (region - 1), 'a nation' from unnest(
    array['ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA', 'IRAN', 'IRAQ', 'JAPAN', 'JORDAN',
          'KENYA', 'MOROCCO', 'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA', 'SAUDI ARABIA', 'VIETNAM', 'RUSSIA', 'UNITED KINGDOM', 'UNITED STATES'],
    array[1, 2, 2, 2, 5, 1, 4, 4, 3, 3, 5, 5, 3, 5, 1, 1, 1, 2, 3, 4, 5, 3, 4, 4, 2]) with ordinality n(name, region, i);
insert into supplier
  select i, 'Supplier#' || lpad(i::text, 9, '0'), 'dock ' || pick(i, 1, 900), i % 25, 10 + i % 25 || '-' || lpad(pick(i, 2, 1000000)::text, 7, '0'),
    pick(i, 3, 1100000) / 100.0 - 1000, case when i % 13 = 0 then 'many Customer letters, some Complaints' else 'quick and careful' end
  from generate_series(1, 40) i;
insert into part
  select i, one_of(i, 1, array['forest', 'green', 'almond', 'navy', 'misty']) || ' ' || one_of(i, 2, array['green', 'ivory', 'lace', 'rose', 'steel']),
    'Manufacturer#' || 1 + i % 5, 'Brand#' || one_of(i, 3, array['12', '23', '34', '45', '51']),
    one_of(i, 4, array['ECONOMY', 'STANDARD', 'PROMO', 'MEDIUM']) || ' ' || one_of(i, 5, array['ANODIZED', 'POLISHED', 'BURNISHED']) || ' ' || one_of(i, 6, array['STEEL', 'BRASS', 'TIN']),
    one_of(i, 7, array['1', '3', '5', '9', '14', '15', '19', '23', '36', '45', '49', '50'])::int,
    one_of(i, 8, array['SM', 'MED', 'LG']) || ' ' || one_of(i, 9, array['CASE', 'BOX', 'BAG', 'PKG', 'PACK']), 900 + i % 200 + pick(i, 10, 100) / 100.0, 'made to order'
  from generate_series(1, 400) i;
insert into partsupp
  select p, 1 + (p + s * 11) % 40, 1 + pick(p * 4 + s, 1, 9999), 1 + pick(p * 4 + s, 2, 99900) / 100.0, 'kept in stock'
  from generate_series(1, 400) p, generate_series(0, 3) s;
insert into customer
  select i, 'Customer#' || lpad(i::text, 9, '0'), 'street ' || pick(i, 1, 900), i % 25, 10 + i % 25 || '-' || lpad(pick(i, 2, 1000000)::text, 7, '0'),
    pick(i, 3, 1100000) / 100.0 - 1000, one_of(i, 4, array['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'HOUSEHOLD', 'MACHINERY']), 'pays ' || one_of(i, 5, array['late', 'early'])
  from generate_series(1, 300) i;
insert into orders -- a third of the customers have none; status and price follow from the lines
  select i, 3 * pick(i, 1, 100) + 1 + pick(i, 2, 2), 'P', 0, date '1992-01-01' + pick(i, 3, 2406), one_of(i, 4, array['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW']),
    'Clerk#' || lpad(pick(i, 5, 100)::text, 9, '0'), 0, case when pick(i, 6, 20) = 0 then 'asks special care of requests' else 'an order' end
  from generate_series(1, 3000) i;
insert into lineitem -- every fiftieth order is a large one
  select o_orderkey, part, 1 + (part + pick(n, 2, 4) * 11) % 40, line, quantity, quantity * (900 + part % 200), pick(n, 3, 11) / 100.0, pick(n, 4, 9) / 100.0,
    case when received > date '1995-06-17' then 'N' when pick(n, 5, 2) = 0 then 'R' else 'A' end, case when shipped > date '1995-06-17' then 'O' else 'F' end,
    shipped, o_orderdate + 30 + pick(n, 6, 61), received,
    one_of(n, 7, array['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN']), one_of(n, 8, array['AIR', 'AIR REG', 'MAIL', 'SHIP', 'RAIL', 'TRUCK', 'FOB']), 'a line'
  from orders, generate_series(1, case when o_orderkey % 50 = 0 then 7 else 1 + pick(o_orderkey, 9, 7) end) line,
    lateral (select o_orderkey * 8::bigint + line as n) a,
    lateral (select 1 + pick(n, 10, 400) as part, case when o_orderkey % 50 = 0 then 44 + pick(n, 11, 7) else 1 + pick(n, 11, 50) end as quantity,
      o_orderdate + 1 + pick(n, 12, 121) as shipped) b,
    lateral (select shipped + 1 + pick(n, 13, 30) as received) c;
update orders set o_totalprice = total, o_orderstatus = status from (
  select l_orderkey, sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) as total,
    case when bool_and(l_linestatus = 'F') then 'F' when bool_and(l_linestatus = 'O') then 'O' else 'P' end as status
  from lineitem group by l_orderkey) l where l_orderkey = o_orderkey;
drop function pick, one_of;
analyze;
