package ordinary

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// What tools and people also send, and a read-only policy with a mask and a
// filter must refuse. The section of docs/policies.md about tools names each.
func TestWhatAPolicyMustRefuse(t *testing.T) {
	docs := toolsInDocs(t)
	conn := connect(t, shop.at.url)
	const othersData = "shows what the database keeps about other sessions, credentials or data"
	for _, c := range []struct{ who, documented, sql, reason string }{
		{"statistics hold values of masked columns and hidden rows", "`pg_stats`", "select most_common_vals from pg_stats where tablename = 'supplier'", othersData},
		{"the same, as PostgreSQL keeps them", "`pg_statistic`", "select stavalues1 from pg_statistic", othersData},
		{"the same, of several columns", "`pg_stats_ext`", "select * from pg_stats_ext", othersData},
		{"dashboards: other sessions' statements", "`pg_stat_activity`", "select pid, query from pg_stat_activity", othersData},
		{"psql's completion of EXECUTE", "`pg_prepared_statements`", "select name from pg_prepared_statements", othersData},
		{"psql's completion of FETCH", "`pg_cursors`", "select name from pg_cursors", othersData},
		{"hashes of passwords", "`pg_authid`", "select rolname, rolpassword from pg_authid", othersData},
		{"hashes of passwords, by their older name", "`pg_shadow`", "select passwd from pg_shadow", othersData},
		{`psql's \deu`, "`pg_user_mappings`", "select srvname, usename from pg_user_mappings", othersData},
		{`psql's \dRs, pgAdmin's search over all objects`, "`pg_subscription`", "select subname, subowner from pg_subscription", othersData},
		{"pg_dump --blobs", "large objects", "select data from pg_largeobject", othersData},

		{`pg_dump and psql's \copy`, "COPY", "copy (select 1) to stdout", "COPY"},
		{"psycopg2 with an isolation level for the session", "`default_transaction_…`", "set default_transaction_isolation to 'serializable'", `setting "default_transaction_isolation" may not be changed`},
		{"pgjdbc's setTransactionIsolation", "SET SESSION CHARACTERISTICS", "set session characteristics as transaction isolation level read committed", "SESSION CHARACTERISTICS"},
		{"search paths of one's own", "`search_path`", "set search_path = sales", `setting "search_path" may not be changed`},
		{"timeouts of one's own", "`statement_timeout`", "set statement_timeout = 0", `setting "statement_timeout" may not be changed`},
		{"other roles", "`role`", "set role oracle_reader", "may not be changed"},
		{"migration runners' locks", "advisory locks", "select pg_advisory_lock(1)", `function "pg_advisory_lock" is never permitted`},
		{"listeners", "LISTEN", "listen changes", "LISTEN"},

		{"reading for a write", "FOR UPDATE", "select * from part for update", "row locks"},
		{"sequences", "`nextval`", "select nextval('ticket')", "read-only"},
		{"temporary tables", "temporary tables", "create temp table t as select 1", "read-only"},
		{"maintenance", "VACUUM", "vacuum part", "read-only"},
		{"maintenance of statistics", "ANALYZE", "analyze part", "read-only"},

		{"functions of one's own", "functions of your own", "select add(1, 2)", `function "add" is not one of PostgreSQL's own`},
		{"plans of filtered tables", "EXPLAIN of a filtered table", "explain select * from orders", "EXPLAIN"},
		{"Metabase's fingerprint of a masked column", "a masked column in an expression", "select substring(s_address, 1, 1234) from supplier limit 10000", "masked"},
		{"distinct values of a masked column", "or a group", "select s_address from supplier group by s_address", "masked"},
		{"search in a masked column", "a condition", "select count(*) from supplier where s_address ilike '%dock%'", "masked"},
		{"sorting by a masked column", "an order", "select s_name from supplier order by s_address", "masked"},
		{"whole rows of a masked table", "`row_to_json(t)`", "select to_jsonb(s) from supplier s", "masked"},
	} {
		t.Run(c.who, func(t *testing.T) {
			if !strings.Contains(docs, c.documented) {
				t.Errorf("docs/policies.md does not name %q among what tools are refused", c.documented)
			}
			_, err := conn.PgConn().Exec(t.Context(), c.sql).ReadAll()
			var refusal *pgconn.PgError
			if !errors.As(err, &refusal) || refusal.Code != "42501" || !strings.Contains(refusal.Message, c.reason) {
				t.Errorf("%s\n gives %v, want a refusal about %q", c.sql, err, c.reason)
			}
		})
	}
}

// toolsInDocs is what the documentation says about tools under a policy.
func toolsInDocs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "policies.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Tools under a policy\n")
	section, _, _ = strings.Cut(section, "\n## ")
	return section
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
