package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func TestHealthNeedsNoKey(t *testing.T) {
	s := serve(t)
	r := s.send("GET", "/v1/health", nil, func(r *http.Request) { r.Header.Del("Authorization") }).want(200, "")
	if r.text("status") != "ok" || r.text("version") != "dev" {
		t.Errorf("health: %s", r.raw)
	}
}

func TestKeyIsAcceptedInEitherHeader(t *testing.T) {
	s := serve(t)
	without := func(r *http.Request) { r.Header.Del("Authorization") }
	s.send("GET", "/v1/organizations", nil, without, header("Authorization", "bearer "+s.key)).want(200, "")
	s.send("GET", "/v1/organizations", nil, without, header("X-API-Key", s.key)).want(200, "")
	s.send("GET", "/v1/organizations", nil, header("X-API-Key", s.key)).want(200, "")
	s.send("GET", "/v1/organizations", nil, header("X-API-Key", s.otherKey)).want(401, "UNAUTHORIZED")
}

func TestKeyThatMayNotBeUsedIsRefused(t *testing.T) {
	s := serve(t)
	past := s.clock().Add(-time.Minute)
	revoked := s.issueKey(s.org, func(k *store.Key) { k.RevokedAt = &past })
	expired := s.issueKey(s.org, func(k *store.Key) { k.ExpiresAt = &past })
	for name, c := range map[string]struct{ key, detail string }{
		"no key":           {"", "an API key is required"},
		"unknown":          {"pgb_unknown0000000000000000000000000000000000", "unknown"},
		"revoked":          {revoked, "was revoked at 2030-01-31T11:59:00Z"},
		"expired":          {expired, "expired at 2030-01-31T11:59:00Z"},
		"MCP token":        {"pba_a1b2c3d4e5f6g7h8", "MCP token"},
		"enrollment token": {"pbh_a1b2c3d4e5f6g7h8", "enrollment token"},
		"dashboard token":  {"eyJhbGciOiJIUzI1NiJ9.e30.x", "not an API key"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.send("GET", "/v1/organizations", nil, as(c.key)).want(401, "UNAUTHORIZED")
			if !strings.Contains(r.text("detail"), c.detail) {
				t.Errorf("detail is %q, want %q in it", r.text("detail"), c.detail)
			}
			if c.key != "" && strings.Contains(string(r.raw), c.key) {
				t.Error("the key is in the response")
			}
			if !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("WWW-Authenticate is %q", r.header.Get("WWW-Authenticate"))
			}
		})
	}
	s.send("GET", "/v1/organizations", nil, header("Authorization", "Basic "+s.key)).want(401, "UNAUTHORIZED")
}

func TestEveryKeyPrefixWorks(t *testing.T) {
	s := serve(t)
	for _, prefix := range []string{"pgb_", "pbk_", "pbo_", "pbu_"} {
		token := secret.NewToken(prefix).Reveal()
		s.issueKey(s.org, func(k *store.Key) { k.Hash = secret.HashToken(token) })
		s.send("GET", "/v1/organizations", nil, header("Authorization", "Bearer "+token)).want(200, "")
	}
}

