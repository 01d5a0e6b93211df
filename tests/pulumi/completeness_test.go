package pulumi

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

type packageSchema struct {
	Resources map[string]struct {
		InputProperties map[string]propertySchema
	}
	Types map[string]struct {
		Properties map[string]propertySchema
	}
}

type propertySchema struct {
	Ref   string `json:"$ref"`
	Items *propertySchema
	OneOf []propertySchema
}

// paths are the leaves below a property: an object has those of its fields,
// a list of objects those of its items.
func (s *packageSchema) paths(path string, p propertySchema) []string {
	if p.Items != nil {
		if p.Items.OneOf != nil {
			return []string{path} // text or object: allowedCidrs
		}
		return s.paths(path, *p.Items)
	}
	object, ok := s.Types[strings.TrimPrefix(p.Ref, "#/types/")]
	if !ok || len(object.Properties) == 0 {
		return []string{path}
	}
	var out []string
	for name, field := range object.Properties {
		out = append(out, s.paths(path+"."+name, field)...)
	}
	return out
}

// A property that nobody edits is a property whose update nobody knows to work.
func TestEveryInputPropertyHasAnEdit(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(harness.Root(), "provider", "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema packageSchema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	var want []string
	for token, r := range schema.Resources {
		for name, p := range r.InputProperties {
			want = append(want, schema.paths(strings.TrimPrefix(token, "pgbeam:index:")+"."+name, p)...)
		}
	}
	var have []string
	for _, e := range edits() {
		have = append(have, e.resource+"."+e.path)
	}
	if len(want) < 80 {
		t.Fatalf("the schema has only %d input properties: it was not read as it is meant", len(want))
	}
	slices.Sort(want)
	for _, path := range want {
		if !slices.Contains(have, path) {
			t.Errorf("no edit changes %s: add one to edits_test.go", path)
		}
	}
	for _, path := range have {
		if !slices.Contains(want, path) {
			if !slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(w, path+".") }) {
				t.Errorf("edits_test.go changes %s, which the schema does not have", path)
			}
		}
	}
}
