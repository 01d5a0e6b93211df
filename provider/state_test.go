package provider

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// recorded is one resource of a recorded state.
type recorded struct {
	URN             resource.URN
	ID, Type        string
	Inputs, Outputs map[string]any
}

// State that any released version has written can be read, diffed, updated and
// destroyed by this one, and nothing is replaced for the upgrade. A release
// adds its own file to testdata/state; no file is ever changed.
func TestRecordedStatesOfEveryVersion(t *testing.T) {
	files, err := filepath.Glob("testdata/state/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded states: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) { replayState(t, file) })
	}
}

func replayState(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var stack struct{ Resources []recorded }
	if err := json.Unmarshal(text, &stack); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t)
	var tokens, names []string
	for _, r := range stack.Resources {
		tokens = append(tokens, r.Type)
		names = append(names, r.URN.Name())
		saved := &saved{urn: r.URN, id: r.ID, inputs: recordedValues(r.Inputs), state: recordedValues(r.Outputs)}
		e.state[r.URN.Name()] = saved
		e.plant(resourceByToken(r.Type), saved)
	}
	for _, r := range Resources {
		if !slices.Contains(tokens, r.Token) {
			t.Errorf("the recorded state has no %s", r.Token)
		}
	}
	for _, name := range names {
		s := *e.state[name]
		r := resourceByToken(string(s.urn.Type()))
		if d := e.diffWith(name, s.inputs); d.HasChanges {
			t.Errorf("%s: the unchanged program changes %v", name, d.DetailedDiff)
		}
		if drifted, err := e.refresh(name); err != nil || drifted || e.state[name] == nil {
			t.Errorf("%s: refresh shows drift %v, %v", name, drifted, err)
			continue
		}
		if e.state[name].id != s.id {
			t.Errorf("%s: the id %s became %s", name, s.id, e.state[name].id)
		}
		for _, once := range r.once() {
			if before, now := s.state.Get(once), e.state[name].state.Get(once); !before.Equals(now) {
				t.Errorf("%s: %s was lost", name, once)
			}
		}
		for _, sample := range samples {
			if "pgbeam:index:"+sample.token != r.Token {
				continue
			}
			for edit, v := range sample.edits {
				if r.property(edit).Replace || r.part(edit) != nil {
					continue
				}
				if err := e.upWith(name, sample.token, s.inputs.Set(edit, value(v))); err != nil {
					t.Errorf("%s: update of %s: %v", name, edit, err)
				}
				break
			}
		}
		if e.state[name].id != s.id {
			t.Errorf("%s was replaced", name)
		}
		if err := e.destroy(name); err != nil {
			t.Errorf("%s: destroy: %v", name, err)
		}
	}
}

// plant puts the object that a state describes into the API.
func (e *engine) plant(r *Resource, s *saved) {
	o := object{"id": s.id}
	for i := range r.Properties {
		if p := &r.Properties[i]; p.Wire != "" && !p.Once && !p.WriteOnly && r.part(p.Name) == nil {
			o[p.Wire] = encode(&p.Type, s.state.Get(p.Name), property.Value{})
		}
	}
	kind := ""
	for _, sample := range samples {
		if "pgbeam:index:"+sample.token == r.Token {
			kind = sample.kind
		}
	}
	if r.Create == nil {
		o["id"] = o[r.listField()]
		if o["org_id"] != nil {
			o["id"] = o["org_id"]
		}
	}
	e.api.objects[kind] = append(e.api.objects[kind], o)
	for _, part := range r.Parts {
		p := r.property(part.Property)
		inner := encode(&p.Type, s.state.Get(p.Name), property.Value{}).(object)
		inner["id"], inner["project_id"] = text(s.state.Get(part.ID)), s.id
		e.api.objects["databases"] = append(e.api.objects["databases"], inner)
	}
}

// recordedValues reads property values as a state file holds them, secrets
// included.
func recordedValues(m map[string]any) property.Map {
	out := map[string]property.Value{}
	for k, v := range m {
		out[k] = recordedValue(v)
	}
	return property.NewMap(out)
}

func recordedValue(v any) property.Value {
	switch v := v.(type) {
	case object:
		if v[sig.Key] == sig.Secret {
			var inner any
			if err := json.Unmarshal([]byte(v["plaintext"].(string)), &inner); err != nil {
				panic(err)
			}
			return recordedValue(inner).WithSecret(true)
		}
		return property.New(recordedValues(v))
	case []any:
		items := make([]property.Value, len(v))
		for i, item := range v {
			items[i] = recordedValue(item)
		}
		return property.New(items)
	}
	return value(v)
}