func TestUseOfAKeyIsRecorded(t *testing.T) {
	s := serve(t)
	s.send("GET", "/v1/organizations", nil).want(200, "")
	err := s.store.View(t.Context(), func(tx store.Tx) error {
		keys, _, _, err := tx.Keys().List(s.org, store.Page{})
		if err == nil && (len(keys) != 1 || keys[0].LastUsedAt == nil || !keys[0].LastUsedAt.Equal(s.clock())) {
			t.Errorf("last use is %v, want %v", keys[0].LastUsedAt, s.clock())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Every path that names an object of another tenant must answer as if it had
// never existed.
func TestForeignObjectsAreLikeNonexistentOnes(t *testing.T) {
	s := serve(t)
	project, database := s.newProject("shop")
	policy := s.newPolicy(project, "reader")
	p := "/v1/projects/" + project
	agent := s.send("POST", p+"/agents", object{"name": "bot", "policy_profile_id": policy}).want(201, "").text("credential.id")
	webhook := s.send("POST", p+"/webhooks", object{"url": "https://hooks.example.com/x"}).want(201, "").text("id")
	domain := s.send("POST", p+"/domains", object{"domain": "db.customer.example"}).want(201, "").text("id")
	replica := s.send("POST", "/v1/databases/"+database+"/replicas", object{"host": "r.example.com", "port": 5432}).want(201, "").text("id")
	enrollment := s.send("POST", "/v1/organizations/"+s.org+"/self-host-enrollments", nil).want(201, "").text("enrollment.id")
	rule := "/databases/" + database + "/cache-rules/0123456789abcdef"
	s.send("PUT", p+rule, object{"cache_enabled": true}).want(200, "")

	ids := map[string]string{
		project: "prj_00000000000000000000000000", database: "db_00000000000000000000000000",
		policy: "pol_00000000000000000000000000", agent: "agt_00000000000000000000000000",
		webhook: "whk_00000000000000000000000000", domain: "dom_00000000000000000000000000",
		replica: "rep_00000000000000000000000000", enrollment: "she_00000000000000000000000000",
	}
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"GET", p, nil},
		{"PATCH", p, object{"name": "mine"}},
		{"DELETE", p, nil},
		{"GET", p + "/databases", nil},
		{"POST", p + "/databases", databaseBody()},
		{"GET", p + "/databases/" + database, nil},
		{"PATCH", p + "/databases/" + database, object{"port": 1}},
		{"DELETE", p + "/databases/" + database, nil},
		{"POST", p + "/databases/" + database + "/test-connection", nil},
		{"GET", p + "/databases/" + database + "/cache-rules", nil},
		{"PUT", p + rule, object{"cache_enabled": false}},
		{"GET", "/v1/databases/" + database + "/replicas", nil},
		{"POST", "/v1/databases/" + database + "/replicas", object{"host": "r2.example.com", "port": 5432}},
		{"DELETE", "/v1/databases/" + database + "/replicas/" + replica, nil},
		{"GET", p + "/domains", nil},
		{"POST", p + "/domains", object{"domain": "other.customer.example"}},
		{"POST", p + "/domains/" + domain + "/verify", nil},
		{"DELETE", p + "/domains/" + domain, nil},
		{"GET", p + "/agents", nil},
		{"POST", p + "/agents", object{"name": "x", "policy_profile_id": policy}},
		{"GET", p + "/agents/" + agent, nil},
		{"PATCH", p + "/agents/" + agent, object{"status": "disabled"}},
		{"POST", p + "/agents/" + agent + "/rotate", nil},
		{"DELETE", p + "/agents/" + agent, nil},
		{"GET", p + "/policies", nil},
		{"POST", p + "/policies", object{"name": "x"}},
		{"GET", p + "/policies/" + policy, nil},
		{"PUT", p + "/policies/" + policy, object{"max_rows": 1}},
		{"DELETE", p + "/policies/" + policy, nil},
		{"GET", p + "/webhooks", nil},
		{"POST", p + "/webhooks", object{"url": "https://hooks.example.com/y"}},
		{"GET", p + "/webhooks/" + webhook, nil},
		{"PUT", p + "/webhooks/" + webhook, object{"enabled": false}},
		{"DELETE", p + "/webhooks/" + webhook, nil},
		{"DELETE", "/v1/organizations/" + s.org + "/self-host-enrollments/" + enrollment, nil},
		{"POST", "/v1/organizations/" + s.org + "/self-host-enrollments/" + enrollment + "/rotate", nil},
	} {
		foreign := s.send(c.method, c.path, c.body, as(s.otherKey)).want(404, "NOT_FOUND")
		path := c.path
		for id, unknown := range ids {
			path = strings.ReplaceAll(path, id, unknown)
		}
		unknown := s.send(c.method, path, c.body, as(s.otherKey)).want(404, "NOT_FOUND")
		want := unknown.text("detail")
		for id, other := range ids {
			want = strings.ReplaceAll(want, other, id)
		}
		if got := foreign.text("detail"); got != want {
			t.Errorf("%s %s: %q differs from that of an unknown object, %q", c.method, c.path, got, want)
		}
	}
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/v1/projects?org_id=" + s.org, nil},
		{"POST", "/v1/projects", object{"name": "x", "org_id": s.org, "database": databaseBody()}},
		{"GET", "/v1/organizations/" + s.org + "/plan", nil},
		{"PUT", "/v1/organizations/" + s.org + "/spend-limit", object{"spend_limit": 1}},
		{"GET", "/v1/organizations/" + s.org + "/self-host-enrollments", nil},
		{"POST", "/v1/organizations/" + s.org + "/self-host-enrollments", object{}},
	} {
		foreign := s.send(c.method, c.path, c.body, as(s.otherKey)).want(403, "FORBIDDEN")
		if !strings.Contains(foreign.text("detail"), s.org) {
			t.Errorf("%s %s: detail does not name the organization: %s", c.method, c.path, foreign.raw)
		}
	}

	// An object is found under its own parent only.
	second, _ := s.newProject("second")
	s.send("GET", "/v1/projects/"+second+"/policies/"+policy, nil).want(404, "NOT_FOUND")
	s.send("GET", "/v1/projects/"+second+"/databases/"+database, nil).want(404, "NOT_FOUND")
	s.send("DELETE", "/v1/projects/"+second+"/agents/"+agent, nil).want(404, "NOT_FOUND")
}
