package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// file writes a text below a folder of the test.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const supportPolicy = `access_mode: read_only
masking_rules:
  - {table: public.customers, column: email, kind: redact}
row_filters:
  - {table: orders, predicate: tenant_id = 42}
`

func TestPolicyCheckDecidesEachStatement(t *testing.T) {
	profile := file(t, "support.yaml", supportPolicy)
	sql := file(t, "queries.sql", "select 1;\n-- addresses\nselect email from customers;\nselect id from orders;\ndelete from orders where id = 1;\n")
	status, stdout, stderr := runs(t, nil, "policy", "check", sql, "--policy", profile)
	if status != 1 || !strings.Contains(stderr, "1 of 4 statements refused") {
		t.Errorf("%d: %s", status, stderr)
	}
	for _, want := range []string{
		"    1  allow       select 1\n", "    3  mask        select email from customers\n", "masked: email (redact)\n",
		"    4  row-filter  select id from orders\n", "    5  block       delete from orders where id = 1\n", "read_only: blocked by PgBeam policy", "hint: ",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "\x1b") {
		t.Error("colours appear where there is no terminal")
	}
}

func TestPolicyCheckTellsOfRowsThatAreChecked(t *testing.T) {
	profile := file(t, "p.yaml", "{access_mode: read_write, row_filters: [{table: orders, predicate: tenant_id = 1}]}")
	sql := file(t, "q.sql", "insert into orders values (1, 1);\nupdate orders set tenant_id = 1 where id = 1;\nupdate orders set item = 'x' where id = 1;\n")
	status, stdout, _ := runs(t, nil, "policy", "check", sql, "--policy", profile)
	if status != 0 || strings.Count(stdout, "filter: orders.tenant_id = 1\n") != 3 || strings.Count(stdout, "note: rolled back if a written row does not satisfy the row filter\n") != 2 {
		t.Errorf("%d: %s", status, stdout)
	}
}

func TestPolicyCheckForAPipeline(t *testing.T) {
	profile := file(t, "support.json", `{"masking_rules": [{"table": "customers", "column": "email", "kind": "hash"}]}`)
	for sql, want := range map[string]struct {
		status  int
		verdict string
		rule    string
	}{
		"select email from customers":               {0, "mask", "ok"},
		"select 1 from customers where email = 'x'": {1, "block", "masked_column_predicate"},
		"selec 1": {1, "block", "parse_error"},
	} {
		status, stdout, _ := runs(t, nil, "policy", "check", "--json", "--policy", profile, file(t, "q.sql", sql))
		var got struct {
			Statements []struct {
				Line                           int
				Statement, Verdict, Rule, Hint string
				MaskedColumns                  []map[string]string `json:"masked_columns"`
			}
			Blocked int
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("%s: %v in %s", sql, err, stdout)
		}
		if status != want.status || got.Blocked != want.status || len(got.Statements) != 1 {
			t.Fatalf("%s ends with %d: %s", sql, status, stdout)
		}
		s := got.Statements[0]
		if s.Line != 1 || s.Statement != sql || s.Verdict != want.verdict || s.Rule != want.rule || (s.Hint == "") != (want.status == 0) {
			t.Errorf("%s: %s", sql, stdout)
		}
		if want.verdict == "mask" && (len(s.MaskedColumns) != 1 || s.MaskedColumns[0]["kind"] != "hash") {
			t.Errorf("%s: %s", sql, stdout)
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A report that reached nobody must not pass for a review without objections.
func TestPolicyCheckFailsWhenItsReportCannotBeWritten(t *testing.T) {
	sql, profile := file(t, "q.sql", "select 1"), file(t, "p.yaml", "{}")
	for _, form := range [][]string{nil, {"--json"}} {
		var errs bytes.Buffer
		status := run(t.Context(), append([]string{"policy", "check", sql, "--policy", profile}, form...), full{}, &errs)
		if status != 1 || !strings.Contains(errs.String(), syscall.ENOSPC.Error()) {
			t.Errorf("%v: it ends with %d: %q", form, status, errs.String())
		}
	}
}

// A file must not write to the terminal of who checks it, nor turn its text
// around there.
func TestCheckedTextCannotDeceiveATerminal(t *testing.T) {
	const deceits = "\x1b\a\u202e\u2066\u200b"
	sql := file(t, "q.sql", "drop table \""+deceits+"\"")
	_, stdout, _ := runs(t, nil, "policy", "check", sql, "--policy", file(t, "p.yaml", "access_mode: read_only"))
	_, linted, _ := runs(t, nil, "migrations", "lint", sql)
	if strings.ContainsAny(stdout+linted, deceits) || !strings.Contains(stdout, "drop table") || !strings.Contains(linted, "drop_table") {
		t.Errorf("%q\n%q", stdout, linted)
	}
}

// A statement with a mistake is refused by itself, and so is a file without
// any: what was meant to be there was not checked.
func TestPolicyCheckOfWhatIsNoSQL(t *testing.T) {
	profile := file(t, "p.yaml", "access_mode: read_only")
	status, stdout, stderr := runs(t, nil, "policy", "check", file(t, "q.sql", "select 1;\nselec 2;\n\nupdate t set a = 1"), "--policy", profile)
	if status != 1 || !strings.Contains(stderr, "2 of 3 statements refused") {
		t.Errorf("%d: %s", status, stderr)
	}
	for _, want := range []string{"    1  allow       select 1\n", "    2  block       selec 2\n", "parse_error: ", "    4  block       update t set a = 1\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	for _, text := range []string{"", "-- later\n;"} {
		status, stdout, stderr := runs(t, nil, "policy", "check", file(t, "q.sql", text), "--policy", profile)
		if status != 1 || !strings.Contains(stdout, "empty: ") || !strings.Contains(stderr, "nothing was checked") {
			t.Errorf("%q: %d, %s%s", text, status, stdout, stderr)
		}
	}
}

// Editors put a byte order mark before a file, and psql skips it.
func TestPolicyCheckSkipsAByteOrderMark(t *testing.T) {
	profile := file(t, "p.yaml", "access_mode: read_only")
	if status, stdout, _ := runs(t, nil, "policy", "check", file(t, "q.sql", "\ufeffselect 1"), "--policy", profile); status != 0 || !strings.Contains(stdout, "    1  allow       select 1\n") {
		t.Errorf("%d: %s", status, stdout)
	}
}

// A detail is one line, whatever the statement that it quotes.
func TestPolicyCheckPrintsDetailsOnOneLine(t *testing.T) {
	_, stdout, _ := runs(t, nil, "policy", "check", file(t, "q.sql", "select 'a\nb"), "--policy", file(t, "p.yaml", "{}"))
	if !strings.Contains(stdout, `near "'a b"`) {
		t.Error(stdout)
	}
}

// What the API returned of a saved policy can be checked as it is.
func TestPolicyCheckReadsASavedPolicy(t *testing.T) {
	profile := file(t, "p.json", `{"id": "pol_1", "project_id": "prj_1", "name": "saved", "access_mode": "read_only", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}`)
	if status, stdout, stderr := runs(t, nil, "policy", "check", file(t, "q.sql", "delete from t where a = 1"), "--policy", profile); status != 1 || !strings.Contains(stdout, "read_only: ") {
		t.Errorf("%d: %s%s", status, stdout, stderr)
	}
}

// A policy under which nobody can log in is not passed over in silence.
func TestPolicyCheckTellsWhatIsNotEnforced(t *testing.T) {
	profile := file(t, "p.yaml", "{approval_mode: all, statement_timeout_ms: 5}")
	sql := file(t, "q.sql", "select 1")
	if _, stdout, _ := runs(t, nil, "policy", "check", sql, "--policy", profile); !strings.Contains(stdout, "does not enforce approval_mode all") {
		t.Error(stdout)
	}
	_, stdout, _ := runs(t, nil, "policy", "check", "--json", sql, "--policy", profile)
	if !strings.Contains(stdout, `"notes":["logins under this policy are refused: this version does not enforce approval_mode all","cancelled after 5 ms"]`) {
		t.Error(stdout)
	}
}

func TestPolicyCheckTellsWhatAStatementIsAbout(t *testing.T) {
	profile := file(t, "p.yaml", "{access_mode: read_write, migration_safety: warn}")
	_, stdout, _ := runs(t, nil, "policy", "check", "--json", "--policy", profile, file(t, "q.sql", "select lower(a) from t, s.u;\n\nalter table t\n drop column a"))
	var got struct {
		Statements []struct {
			Kind                 string
			Relations, Functions []string
			Findings             []struct{ Line int }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got.Statements) != 2 {
		t.Fatalf("%v in %s", err, stdout)
	}
	first, second := got.Statements[0], got.Statements[1]
	if first.Kind != "select" || strings.Join(first.Relations, " ") != "public.t s.u" || strings.Join(first.Functions, " ") != "lower" {
		t.Errorf("%+v", first)
	}
	if second.Kind != "ddl" || len(second.Findings) != 1 || second.Findings[0].Line != 3 {
		t.Errorf("%+v", second)
	}
}

func TestPolicyCheckExplainsAWrongPolicy(t *testing.T) {
	sql := file(t, "q.sql", "select 1")
	for text, want := range map[string]string{
		"acces_mode: read_only": "access_mode",
		"row_filters: [{table: orders, predicate: 'tenant_id ='}]": "row_filters[0].predicate: ",
		"table_allowlist: ['a b']":                                 "table_allowlist[0]: ",
		"- access_mode":                                            "a policy is a list of fields",
		"a: [":                                                     "yaml: ",
		"# later\n":                                                "is empty",
		"access_mode: read_write\n---\nmax_rows: 1": "more than one document",
		"1: 2": "every key must be the name of a field",
		"masking_rules: [{table: t, column: c, kind: null}]": `write "null" in quotes`,
	} {
		status, stdout, stderr := runs(t, nil, "policy", "check", sql, "--policy", file(t, "p.yaml", text))
		if status != 2 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%q: %d, %s%s", text, status, stdout, stderr)
		}
	}
	if status, _, stderr := runs(t, nil, "policy", "check", sql); status != 2 || !strings.Contains(stderr, "--policy") {
		t.Errorf("without a policy: %d, %s", status, stderr)
	}
	if status, _, stderr := runs(t, nil, "policy", "check", "missing.sql", "--policy", file(t, "p.yaml", "{}")); status != 2 || !strings.Contains(stderr, "missing.sql") {
		t.Errorf("without the file: %d, %s", status, stderr)
	}
}

func TestMigrationsLint(t *testing.T) {
	unsafe := file(t, "0042.sql", "create table a (id int);\ncreate index on orders\n  (status);\nalter table orders rename to purchases;")
	status, stdout, stderr := runs(t, nil, "migrations", "lint", unsafe)
	if status != 1 || !strings.Contains(stderr, "the migration is unsafe: 2 findings, 1 error") {
		t.Errorf("%d: %s", status, stderr)
	}
	for _, want := range []string{"    2  error    missing_concurrently\n       create index on orders (status)\n", "    4  warning  rename_table\n", "hint: use CREATE INDEX CONCURRENTLY"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	var report struct {
		Safe     bool
		Findings []struct {
			Rule string
			Line int
		}
	}
	status, stdout, _ = runs(t, nil, "migrations", "lint", "--json", unsafe)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || status != 1 || report.Safe || len(report.Findings) != 2 || report.Findings[0].Line != 2 {
		t.Errorf("%d: %s", status, stdout)
	}
	safe := file(t, "0043.sql", "create index concurrently on orders (status)")
	if status, stdout, stderr = runs(t, nil, "migrations", "lint", safe); status != 0 || !strings.Contains(stdout, "The migration is safe") {
		t.Errorf("%d: %s%s", status, stdout, stderr)
	}
	if status, stdout, _ = runs(t, nil, "migrations", "lint", "--json", safe); status != 0 || strings.TrimSpace(stdout) != `{"safe":true,"findings":[]}` {
		t.Errorf("%d: %s", status, stdout)
	}
}
