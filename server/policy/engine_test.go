package policy

import (
	"strings"
	"testing"
)

func mustCompile(t testing.TB, p Profile, c *Catalog) *Engine {
	t.Helper()
	e, err := Compile(p, c)
	if err != nil {
		t.Fatalf("compile %+v: %v", p, err)
	}
	return e
}

// ruling is one line of a table of decisions; rule "ok" is permission.
type ruling struct {
	sql, rule string
}

func check(t *testing.T, e *Engine, cases []ruling) {
	t.Helper()
	for _, c := range cases {
		d := e.Evaluate(c.sql)
		if d.Rule != c.rule {
			t.Errorf("%s\n  rule %s (%s), want %s", c.sql, d.Rule, d.Reason, c.rule)
			continue
		}
		if blocked := d.Verdict == Block; blocked != (c.rule != "ok") {
			t.Errorf("%s\n  verdict %s with rule %s", c.sql, d.Verdict, d.Rule)
		}
		if d.Verdict == Block && (d.SQL != "" || d.Reason == "") {
			t.Errorf("%s\n  refused with text %q, reason %q", c.sql, d.SQL, d.Reason)
		}
		if d.Verdict == Allow && d.SQL != c.sql {
			t.Errorf("%s\n  permitted, but as %q", c.sql, d.SQL)
		}
	}
}

