package provider

import (
	"encoding/json"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// The pitfalls of providers over Go structs, each with what keeps it away.
// P1 is in config_test.go, P20 in functions_test.go.

// P2: after an import the engine hands over inputs that no check has seen.
func TestP2UncheckedConfigurationFallsBackToTheEnvironment(t *testing.T) {
	api := newFakeAPI(t)
	srv := configured(t, object{"version": "0.1.0"}, "key-canary", api.URL)
	if err := readProject(srv); err != nil {
		t.Error(err)
	}
	if len(api.seen()) != 1 {
		t.Error("the configured API was not asked")
	}
}

// P3: the engine prints the value of the property a failure names.
func TestP3CheckFailureNeverPrintsSecret(t *testing.T) {
	policy := samples[7].minimal
	for _, inputs := range []object{
		with(policy, object{"tableAllowlist": property.New([]property.Value{property.New("canary")}).WithSecret(true), "tableDenylist": []any{"canary"}}),
		with(policy, object{"maskingRules": []any{object{"table": "t", "column": "c", "kind": secretly("hash")}, object{"table": "t", "column": "c", "kind": "null"}}}),
	} {
		for _, reason := range newEngine(t).failures("PolicyProfile", inputs) {
			if strings.Contains(reason, "hash") {
				t.Error(reason)
			}
		}
	}
	for name, inputs := range map[string]object{
		"wrong kind":      with(aProject, object{"database": with(aDatabase, object{"password": 4242.5})}),
		"empty":           with(aProject, object{"database": with(aDatabase, object{"password": ""})}),
		"marked":          with(aProject, object{"name": secretly(strings.Repeat("canary", 30))}),
		"marked enum":     with(aProject, object{"cloud": secretly("canary")}),
		"marked range":    with(aProject, object{"allowedCidrs": []any{secretly("canary")}}),
		"beside a secret": with(aProject, object{"database": with(aDatabase, object{"port": 0, "password": "canary"})}),
		"marked parent":   with(aProject, object{"database": property.New(values(with(aDatabase, object{"host": "canary canary"}))).WithSecret(true)}),
		"webhook":         {"nosuch": secretly("canary")},
	} {
		e := newEngine(t)
		got := e.failures("Project", inputs)
		if len(got) == 0 {
			t.Errorf("%s passes", name)
		}
		for _, reason := range got {
			if strings.Contains(reason, "canary") || strings.Contains(reason, "4242") {
				t.Errorf("%s: %s", name, reason)
			}
		}
	}
}

// P4 and P5: the engine encrypts what the provider marks, and nothing else.
func TestP4P5SecretOutputsAreMarkedByEveryOperation(t *testing.T) {
	for _, s := range samples {
		r := resourceByToken("pgbeam:index:" + s.token)
		t.Run(s.token, func(t *testing.T) {
			e := newEngine(t)
			marked := func(operation string, m property.Map) {
				t.Helper()
				text := plain(m)
				for _, canary := range []string{"canary", "pbh_"} {
					if strings.Contains(text, canary) {
						t.Errorf("after %s there is a secret in clear text: %s", operation, text)
					}
				}
			}
			e.must(e.up("x", s.token, s.full))
			marked("create", e.state["x"].state)
			marked("check", e.state["x"].inputs)
			// A state that an older version left unmarked is marked again.
			e.state["x"].state, e.state["x"].inputs = bare(e.state["x"].state), bare(e.state["x"].inputs)
			for name, v := range s.edits {
				if !r.property(name).Replace {
					marked("preview", e.preview("x", with(s.full, object{name: v})))
					e.must(e.up("x", s.token, with(s.full, object{name: v})))
					marked("update of "+name, e.state["x"].state)
					e.must(e.up("x", s.token, s.full))
				}
			}
			e.state["x"].state, e.state["x"].inputs = bare(e.state["x"].state), bare(e.state["x"].inputs)
			_, err := e.refresh("x")
			e.must(err)
			marked("refresh", e.state["x"].state)
			marked("refresh of inputs", e.state["x"].inputs)
			id, _ := r.identity(r.Import, object{"id": e.state["x"].id}, e.state["x"].state)
			e.must(e.importAs("y", s.token, id))
			marked("import", e.state["y"].state)
			marked("import of inputs", e.state["y"].inputs)
		})
	}
}

// bare takes all marks off.
func bare(m property.Map) property.Map {
	for name, v := range m.AsMap() {
		v = v.WithSecret(false)
		if v.IsMap() {
			v = property.New(bare(v.AsMap()))
		}
		m = m.Set(name, v)
	}
	return m
}

// P6: enums are closed for inputs, and open for what the API answers.
func TestP6EnumsAreCheckedForInputsOnly(t *testing.T) {
	e := newEngine(t)
	if got := e.failures("Project", with(aProject, object{"residency": "mars"})); len(got) != 1 {
		t.Errorf("%v", got)
	}
	e.must(e.up("p", "Project", aProject))
	e.api.set("projects", 0, object{"residency": "mars", "cloud": "moon"})
	if _, err := e.refresh("p"); err != nil || e.output("p", "residency").AsString() != "mars" {
		t.Errorf("a value that a newer API knows: %v", err)
	}
}

// P7: state of another schema can be refreshed, diffed, updated and, above
// all, destroyed.
func TestP7StateOfAnotherSchemaIsTolerated(t *testing.T) {
	for _, s := range samples {
		t.Run(s.token, func(t *testing.T) {
			e := newEngine(t)
			e.must(e.up("x", s.token, s.full))
			whole := *e.state["x"]
			r := resourceByToken("pgbeam:index:" + s.token)
			for name, spoil := range map[string]func(property.Map) property.Map{
				"unknown property": func(m property.Map) property.Map { return m.Set("formerly", property.New("x")) },
				"another kind": func(m property.Map) property.Map {
					for _, p := range r.Properties {
						if !p.Input {
							return m.Set(p.Name, property.New([]property.Value{property.New(true)}))
						}
					}
					return m
				},
				"missing outputs": func(m property.Map) property.Map {
					for _, p := range r.Properties {
						if !p.Input && !p.Once {
							m = m.Delete(p.Name)
						}
					}
					return m
				},
			} {
				old := whole
				old.state, old.inputs = spoil(old.state), old.inputs.Set("formerly", property.New("x"))
				e.state["x"] = &old
				if d := e.diff("x", s.full); d.HasChanges && name != "missing outputs" {
					t.Errorf("%s: %v", name, d.DetailedDiff)
				}
				if _, err := e.refresh("x"); err != nil {
					t.Errorf("%s: refresh: %v", name, err)
				}
				if _, ok := e.state["x"].state.GetOk("formerly"); ok {
					t.Errorf("%s: the unknown property is still there", name)
				}
				for edit, v := range s.edits {
					if r.property(edit).Replace {
						continue
					}
					copied := old
					e.state["x"] = &copied
					if err := e.up("x", s.token, with(s.full, object{edit: v})); err != nil {
						t.Errorf("%s: update of %s: %v", name, edit, err)
					}
					break
				}
			}
			old := whole
			old.state = property.NewMap(map[string]property.Value{"formerly": property.New("x")})
			old.inputs = whole.inputs
			e.state["x"] = &old
			if err := e.destroy("x"); err != nil {
				t.Errorf("destroy with hardly any state: %v", err)
			}
		})
	}
}

// P8: a change below a property whose change replaces is itself a replacement.
func TestP8NestedChangeUnderAReplacingPropertyReplaces(t *testing.T) {
	props := []Property{{Name: "settings", Wire: "settings", Input: true, Output: true, Replace: true,
		Type: Type{Kind: Object, Fields: []Property{{Name: "a", Wire: "a", Input: true, Type: Type{Kind: Integer}}}}}}
	r := &Resource{Properties: props}
	old := values(object{"settings": object{"a": 1}})
	got := r.changes(old, old, values(object{"settings": object{"a": 2}}))
	if len(got) != 1 || got[0].path.String() != "settings.a" || kindOf(got[0]) != p.UpdateReplace {
		t.Errorf("%+v", got)
	}
}

// P9: nothing, null and an empty list or map are the same.
func TestP9EmptyAndAbsentAreTheSame(t *testing.T) {
	e := newEngine(t)
	for a, b := range map[string]string{"tags": "tags", "allowedCidrs": "allowedCidrs"} {
		e.must(e.up(a, "Project", with(aProject, object{"name": a, a: []any{}})))
		if d := e.diff(a, with(aProject, object{"name": a})); d.HasChanges {
			t.Errorf("[] and then nothing: %v", d.DetailedDiff)
		}
		e.must(e.up(b+"2", "Project", with(aProject, object{"name": b + "2"})))
		if d := e.diff(b+"2", with(aProject, object{"name": b + "2", b: []any{}})); d.HasChanges {
			t.Errorf("nothing and then []: %v", d.DetailedDiff)
		}
	}
	e.must(e.up("a", "AgentCredential", with(samples[6].minimal, object{"rotationTriggers": object{}})))
	if d := e.diff("a", samples[6].minimal); d.HasChanges {
		t.Errorf("{} and then nothing: %v", d.DetailedDiff)
	}
}

// P10: false, 0 and "" that the program says are said to the API.
func TestP10ZeroValuesAreSent(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("w", "WebhookEndpoint", with(samples[8].minimal, object{"enabled": false, "description": ""})))
	got := e.api.body("POST /v1/projects/prj_1/webhooks")
	if got["enabled"] != false || got["description"] != "" {
		t.Errorf("sent %v", got)
	}
	e.must(e.up("d", "Database", with(fullDatabase, object{"projectId": "prj_1", "queryTimeoutMs": 0, "autoReadRouting": false,
		"cacheConfig": object{"enabled": false, "ttlSeconds": 0, "maxEntries": 0, "swrSeconds": 0}})))
	got = e.api.body("POST /v1/projects/prj_1/databases")
	if cache := got["cache_config"].(object); got["query_timeout_ms"] != 0.0 || got["auto_read_routing"] != false || cache["enabled"] != false || cache["ttl_seconds"] != 0.0 {
		t.Errorf("sent %v", got)
	}
}

