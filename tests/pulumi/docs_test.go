package pulumi

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

var fence = regexp.MustCompile("(?s)```(\\w+)\n(.*?)\n```")

// documented are the examples of one language in the package schema, by the
// resource or function they show.
func documented(t *testing.T, language string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(), "provider", "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Resources, Functions map[string]struct{ Description string }
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	maps.Copy(spec.Resources, spec.Functions)
	for token, r := range spec.Resources {
		for i, f := range fence.FindAllStringSubmatch(r.Description, -1) {
			if f[1] == language {
				out[fmt.Sprintf("%s%d", strings.ToLower(token[strings.LastIndex(token, ":")+1:]), i)] = f[2] + "\n"
			}
		}
	}
	if len(out) < 10 {
		t.Fatalf("only %d examples in %s", len(out), language)
	}
	return out
}

// Whoever copies an example from the documentation has a program that
// compiles with the SDK of this tree.
func TestDocumentedExamplesCompile(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	t.Run("typescript", func(t *testing.T) {
		dir := program(t, "typescript")
		args := []string{"node_modules/.bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "commonjs", "--moduleResolution", "node", "--types", "node"}
		for name, text := range documented(t, "typescript") {
			write(t, filepath.Join(dir, name+".ts"), text)
			args = append(args, name+".ts")
		}
		harness.Run(t, harness.Command{Dir: dir, Args: args})
	})
	t.Run("go", func(t *testing.T) {
		dir := program(t, "go")
		examples := documented(t, "go")
		for name, text := range examples {
			if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, name, "main.go"), text)
		}
		harness.Run(t, harness.Command{Dir: dir, Env: []string{"GOFLAGS=-buildvcs=false"}, Args: []string{"go", "vet", "./..."}})
	})
	t.Run("python", func(t *testing.T) {
		dir := program(t, "python")
		examples := documented(t, "python")
		for name, text := range examples {
			write(t, filepath.Join(dir, name+".py"), text)
		}
		write(t, filepath.Join(dir, "all.py"), mocked)
		python := filepath.Join(dir, "venv", "bin", "python")
		harness.Run(t, harness.Command{Dir: dir, Args: append([]string{python, "all.py"}, slices.Sorted(maps.Keys(examples))...)})
	})
}

// mocked runs each example against mocks: Python finds a wrong name or
// argument only by running.
const mocked = `
import os, runpy, sys
import pulumi

class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args):
        return [args.name + "_id", dict(args.inputs)]
    def call(self, args):
        return {
            "queryHash": "0123456789abcdef", "normalizedSql": "select",
            "safe": True, "findings": [],
            "verdict": "block", "rule": "masked_column_predicate", "reason": "refused",
        }

os.makedirs("migrations")
with open("migrations/0042_orders.sql", "w") as f:
    f.write("alter table orders add column note text")
pulumi.runtime.set_mocks(Mocks(), project="docs")
for key in ("orgId", "projectId", "databaseId", "databasePassword", "webhookSecret"):
    pulumi.runtime.set_config("docs:" + key, "value")
for name in sys.argv[1:]:
    runpy.run_path(name + ".py")
`
