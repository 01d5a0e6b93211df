package policy

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestShapes(t *testing.T) {
	for _, tt := range []struct{ one, other string }{
		{"SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 90210"},
		{"SELECT a FROM t WHERE b=1;", "SELECT a FROM t WHERE b=22;"},
		{"SELECT a FROM t WHERE b IN (1,2)", "SELECT a FROM t WHERE b IN (33,444)"},
		{"SELECT a FROM t WHERE b = 'x' AND c > 0", "SELECT a FROM t WHERE b = '1 --' AND c > 7"},
		{`SELECT "1 " FROM t WHERE b = 1`, `SELECT "1 " FROM t WHERE b = 2`},
		{"SELECT a FROM t WHERE b = $1 AND c = 2", "SELECT a FROM t WHERE b = $1 AND c = 3"},
	} {
		one, ok := AppendShape(nil, tt.one)
		other, ok2 := AppendShape(nil, tt.other)
		if !ok || !ok2 || string(one) != string(other) {
			t.Errorf("%q and %q have the shapes %q and %q", tt.one, tt.other, one, other)
		}
	}
	for _, tt := range []struct{ one, other string }{
		{"SELECT a1 FROM t WHERE b = 1", "SELECT a2 FROM t WHERE b = 1"},
		{"SELECT a FROM t WHERE b = $1 AND c = 1", "SELECT a FROM t WHERE b = $2 AND c = 1"},
		{"SELECT a FROM t WHERE b = -1 AND c = 1", "SELECT a FROM t WHERE b = -2 AND c = 1"},
		{"SELECT a FROM t WHERE b = 1.5 AND c = 1", "SELECT a FROM t WHERE b = 1.6 AND c = 1"},
		{`SELECT "1" FROM t WHERE b = 1`, `SELECT "2" FROM t WHERE b = 1`},
		{"SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = '1'"},
	} {
		one, _ := AppendShape(nil, tt.one)
		other, _ := AppendShape(nil, tt.other)
		if one != nil && string(one) == string(other) {
			t.Errorf("%q and %q have one shape, %q", tt.one, tt.other, one)
		}
	}
	for _, sql := range []string{
		"SELECT a FROM t", "", "SELECT a FROM t WHERE b = 1 -- 2", "SELECT a /* 1 */ FROM t WHERE b = 1", "SELECT $$ 1 $$, a FROM t WHERE b = 1",
		`SELECT a FROM t WHERE b = E'\''`, "SELECT a FROM t WHERE b = 'it''s'", `SELECT a FROM t WHERE b = 'a\b'`, "SELECT a FROM t WHERE b = 'open",
		`SELECT "a FROM t WHERE b = 1`, "SELECT a FROM t WHERE b = \x01", "SELECT a FROM t WHERE b = '1'::int", "SELECT a FROM t WHERE b = N'1'",
		"SELECT a FROM t WHERE b = " + strings.Repeat("1", maxShaped),
	} {
		if shape, ok := AppendShape(nil, sql); ok {
			t.Errorf("%q has the shape %q", sql, shape)
		}
	}
}

// templated are texts and whether what is decided about them is decided for
// all values: never where a value chooses what is read.
var templated = map[string]bool{
	"SELECT abalance FROM pgbench_accounts WHERE aid = 1;":                                                       true,
	"select id, label from plain where id > 1 and label <> 'x' order by id limit 10 offset 20":                   true,
	"SELECT p.label FROM plain p JOIN plain q ON p.id = q.id + 1 WHERE p.id IN (1, 2) AND q.id BETWEEN 3 AND 4;": true,
	"INSERT INTO plain (id, label) VALUES (1, 'a'), (2, 'b')":                                                    true,
	"UPDATE plain SET label = 'x', id = id + 5 WHERE id = 3":                                                     true,
	"DELETE FROM plain WHERE id = 3":                                                                             true,
	"WITH p AS (SELECT id FROM plain WHERE id = 1) SELECT * FROM p":                                              true,
	"SELECT label FROM plain ORDER BY 1":                                                                         false,
	"SELECT label, count(*) FROM plain WHERE id = 1 GROUP BY 1":                                                  false,
	"SELECT nextval('plain_id_seq'), id FROM plain WHERE id = 1":                                                 false,
	"SELECT set_config('role', 'x', false)":                                                                      false,
	"SELECT to_regclass('users') WHERE 1 = 1":                                                                    false,
	"SELECT id FROM plain TABLESAMPLE system (10) WHERE id = 1":                                                  false,
	"SELECT cast(id AS numeric(10)) FROM plain WHERE id = 1":                                                     false,
	"SELECT interval '1' FROM plain WHERE id = 1":                                                                false,
	"SELECT id FROM plain WHERE id = 1; SELECT id FROM plain WHERE id = 2":                                       false,
	"SELECT email FROM users WHERE id = 1":                                                                       false, // masked
	"SELECT item FROM orders WHERE id = 1":                                                                       false, // filtered
	"SELECT id FROM secrets WHERE id = 1":                                                                        false, // refused
	"EXPLAIN SELECT id FROM plain WHERE id = 1":                                                                  false,
	"DECLARE c CURSOR FOR SELECT id FROM plain WHERE id = 1":                                                     false,
	"FETCH 10 FROM c":                             false,
	"SET statement_timeout = 10":                  false,
	"SELECT 'a'\n'b' FROM plain WHERE id = 1":     false,
	"SELECT id FROM plain WHERE label = 'a'\n'b'": false,
}

