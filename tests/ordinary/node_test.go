package ordinary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Prisma's schema engine makes the same models of the database, with the same
// warnings.
func TestPrismaPullsTheSameSchema(t *testing.T) {
	dir, node := nodePackages(t)
	pull := func(at target) string { return tool(t, at, dir, nil, node, "prisma.mjs") }
	want := pull(direct)
	for _, model := range []string{"model customer", "model visit", "enum mood", "view supplier_addresses"} {
		if !strings.Contains(want, model) {
			t.Errorf("Prisma does not find the %s:\n%s", model, want)
		}
	}
	if d := cmp.Diff(want, pull(shop.at)); d != "" {
		t.Errorf("Prisma finds (-direct +under the policy):\n%s", d)
	}
}

// drizzle-kit pull writes the same files.
func TestDrizzlePullsTheSameSchema(t *testing.T) {
	dir, node := nodePackages(t)
	pull := func(at target) map[string]string {
		// A path from dir: drizzle-kit takes no other.
		out, err := os.MkdirTemp(dir, "pulled-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(out)
		tool(t, at, dir, []string{"PGBEAM_TEST_OUT=./" + filepath.Base(out)}, node, filepath.Join("node_modules", "drizzle-kit", "bin.cjs"), "pull", "--config", "drizzle.config.mjs")
		files := map[string]string{}
		for _, name := range []string{"schema.ts", "relations.ts", "meta/0000_snapshot.json"} {
			text, err := os.ReadFile(filepath.Join(out, name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(text)
		}
		return files
	}
	want := pull(direct)
	for _, table := range []string{`pgTable("customer"`, `pgEnum("mood"`, `sales.table("visit_2025"`, `pgView("supplier_addresses"`} {
		if !strings.Contains(strings.ReplaceAll(want["schema.ts"], "export const ", ""), table) {
			t.Errorf("drizzle-kit does not find %s:\n%s", table, want["schema.ts"])
		}
	}
	if d := cmp.Diff(want, pull(shop.at)); d != "" {
		t.Errorf("drizzle-kit finds (-direct +under the policy):\n%s", d)
	}
}
