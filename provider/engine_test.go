package provider

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// engine does what Pulumi's engine does with one stack: it checks, diffs,
// creates, updates, replaces and deletes, and keeps the state in between.
type engine struct {
	t     *testing.T
	api   *fakeAPI
	srv   integration.Server
	state map[string]*saved
}

type saved struct {
	urn           resource.URN
	id            string
	inputs, state property.Map
	unfinished    bool
}

// refused are the failures of a check.
type refused []string

func (r refused) Error() string { return strings.Join(r, "\n") }

func newEngine(t *testing.T) *engine {
	e := &engine{t: t, api: newFakeAPI(t), state: map[string]*saved{}}
	e.restart()
	return e
}

// restart begins a new run: a new provider process.
func (e *engine) restart() { e.srv = e.serve("prov-1") }

func (e *engine) serve(providerID string) integration.Server {
	e.t.Helper()
	ctx := context.WithValue(e.t.Context(), keyProviderID, providerID)
	srv, err := integration.NewServer(ctx, Name, semver.MustParse("0.1.0"), integration.WithProvider(New()))
	if err != nil {
		e.t.Fatal(err)
	}
	err = srv.Configure(p.ConfigureRequest{Args: values(object{"apiKey": "key-canary", "baseUrl": e.api.URL})})
	if err != nil {
		e.t.Fatal(err)
	}
	return srv
}

// TestMain makes retries hardly wait.
func TestMain(m *testing.M) {
	patience = func(ctx context.Context, d time.Duration) error { return sleep(ctx, d/20000) }
	os.Exit(m.Run())
}

func urnOf(token, name string) resource.URN {
	return resource.NewURN("dev", "shop", "", tokens.Type(token), name)
}

// up brings one resource to what the program says.
func (e *engine) up(name, token string, inputs object) error {
	e.t.Helper()
	return e.upWith(name, token, values(inputs))
}

func (e *engine) upWith(name, token string, news property.Map) error {
	e.t.Helper()
	urn := urnOf("pgbeam:index:"+token, name)
	old := e.state[name]
	checked, err := e.check(urn, old, news)
	if err != nil {
		return err
	}
	if old == nil {
		return e.create(name, urn, checked)
	}
	diff, err := e.srv.Diff(p.DiffRequest{ID: old.id, Urn: urn, State: old.state, OldInputs: old.inputs, Inputs: checked})
	if err != nil {
		return err
	}
	for path, d := range diff.DetailedDiff {
		if !strings.HasSuffix(string(d.Kind), "replace") {
			continue
		}
		e.t.Logf("%s replaces because of %s", name, path)
		fresh, err := e.check(urn, nil, news)
		if err != nil {
			return err
		}
		if diff.DeleteBeforeReplace {
			if err := e.destroy(name); err != nil {
				return err
			}
			return e.create(name, urn, fresh)
		}
		if err := e.create(name, urn, fresh); err != nil {
			return err
		}
		return e.srv.Delete(p.DeleteRequest{ID: old.id, Urn: urn, Properties: old.state, OldInputs: old.inputs})
	}
	if !diff.HasChanges && !old.unfinished {
		return nil
	}
	resp, err := e.srv.Update(p.UpdateRequest{ID: old.id, Urn: urn, State: old.state, OldInputs: old.inputs, Inputs: checked})
	if err == nil || resp.PartialState != nil {
		old.inputs, old.state, old.unfinished = checked, resp.Properties, err != nil
	}
	return err
}

func (e *engine) check(urn resource.URN, old *saved, news property.Map) (property.Map, error) {
	olds := property.Map{}
	if old != nil {
		olds = old.inputs
	}
	resp, err := e.srv.Check(p.CheckRequest{Urn: urn, State: olds, Inputs: news})
	if err != nil {
		return property.Map{}, err
	}
	var wrong refused
	for _, f := range resp.Failures {
		if f.Property != "" {
			e.t.Errorf("a check failure names the property %q, so the engine prints its value", f.Property)
		}
		wrong = append(wrong, f.Reason)
	}
	if wrong != nil {
		return property.Map{}, wrong
	}
	return resp.Inputs, nil
}

func (e *engine) create(name string, urn resource.URN, inputs property.Map) error {
	resp, err := e.srv.Create(p.CreateRequest{Urn: urn, Properties: inputs})
	if err == nil || resp.PartialState != nil {
		if resp.ID == "" {
			e.t.Errorf("%s was created without an id", name)
		}
		e.state[name] = &saved{urn: urn, id: resp.ID, inputs: inputs, state: resp.Properties, unfinished: err != nil}
	}
	return err
}

