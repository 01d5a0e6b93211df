package api

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// credential reads what the data plane sees of a user name.
func (s *service) credential(user string) store.Credential {
	s.t.Helper()
	var a store.Credential
	err := s.store.View(context.Background(), func(tx store.Tx) (err error) {
		a, err = tx.CredentialByUsername(user)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// opens reports whether the secrets of a response open a credential.
func (s *service) opens(r *reply) bool {
	s.t.Helper()
	u, err := url.Parse(r.text("connection_string"))
	if err != nil {
		s.t.Fatal(err)
	}
	a := s.credential(u.User.Username())
	verifier, err := secret.ParseVerifier(a.Verifier)
	if err != nil {
		s.t.Fatal(err)
	}
	password, _ := u.User.Password()
	return verifier.Matches(password) && secret.HashToken(r.text("mcp_token")) == a.MCPTokenHash
}

func TestAgentCredentialIsIssued(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	policy := s.newPolicy(project, "reader")
	r := s.send("POST", "/v1/projects/"+project+"/agents", object{"name": "bot", "policy_profile_id": policy}).want(201, "")
	host := s.send("GET", "/v1/projects/"+project, nil).text("proxy_host")
	pattern := `^postgresql://` + r.text("credential.pg_username") + `:[0-9A-Za-z]{32}@` + regexp.QuoteMeta(host) + `/app\?sslmode=require$`
	if got := r.text("connection_string"); !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("connection_string does not match %s", pattern)
	}
	if got := r.text("mcp_url"); got != "https://"+host+"/mcp" {
		t.Errorf("mcp_url is %q", got)
	}
	if !strings.HasPrefix(r.text("mcp_token"), "pba_") || !s.opens(r) {
		t.Error("the secrets do not open the credential")
	}
	for field, want := range map[string]any{"status": "active", "principal_type": "agent", "auth_method": "scram-sha-256",
		"policy_profile_id": policy, "last_used_at": nil, "expires_at": nil} {
		if got := r.field("credential." + field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
}

func TestAgentCredentialRefusals(t *testing.T) {
	s := serve(t)
	project, database := s.newProject("shop")
	other, _ := s.newProject("other")
	policy, foreign := s.newPolicy(project, "reader"), s.newPolicy(other, "reader")
	path := "/v1/projects/" + project + "/agents"
	for field, body := range map[string]object{
		"name":              {"name": "", "policy_profile_id": policy},
		"policy_profile_id": {"name": "bot", "policy_profile_id": foreign},
		"expires_at":        {"name": "bot", "policy_profile_id": policy, "expires_at": "2030-01-31T12:00:00Z"}, // now
		"principal_type":    {"name": "bot", "policy_profile_id": policy, "principal_type": "robot"},
		"status":            {"name": "bot", "policy_profile_id": policy, "status": "active"},
	} {
		if r := s.send("POST", path, body).want(400, "INVALID_INPUT"); r.fields()[field] == "" {
			t.Errorf("%s is not named: %s", field, r.raw)
		}
	}
	s.send("POST", path, object{"name": "bot", "policy_profile_id": policy, "expires_at": "next week"}).want(400, "INVALID_INPUT")
	s.send("DELETE", "/v1/projects/"+project+"/databases/"+database, nil).want(204, "")
	s.send("POST", path, object{"name": "bot", "policy_profile_id": policy}).want(409, "INVALID_STATE") // leads nowhere
}

func TestConnectionStringNamesTheOldestPrimary(t *testing.T) {
	s := serve(t)
	db := databaseBody()
	db["role"], db["name"] = "replica", "copy"
	project := s.send("POST", "/v1/projects", object{"name": "shop", "org_id": s.org, "database": db}).want(201, "").text("project.id")
	for _, name := range []string{"main", "second"} {
		s.advance(time.Second)
		db["role"], db["name"] = "primary", name
		s.send("POST", "/v1/projects/"+project+"/databases", db).want(201, "")
	}
	r := s.send("POST", "/v1/projects/"+project+"/agents", object{"name": "bot", "policy_profile_id": s.newPolicy(project, "reader")}).want(201, "")
	if got := r.text("connection_string"); !strings.Contains(got, "/main?") {
		t.Errorf("it does not lead to main")
	}
}

func TestRotationReplacesTheSecretsUnderTheSameName(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/agents"
	first := s.send("POST", path, object{"name": "bot", "policy_profile_id": s.newPolicy(project, "reader")}).want(201, "")
	user := first.text("credential.pg_username")
	before := s.credential(user)
	rotated := s.send("POST", path+"/"+first.text("credential.id")+"/rotate", nil).want(200, "")
	if rotated.text("credential.id") != first.text("credential.id") || rotated.text("credential.pg_username") != user {
		t.Error("rotation changed id or user name")
	}
	if !s.opens(rotated) || s.opens(first) {
		t.Error("the new secrets must open the credential, the old ones must not")
	}
	if after := s.credential(user); after.Generation <= before.Generation {
		t.Errorf("generation went from %d to %d: open sessions would live on", before.Generation, after.Generation)
	}
}

func TestExpiredCredentialIsNotRotated(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/agents"
	id := s.send("POST", path, object{"name": "bot", "policy_profile_id": s.newPolicy(project, "reader"), "expires_at": "2030-01-31T13:00:00Z"}).want(201, "").text("credential.id")
	s.send("POST", path+"/"+id+"/rotate", nil).want(200, "")
	s.advance(time.Hour)
	s.send("POST", path+"/"+id+"/rotate", nil).want(409, "INVALID_STATE")
}

func TestCredentialIsDisabledAndEnabled(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/agents"
	path += "/" + s.send("POST", path, object{"name": "bot", "policy_profile_id": s.newPolicy(project, "reader")}).text("credential.id")
	for _, status := range []string{"disabled", "active"} {
		s.send("PATCH", path, object{"status": status}).want(200, "")
		if got := s.send("GET", path, nil).want(200, "").text("status"); got != status {
			t.Errorf("status is %s, want %s", got, status)
		}
	}
	s.send("PATCH", path, object{"status": "revoked"}).want(400, "INVALID_INPUT")
	s.send("PATCH", path, object{}).want(400, "INVALID_INPUT")
}

func TestRevokedCredentialIsGoneAndFreesItsName(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	body := object{"name": "bot", "policy_profile_id": s.newPolicy(project, "reader")}
	path := "/v1/projects/" + project + "/agents"
	r := s.send("POST", path, body).want(201, "")
	s.send("POST", path, body).want(409, "CONFLICT")
	id := r.text("credential.id")
	s.send("DELETE", path+"/"+id, nil).want(204, "")
	s.send("GET", path+"/"+id, nil).want(404, "NOT_FOUND")
	s.send("PATCH", path+"/"+id, object{"status": "active"}).want(404, "NOT_FOUND")
	s.send("POST", path+"/"+id+"/rotate", nil).want(404, "NOT_FOUND")
	s.send("DELETE", path+"/"+id, nil).want(404, "NOT_FOUND")
	if got := s.credential(r.text("credential.pg_username")).Status; got != "revoked" {
		t.Errorf("the data plane sees status %s", got)
	}
	again := s.send("POST", path, body).want(201, "")
	if again.text("credential.pg_username") == r.text("credential.pg_username") {
		t.Error("a user name was given twice")
	}
}

// A secret is told once, by the call that made it: no later read and no log
// line has it.
func TestSecretsAreToldOnce(t *testing.T) {
	s := serve(t)
	const upstream, signing = "upstream-s3cret", "whsec-53cr3t"
	project, database := s.newProject("shop")
	p := "/v1/projects/" + project
	policy := s.newPolicy(project, "reader")
	agent := s.send("POST", p+"/agents", object{"name": "bot", "policy_profile_id": policy}, idempotent("k1")).want(201, "")
	rotated := s.send("POST", p+"/agents/"+agent.text("credential.id")+"/rotate", nil).want(200, "")
	webhook := s.send("POST", p+"/webhooks", object{"url": "https://hooks.example.com/x", "secret": signing}).want(201, "")
	enrollment := s.send("POST", "/v1/organizations/"+s.org+"/self-host-enrollments", object{}).want(201, "")
	s.send("PATCH", p+"/databases/"+database, object{"password": "another-s3cret"}).want(200, "")

	secrets := []string{upstream, "another-s3cret", signing, s.key, enrollment.text("token")}
	for _, r := range []*reply{agent, rotated} {
		u, err := url.Parse(r.text("connection_string"))
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		secrets = append(secrets, password, r.text("mcp_token"))
	}
	var later strings.Builder
	for _, path := range []string{p, p + "/databases", p + "/databases/" + database, p + "/agents", p + "/agents/" + agent.text("credential.id"),
		p + "/policies", p + "/webhooks", p + "/webhooks/" + webhook.text("id"),
		"/v1/organizations/" + s.org + "/self-host-enrollments", "/v1/organizations", "/v1/projects?org_id=" + s.org} {
		later.Write(s.send("GET", path, nil).want(200, "").raw)
	}
	later.Write(webhook.raw)
	for i, text := range secrets {
		if strings.Contains(later.String(), text) {
			t.Errorf("secret %d is in a later response", i)
		}
		if strings.Contains(s.log.String(), text) {
			t.Errorf("secret %d is in the log", i)
		}
	}
	if s.log.String() == "" {
		t.Error("nothing was logged, so nothing was proved")
	}
}

func TestAgentsAreListedInPages(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	policy := s.newPolicy(project, "reader")
	path := "/v1/projects/" + project + "/agents"
	for _, name := range []string{"a", "b", "c"} {
		s.send("POST", path, object{"name": name, "policy_profile_id": policy}).want(201, "")
	}
	first := s.send("GET", path+"?page_size=2", nil).want(200, "")
	second := s.send("GET", path+"?page_size=2&page_token="+first.text("next_page_token"), nil).want(200, "")
	if a, b := len(first.field("agents").([]any)), len(second.field("agents").([]any)); a != 2 || b != 1 {
		t.Errorf("pages have %d and %d", a, b)
	}
	if _, more := second.body["next_page_token"]; more {
		t.Error("the last page has a token")
	}
	// A token belongs to its own list.
	other, _ := s.newProject("other")
	s.send("GET", "/v1/projects/"+other+"/agents?page_token="+first.text("next_page_token"), nil).want(400, "INVALID_INPUT")
}

func TestPlanLimits(t *testing.T) {
	s := serve(t, func(c *Config) {
		plan, err := PlanByName("starter")
		if err != nil {
			t.Fatal(err)
		}
		plan.Limits.MaxProjects, plan.Limits.MaxDatabases, plan.Limits.MaxAgentCredentials = 2, 2, 1
		c.Plan = plan
	})
	project, _ := s.newProject("a")
	second, _ := s.newProject("b")
	s.send("POST", "/v1/projects", object{"name": "c", "org_id": s.org, "database": databaseBody()}).want(403, "PLAN_LIMIT_REACHED")
	s.send("POST", "/v1/projects", object{"name": "c", "org_id": s.otherOrg, "database": databaseBody()}, as(s.otherKey)).want(201, "")
	p := "/v1/projects/" + project
	s.send("POST", p+"/databases", databaseBody()).want(201, "")
	s.send("POST", p+"/databases", databaseBody()).want(403, "PLAN_LIMIT_REACHED")
	s.send("POST", p+"/agents", object{"name": "a", "policy_profile_id": s.newPolicy(project, "r")}).want(201, "")
	s.send("POST", "/v1/projects/"+second+"/agents", object{"name": "b", "policy_profile_id": s.newPolicy(second, "r")}).want(403, "PLAN_LIMIT_REACHED")
	s.send("POST", p+"/domains", object{"domain": "db.customer.example"}).want(403, "PLAN_LIMIT_REACHED")
	s.send("POST", "/v1/organizations/"+s.org+"/self-host-enrollments", object{}).want(403, "PLAN_LIMIT_REACHED")
	r := s.send("GET", p, nil)
	if r.field("queries_per_second") != 10.0 || r.field("max_connections") != 20.0 {
		t.Errorf("the project does not have the plan's limits: %s", r.raw)
	}
}
