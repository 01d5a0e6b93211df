package provider

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeAPI is an API in memory that is strict about what it is sent: an unknown
// field, a missing key or a second use of an idempotency key for something
// else fails the test.
type fakeAPI struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex // guards the rest
	objects  map[string][]object
	kept     map[string]keptAnswer
	requests []seenRequest
	fault    func(seenRequest) *fault
	after    func(seenRequest) *fault // the effect happens, the answer is this
	clock    time.Time
	count    int
	older    bool // a server that neither says which answers it kept nor knows conditional writes
}

type seenRequest struct {
	method, path, key, query string
	body                     object
	header                   http.Header
}

func (r seenRequest) String() string { return r.method + " " + r.path }

type fault struct {
	status int
	header map[string]string
	body   string
	cut    bool // close the connection instead of answering
}

type keptAnswer struct {
	request string
	status  int
	body    object
}

// collection is one kind of object with the usual operations.
type collection struct {
	name, path, item, items, prefix string
	create, update                  []string // fields a body may have
	defaults                        object
	unique                          []string
	hidden                          []string // write-only fields
}

var databaseFields = []string{"host", "port", "name", "username", "password", "ssl_mode", "role", "pool_region",
	"query_timeout_ms", "auto_read_routing", "cache_config", "pool_config"}

var collections = []collection{
	{name: "databases", path: "/v1/projects/{project_id}/databases", items: "databases", prefix: "db_",
		create: databaseFields, update: databaseFields, hidden: []string{"password"},
		defaults: object{"ssl_mode": "verify-full", "role": "primary", "query_timeout_ms": 0.0, "auto_read_routing": false,
			"cache_config":      object{"enabled": false, "ttl_seconds": 60.0, "max_entries": 10000.0, "swr_seconds": 30.0},
			"pool_config":       object{"pool_size": 10.0, "min_pool_size": 1.0, "pool_mode": "transaction", "max_active": 200.0},
			"connection_string": "postgresql://app:YOUR_PASSWORD@abc.proxy.example:5432/app"}},
	{name: "replicas", path: "/v1/databases/{database_id}/replicas", items: "replicas", prefix: "rep_",
		create: []string{"host", "port", "ssl_mode"}, defaults: object{"ssl_mode": "verify-full"}, unique: []string{"host", "port"}},
	{name: "domains", path: "/v1/projects/{project_id}/domains", items: "domains", prefix: "dom_",
		create: []string{"domain"}, defaults: object{"verified": false, "dns_verification_token": "tok", "dns_instructions": object{"txt_value": "tok"}}, unique: []string{"domain"}},
	{name: "agents", path: "/v1/projects/{project_id}/agents", item: "credential", items: "agents", prefix: "agt_",
		create: []string{"name", "policy_profile_id", "principal_type", "expires_at"}, update: []string{"status"},
		defaults: object{"status": "active", "principal_type": "agent", "auth_method": "scram-sha-256", "pg_username": "agent_1", "last_used_at": nil, "expires_at": nil}, unique: []string{"name"}},
	{name: "policies", path: "/v1/projects/{project_id}/policies", items: "policies", prefix: "pol_",
		create: policyFields, update: policyFields, unique: []string{"name"},
		defaults: object{"access_mode": "read_only", "table_allowlist": []any{}, "table_denylist": []any{}, "masking_rules": []any{},
			"row_filters": []any{}, "statement_rules": object{"allow": []any{}, "deny": []any{}}, "budget_queries_per_hour": 0.0,
			"budget_queries_per_day": 0.0, "max_rows": 0.0, "statement_timeout_ms": 0.0, "write_mode": "normal", "approval_mode": "off",
			"approval_auto_max_rows": 0.0, "approval_timeout_seconds": 300.0, "migration_safety": "off", "egress_bytes_per_day": 0.0, "max_affected_rows": 0.0}},
	{name: "webhooks", path: "/v1/projects/{project_id}/webhooks", items: "webhooks", prefix: "whk_",
		create: webhookFields, update: webhookFields, unique: []string{"url"}, hidden: []string{"secret"},
		defaults: object{"format": "json", "enabled": true, "event_types": []any{}, "description": ""}},
	{name: "enrollments", path: "/v1/organizations/{org_id}/self-host-enrollments", item: "enrollment", items: "enrollments", prefix: "she_",
		create: []string{"region_label", "description", "expires_at"}, defaults: object{"created_by": "usr_1", "last_seen_at": nil, "revoked_at": nil}},
}

