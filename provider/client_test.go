package provider

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// failing answers the first n requests badly.
func failing(n int, bad fault) func(seenRequest) *fault {
	return func(seenRequest) *fault {
		if n--; n >= 0 {
			return &bad
		}
		return nil
	}
}

func TestTemporaryFailuresAreRetriedWithOneKey(t *testing.T) {
	for _, bad := range []fault{{status: 408}, {status: 429}, {status: 500}, {status: 502}, {status: 503}, {status: 504}, {cut: true}} {
		t.Run(fmt.Sprintf("%d cut %v", bad.status, bad.cut), func(t *testing.T) {
			e := newEngine(t)
			e.api.fault = failing(3, bad)
			e.must(e.up("p", "Project", aProject))
			keys := map[string]bool{}
			for _, r := range e.api.requests {
				keys[r.key] = true
			}
			if len(e.api.requests) != 4 || len(keys) != 1 || len(e.api.objects["projects"]) != 1 {
				t.Errorf("%d requests with %d keys made %d projects", len(e.api.requests), len(keys), len(e.api.objects["projects"]))
			}
			e.api.fault = failing(2, bad)
			if _, err := e.refresh("p"); err != nil {
				t.Error(err)
			}
			e.api.fault = failing(2, bad)
			if err := e.up("p", "Project", with(aProject, object{"description": "d"})); err != nil {
				t.Error(err)
			}
			e.api.fault = failing(2, bad)
			if err := e.destroy("p"); err != nil {
				t.Error(err)
			}
		})
	}
}

// The answer to a create is lost, not the create: the repetition must not make
// a second object.
func TestALostAnswerMakesNoSecondObject(t *testing.T) {
	e := newEngine(t)
	e.api.after = failing(1, fault{cut: true})
	e.must(e.up("a", "AgentCredential", samples[6].minimal))
	if n := len(e.api.objects["agents"]); n != 1 {
		t.Errorf("%d credentials", n)
	}
	if !strings.Contains(e.output("a", "connectionString").AsString(), "canary2") {
		t.Errorf("the secrets are those of another answer: %v", e.output("a", "connectionString"))
	}
}

func TestLastingRefusalsAreNotRetried(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 409, 412, 422, 501} {
		e := newEngine(t)
		e.must(e.up("p", "Project", aProject))
		e.api.seen()
		e.api.fault = func(seenRequest) *fault { return &fault{status: status} }
		err := e.up("p", "Project", with(aProject, object{"description": "d"}))
		if got := e.api.seen(); err == nil || len(got) != 1 {
			t.Errorf("%d: %v after %v", status, err, got)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		least  time.Duration
		gives  bool // up at once
	}{
		"seconds":  {"7", 7 * time.Second, false},
		"date":     {time.Now().Add(100 * time.Second).UTC().Format(http.TimeFormat), 50 * time.Second, false},
		"nonsense": {"soon", 0, false},
		"too long": {"3600", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			var waited time.Duration
			old := patience
			patience = func(_ context.Context, d time.Duration) error { waited = d; return nil }
			defer func() { patience = old }()
			e.api.fault = failing(1, fault{status: 429, header: map[string]string{"Retry-After": c.header}})
			err := e.up("p", "Project", aProject)
			if (err != nil) != c.gives || waited < c.least {
				t.Errorf("waited %s, %v", waited, err)
			}
		})
	}
}

func TestPatienceEnds(t *testing.T) {
	for name, c := range map[string]struct {
		header map[string]string
		most   time.Duration
	}{
		"with failures":                    {nil, retryFor},
		"with a server that asks for more": {map[string]string{"Retry-After": "30"}, obeyFor},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			var waited time.Duration
			old := patience
			patience = func(_ context.Context, d time.Duration) error { waited += d; return nil }
			defer func() { patience = old }()
			e.api.fault = func(seenRequest) *fault { return &fault{status: 503, header: c.header} }
			err := e.up("p", "Project", aProject)
			if err == nil || waited > c.most || waited < c.most/2 || !strings.Contains(err.Error(), "attempts") {
				t.Errorf("after %s: %v", waited, err)
			}
		})
	}
}

