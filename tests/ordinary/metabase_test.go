package ordinary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// named reads the queries of a file, each below a line with its name.
func named(t *testing.T, file string) [][2]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var queries [][2]string
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n")[1:] {
		name, sql, ok := strings.Cut(block, "\n")
		if !ok || !strings.HasPrefix(name, "-- ") {
			t.Fatalf("%s: a query without a name: %s", file, block)
		}
		queries = append(queries, [2]string{name[3:], sql})
	}
	return queries
}

// Metabase is no library: its queries are written down, and the driver that it
// sends them with is tested beside (TestJDBCFindsTheSame).
func TestMetabaseSyncsAndAsks(t *testing.T) {
	for file, reference := range map[string]string{"metabase-catalog.sql": direct.url, "metabase-questions.sql": postgres.Server.URL(shop.byHand())} {
		queries := named(t, file)
		if len(queries) < 12 {
			t.Errorf("%s has only %d queries", file, len(queries))
		}
		for protocol, run := range protocols {
			want, got := connect(t, reference), connect(t, shop.at.url)
			for _, q := range queries {
				expected, err := run(t.Context(), want, q[1])
				if err != nil {
					t.Fatalf("%s without PgBeam: %v", q[0], err)
				}
				answer, err := run(t.Context(), got, q[1])
				if err != nil {
					t.Errorf("%s (%s): %v", q[0], protocol, err)
				} else if d := cmp.Diff(expected, answer); d != "" {
					t.Errorf("%s (%s) (-want +under the policy):\n%s", q[0], protocol, d)
				}
			}
		}
	}
}