var policyFields = []string{"name", "access_mode", "statement_rules", "table_allowlist", "table_denylist", "masking_rules",
	"budget_queries_per_hour", "budget_queries_per_day", "max_rows", "statement_timeout_ms", "row_filters", "write_mode", "approval_mode",
	"approval_auto_max_rows", "approval_timeout_seconds", "migration_safety", "egress_bytes_per_day", "max_affected_rows"}

var webhookFields = []string{"url", "secret", "format", "event_types", "enabled", "description"}

func newFakeAPI(t *testing.T) *fakeAPI {
	f := &fakeAPI{t: t, objects: map[string][]object{}, kept: map[string]keptAnswer{}, clock: time.Now().UTC().Truncate(time.Second)}
	f.objects["plans"] = []object{{"id": "org_1", "org_id": "org_1", "plan": "enterprise", "limits": object{}, "spend_limit": nil}}
	mux := http.NewServeMux()
	for _, c := range collections {
		f.collect(mux, c)
	}
	f.projects(mux)
	mux.HandleFunc("POST /v1/projects/{project_id}/agents/{id}/rotate", f.answering(func(r *http.Request, _ object) (int, object) {
		o := f.find("agents", r.PathValue("id"))
		if o == nil {
			return 404, nil
		}
		return 200, f.secrets(o)
	}))
	mux.HandleFunc("GET /v1/projects/{project_id}/databases/{database_id}/cache-rules", f.answering(func(r *http.Request, _ object) (int, object) {
		return 200, f.page(r, "entries", f.children("rules", object{"database_id": r.PathValue("database_id")}))
	}))
	mux.HandleFunc("PUT /v1/projects/{project_id}/databases/{database_id}/cache-rules/{id}", f.answering(func(r *http.Request, body object) (int, object) {
		f.fields(r, body, []string{"cache_enabled", "cache_ttl_seconds", "cache_swr_seconds"})
		o := f.find("rules", r.PathValue("id"))
		if o != nil && o["cache_enabled"] == true && r.Header.Get("If-None-Match") == "*" && !f.older {
			return 412, nil
		}
		if o == nil {
			o = object{"id": r.PathValue("id"), "query_hash": r.PathValue("id"), "database_id": r.PathValue("database_id"), "normalized_sql": "",
				"query_type": "read", "call_count": 0.0, "recommendation": "poor", "cache_ttl_seconds": nil, "cache_swr_seconds": nil}
			f.objects["rules"] = append(f.objects["rules"], o)
		}
		maps.Copy(o, body)
		return 200, object{"entry": maps.Clone(o)}
	}))
	mux.HandleFunc("GET /v1/organizations/{org_id}/plan", f.answering(func(r *http.Request, _ object) (int, object) {
		o := f.find("plans", r.PathValue("org_id"))
		return 200, maps.Clone(o)
	}))
	mux.HandleFunc("PUT /v1/organizations/{org_id}/spend-limit", f.answering(func(r *http.Request, body object) (int, object) {
		f.fields(r, body, []string{"spend_limit"})
		o := f.find("plans", r.PathValue("org_id"))
		if o["spend_limit"] != nil && r.Header.Get("If-None-Match") == "*" && !f.older {
			return 412, nil
		}
		maps.Copy(o, body)
		return 200, maps.Clone(o)
	}))
	mux.HandleFunc("POST /v1/projects/{project_id}/domains/{id}/verify", f.answering(func(r *http.Request, _ object) (int, object) {
		o := f.find("domains", r.PathValue("id"))
		o["verified"] = true
		return 200, object{"verified": true, "domain": maps.Clone(o)}
	}))
	mux.HandleFunc("GET /v1/organizations", f.answering(func(*http.Request, object) (int, object) {
		return 200, object{"organizations": []any{object{"id": "org_0", "name": "Other", "slug": "other"}, object{"id": "org_1", "name": "One", "slug": "one"}}}
	}))
	mux.HandleFunc("GET /v1/regions", f.answering(func(*http.Request, object) (int, object) {
		return 200, object{"regions": []any{object{"id": "iad", "name": "Washington", "provider": "aws", "status": "active", "available": true}}}
	}))
	mux.HandleFunc("POST /v1/projects/{project_id}/migrations:lint", f.answering(func(r *http.Request, body object) (int, object) {
		f.fields(r, body, []string{"sql", "database_id"})
		return 200, object{"safe": false, "findings": []any{object{"severity": "error", "rule": "drop_table", "message": "gone", "statement": body["sql"], "hint": "do not"}}}
	}))
	mux.HandleFunc("POST /v1/projects/{project_id}/policy-evaluations", f.answering(func(r *http.Request, body object) (int, object) {
		f.fields(r, body, []string{"sql", "policy_id", "policy"})
		if draft, ok := body["policy"].(object); ok {
			f.fields(r, draft, append([]string{"name"}, policyFields...))
		}
		return 200, object{"verdict": "mask", "rule": "ok", "reason": "permitted", "masked_columns": []any{object{"column": "email", "kind": "null"}}}
	}))
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeAPI) projects(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/projects", f.answering(func(r *http.Request, body object) (int, object) {
		f.fields(r, body, []string{"name", "org_id", "description", "tags", "cloud", "self_hosted", "database"})
		for _, o := range f.objects["projects"] {
			if o["name"] == body["name"] && o["org_id"] == body["org_id"] {
				return 409, object{"error": object{"code": "CONFLICT", "message": fmt.Sprintf("a project named %q exists", body["name"])}}
			}
		}
		database := body["database"].(object)
		f.fields(r, database, databaseFields)
		p := f.make("prj_", object{"cloud": "aws", "self_hosted": false, "status": "active", "residency": "any", "agents_disabled": false, "allowed_cidrs": []any{},
			"proxy_host": "abc.proxy.example", "queries_per_second": 0.0, "burst_size": 0.0, "max_connections": 0.0, "database_count": 1.0, "active_connections": 0.0}, body)
		delete(p, "database")
		f.objects["projects"] = append(f.objects["projects"], p)
		c := collections[0]
		d := f.make(c.prefix, c.defaults, database)
		d["project_id"] = p["id"]
		f.objects["databases"] = append(f.objects["databases"], d)
		return 201, object{"project": maps.Clone(p), "database": hide(d, c.hidden)}
	}))
	mux.HandleFunc("GET /v1/projects", f.answering(func(r *http.Request, _ object) (int, object) {
		if r.URL.Query().Get("org_id") == "" {
			f.t.Errorf("projects were listed without org_id")
		}
		page := f.page(r, "projects", f.children("projects", object{"org_id": r.URL.Query().Get("org_id")}))
		page["total"] = 1.0
		return 200, page
	}))
	mux.HandleFunc("/v1/projects/{id}", f.answering(func(r *http.Request, body object) (int, object) {
		o := f.find("projects", r.PathValue("id"))
		if o == nil {
			return 404, object{"error": object{"code": "NOT_FOUND", "message": "no such project"}}
		}
		switch r.Method {
		case "PATCH":
			f.fields(r, body, []string{"name", "description", "tags", "status", "allowed_cidrs", "default_policy_profile_id", "residency", "agents_disabled"})
			f.change(o, body)
			if list, ok := body["allowed_cidrs"].([]any); ok {
				for _, item := range list {
					e := item.(object)
					prefix, err := parseCIDR(e["cidr"].(string))
					if err != nil {
						return 400, nil
					}
					e["cidr"] = prefix.String()
				}
			}
		case "DELETE":
			f.remove("projects", o)
			return 204, nil
		}
		return 200, maps.Clone(o)
	}))
}

