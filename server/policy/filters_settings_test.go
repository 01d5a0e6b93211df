package policy_test

import (
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// What decides which rows a filter lets through is not the principal's to set.
func TestSettingsThatAFilterDependsOnStay(t *testing.T) {
	catalog := extended(t, `CREATE TABLE visits (id int, seen timestamptz, day date, at timestamp, score float8, paid money, body text, kind name, ok bool, doc jsonb);
		CREATE FUNCTION whose() RETURNS int LANGUAGE sql STABLE AS $$ SELECT current_setting('app.tenant')::int $$;
		CREATE VIEW mine AS SELECT 1 AS id WHERE current_setting('app.tenant') = '1'`)
	const times, forms, own = "timezone datestyle intervalstyle", "lc_monetary extra_float_digits", "app.tenant"
	for _, c := range []struct{ predicate, stay, free string }{
		{"id = 1 AND body <> '2026-01-02' OR ok", "", times + " " + forms + " " + own},
		{"lower(body) LIKE 'a%' AND doc ->> 'k' = '12345' AND kind = 'x'", "", times + " " + forms + " " + own},
		{"id IN (SELECT user_id FROM members m WHERE m.team = visits.id)", "", times + " " + forms + " " + own},
		{"day >= '2026-01-02' AND at < '2026-01-02 10:00'", "", times + " " + forms + " " + own},
		{"day >= '02/01/2026'", times, forms + " " + own},
		{"day > current_date - 30", times, forms + " " + own},
		{"at > now()", times, own},
		{"seen >= '2026-01-02'", times, own},
		{"day::text LIKE '2026%'", times, own},
		{"day || '' LIKE '2026%'", times, own},
		{"day::timestamptz > 'epoch'", times, own},
		{"extract(day FROM at) = 1 AND to_char(at, 'MM') = '01'", times + " " + forms, own},
		{"paid > '5'", times + " " + forms, own},
		{"score::text = '1'", "extra_float_digits", own},
		{"body @@ 'word'", "default_text_search_config", own},
		{"id = whose()", times + " " + forms + " " + own + " some.thing", "work_mem"},
		{"id IN (SELECT id FROM mine)", times + " " + forms + " " + own, "work_mem"},
		{"id = current_setting('app.tenant')::int", own, times + " " + forms + " app.other"},
		{"body = current_setting('Application_Name')", "application_name", "work_mem"},
	} {
		e := compile(t, policy.Profile{ReadOnly: true, Filters: []policy.Filter{{Table: "visits", Predicate: c.predicate}}}, catalog)
		for _, name := range strings.Fields(c.stay) {
			for _, sql := range []string{"SET " + name + " = '1'", "SELECT set_config('" + name + "', '1', true)"} {
				if e.Evaluate(sql).Verdict != policy.Block {
					t.Errorf("where %s: %s", c.predicate, sql)
				}
			}
		}
		for _, name := range strings.Fields(c.free) {
			if d := e.Evaluate("SET " + name + " = '1'"); d.Rule != "ok" {
				t.Errorf("where %s, %s may not be set: %s", c.predicate, name, d.Reason)
			}
		}
		for _, sql := range []string{"RESET timezone", "SET datestyle TO DEFAULT"} {
			if d := e.Evaluate(sql); d.Rule != "ok" {
				t.Errorf("where %s: %s is refused: %s", c.predicate, sql, d.Reason)
			}
		}
	}
}

// At login no catalog is at hand: what is in doubt stays.
func TestSettingsThatAFilterMayDependOnStayAtLogin(t *testing.T) {
	for _, c := range []struct {
		predicate string
		stays     bool
	}{
		{"tenant_id = 1", false},
		{"status <> 'cancelled' AND rank IN (1, 2)", false},
		{"lower(country) = 'de' OR priority = '5-LOW'", false},
		{"order_id IN (SELECT o.id FROM orders o WHERE o.tenant_id = order_items.tenant_id)", false},
		{"owner = current_setting('pgbeam.credential_id')", false},
		{"placed > '2026-01-01'", true},
		{"placed > current_date", true},
		{"shown < hidden", true},
		{"visible(id)", true},
		{"placed = 'today'", true},
		{"placed > now() - interval '1 day'", true},
	} {
		e := compile(t, policy.Profile{Filters: []policy.Filter{{Table: "t", Predicate: c.predicate}}}, nil)
		if e.Sways("TimeZone") != c.stays {
			t.Errorf("where %s: the time zone stays: %t", c.predicate, !c.stays)
		}
	}
}
