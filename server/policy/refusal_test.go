package policy

import (
	"strings"
	"testing"
)

func TestRefusalSaysWhatWhyAndWhatToDo(t *testing.T) {
	for _, c := range []struct {
		profile      Profile
		sql          string
		reason, hint string
	}{
		{Profile{ReadOnly: true}, "UPDATE t SET a = 1 WHERE b = 1",
			"blocked by PgBeam policy: this credential is read-only; update is not permitted; only SELECT, SHOW, and EXPLAIN are allowed",
			"access_mode read_write"},
		{Profile{TableAllowlist: []string{"orders", "sales.items"}}, "SELECT * FROM users",
			`table "users" is not in this credential's allowlist; allowed tables: public.orders, sales.items`, "ask your operator"},
		{Profile{TableAllowlist: []string{`"Customer Cards"`, `Sales."Big Orders"`}}, "SELECT * FROM users",
			`allowed tables: public."Customer Cards", Sales."Big Orders"`, "ask your operator"},
		{Profile{}, "SELECT 1; DROP TABLE t", "statement 2 of the batch: DROP TABLE destroys", "operator"},
	} {
		d := mustCompile(t, c.profile, nil).Evaluate(c.sql)
		if !strings.Contains(d.Reason, c.reason) || !strings.Contains(d.Hint, c.hint) {
			t.Errorf("%s\n  reason %q\n  hint %q", c.sql, d.Reason, d.Hint)
		}
	}
}

// What an agent sends that is no SQL at all is answered with what to send
// instead.
func TestHintsAboutWhatIsNotExamined(t *testing.T) {
	e := mustCompile(t, Profile{}, nil)
	for sql, hint := range map[string]string{
		`\d customers`: "read information_schema", "SELECT 1;\n\\dt": "read information_schema",
		"SELECT '\xe9'": "UTF-8", "SELECT 1\x00": "UTF-8",
		"SELECT '" + strings.Repeat("x", MaxBytes) + "'": "in parts",
		"SELECT " + strings.Repeat("(", maxDepth+1):      "less deeply",
		strings.Repeat("SELECT 1;", maxStatements+1):     "fewer statements",
		"SELEC 1": "PostgreSQL 17",
	} {
		if d := e.Evaluate(sql); d.Rule != "parse_error" || !strings.Contains(d.Hint, hint) {
			t.Errorf("%.20q: %s, %s", sql, d.Rule, d.Hint)
		}
	}
	if d := e.Evaluate(`\d`); d.Syntax == nil || d.Syntax.Hint != d.Hint {
		t.Errorf("clients are not told: %+v", d.Syntax)
	}
}

// A table that is listed twice is named once to who may not read another.
func TestAllowedTablesAreNamedOnce(t *testing.T) {
	d := mustCompile(t, Profile{TableAllowlist: []string{"orders", "public.orders", "Orders", "sales.orders"}}, nil).Evaluate("SELECT 1 FROM users")
	if !strings.HasSuffix(d.Reason, "allowed tables: public.orders, sales.orders") {
		t.Error(d.Reason)
	}
}

// Where nothing is hidden by it, a client is told what PostgreSQL would tell.
func TestDecisionTellsMistakesFromRefusals(t *testing.T) {
	e := mustCompile(t, Profile{TableDenylist: []string{"secrets"}, Masks: []Mask{{"users", "email", Redact}}}, shop())
	if d := e.Evaluate("SELECT é FORM users"); d.Syntax == nil || d.Syntax.Position != 15 || !strings.Contains(d.Syntax.Message, `at or near "users"`) {
		t.Errorf("a syntax error: %+v", d.Syntax)
	}
	if d := e.Evaluate("SELECT " + strings.Repeat("(", 1000)); d.Rule != "parse_error" || d.Syntax != nil {
		t.Errorf("a text that no parser saw: %s, %+v", d.Rule, d.Syntax)
	}
	for sql, want := range map[string]string{
		"SELECT 1 FROM schema_migrations": "42P01", "SELECT 1 FROM app.nothing": "42P01", "SELECT nothing FROM users": "42703",
		"SELECT 1 FROM secrets": "", "SELECT upper(email) FROM users": "", "SELECT 1 FROM secret_view": "", "SELECT id FROM users": "",
	} {
		if d := e.Evaluate(sql); d.Undefined != want {
			t.Errorf("%s: undefined %q (%s), want %q", sql, d.Undefined, d.Rule, want)
		}
	}
	only := mustCompile(t, Profile{TableAllowlist: []string{"orders"}}, shop())
	for _, sql := range []string{"SELECT 1 FROM users", "SELECT 1 FROM nothing"} {
		if d := only.Evaluate(sql); d.Undefined != "" || d.Rule != "table_not_allowed" {
			t.Errorf("an allowlist tells which tables are there: %s: %q", sql, d.Undefined)
		}
	}
}

// Who wrote a wrong name is told which one it is: "a name is no column of the
// tables in sight" left an agent guessing.
func TestAWrongNameIsNamed(t *testing.T) {
	e := mustCompile(t, Profile{Masks: []Mask{{"users", "email", Redact}}}, shop())
	for sql, want := range map[string]string{
		"SELECT nothing FROM users":               `"nothing"`,
		"SELECT u.nothing FROM users u":           `"u.nothing"`,
		"SELECT id FROM users WHERE other.id = 1": `"other.id"`,
		"SELECT other.* FROM users":               `"other.*"`,
		"SELECT row(other.*) FROM users":          `"other.*"`,
	} {
		if d := e.Evaluate(sql); d.Undefined != "42703" || !strings.Contains(d.Reason, want+" is no column of the tables in sight") {
			t.Errorf("%s: %s (%q)", sql, d.Reason, d.Undefined)
		}
	}
}

// set_config was called never permitted, which it is not.
func TestRefusalOfSetConfigSaysWhatItMayChange(t *testing.T) {
	e := mustCompile(t, Profile{}, nil)
	if d := e.Evaluate("SELECT set_config('search_path', 'x', false)"); d.Rule != "function_not_allowed" || !strings.Contains(d.Reason, "may change only what SET may") {
		t.Errorf("%s: %s", d.Rule, d.Reason)
	}
}

// An INSERT of a few hundred kilobytes was too complex under a mask: each
// constant in it counted four times.
func TestBulkInsertsAreExaminedUnderMasks(t *testing.T) {
	e := mustCompile(t, Profile{Masks: []Mask{{"users", "email", Redact}}}, nil)
	for rows, want := range map[int]string{45_000: "ok", 90_000: "parse_error"} {
		d := e.Evaluate("INSERT INTO t (a, b) VALUES " + strings.Repeat("(1,'x'),", rows) + "(1,'x')")
		if d.Rule != want || want != "ok" && !strings.Contains(d.Hint, "in parts") {
			t.Errorf("%d rows: %s (%s; %s)", rows, d.Rule, d.Reason, d.Hint)
		}
	}
}
