// Package readme holds the README to what it says.
package readme

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/provider"
	"github.com/pgbeam/pulumi-pgbeam/tests/toolchain"
)

func read(t *testing.T, name ...string) string {
	t.Helper()
	root, err := toolchain.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(append([]string{root}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// table returns the rows below a heading of the README, cell by cell.
func table(t *testing.T, heading string) [][]string {
	t.Helper()
	_, below, found := strings.Cut(read(t, "README.md"), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the README has no heading %q", heading)
	}
	below, _, _ = strings.Cut(below, "\n## ")
	var rows [][]string
	for line := range strings.SplitSeq(below, "\n") {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| --- ") {
			cells := strings.Split(strings.Trim(line, "| "), " | ")
			rows = append(rows, cells)
		}
	}
	if len(rows) < 2 {
		t.Fatalf("no table below %q", heading)
	}
	return rows[1:]
}

var code = regexp.MustCompile("`([^`]+)`")

func names(cell string) []string {
	var all []string
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestReplacementTriggersAreThoseOfTheProvider(t *testing.T) {
	got, want := map[string][]string{}, map[string][]string{}
	for _, row := range table(t, "Resources") {
		got[names(row[0])[0]] = slices.Sorted(slices.Values(names(row[2])))
	}
	for _, r := range provider.Resources {
		var replace []string
		for _, p := range r.Properties {
			if p.Replace {
				replace = append(replace, p.Name)
			}
		}
		want[strings.TrimPrefix(r.Token, "pgbeam:index:")] = slices.Sorted(slices.Values(replace))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the README's table (+) and the provider (-) differ:\n%s", diff)
	}
}

func TestOperationsToComeAreThoseOfTheServer(t *testing.T) {
	got, want := map[string]string{}, map[string]string{}
	for _, row := range table(t, "Not yet") {
		for _, operation := range names(row[0]) {
			got[operation] = row[1]
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "pending.go", read(t, "server", "api", "pending.go"), 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "pending" {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			kv := e.(*ast.KeyValueExpr)
			want[literal(t, kv.Key)] = literal(t, kv.Value)
		}
		return false
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the README's table (+) and the server (-) differ:\n%s", diff)
	}
}

func literal(t *testing.T, e ast.Expr) string {
	t.Helper()
	text, err := strconv.Unquote(e.(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestLinksLeadSomewhere(t *testing.T) {
	root, err := toolchain.Root()
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(links) < 5 {
		t.Fatalf("only %d links", len(links))
	}
	for _, m := range links {
		if strings.Contains(m[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(m[1]))); err != nil {
			t.Errorf("%s leads nowhere", m[1])
		}
	}
}
