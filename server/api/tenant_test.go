package api

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func TestCacheRuleIsDeclaredBeforeItsQueryWasSeen(t *testing.T) {
	s := serve(t)
	project, database := s.newProject("shop")
	path := "/v1/projects/" + project + "/databases/" + database + "/cache-rules"
	r := s.send("PUT", path+"/a1b2c3d4e5f60718", object{"cache_enabled": true, "cache_ttl_seconds": 60}).want(200, "")
	for field, want := range map[string]any{"query_hash": "a1b2c3d4e5f60718", "normalized_sql": "", "cache_enabled": true,
		"cache_ttl_seconds": 60.0, "cache_swr_seconds": nil, "call_count": 0.0} {
		if got := r.field("entry." + field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	// Absent keeps, null is the database's default, 0 is 0.
	for _, c := range []struct {
		body object
		want string
	}{
		{object{"cache_enabled": true}, "60 <nil>"},
		{object{"cache_enabled": true, "cache_swr_seconds": 0}, "60 0"},
		{object{"cache_enabled": false, "cache_ttl_seconds": nil, "cache_swr_seconds": nil}, "<nil> <nil>"},
	} {
		r := s.send("PUT", path+"/a1b2c3d4e5f60718", c.body).want(200, "")
		if got := fmt.Sprint(r.field("entry.cache_ttl_seconds"), " ", r.field("entry.cache_swr_seconds")); got != c.want {
			t.Errorf("after %v: %s, want %s", c.body, got, c.want)
		}
	}
	if n := len(s.send("GET", path, nil).want(200, "").field("entries").([]any)); n != 1 {
		t.Errorf("there are %d entries", n)
	}
	for _, hash := range []string{"A1B2C3D4E5F60718", "a1b2", "g1b2c3d4e5f60718", "a1b2c3d4e5f607181"} {
		s.send("PUT", path+"/"+hash, object{"cache_enabled": true}).want(400, "INVALID_INPUT")
	}
	s.send("PUT", path+"/a1b2c3d4e5f60718", object{"cache_enabled": true, "cache_ttl_seconds": 86401}).want(400, "INVALID_INPUT")
	s.send("PUT", path+"/a1b2c3d4e5f60718", object{"cache_ttl_seconds": 1}).want(400, "INVALID_INPUT")
}

func TestSpendLimit(t *testing.T) {
	s := serve(t)
	path := "/v1/organizations/" + s.org
	put := func(body object) *reply { return s.send("PUT", path+"/spend-limit", body).want(200, "") }
	state := func(r *reply) string { return fmt.Sprint(r.field("spend_limit"), " ", r.field("spend_capped")) }

	plan := s.send("GET", path+"/plan", nil).want(200, "")
	if got := state(plan); got != "<nil> false" || plan.text("plan") != "enterprise" || plan.field("limits.max_projects") != 0.0 {
		t.Errorf("a new organization: %s", plan.raw)
	}
	if got := plan.text("current_period_end"); got != "2030-02-01T00:00:00Z" {
		t.Errorf("current_period_end is %s", got)
	}
	for _, c := range []struct {
		body object
		want string
	}{
		{object{"spend_limit": 12.5}, "12.5 false"},
		{object{}, "12.5 false"},
		{object{"spend_limit": 0}, "0 true"}, // nothing may be spent, so nothing goes on
		{object{}, "0 true"},
		{object{"spend_limit": 1}, "1 false"},
		{object{"spend_limit": nil}, "<nil> false"},
	} {
		if got := state(put(c.body)); got != c.want {
			t.Errorf("after %v: %s, want %s", c.body, got, c.want)
		}
	}
	s.send("PUT", path+"/spend-limit", object{"spend_limit": -1}).want(400, "INVALID_INPUT")
	s.send("PUT", path+"/spend-limit", `{"spend_limit":1e400}`).want(400, "INVALID_INPUT")
	s.send("PUT", path+"/spend-limit", `{"spend_limit":1e999999999}`).want(400, "INVALID_INPUT")

	// A cap that metering set is lifted by more money, not by less.
	cap := func() {
		t.Helper()
		err := s.store.Update(context.Background(), func(tx store.Tx) error {
			org, err := tx.Organizations().Get("", s.org)
			if err != nil {
				return err
			}
			org.SpendCappedAt = new(s.clock())
			return tx.Organizations().Update(org)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(object{"spend_limit": 10})
	cap()
	if got := state(put(object{"spend_limit": 9})); got != "9 true" {
		t.Errorf("a lower limit: %s", got)
	}
	if got := state(put(object{"spend_limit": 11})); got != "11 false" {
		t.Errorf("a higher limit: %s", got)
	}
}

func TestOrganizationsAreTheKeysOwn(t *testing.T) {
	s := serve(t)
	r := s.send("GET", "/v1/organizations", nil).want(200, "")
	list := r.field("organizations").([]any)
	if len(list) != 1 || list[0].(object)["id"] != s.org {
		t.Errorf("organizations: %s", r.raw)
	}
	if _, has := list[0].(object)["role"]; has {
		t.Error("a key has no role")
	}
}

func TestPlansAndRegions(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.Region = "eu-west-1"
		c.Plan = Plan{Name: "scale", Limits: contract.PlanLimits{MaxProjects: 7}}
	})
	limits := map[string]any{}
	for _, p := range s.send("GET", "/v1/plans", nil).want(200, "").field("plans").([]any) {
		limits[p.(object)["name"].(string)] = p.(object)["limits"].(object)["max_projects"]
	}
	if got := fmt.Sprint(limits); got != "map[enterprise:0 pro:20 scale:7 starter:5]" {
		t.Errorf("limits: %s", got)
	}
	var available []string
	for _, r := range s.send("GET", "/v1/regions", nil).want(200, "").field("regions").([]any) {
		if r.(object)["available"] == true {
			available = append(available, r.(object)["id"].(string))
		}
	}
	if len(available) != 1 || available[0] != "eu-west-1" {
		t.Errorf("available regions: %v", available)
	}
	if _, err := PlanByName("free"); err == nil || !strings.Contains(err.Error(), "starter") {
		t.Errorf("unknown plan: %v", err)
	}
}

func TestEnrollmentLifecycle(t *testing.T) {
	s := serve(t)
	path := "/v1/organizations/" + s.org + "/self-host-enrollments"
	known := func(token string) bool {
		err := s.store.View(context.Background(), func(tx store.Tx) error {
			_, err := tx.EnrollmentByHash(secret.HashToken(token))
			return err
		})
		return err == nil
	}
	first := s.send("POST", path, object{"region_label": "office", "description": "d", "expires_at": "2030-02-01T00:00:00Z"}).want(201, "")
	if !strings.HasPrefix(first.text("token"), "pbh_") || !known(first.text("token")) {
		t.Error("the token does not open the enrollment")
	}
	if got := first.text("enrollment.created_by"); !strings.HasPrefix(got, "key_") {
		t.Errorf("created_by is %q", got)
	}
	s.advance(time.Second)
	second := s.send("POST", path, nil).want(201, "")
	list := s.send("GET", path, nil).want(200, "").field("enrollments").([]any)
	if len(list) != 2 || list[0].(object)["id"] != second.text("enrollment.id") {
		t.Errorf("the newest is not first: %v", list)
	}
	one := path + "/" + first.text("enrollment.id")
	rotated := s.send("POST", one+"/rotate", nil).want(200, "")
	if known(first.text("token")) || !known(rotated.text("token")) {
		t.Error("rotation must replace the token")
	}
	s.send("DELETE", one, nil).want(204, "")
	s.send("DELETE", one, nil).want(204, "")
	s.send("POST", one+"/rotate", nil).want(409, "INVALID_STATE")
	if n := len(s.send("GET", path, nil).field("enrollments").([]any)); n != 2 {
		t.Errorf("a revoked enrollment left the list: %d", n)
	}
	s.send("POST", path, object{"expires_at": "2030-01-01T00:00:00Z"}).want(400, "INVALID_INPUT")
	s.send("DELETE", path+"/she_none", nil).want(404, "NOT_FOUND")
}

func TestRateLimitIsPerKey(t *testing.T) {
	s := serve(t, func(c *Config) { c.RateLimit = RateLimit{Requests: 2, Window: 10 * time.Second} })
	get := func(options ...option) *reply { return s.send("GET", "/v1/organizations", nil, options...) }
	if r := get().want(200, ""); r.header.Get("RateLimit") != `"default";r=1;t=5` || r.header.Get("RateLimit-Policy") != `"default";q=2;w=10;qu="requests"` {
		t.Errorf("RateLimit is %q, policy %q", r.header.Get("RateLimit"), r.header.Get("RateLimit-Policy"))
	}
	get().want(200, "")
	r := get().want(429, "RATE_LIMITED")
	if r.header.Get("Retry-After") != "5" || r.header.Get("X-RateLimit-Remaining") != "0" || r.header.Get("X-RateLimit-Limit") != "2" {
		t.Errorf("429 has %v", r.header)
	}
	get(as(s.otherKey)).want(200, "")
	s.advance(5 * time.Second)
	get().want(200, "")
	get().want(429, "RATE_LIMITED")
	s.advance(5 * time.Minute) // long enough for idle keys to be swept
	get().want(200, "")
	get().want(200, "")
	get().want(429, "RATE_LIMITED")
	s.send("GET", "/v1/health", nil).want(200, "")
}

func TestNoRateLimitByDefault(t *testing.T) {
	s := serve(t)
	for range 50 {
		if r := s.send("GET", "/v1/organizations", nil).want(200, ""); r.header.Get("RateLimit") != "" {
			t.Fatal("a RateLimit header without a limit")
		}
	}
}

// The generated client reads what the server writes.
func TestGeneratedClient(t *testing.T) {
	s := serve(t)
	c, ctx := s.client(), t.Context()
	created, err := c.CreateProjectWithResponse(ctx, contract.CreateProjectRequest{
		Name: "shop", OrgID: s.org,
		Database: contract.CreateDatabaseRequest{Host: "db.example.com", Port: 5432, Name: "app", Username: "app", Password: new("pw")},
	})
	if err != nil || created.JSON201 == nil {
		t.Fatalf("create: %v %s", err, created.Body)
	}
	project := created.JSON201.Project.ID
	policy, err := c.CreatePolicyProfileWithResponse(ctx, project, contract.PolicyProfileInput{Name: "reader"})
	if err != nil || policy.JSON201 == nil {
		t.Fatalf("create policy: %v %s", err, policy.Body)
	}
	agent, err := c.CreateAgentCredentialWithResponse(ctx, project, contract.CreateAgentCredentialRequest{Name: "bot", PolicyProfileID: policy.JSON201.ID})
	if err != nil || agent.JSON201 == nil || agent.JSON201.McpToken == "" {
		t.Fatalf("create agent: %v %s", err, agent.Body)
	}
	list, err := c.ListProjectsWithResponse(ctx, &contract.ListProjectsParams{OrgID: s.org})
	if err != nil || list.JSON200 == nil || list.JSON200.Total != 1 {
		t.Fatalf("list: %v %s", err, list.Body)
	}
	missing, err := c.GetProjectWithResponse(ctx, "prj_none")
	if err != nil || missing.JSON404 == nil || missing.JSON404.Error.Code != "NOT_FOUND" {
		t.Fatalf("get: %v %s", err, missing.Body)
	}
}

func TestDegradedHealth(t *testing.T) {
	s := serve(t, func(c *Config) { c.Store = silentStore{c.Store} })
	if got := s.send("GET", "/v1/health", nil).want(200, "").text("status"); got != "degraded" {
		t.Errorf("status is %s", got)
	}
}

// silentStore does not answer a ping.
type silentStore struct{ store.Store }

func (silentStore) Ping(context.Context) error { return context.DeadlineExceeded }