func TestAnAnswerThatStopsHalfWayIsGivenUp(t *testing.T) {
	stalled := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"id": `))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer stalled.Close()
	base, err := parseBaseURL(stalled.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newClient(base, "pgb_key", "")
	if err != nil {
		t.Fatal(err)
	}
	doer := c.api.Client.(*http.Client)
	if doer.Timeout == 0 {
		t.Fatal("an attempt may last for ever")
	}
	doer.Timeout = 20 * time.Millisecond
	_, err = c.do(t.Context(), request{op: resourceByToken("pgbeam:index:Project").Read, doing: "read project", args: []string{"prj_1"}})
	if err == nil || !strings.Contains(err.Error(), "attempts") {
		t.Errorf("%v", err)
	}
}

// A server that is killed and started again in the meantime is found again.
func TestAServerThatRestartsIsWaitedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	e := newEngine(t)
	e.api.URL = "http://" + address
	e.restart()
	var once sync.Once
	old := patience
	patience = func(context.Context, time.Duration) error {
		once.Do(func() {
			back, err := net.Listen("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			srv := httptest.NewUnstartedServer(e.api.Config.Handler)
			srv.Listener = back
			srv.Start()
			t.Cleanup(srv.Close)
		})
		return nil
	}
	defer func() { patience = old }()
	e.must(e.up("p", "Project", aProject))
}

func TestErrorsSayWhatWhereAndWhatToDo(t *testing.T) {
	e := newEngine(t)
	e.api.fault = func(seenRequest) *fault {
		return &fault{status: 422, header: map[string]string{"X-Request-Id": "req_42"},
			body: `{"title":"Unprocessable","detail":"the plan has no room","code":"INVALID_INPUT","errors":[{"field":"database.query_timeout_ms","detail":"too long"}],"error":{"code":"INVALID_INPUT","message":"the plan has no room"}}`}
	}
	err := e.up("p", "Project", aProject)
	for _, want := range []string{"create project", "POST /v1/projects", "422", "the plan has no room", "database.queryTimeoutMs: too long", "INVALID_INPUT", "req_42"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	e.api.fault = func(seenRequest) *fault { return &fault{status: 401, body: `{"error":{"message":"unknown key"}}`} }
	if err := e.up("p", "Project", aProject); err == nil || !strings.Contains(err.Error(), "PGBEAM_API_KEY") || !strings.Contains(err.Error(), "unknown key") {
		t.Errorf("%v", err)
	}
	e.api.fault = func(seenRequest) *fault {
		return &fault{status: 302, header: map[string]string{"Location": "https://elsewhere.example"}}
	}
	if err := e.up("p", "Project", aProject); err == nil || !strings.Contains(err.Error(), "set baseUrl") {
		t.Errorf("%v", err)
	}
	e.api.fault = func(seenRequest) *fault { return &fault{status: 200, body: "<html>"} }
	if err := e.up("p", "Project", aProject); err == nil || !strings.Contains(err.Error(), "is baseUrl the address of a PgBeam API?") {
		t.Errorf("%v", err)
	}
	e.api.Close()
	if err := e.up("p", "Project", aProject); err == nil || !strings.Contains(err.Error(), "check baseUrl and that the service is running") {
		t.Errorf("%v", err)
	}
}

// A server that repeats in its messages what it was sent does not make us
// print it.
func TestErrorsNeverShowSecrets(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("w", "WebhookEndpoint", samples[8].full))
	e.api.fault = func(r seenRequest) *fault {
		return &fault{status: 400, body: `{"detail":"bad db-canary, hook-canary, hook-canary-2, key-canary","errors":[{"field":"database.password","detail":"db-canary is too short"}]}`}
	}
	create := e.up("p", "Project", aProject)
	update := e.up("w", "WebhookEndpoint", with(samples[8].full, object{"secret": "hook-canary-2", "description": "other"}))
	destroy := e.destroy("w")
	for secret, errs := range map[string][]error{"db-canary": {create}, "hook-canary": {update, destroy}, "key-canary": {create, update, destroy}} {
		for _, err := range errs {
			if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), redacted) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestRequestsSayWhoAsks(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	if got := e.api.requests[0].header.Get("User-Agent"); !strings.HasPrefix(got, "pulumi-resource-pgbeam/0.1.0 (") {
		t.Error(got)
	}
}

// However many resources the engine works on at once, requests are bounded,
// and their connections are used again.
func TestConcurrencyIsBoundedAndConnectionsAreKept(t *testing.T) {
	e := newEngine(t)
	var now, most, connections atomic.Int64
	full := make(chan struct{})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == maxRequests {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		<-full // until as many are here as may be
		w.WriteHeader(404)
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	e.api.URL = srv.URL
	e.restart()
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			resp, err := e.srv.Read(p.ReadRequest{ID: fmt.Sprintf("prj_%d", i), Urn: urnOf("pgbeam:index:Project", "x"), Inputs: values(aProject), Properties: property.Map{}})
			if err != nil || resp.ID != "" {
				t.Errorf("%v %v", resp.ID, err)
			}
		})
	}
	wait.Wait()
	if most.Load() != maxRequests {
		t.Errorf("%d requests at once, %d are allowed", most.Load(), maxRequests)
	}
	if n := connections.Load(); n > 2*maxRequests {
		t.Errorf("200 requests took %d connections", n)
	}
}
