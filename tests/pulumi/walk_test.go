package pulumi

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// walk is one program that holds one resource for each edit, so that every
// property of every resource is changed, alone, by a single preview and up.
type walk struct {
	t     *testing.T
	beam  *harness.Beam
	stack *harness.Stack
	edits []edit
}

// name is the resource that an edit changes; the spend limit is one for all,
// because an organization has one.
func (e edit) name() string {
	if e.resource == "SpendLimit" {
		return "SpendLimit"
	}
	return e.resource + "_" + strings.ReplaceAll(e.path, ".", "_")
}

// inputs are the least a resource needs, every one with values of its own
// where two with the same could not exist. n tells resources apart.
func inputs(kind, name string, n int, org string) map[string]any {
	secret := func(v string) map[string]any { return map[string]any{"fn::secret": v} }
	database := func() map[string]any {
		return map[string]any{"host": "db.example.com", "port": 5432, "name": "app", "username": "app", "password": secret("canary-database-plain")}
	}
	switch kind {
	case "Project":
		return map[string]any{"orgId": org, "name": name, "database": database()}
	case "Database":
		d := database()
		d["projectId"] = "${base.id}"
		return d
	case "Replica":
		return map[string]any{"databaseId": "${base.primaryDatabaseId}", "host": fmt.Sprintf("replica-%d.example.com", n), "port": 5432, "sslMode": "require"}
	case "CustomDomain":
		return map[string]any{"projectId": "${base.id}", "domain": fmt.Sprintf("walk-%d.example.com", n)}
	case "CacheRule":
		return map[string]any{"projectId": "${base.id}", "databaseId": "${base.primaryDatabaseId}", "queryHash": fmt.Sprintf("%016x", 0xfeed0000+n), "cacheEnabled": true, "cacheTtlSeconds": 30}
	case "SpendLimit":
		return map[string]any{"orgId": org, "spendLimit": 75.5}
	case "AgentCredential":
		return map[string]any{"projectId": "${base.id}", "policyProfileId": "${policy.id}", "name": name}
	case "PolicyProfile":
		return map[string]any{"projectId": "${base.id}", "name": name}
	case "WebhookEndpoint":
		return map[string]any{"projectId": "${base.id}", "url": fmt.Sprintf("https://hooks.example.com/%d", n)}
	case "SelfHostEnrollment":
		return map[string]any{"orgId": org, "regionLabel": name}
	}
	panic("no inputs for " + kind)
}

// wholes are objects that a program writes whole or not at all.
var wholes = map[string]map[string]any{
	"cacheConfig": {"enabled": false, "ttlSeconds": 60, "maxEntries": 100, "swrSeconds": 10},
	"poolConfig":  {"poolSize": 10, "minPoolSize": 1, "poolMode": "session", "maxActive": 100},
}

// program is the walk with every edit at `from`, or those that `changed`
// picks at `to`.
func (w *walk) program(changed func(edit) bool) map[string]any {
	resource := func(kind string, properties map[string]any) map[string]any {
		return map[string]any{"type": "pgbeam:" + kind, "properties": properties}
	}
	base := map[string]any{}
	for i, name := range []string{"base", "other"} {
		base[name] = resource("Project", inputs("Project", "walk-"+name, 9000+i, w.beam.Org))
	}
	base["second"] = resource("Database", inputs("Database", "second", 9002, w.beam.Org))
	base["policy"] = resource("PolicyProfile", inputs("PolicyProfile", "walk-policy", 9003, w.beam.Org))
	base["policy2"] = resource("PolicyProfile", inputs("PolicyProfile", "walk-policy2", 9004, w.beam.Org))
	owned := inputs("PolicyProfile", "walk-default", 9005, w.beam.Org)
	owned["projectId"] = "${Project_defaultPolicyProfileId.id}"
	base["defaultPolicy"] = resource("PolicyProfile", owned)
	for i, e := range w.edits {
		r, ok := base[e.name()].(map[string]any)
		if !ok {
			r = resource(e.resource, inputs(e.resource, e.name(), i, w.beam.Org))
			base[e.name()] = r
		}
		value := e.from
		if changed(e) {
			value = e.to
		} else if e.resource == "SpendLimit" {
			continue
		}
		if l, ok := value.(later); ok {
			value = l(w)
		}
		properties := r["properties"].(map[string]any)
		for _, whole := range []string{"cacheConfig", "poolConfig"} {
			if path, _, within := strings.Cut(e.path, whole+"."); within {
				set(properties, path+whole, maps.Clone(wholes[whole]))
			}
		}
		if strings.Contains(e.path, "maskingRules.") || strings.Contains(e.path, "rowFilters.") {
			set(properties, strings.Split(e.path, ".")[0], value) // a field of a list's item: the list is set
			continue
		}
		if s, ok := value.(string); ok && (strings.HasSuffix(e.path, "password") || strings.HasSuffix(e.path, "secret")) {
			value = map[string]any{"fn::secret": s}
		}
		set(properties, e.path, value)
	}
	return map[string]any{"name": "walk", "runtime": "yaml", "resources": base}
}

