package wire

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

func simpleCorpus() []script {
	q := func(s string) pgproto3.FrontendMessage { return &pgproto3.Query{String: s} }
	return []script{
		simple("one value", "select 1"),
		simple("no column", "select"),
		simple("no row", "select * from item where false"),
		simple("empty query", "", " ", ";", ";;", "-- a comment", "/* another */;"),
		simple("several statements", "select 1; select 2, 'b'; select 3 where false"),
		simple("several statements, some empty", "select 1;; ;select 2;"),
		simple("several statements, the second fails", "insert into item(name) values ('first'); select 1/0; select 3", "select count(*) from item"),
		simple("several statements around a transaction", "begin; insert into item(name) values ('x'); commit; select count(*) from item", "select 1; begin; select 2", "rollback"),
		simple("syntax error", "selec 1", "select 1"),
		simple("errors with position, detail, hint and constraint",
			"select nam from item", "select 'x'::int", "insert into item(id, name) values (1, 'twice')", "insert into part(item_id) values (99999)",
			"insert into item(name, price) values ('cheap', -1)", "insert into item(name) values (null)", "select * from nowhere", "select nofunc(1)",
			"select cast(99999999999 as int)", "update item set id = 2 where id = 1"),
		simple("unicode and quoting", `select 'čaj, 茶, 🍵' as "straße", E'a\tb\n\'c\'', $$dollar 'quoted'$$, U&'\0041'`),
		simple("nulls and empty strings", "select null, '', null::int, array[null, '']::text[], row(null, '')"),
		simple("every type as text", "select * from sample order by id"),
		simple("long names", "select 1 as "+strings.Repeat("x", 63)+", 2 as "+strings.Repeat("y", 80)),
		simple("1600 columns", "select "+strings.TrimSuffix(strings.Repeat("1,", 1600), ",")),
		simple("ten thousand rows", "select i, repeat('x', i % 97), i::numeric / 7 from generate_series(1, 10000) i"),
		simple("one value of eight megabytes", "select repeat('abcdefgh', 1048576)"),
		simple("a statement of four megabytes", "select length('"+strings.Repeat("z", 4<<20)+"')"),
		simple("notices", "do $$ begin raise notice 'n %', 1; raise warning 'w' using hint = 'h', detail = 'd'; raise info 'i'; end $$",
			"drop table if exists nowhere", "set client_min_messages = debug1", "do $$ begin raise debug 'd'; raise log 'l'; end $$", "set client_min_messages = error", "drop table if exists nowhere"),
		simple("raised errors", "do $$ begin raise exception 'e' using errcode = 'P0042', hint = 'h', detail = 'd', table = 'item', column = 'name'; end $$",
			"do $$ begin perform 1/0; exception when division_by_zero then raise notice 'caught'; end $$"),
		simple("writes", "insert into item(name) values ('a'), ('b') returning id, name", "update item set price = price + 1 where id < 3 returning *", "delete from item where name = 'a'", "delete from item where false",
			"insert into item(id, name) values (1, 'x') on conflict (id) do update set name = excluded.name returning name", "truncate item cascade"),
		simple("merge and common table expressions", "with w as (insert into item(name) values ('cte') returning id) select count(*) from w",
			"merge into item i using (values (1, 'm')) v(id, name) on i.id = v.id when matched then update set name = v.name when not matched then insert (name) values (v.name)"),
		simple("transactions", "begin", "insert into item(name) values ('in')", "select count(*) from item", "rollback", "select count(*) from item", "begin", "insert into item(name) values ('in')", "commit", "select count(*) from item"),
		simple("failed transaction", "begin", "select 1/0", "select 1", "select 2; select 3", "", "rollback", "select 1"),
		simple("commit of a failed transaction", "begin", "select 1/0", "commit", "select 1"),
		simple("savepoints", "begin", "savepoint a", "select 1/0", "rollback to a", "select 1", "release a", "savepoint b", "commit"),
		simple("transaction warnings", "commit", "rollback", "begin", "begin", "end", "begin isolation level serializable read only", "insert into item(name) values ('x')", "rollback",
			"begin", "set transaction isolation level repeatable read", "select 1", "set transaction isolation level serializable", "abort"),
		simple("deferred constraint fails at commit", "begin", "insert into part(item_id) values (4711)", "set constraints all immediate", "commit"),
		simple("chained transactions", "begin", "commit and chain", "rollback and chain", "rollback"),
		simple("prepared by SQL", "prepare p(int, text) as select $1 + 1, $2", "execute p(1, 'x')", "execute p('bad', 'x')", "prepare p as select 1", "deallocate p", "execute p(1, 'x')", "prepare q as insert into item(name) values ($1) returning id", "execute q('z')", "explain (costs off) execute q('z')", "deallocate all"),
		simple("cursors", "begin", "declare c cursor for select i from generate_series(1, 10) i", "fetch 3 from c", "move 2 in c", "fetch all from c", "fetch next from c", "close c", "fetch c", "rollback",
			"declare outside cursor for select 1", "begin", "declare s scroll cursor with hold for select i from generate_series(1, 5) i", "fetch last from s", "fetch prior from s", "fetch absolute 2 from s", "commit", "fetch backward all from s", "close s"),
		simple("temporary tables", "create temp table tmp(a int, b text)", "insert into tmp values (1, 'x')", "select * from tmp", "create temp table tmp(a int)", "drop table tmp", "select * from tmp"),
		simple("definitions", "create table made(a int primary key, b text default 'x')", "comment on table made is 'c'", "alter table made add c numeric", "insert into made values (1)", "select * from made", "create index on made(c)", "create view made_view as select a from made", "select * from made_view", "drop table made", "drop table made cascade", "select * from made"),
		simple("utilities", "explain (costs off) select * from item where id = 1", "explain (costs off, format json) select 1", "analyze item", "show all_the_wrong", "show search_path", "vacuum item", "begin", "vacuum item", "rollback", "lock table item", "reindex table item", "checkpoint"),
		simple("procedures", "call bump(3)", "call bump(null)", "call nowhere()"),
		simple("large objects by SQL", "select lo_create(4242)", "begin", "select lo_open(4242, 393216)", "select lowrite(0, '\\xdeadbeef')", "select lo_lseek(0, 0, 0)", "select loread(0, 100)", "select lo_close(0)", "commit", "select lo_get(4242)", "select lo_unlink(4242)", "select lo_open(4242, 262144)"),
		simple("statement timeout", "set statement_timeout = 50", "select pg_sleep(20)", "set statement_timeout = 0", "select 1"),
		simple("lock timeout in a transaction", "begin", "set local lock_timeout = 50", "select 1/0", "rollback", "show lock_timeout"),
		simple("advisory locks", "select pg_advisory_lock(77)", "select pg_try_advisory_lock(77)", "select pg_advisory_unlock(77), pg_advisory_unlock(77), pg_advisory_unlock(77)"),
		simple("sequences of the session", "select currval('item_id_seq')", "select nextval('item_id_seq')", "select currval('item_id_seq'), lastval()"),
		{name: "the session ends itself", ends: true, steps: []step{hangup(q("select pg_terminate_backend(pg_backend_pid())"))}},
		{name: "idle in transaction too long", ends: true, steps: []step{ready(1, q("set idle_in_transaction_session_timeout = 100")), ready(1, q("begin")), hangup()}},
		{name: "idle too long", ends: true, steps: []step{ready(1, q("set idle_session_timeout = 100")), hangup()}},
		{name: "terminate", ends: true, steps: []step{ready(1, q("select 1")), hangup(&pgproto3.Terminate{})}},
		{name: "terminate right behind a statement", ends: true, steps: []step{hangup(q("insert into item(name) values ('last')"), &pgproto3.Terminate{})}},
		pipelined("simple queries in one write", 4, q("select 1"), q("select 1/0"), q("select 2; select 3"), q("")),
		pipelined("a transaction in one write", 5, q("begin"), q("insert into item(name) values ('p')"), q("select 1/0"), q("select 5"), q("rollback")),
	}
}

