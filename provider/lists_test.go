package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Each operation on a resource is one request. What takes two is named here,
// with both.
func TestOneRequestForEachResourceAndOperation(t *testing.T) {
	type requests struct{ create, refresh, update, delete []string }
	// Two objects: each is asked for, and set, by itself.
	project := requests{
		create:  []string{"POST /v1/projects", "PATCH /v1/projects/{id}"}, // what the first cannot carry
		refresh: []string{"GET /v1/projects/{id}", "GET /v1/projects/{id}/databases"},
		update:  []string{"PATCH /v1/projects/{id}", "PATCH /v1/projects/{id}/databases/{id}"},
		delete:  []string{"DELETE /v1/projects/{id}"},
	}
	below := func(path, update string) requests {
		r := requests{create: []string{"POST " + path}, refresh: []string{"GET " + path + "/{id}"}, delete: []string{"DELETE " + path + "/{id}"}}
		if update != "" {
			r.update = []string{update + " " + path + "/{id}"}
		} else {
			r.refresh = []string{"GET " + path} // the list that all share
		}
		return r
	}
	const rules = "/v1/projects/{id}/databases/{id}/cache-rules"
	want := map[string]requests{
		"Project":      project,
		"Database":     below("/v1/projects/{id}/databases", "PATCH"),
		"Replica":      below("/v1/databases/{id}/replicas", ""),
		"CustomDomain": below("/v1/projects/{id}/domains", ""),
		// Looked at before it is set, so that nothing is overwritten.
		"CacheRule": {create: []string{"GET " + rules, "PUT " + rules + "/{id}"}, refresh: []string{"GET " + rules},
			update: []string{"PUT " + rules + "/{id}"}, delete: []string{"PUT " + rules + "/{id}"}},
		"SpendLimit": {create: []string{"GET /v1/organizations/{id}/plan", "PUT /v1/organizations/{id}/spend-limit"}, refresh: []string{"GET /v1/organizations/{id}/plan"},
			update: []string{"PUT /v1/organizations/{id}/spend-limit"}, delete: []string{"PUT /v1/organizations/{id}/spend-limit"}},
		"AgentCredential":    below("/v1/projects/{id}/agents", "PATCH"),
		"PolicyProfile":      below("/v1/projects/{id}/policies", "PUT"),
		"WebhookEndpoint":    below("/v1/projects/{id}/webhooks", "PUT"),
		"SelfHostEnrollment": below("/v1/organizations/{id}/self-host-enrollments", ""),
	}
	database := want["Database"]
	database.refresh = []string{"GET /v1/projects/{id}/databases"} // shared with the project's own
	want["Database"] = database
	credential := want["AgentCredential"]
	credential.create = append(credential.create, "PATCH /v1/projects/{id}/agents/{id}") // its status
	credential.update = append(credential.update, "POST /v1/projects/{id}/agents/{id}/rotate")
	want["AgentCredential"] = credential

	for _, s := range samples {
		t.Run(s.token, func(t *testing.T) {
			e := newEngine(t)
			check := func(operation string, want []string) {
				t.Helper()
				if got := shapes(e.api.seen()); !slices.Equal(got, want) {
					t.Errorf("%s:\n%s\nwant\n%s", operation, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
			e.must(e.up("x", s.token, s.full))
			check("create", want[s.token].create)
			e.restart()
			e.must(e.up("x", s.token, s.full))
			check("up without change", nil)
			if drifted, err := e.refresh("x"); err != nil || drifted {
				t.Fatalf("refresh: %v %v", drifted, err)
			}
			check("refresh", want[s.token].refresh)
			changed := with(s.full, object{})
			for name, v := range s.edits {
				if !slices.Contains(s.replace, name) {
					changed[name] = v
				}
			}
			e.must(e.up("x", s.token, changed))
			check("update", want[s.token].update)
			e.must(e.destroy("x"))
			check("delete", want[s.token].delete)
		})
	}
}

// shapes are requests with {id} for each id in their paths.
func shapes(requests []string) []string {
	var out []string
	for _, r := range requests {
		segments := strings.Split(r, "/")
		for i, s := range segments {
			if strings.Contains(s, "_") || len(s) == 16 {
				segments[i] = "{id}"
			}
		}
		out = append(out, strings.Join(segments, "/"))
	}
	return out
}

func TestListsAreSharedWithinARun(t *testing.T) {
	e := newEngine(t)
	domain := func(name string) object { return object{"projectId": "prj_1", "domain": name + ".example.com"} }
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		e.must(e.up(name, "CustomDomain", domain(name)))
	}
	e.restart()
	e.api.seen()
	for _, name := range names {
		if drifted, err := e.refresh(name); err != nil || drifted {
			t.Fatalf("%s: %v %v", name, drifted, err)
		}
	}
	if got := e.api.seen(); len(got) != 3 { // three pages of two
		t.Errorf("five refreshes took %v", got)
	}
	// What this run writes is known without listing again.
	gone := *e.state["a"]
	e.must(e.up("f", "CustomDomain", domain("f")))
	e.must(e.destroy("a"))
	e.api.seen()
	if drifted, err := e.refresh("f"); err != nil || drifted {
		t.Errorf("the new domain: %v %v", drifted, err)
	}
	e.state["a"] = &gone
	if _, err := e.refresh("a"); err != nil || e.state["a"] != nil {
		t.Errorf("the deleted domain is still listed: %v", err)
	}
	if got := e.api.seen(); len(got) != 0 {
		t.Errorf("our own writes made us list again: %v", got)
	}
}

// A project's primary database and the others stand in one list.
func TestAProjectAndItsDatabasesAreTwoRequests(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	e.must(e.up("d", "Database", with(aDatabase, object{"projectId": "prj_1", "name": "reports", "role": "replica"})))
	e.restart()
	e.api.seen()
	for _, name := range []string{"p", "d"} {
		if drifted, err := e.refresh(name); err != nil || drifted {
			t.Errorf("%s: %v %v", name, drifted, err)
		}
	}
	if got := shapes(e.api.seen()); !slices.Equal(got, []string{"GET /v1/projects/{id}", "GET /v1/projects/{id}/databases"}) {
		t.Errorf("%v", got)
	}
	// What others changed shows in both.
	e.restart()
	e.api.set("databases", 0, object{"port": 6432.0})
	e.api.set("databases", 1, object{"port": 7432.0})
	for name, port := range map[string]float64{"p": 6432, "d": 7432} {
		drifted, err := e.refresh(name)
		has := e.output(name, "port")
		if name == "p" {
			has = field(e.output(name, "database"), "port")
		}
		if err != nil || !drifted || has.AsNumber() != port {
			t.Errorf("%s: %v %v %v", name, drifted, err, has)
		}
	}
	// So does what this run changes, without asking again.
	e.must(e.up("p", "Project", aProject))
	e.api.seen()
	if drifted, err := e.refresh("p"); err != nil || drifted {
		t.Errorf("after the update: %v %v", drifted, err)
	}
	if got := shapes(e.api.seen()); !slices.Equal(got, []string{"GET /v1/projects/{id}"}) {
		t.Errorf("%v", got)
	}
}

// Nothing is below what was made just now, so nothing is looked for.
func TestRulesOfANewDatabaseAreOneRequestEach(t *testing.T) {
	rule := func(database string, n int) object {
		return object{"projectId": "prj_1", "databaseId": database, "queryHash": fmt.Sprintf("%016x", n), "cacheEnabled": true, "cacheTtlSeconds": 30}
	}
	e := newEngine(t)
	e.must(e.up("p", "Project", aProject))
	e.must(e.up("d", "Database", with(aDatabase, object{"projectId": "prj_1"})))
	primary, other := text(e.output("p", "primaryDatabaseId")), e.state["d"].id
	e.api.seen()
	for n := range 6 {
		e.must(e.up(fmt.Sprint("rule", n), "CacheRule", rule([]string{primary, other}[n%2], n)))
	}
	if got := e.api.seen(); len(got) != 6 {
		t.Errorf("six rules took %v", got)
	}
	// Two rules for one query are still noticed.
	if err := e.up("again", "CacheRule", with(rule(primary, 0), object{"cacheTtlSeconds": 5})); err == nil || !strings.Contains(err.Error(), "is not overwritten") {
		t.Errorf("a rule of this run was overwritten: %v", err)
	}
	// In another run the database is not new, and one list tells of all rules.
	e.restart()
	e.api.seen()
	for n := range 6 {
		e.must(e.up(fmt.Sprint("more", n), "CacheRule", rule(primary, 100+n)))
	}
	if got := e.api.seen(); len(got) != 2+6 { // three rules are two pages
		t.Errorf("six more rules took %v", got)
	}
}

// Somebody may set it between our look and our write: a server that knows
// conditional writes tells, and it is looked at again.
func TestOfTwoProgramsAtOnceOneIsRefused(t *testing.T) {
	for _, c := range []struct {
		kind, look, token string
		theirs            object
		mine              object
		at                string
	}{
		{"rules", "cache-rules", "CacheRule", object{"cache_enabled": true, "cache_ttl_seconds": 5.0}, samples[4].full, "prj_1/db_1/a1b2c3d4e5f60718"},
		{"plans", "plan", "SpendLimit", object{"spend_limit": 5.0}, object{"orgId": "org_1", "spendLimit": 100}, "org_1"},
	} {
		e := newEngine(t)
		e.must(e.up("x", "CacheRule", with(samples[4].minimal, object{"cacheEnabled": false})))
		delete(e.state, "x")
		e.restart()
		e.api.after = func(r seenRequest) *fault {
			if r.method == "GET" && strings.HasSuffix(r.path, c.look) {
				e.api.after = nil
				maps.Copy(e.api.objects[c.kind][0], c.theirs)
			}
			return nil
		}
		err := e.up("mine", c.token, c.mine)
		if err == nil || !strings.Contains(err.Error(), "pulumi import pgbeam:index:"+c.token+" mine "+c.at) {
			t.Errorf("%s: %v", c.token, err)
		}
		for k, v := range c.theirs {
			if e.api.objects[c.kind][0][k] != v {
				t.Errorf("%s was overwritten: %v", c.token, e.api.objects[c.kind][0])
			}
		}
	}
}

// After a crash the answer about the project is a kept one: it may have rules
// by now.
func TestWhatWasMadeByAnEarlierRunIsNotTakenForNew(t *testing.T) {
	for _, older := range []bool{false, true} {
		e := newEngine(t)
		e.api.older = older
		e.crash("p", "Project", aProject)
		rule := with(samples[4].full, object{"databaseId": "db_2"})
		e.must(e.up("theirs", "CacheRule", rule))
		e.restart()
		e.api.clock = e.api.clock.Add(time.Minute)
		e.must(e.up("p", "Project", aProject))
		if err := e.up("mine", "CacheRule", with(rule, object{"cacheTtlSeconds": 5})); err == nil || !strings.Contains(err.Error(), "is not overwritten") {
			t.Errorf("older %v: the rule was overwritten: %v", older, err)
		}
	}
}

// What is written while a list is on its way may be missing from it.
func TestAWriteDuringAListIsNotLost(t *testing.T) {
	var l lists
	asked, answer := make(chan struct{}), make(chan struct{})
	loads := 0
	load := func(context.Context) ([]object, error) {
		loads++
		close(asked)
		<-answer
		return []object{{"id": "a", "v": 1}, {"id": "b", "v": 1}}, nil
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			got, err := l.get(t.Context(), "k", load)
			if err != nil || fmt.Sprint(got) != "[map[id:a v:2] map[id:c v:2]]" {
				t.Errorf("listed %v, %v", got, err)
			}
		})
	}
	<-asked
	l.put("k", "id", "a", object{"id": "a", "v": 2})
	l.put("k", "id", "b", nil)
	l.put("k", "id", "c", object{"id": "c", "v": 2})
	close(answer)
	wg.Wait()
	if _, err := l.get(t.Context(), "k", load); err != nil || loads != 1 {
		t.Errorf("%d loads, %v", loads, err)
	}
}
