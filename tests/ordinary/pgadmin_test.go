package ordinary

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// What of pgAdmin a policy with a rule about a table refuses: the contents of
// other sessions, of credentials, and of columns.
var pgAdminRefused = map[string]string{
	"servers/sql/stats.sql":              "pg_stat_activity",
	"dashboard/sql/activity.sql":         "pg_stat_activity",
	"dashboard/sql/dashboard_stats.sql":  "pg_stat_activity",
	"columns/sql/stats.sql":              "pg_stats",
	"foreign_servers/sql/dependents.sql": "pg_user_mappings",
	"user_mappings/sql/properties.sql":   "pg_user_mappings",
	"subscriptions/sql/count.sql":        "pg_subscription",
	"subscriptions/sql/nodes.sql":        "pg_subscription",
	"subscriptions/sql/stats.sql":        "pg_subscription",
	"search_objects/sql/pg/search.sql":   "pg_subscription",
}

// What counts and settings are differs from one moment and session to the next.
var pgAdminMoving = regexp.MustCompile(`/((coll_)?(column_|table_)?stats|locks|config)\.sql`)

type pgAdminAnswer struct {
	Rows  [][][]string `json:"rows"`
	Error string       `json:"error"`
}

// pgAdmin's own queries, rendered from its templates for every kind of object,
// are answered as without PgBeam.
func TestPgAdminIsAnsweredTheSame(t *testing.T) {
	_, python := pythonPackages(t)
	dir := installed(t, "pgadmin", nil, func(dir string) {
		harness.Run(t, harness.Command{Dir: dir, Args: []string{python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", "wheels", "-r", "requirements.txt"}})
		wheels, err := filepath.Glob(filepath.Join(dir, "wheels", "*.whl"))
		if err != nil || len(wheels) != 1 {
			t.Fatalf("pip downloaded %v, %v", wheels, err)
		}
		harness.Run(t, harness.Command{Dir: dir, Args: []string{python, "-m", "zipfile", "-e", wheels[0], "all"}})
		// Of hundreds of megabytes, the templates are two.
		if err := keepSQL(filepath.Join(dir, "all", "pgadmin4", "pgadmin"), filepath.Join(dir, "templates")); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"all", "wheels"} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	})
	ask := func(at target) (names []string, answers map[string]pgAdminAnswer) {
		answers = map[string]pgAdminAnswer{}
		for _, line := range strings.Split(strings.TrimSpace(tool(t, at, dir, nil, python, "ask.py", "templates")), "\n") {
			var name string
			var answer pgAdminAnswer
			if err := json.Unmarshal([]byte(line), &[]any{&name, &answer}); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			names, answers[name] = append(names, name), answer
		}
		return names, answers
	}
	docs := toolsInDocs(t)
	for template, table := range pgAdminRefused {
		if !strings.Contains(docs, "`"+table+"`") {
			t.Errorf("docs/policies.md does not name %s, without which pgAdmin's %s is refused", table, template)
		}
	}
	names, want := ask(direct)
	_, got := ask(shop.at)
	same, refused := 0, map[string]bool{}
	for _, name := range names {
		if want[name].Error != "" {
			continue // wants what somebody fills into a form, or more rights
		}
		table, why := "", got[name].Error
		for template, of := range pgAdminRefused {
			if strings.Contains(name, "/"+template+" ") {
				table, refused[template] = of, true
			}
		}
		switch {
		case table != "" && !strings.Contains(why, `table "pg_catalog.`+table+`" shows what the database keeps about other sessions, credentials or data`):
			t.Errorf("%s is not refused because of %s: %q", name, table, why)
		case table == "" && why != "":
			t.Errorf("%s: %s", name, why)
		case table == "" && !pgAdminMoving.MatchString(name) && !cmp.Equal(want[name], got[name]):
			t.Errorf("%s (-direct +under the policy):\n%s", name, cmp.Diff(want[name], got[name]))
		case table == "":
			same++
		}
	}
	if same < 350 || len(refused) != len(pgAdminRefused) {
		t.Errorf("only %d answers of pgAdmin's are the same; of %d refusals %d were seen", same, len(pgAdminRefused), len(refused))
	}
	t.Logf("%d answers are the same", same)
}

// keepSQL copies the templates of SQL and their macros.
func keepSQL(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "/templates/") || !strings.HasSuffix(path, ".sql") && !strings.HasSuffix(path, ".macro") && !strings.HasSuffix(path, ".macros") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kept := filepath.Join(to, strings.TrimPrefix(path, from))
		if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
			return err
		}
		return os.WriteFile(kept, text, 0o644)
	})
}
