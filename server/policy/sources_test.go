package policy

import (
	"slices"
	"strings"
	"testing"
)

func TestSourcesAreTheStatementsWithTheirLines(t *testing.T) {
	got, err := Sources("SELECT 1;\n\n-- 'why; not'\n/* or\nnot */ SELECT ';',\n 'ü'; SELECT 3 ;\n;SELECT 4\n-- end")
	if err != nil {
		t.Fatal(err)
	}
	want := []Source{{"SELECT 1", 1}, {"SELECT ';',\n 'ü'", 5}, {"SELECT 3", 6}}
	if len(got) != 4 || !slices.Equal(got[:3], want) || got[3].Line != 7 || !strings.HasPrefix(got[3].SQL, "SELECT 4") {
		t.Errorf("%+v", got)
	}
}

// One statement with a mistake says nothing about the others.
func TestSourcesBesideOneThatIsNoSQL(t *testing.T) {
	const text = "SELECT 1; -- ; \nSELEC (2; 3), 'a;', E'\\';', \"b;\", $$ ; $$, $x$;$x$ /* ; /* ; */ ; */ ;\n\n -- c\n DELETE FROM t ; -- end\n;"
	got, err := Sources(text)
	want := []Source{{"SELECT 1", 1}, {"SELEC (2; 3), 'a;', E'\\';', \"b;\", $$ ; $$, $x$;$x$ /* ; /* ; */ ; */", 2}, {"DELETE FROM t", 5}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, open := range []string{"SELEC 'a; SELECT 1", "SELEC (1; SELECT 1", "SELEC $$ ; SELECT 1", "SELEC /* ; SELECT 1", "SELEC 1"} {
		if got, err := Sources(open); err != nil || len(got) != 1 || got[0].SQL != open {
			t.Errorf("%s: %+v, %v", open, got, err)
		}
	}
}

// A file may be longer than any statement may be; only one that is too long or
// too deep itself is not examined.
func TestSourcesOfALongText(t *testing.T) {
	deep := "SELECT " + strings.Repeat("(", maxDepth+1) + "1" + strings.Repeat(")", maxDepth+1)
	long := "SELECT '" + strings.Repeat("x", MaxBytes) + "'"
	got, err := Sources(deep + ";\n" + long + ";\nSELECT 1;\nSELECT 2")
	if want := []Source{{deep, 1}, {long, 2}, {"SELECT 1", 3}, {"SELECT 2", 4}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%d sources, %v", len(got), err)
	}
}

func TestSourcesOfNoText(t *testing.T) {
	if got, err := Sources("-- nothing\n;"); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bytes := range []string{"SELECT 1\x00", "SELECT '\xe9'", strings.Repeat("\x00;", MaxBytes)} {
		if got, err := Sources(bytes); err == nil {
			t.Errorf("what is no text has %d statements", len(got))
		}
	}
}

func FuzzSources(f *testing.F) {
	f.Add("select 1; -- x\n selec 'a;b' ; $q$;$q$")
	f.Add("E'\\';' e\"\\\";\" a$b$;$ /* /* ; */ ;")
	f.Fuzz(func(t *testing.T, sql string) {
		sources, err := Sources(sql)
		if err != nil {
			return
		}
		rest, line := sql, 1
		for _, s := range sources {
			before, after, found := strings.Cut(rest, s.SQL)
			if line += strings.Count(before, "\n"); !found || s.SQL == "" || s.Line < line {
				t.Fatalf("%+v of %q", s, sql)
			}
			line += strings.Count(s.SQL, "\n")
			rest = after
		}
	})
}