// P11: a fraction is no whole number, and is not made one.
func TestP11FractionsAreRefusedNotCut(t *testing.T) {
	e := newEngine(t)
	if got := e.failures("Replica", object{"databaseId": "db_1", "host": "h", "port": 5432.5}); len(got) != 1 || !strings.Contains(got[0], "5432.5 is not a whole number") {
		t.Errorf("%v", got)
	}
	if got := e.failures("SpendLimit", object{"orgId": "org_1", "spendLimit": 10.5}); len(got) != 0 {
		t.Errorf("a fraction of a dollar: %v", got)
	}
}

// P12 and P13: messages are about the program, not about Go, and each mistake
// is told once.
func TestP12P13MessagesAreAboutTheProgramAndToldOnce(t *testing.T) {
	e := newEngine(t)
	got := e.failures("Project", with(aProject, object{"database": with(aDatabase, object{"port": "x", "sslMode": 5})}))
	if len(got) != 2 {
		t.Errorf("%q", got)
	}
	for _, reason := range got {
		for _, word := range []string{"float64", "property.", "provider.", "map[", "interface"} {
			if strings.Contains(reason, word) {
				t.Errorf("%q speaks of Go", reason)
			}
		}
	}
}

// P14: id and urn are names that Pulumi keeps for itself.
func TestP14NoInputIsCalledIDOrURN(t *testing.T) {
	for _, r := range Resources {
		for _, p := range r.Properties {
			if p.Name == "id" || p.Name == "urn" {
				t.Errorf("%s has the property %s", r.Token, p.Name)
			}
		}
	}
	for _, f := range Functions {
		for _, p := range f.Inputs {
			if p.Name == "id" || p.Name == "urn" {
				t.Errorf("%s has the argument %s", f.Token, p.Name)
			}
		}
	}
}