func set(m map[string]any, path string, value any) {
	head, rest, nested := strings.Cut(path, ".")
	switch {
	case nested:
		inner, ok := m[head].(map[string]any)
		if !ok {
			inner = map[string]any{}
			m[head] = inner
		}
		set(inner, rest, value)
		if len(inner) == 0 {
			delete(m, head)
		}
	case value == nil:
		delete(m, head)
	default:
		m[head] = value
	}
}

func (w *walk) write(changed func(edit) bool) {
	w.t.Helper()
	text, err := json.MarshalIndent(w.program(changed), "", "  ") // JSON is YAML
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.stack.Dir, "Pulumi.yaml"), text, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *walk) defaultPolicy() string { return w.stack.Find("defaultPolicy").ID }

// step is what `pulumi preview --json` says about one resource.
type step struct {
	Op, URN      string
	DetailedDiff map[string]struct {
		Kind      string
		InputDiff bool
	}
	ReplaceReasons []string
}

func (s step) name() string { return s.URN[strings.LastIndex(s.URN, "::")+2:] }

// plan previews and returns the steps that are not "same", by resource.
func plan(t *testing.T, s *harness.Stack) map[string][]step {
	t.Helper()
	var preview struct{ Steps []step }
	if err := json.Unmarshal([]byte(s.Must("preview", "--json").Stdout), &preview); err != nil {
		t.Fatalf("read preview: %v", err)
	}
	out := map[string][]step{}
	for _, st := range preview.Steps {
		if st.Op != "same" && strings.Contains(st.URN, "pgbeam:index:") {
			out[st.name()] = append(out[st.name()], st)
		}
	}
	return out
}

// check checks that the plan does to the resource of an edit what the table
// of replacement triggers says, because of that property, and nothing else.
func (e edit) check(t *testing.T, steps []step) {
	t.Helper()
	want := []string{"update"}
	if e.replaces {
		want = []string{"replace"}
	}
	var ops []string
	for _, s := range steps {
		ops = append(ops, s.Op)
	}
	slices.Sort(ops)
	if !slices.Equal(ops, want) {
		t.Errorf("%s.%s: planned %v, want %v", e.resource, e.path, ops, want)
		return
	}
	head := strings.Split(e.path, ".")[0]
	for _, s := range steps {
		if s.Op != "update" && s.Op != "replace" {
			continue
		}
		if len(s.DetailedDiff) == 0 {
			t.Errorf("%s.%s: the %s does not say because of which property", e.resource, e.path, s.Op)
		}
		for path, d := range s.DetailedDiff {
			if !strings.HasPrefix(path, head) {
				t.Errorf("%s.%s: the %s is because of %s too", e.resource, e.path, s.Op, path)
			}
			if e.replaces != strings.HasSuffix(d.Kind, "replace") {
				t.Errorf("%s.%s: %s is shown as %q", e.resource, e.path, path, d.Kind)
			}
		}
	}
}