// sessionCorpus is what belongs to a session: settings, reports, notifications.
func sessionCorpus() []script {
	q := func(s string) pgproto3.FrontendMessage { return &pgproto3.Query{String: s} }
	return []script{
		simple("reported settings", "set application_name = 'oracle'", "set datestyle = 'SQL, DMY'", "select date '2026-11-22'", "set timezone = 'Asia/Kathmandu'", "select timestamptz '2026-11-22 00:00Z'",
			"set intervalstyle = iso_8601", "select interval '1 day 2 hours'", "set standard_conforming_strings = off", "select 'a\\nb'", "reset all"),
		simple("client encoding", "set client_encoding = 'LATIN1'", "select 'é'", "select chr(8364)", "set names 'UTF8'", "select chr(8364)", "set client_encoding = 'nonsense'"),
		simple("settings that roll back", "begin", "set application_name = 'inside'", "set local timezone = 'UTC'", "rollback", "show application_name", "begin", "set application_name = 'kept'", "commit", "show application_name"),
		simple("unreported settings", "set extra_float_digits = 0", "select 0.1::float8 + 0.2", "set bytea_output = escape", "select '\\x00ff41'::bytea", "set work_mem = '1MB'", "show work_mem", "set nonsense = 1", "set my.own = 'x'", "show my.own", "select set_config('my.own', 'y', false), current_setting('my.own')"),
		simple("search path", "create schema if not exists other", "set search_path = other", "select * from item", "create table here(a int)", "reset search_path", "select * from other.here", "drop schema other cascade"),
		simple("roles", "select current_user, session_user", "set role oracle_reader", "select current_user", "insert into item(name) values ('x')", "reset role", "set role nobody_at_all", "set session authorization default"),
		simple("discard", "prepare p as select 1", "create temp table tmp(a int)", "set timezone = 'UTC'", "discard all", "execute p", "select * from tmp", "begin", "discard all", "rollback", "discard plans", "discard temp"),
		simple("notify itself", "listen here", "notify here, 'payload'", "select pg_notify('here', 'by function')", "begin", "notify here, 'in transaction'", "notify here, 'in transaction'", "select 1", "commit", "unlisten here", "notify here, 'nobody'"),
		simple("notifications of several channels", "listen a", "listen \"B c\"", "begin; notify a; notify \"B c\", 'x'; commit", "begin", "notify a, 'never'", "rollback", "unlisten *"),
		{name: "a notification behind a pipeline", steps: []step{
			ready(1, q("listen pipe")),
			ready(2, &pgproto3.Parse{Query: "notify pipe, 'one'"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}, q("select 1")),
		}},
	}
}