func TestReadOnlyPermitsReadingAndNothingElse(t *testing.T) {
	check(t, mustCompile(t, Profile{ReadOnly: true}, nil), []ruling{
		{"SELECT 1", "ok"},
		{"select * from orders where id = $1", "ok"},
		{"VALUES (1), (2)", "ok"},
		{"TABLE orders", "ok"},
		{"WITH a AS (SELECT 1) SELECT * FROM a", "ok"},
		{"SELECT 1 UNION SELECT 2 INTERSECT SELECT 3", "ok"},
		{"SHOW server_version", "ok"},
		{"SHOW ALL", "ok"},
		{"EXPLAIN SELECT * FROM orders", "ok"},
		{"EXPLAIN ANALYZE SELECT * FROM orders", "ok"},
		{"EXPLAIN (ANALYZE off) SELECT 1", "ok"},
		{"BEGIN", "ok"},
		{"BEGIN READ ONLY", "ok"},
		{"BEGIN ISOLATION LEVEL REPEATABLE READ", "ok"},
		{"START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", "ok"},
		{"COMMIT", "ok"},
		{"ROLLBACK TO SAVEPOINT s", "ok"},
		{"SAVEPOINT s", "ok"},
		{"BEGIN; SELECT 1; COMMIT", "ok"},
		{"DECLARE c CURSOR FOR SELECT * FROM orders", "ok"},
		{"FETCH 10 FROM c", "ok"},
		{"CLOSE c", "ok"},
		{"SET TRANSACTION READ ONLY", "ok"},
		{"SET transaction_read_only = on", "ok"},
		{"SELECT currval('s')", "ok"},

		{"INSERT INTO orders VALUES (1)", "read_only"},
		{"UPDATE orders SET a = 1 WHERE id = 1", "read_only"},
		{"DELETE FROM orders WHERE id = 1", "read_only"},
		{"MERGE INTO orders o USING n ON o.id = n.id WHEN MATCHED THEN DELETE", "read_only"},
		{"CREATE TABLE t (a int)", "read_only"},
		{"CREATE TEMP TABLE t AS SELECT 1", "read_only"},
		{"SELECT * INTO t FROM orders", "read_only"},
		{"SELECT 1 INTO t UNION SELECT 2", "read_only"},
		{"CREATE VIEW v AS SELECT 1", "read_only"},
		{"CREATE INDEX ON orders (id)", "read_only"},
		{"ALTER TABLE orders ADD COLUMN x int", "read_only"},
		{"GRANT SELECT ON orders TO PUBLIC", "read_only"},
		{"COMMENT ON TABLE orders IS 'x'", "read_only"},
		{"VACUUM orders", "read_only"},
		{"ANALYZE orders", "read_only"},
		{"REINDEX TABLE orders", "read_only"},
		{"REFRESH MATERIALIZED VIEW m", "read_only"},
		{"WITH d AS (DELETE FROM orders WHERE id = 1 RETURNING *) SELECT * FROM d", "read_only"},
		{"SELECT * FROM (WITH d AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM d) x", "read_only"},
		{"EXPLAIN ANALYZE DELETE FROM orders WHERE id = 1", "read_only"},
		{"EXPLAIN (ANALYZE true) UPDATE orders SET a = 1 WHERE id = 2", "read_only"},
		{"EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "read_only"},
		{"EXPLAIN UPDATE orders SET a = 1 WHERE id = 2", "read_only"},
		{"BEGIN READ WRITE", "read_only"},
		{"START TRANSACTION READ WRITE", "read_only"},
		{"SET TRANSACTION READ WRITE", "read_only"},
		{"SET transaction_read_only = off", "read_only"},
		{"SET LOCAL transaction_read_only TO 'false'", "read_only"},
		{"RESET transaction_read_only", "read_only"},
		{"SELECT nextval('s')", "read_only"},
		{"SELECT pg_catalog.setval('s', 1)", "read_only"},
		{"SELECT 1; INSERT INTO t VALUES (1)", "read_only"},
		{"SELECT * FROM orders FOR UPDATE", "locking_select"},
		{"SELECT * FROM (SELECT * FROM orders FOR SHARE SKIP LOCKED) x", "locking_select"},
		{"WITH a AS (SELECT * FROM orders FOR NO KEY UPDATE) SELECT * FROM a", "locking_select"},
		{"CALL p()", "statement_not_allowed"},
	})
}

func TestFloorNoPolicyLifts(t *testing.T) {
	check(t, mustCompile(t, Profile{}, nil), []ruling{
		{"INSERT INTO orders VALUES (1)", "ok"},
		{"INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", "ok"},
		{"UPDATE orders SET a = 1 WHERE id = 1", "ok"},
		{"DELETE FROM orders WHERE CURRENT OF c", "ok"},
		{"DELETE FROM orders USING old WHERE orders.id = old.id", "ok"},
		{"MERGE INTO orders o USING n ON o.id = n.id WHEN MATCHED THEN UPDATE SET a = n.a", "ok"},
		{"SELECT * FROM orders FOR UPDATE", "ok"},
		{"CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT lower('X'))", "ok"},
		{"CREATE INDEX CONCURRENTLY ON orders (id)", "ok"},
		{"ALTER TABLE orders DROP COLUMN a", "ok"},
		{"CREATE TYPE mood AS ENUM ('sad')", "ok"},
		{"SELECT my_function(1)", "ok"},
		{"BEGIN READ WRITE; UPDATE orders SET a = 1 WHERE id = 1; COMMIT", "ok"},
		{"SELECT nextval('s')", "ok"},
		{"DEALLOCATE ALL", "ok"},

		{"DO $$ BEGIN DELETE FROM orders; END $$", "statement_not_allowed"},
		{"CALL anything()", "statement_not_allowed"},
		{"UPDATE orders SET a = 1", "whereless_write"},
		{"DELETE FROM orders", "whereless_write"},
		{"DELETE FROM orders WHERE true", "whereless_write"},
		{"DELETE FROM orders WHERE 1 = 1", "whereless_write"},
		{"DELETE FROM orders WHERE $1", "whereless_write"},
		{"DELETE FROM orders WHERE 1 = 1 OR id = 2", "whereless_write"},
		{"DELETE FROM orders WHERE id = 1 OR (id = 2 OR true)", "whereless_write"},
		{"MERGE INTO orders o USING (VALUES (1)) v (x) ON true WHEN MATCHED THEN DELETE", "whereless_write"},
		{"MERGE INTO orders o USING (VALUES (1)) v (x) ON 1 = 1 WHEN MATCHED THEN UPDATE SET a = 1", "whereless_write"},
		{"MERGE INTO orders o USING (VALUES (1)) v (x) ON true WHEN MATCHED AND o.id = 1 THEN DELETE", "ok"},
		{"MERGE INTO orders o USING (VALUES (1)) v (x) ON o.id = v.x WHEN MATCHED THEN DELETE", "ok"},
		{"MERGE INTO orders o USING (VALUES (1)) v (x) ON false WHEN NOT MATCHED THEN INSERT (a) VALUES (1)", "ok"},
		{"DELETE FROM orders WHERE (1 = 1 OR id = 2) AND id > 3", "ok"},
		{"DELETE FROM orders WHERE id = 1 OR id = 2", "ok"},
		{"EXPLAIN ANALYZE DELETE FROM orders", "whereless_write"},
		{"WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d", "whereless_write"},
		{"DROP TABLE orders", "destructive_ddl"},
		{"DROP INDEX CONCURRENTLY i", "destructive_ddl"},
		{"DROP VIEW IF EXISTS v", "destructive_ddl"},
		{"DROP SCHEMA public CASCADE", "destructive_ddl"},
		{"DROP DATABASE d", "destructive_ddl"},
		{"DROP ROLE r", "destructive_ddl"},
		{"DROP OWNED BY r", "destructive_ddl"},
		{"TRUNCATE orders", "destructive_ddl"},
		{"SELECT 1; DROP TABLE orders", "destructive_ddl"},
		{"COPY orders TO STDOUT", "statement_not_allowed"},
		{"COPY orders FROM STDIN", "statement_not_allowed"},
		{"COPY (SELECT 1) TO PROGRAM 'sh'", "statement_not_allowed"},
		{"LISTEN c", "statement_not_allowed"},
		{"NOTIFY c, 'x'", "statement_not_allowed"},
		{"LOCK TABLE orders", "statement_not_allowed"},
		{"PREPARE TRANSACTION 'x'", "statement_not_allowed"},
		{"COMMIT PREPARED 'x'", "statement_not_allowed"},
		{"PREPARE p AS SELECT 1; EXECUTE p", "statement_not_allowed"},
		{"SELECT 1; EXECUTE p", "statement_not_allowed"},
		{"PREPARE p AS DELETE FROM t", "whereless_write"},
		{"PREPARE p AS SELECT pg_read_file('x')", "function_not_allowed"},
		{"EXECUTE p(pg_read_file('x'))", "function_not_allowed"},
		{"EXPLAIN ANALYZE EXECUTE p", "statement_not_allowed"},
		{"CREATE TABLE t AS EXECUTE p", "statement_not_allowed"},
		{"LOAD 'x'", "statement_not_allowed"},
		{"CHECKPOINT", "statement_not_allowed"},
		{"ALTER SYSTEM SET work_mem = '1GB'", "statement_not_allowed"},
		{"ALTER ROLE me SET row_security = off", "statement_not_allowed"},
		{"ALTER DATABASE d SET search_path = x", "statement_not_allowed"},
		{"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "statement_not_allowed"},
		{"CREATE EXTENSION dblink", "statement_not_allowed"},
		{"CREATE RULE r AS ON SELECT TO t DO INSTEAD SELECT 1", "statement_not_allowed"},
		{"CREATE SERVER s FOREIGN DATA WRAPPER w", "statement_not_allowed"},
		{"CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)", "statement_not_allowed"},
		{"CREATE OPERATOR = (FUNCTION = f, LEFTARG = int)", "statement_not_allowed"},
		{"GRANT pg_read_all_data TO me", "statement_not_allowed"},
		{"UPDATE pg_settings SET setting = 'off' WHERE name = 'row_security'", "table_denied"},
		{"UPDATE pg_catalog.pg_class SET relname = 'x' WHERE relname = 'y'", "table_denied"},
		{"CREATE TEMP VIEW v AS SELECT * FROM pg_settings", "table_denied"},
		{"CREATE SCHEMA s CREATE VIEW v AS SELECT * FROM pg_settings", "statement_not_allowed"},
		{"CREATE SCHEMA s", "ok"},
	})
}

func TestTextsThatAreNoStatement(t *testing.T) {
	e := mustCompile(t, Profile{}, nil)
	check(t, e, []ruling{
		{"", "empty"},
		{" \n\t", "empty"},
		{"-- nothing", "empty"},
		{"/* nothing */ ;", "empty"},
		{"SELEC 1", "parse_error"},
		{"SELECT * FROM", "parse_error"},
		{"SELECT 'open", "parse_error"},
		{"/* open", "parse_error"},
		{"SELECT 1\x00; DROP TABLE t", "parse_error"},
		{"SELECT '\xff'", "parse_error"},
		{"SELECT " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), "parse_error"},
		{"SELECT 1" + strings.Repeat("+1", 100000), "parse_error"},
		{"SELECT " + strings.Repeat("- ", 100000) + "1", "parse_error"},
		{"SELECT 1" + strings.Repeat(" UNION SELECT 1", 100000/16), "parse_error"},
		{"SELECT " + strings.Repeat("case when ", 2000) + "true" + strings.Repeat(" then 1 end", 2000), "parse_error"},
		{"SELECT * FROM a" + strings.Repeat(" CROSS JOIN b", 1000), "parse_error"},
		{"SELECT " + strings.Repeat("not ", 1000) + "true", "parse_error"},
		{"SELECT 1" + strings.Repeat("; SELECT 1", 600), "parse_error"},
		// Words that are names: PostgreSQL's parser would run out of stack.
		{"SELECT " + strings.Repeat("t.and + ", 100000) + "1 FROM t", "parse_error"},
		{"SELECT " + strings.Repeat("t . /* */ or+", 50000) + "1 FROM t", "parse_error"},
		{"SELECT " + strings.Repeat("(r).then+", 50000) + "1 FROM t", "parse_error"},
		{"SELECT " + strings.Repeat("$1.else+", 50000) + "1 FROM t", "parse_error"},
		{"SELECT " + strings.Repeat("CASE WHEN t.end + ", 20000) + "1 FROM t", "parse_error"},
		{"SELECT 1." + strings.Repeat(" UNION SELECT 1.", 20000), "parse_error"},
		{"SELECT 1." + strings.Repeat(" IS NULL = 1.", 20000), "parse_error"},
		{"SELECT '" + strings.Repeat("x", MaxBytes) + "'", "parse_error"},

		{"SELECT 1 IN (" + strings.Repeat("-1,", 20000) + "1)", "ok"},
		{"SELECT true" + strings.Repeat(" AND a = 1", 5000) + " FROM t", "ok"},
		{"SELECT true" + strings.Repeat(" AND t.a = t.\"b\"", 5000) + " FROM t", "ok"},
		{"SELECT CASE" + strings.Repeat(" WHEN a = 1 THEN b + 1", 2000) + " ELSE 1 END FROM t", "ok"},
		{"SELECT true" + strings.Repeat(" OR (a = 1 AND b = 2)", 2000) + " FROM t", "ok"},
		{"SELECT '" + strings.Repeat("((((", 2000) + "', $$((((" + strings.Repeat("(", 2000) + "$$ -- " + strings.Repeat("(", 2000), "ok"},
		{"SELECT 1" + strings.Repeat("; SELECT 1", 400), "ok"},
	})
}

func TestStatementRules(t *testing.T) {
	check(t, mustCompile(t, Profile{AllowStatements: []string{"select", "insert", "explain"}}, nil), []ruling{
		{"SELECT 1", "ok"},
		{"INSERT INTO t VALUES (1)", "ok"},
		{"EXPLAIN SELECT 1", "ok"},
		{"EXPLAIN ANALYZE INSERT INTO t VALUES (1)", "ok"},
		{"WITH i AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM i", "ok"},
		{"SHOW timezone", "statement_not_allowed"},
		{"BEGIN", "statement_not_allowed"},
		{"UPDATE t SET a = 1 WHERE b = 2", "statement_not_allowed"},
		{"INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1", "statement_not_allowed"},
		{"EXPLAIN ANALYZE DELETE FROM t WHERE a = 1", "statement_not_allowed"},
		{"WITH d AS (DELETE FROM t WHERE a = 1 RETURNING *) SELECT * FROM d", "statement_not_allowed"},
		{"SELECT 1 INTO t", "statement_not_allowed"},
		{"MERGE INTO t USING n ON t.a = n.a WHEN NOT MATCHED THEN INSERT VALUES (1)", "ok"},
		{"MERGE INTO t USING n ON t.a = n.a WHEN MATCHED THEN DELETE", "statement_not_allowed"},
	})
	check(t, mustCompile(t, Profile{AllowStatements: []string{"select", "delete"}, DenyStatements: []string{"delete", "ddl"}}, nil), []ruling{
		{"SELECT 1", "ok"},
		{"DELETE FROM t WHERE a = 1", "statement_denied"},
		{"WITH d AS (DELETE FROM t WHERE a = 1 RETURNING *) SELECT * FROM d", "statement_denied"},
		{"CREATE TABLE t (a int)", "statement_denied"},
		{"SELECT unknown_function()", "function_not_allowed"},
		{"SELECT lower('X')", "ok"},
	})
	check(t, mustCompile(t, Profile{ReadOnly: true, AllowStatements: []string{"select", "insert"}}, nil), []ruling{
		{"SELECT 1", "ok"},
		{"INSERT INTO t VALUES (1)", "read_only"},
	})
}

func TestAllowlist(t *testing.T) {
	check(t, mustCompile(t, Profile{TableAllowlist: []string{"orders", "Sales.Items", "pg_catalog.pg_stat_activity"}}, nil), []ruling{
		{"SELECT * FROM orders", "ok"},
		{"SELECT * FROM public.orders", "ok"},
		{"SELECT * FROM ORDERS", "ok"},
		{`SELECT * FROM "Orders"`, "ok"},
		{"SELECT * FROM sales.items", "ok"},
		{"SELECT 1", "ok"},
		{"WITH secrets AS (SELECT * FROM orders) SELECT * FROM secrets", "ok"},
		{"WITH RECURSIVE r AS (SELECT id FROM orders UNION ALL SELECT r.id FROM r) SELECT * FROM r", "ok"},
		{"SELECT * FROM orders o, LATERAL (SELECT o.id) x", "ok"},
		{"SELECT * FROM orders FOR UPDATE OF orders", "ok"},
		{"SELECT * FROM generate_series(1, 3)", "ok"},
		{"SELECT relname FROM pg_class", "ok"},
		{"SELECT * FROM information_schema.columns", "ok"},
		{"SELECT * FROM pg_stat_activity", "ok"},
		{"INSERT INTO orders SELECT * FROM sales.items", "ok"},

		{"SELECT * FROM items", "table_not_allowed"},
		{"SELECT * FROM other.orders", "table_not_allowed"},
		{"SELECT * FROM secrets", "table_not_allowed"},
		{"SELECT * FROM orders JOIN secrets USING (id)", "table_not_allowed"},
		{"SELECT (SELECT max(id) FROM secrets)", "table_not_allowed"},
		{"SELECT * FROM orders WHERE id IN (SELECT id FROM secrets)", "table_not_allowed"},
		{"SELECT * FROM orders ORDER BY (SELECT 1 FROM secrets)", "table_not_allowed"},
		{"SELECT * FROM orders LIMIT (SELECT count(*) FROM secrets)", "table_not_allowed"},
		{"SELECT 1 UNION SELECT id FROM secrets", "table_not_allowed"},
		{"WITH a AS (SELECT * FROM secrets) SELECT 1", "table_not_allowed"},
		{"WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets", "table_not_allowed"},
		{"WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "table_not_allowed"},
		{"SELECT * FROM (WITH secrets AS (SELECT 1) SELECT * FROM secrets) x, secrets", "table_not_allowed"},
		{"WITH secrets AS (SELECT 1) SELECT * FROM public.secrets", "table_not_allowed"},
		{"WITH secrets AS (SELECT 1) DELETE FROM secrets WHERE id = 1", "table_not_allowed"},
		{"SELECT * FROM ONLY secrets", "table_not_allowed"},
		{"SELECT * FROM secrets TABLESAMPLE SYSTEM (1)", "table_not_allowed"},
		{"TABLE secrets", "table_not_allowed"},
		{"EXPLAIN SELECT * FROM secrets", "table_not_allowed"},
		{"DECLARE c CURSOR FOR SELECT * FROM secrets", "table_not_allowed"},
		{"UPDATE orders SET a = s.a FROM secrets s WHERE s.id = orders.id", "table_not_allowed"},
		{"DELETE FROM orders USING secrets s WHERE s.id = orders.id", "table_not_allowed"},
		{"INSERT INTO secrets VALUES (1)", "table_not_allowed"},
		{"INSERT INTO orders SELECT * FROM secrets", "table_not_allowed"},
		{"MERGE INTO orders o USING secrets s ON o.id = s.id WHEN MATCHED THEN DO NOTHING", "table_not_allowed"},
		{"CREATE VIEW orders AS SELECT * FROM secrets", "table_not_allowed"},
		{"CREATE TABLE orders (LIKE secrets)", "table_not_allowed"},
		{"CREATE TABLE orders (a int REFERENCES secrets)", "table_not_allowed"},
		{"CREATE TABLE orders () INHERITS (secrets)", "table_not_allowed"},
		{"ALTER TABLE orders ATTACH PARTITION secrets DEFAULT", "table_not_allowed"},
		{"GRANT SELECT ON secrets TO PUBLIC", "table_not_allowed"},
		{"GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC", "table_not_allowed"},
		{"COMMENT ON COLUMN secrets.a IS 'x'", "table_not_allowed"},
		{"VACUUM", "table_not_allowed"},
		{"VACUUM secrets", "table_not_allowed"},
		{"SELECT nextval('secrets_id_seq')", "table_not_allowed"},
		{"SELECT nextval('public.secrets_id_seq'::regclass)", "table_not_allowed"},
		{"ALTER TABLE orders RENAME TO secrets", "statement_not_allowed"},
		{"ALTER TABLE orders SET SCHEMA sales", "statement_not_allowed"},
		{"SELECT * FROM pg_authid", "table_not_allowed"},
		{"SELECT * FROM pg_stats", "table_not_allowed"},
		{"SELECT * FROM pg_toast.pg_toast_1", "table_denied"},
		{"SELECT * FROM elsewhere.public.orders", "ok"}, // PostgreSQL refuses it but for the database itself
		{"SELECT * FROM elsewhere.public.secrets", "table_not_allowed"},
		{"SELECT * FROM orders.public.secrets", "table_not_allowed"},
	})
}

func TestDenylist(t *testing.T) {
	check(t, mustCompile(t, Profile{TableAllowlist: []string{"orders", "secrets"}, TableDenylist: []string{"secrets", "hr.pay"}}, nil), []ruling{
		{"SELECT * FROM orders", "ok"},
		{"SELECT * FROM secrets", "table_denied"},
		{"SELECT * FROM other.secrets", "table_denied"},
		{"SELECT * FROM orders JOIN SECRETS USING (id)", "table_denied"},
		{"SELECT * FROM hr.pay", "table_denied"},
		{"SELECT * FROM pay", "table_not_allowed"},
	})
	check(t, mustCompile(t, Profile{TableDenylist: []string{"secrets", "hr.pay"}}, nil), []ruling{
		{"SELECT * FROM anything", "ok"},
		{"SELECT * FROM pay", "ok"},
		{"SELECT * FROM hr.other", "ok"},
		{"WITH secrets AS (SELECT 1) SELECT * FROM secrets", "ok"},
		{"SELECT secrets FROM orders AS secrets", "ok"},
		{"SELECT * FROM secrets s", "table_denied"},
	})
}

func TestSettings(t *testing.T) {
	check(t, mustCompile(t, Profile{}, nil), []ruling{
		{"SET application_name = 'x'", "ok"},
		{"SET TIME ZONE 'UTC'", "ok"},
		{"SET LOCAL datestyle TO ISO", "ok"},
		{"SET client_encoding TO 'UTF8'", "ok"},
		{"SET NAMES 'utf-8'", "ok"},
		{"SET client_encoding TO '''utf-8'''", "ok"},
		{"SET client_encoding TO 'Utf_8'", "ok"},
		{"SET extra_float_digits = 3", "ok"},
		{"SET enable_seqscan = off", "ok"},
		{"SET standard_conforming_strings = on", "ok"},
		{"SET app.tenant = '1'", "ok"},
		{"RESET timezone", "ok"},
		{"DISCARD PLANS", "ok"},
		{"SELECT current_setting('timezone')", "ok"},
		{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "ok"},

		{"SET search_path = x", "setting_not_allowed"},
		{"SET LOCAL search_path = x", "setting_not_allowed"},
		{`SET "SEARCH_PATH" = x`, "setting_not_allowed"},
		{"RESET search_path", "setting_not_allowed"},
		{"SET ROLE x", "setting_not_allowed"},
		{"SET SESSION AUTHORIZATION x", "setting_not_allowed"},
		{"SET row_security = off", "setting_not_allowed"},
		{"SET statement_timeout = 0", "setting_not_allowed"},
		{"SET default_transaction_read_only = off", "setting_not_allowed"},
		{"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "setting_not_allowed"},
		{"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED", "setting_not_allowed"},
		{"SET session_replication_role = replica", "setting_not_allowed"},
		{"SET pgbeam.tenant = '2'", "setting_not_allowed"},
		{"SET plpgsql.variable_conflict = error", "setting_not_allowed"},
		{"SET postgis.enable_outdb_rasters = on", "setting_not_allowed"},
		{"SET client_encoding = 'SJIS'", "setting_not_allowed"},
		{"SET client_encoding = ''", "setting_not_allowed"},
		{"SET client_encoding = 'utf-88'", "setting_not_allowed"},
		{"SET standard_conforming_strings = off", "setting_not_allowed"},
		{"SET backslash_quote = on", "setting_not_allowed"},
		{"SET client_min_messages = warning", "ok"},
		{"SET client_min_messages TO 'ERROR'", "ok"},
		{"SET client_min_messages = debug5", "setting_not_allowed"},
		{"SET client_min_messages = log", "setting_not_allowed"},
		{"SET client_min_messages = info", "setting_not_allowed"},
		{"SELECT set_config('client_min_messages', 'debug1', false)", "function_not_allowed"},
		{"SET TRANSACTION SNAPSHOT 'x'", "setting_not_allowed"},
		{"SELECT set_config('search_path', 'x', false)", "function_not_allowed"},
		{"SELECT pg_catalog.set_config('role', 'x', true)", "function_not_allowed"},
		{"SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings() WHERE name = 'bytea_output'", "ok"},
		{"SELECT pg_catalog.set_config('TimeZone', $1, true), set_config('app.user', a, true) FROM t", "ok"},
		{"SELECT public.set_config('timezone', 'UTC', true)", "function_not_allowed"},
		{"SELECT set_config($1, 'x', true)", "function_not_allowed"},
		{"SELECT set_config(a, 'x', true) FROM t", "function_not_allowed"},
		{"SELECT set_config('role.x'::varchar(4), 'x', true)", "function_not_allowed"},
		{"SELECT set_config('transaction_read_only', 'off', true)", "function_not_allowed"},
		{"SELECT set_config('client_encoding', 'SJIS', true)", "function_not_allowed"},
		{"SELECT set_config('client_encoding', $1, true)", "function_not_allowed"},
		{"SELECT set_config('client_encoding', NULL, true)", "function_not_allowed"},
		{"SELECT set_config('pgbeam.tenant', '2', true)", "function_not_allowed"},
		{"SELECT set_config(is_local => true, setting_name => 'timezone', new_value => 'x')", "function_not_allowed"},
	})
	check(t, mustCompile(t, Profile{DenyStatements: []string{"set"}}, nil), []ruling{
		{"SELECT set_config('timezone', 'UTC', false)", "function_not_allowed"},
	})
	check(t, mustCompile(t, Profile{AllowStatements: []string{"select"}}, nil), []ruling{
		{"SELECT set_config('timezone', 'UTC', false)", "function_not_allowed"},
	})
}

func TestDangerousFunctionsAreRefusedWhateverThePolicy(t *testing.T) {
	check(t, mustCompile(t, Profile{}, nil), []ruling{
		{"SELECT pg_read_file('/etc/passwd')", "function_not_allowed"},
		{"SELECT * FROM pg_ls_dir('.')", "function_not_allowed"},
		{"SELECT * FROM ROWS FROM (generate_series(1, 2), pg_ls_waldir())", "function_not_allowed"},
		{"SELECT lo_import('/etc/passwd')", "function_not_allowed"},
		{"SELECT * FROM dblink('x', 'select 1') AS t(a int)", "function_not_allowed"},
		{"SELECT * FROM ext.dblink_exec('x')", "function_not_allowed"},
		{"SELECT query_to_xml('select 1', true, true, '')", "function_not_allowed"},
		{"SELECT ts_stat('select 1')", "function_not_allowed"},
		{"SELECT pg_terminate_backend(1)", "function_not_allowed"},
		{"SELECT pg_advisory_lock(1)", "function_not_allowed"},
		{"SELECT pg_try_advisory_xact_lock(1)", "function_not_allowed"},
		{"SELECT pg_logical_emit_message(true, 'a', 'b')", "function_not_allowed"},
		{"SELECT 1 WHERE pg_notify('a', 'b') IS NULL", "function_not_allowed"},
		{"SELECT 1 ORDER BY pg_reload_conf()", "function_not_allowed"},
		{"INSERT INTO t VALUES (pg_read_file('x'))", "function_not_allowed"},
		{"CREATE TABLE t (a text DEFAULT pg_read_file('x'))", "function_not_allowed"},
		{"EXPLAIN ANALYZE SELECT pg_rotate_logfile()", "function_not_allowed"},
		{"SELECT CASE WHEN true THEN pg_read_file('x') END", "function_not_allowed"},
		{"SELECT sum(1) FILTER (WHERE pg_read_file('x') = '')", "function_not_allowed"},
		{"SELECT sum(1) OVER (PARTITION BY pg_read_file('x'))", "function_not_allowed"},
		{"SELECT lower('X')", "ok"},
		{"SELECT pg_sleep(1)", "ok"},
	})
}

func TestFunctionsUnderRulesAboutTables(t *testing.T) {
	check(t, mustCompile(t, Profile{TableDenylist: []string{"secrets"}}, nil), []ruling{
		{"SELECT lower(a), count(*), sum(b) FROM orders GROUP BY 1", "ok"},
		{"SELECT now(), current_timestamp, random(), gen_random_uuid()", "ok"},
		{"SELECT row_number() OVER (ORDER BY a) FROM orders", "ok"},
		{"SELECT extract(year FROM a), coalesce(b, 1), a::text, a || 'x' FROM orders", "ok"},
		{"SELECT '[1,2]'::vector, $1::citext", "ok"},
		{"SELECT a ->> 'k', a @> '{}' FROM orders WHERE b ~* 'x' AND c LIKE 'y%' AND d BETWEEN 1 AND 2", "ok"},
		{"SELECT * FROM orders TABLESAMPLE BERNOULLI (10)", "ok"},
		{"SELECT nextval('s')", "ok"},
		{"SELECT xmlelement(name a), json_object('a': 1)", "ok"},

		{"SELECT leak()", "function_not_allowed"},
		{"SELECT public.lower('X')", "function_not_allowed"},
		{"SELECT pg_sleep(1)", "function_not_allowed"},
		{"SELECT a OPERATOR(public.=) b FROM orders", "function_not_allowed"},
		{"SELECT a <%%> b FROM orders", "function_not_allowed"},
		{"SELECT * FROM orders ORDER BY a USING <%%>", "function_not_allowed"},
		{"SELECT a <%%> ANY (SELECT b FROM orders) FROM orders", "function_not_allowed"},
		{"SELECT * FROM orders TABLESAMPLE mine (10)", "function_not_allowed"},
		{"SELECT * FROM leak()", "function_not_allowed"},
		{"CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION leak()", "function_not_allowed"},
		{"SELECT nextval(s) FROM orders", "function_not_allowed"},
	})
}

func TestMaxAffectedRowsRefusesWritesItCannotCount(t *testing.T) {
	check(t, mustCompile(t, Profile{MaxAffectedRows: 10}, nil), []ruling{
		{"DELETE FROM t WHERE a = 1", "ok"},
		{"INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1", "ok"},
		{"EXPLAIN DELETE FROM t WHERE a = 1", "ok"},
		{"WITH a AS (SELECT 1) DELETE FROM t USING a WHERE t.a = 1", "ok"},
		{"WITH d AS (DELETE FROM t WHERE a = 1 RETURNING *) SELECT * FROM d", "max_affected_rows_writable_cte"},
		{"WITH d AS (DELETE FROM t WHERE a = 1 RETURNING *) INSERT INTO u SELECT * FROM d ON CONFLICT DO NOTHING", "max_affected_rows_writable_cte"},
		{"EXPLAIN ANALYZE DELETE FROM t WHERE a = 1", "max_affected_rows_writable_cte"},
	})
}

func TestMigrationSafety(t *testing.T) {
	check(t, mustCompile(t, Profile{Migrations: "block"}, nil), []ruling{
		{"CREATE TABLE t (a int)", "ok"},
		{"CREATE INDEX CONCURRENTLY i ON t (a)", "ok"},
		{"SELECT 1", "ok"},
		{"ALTER TABLE t DROP COLUMN a", "migration_block"},
		{"DROP TABLE t", "destructive_ddl"},
	})
	d := mustCompile(t, Profile{Migrations: "warn"}, nil).Evaluate("ALTER TABLE t DROP COLUMN a")
	if d.Verdict != Allow || len(d.Findings) == 0 || d.Findings[0].Rule != "drop_column" {
		t.Errorf("warn: %s with findings %+v", d.Verdict, d.Findings)
	}
}

func TestExplainThatDoesNotExecuteChangesNothing(t *testing.T) {
	e := mustCompile(t, Profile{}, nil)
	for sql, want := range map[string]bool{
		"EXPLAIN UPDATE t SET a = 1 WHERE b = 2":         false,
		"EXPLAIN ANALYZE UPDATE t SET a = 1 WHERE b = 2": true,
		"SELECT 1": false,
		"WITH d AS (DELETE FROM t WHERE a = 1 RETURNING *) SELECT * FROM d": true,
		"SELECT 1 INTO t":        true,
		"CREATE TABLE t (a int)": true,
		"BEGIN":                  false,
	} {
		if got := e.Evaluate(sql).Statements[0].Writes; got != want {
			t.Errorf("%s: writes %v", sql, got)
		}
	}
}

func TestCompileRefusesContradictions(t *testing.T) {
	for _, c := range []struct {
		profile Profile
		field   string
	}{
		{Profile{AllowStatements: []string{"selct"}}, "statement_rules.allow[0]"},
		{Profile{AllowStatements: []string{"select"}, DenyStatements: []string{"select"}}, "statement_rules"},
		{Profile{AllowStatements: []string{"copy"}}, "statement_rules"},
		{Profile{ReadOnly: true, AllowStatements: []string{"insert", "ddl"}}, "statement_rules"},
		{Profile{ReadOnly: true, DenyStatements: []string{"select", "set", "show", "explain", "transaction"}}, "statement_rules"},
		{Profile{TableAllowlist: []string{"a", ""}}, "table_allowlist[1]"},
		{Profile{TableDenylist: []string{"a.b.c"}}, "table_denylist[0]"},
		{Profile{TableDenylist: []string{`"a`}}, "table_denylist[0]"},
		{Profile{TableAllowlist: []string{"public.a"}, TableDenylist: []string{"a"}}, "table_allowlist"},
		{Profile{MaxRows: -1}, "max_rows"},
		{Profile{MaxAffectedRows: -1}, "max_affected_rows"},
		{Profile{Migrations: "maybe"}, "migration_safety"},
	} {
		if _, err := Compile(c.profile, nil); err == nil || !strings.HasPrefix(err.Error(), c.field) {
			t.Errorf("%+v: error %v, want one about %s", c.profile, err, c.field)
		}
	}
}
