package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/pgbeam/pulumi-pgbeam/schema"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func TestUnknownPathsAndMethods(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/", "/v1", "/v2/projects", "/v1/projects/", "/v1//projects", "/v1/projects/../health", "/v1/projects/x/y/z"} {
		s.send("GET", path, nil).want(404, "NOT_FOUND")
	}
	r := s.send("DELETE", "/v1/projects", nil).want(405, "METHOD_NOT_ALLOWED")
	if got := r.header.Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow is %q", got)
	}
	s.send("GET", "/v1/projects/bad%20id", nil).want(400, "INVALID_INPUT")
	s.send("GET", "/v1/projects/a%2Fb", nil).want(400, "INVALID_INPUT")
}

func TestBodiesThatAreRefused(t *testing.T) {
	s := serve(t)
	valid := `{"name":"a","org_id":"` + s.org + `","database":{"host":"h","port":1,"name":"n","username":"u","password":"p"}}`
	for name, c := range map[string]struct {
		body, contentType string
		status            int
		code              string
	}{
		"none":                 {"", "application/json", 400, "INVALID_INPUT"},
		"not JSON":             {"name=a", "application/json", 400, "INVALID_INPUT"},
		"cut short":            {valid[:20], "application/json", 400, "INVALID_INPUT"},
		"followed by more":     {valid + "{}", "application/json", 400, "INVALID_INPUT"},
		"followed by garbage":  {valid + "x", "application/json", 400, "INVALID_INPUT"},
		"array":                {"[" + valid + "]", "application/json", 400, "INVALID_INPUT"},
		"null":                 {"null", "application/json", 400, "INVALID_INPUT"},
		"form":                 {"name=a", "application/x-www-form-urlencoded", 415, "UNSUPPORTED_MEDIA_TYPE"},
		"text":                 {valid, "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"},
		"no type":              {valid, "", 415, "UNSUPPORTED_MEDIA_TYPE"},
		"other charset":        {valid, "application/json; charset=latin1", 415, "UNSUPPORTED_MEDIA_TYPE"},
		"too large":            {`{"description":"` + strings.Repeat("x", maxBody) + `"}`, "application/json", 413, "PAYLOAD_TOO_LARGE"},
		"member twice":         {strings.Replace(valid, `"name":"a"`, `"name":"a","name":"b"`, 1), "application/json", 400, "INVALID_INPUT"},
		"inner member twice":   {strings.Replace(valid, `"port":1`, `"port":1,"port":2`, 1), "application/json", 400, "INVALID_INPUT"},
		"not UTF-8":            {strings.Replace(valid, `"a"`, "\"\xff\"", 1), "application/json", 400, "INVALID_INPUT"},
		"NUL character":        {strings.Replace(valid, `"org_id"`, `"description":"a\u0000b","org_id"`, 1), "application/json", 400, "INVALID_INPUT"},
		"nested without end":   {strings.Repeat(`{"database":`, 100000), "application/json", 400, "INVALID_INPUT"},
		"valid, odd but legal": {valid, "Application/JSON; charset=UTF-8", 201, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.send("POST", "/v1/projects", c.body, func(r *http.Request) {
				r.Header.Del("Content-Type")
				if c.contentType != "" {
					r.Header.Set("Content-Type", c.contentType)
				}
			}).want(c.status, c.code)
		})
	}
	project, database := s.newProject("b")
	s.send("POST", "/v1/projects/"+project+"/databases/"+database+"/test-connection", object{"x": 1}).want(400, "INVALID_INPUT")
}