func TestWalkOfEveryPropertyOfEveryResource(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	beam := harness.StartBeam(t, harness.BeamOptions{})
	pulumi := harness.NewPulumi(t, beam.Env()...)
	dir := t.TempDir()
	w := &walk{t: t, beam: beam, edits: edits()}
	w.stack = &harness.Stack{Dir: dir}
	unchanged := func(edit) bool { return false }
	w.write(unchanged)
	w.stack = pulumi.NewStack(t, dir, "walk")
	w.stack.Up()
	w.stack.Unchanged()
	before := w.seen()

	// Every edit, planned ones included.
	w.write(func(e edit) bool { return e.resource != "SpendLimit" || e.path == "orgId" })
	steps := plan(t, w.stack)
	for _, e := range w.edits {
		if e.resource == "SpendLimit" && e.path != "orgId" {
			continue
		}
		e.check(t, steps[e.name()])
		delete(steps, e.name())
	}
	for name, s := range steps {
		t.Errorf("%s: %d step(s) planned for a resource that nobody edited: %+v", name, len(s), s)
	}

	// Those that can be applied, with what they did as the API tells it.
	applied := func(e edit) bool { return e.planned == "" }
	w.write(applied)
	for _, e := range w.edits {
		if e.resource == "SpendLimit" && e.path == "spendLimit" {
			e.check(t, plan(t, w.stack)[e.name()])
		}
	}
	ids := w.ids()
	w.stack.Up()
	w.stack.Unchanged()
	after := w.seen()
	for _, e := range w.edits {
		if applied(e) {
			e.applied(w, before[e.name()], after[e.name()], ids[e.name()])
		}
	}

	// And back, which for most of them drops the property from the program.
	w.write(unchanged)
	w.stack.Up()
	w.stack.Unchanged()
	back := w.seen()
	for _, e := range w.edits {
		if !e.replaces && !e.unseen && e.planned == "" {
			if d := cmp.Diff(at(before[e.name()], e.path), at(back[e.name()], e.path)); d != "" {
				t.Errorf("%s.%s: after the program dropped the change the API has (-before +after):\n%s", e.resource, e.path, d)
			}
		}
	}
	w.stack.Destroy()
	beam.Empty(t)
}

func (w *walk) ids() map[string]string {
	ids := map[string]string{}
	for _, r := range w.stack.State() {
		ids[r.Name()] = r.ID
	}
	return ids
}

// seen is every resource of the state as the API returns it.
func (w *walk) seen() map[string]map[string]any {
	w.t.Helper()
	out := map[string]map[string]any{}
	for _, r := range w.stack.State() {
		out[r.Name()] = fetch(w.t, w.beam, r)
	}
	return out
}

// applied checks what an edit did: the API returns the new value, and the
// object is a new one exactly when the edit replaces.
func (e edit) applied(w *walk, before, after map[string]any, id string) {
	w.t.Helper()
	now := w.stackID(e.name())
	if e.resource != "CacheRule" && e.replaces == (now == id) {
		w.t.Errorf("%s.%s: the object was %s and is %s", e.resource, e.path, id, now)
	}
	if e.unseen {
		return
	}
	want := e.to
	if e.seen != nil {
		want = e.seen
	}
	if l, ok := want.(later); ok {
		want = l(w)
	}
	if s, ok := want.(string); ok && strings.HasPrefix(s, "${") {
		want = w.reference(s)
	}
	got := at(after, e.path)
	if !same(want, got) {
		w.t.Errorf("%s.%s: the program says %v, the API returns %v (before: %v)", e.resource, e.path, want, got, at(before, e.path))
	}
}

// stackID is the id of a resource in the state.
func (w *walk) stackID(name string) string { return w.ids()[name] }

// reference resolves ${name.property} against the state.
func (w *walk) reference(s string) any {
	m := regexp.MustCompile(`^\$\{(\w+)\.(\w+)\}$`).FindStringSubmatch(s)
	r := w.stack.Find(m[1])
	if m[2] == "id" {
		return r.ID
	}
	return r.Outputs[m[2]]
}

// at finds a property in what the API returned, by its path in programs.
func at(object map[string]any, path string) any {
	if strings.HasPrefix(path, "maskingRules.") || strings.HasPrefix(path, "rowFilters.") {
		path = strings.Split(path, ".")[0]
	}
	var v any = object
	for _, name := range strings.Split(path, ".") {
		m, _ := v.(map[string]any)
		v = m[snake(name)]
	}
	return v
}

var humps = regexp.MustCompile(`([a-z0-9])([A-Z])`)

func snake(s string) string { return strings.ToLower(humps.ReplaceAllString(s, "${1}_${2}")) }

// same compares values of a program with values of JSON.
func same(want, got any) bool {
	text := func(v any) any {
		b, _ := json.Marshal(v)
		var out any
		_ = json.Unmarshal(b, &out)
		return out
	}
	return reflect.DeepEqual(text(want), text(got))
}
