package policy

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

type lintCase struct {
	name, sql string
	want      []string
}

// lintCases are migrations with the rules they break, "severity rule" each, in
// the order of the findings. The clean ones show how to do the same safely.
var lintCases = []lintCase{
	{"drop table", "DROP TABLE orders", []string{"error drop_table"}},
	{"drop several tables", "DROP TABLE a, app.b CASCADE", []string{"error drop_table", "error drop_table"}},
	{"drop a table of this migration", "CREATE TABLE scratch (id int); DROP TABLE scratch", nil},
	{"drop a temporary table", "CREATE TEMP TABLE scratch (id int); DROP TABLE scratch", nil},
	{"a temporary table hides another only while it is there", "CREATE TEMP TABLE orders (id int); DROP TABLE orders; DROP TABLE orders", []string{"error drop_table"}},
	{"drop a table that may have been there", "CREATE TABLE IF NOT EXISTS orders (id int); DROP TABLE orders", []string{"error drop_table"}},
	{"drop and create again", "DROP TABLE orders; CREATE TABLE orders (id int); DROP TABLE orders", []string{"error drop_table"}},
	{"drop a view", "DROP VIEW daily; DROP MATERIALIZED VIEW monthly", nil},
	{"drop an empty schema", "DROP SCHEMA app", nil},
	{"drop a schema with its tables", "DROP SCHEMA app CASCADE", []string{"error drop_table"}},
	{"drop a schema of this migration", "CREATE SCHEMA app; DROP SCHEMA app CASCADE", nil},
	{"drop a database", "DROP DATABASE shop", []string{"error drop_table"}},
	{"drop what a role owns", "DROP OWNED BY app", []string{"error drop_table"}},

	{"drop column", "ALTER TABLE orders DROP COLUMN note", []string{"error drop_column"}},
	{"drop two columns", "ALTER TABLE orders DROP COLUMN a, DROP b", []string{"error drop_column", "error drop_column"}},
	{"drop a column of this migration", "ALTER TABLE orders ADD COLUMN note text; ALTER TABLE orders DROP COLUMN note", nil},
	{"drop a column that may have been there", "ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text; ALTER TABLE orders DROP COLUMN note", []string{"error drop_column"}},
	{"drop a column of a new table", "CREATE TABLE orders (id int, note text); ALTER TABLE orders DROP COLUMN note", nil},
	{"drop a column of a view's type", "ALTER TYPE address DROP ATTRIBUTE zip", nil},
	{"drop a type", "DROP TYPE status", nil},
	{"drop a type with its columns", "DROP TYPE status CASCADE", []string{"error drop_column"}},
	{"drop a domain with its columns", "DROP DOMAIN email CASCADE", []string{"error drop_column"}},
	{"drop an extension with its columns", "DROP EXTENSION citext CASCADE", []string{"error drop_column"}},
	{"drop a default", "ALTER TABLE orders ALTER note DROP DEFAULT, ALTER note DROP NOT NULL", nil},
	{"drop a constraint", "ALTER TABLE orders DROP CONSTRAINT positive", nil},

	{"truncate", "TRUNCATE orders, lines", []string{"error truncate", "error truncate"}},
	{"truncate a new table", "CREATE TABLE staging (id int); TRUNCATE staging", nil},
	{"truncate a table that may have been there", "CREATE TABLE IF NOT EXISTS staging (id int); TRUNCATE staging", []string{"error truncate"}},
	{"delete", "DELETE FROM orders WHERE id < 100", nil},

	{"rename column", "ALTER TABLE orders RENAME COLUMN note TO remark", []string{"warning rename_column"}},
	{"rename a column of this migration", "ALTER TABLE orders ADD note text; ALTER TABLE orders RENAME note TO remark; ALTER TABLE orders DROP remark", nil},
	{"rename a column of a new table", "CREATE TABLE orders (a int); ALTER TABLE orders RENAME a TO b", nil},
	{"rename a constraint", "ALTER TABLE orders RENAME CONSTRAINT a TO b", nil},
	{"rename table", "ALTER TABLE orders RENAME TO purchases", []string{"warning rename_table"}},
	{"move a table", "ALTER TABLE orders SET SCHEMA archive", []string{"warning rename_table"}},
	{"rename an index", "ALTER INDEX orders_a RENAME TO orders_b", nil},
	{"rename a new table into place", "CREATE TABLE orders_new (id int); ALTER TABLE orders_new RENAME TO orders_2; CREATE INDEX ON orders_2 (id)", nil},
	{"rename a new table away", "CREATE TABLE a (id int); ALTER TABLE a RENAME TO b; CREATE INDEX ON a (id)", []string{"error missing_concurrently"}},

	{"change of type", "ALTER TABLE orders ALTER COLUMN total TYPE bigint", []string{"error alter_column_type"}},
	{"change of type with a conversion", "ALTER TABLE orders ALTER note TYPE text USING note::text", []string{"error alter_column_type"}},
	{"to text", "ALTER TABLE orders ALTER note TYPE text", []string{"info alter_column_type"}},
	{"to a longer varchar, for all one knows", "ALTER TABLE orders ALTER note TYPE varchar(80)", []string{"warning alter_column_type"}},
	{"to an array", "ALTER TABLE orders ALTER note TYPE text[]", []string{"error alter_column_type"}},
	{"to another type of the name text", "ALTER TABLE orders ALTER note TYPE app.text", []string{"error alter_column_type"}},
	{"varchar known to grow", "ALTER TABLE orders ADD note varchar(20); ALTER TABLE orders ALTER note TYPE varchar(40); ALTER TABLE orders ALTER note TYPE text", nil},
	{"varchar known to shrink", "ALTER TABLE orders ADD note varchar(20); ALTER TABLE orders ALTER note TYPE varchar(10)", []string{"error alter_column_type"}},
	{"integer known to become text", "ALTER TABLE orders ADD note int; ALTER TABLE orders ALTER note TYPE text", []string{"error alter_column_type"}},
	{"type of a new table", "CREATE TABLE orders (a int); ALTER TABLE orders ALTER a TYPE bigint", nil},

	{"not null without default", "ALTER TABLE orders ADD COLUMN region text NOT NULL", []string{"error add_not_null_no_default"}},
	{"not null with a default of null", "ALTER TABLE orders ADD region text DEFAULT NULL NOT NULL", []string{"error add_not_null_no_default"}},
	{"not null with a constant", "ALTER TABLE orders ADD region text NOT NULL DEFAULT 'eu'", nil},
	{"not null with a steady function", "ALTER TABLE orders ADD at timestamptz NOT NULL DEFAULT now()", nil},
	{"not null with current_date", "ALTER TABLE orders ADD day date NOT NULL DEFAULT current_date", nil},
	{"not null with an array", "ALTER TABLE orders ADD tags text[] NOT NULL DEFAULT ARRAY['a'::text, lower('B')]", nil},
	{"not null with a sum", "ALTER TABLE orders ADD due date DEFAULT (current_date + 30) NOT NULL", nil},
	{"not null in a new table", "CREATE TABLE orders (id int); ALTER TABLE orders ADD region text NOT NULL", nil},
	{"nullable column", "ALTER TABLE orders ADD COLUMN region text", nil},

	{"set not null", "ALTER TABLE orders ALTER region SET NOT NULL", []string{"error set_not_null"}},
	{"set not null, proven", "ALTER TABLE orders ADD CONSTRAINT r CHECK (region IS NOT NULL) NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT r; ALTER TABLE orders ALTER region SET NOT NULL", nil},
	{"set not null, proven among others", "ALTER TABLE orders ADD CONSTRAINT r CHECK (total > 0 AND (orders.region IS NOT NULL)) NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT r; ALTER TABLE orders ALTER region SET NOT NULL", nil},
	{"set not null, not validated", "ALTER TABLE orders ADD CONSTRAINT r CHECK (region IS NOT NULL) NOT VALID; ALTER TABLE orders ALTER region SET NOT NULL", []string{"error set_not_null"}},
	{"set not null, another column proven", "ALTER TABLE orders ADD CONSTRAINT r CHECK (total IS NOT NULL) NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT r; ALTER TABLE orders ALTER region SET NOT NULL", []string{"error set_not_null"}},
	{"set not null, only one of two holds", "ALTER TABLE orders ADD CONSTRAINT r CHECK (region IS NOT NULL OR total IS NOT NULL) NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT r; ALTER TABLE orders ALTER region SET NOT NULL", []string{"error set_not_null"}},
	{"set not null, proof dropped", "ALTER TABLE orders ADD CONSTRAINT r CHECK (region IS NOT NULL) NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT r; ALTER TABLE orders DROP CONSTRAINT r; ALTER TABLE orders ALTER region SET NOT NULL", []string{"error set_not_null"}},
	{"domain set not null", "ALTER DOMAIN email SET NOT NULL", []string{"error set_not_null"}},
	{"new domain set not null", "CREATE DOMAIN email AS text; ALTER DOMAIN email SET NOT NULL", nil},

	{"volatile default", "ALTER TABLE orders ADD token uuid DEFAULT gen_random_uuid()", []string{"error add_column_volatile_default"}},
	{"volatile default, not null", "ALTER TABLE orders ADD token uuid NOT NULL DEFAULT gen_random_uuid()", []string{"error add_column_volatile_default"}},
	{"volatile inside", "ALTER TABLE orders ADD n int DEFAULT coalesce(1, (random() * 6)::int)", []string{"error add_column_volatile_default"}},
	{"clock", "ALTER TABLE orders ADD at timestamptz DEFAULT clock_timestamp()", []string{"error add_column_volatile_default"}},
	{"function of one's own", "ALTER TABLE orders ADD code text DEFAULT app.now()", []string{"error add_column_volatile_default"}},
	{"serial", "ALTER TABLE orders ADD n bigserial NOT NULL", []string{"error add_column_volatile_default"}},
	{"identity", "ALTER TABLE orders ADD n bigint GENERATED ALWAYS AS IDENTITY", []string{"error add_column_volatile_default"}},
	{"stored expression", "ALTER TABLE orders ADD gross numeric GENERATED ALWAYS AS (net * 2) STORED", []string{"error add_column_volatile_default"}},
	{"default for new rows", "ALTER TABLE orders ADD token uuid; ALTER TABLE orders ALTER token SET DEFAULT gen_random_uuid()", nil},

	{"index", "CREATE INDEX ON orders (status)", []string{"error missing_concurrently"}},
	{"unique index", "CREATE UNIQUE INDEX u ON app.orders (status)", []string{"error missing_concurrently"}},
	{"index concurrently", "CREATE INDEX CONCURRENTLY ON orders (status)", nil},
	{"index of a new table", "CREATE TABLE orders (status text); CREATE INDEX ON orders (status)", nil},
	{"index of a new table, schema spelled out", "CREATE TABLE public.orders (status text); CREATE INDEX ON orders (status)", nil},
	{"index of a table in another schema", "CREATE TABLE app.orders (status text); CREATE INDEX ON orders (status)", []string{"error missing_concurrently"}},
	{"index under a search path", "SET search_path TO app, public; CREATE TABLE orders (status text); CREATE INDEX ON app.orders (status)", nil},
	{"search path and another schema", "SET search_path TO app; CREATE TABLE orders (status text); CREATE INDEX ON public.orders (status)", []string{"error missing_concurrently"}},
	{"index of a copied table", "CREATE TABLE copy AS SELECT * FROM orders; CREATE INDEX ON copy (id)", nil},
	{"index of a selected table", "SELECT * INTO copy FROM orders UNION SELECT * FROM old; CREATE INDEX ON copy (id)", nil},
	{"index of a new view", "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE UNIQUE INDEX ON m (a)", nil},
	{"index of a table in a new schema", "CREATE SCHEMA app CREATE TABLE orders (id int); CREATE INDEX ON app.orders (id)", nil},
	{"index of the partitioned table alone", "CREATE INDEX ON ONLY events (at)", nil},
	{"index of a table that was taken back", "BEGIN; CREATE TABLE orders (id int); ROLLBACK; CREATE INDEX ON orders (id)", []string{"error missing_concurrently"}},
	{"index of a table that was committed", "BEGIN; CREATE TABLE orders (id int); COMMIT; CREATE INDEX ON orders (id)", nil},

	{"drop index", "DROP INDEX orders_status, app.other", []string{"warning drop_index_not_concurrently", "warning drop_index_not_concurrently"}},
	{"drop index concurrently", "DROP INDEX CONCURRENTLY orders_status", nil},
	{"drop an index of a new table", "CREATE TABLE t (a int); CREATE INDEX i ON t (a); DROP INDEX i", nil},

	{"foreign key", "ALTER TABLE lines ADD CONSTRAINT f FOREIGN KEY (order_id) REFERENCES orders (id)", []string{"error add_foreign_key_not_valid_missing"}},
	{"foreign key not valid", "ALTER TABLE lines ADD CONSTRAINT f FOREIGN KEY (order_id) REFERENCES orders (id) NOT VALID; ALTER TABLE lines VALIDATE CONSTRAINT f", nil},
	{"foreign key of a new table", "CREATE TABLE lines (order_id int REFERENCES orders); ALTER TABLE lines ADD FOREIGN KEY (order_id) REFERENCES orders", nil},
	{"foreign key of a column of nulls", "ALTER TABLE lines ADD order_id int REFERENCES orders", nil},
	{"foreign key of a column with a default", "ALTER TABLE lines ADD order_id int DEFAULT 1 REFERENCES orders", []string{"error add_foreign_key_not_valid_missing"}},

	{"check", "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)", []string{"error add_check_not_valid_missing"}},
	{"check of a new column", "ALTER TABLE orders ADD total int CHECK (total > 0)", []string{"error add_check_not_valid_missing"}},
	{"check not valid", "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID", nil},
	{"check of a domain", "ALTER DOMAIN email ADD CHECK (VALUE <> '')", []string{"error add_check_not_valid_missing"}},
	{"check of a domain, not valid", "ALTER DOMAIN email ADD CHECK (VALUE <> '') NOT VALID", nil},

	{"unique", "ALTER TABLE orders ADD UNIQUE (number)", []string{"error add_unique_constraint"}},
	{"unique new column", "ALTER TABLE orders ADD number text UNIQUE", []string{"error add_unique_constraint"}},
	{"unique using an index", "CREATE UNIQUE INDEX CONCURRENTLY i ON orders (number); ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX i", nil},
	{"exclusion", "ALTER TABLE rooms ADD EXCLUDE USING gist (during WITH &&)", []string{"error add_unique_constraint"}},
	{"primary key", "ALTER TABLE orders ADD PRIMARY KEY (id)", []string{"error add_primary_key"}},
	{"primary key using an index", "ALTER TABLE orders ADD CONSTRAINT p PRIMARY KEY USING INDEX i", nil},

	{"reindex", "REINDEX TABLE orders; REINDEX INDEX i; REINDEX SCHEMA app; REINDEX SYSTEM shop", []string{"error reindex_not_concurrently", "error reindex_not_concurrently", "error reindex_not_concurrently", "error reindex_not_concurrently"}},
	{"reindex, concurrently off", "REINDEX (CONCURRENTLY false) TABLE orders", []string{"error reindex_not_concurrently"}},
	{"reindex concurrently", "REINDEX TABLE CONCURRENTLY orders; REINDEX (CONCURRENTLY) INDEX i", nil},
	{"vacuum full", "VACUUM FULL", []string{"error vacuum_full"}},
	{"vacuum full of tables", "VACUUM (FULL, ANALYZE) orders, lines", []string{"error vacuum_full", "error vacuum_full"}},
	{"vacuum", "VACUUM orders; VACUUM (FULL off) orders; ANALYZE", nil},
	{"cluster", "CLUSTER; CLUSTER orders USING i", []string{"error cluster", "error cluster"}},
	{"cluster on", "ALTER TABLE orders CLUSTER ON i", nil},

	{"attach partition", "ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES IN (2027)", []string{"warning attach_partition_without_check"}},
	{"attach partition to a new table", "CREATE TABLE events (y int) PARTITION BY LIST (y); ALTER TABLE events ATTACH PARTITION old DEFAULT", []string{"warning attach_partition_without_check"}},
	{"attach a new partition", "CREATE TABLE p (LIKE events); ALTER TABLE events ATTACH PARTITION p FOR VALUES IN (2027)", nil},
	{"attach a checked partition", "ALTER TABLE p ADD CONSTRAINT c CHECK (y = 2027) NOT VALID; ALTER TABLE p VALIDATE CONSTRAINT c; ALTER TABLE events ATTACH PARTITION p FOR VALUES IN (2027)", nil},
	{"detach partition", "ALTER TABLE events DETACH PARTITION p CONCURRENTLY", nil},

	{"disable trigger", "ALTER TABLE orders DISABLE TRIGGER audit; ALTER TABLE orders DISABLE TRIGGER ALL; ALTER TABLE orders DISABLE TRIGGER USER", []string{"warning disable_trigger", "warning disable_trigger", "warning disable_trigger"}},
	{"disable every trigger", "SET session_replication_role = replica", []string{"warning disable_trigger"}},
	{"enable trigger", "ALTER TABLE orders ENABLE TRIGGER audit; SET session_replication_role = origin", nil},

	{"enum value in a transaction", "BEGIN; ALTER TYPE status ADD VALUE 'lost'; COMMIT", []string{"warning enum_value_in_transaction"}},
	{"enum value outside", "ALTER TYPE status ADD VALUE 'lost'; BEGIN; COMMIT; ALTER TYPE status ADD VALUE 'found'", nil},
	{"enum value of a new type", "BEGIN; CREATE TYPE status AS ENUM ('new'); ALTER TYPE status ADD VALUE 'lost'; COMMIT", nil},
	{"enum value renamed", "BEGIN; ALTER TYPE status RENAME VALUE 'lost' TO 'gone'; COMMIT", nil},
	{"enum value after COMMIT AND CHAIN", "BEGIN; COMMIT AND CHAIN; ALTER TYPE status ADD VALUE 'lost'", []string{"warning enum_value_in_transaction"}},

	{"lock table", "LOCK orders, lines; LOCK TABLE orders IN SHARE MODE", []string{"error lock_table", "error lock_table", "error lock_table"}},
	{"lock that blocks nobody", "LOCK TABLE orders IN ROW EXCLUSIVE MODE; LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE", nil},
	{"lock a new table", "CREATE TABLE t (a int); LOCK TABLE t", nil},

	{"refresh", "REFRESH MATERIALIZED VIEW daily; REFRESH MATERIALIZED VIEW daily WITH NO DATA", []string{"error refresh_matview_not_concurrently", "error refresh_matview_not_concurrently"}},
	{"refresh concurrently", "REFRESH MATERIALIZED VIEW CONCURRENTLY daily", nil},
	{"refresh a new view", "CREATE MATERIALIZED VIEW daily AS SELECT 1 WITH NO DATA; REFRESH MATERIALIZED VIEW daily", nil},

	{"cannot be parsed", "ALTER TABL orders", []string{"error parse_error"}},
	{"command of psql", "\\connect shop", []string{"error parse_error"}},
	{"too long", "SELECT '" + strings.Repeat("x", 1<<20) + "'", []string{"error parse_error"}},
	{"nothing", " -- nothing yet\n;;", nil},
	{"much data", strings.Repeat("INSERT INTO countries VALUES ('NL');", 5000) + "DROP TABLE old", []string{"error drop_table"}},
	{"ordinary work", "INSERT INTO orders VALUES (1); UPDATE orders SET a = 1 WHERE id = 1; COMMENT ON TABLE orders IS 'x'; GRANT SELECT ON orders TO app", nil},
	{"new table with everything", "CREATE TABLE orders (id bigserial PRIMARY KEY, token uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE, total int CHECK (total > 0), customer int REFERENCES customers)", nil},
	{"new partition", "CREATE TABLE events_2027 PARTITION OF events FOR VALUES IN (2027)", nil},
	{"new view", "CREATE OR REPLACE VIEW open_orders AS SELECT * FROM orders; ALTER VIEW open_orders RENAME TO pending", nil},
	{"new trigger", "CREATE TRIGGER audit AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION audit()", nil},
	{"new enum in a transaction", "BEGIN; CREATE TYPE status AS ENUM ('open'); CREATE TABLE orders (s status DEFAULT 'open'); COMMIT", nil},
	{"statistics", "ALTER TABLE orders ALTER total SET STATISTICS 500; CREATE STATISTICS s ON a, b FROM orders", nil},
	{"storage parameters", "ALTER TABLE orders SET (fillfactor = 80)", nil},
	{"row level security", "ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON orders USING (true)", nil},
	{"default of existing rows left alone", "ALTER TABLE orders ALTER total SET DEFAULT 0", nil},
	{"analyze", "ANALYZE orders", nil},
	{"lock timeout", "SET lock_timeout = '2s'; ALTER TABLE orders ADD note text", nil},
	{"sequence", "CREATE SEQUENCE s; ALTER SEQUENCE s RESTART; DROP SEQUENCE s", nil},
	{"several rules in one statement", "ALTER TABLE orders DROP a, ALTER b SET NOT NULL, ADD UNIQUE (c)", []string{"error drop_column", "error set_not_null", "error add_unique_constraint"}},
}

