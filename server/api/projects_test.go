package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestProjectIsCreatedWithItsPrimaryDatabase(t *testing.T) {
	s := serve(t)
	r := s.send("POST", "/v1/projects", object{
		"name": "shop", "org_id": s.org, "description": "the shop", "tags": []string{"eu", "prod"}, "cloud": "gcp",
		"database": databaseBody(),
	}).want(201, "")
	id := r.text("project.id")
	if !strings.HasPrefix(id, "prj_") || r.text("database.project_id") != id {
		t.Errorf("ids do not belong together: %s", r.raw)
	}
	host := r.text("project.proxy_host")
	if !strings.HasSuffix(host, ".proxy.example.com") {
		t.Errorf("proxy_host is %q", host)
	}
	want := "postgresql://app:YOUR_PASSWORD@" + host + "/app?sslmode=require"
	if got := r.text("database.connection_string"); got != want {
		t.Errorf("connection_string is %q, want %q", got, want)
	}
	for path, want := range map[string]any{
		"project.status": "active", "project.residency": "any", "project.cloud": "gcp", "project.self_hosted": false,
		"project.agents_disabled": false, "project.database_count": 1.0, "project.default_policy_profile_id": nil,
		"database.ssl_mode": "verify-full", "database.role": "primary",
		"database.cache_config.enabled": false, "database.cache_config.ttl_seconds": 60.0,
		"database.cache_config.max_entries": 10000.0, "database.cache_config.swr_seconds": 30.0,
		"database.pool_config.pool_mode": "transaction", "database.pool_config.pool_size": 10.0,
		"database.pool_config.min_pool_size": 1.0, "database.pool_config.max_active": 200.0,
	} {
		if got := r.field(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	get := s.send("GET", "/v1/projects/"+id, nil).want(200, "")
	if got := get.text("description"); got != "the shop" {
		t.Errorf("description is %q", got)
	}
}

func TestProjectThatCannotHaveItsDatabaseIsNotCreated(t *testing.T) {
	s := serve(t)
	db := databaseBody()
	db["host"] = "http://db.example.com/"
	r := s.send("POST", "/v1/projects", object{"name": "shop", "org_id": s.org, "database": db}).want(400, "INVALID_INPUT")
	if r.fields()["database.host"] == "" {
		t.Errorf("refusal does not name database.host: %s", r.raw)
	}
	if total := s.send("GET", "/v1/projects?org_id="+s.org, nil).want(200, "").field("total"); total != 0.0 {
		t.Errorf("%v projects exist", total)
	}
}

func TestProjectPatchChangesOnlyWhatItMentions(t *testing.T) {
	s := serve(t)
	id, _ := s.newProject("shop")
	policy := s.newPolicy(id, "reader")
	path := "/v1/projects/" + id
	s.send("PATCH", path, object{"description": "d", "tags": []string{"a"}, "allowed_cidrs": []any{"203.0.113.7", object{"cidr": "2001:db8::/32", "label": "office"}},
		"default_policy_profile_id": policy, "residency": "eu", "agents_disabled": true}).want(200, "")

	r := s.send("PATCH", path, object{"name": "store", "description": nil}).want(200, "")
	for field, want := range map[string]any{"name": "store", "description": "d", "residency": "eu", "agents_disabled": true, "default_policy_profile_id": policy} {
		if got := r.field(field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if got := fmt.Sprint(r.field("allowed_cidrs")); got != "[map[cidr:203.0.113.7/32] map[cidr:2001:db8::/32 label:office]]" {
		t.Errorf("allowed_cidrs are %s", got)
	}

	r = s.send("PATCH", path, object{"allowed_cidrs": []any{}, "default_policy_profile_id": ""}).want(200, "")
	if got := fmt.Sprint(r.field("allowed_cidrs"), r.field("default_policy_profile_id")); got != "[] <nil>" {
		t.Errorf("after clearing: %s", got)
	}
	s.send("PATCH", path, object{"default_policy_profile_id": policy}).want(200, "")
	if got := s.send("PATCH", path, object{"default_policy_profile_id": nil}).want(200, "").field("default_policy_profile_id"); got != nil {
		t.Errorf("null did not clear the nullable default_policy_profile_id: %v", got)
	}
}

func TestAllowedCIDRs(t *testing.T) {
	s := serve(t)
	id, _ := s.newProject("shop")
	for _, c := range []struct{ in, out string }{
		{"203.0.113.7", "203.0.113.7/32"},
		{"203.0.113.0/24", "203.0.113.0/24"},
		{"2001:DB8::1", "2001:db8::1/128"},
		{"2001:0db8:0000::/32", "2001:db8::/32"},
		{"::ffff:203.0.113.7", "203.0.113.7/32"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"203.0.113.7/24", ""}, // a host bit below the mask
		{"203.0.113.0/33", ""},
		{"203.0.113", ""},
		{"::ffff:203.0.113.0/120", ""},
		{"example.com", ""},
		{"fe80::1%eth0", ""},
	} {
		r := s.send("PATCH", "/v1/projects/"+id, object{"allowed_cidrs": []string{c.in}})
		if c.out == "" {
			if r.want(400, "INVALID_INPUT").fields()["allowed_cidrs[0].cidr"] == "" {
				t.Errorf("%s: refusal does not name the entry: %s", c.in, r.raw)
			}
			continue
		}
		if got := fmt.Sprint(r.want(200, "").field("allowed_cidrs")); got != "[map[cidr:"+c.out+"]]" {
			t.Errorf("%s became %s", c.in, got)
		}
	}
	s.send("PATCH", "/v1/projects/"+id, object{"allowed_cidrs": []string{"10.0.0.1", "10.0.0.1/32"}}).want(400, "INVALID_INPUT")
}

func TestDefaultPolicyMustBelongToTheProject(t *testing.T) {
	s := serve(t)
	a, _ := s.newProject("a")
	b, _ := s.newProject("b")
	policy := s.newPolicy(b, "reader")
	r := s.send("PATCH", "/v1/projects/"+a, object{"default_policy_profile_id": policy}).want(400, "INVALID_INPUT")
	if r.fields()["default_policy_profile_id"] == "" {
		t.Errorf("refusal does not name the field: %s", r.raw)
	}
}

func TestDeletedProjectIsGoneAndFreesItsName(t *testing.T) {
	for name, remove := range map[string]func(s *service, id string){
		"DELETE": func(s *service, id string) { s.send("DELETE", "/v1/projects/"+id, nil).want(204, "") },
		"PATCH status deleted": func(s *service, id string) {
			s.send("PATCH", "/v1/projects/"+id, object{"status": "deleted"}).want(200, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			id, db := s.newProject("shop")
			policy := s.newPolicy(id, "reader")
			remove(s, id)
			s.send("GET", "/v1/projects/"+id, nil).want(404, "NOT_FOUND")
			s.send("GET", "/v1/projects/"+id+"/databases/"+db, nil).want(404, "NOT_FOUND")
			s.send("GET", "/v1/projects/"+id+"/policies/"+policy, nil).want(404, "NOT_FOUND")
			s.send("GET", "/v1/databases/"+db+"/replicas", nil).want(404, "NOT_FOUND")
			s.send("DELETE", "/v1/projects/"+id, nil).want(404, "NOT_FOUND")
			s.newProject("shop")
		})
	}
}

func TestProjectNameIsUniqueInItsOrganization(t *testing.T) {
	s := serve(t)
	id, _ := s.newProject("shop")
	r := s.send("POST", "/v1/projects", object{"name": "shop", "org_id": s.org, "database": databaseBody()}).want(409, "CONFLICT")
	if !strings.Contains(r.text("detail"), id) || r.text("existing_id") != id {
		t.Errorf("conflict does not name the project in the way: %s", r.raw)
	}
	s.send("POST", "/v1/projects", object{"name": "shop", "org_id": s.otherOrg, "database": databaseBody()}, as(s.otherKey)).want(201, "")
	other, _ := s.newProject("other")
	s.send("PATCH", "/v1/projects/"+other, object{"name": "shop"}).want(409, "CONFLICT")
}

func TestProjectsAreListedInPages(t *testing.T) {
	s := serve(t)
	for _, name := range []string{"c", "a", "b"} {
		s.newProject(name)
		s.advance(1e9)
	}
	collect := func(query string) (names []string) {
		token := ""
		for {
			r := s.send("GET", "/v1/projects?org_id="+s.org+query+token, nil).want(200, "")
			if r.field("total") != 3.0 {
				t.Errorf("total is %v", r.field("total"))
			}
			for _, p := range r.field("projects").([]any) {
				names = append(names, p.(object)["name"].(string))
			}
			next, more := r.body["next_page_token"]
			if !more {
				return names
			}
			token = "&page_token=" + next.(string)
		}
	}
	for query, want := range map[string]string{
		"&page_size=2":              "[c a b]",
		"&page_size=3":              "[c a b]",
		"&page_size=1&sort_by=name": "[a b c]",
		"&sort_by=created_at":       "[c a b]",
	} {
		if got := fmt.Sprint(collect(query)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for _, query := range []string{"&page_size=0", "&page_size=101", "&page_size=ten", "&page_size=1e1", "&sort_by=size", "&page_token=nonsense", "&page_sice=2", "&page_size=1&page_size=2"} {
		s.send("GET", "/v1/projects?org_id="+s.org+query, nil).want(400, "INVALID_INPUT")
	}
	s.send("GET", "/v1/projects", nil).want(400, "INVALID_INPUT")
}
