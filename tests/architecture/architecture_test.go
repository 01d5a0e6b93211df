// Package architecture holds the rules of the house: who may import whom, and
// what a package may be called.
package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/toolchain"
)

const module = "github.com/pgbeam/pulumi-pgbeam"

// floors of the server, from the top. A package may import what is on a floor
// below its own, and nothing beside it but what neighbours allows.
var floors = [][]string{
	{"server/cmd/pgbeam"},
	{"server/api", "server/mcp", "server/proxy"},
	{"server/cache", "server/catalog", "server/audit", "server/webhook", "server/meter", "server/domain"},
	{"server/pool"}, // the catalog is read through it
	{"server/store"},
	{"server/secret"},
	// They know nothing of ours: policies are pure, frames are bytes, and the
	// local PostgreSQL is a tool.
	{"server/policy", "server/internal/wire", "server/internal/filelock", "server/internal/atomicfile", "server/internal/spelling", "server/localpg", "schema/api", "schema/queryhash", "schema"},
}

// bounded are the packages outside the server, with all that they may import.
var bounded = map[string][]string{
	"":                                    {"provider"},
	"provider":                            {"schema/api", "schema/queryhash"},
	"provider/cmd/pulumi-resource-pgbeam": {"provider"},
	"schema/gen":                          {"schema/queryhash"},
	"server/localpg/localpgtest":          {"server/localpg"},
}

// forbidden are imports that the floors alone would allow.
var forbidden = map[string][]string{
	// Only the command starts a PostgreSQL.
	"server/api":   {"server/localpg"},
	"server/proxy": {"server/localpg", "schema/api"}, // HTTP stays out of the data plane
	"server/pool":  {"server/localpg", "schema/api"},
	"server/store": {"server/localpg", "schema/api", "server/policy", "server/internal/wire"},
}

func floor(pkg string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, pkg) })
}

// allowed says why an import is against the rules; "" when it is not.
func allowed(from, to string) string {
	if may, ok := bounded[from]; ok {
		if !slices.Contains(may, to) {
			return "it may import only " + strings.Join(may, ", ")
		}
		return ""
	}
	if strings.HasPrefix(to, "tests/") || strings.HasPrefix(to, "provider") || to == "schema/gen" {
		return "the service knows neither tests nor the provider nor the generator"
	}
	if slices.Contains(forbidden[from], to) {
		return "this pair is forbidden"
	}
	here, there := floor(from), floor(to)
	switch {
	case here < 0:
		return "it has no floor: give it one in tests/architecture"
	case there < 0:
		return to + " has no floor: give it one in tests/architecture"
	case there == here:
		return "they are neighbours"
	case there < here:
		return "imports go down, never up"
	}
	return ""
}

func TestImportRules(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		from := relative(p.ImportPath)
		if top, _, _ := strings.Cut(from, "/"); top == "tests" || top == "examples" || top == "docs" {
			continue
		}
		seen++
		if floor(from) < 0 && bounded[from] == nil && !strings.HasPrefix(from, "schema/") {
			t.Errorf("%s has no place among the floors", from)
		}
		for _, path := range p.Imports {
			if path != module && !strings.HasPrefix(path, module+"/") {
				continue
			}
			if why := allowed(from, relative(path)); why != "" {
				t.Errorf("%s imports %s: %s", from, relative(path), why)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("only %d packages were looked at", seen)
	}
}

// The rules themselves refuse what they are for.
func TestImportRulesRefuse(t *testing.T) {
	for _, pair := range [][2]string{
		{"server/api", "server/proxy"},
		{"server/store", "server/domain"},
		{"server/policy", "server/store"},
		{"server/internal/wire", "server/secret"},
		{"server/secret", "server/store"},
		{"server/pool", "server/proxy"},
		{"provider", "server/store"},
		{"server/api", "provider"},
		{"server/api", "tests/harness"},
		{"server/newcomer", "server/secret"},
	} {
		if allowed(pair[0], pair[1]) == "" {
			t.Errorf("%s may import %s", pair[0], pair[1])
		}
	}
	if why := allowed("server/proxy", "server/pool"); why != "" {
		t.Errorf("the proxy may not import the pool: %s", why)
	}
}

func TestPackageNamesSayWhatIsInside(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types", "models", "misc", "base"}, p.Name) {
			t.Errorf("package %s is called %s", relative(p.ImportPath), p.Name)
		}
	}
}

// A file that needs scrolling for its plot wants to be two.
func TestFilesAreOfOneSubject(t *testing.T) {
	const most = 600
	for _, p := range packages(t) {
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			if strings.HasSuffix(name, ".gen.go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if lines := bytes.Count(text, []byte("\n")); lines > most {
				t.Errorf("%s has %d lines, %d are the most", path.Join(relative(p.ImportPath), name), lines, most)
			}
		}
	}
}

type goPackage struct {
	ImportPath, Name, Dir              string
	Imports                            []string
	GoFiles, TestGoFiles, XTestGoFiles []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	root, err := toolchain.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func relative(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }
