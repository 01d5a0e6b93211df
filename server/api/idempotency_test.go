package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func idempotent(key string) option { return header("Idempotency-Key", key) }

func TestRepeatedRequestGetsTheSameAnswerWithItsSecrets(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	body := object{"name": "bot", "policy_profile_id": s.newPolicy(project, "reader")}
	path := "/v1/projects/" + project + "/agents"
	first := s.send("POST", path, body, idempotent("k1")).want(201, "")
	second := s.send("POST", path, body, idempotent("k1")).want(201, "")
	if string(first.raw) != string(second.raw) {
		t.Errorf("answers differ:\n%s%s", first.raw, second.raw)
	}
	if first.header.Get("Idempotent-Replayed") != "false" || second.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("Idempotent-Replayed is %q, then %q", first.header.Get("Idempotent-Replayed"), second.header.Get("Idempotent-Replayed"))
	}
	if first.header.Get("X-Request-Id") == second.header.Get("X-Request-Id") {
		t.Error("two requests have one id")
	}
	if n := len(s.send("GET", path, nil).field("agents").([]any)); n != 1 {
		t.Errorf("there are %d credentials", n)
	}
	// The same request, written differently.
	s.send("POST", path, fmt.Sprintf(`{ "policy_profile_id": %q, "name": "bot", "principal_type": null }`, body["policy_profile_id"]), idempotent("k1")).want(201, "")
}

func TestKeyOfAnotherRequestIsRefused(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	other, _ := s.newProject("other")
	path := "/v1/projects/" + project + "/policies"
	s.send("POST", path, object{"name": "a"}, idempotent("k1")).want(201, "")
	for name, send := range map[string]func() *reply{
		"other body": func() *reply { return s.send("POST", path, object{"name": "b"}, idempotent("k1")) },
		"other path": func() *reply {
			return s.send("POST", "/v1/projects/"+other+"/policies", object{"name": "a"}, idempotent("k1"))
		},
		"other method": func() *reply { return s.send("PATCH", "/v1/projects/"+project, object{"name": "a"}, idempotent("k1")) },
	} {
		t.Run(name, func(t *testing.T) { send().want(409, "IDEMPOTENCY_KEY_REUSED") })
	}
	// Another tenant's keys are their own.
	s.send("POST", "/v1/projects", object{"name": "a", "org_id": s.otherOrg, "database": databaseBody()}, as(s.otherKey), idempotent("k1")).want(201, "")
}

func TestMalformedIdempotencyKey(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	for _, key := range []string{"a b", strings.Repeat("k", 256), "ключ"} {
		s.send("POST", "/v1/projects/"+project+"/policies", object{"name": "a"}, idempotent(key)).want(400, "INVALID_INPUT")
	}
}

func TestIdempotencyKeyMeansNothingOnPut(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/policies/" + s.newPolicy(project, "reader")
	s.send("PUT", path, object{"max_rows": 1}, idempotent("k1")).want(200, "")
	if got := s.send("PUT", path, object{"max_rows": 2}, idempotent("k1")).want(200, "").field("max_rows"); got != 2.0 {
		t.Errorf("max_rows is %v", got)
	}
}

func TestConcurrentRepetitionsHaveOneEffect(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	body := object{"name": "bot", "policy_profile_id": s.newPolicy(project, "reader")}
	path := "/v1/projects/" + project + "/agents"
	answers := make([]string, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			r := s.send("POST", path, body, idempotent("k1"))
			answers[i] = fmt.Sprint(r.status, string(r.raw))
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a != answers[0] || !strings.HasPrefix(a, "201") {
			t.Errorf("answers differ:\n%s\n%s", answers[0], a)
		}
	}
	if n := len(s.send("GET", path, nil).field("agents").([]any)); n != 1 {
		t.Errorf("there are %d credentials", n)
	}
}

func TestRefusalIsRepeated(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	policy := s.newPolicy(project, "reader")
	path := "/v1/projects/" + project + "/policies"
	first := s.send("POST", path, object{"name": "reader"}, idempotent("k1")).want(409, "CONFLICT")
	second := s.send("POST", path, object{"name": "reader"}, idempotent("k1")).want(409, "CONFLICT")
	if first.header.Get("Idempotent-Replayed") != "false" || string(first.raw) != string(second.raw) || second.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the refusal was not repeated: %s", second.raw)
	}
	// The kept refusal goes with the record that was in the way, so that a
	// repetition can succeed then.
	s.send("DELETE", path+"/"+policy, nil).want(204, "")
	s.send("POST", path, object{"name": "reader"}, idempotent("k1")).want(201, "")
}

