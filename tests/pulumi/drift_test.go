package pulumi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// path is where the API has the object behind a resource of a stack.
func path(r harness.Resource) string {
	text := func(name string) string { s, _ := r.Outputs[name].(string); return s }
	project := "/v1/projects/" + text("projectId")
	switch strings.TrimPrefix(r.Type, "pgbeam:index:") {
	case "Project":
		return "/v1/projects/" + r.ID
	case "Database":
		return project + "/databases/" + r.ID
	case "Replica":
		return "/v1/databases/" + text("databaseId") + "/replicas/" + r.ID
	case "CustomDomain":
		return project + "/domains/" + r.ID
	case "CacheRule":
		return project + "/databases/" + text("databaseId") + "/cache-rules/" + text("queryHash")
	case "SpendLimit":
		return "/v1/organizations/" + r.ID + "/spend-limit"
	case "AgentCredential":
		return project + "/agents/" + r.ID
	case "PolicyProfile":
		return project + "/policies/" + r.ID
	case "WebhookEndpoint":
		return project + "/webhooks/" + r.ID
	case "SelfHostEnrollment":
		return "/v1/organizations/" + text("orgId") + "/self-host-enrollments/" + r.ID
	}
	panic("no path for " + r.Type)
}

// drifted is what a refresh changed: resource to the inputs that differ.
func drifted(before, after []harness.Resource) map[string][]string {
	out := map[string][]string{}
	now := map[string]harness.Resource{}
	for _, r := range after {
		now[r.Name()] = r
	}
	for _, r := range before {
		a := now[r.Name()].Inputs
		for _, name := range slices.Sorted(maps.Keys(r.Inputs)) {
			if !same(r.Inputs[name], a[name]) {
				out[r.Name()] = append(out[r.Name()], name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(a)) {
			if _, there := r.Inputs[name]; !there {
				out[r.Name()] = append(out[r.Name()], name)
			}
		}
	}
	return out
}

// Changes behind Pulumi's back are seen by a refresh, each where it happened,
// and undone by the next up.
func TestDrift(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	beam := harness.StartBeam(t, harness.BeamOptions{})
	program := everything(beam.Org)
	for name, more := range map[string]map[string]any{
		"base": {"description": "as made", "allowedCidrs": []any{"10.0.0.0/8"}}, "AgentCredential": {"status": "active"}, "policy": {"maxRows": 5}, "WebhookEndpoint": {"description": "as made"},
	} {
		maps.Copy(program[name].(map[string]any)["properties"].(map[string]any), more)
	}
	stack := newStack(t, program, beam.Env()...)
	stack.Up()

	changes := map[string]struct {
		method string
		body   map[string]any
		path   string // of the property that drifts
	}{
		"base":            {http.MethodPatch, map[string]any{"description": "changed by hand", "allowed_cidrs": []any{map[string]any{"cidr": "10.0.0.0/8", "label": "kept"}}}, "description"},
		"Database":        {http.MethodPatch, map[string]any{"port": 6000}, "port"},
		"CacheRule":       {http.MethodPut, map[string]any{"cache_enabled": true, "cache_ttl_seconds": 999}, "cacheTtlSeconds"},
		"SpendLimit":      {http.MethodPut, map[string]any{"spend_limit": 1000}, "spendLimit"},
		"AgentCredential": {http.MethodPatch, map[string]any{"status": "disabled"}, "status"},
		"policy":          {http.MethodPut, map[string]any{"max_rows": 7}, "maxRows"},
		"WebhookEndpoint": {http.MethodPut, map[string]any{"description": "changed by hand"}, "description"},
	}
	for name, c := range changes {
		beam.Call(t, c.method, path(stack.Find(name)), c.body)
	}
	before, secrets := stack.State(), secretsOf(stack)
	if r := stack.Try("refresh", "--preview-only", "--expect-no-changes"); r.Err == nil {
		t.Errorf("a preview of a refresh shows no drift:\n%s", r.Both())
	}
	stack.Refresh()
	drift := drifted(before, stack.State())
	for name, c := range changes {
		if got := drift[name]; len(got) != 1 || got[0] != c.path {
			t.Errorf("%s: a refresh shows %v, want %s alone", name, got, c.path)
		}
		delete(drift, name)
	}
	for name, paths := range drift {
		t.Errorf("%s: a refresh shows %v, and nobody changed it", name, paths)
	}
	stack.Must("refresh", "--yes", "--skip-preview", "--expect-no-changes")
	for name, steps := range plan(t, stack) {
		if len(steps) != 1 || steps[0].Op != "update" || changes[name].path == "" {
			t.Errorf("%s: planned %+v to undo the drift", name, steps)
		}
	}
	stack.Up()
	stack.Unchanged()
	for what, s := range secretsOf(stack) {
		if secrets[what] != s || s == "" {
			t.Errorf("%s did not survive drift, refresh and update", what)
		}
	}
	label := beam.Get(t, path(stack.Find("base")))["allowed_cidrs"].([]any)[0].(map[string]any)["label"]
	if label != "kept" {
		t.Errorf("the label that was set elsewhere is %v now", label)
	}
	stack.Destroy()
	beam.Empty(t)
}

func secretsOf(s *harness.Stack) map[string]string {
	out := map[string]string{}
	for _, r := range s.State() {
		for _, name := range []string{"connectionString", "mcpToken", "token"} {
			if v, ok := r.Outputs[name].(string); ok && r.Type != "pgbeam:index:Database" {
				out[r.Name()+"."+name] = v
			} else if v, ok := r.Outputs[name].(map[string]any); ok {
				out[r.Name()+"."+name], _ = v["plaintext"].(string)
			}
		}
	}
	return out
}

// A policy says all that holds: what somebody loosened past the program is
// taken back by the next up, also where the program does not set it.
func TestAPolicyIsAllThatTheProgramSays(t *testing.T) {
	beam := harness.StartBeam(t, harness.BeamOptions{})
	all := everything(beam.Org)
	stack := newStack(t, resources{"base": all["base"], "policy": all["policy"]}, beam.Env()...)
	stack.Up()
	policy := path(stack.Find("policy"))
	made := beam.Get(t, policy)
	beam.Call(t, http.MethodPut, policy, map[string]any{"access_mode": "read_write", "max_affected_rows": 3, "statement_rules": map[string]any{"deny": []any{"show"}}})
	stack.Refresh()
	stack.Up()
	now := beam.Get(t, policy)
	for name, v := range made {
		if name != "updated_at" && !same(v, now[name]) {
			t.Errorf("%s is %v, and was %v as the program made it", name, now[name], v)
		}
	}
	stack.Unchanged()
}

// What was deleted behind Pulumi's back leaves the state at a refresh, alone,
// and the next up makes it again.
func TestDeletedBehindOurBack(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	beam := harness.StartBeam(t, harness.BeamOptions{})
	stack := newStack(t, everything(beam.Org), beam.Env()...)
	stack.Up()
	var gone []string
	for _, r := range stack.State() {
		switch name := r.Name(); name {
		case "base", "policy": // others stand on them
		case "CacheRule":
			beam.Call(t, http.MethodPut, path(r), map[string]any{"cache_enabled": false, "cache_ttl_seconds": nil, "cache_swr_seconds": nil})
			gone = append(gone, name)
		case "SpendLimit":
			beam.Call(t, http.MethodPut, path(r), map[string]any{"spend_limit": nil})
			gone = append(gone, name)
		default:
			beam.Call(t, http.MethodDelete, path(r), nil)
			gone = append(gone, name)
		}
	}
	stack.Refresh()
	for _, r := range stack.State() {
		if slices.Contains(gone, r.Name()) && r.Name() != "CacheRule" && r.Name() != "SpendLimit" {
			t.Errorf("%s is gone and still in the state", r.Name())
		}
	}
	stack.Up()
	stack.Unchanged()
	if n := len(stack.State()); n != len(everything(beam.Org)) {
		t.Errorf("the state has %d resources", n)
	}
	// The project itself: all of it is made again.
	beam.Call(t, http.MethodDelete, path(stack.Find("base")), nil)
	stack.Refresh()
	stack.Up()
	stack.Unchanged()
	stack.Destroy()
	beam.Empty(t)
}

// An update of two objects of which the second is refused: what the program
// has dropped there is cleared by the next up, although the engine has
// recorded the new inputs with the half-made state.
func TestAClearThatWasRefusedIsMadeByTheNextUp(t *testing.T) {
	beam := harness.StartBeam(t, harness.BeamOptions{})
	gate := harness.NewGate(t, beam.URL)
	project := func(description string, database map[string]any) resources {
		in := inputs("Project", "half", 1, beam.Org)
		in["description"] = description
		maps.Copy(in["database"].(map[string]any), database)
		return resources{"half": resource("Project", in)}
	}
	stack := newStack(t, project("old", map[string]any{"queryTimeoutMs": 5000}), append(beam.Env(), "PGBEAM_API_URL="+gate.URL)...)
	stack.Up()
	yaml(t, stack.Dir, project("new", nil))
	gate.On(func(_ int, r *http.Request) bool {
		if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/databases/") {
			r.URL.Path += "-none"
		}
		return true
	}, nil)
	if r := stack.Try("up", "--yes", "--skip-preview"); r.Err == nil {
		t.Fatal("the refused update succeeded")
	}
	gate.On(nil, nil)
	stack.Refresh()
	stack.Up()
	half := stack.Find("half")
	id, _ := half.Outputs["primaryDatabaseId"].(string)
	if db := beam.Call(t, http.MethodGet, path(half)+"/databases/"+id, nil); db["query_timeout_ms"] != 0.0 {
		t.Errorf("the database keeps a timeout of %v", db["query_timeout_ms"])
	}
	stack.Unchanged()
	stack.Destroy()
	beam.Empty(t)
}