// P15: a check keeps unknown values and marks.
func TestP15CheckKeepsMarksAndUnknowns(t *testing.T) {
	e := newEngine(t)
	got, err := e.check(urnOf("pgbeam:index:Project", "x"), nil, values(with(aProject, object{"name": secretly("x"), "description": unknown,
		"database": with(aDatabase, object{"host": unknown, "username": secretly("u")})})))
	e.must(err)
	if !got.Get("name").Secret() || !got.Get("description").IsComputed() || !field(got.Get("database"), "host").IsComputed() || !field(got.Get("database"), "username").Secret() {
		t.Errorf("%#v", got)
	}
}

// P17: whether the successor can stand beside the old one is decided with the
// old state at hand; see TestReplacementOrder for real resources.
func TestP17UniqueNamesAreDeletedFirstAndOthersLast(t *testing.T) {
	r := &Resource{Unique: []string{"name"}, Properties: []Property{{Name: "name", Input: true, Output: true, Type: Type{Kind: String}}}}
	for name, want := range map[string]bool{"same": true, "other": false} {
		if got := r.clashes(values(object{"name": "same"}), values(object{"name": name})); got != want {
			t.Errorf("%s clashes: %v", name, got)
		}
	}
	if r.clashes(values(object{"name": "same"}), values(object{"name": unknown})) || (&Resource{}).clashes(property.Map{}, property.Map{}) {
		t.Error("a name that is not known yet, or none, clashes")
	}
}