func TestRefusalBeforeTheOperationIsNotKept(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/policies"
	s.send("POST", path, object{"nam": "a"}, idempotent("k1")).want(400, "INVALID_INPUT")
	s.send("POST", path, object{"name": "a"}, idempotent("k1")).want(201, "")
}

func TestKeptAnswerGoesWithItsRecord(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/policies"
	id := s.send("POST", path, object{"name": "a"}, idempotent("k1")).want(201, "").text("id")
	s.send("DELETE", path+"/"+id, nil).want(204, "")
	again := s.send("POST", path, object{"name": "a"}, idempotent("k1")).want(201, "")
	if again.text("id") == id || again.header.Get("Idempotent-Replayed") != "false" {
		t.Errorf("the answer of a deleted record was repeated: %s", again.raw)
	}
}

func TestRotationForgetsTheSecretsItReplaces(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	body := object{"name": "bot", "policy_profile_id": s.newPolicy(project, "reader")}
	path := "/v1/projects/" + project + "/agents"
	created := s.send("POST", path, body, idempotent("k1")).want(201, "")
	rotate := path + "/" + created.text("credential.id") + "/rotate"
	first := s.send("POST", rotate, nil, idempotent("k2")).want(200, "")
	if again := s.send("POST", rotate, nil, idempotent("k2")).want(200, ""); string(again.raw) != string(first.raw) {
		t.Error("a repeated rotation rotated again")
	}
	s.send("POST", path, body, idempotent("k1")).want(409, "CONFLICT") // not dead secrets
	second := s.send("POST", rotate, nil, idempotent("k3")).want(200, "")
	if second.text("mcp_token") == first.text("mcp_token") {
		t.Error("a rotation gave the same token")
	}
}

func TestKeptAnswersSurviveARestart(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	body := object{"name": "bot", "policy_profile_id": s.newPolicy(project, "reader")}
	path := "/v1/projects/" + project + "/agents"
	first := s.send("POST", path, body, idempotent("k1")).want(201, "")
	s.restart()
	if again := s.send("POST", path, body, idempotent("k1")).want(201, ""); string(again.raw) != string(first.raw) {
		t.Error("after a restart the answer differs")
	}
}

func TestConditionalReads(t *testing.T) {
	s := serve(t)
	project, database := s.newProject("shop")
	p := "/v1/projects/" + project
	policy := s.newPolicy(project, "reader")
	agent := s.send("POST", p+"/agents", object{"name": "bot", "policy_profile_id": policy}).want(201, "").text("credential.id")
	webhook := s.send("POST", p+"/webhooks", object{"url": "https://hooks.example.com/x"}).want(201, "").text("id")
	for _, path := range []string{p, p + "/databases/" + database, p + "/policies/" + policy, p + "/agents/" + agent, p + "/webhooks/" + webhook, "/v1/organizations/" + s.org + "/plan"} {
		etag := s.send("GET", path, nil).want(200, "").header.Get("ETag")
		if !strings.HasPrefix(etag, `"`) {
			t.Errorf("%s: ETag is %q", path, etag)
		}
		for _, none := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
			r := s.send("GET", path, nil, header("If-None-Match", none)).want(304, "")
			if len(r.raw) > 0 || r.header.Get("ETag") != etag {
				t.Errorf("%s: 304 has body %q and ETag %q", path, r.raw, r.header.Get("ETag"))
			}
		}
		s.send("GET", path, nil, header("If-None-Match", `"x"`)).want(200, "")
	}
	if etag := s.send("GET", p+"/policies", nil).want(200, "").header.Get("ETag"); etag != "" {
		t.Errorf("a list has ETag %s", etag)
	}
}

func TestCountersDoNotChangeTheETag(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project
	before := s.send("GET", path, nil).want(200, "")
	s.reportConnections(project, 7)
	after := s.send("GET", path, nil).want(200, "")
	if after.field("active_connections") != 7.0 {
		t.Fatalf("active_connections is %v", after.field("active_connections"))
	}
	if before.header.Get("ETag") != after.header.Get("ETag") {
		t.Error("the ETag changed with a counter")
	}
}