func TestTemplates(t *testing.T) {
	e := mustCompile(t, Profile{
		TableDenylist: []string{"secrets"},
		Masks:         []Mask{{"users", "email", Redact}}, Filters: []Filter{{"orders", "tenant_id = 42"}},
	}, smallCatalog())
	for sql, want := range templated {
		if strings.Contains(sql, "pgbench") {
			e := mustCompile(t, Profile{ReadOnly: true, TableDenylist: []string{"secrets"}}, nil)
			if e.Template(sql, e.Evaluate(sql)) == nil {
				t.Errorf("%s: no template", sql)
			}
			continue
		}
		if got := e.Template(sql, e.Evaluate(sql)) != nil; got != want {
			t.Errorf("%s: template %v, want %v (%s)", sql, got, want, e.Evaluate(sql).Reason)
		}
	}
}

// values are put in for the constants of a text, in turn.
var values = []string{
	"0", "1", "2", "42", "007", "2147483648", "99999999999999999999999999",
	"''", "'users'", "'tenant_id = 42'", "'[redacted]'", "'ä茶'", "'1'", "'; DROP TABLE x; --'", "'$1'", "'\n'", "'\xff'",
}

// alike fails if a template decides otherwise than Evaluate about any text of
// its shape.
func alike(t *testing.T, e *Engine, sql string) {
	t.Helper()
	template := e.Template(sql, e.Evaluate(sql))
	if template == nil {
		return
	}
	shape, _ := AppendShape(nil, sql)
	for first := range values {
		next := first
		pick := func(quoted bool) string {
			for {
				next = (next + 5) % len(values) // 5 and their number have no common factor
				if strings.HasPrefix(values[next], "'") == quoted {
					return values[next]
				}
			}
		}
		var other strings.Builder
		for _, c := range shape {
			switch c {
			case openNumber, openString:
				other.WriteString(pick(c == openString))
			default:
				other.WriteByte(c)
			}
		}
		again, ok := AppendShape(nil, other.String())
		if !ok || string(again) != string(shape) {
			t.Fatalf("%q has the shape %q, and not %q", other.String(), again, shape)
		}
		got, want := template.Decide(other.String()), e.Evaluate(other.String())
		if got != nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q:\nby template %+v\nevaluated   %+v", other.String(), got, want)
		}
	}
}

func shapeEngines(t testing.TB) []*Engine {
	return []*Engine{
		mustCompile(t, Profile{ReadOnly: true, TableDenylist: []string{"secrets"}}, nil),
		mustCompile(t, Profile{MaxRows: 10, MaxAffectedRows: 3, TableAllowlist: []string{"a", "b", "plain", "orders"}}, shop()),
		mustCompile(t, Profile{Masks: []Mask{{"users", "email", Redact}}, Filters: []Filter{{"orders", "tenant_id = 42"}}}, smallCatalog()),
		mustCompile(t, Profile{Migrations: "warn"}, smallCatalog()),
	}
}

func TestTemplatesDecideLikeEvaluate(t *testing.T) {
	text, err := os.ReadFile("testdata/introspection.sql")
	if err != nil {
		t.Fatal(err)
	}
	texts := slices.Concat(slices.Collect(maps.Values(tpch(t))), slices.Collect(maps.Keys(templated)), strings.Split(string(text), "\n\n"))
	for i, e := range shapeEngines(t) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			for _, sql := range texts {
				alike(t, e, sql)
			}
		})
	}
}

func FuzzTemplate(f *testing.F) {
	for sql := range templated {
		f.Add(sql)
	}
	f.Add("SELECT a FROM b WHERE x = 1 AND y IN ('p', 'q') OR EXISTS (SELECT 1 FROM a WHERE z BETWEEN 5 AND 6) LIMIT 3")
	engines := shapeEngines(f)
	f.Fuzz(func(t *testing.T, sql string) {
		for _, e := range engines {
			alike(t, e, sql)
		}
	})
}
