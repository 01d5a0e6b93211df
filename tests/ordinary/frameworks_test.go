package ordinary

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// frameworks are the statements that frameworks, drivers and poolers send when
// they connect, look around, and hand a connection on, in their order.
var frameworks = map[string][]string{
	"Rails": {
		"SET client_min_messages TO 'warning'", "SET standard_conforming_strings = on", "SET intervalstyle = iso_8601", "SET SESSION timezone TO 'UTC'",
		`SET SESSION "lock_timeout" TO '5s'`, "SHOW max_identifier_length", "SELECT version()", "SELECT current_database()",
		"SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type AS t LEFT JOIN pg_range AS r ON t.oid = r.rngtypid WHERE t.typname IN ('int4', 'text', 'mood', 'address') ORDER BY 1",
		"SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (current_schemas(false)) AND c.relkind IN ('r', 'v', 'm', 'p', 'f') ORDER BY 1",
		`SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, col_description(a.attrelid, a.attnum), attidentity, attgenerated
			FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE a.attrelid = '"orders"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
		"BEGIN ISOLATION LEVEL REPEATABLE READ", `SELECT "nation".* FROM "nation" ORDER BY "nation"."n_nationkey" ASC LIMIT 1`, "SAVEPOINT active_record_1", "RELEASE SAVEPOINT active_record_1", "ROLLBACK", "DISCARD ALL",
	},
	"Django": {
		"SELECT set_config('TimeZone', 'UTC', false)", "SET TIME ZONE 'America/Lima'", "BEGIN", `SAVEPOINT "s1_x1"`, `RELEASE SAVEPOINT "s1_x1"`, "SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED", "COMMIT",
		`SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class')
			FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1`,
	},
	"Sequelize": {
		"SHOW SERVER_VERSION", "SET standard_conforming_strings=on;SET client_min_messages TO warning;SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE",
		"SELECT typname, typtype, oid, typarray FROM pg_type WHERE (typtype = 'b' AND typname IN ('hstore', 'geometry', 'geography')) OR typtype = 'e' ORDER BY 1", "SELECT 1+1 AS result",
	},
	"TypeORM":   {"SELECT version()", "SHOW server_version", "SELECT * FROM current_schema()", "SELECT * FROM current_database()", "START TRANSACTION", "COMMIT", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
	"Knex":      {"select version();", "SELECT 1;", "begin;", "rollback;", "set timezone = 'UTC'"},
	"GORM":      {"SELECT CURRENT_DATABASE()", "SELECT count(*) FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA() AND table_name = 'orders' AND table_type = 'BASE TABLE'", ";", "-- ping"},
	"Hibernate": {"select * from information_schema.sequences", "SELECT CURRENT_SCHEMA()", "SET extra_float_digits = 3", "SET application_name = 'PostgreSQL JDBC Driver'", "BEGIN READ ONLY", "COMMIT", "values (1)"},
	"Npgsql and EF Core": {
		`SELECT version(); SELECT n.nspname, t.oid, t.typname, t.typtype, t.typnotnull, CASE WHEN p.proname = 'array_recv' THEN t.typelem WHEN t.typtype = 'r' THEN r.rngsubtype WHEN t.typtype = 'd' THEN t.typbasetype END AS element
			FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace JOIN pg_proc AS p ON p.oid = t.typreceive LEFT JOIN pg_class AS c ON c.oid = t.typrelid LEFT JOIN pg_range AS r ON r.rngtypid = t.oid
			WHERE t.typtype IN ('b', 'r', 'm', 'e', 'd') OR t.typtype = 'c' AND c.relkind = 'c' ORDER BY t.oid; SELECT t.oid, a.attname, a.atttypid FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid
			JOIN pg_attribute AS a ON a.attrelid = t.typrelid WHERE t.typtype = 'c' AND c.relkind = 'c' AND NOT a.attisdropped ORDER BY t.oid, a.attnum; SELECT t.oid, e.enumlabel FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid ORDER BY t.oid, e.enumsortorder`,
		`SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relname = '__EFMigrationsHistory')`,
		"BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED", "COMMIT", "DISCARD ALL",
		"SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP",
	},
	"Ecto": {
		`SELECT t.oid, t.typname, t.typsend, t.typreceive, t.typoutput, t.typinput, coalesce(d.typelem, t.typelem), coalesce(r.rngsubtype, 0),
			ARRAY (SELECT a.atttypid FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
			FROM pg_type AS t LEFT JOIN pg_type AS d ON t.typbasetype = d.oid LEFT JOIN pg_range AS r ON r.rngtypid = t.oid OR r.rngmultitypid = t.oid WHERE t.typrelid = 0 ORDER BY t.oid`,
		"DEALLOCATE ALL",
	},
	"PgBouncer": {"SET client_encoding='UTF8';SET DateStyle='ISO, MDY';SET TimeZone='UTC';SET IntervalStyle='postgres';SET standard_conforming_strings='on';SET application_name='bouncer';", "select 1", "SELECT 1 -- check", "DISCARD ALL"},
	"Odyssey":   {"ROLLBACK", "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD PLANS;DISCARD SEQUENCES;DISCARD TEMP;", "DISCARD ALL"},
	"Laravel":   {"set names 'utf8'", `set time zone "UTC"`, "set application_name to 'shop'"},
}

// What frameworks send before and after an application's own statements gives
// what it gives without PgBeam, in the protocols that can carry it.
func TestFrameworksConnectAndReset(t *testing.T) {
	send := map[string]func(c *pgx.Conn, sql string) ([]*pgconn.Result, error){
		"simple": func(c *pgx.Conn, sql string) ([]*pgconn.Result, error) {
			return c.PgConn().Exec(t.Context(), sql).ReadAll()
		},
		"extended": func(c *pgx.Conn, sql string) ([]*pgconn.Result, error) {
			return one(c.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, nil).Read())
		},
	}
	for name, statements := range frameworks {
		for protocol, run := range send {
			t.Run(name+" "+protocol, func(t *testing.T) {
				plain, ruled := connect(t, direct.url), connect(t, shop.at.url)
				for _, sql := range statements {
					if protocol == "extended" && strings.Contains(strings.TrimRight(sql, "; "), ";") {
						continue // several statements
					}
					want, err := answers(run(plain, sql))
					if err != nil {
						t.Fatalf("%s\nwithout PgBeam: %v", sql, err)
					}
					got, err := answers(run(ruled, sql))
					if err != nil {
						t.Errorf("%s\n%v", sql, err)
					} else if d := cmp.Diff(want, got); d != "" {
						t.Errorf("%s (-direct +under the policy):\n%s", sql, d)
					}
				}
			})
		}
	}
}

// answers are the rows and the tags of results.
func answers(results []*pgconn.Result, err error) ([]string, error) {
	lines, err := printed(results, err)
	for _, r := range results {
		lines = append(lines, r.CommandTag.String())
	}
	return lines, err
}

// What they also send, and has to be refused, is named in the documentation.
func TestWhatFrameworksAreRefused(t *testing.T) {
	docs := toolsInDocs(t)
	conn := connect(t, shop.at.url)
	for _, c := range []struct{ who, documented, sql string }{
		{"Laravel, and Knex with a searchPath", "Laravel", `set search_path to "public"`},
		{"Rails with schema_search_path", "told a search path", "SET search_path TO app, public"},
		{"Rails with a statement_timeout", "`statement_timeout`", "SET SESSION statement_timeout TO '5s'"},
		{"Django with assume_role", "`assume_role`", `SET ROLE "app"`},
		{"Rails' and Django's migrations", "advisory locks", "SELECT pg_try_advisory_lock(4242)"},
		{"EF Core's migrations", "EF Core", `LOCK TABLE "__EFMigrationsHistory" IN ACCESS EXCLUSIVE MODE`},
		{"TypeORM with uuid columns", "TypeORM", `CREATE EXTENSION IF NOT EXISTS "uuid-ossp"`},
		{"Action Cable, Oban, Hangfire", "LISTEN", "LISTEN jobs"},
	} {
		_, err := conn.PgConn().Exec(t.Context(), c.sql).ReadAll()
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) || refusal.Code != "42501" {
			t.Errorf("%s: %s gives %v", c.who, c.sql, err)
		}
		if !slices.ContainsFunc(strings.Split(docs, "\n"), func(line string) bool { return strings.Contains(line, c.documented) }) {
			t.Errorf("%s: docs/policies.md does not name %q", c.who, c.documented)
		}
	}
}