func (f *fakeAPI) collect(mux *http.ServeMux, c collection) {
	parent := func(r *http.Request) object {
		for _, name := range []string{"project_id", "database_id", "org_id"} {
			if v := r.PathValue(name); v != "" && strings.Contains(c.path, name) {
				return object{name: v}
			}
		}
		return nil
	}
	mux.HandleFunc("POST "+c.path, f.answering(func(r *http.Request, body object) (int, object) {
		f.fields(r, body, c.create)
		for _, o := range f.children(c.name, parent(r)) {
			if len(c.unique) > 0 && !slices.ContainsFunc(c.unique, func(k string) bool { return o[k] != body[k] }) {
				return 409, object{"error": object{"code": "CONFLICT", "message": fmt.Sprintf("a %s with this %s exists", c.name, c.unique[0])}}
			}
		}
		o := f.make(c.prefix, c.defaults, body)
		maps.Copy(o, parent(r))
		f.objects[c.name] = append(f.objects[c.name], o)
		switch c.item {
		case "credential":
			return 201, f.secrets(o)
		case "enrollment":
			return 201, object{"enrollment": maps.Clone(o), "token": fmt.Sprintf("pbh_token%d", f.count)}
		}
		return 201, hide(o, c.hidden)
	}))
	mux.HandleFunc("GET "+c.path, f.answering(func(r *http.Request, _ object) (int, object) {
		var all []object
		for _, o := range f.children(c.name, parent(r)) {
			all = append(all, hide(o, c.hidden))
		}
		return 200, f.page(r, c.items, all)
	}))
	mux.HandleFunc(c.path+"/{id}", f.answering(func(r *http.Request, body object) (int, object) {
		o := f.find(c.name, r.PathValue("id"))
		for k, v := range parent(r) {
			if o != nil && o[k] != v {
				o = nil
			}
		}
		if o == nil {
			return 404, object{"error": object{"code": "NOT_FOUND", "message": "no such " + c.name}}
		}
		switch r.Method {
		case "PATCH", "PUT":
			if c.update == nil {
				return 405, nil
			}
			f.fields(r, body, c.update)
			f.change(o, body)
		case "DELETE":
			f.remove(c.name, o)
			return 204, nil
		case "GET":
			if slices.Contains([]string{"replicas", "domains", "enrollments"}, c.name) {
				return 405, nil
			}
		}
		return 200, hide(o, c.hidden)
	}))
}