// A user with ten mistakes wants to read of ten mistakes.
func TestEveryMistakeOfARequestIsReported(t *testing.T) {
	s := serve(t)
	r := s.send("POST", "/v1/projects", object{
		"name": strings.Repeat("x", 101), "cloud": "ibm", "tags": []any{"ok", 7}, "discription": "typo",
		"database": object{"host": "a b", "port": 70000, "name": "", "username": true, "ssl_mode": "on",
			"cache_config": object{"enabled": true, "ttl_seconds": -1, "max_entries": 1.5}, "password": "hunter2hunter2"},
	}).want(400, "INVALID_INPUT")
	want := map[string]string{
		"name":                              "at most 100 characters",
		"cloud":                             "must be one of aws, azure, gcp",
		"tags[1]":                           "must be a string, not a number",
		"discription":                       "did you mean description?",
		"org_id":                            "is required",
		"database.host":                     "must not contain white space",
		"database.port":                     "between 1 and 65535",
		"database.name":                     "must not be empty",
		"database.username":                 "must be a string, not a boolean",
		"database.ssl_mode":                 "must be one of disable",
		"database.cache_config.ttl_seconds": "between 0 and 86400",
		"database.cache_config.max_entries": "must be an integer",
		"database.cache_config.swr_seconds": "is required",
	}
	got := r.fields()
	for field, detail := range want {
		if !strings.Contains(got[field], detail) {
			t.Errorf("%s: %q, want %q in it", field, got[field], detail)
		}
		if !strings.Contains(r.text("error.message"), field) {
			t.Errorf("the message for older clients does not name %s", field)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d mistakes were reported, want %d: %v", len(got), len(want), got)
	}
}

// Reading a number must not cost more than reading its text.
func TestNumbersThatWouldTakeLongToReadAreRefused(t *testing.T) {
	s := serve(t)
	path := "/v1/organizations/" + s.org + "/spend-limit"
	for _, number := range []string{"1e999999999", "1e-999999999", strings.Repeat("9", 1<<20), "0." + strings.Repeat("0", 1<<20) + "1"} {
		s.send("PUT", path, `{"spend_limit":`+number+`}`).want(400, "INVALID_INPUT")
	}
	s.send("PUT", path, `{"spend_limit":1e2}`).want(200, "")
}

func TestBodyFullOfMistakesGetsAShortAnswer(t *testing.T) {
	s := serve(t)
	var body strings.Builder
	body.WriteString(`{"spend_limit":1`)
	for i := range 100_000 {
		fmt.Fprintf(&body, `,"f%d":0`, i)
	}
	body.WriteString("}")
	r := s.send("PUT", "/v1/organizations/"+s.org+"/spend-limit", body.String()).want(400, "INVALID_INPUT")
	if n := len(r.fields()); n != maxReported {
		t.Errorf("%d mistakes are listed, want %d", n, maxReported)
	}
}

func TestSecretsAreNotQuotedBack(t *testing.T) {
	s := serve(t)
	project, database := s.newProject("shop")
	const secret = "hunter2-hunter2"
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/v1/projects", `{"name":"a","database":{"password":["` + secret + `"]}}`},
		{"POST", "/v1/projects", `{"name":"a","database":{"password":"` + secret + `\u0000"}}`},
		{"POST", "/v1/projects", `{"name":"a","database":{"password":"` + secret},
		{"POST", "/v1/projects", `{"password":"x" ` + secret + `}`},
		{"POST", "/v1/projects", `{"name":` + secret + `}`},
		{"PATCH", "/v1/projects/" + project + "/databases/" + database, object{"password": object{secret: 1}}},
		{"POST", "/v1/projects/" + project + "/webhooks", object{"url": "https://user:" + secret + "@example.com/"}},
		{"POST", "/v1/projects/" + project + "/webhooks", object{"url": "ftp://example.com/?token=" + secret}},
		{"POST", "/v1/projects/" + project + "/webhooks", object{"url": "https://example.com/", "secret": strings.Repeat(secret, 100)}},
	} {
		r := s.send(c.method, c.path, c.body).want(400, "INVALID_INPUT")
		if strings.Contains(string(r.raw), secret) {
			t.Errorf("%s %s quotes the secret: %s", c.method, c.path, r.raw)
		}
	}
}

func TestNullMeansAbsent(t *testing.T) {
	s := serve(t)
	db := databaseBody()
	db["query_timeout_ms"], db["ssl_mode"], db["pool_region"] = nil, nil, nil
	db["pool_config"] = object{"pool_size": 5, "min_pool_size": 2, "pool_mode": "session", "max_active": nil}
	r := s.send("POST", "/v1/projects", object{"name": "shop", "org_id": s.org, "tags": nil, "database": db}).want(201, "")
	for path, want := range map[string]any{"database.query_timeout_ms": 0.0, "database.ssl_mode": "verify-full", "database.pool_config.max_active": 200.0} {
		if got := r.field(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	delete(db, "password")
	db["password"] = nil
	if r := s.send("POST", "/v1/projects", object{"name": "b", "org_id": s.org, "database": db}).want(400, ""); r.fields()["database.password"] != "is required" {
		t.Errorf("a required null: %v", r.fields())
	}
}

// Every operation of the document is served, or says 501 and why.
func TestEveryOperationIsServedOrPending(t *testing.T) {
	s := serve(t)
	doc, err := openapi3.NewLoader().LoadFromData(schema.Document)
	if err != nil {
		t.Fatal(err)
	}
	var unanswered []string
	seen := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			seen[op.OperationID] = true
			concrete := path
			for _, name := range []string{"project_id", "database_id", "org_id", "agent_id", "policy_id", "webhook_id", "domain_id", "replica_id", "approval_id", "anomaly_id", "branch_id", "enrollment_id"} {
				concrete = strings.ReplaceAll(concrete, "{"+name+"}", "x")
			}
			concrete = strings.ReplaceAll(concrete, "{query_hash}", "0123456789abcdef")
			r := s.send(method, concrete, nil)
			reason, later := pending[op.OperationID]
			switch {
			case later && (r.status != 501 || r.text("detail") != reason || r.text("error.code") != "NOT_IMPLEMENTED"):
				t.Errorf("%s is pending and answered %d: %s", op.OperationID, r.status, r.raw)
			case !later && r.status >= 500:
				t.Errorf("%s answered %d: %s", op.OperationID, r.status, r.raw)
			case r.status == 404 && r.text("detail") == "there is nothing at this path; all paths start with /v1":
				unanswered = append(unanswered, op.OperationID)
			}
		}
	}
	if len(unanswered) > 0 {
		t.Errorf("not routed: %v", unanswered)
	}
	for id := range pending {
		if !seen[id] {
			t.Errorf("%s is pending but not in the document", id)
		}
	}
}

