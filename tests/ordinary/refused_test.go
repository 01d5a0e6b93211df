package ordinary

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What tools and people also send, and a read-only policy with a mask and a
// filter must refuse. docs/policies.md names each.
func TestWhatAPolicyMustRefuse(t *testing.T) {
	conn := connect(t, shop.at.url)
	const othersData = "shows what the database keeps about other sessions, credentials or data"
	for _, c := range []struct{ who, sql, reason string }{
		{"statistics hold values of masked columns and hidden rows", "select most_common_vals from pg_stats where tablename = 'supplier'", othersData},
		{"the same, as PostgreSQL keeps them", "select stavalues1 from pg_statistic", othersData},
		{"the same, of several columns", "select * from pg_stats_ext", othersData},
		{"dashboards: other sessions' statements", "select pid, query from pg_stat_activity", othersData},
		{"psql's completion of EXECUTE", "select name from pg_prepared_statements", othersData},
		{"psql's completion of FETCH", "select name from pg_cursors", othersData},
		{"hashes of passwords", "select rolname, rolpassword from pg_authid", othersData},
		{"hashes of passwords, by their older name", "select passwd from pg_shadow", othersData},
		{`psql's \deu`, "select srvname, usename from pg_user_mappings", othersData},
		{`psql's \dRs, pgAdmin's search over all objects`, "select subname, subowner from pg_subscription", othersData},
		{"pg_dump --blobs", "select data from pg_largeobject", othersData},

		{`pg_dump and psql's \copy`, "copy (select 1) to stdout", "COPY"},
		{"psycopg2 with an isolation level for the session", "set default_transaction_isolation to 'serializable'", `setting "default_transaction_isolation" may not be changed`},
		{"pgjdbc's setTransactionIsolation", "set session characteristics as transaction isolation level read committed", "SESSION CHARACTERISTICS"},
		{"search paths of one's own", "set search_path = sales", `setting "search_path" may not be changed`},
		{"timeouts of one's own", "set statement_timeout = 0", `setting "statement_timeout" may not be changed`},
		{"other roles", "set role oracle_reader", "may not be changed"},
		{"resets of poolers", "discard all", "DISCARD ALL"},
		{"migration runners' locks", "select pg_advisory_lock(1)", `function "pg_advisory_lock" is never permitted`},
		{"listeners", "listen changes", "LISTEN"},

		{"reading for a write", "select * from part for update", "row locks"},
		{"sequences", "select nextval('ticket')", "read-only"},
		{"temporary tables", "create temp table t as select 1", "read-only"},
		{"maintenance", "vacuum part", "read-only"},
		{"maintenance of statistics", "analyze part", "read-only"},

		{"functions of one's own", "select add(1, 2)", `function "add" is not one of PostgreSQL's own`},
		{"plans of filtered tables", "explain select * from orders", "EXPLAIN"},
		{"Metabase's fingerprint of a masked column", "select substring(s_address, 1, 1234) from supplier limit 10000", "masked"},
		{"distinct values of a masked column", "select s_address from supplier group by s_address", "masked"},
		{"search in a masked column", "select count(*) from supplier where s_address ilike '%dock%'", "masked"},
		{"sorting by a masked column", "select s_name from supplier order by s_address", "masked"},
		{"whole rows of a masked table", "select to_jsonb(s) from supplier s", "masked"},
	} {
		t.Run(c.who, func(t *testing.T) {
			_, err := conn.PgConn().Exec(t.Context(), c.sql).ReadAll()
			var refusal *pgconn.PgError
			if !errors.As(err, &refusal) || refusal.Code != "42501" || !strings.Contains(refusal.Message, c.reason) {
				t.Errorf("%s\n gives %v, want a refusal about %q", c.sql, err, c.reason)
			}
		})
	}
}

// A mistake is told as PostgreSQL tells it, so that who made it, person or
// program, knows it from a refusal.
func TestMistakesAreNoRefusals(t *testing.T) {
	plain, ruled := connect(t, direct.url), connect(t, shop.at.url)
	for _, sql := range []string{"selec 1", "select 1 from", "select * from no_such_table", "select no_such_column from part", "select 1 / 0", "select 'x'::int"} {
		var want, got *pgconn.PgError
		_, err := plain.PgConn().Exec(t.Context(), sql).ReadAll()
		if !errors.As(err, &want) {
			t.Fatalf("%s directly: %v", sql, err)
		}
		if _, err = ruled.PgConn().Exec(t.Context(), sql).ReadAll(); !errors.As(err, &got) || got.Code != want.Code {
			t.Errorf("%s: %v, want SQLSTATE %s", sql, err, want.Code)
		}
	}
}
