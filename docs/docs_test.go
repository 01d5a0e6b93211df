// Package docs_test holds the pages of this folder to what they describe.
package docs_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"gopkg.in/yaml.v3"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// table returns the rows of the first table below a heading, cell by cell.
func table(t *testing.T, page, heading string) [][]string {
	t.Helper()
	_, below, found := strings.Cut("\n"+read(t, page), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", page, heading)
	}
	var rows [][]string
	for line := range strings.SplitSeq(below, "\n") {
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("%s has no table below %q", page, heading)
	}
	return rows[2:]
}

var code = regexp.MustCompile("`([^`]+)`")

// quoted returns what stands in backquotes.
func quoted(text string) []string {
	var all []string
	for _, m := range code.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

type packageSchema struct {
	Resources map[string]struct {
		Description     string
		InputProperties map[string]struct{ WillReplaceOnChanges, ReplaceOnChanges bool }
		Properties      map[string]struct{ Secret bool }
	}
	Functions map[string]struct{}
}

func loadSchema(t *testing.T) packageSchema {
	t.Helper()
	var s packageSchema
	if err := json.Unmarshal([]byte(read(t, "../provider/schema.json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestResourceTableNamesEveryReplacement(t *testing.T) {
	schema := loadSchema(t)
	seen := map[string]bool{}
	for _, row := range table(t, "_index.md", "## Resources") {
		name := quoted(row[0])[0]
		seen[name] = true
		r, ok := schema.Resources["pgbeam:index:"+name]
		if !ok {
			t.Errorf("there is no resource %s", name)
			continue
		}
		var want []string
		for input, p := range r.InputProperties {
			if p.WillReplaceOnChanges || p.ReplaceOnChanges {
				want = append(want, input)
			}
		}
		got := quoted(row[2])
		if row[2] == "any" {
			got = slices.Collect(maps.Keys(r.InputProperties))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the page says that changes of %v replace it, the schema says %v", name, got, want)
		}
	}
	for token := range schema.Resources {
		if name := strings.TrimPrefix(token, "pgbeam:index:"); !seen[name] {
			t.Errorf("resource %s is missing from the page", name)
		}
	}
}

func TestFunctionTableIsComplete(t *testing.T) {
	var got, want []string
	for _, row := range table(t, "_index.md", "## Functions") {
		got = append(got, quoted(row[0])...)
	}
	for token := range loadSchema(t).Functions {
		want = append(want, strings.TrimPrefix(token, "pgbeam:index:"))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the page lists %v, the package has %v", got, want)
	}
}

func TestImportIdsAreThoseOfTheReference(t *testing.T) {
	schema := loadSchema(t)
	rows := table(t, "state-and-secrets.md", "## Importing")
	if len(rows) != len(schema.Resources) {
		t.Errorf("the page has %d import ids, the package %d resources", len(rows), len(schema.Resources))
	}
	for _, row := range rows {
		name := quoted(row[0])[0]
		_, section, _ := strings.Cut(schema.Resources["pgbeam:index:"+name].Description, "## Import")
		for _, id := range quoted(row[1]) {
			if !strings.Contains(section, "`"+id+"`") {
				t.Errorf("%s: the import section of the reference does not know %s", name, id)
			}
		}
	}
}

func TestEverySecretInStateIsNamed(t *testing.T) {
	var named []string
	for _, row := range table(t, "state-and-secrets.md", "## Secrets in state") {
		named = append(named, quoted(row[0])...)
	}
	for token, r := range loadSchema(t).Resources {
		for property, p := range r.Properties {
			if p.Secret && !slices.Contains(named, property) {
				t.Errorf("%s of %s is a secret that the page does not name", property, token)
			}
		}
	}
}

// TestServeSettingsAreComplete reads the flags of "pgbeam serve" from their
// declaration.
func TestServeSettingsAreComplete(t *testing.T) {
	types := map[string]*ast.StructType{}
	files, err := filepath.Glob("../server/cmd/pgbeam/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok {
				if st, ok := s.Type.(*ast.StructType); ok {
					types[s.Name.Name] = st
				}
			}
			return true
		})
	}
	var want []string
	var collect func(name string)
	collect = func(name string) {
		st := types[name]
		if st == nil {
			t.Fatalf("there is no struct %s", name)
		}
		for _, field := range st.Fields.List {
			if len(field.Names) == 0 {
				collect(field.Type.(*ast.Ident).Name)
				continue
			}
			tag := reflect.StructTag("")
			if field.Tag != nil {
				tag = reflect.StructTag(strings.Trim(field.Tag.Value, "`"))
			}
			key := tag.Get("name")
			if key == "" {
				key = kebab(field.Names[0].Name)
			}
			if env, should := tag.Get("env"), "PGBEAM_"+strings.ToUpper(strings.ReplaceAll(key, "-", "_")); env != should {
				t.Errorf("--%s is read from %s, the page promises %s", key, env, should)
			}
			if key != "config" { // it names the file and is no key of it
				want = append(want, key)
			}
		}
	}
	collect("serveCommand")
	var got []string
	for _, row := range table(t, "server.md", "### Settings") {
		got = append(got, quoted(row[0])...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the page lists\n  %v\n\"pgbeam serve\" takes\n  %v", got, want)
	}
}

// kebab writes a field's name as the command line does: TLSCert is tls-cert.
func kebab(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, c := range runes {
		if i > 0 && unicode.IsUpper(c) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// TestRefusalsAreInTheSource finds every message of the page, up to what
// varies in it, among the strings of the proxy, and every code too.
func TestRefusalsAreInTheSource(t *testing.T) {
	var source strings.Builder
	for _, pattern := range []string{"../server/proxy/*.go", "../server/pool/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				source.WriteString(strings.ReplaceAll(read(t, file), `\"`, `"`))
			}
		}
	}
	// Composed at run time, of a kind and its status.
	composed := []string{"project suspended", "credential disabled"}
	varying := regexp.MustCompile(`\s*("?…"?)\s*`)
	for _, row := range table(t, "connecting.md", "## What the proxy refuses") {
		if !strings.Contains(source.String(), `"`+row[0]+`"`) {
			t.Errorf("the proxy has no SQLSTATE %s", row[0])
		}
		for _, message := range quoted(row[1]) {
			if slices.Contains(composed, message) {
				continue
			}
			for part := range strings.SplitSeq(varying.ReplaceAllString(message, "\x00"), "\x00") {
				if part = strings.Trim(part, ` "`); part != "" && !strings.Contains(source.String(), part) {
					t.Errorf("SQLSTATE %s: no message of the proxy has %q", row[0], part)
				}
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\((\.[^)]*)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fence   = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```")
)

func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			target := read(t, filepath.Clean(file))
			if anchor == "" {
				continue
			}
			var anchors []string
			for _, h := range heading.FindAllStringSubmatch(target, -1) {
				slug := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(h[1]), "")
				anchors = append(anchors, strings.ReplaceAll(slug, " ", "-"))
			}
			if !slices.Contains(anchors, anchor) {
				t.Errorf("%s: %s has no heading for #%s", page, file, anchor)
			}
		}
	}
}

// The other languages are compiled where their toolchains are at hand, from
// the examples of the package schema.
func TestProgramsInGoAndYAMLParse(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, page := range pages {
		for _, m := range fence.FindAllStringSubmatch(read(t, page), -1) {
			language, text := m[1], m[2]
			found[language]++
			var err error
			switch language {
			case "go":
				if !strings.HasPrefix(text, "package ") {
					text = "package p\nfunc f() error {\n" + text + "\nreturn nil }"
				}
				_, err = parser.ParseFile(token.NewFileSet(), page, text, 0)
			case "yaml":
				var v map[string]any
				err = yaml.Unmarshal([]byte(text), &v)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", page, language, err)
			}
		}
	}
	for _, language := range []string{"typescript", "python", "go", "csharp", "java", "yaml"} {
		if found[language] == 0 {
			t.Errorf("there is no program in %s", language)
		}
	}
}
