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

func TestSourcesOfNoSQL(t *testing.T) {
	if _, err := Sources("SELECT 1;\nSELEC 2"); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Error(err)
	}
	if got, err := Sources("-- nothing\n;"); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}
