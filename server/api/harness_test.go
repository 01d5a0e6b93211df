package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/pgbeam/pulumi-pgbeam/schema"
	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/domain"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// service is a control plane over a real SQLite store, with two tenants.
type service struct {
	t     *testing.T
	store store.Store
	url   string
	log   *lockedBuffer

	// restart serves the same store by a new handler.
	restart func()

	mu  sync.Mutex
	now time.Time

	org, key string // the tenant that tests act as
	otherOrg string
	otherKey string
	document routers.Router
}

// lockedBuffer collects the log of a server that runs beside the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a control plane; adjust changes its configuration first.
func serve(t *testing.T, adjust ...func(*Config)) *service {
	t.Helper()
	keyring, err := secret.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	records := &lockedBuffer{}
	log := slog.New(slog.NewJSONHandler(records, &slog.HandlerOptions{Level: slog.LevelDebug}))
	st, err := store.Open(context.Background(), "sqlite:"+filepath.Join(t.TempDir(), "store.db"), keyring, log)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, store: st, log: records, now: time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC), document: documentRouter(t)}
	s.org, s.key = "org_acme", s.issueKey("org_acme")
	s.otherOrg, s.otherKey = "org_rival", s.issueKey("org_rival")

	config := Config{
		Store:    st,
		Endpoint: domain.Endpoint{ProxyDomain: "proxy.example.com", Port: 5432},
		Log:      log,
		Now:      s.clock,
	}
	for _, f := range adjust {
		f(&config)
	}
	var server *httptest.Server
	s.restart = func() {
		t.Helper()
		if server != nil {
			server.Close()
		}
		handler, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		server = httptest.NewServer(handler)
		s.url = server.URL
	}
	s.restart()
	t.Cleanup(func() {
		server.Close()
		if err := st.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

func (s *service) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *service) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// reportConnections does what a proxy does.
func (s *service) reportConnections(project string, n int) {
	s.t.Helper()
	err := s.store.Update(context.Background(), func(tx store.Tx) error {
		return tx.ReportConnections("proxy-1", project, n, time.Now())
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// issueKey makes an organization, if need be, with an API key.
func (s *service) issueKey(org string, change ...func(*store.Key)) string {
	s.t.Helper()
	token := secret.NewToken("pgb_").Reveal()
	err := s.store.Update(context.Background(), func(tx store.Tx) error {
		if _, err := tx.Organizations().Get("", org); err != nil {
			if err := tx.Organizations().Insert(store.Organization{ID: org, Name: org, Slug: org, CreatedAt: s.clock(), UpdatedAt: s.clock()}); err != nil {
				return err
			}
		}
		key := store.Key{ID: store.NewID("key_"), OrgID: org, Name: "test", Hash: secret.HashToken(token), CreatedAt: s.clock()}
		for _, f := range change {
			f(&key)
		}
		return tx.Keys().Insert(key)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// documentRouter routes requests as the document does, to validate responses.
var documentRouter = func() func(t *testing.T) routers.Router {
	load := sync.OnceValues(func() (routers.Router, error) {
		doc, err := openapi3.NewLoader().LoadFromData(schema.Document)
		if err != nil {
			return nil, err
		}
		doc.Servers = nil
		return gorillamux.NewRouter(doc)
	})
	return func(t *testing.T) routers.Router {
		t.Helper()
		router, err := load()
		if err != nil {
			t.Fatal(err)
		}
		return router
	}
}()

// reply is a response, read.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}
func as(key string) option { return header("Authorization", "Bearer "+key) }

// send makes a request; a string body goes out as it is, anything else as JSON.
// Every response is held against the document.
func (s *service) send(method, path string, body any, options ...option) *reply {
	s.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	request, err := http.NewRequest(method, s.url+path, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, o := range options {
		o(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	r := &reply{t: s.t, status: response.StatusCode, header: response.Header, raw: raw}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &r.body); err != nil {
			s.t.Fatalf("%s %s answered what is not JSON: %q", method, path, raw)
		}
	}
	s.conforms(request, r)
	return r
}

// conforms checks a response against the document, and an error against both
// of its shapes.
func (s *service) conforms(request *http.Request, r *reply) {
	s.t.Helper()
	if r.header.Get("X-Request-Id") == "" {
		s.t.Errorf("%s %s: no X-Request-Id", request.Method, request.URL.Path)
	}
	if r.status >= 400 {
		r.wellFormedError()
	}
	route, params, err := s.document.FindRoute(request)
	if err != nil {
		if r.status != http.StatusNotFound && r.status != http.StatusMethodNotAllowed {
			s.t.Errorf("%s %s is not in the document and answered %d", request.Method, request.URL.Path, r.status)
		}
		return
	}
	if route.Operation.Responses.Status(r.status) == nil {
		return // a refusal that the document does not list, such as 413
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route},
		Status:                 r.status,
		Header:                 r.header,
		Body:                   io.NopCloser(bytes.NewReader(r.raw)),
		Options:                &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true},
	})
	if err != nil {
		s.t.Errorf("%s %s answered %d against the document: %v", request.Method, request.URL.Path, r.status, err)
	}
}

func (r *reply) wellFormedError() {
	r.t.Helper()
	var p problemBody
	if err := json.Unmarshal(r.raw, &p); err != nil {
		r.t.Errorf("error body: %v", err)
		return
	}
	if p.Status != r.status || p.Code == "" || p.Detail == "" || p.Title == "" || p.Type == "" || p.Instance == "" || p.RequestID == "" ||
		p.Error.Code != p.Code || p.Error.Message != p.Detail {
		r.t.Errorf("error lacks one of its two shapes: %s", r.raw)
	}
	if got := r.header.Get("Content-Type"); got != "application/json" {
		r.t.Errorf("error has content type %q", got)
	}
}

// want checks status and error code ("" for success).
func (r *reply) want(status int, code string) *reply {
	r.t.Helper()
	got, _ := r.body["code"].(string)
	if r.status != status || code != "" && got != code {
		r.t.Fatalf("got %d %s, want %d %s: %s", r.status, got, status, code, r.raw)
	}
	return r
}

// field walks a dotted path.
func (r *reply) field(path string) any {
	r.t.Helper()
	var at any = r.body
	for _, name := range strings.Split(path, ".") {
		object, ok := at.(map[string]any)
		if !ok {
			r.t.Fatalf("no %s in %s", path, r.raw)
		}
		if at, ok = object[name]; !ok {
			r.t.Fatalf("no %s in %s", path, r.raw)
		}
	}
	return at
}

func (r *reply) text(path string) string {
	r.t.Helper()
	text, ok := r.field(path).(string)
	if !ok {
		r.t.Fatalf("%s is not a string in %s", path, r.raw)
	}
	return text
}

// fields lists the fields that a refusal names.
func (r *reply) fields() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	list, _ := r.body["errors"].([]any)
	for _, item := range list {
		e := item.(map[string]any)
		out[e["field"].(string)] = e["detail"].(string)
	}
	return out
}

// client is the generated client, with the tenant's key.
func (s *service) client() *contract.ClientWithResponses {
	s.t.Helper()
	c, err := contract.NewClientWithResponses(s.url, contract.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+s.key)
		return nil
	}))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

type object = map[string]any

// databaseBody is the smallest database that can be created.
func databaseBody() object {
	return object{"host": "db.example.com", "port": 5432, "name": "app", "username": "app", "password": "upstream-s3cret"}
}

// newProject creates a project and returns its id and its database's.
func (s *service) newProject(name string) (project, database string) {
	s.t.Helper()
	r := s.send("POST", "/v1/projects", object{"name": name, "org_id": s.org, "database": databaseBody()}).want(201, "")
	return r.text("project.id"), r.text("database.id")
}

func (s *service) newPolicy(project, name string) string {
	s.t.Helper()
	return s.send("POST", "/v1/projects/"+project+"/policies", object{"name": name}).want(201, "").text("id")
}
