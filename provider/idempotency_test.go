package provider

import (
	"strings"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
)

// crash creates something and loses all memory of it, as when the engine is
// killed before it has written the state.
func (e *engine) crash(name, token string, inputs object) string {
	e.t.Helper()
	e.must(e.up(name, token, inputs))
	id := e.state[name].id
	delete(e.state, name)
	e.restart()
	return id
}

func TestAnUpRepeatedAfterACrashGetsTheSameObjectAndSecrets(t *testing.T) {
	for _, s := range samples {
		if resourceByToken("pgbeam:index:"+s.token).Create == nil {
			continue
		}
		e := newEngine(t)
		id := e.crash("x", s.token, s.full)
		e.api.clock = e.api.clock.Add(time.Minute)
		e.must(e.up("x", s.token, s.full))
		if e.state["x"].id != id || len(e.api.objects[s.kind]) != 1 {
			t.Errorf("%s: %s after the crash was %s; there are %d", s.token, e.state["x"].id, id, len(e.api.objects[s.kind]))
		}
		if d := e.diff("x", s.full); d.HasChanges {
			t.Errorf("%s: %v", s.token, d.DetailedDiff)
		}
	}
	e := newEngine(t)
	e.must(e.up("a", "AgentCredential", samples[6].minimal))
	secret := e.output("a", "connectionString").AsString()
	delete(e.state, "a")
	e.restart()
	e.must(e.up("a", "AgentCredential", samples[6].minimal))
	if e.output("a", "connectionString").AsString() != secret {
		t.Error("the secrets are lost")
	}
}

func TestAKeptAnswerAboutADeletedObjectIsNotBelieved(t *testing.T) {
	for _, s := range samples {
		if resourceByToken("pgbeam:index:"+s.token).Create == nil {
			continue
		}
		for _, older := range []bool{false, true} {
			e := newEngine(t)
			e.api.older = older
			id := e.crash("x", s.token, s.full)
			e.api.drop(s.kind)
			if older { // it can only be told by its age
				e.api.clock = e.api.clock.Add(time.Hour)
			}
			e.must(e.up("x", s.token, s.full))
			if e.state["x"].id == id || len(e.api.objects[s.kind]) != 1 {
				t.Errorf("%s: the deleted %s is in the state; there are %d", s.token, e.state["x"].id, len(e.api.objects[s.kind]))
			}
		}
	}
}

// A refusal that was kept is asked again: what it complained of may be gone.
func TestAKeptRefusalIsAskedAgain(t *testing.T) {
	for _, older := range []bool{false, true} {
		e := newEngine(t)
		e.api.older = older
		e.must(e.up("theirs", "PolicyProfile", samples[7].minimal))
		if err := e.up("mine", "PolicyProfile", samples[7].minimal); err == nil {
			t.Fatal("there was no conflict")
		}
		e.must(e.destroy("theirs"))
		e.restart()
		e.must(e.up("mine", "PolicyProfile", samples[7].minimal))
	}
}

// A server that says that a refusal is no kept one is believed.
func TestAFreshRefusalIsNotAskedAgain(t *testing.T) {
	for older, want := range map[bool]int{false: 1, true: 2} {
		e := newEngine(t)
		e.api.older = older
		e.must(e.up("theirs", "PolicyProfile", samples[7].minimal))
		e.api.seen()
		if err := e.up("mine", "PolicyProfile", samples[7].minimal); err == nil {
			t.Fatal("there was no conflict")
		}
		asked := 0
		for _, r := range e.api.seen() {
			if strings.HasPrefix(r, "POST") {
				asked++
			}
		}
		if asked != want {
			t.Errorf("older %v: asked %d times, not %d", older, asked, want)
		}
	}
}

// A server that reads the request in another way than the one before it takes
// the key for used up.
func TestAKeyThatIsUsedUpIsNoDeadEnd(t *testing.T) {
	e := newEngine(t)
	refuse := true
	e.api.fault = func(seenRequest) *fault {
		if refuse {
			refuse = false
			return &fault{status: 409, header: map[string]string{headerReplayed: "false"}, body: `{"code":"IDEMPOTENCY_KEY_REUSED"}`}
		}
		return nil
	}
	e.must(e.up("mine", "PolicyProfile", samples[7].minimal))
}

func TestKeysDifferWhereTheyMust(t *testing.T) {
	body := object{"name": "x"}
	key := func(v *provider, providerID, name string, body object) string {
		k, _ := v.createKey(providerID, urnOf("pgbeam:index:Project", name), []string{"prj_1"}, body)
		return k
	}
	first := key(&provider{}, "prov-1", "a", body)
	if first != key(&provider{}, "prov-1", "a", object{"name": "x"}) {
		t.Error("the same create has two keys")
	}
	for what, other := range map[string]string{
		"another stack": key(&provider{}, "prov-2", "a", body), "another resource": key(&provider{}, "prov-1", "b", body),
		"another body": key(&provider{}, "prov-1", "a", object{"name": "y"}), "no provider id": key(&provider{}, "", "a", body),
	} {
		if other == first {
			t.Errorf("%s has the same key", what)
		}
	}
	if k, _ := (&provider{}).createKey("prov-1", urnOf("pgbeam:index:Project", "a"), []string{"prj_2"}, body); k == first {
		t.Error("another parent has the same key")
	}
	if key(&provider{}, "", "a", body) == key(&provider{}, "", "a", body) {
		t.Error("without the provider's id the key is not random")
	}
	// A replacement is another create than the first, and the same when it is
	// repeated after a crash.
	replacing, again := &provider{}, &provider{}
	replacing.seen.note(urnOf("pgbeam:index:Project", "a"), "prj_1")
	again.seen.note(urnOf("pgbeam:index:Project", "a"), "prj_1")
	if k := key(replacing, "prov-1", "a", body); k == first || k != key(again, "prov-1", "a", body) {
		t.Error("the key of a replacement is wrong")
	}
	unsure := &provider{}
	unsure.seen.note(urnOf("pgbeam:index:Project", "a"), "")
	if key(unsure, "prov-1", "a", body) == key(unsure, "prov-1", "a", body) {
		t.Error("with an old state of unknown id the key is not random")
	}
}

func TestDestroyAndUpInOneRunMakesANewObject(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("a", "AgentCredential", samples[6].minimal))
	id := e.state["a"].id
	e.must(e.destroy("a"))
	e.must(e.up("a", "AgentCredential", samples[6].minimal))
	if e.state["a"].id == id {
		t.Error("the answer about the deleted credential was taken for the new one")
	}
}

// Two stacks with the same program make two objects.
func TestStacksDoNotShareObjects(t *testing.T) {
	e := newEngine(t)
	inputs := values(samples[9].minimal)
	urn := urnOf("pgbeam:index:SelfHostEnrollment", "x")
	one, err := e.serve("prov-1").Create(p.CreateRequest{Urn: urn, Properties: inputs})
	e.must(err)
	two, err := e.serve("prov-2").Create(p.CreateRequest{Urn: urn, Properties: inputs})
	e.must(err)
	if one.ID == two.ID || strings.Contains(one.Properties.Get("token").AsString(), two.Properties.Get("token").AsString()) {
		t.Error("two stacks share an enrollment")
	}
}
