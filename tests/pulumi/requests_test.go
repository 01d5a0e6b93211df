package pulumi

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// more is how many of each kind the program has besides one of everything.
const more = 2

// Each operation on a resource costs one request; a list that several
// resources are found in is read once for all of them. What costs two says so
// here, and nothing else does: a project is two objects of the API, and what
// exists always (a spend limit, a cache rule) is looked at before it is set.
func TestRequestsOfEachOperation(t *testing.T) {
	beam := harness.StartBeam(t, harness.BeamOptions{})
	gate := harness.NewGate(t, beam.URL)
	program := everything(beam.Org)
	for i := range more {
		for _, kind := range []string{"Project", "Database", "Replica", "CustomDomain", "CacheRule", "AgentCredential", "PolicyProfile", "WebhookEndpoint", "SelfHostEnrollment"} {
			name := fmt.Sprint(kind, i)
			program[name] = resource(kind, inputs(kind, "more-"+name, 100+i*10+len(kind), beam.Org))
		}
	}
	edit := func(name string, changes map[string]any) {
		maps.Copy(program[name].(map[string]any)["properties"].(map[string]any), changes)
	}
	edit("base", map[string]any{"allowedCidrs": []any{"10.0.0.0/8"}})
	stack := newStack(t, program, append(beam.Env(), "PGBEAM_API_URL="+gate.URL)...)
	requests := func(args ...string) map[string]int {
		t.Helper()
		gate.On(nil, nil)
		stack.Must(args...)
		got := map[string]int{}
		for _, r := range gate.Requests() {
			got[shape(r)]++
		}
		return got
	}
	expect := func(operation string, got, want map[string]int) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", operation, diff)
		}
	}
	const (
		project = "/v1/projects/{id}"
		rules   = project + "/databases/{id}/cache-rules"
		org     = "/v1/organizations/{id}"
		each    = 1 + more
	)
	up := []string{"up", "--yes", "--skip-preview"}

	expect("preview of a new stack", requests("preview"), map[string]int{})
	expect("create", requests(up...), map[string]int{
		"POST /v1/projects":                      each,
		"PATCH " + project:                       1, // allowedCidrs, which the create cannot carry
		"POST " + project + "/databases":         each,
		"POST /v1/databases/{id}/replicas":       each,
		"POST " + project + "/domains":           each,
		"PUT " + rules + "/{id}":                 each, // of a database that is new: nothing to look at
		"GET " + org + "/plan":                   1,
		"PUT " + org + "/spend-limit":            1,
		"POST " + project + "/agents":            each,
		"POST " + project + "/policies":          each,
		"POST " + project + "/webhooks":          each,
		"POST " + org + "/self-host-enrollments": each,
	})
	expect("up without change", requests(up...), map[string]int{})
	expect("preview without change", requests("preview"), map[string]int{})
	expect("refresh", requests("refresh", "--yes", "--skip-preview"), map[string]int{
		"GET " + project:                        each,
		"GET " + project + "/databases":         each, // of each project; the Database resources stand there too
		"GET /v1/databases/{id}/replicas":       1,
		"GET " + project + "/domains":           1,
		"GET " + rules:                          1,
		"GET " + org + "/plan":                  1,
		"GET " + project + "/agents/{id}":       each,
		"GET " + project + "/policies/{id}":     each,
		"GET " + project + "/webhooks/{id}":     each,
		"GET " + org + "/self-host-enrollments": 1,
	})

	for name := range program {
		switch kind := strings.TrimRight(name, "0123456789"); kind {
		case "base", "Project", "WebhookEndpoint":
			edit(name, map[string]any{"description": "changed"})
		case "Database":
			edit(name, map[string]any{"port": 6432})
		case "CacheRule":
			edit(name, map[string]any{"cacheTtlSeconds": 5})
		case "SpendLimit":
			edit(name, map[string]any{"spendLimit": 80})
		case "AgentCredential":
			edit(name, map[string]any{"status": "disabled"})
		case "policy", "PolicyProfile":
			edit(name, map[string]any{"maxRows": 5})
		}
	}
	edit("base", map[string]any{"database": map[string]any{"host": "db.example.com", "port": 6432, "name": "app", "username": "app",
		"password": map[string]any{"fn::secret": "canary-database-plain"}}})
	edit("AgentCredential0", map[string]any{"rotationTriggers": map[string]any{"issued": "1"}})
	program["late0"] = resource("CacheRule", inputs("CacheRule", "late0", 900, beam.Org))
	program["late1"] = resource("CacheRule", inputs("CacheRule", "late1", 901, beam.Org))
	yaml(t, stack.Dir, program)
	expect("update", requests(up...), map[string]int{
		"PATCH " + project:                        each,
		"PATCH " + project + "/databases/{id}":    each + 1, // and the one under "base"
		"GET " + rules:                            1,        // two more, of a database that is not new any more
		"PUT " + rules + "/{id}":                  each + 2,
		"PUT " + org + "/spend-limit":             1,
		"PATCH " + project + "/agents/{id}":       each,
		"POST " + project + "/agents/{id}/rotate": 1,
		"PUT " + project + "/policies/{id}":       each,
		"PUT " + project + "/webhooks/{id}":       each,
	})
	expect("delete", requests("destroy", "--yes", "--skip-preview"), map[string]int{
		"DELETE " + project:                             each,
		"DELETE " + project + "/databases/{id}":         each,
		"DELETE /v1/databases/{id}/replicas/{id}":       each,
		"DELETE " + project + "/domains/{id}":           each,
		"PUT " + rules + "/{id}":                        each + 2,
		"PUT " + org + "/spend-limit":                   1,
		"DELETE " + project + "/agents/{id}":            each,
		"DELETE " + project + "/policies/{id}":          each,
		"DELETE " + project + "/webhooks/{id}":          each,
		"DELETE " + org + "/self-host-enrollments/{id}": each,
	})
	beam.Empty(t)
}

// shape is a request with {id} for each id in its path.
func shape(request string) string {
	segments := strings.Split(request, "/")
	for i, s := range segments {
		if strings.Contains(s, "_") || len(s) == 16 {
			segments[i] = "{id}"
		}
	}
	return strings.Join(segments, "/")
}