// brokenStore fails or panics where a test wants it to.
type brokenStore struct {
	store.Store
	update func() error
}

func (b brokenStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	return b.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return b.update()
	})
}

func TestFailureIsLoggedAndNotShown(t *testing.T) {
	broken := false
	s := serve(t, func(c *Config) {
		c.Store = brokenStore{c.Store, func() error {
			if broken {
				return errors.New("disk on fire at /var/lib")
			}
			return nil
		}}
	})
	s.send("GET", "/v1/organizations", nil).want(200, "") // notes the use of the key
	broken = true
	r := s.send("POST", "/v1/projects", object{"name": "a", "org_id": s.org, "database": databaseBody()}, header("Idempotency-Key", "k1")).want(500, "INTERNAL_ERROR")
	if strings.Contains(string(r.raw), "fire") {
		t.Errorf("the cause is shown: %s", r.raw)
	}
	if log := s.log.String(); !strings.Contains(log, "disk on fire") || !strings.Contains(log, r.text("request_id")) || r.text("request_id") != r.header.Get("X-Request-Id") {
		t.Errorf("the log does not have cause and request id")
	}
	broken = false
	if total := s.send("GET", "/v1/projects?org_id="+s.org, nil).field("total"); total != 0.0 {
		t.Errorf("%v projects exist after a failed create", total)
	}
	s.send("POST", "/v1/projects", object{"name": "a", "org_id": s.org, "database": databaseBody()}, header("Idempotency-Key", "k1")).want(201, "")
}

func TestPanicIsA500AndRollsBack(t *testing.T) {
	panicking := false
	s := serve(t, func(c *Config) {
		c.Store = panickingStore{c.Store, &panicking}
	})
	s.send("GET", "/v1/organizations", nil).want(200, "")
	panicking = true
	r := s.send("POST", "/v1/projects", object{"name": "a", "org_id": s.org, "database": databaseBody()}).want(500, "INTERNAL_ERROR")
	if strings.Contains(string(r.raw), "impossible") {
		t.Errorf("the panic is shown: %s", r.raw)
	}
	if !strings.Contains(s.log.String(), "panic in createProject: impossible") {
		t.Error("the panic is not logged")
	}
	panicking = false
	if total := s.send("GET", "/v1/projects?org_id="+s.org, nil).field("total"); total != 0.0 {
		t.Errorf("%v projects exist after a panic", total)
	}
}

func TestPanicBeforeTheOperationIsA500(t *testing.T) {
	s := serve(t, func(c *Config) { c.Store = unreadableStore{c.Store} })
	s.send("GET", "/v1/organizations", nil).want(500, "INTERNAL_ERROR")
}

// unreadableStore panics when it is read.
type unreadableStore struct{ store.Store }

func (unreadableStore) View(context.Context, func(store.Tx) error) error { panic("impossible") }

// panickingStore panics when a database is inserted, after its project was.
type panickingStore struct {
	store.Store
	armed *bool
}

func (p panickingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	return p.Store.Update(ctx, func(tx store.Tx) error { return fn(panickingTx{tx, p.armed}) })
}

type panickingTx struct {
	store.Tx
	armed *bool
}

func (p panickingTx) Databases() store.Table[store.Database] {
	if *p.armed {
		panic("impossible")
	}
	return p.Tx.Databases()
}