// diff tells what an `up` of these inputs would do.
func (e *engine) diff(name string, inputs object) p.DiffResponse {
	e.t.Helper()
	return e.diffWith(name, values(inputs))
}

func (e *engine) diffWith(name string, inputs property.Map) p.DiffResponse {
	e.t.Helper()
	old := e.state[name]
	checked, err := e.check(old.urn, old, inputs)
	if err != nil {
		e.t.Fatal(err)
	}
	resp, err := e.srv.Diff(p.DiffRequest{ID: old.id, Urn: old.urn, State: old.state, OldInputs: old.inputs, Inputs: checked})
	if err != nil {
		e.t.Fatal(err)
	}
	return resp
}

// preview gives the outputs that an `up` of these inputs would show.
func (e *engine) preview(name string, inputs object) property.Map {
	e.t.Helper()
	old := e.state[name]
	checked, err := e.check(old.urn, old, values(inputs))
	if err != nil {
		e.t.Fatal(err)
	}
	resp, err := e.srv.Update(p.UpdateRequest{ID: old.id, Urn: old.urn, State: old.state, OldInputs: old.inputs, Inputs: checked, DryRun: true})
	if err != nil {
		e.t.Fatal(err)
	}
	return resp.Properties
}

// refresh reads one resource. It reports whether the refresh would show a
// change, by the engine's own inverted diff.
func (e *engine) refresh(name string) (drifted bool, err error) {
	e.t.Helper()
	old := e.state[name]
	resp, err := e.srv.Read(p.ReadRequest{ID: old.id, Urn: old.urn, Properties: old.state, Inputs: old.inputs})
	if err != nil {
		return false, err
	}
	if resp.ID == "" {
		delete(e.state, name)
		return true, nil
	}
	diff, err := e.srv.Diff(p.DiffRequest{ID: resp.ID, Urn: old.urn, State: resp.Properties, OldInputs: resp.Inputs, Inputs: old.inputs})
	if err != nil {
		return false, err
	}
	old.inputs, old.state = resp.Inputs, resp.Properties
	return diff.HasChanges, nil
}

func (e *engine) destroy(name string) error {
	old := e.state[name]
	err := e.srv.Delete(p.DeleteRequest{ID: old.id, Urn: old.urn, Properties: old.state, OldInputs: old.inputs})
	if err == nil {
		delete(e.state, name)
	}
	return err
}

// importAs is `pulumi import`.
func (e *engine) importAs(name, token, id string) error {
	urn := urnOf("pgbeam:index:"+token, name)
	resp, err := e.srv.Read(p.ReadRequest{ID: id, Urn: urn})
	if err != nil {
		return err
	}
	if resp.ID == "" {
		return errors.New("does not exist")
	}
	e.state[name] = &saved{urn: urn, id: resp.ID, inputs: resp.Inputs, state: resp.Properties}
	return nil
}

func (e *engine) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *engine) output(name, prop string) property.Value {
	e.t.Helper()
	s := e.state[name]
	if s == nil {
		e.t.Fatalf("%s is not in the state", name)
	}
	return s.state.Get(prop)
}

// values turns plain Go into property values; a secret is written secretly(v),
// an unknown value is unknown.
func values(o object) property.Map {
	out := map[string]property.Value{}
	for k, v := range o {
		out[k] = value(v)
	}
	return property.NewMap(out)
}

type secretly string

type unknownValue struct{}

var unknown = unknownValue{}

func value(v any) property.Value {
	switch v := v.(type) {
	case property.Value:
		return v
	case secretly:
		return property.New(string(v)).WithSecret(true)
	case unknownValue:
		return property.New(property.Computed)
	case object:
		return property.New(values(v))
	case []any:
		var items []property.Value
		for _, item := range v {
			items = append(items, value(item))
		}
		return property.New(property.NewArray(items))
	case int:
		return property.New(float64(v))
	}
	out, err := property.Any(v)
	if err != nil {
		panic(err)
	}
	return out
}

// with is a copy of inputs with some changed; nil removes.
func with(o, changes object) object {
	o = maps.Clone(o)
	for k, v := range changes {
		if v == nil {
			delete(o, k)
		} else {
			o[k] = v
		}
	}
	return o
}

// plain writes values as JSON with their secrets shown as such.
func plain(m property.Map) string {
	text, _ := json.Marshal(resource.NewProperty(resource.ToResourcePropertyMap(m)).MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		if v.IsSecret() {
			return redacted, true
		}
		return nil, false
	}))
	return string(text)
}

var (
	aDatabase = object{"host": "db.example.com", "port": 5432, "name": "app", "username": "app", "password": "db-canary"}
	aProject  = object{"orgId": "org_1", "name": "shop", "database": aDatabase}
)
