package schema_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/pgbeam/pulumi-pgbeam/schema"
)

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(schema.Document)
	if err != nil {
		t.Fatalf("load the document: %v", err)
	}
	return doc
}

// A generator or a validator that reads the document must find nothing wrong
// with it, and nobody who copies an example may be refused for it.
func TestDocumentAndItsExamplesAreValid(t *testing.T) {
	doc := load(t)
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
	for name, ref := range doc.Components.Schemas {
		if ref.Value.Example == nil {
			t.Errorf("schema %s has no example", name)
			continue
		}
		if err := ref.Value.VisitJSON(ref.Value.Example, openapi3.EnableFormatValidation(), openapi3.MultiErrors()); err != nil {
			t.Errorf("example of schema %s: %v", name, err)
		}
		if object, ok := ref.Value.Example.(map[string]any); ok {
			for property := range object {
				if ref.Value.Properties[property] == nil && len(ref.Value.Properties) > 0 {
					t.Errorf("example of schema %s has the unknown property %s", name, property)
				}
			}
		}
	}
}

// The descriptions are the documentation of every SDK: none may be missing.
func TestEverythingIsDescribed(t *testing.T) {
	doc := load(t)
	described := func(where, text string) {
		if len(strings.Fields(text)) < 2 {
			t.Errorf("%s: no description", where)
		}
	}
	described("info", doc.Info.Description)
	tags := map[string]bool{}
	for _, tag := range doc.Tags {
		described("tag "+tag.Name, tag.Description)
		tags[tag.Name] = true
	}
	responses := func(where string, refs map[string]*openapi3.ResponseRef) {
		for status, ref := range refs {
			if ref.Value.Description == nil {
				t.Errorf("%s %s: no description", where, status)
				continue
			}
			described(where+" "+status, *ref.Value.Description)
		}
	}
	for path, item := range doc.Paths.Map() {
		for _, ref := range item.Parameters {
			described(path+" parameter "+ref.Value.Name, ref.Value.Description)
		}
		for _, op := range item.Operations() {
			described(op.OperationID+" summary", op.Summary)
			described(op.OperationID, op.Description)
			for _, ref := range op.Parameters {
				described(op.OperationID+" parameter "+ref.Value.Name, ref.Value.Description)
			}
			responses(op.OperationID, op.Responses.Map())
			for _, tag := range op.Tags {
				if !tags[tag] {
					t.Errorf("%s: tag %s is not described", op.OperationID, tag)
				}
			}
		}
	}
	for name, ref := range doc.Components.Schemas {
		walk("schema "+name, ref.Value, func(where string, s *openapi3.Schema) { described(where, s.Description) })
	}
	for name, ref := range doc.Components.Parameters {
		described("parameter "+name, ref.Value.Description)
	}
	for name, ref := range doc.Components.Responses {
		described("response "+name, *ref.Value.Description)
		for header, h := range ref.Value.Headers {
			described("response "+name+" header "+header, h.Value.Description)
		}
	}
	for name, ref := range doc.Components.SecuritySchemes {
		described("security scheme "+name, ref.Value.Description)
	}
}

// A description that stands beside a reference must not change what the
// reference means, or the generated types change with it.
func TestAllOfOnlyDescribes(t *testing.T) {
	doc := load(t)
	for name, ref := range doc.Components.Schemas {
		walk("schema "+name, ref.Value, func(where string, s *openapi3.Schema) {
			if len(s.AllOf) == 0 {
				return
			}
			bare := *s
			bare.AllOf, bare.Description, bare.Origin = nil, "", nil
			if len(s.AllOf) != 1 || s.AllOf[0].Ref == "" || !bare.IsEmpty() {
				t.Errorf("%s: allOf must hold one reference and have nothing but a description beside it", where)
			}
		})
	}
}

// Load balancers ask for health without a key; nothing else is open.
func TestOnlyHealthNeedsNoKey(t *testing.T) {
	doc := load(t)
	if len(doc.Security) == 0 {
		t.Error("the document asks for no authentication")
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if open := op.Security != nil && len(*op.Security) == 0; open != (op.OperationID == "getHealth") {
				t.Errorf("%s: callable without a key is %t", op.OperationID, open)
			}
		}
	}
}

// Secrets that scanners or readers could take for real ones have no place in
// the examples.
func TestExampleSecretsAreObviouslyFake(t *testing.T) {
	secret := regexp.MustCompile(`(?m)^\s+(password|secret|token|mcp_token): (.+)$`)
	found := 0
	for _, m := range secret.FindAllStringSubmatch(string(schema.Document), -1) {
		if strings.Contains(m[2], "$ref") {
			continue
		}
		found++
		if !strings.Contains(m[2], "not-a-real") {
			t.Errorf("example secret %q does not say that it is none", strings.TrimSpace(m[0]))
		}
	}
	if found == 0 {
		t.Error("no example with a secret was found; the pattern of this test is out of date")
	}
}

// walk visits a schema and every schema written inside it, not those it refers
// to: they have their own place.
func walk(where string, s *openapi3.Schema, visit func(string, *openapi3.Schema)) {
	visit(where, s)
	for name, ref := range s.Properties {
		if ref.Ref == "" {
			walk(where+"."+name, ref.Value, visit)
		} else {
			visit(where+"."+name, ref.Value)
		}
	}
	if s.Items != nil && s.Items.Ref == "" {
		for name, ref := range s.Items.Value.Properties {
			walk(fmt.Sprintf("%s[].%s", where, name), ref.Value, visit)
		}
	}
}