// P18: one process serves one configured provider; a second Configure, as
// after a preview, takes effect.
func TestP18ConfigureTakesEffectAgain(t *testing.T) {
	one, two := newFakeAPI(t), newFakeAPI(t)
	srv := configured(t, object{"apiKey": "key-canary", "baseUrl": one.URL}, "", "")
	if err := srv.Configure(p.ConfigureRequest{Args: values(object{"apiKey": "key-canary", "baseUrl": two.URL})}); err != nil {
		t.Fatal(err)
	}
	if err := readProject(srv); err != nil || len(two.seen()) != 1 {
		t.Errorf("%v", err)
	}
}

// P19: what the server fills in is no deletion by the program.
func TestP19ServerFilledPropertiesAreNoDeletion(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("d", "Database", with(aDatabase, object{"projectId": "prj_1"})))
	if len(e.output("d", "cacheConfig").AsMap().AsMap()) != 4 || e.output("d", "sslMode").AsString() != "verify-full" {
		t.Errorf("the state is %v", e.state["d"].state)
	}
	if d := e.diff("d", with(aDatabase, object{"projectId": "prj_1"})); d.HasChanges {
		t.Errorf("%v", d.DetailedDiff)
	}
}

// The raw server carries what the framework leaves out of its requests.
func TestServerSpeaksTheWholeProtocol(t *testing.T) {
	api := newFakeAPI(t)
	srv, err := Server(Name, "1.2.3", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	hand, err := srv.Handshake(ctx, &rpc.ProviderHandshakeRequest{ConfigureWithUrn: true, InvokeWithPreview: true})
	if err != nil || !hand.GetAcceptSecrets() || !hand.GetSupportsAutonamingConfiguration() {
		t.Errorf("%v %v", hand, err)
	}
	id := "0b7a"
	args, _ := structpb.NewStruct(map[string]any{"apiKey": "key-canary", "baseUrl": api.URL})
	conf, err := srv.Configure(ctx, &rpc.ConfigureRequest{Id: &id, Args: args, AcceptSecrets: true})
	if err != nil || !conf.GetSupportsPreview() || !conf.GetSupportsAutonamingConfiguration() {
		t.Errorf("%v %v", conf, err)
	}
	urn := string(urnOf("pgbeam:index:SelfHostEnrollment", "x"))
	inputs, _ := structpb.NewStruct(map[string]any{"orgId": "org_1"})
	create := func() *rpc.CreateResponse {
		resp, err := srv.Create(ctx, &rpc.CreateRequest{Urn: urn, Properties: inputs})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	first := create()
	if again := create(); again.GetId() != first.GetId() {
		t.Error("the id of the provider does not reach the idempotency key")
	}
	if token := first.GetProperties().GetFields()["token"].GetStructValue(); token == nil || token.GetFields()["4dabf18193072939515e22adb298388d"] == nil {
		t.Errorf("the token is not sent as a secret: %v", first.GetProperties().GetFields()["token"])
	}
	schema, err := srv.GetSchema(ctx, &rpc.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Name, Version string
		Resources     map[string]any
	}
	if err := json.Unmarshal([]byte(schema.GetSchema()), &spec); err != nil || spec.Name != Name || spec.Version != "1.2.3" || len(spec.Resources) != len(Resources) {
		t.Errorf("the schema is of %s %s with %d resources: %v", spec.Name, spec.Version, len(spec.Resources), err)
	}
	apiKey, _ := structpb.NewStruct(map[string]any{"orgId": "org_1", "regionLable": "x"})
	check, err := srv.Check(ctx, &rpc.CheckRequest{Urn: urn, News: apiKey})
	if err != nil || len(check.GetFailures()) != 1 || check.GetFailures()[0].GetProperty() != "" {
		t.Errorf("%v %v", check, err)
	}
	failed, err := srv.Create(ctx, &rpc.CreateRequest{Urn: string(urnOf("pgbeam:index:Project", "x")), Properties: &structpb.Struct{}})
	if err == nil {
		t.Errorf("%v", failed)
	}
}

// A half-made resource reaches the engine with its id and state.
func TestServerReportsHalfMadeResources(t *testing.T) {
	api := newFakeAPI(t)
	api.fault = func(r seenRequest) *fault {
		if r.method == "PATCH" {
			return &fault{status: 400}
		}
		return nil
	}
	srv, err := Server(Name, "0.1.0", nil)
	if err != nil {
		t.Fatal(err)
	}
	args, _ := structpb.NewStruct(map[string]any{"apiKey": "key-canary", "baseUrl": api.URL})
	if _, err := srv.Configure(t.Context(), &rpc.ConfigureRequest{Args: args}); err != nil {
		t.Fatal(err)
	}
	inputs, _ := structpb.NewStruct(map[string]any{"projectId": "prj_1", "policyProfileId": "pol_1", "name": "bot", "status": "disabled"})
	_, err = srv.Create(t.Context(), &rpc.CreateRequest{Urn: string(urnOf("pgbeam:index:AgentCredential", "x")), Properties: inputs})
	if err == nil {
		t.Fatal("no error")
	}
	details := initFailure(err)
	if details == nil || details.GetId() != "agt_1" || details.GetProperties().GetFields()["connectionString"] == nil {
		t.Errorf("%v: %v", err, details)
	}
}

func initFailure(err error) *rpc.ErrorResourceInitFailed {
	var coded *rpcerror.Error
	if e, ok := rpcerror.FromError(err); ok {
		coded = e
	}
	if coded == nil {
		return nil
	}
	for _, d := range coded.Details() {
		if failed, ok := d.(*rpc.ErrorResourceInitFailed); ok {
			return failed
		}
	}
	return nil
}

// The engine takes only absent properties for a missing object: with empty
// ones it would import, or get(), an empty resource.
func TestReadOfAMissingObjectHasNoProperties(t *testing.T) {
	api := newFakeAPI(t)
	srv, err := Server(Name, "0.1.0", nil)
	if err != nil {
		t.Fatal(err)
	}
	args, _ := structpb.NewStruct(map[string]any{"apiKey": "key-canary", "baseUrl": api.URL})
	if _, err := srv.Configure(t.Context(), &rpc.ConfigureRequest{Args: args}); err != nil {
		t.Fatal(err)
	}
	got, err := srv.Read(t.Context(), &rpc.ReadRequest{Urn: string(urnOf("pgbeam:index:Project", "x")), Id: "prj_missing"})
	if err != nil || got.GetId() != "" || got.Properties != nil || got.Inputs != nil {
		t.Errorf("read of a missing project: %v, %v", got, err)
	}
}