func TestLintMigration(t *testing.T) {
	clean := 0
	for _, c := range lintCases {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, f := range LintMigration(c.sql) {
				got = append(got, f.Severity+" "+f.Rule)
				if f.Message == "" || f.Hint == "" {
					t.Errorf("%s says nothing: %+v", f.Rule, f)
				}
				if f.Statement == "" && f.Rule != "parse_error" {
					t.Errorf("%s does not show its statement", f.Rule)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s\n got %q\nwant %q", c.sql, got, c.want)
			}
		})
		if c.want == nil {
			clean++
		}
	}
	if flagged := len(lintCases) - clean; clean < flagged {
		t.Errorf("%d cases are clean and %d are flagged: the rules must be shown to spare as much as they find", clean, flagged)
	}
}

// Every rule that the code has is the subject of a case.
func TestEveryMigrationRuleHasACase(t *testing.T) {
	source, err := os.ReadFile("migrations_rules.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(source), "migrationRule{\"")[1:] {
		rule, _, _ := strings.Cut(part, `"`)
		if rule == "too_many_findings" {
			continue // TestFindingsAreBounded
		}
		if !slices.ContainsFunc(lintCases, func(c lintCase) bool {
			return slices.ContainsFunc(c.want, func(w string) bool { return strings.HasSuffix(w, " "+rule) })
		}) {
			t.Errorf("no case breaks %s", rule)
		}
	}
}

func TestFindingShowsItsStatementWithoutComments(t *testing.T) {
	got := LintMigration("SELECT 1;\n-- why\n/* and /* how */ */\nDROP  TABLE orders ;\nSELECT 2")
	if len(got) != 1 || got[0].Statement != "DROP  TABLE orders" || got[0].Line != 4 {
		t.Errorf("%+v", got)
	}
}

func TestParseErrorNamesTheLine(t *testing.T) {
	got := LintMigration("SELECT 'ü';\n\nDROP TABL x;")
	if len(got) != 1 || !strings.Contains(got[0].Message, `line 3: syntax error at or near "TABL"`) || got[0].Line != 3 {
		t.Errorf("%+v", got)
	}
}

// A report is bounded whatever comes in, and never says safe when it was cut.
func TestFindingsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("ALTER TABLE orders ALTER a TYPE text")
	for i := range 20000 {
		fmt.Fprintf(&b, ", ALTER c%d TYPE text", i)
	}
	got := LintMigration(b.String() + "; DROP TABLE orders")
	if len(got) != maxFindings+1 {
		t.Fatalf("%d findings", len(got))
	}
	if last := got[maxFindings]; last.Rule != "too_many_findings" || last.Severity != severityError {
		t.Errorf("%+v", last)
	}
	size := 0
	for _, f := range got {
		size += len(f.Message) + len(f.Statement) + len(f.Hint)
	}
	if size > 2<<20 {
		t.Errorf("the report has %d bytes", size)
	}
}

func FuzzLintMigration(f *testing.F) {
	for _, c := range lintCases {
		if len(c.sql) < 1000 {
			f.Add(c.sql)
		}
	}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, finding := range LintMigration(sql) {
			if finding.Rule == "" || finding.Severity == "" || finding.Message == "" {
				t.Errorf("%q: %+v", sql, finding)
			}
		}
	})
}

// The hint fits what is wrong: a file that is no text has no commands of psql.
func TestLintHintsAtWhatIsWrong(t *testing.T) {
	for sql, hint := range map[string]string{"\\c shop": "commands of psql", "SELECT 1\x00": "UTF-8", strings.Repeat(" ", MaxBytes+1): "in parts"} {
		if got := LintMigration(sql); len(got) != 1 || !strings.Contains(got[0].Hint, hint) {
			t.Errorf("%.10q: %+v", sql, got)
		}
	}
}