func (f *fakeAPI) make(prefix string, defaults, body object) object {
	f.count++
	o := object{}
	maps.Copy(o, defaults)
	for k, v := range body {
		if v != nil {
			o[k] = v
		}
	}
	o["id"] = prefix + strconv.Itoa(f.count)
	o["created_at"] = f.clock.Format(time.RFC3339)
	o["updated_at"] = f.clock.Format(time.RFC3339)
	return o
}

func (f *fakeAPI) change(o, body object) {
	f.count++
	maps.Copy(o, body)
	o["updated_at"] = f.clock.Add(time.Duration(f.count) * time.Second).Format(time.RFC3339)
}

func (f *fakeAPI) secrets(o object) object {
	f.count++
	return object{"credential": maps.Clone(o), "connection_string": fmt.Sprintf("postgresql://agent_1:canary%d@abc.proxy.example:5432/app", f.count),
		"mcp_url": "https://abc.proxy.example/mcp", "mcp_token": fmt.Sprintf("pba_canary%d", f.count)}
}

func hide(o object, hidden []string) object {
	o = maps.Clone(o)
	for _, k := range hidden {
		delete(o, k)
	}
	return o
}

func (f *fakeAPI) find(kind, id string) object {
	for _, o := range f.objects[kind] {
		if o["id"] == id {
			return o
		}
	}
	return nil
}

func (f *fakeAPI) remove(kind string, gone object) {
	f.objects[kind] = slices.DeleteFunc(f.objects[kind], func(o object) bool { return o["id"] == gone["id"] })
}

func (f *fakeAPI) children(kind string, of object) []object {
	var out []object
	for _, o := range f.objects[kind] {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(of)), func(k string) bool { return o[k] != of[k] }) {
			out = append(out, maps.Clone(o))
		}
	}
	return out
}