func TestConditionalWrites(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project
	etag := s.send("GET", path, nil).want(200, "").header.Get("ETag")
	s.advance(time.Second)
	changed := s.send("PATCH", path, object{"description": "one"}, header("If-Match", etag)).want(200, "")
	current := changed.header.Get("ETag")
	if current == etag || current != s.send("GET", path, nil).header.Get("ETag") {
		t.Errorf("the update's ETag is %s", current)
	}
	lost := s.send("PATCH", path, object{"description": "two"}, header("If-Match", etag)).want(412, "PRECONDITION_FAILED")
	if lost.header.Get("ETag") != current {
		t.Errorf("412 has ETag %q, want %q", lost.header.Get("ETag"), current)
	}
	if got := s.send("GET", path, nil).text("description"); got != "one" {
		t.Errorf("description is %q", got)
	}
	s.send("DELETE", path, nil, header("If-Match", etag)).want(412, "PRECONDITION_FAILED")
	s.send("PATCH", path, object{"description": "two"}, header("If-Match", "W/"+current)).want(412, "PRECONDITION_FAILED") // weak never matches
	s.send("PATCH", path, object{"description": "two"}, header("If-Match", "*")).want(200, "")

	plan := "/v1/organizations/" + s.org
	etag = s.send("GET", plan+"/plan", nil).header.Get("ETag")
	s.send("PUT", plan+"/spend-limit", object{"spend_limit": 5}, header("If-Match", etag)).want(200, "")
	s.send("PUT", plan+"/spend-limit", object{"spend_limit": 6}, header("If-Match", etag)).want(412, "PRECONDITION_FAILED")
	s.send("PATCH", "/v1/projects/prj_none", object{}, header("If-Match", etag)).want(404, "NOT_FOUND")

	domain := s.send("POST", path+"/domains", object{"domain": "db.customer.example"}).want(201, "").text("id")
	s.send("DELETE", path+"/domains/"+domain, nil, header("If-Match", etag)).want(412, "PRECONDITION_FAILED")
}

// What exists in an untouched form before anybody sets it can be set once.
func TestSettingOnlyWhatIsUnset(t *testing.T) {
	s := serve(t)
	project, database := s.newProject("shop")
	limit := "/v1/organizations/" + s.org + "/spend-limit"
	rule := "/v1/projects/" + project + "/databases/" + database + "/cache-rules/0123456789abcdef"
	once := header("If-None-Match", "*")
	for path, c := range map[string]struct{ mine, theirs, undone object }{
		limit: {object{"spend_limit": 5}, object{"spend_limit": 6}, object{"spend_limit": nil}},
		rule:  {object{"cache_enabled": true}, object{"cache_enabled": true, "cache_ttl_seconds": 5}, object{"cache_enabled": false}},
	} {
		mine := s.send("PUT", path, c.mine, once).want(200, "")
		s.send("PUT", path, c.theirs, once).want(412, "PRECONDITION_FAILED")
		if again := s.send("PUT", path, c.mine).want(200, ""); string(again.raw) != string(mine.raw) {
			t.Errorf("%s was set by a request that was refused:\n%s%s", path, mine.raw, again.raw)
		}
		s.send("PUT", path, c.undone).want(200, "")
		s.send("PUT", path, c.theirs, once).want(200, "")
		s.send("PUT", path, c.mine, header("If-None-Match", `"tag"`)).want(200, "") // there is no tag of it
	}
	other := "/v1/organizations/" + s.otherOrg + "/spend-limit"
	s.send("PUT", other, object{"spend_limit": 5}, once).want(403, "FORBIDDEN")
}

// A precondition that failed is judged anew when the request is repeated.
func TestFailedPreconditionIsNotKept(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project
	s.send("PATCH", path, object{"description": "d"}, header("If-Match", `"stale"`), idempotent("k1")).want(412, "PRECONDITION_FAILED")
	etag := s.send("GET", path, nil).header.Get("ETag")
	s.send("PATCH", path, object{"description": "d"}, header("If-Match", etag), idempotent("k1")).want(200, "")
}