// page cuts lists after two items, so that every list has pages.
func (f *fakeAPI) page(r *http.Request, name string, all []object) object {
	from, _ := strconv.Atoi(r.URL.Query().Get("page_token"))
	to := min(from+2, len(all))
	if name == "enrollments" || name == "replicas" {
		from, to = 0, len(all)
	}
	out := object{}
	items := []any{}
	for _, o := range all[from:to] {
		items = append(items, o)
	}
	out[name] = items
	if to < len(all) {
		out["next_page_token"] = strconv.Itoa(to)
	}
	return out
}

func (f *fakeAPI) fields(r *http.Request, body object, allowed []string) {
	for k := range body {
		if !slices.Contains(allowed, k) {
			f.t.Errorf("%s %s was sent the field %q, which it does not have", r.Method, r.URL.Path, k)
		}
	}
	for _, k := range []string{"cache_config", "pool_config"} {
		if o, ok := body[k].(object); ok && len(o) < 4 {
			f.t.Errorf("%s %s was sent a part of %s: %v; the API wants the whole", r.Method, r.URL.Path, k, o)
		}
	}
}

// answering wraps a handler with what all have: the log, faults,
// authentication and idempotency.
func (f *fakeAPI) answering(handle func(*http.Request, object) (int, object)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		text, _ := io.ReadAll(r.Body)
		req := seenRequest{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, key: r.Header.Get("Idempotency-Key"), header: r.Header.Clone()}
		_ = json.Unmarshal(text, &req.body)
		f.requests = append(f.requests, req)
		w.Header().Set("X-Request-Id", "req_"+strconv.Itoa(len(f.requests)))
		w.Header().Set("Date", f.clock.Format(http.TimeFormat))
		if f.fault != nil {
			if bad := f.fault(req); bad != nil {
				f.fail(w, bad)
				return
			}
		}
		if r.Header.Get("Authorization") != "Bearer key-canary" {
			f.fail(w, &fault{status: 401, body: `{"error":{"code":"UNAUTHORIZED","message":"unknown key"}}`})
			return
		}
		if (r.Method == "POST" || r.Method == "PATCH") != (req.key != "") {
			f.t.Errorf("%s has the Idempotency-Key %q", req, req.key)
		}
		status, body := 0, object(nil)
		_, repeated := f.kept[req.key]
		if req.key != "" && !f.older {
			w.Header().Set(headerReplayed, strconv.FormatBool(repeated))
		}
		if old, ok := f.kept[req.key]; ok && req.key != "" {
			if old.request != req.String()+string(text) {
				f.t.Errorf("%s: an idempotency key was used for two different requests", req)
			}
			status, body = old.status, old.body
		} else {
			status, body = handle(r, req.body)
			if status < 500 {
				f.kept[req.key] = keptAnswer{req.String() + string(text), status, body}
			}
		}
		if f.after != nil {
			if bad := f.after(req); bad != nil {
				f.fail(w, bad)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if body != nil {
			_ = json.NewEncoder(w).Encode(body)
		}
	}
}

func (f *fakeAPI) fail(w http.ResponseWriter, bad *fault) {
	if bad.cut {
		panic(http.ErrAbortHandler)
	}
	for k, v := range bad.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(bad.status)
	_, _ = io.WriteString(w, bad.body)
}

// set changes an object behind the provider's back.
func (f *fakeAPI) set(kind string, index int, values object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.Copy(f.objects[kind][index], values)
}

// drop deletes all objects of a kind behind the provider's back.
func (f *fakeAPI) drop(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[kind] = nil
}

// seen are the requests since the last call, "METHOD path".
func (f *fakeAPI) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, r := range f.requests {
		out = append(out, r.String())
	}
	f.requests = nil
	return out
}

// body is the body of the latest request of that kind.
func (f *fakeAPI) body(request string) object {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range slices.Backward(f.requests) {
		if r.String() == request {
			return r.body
		}
	}
	f.t.Fatalf("there was no %s", request)
	return nil
}
