package provider

import (
	"strings"
	"testing"
)

// The engine records the new inputs beside the state of an update that failed
// half-way, so what the program has dropped must be remembered otherwise.
func TestMistake_AClearThatFailedIsMadeByTheNextUp(t *testing.T) {
	slow := with(aDatabase, object{"queryTimeoutMs": 5000, "cacheConfig": object{"enabled": true, "ttlSeconds": 30, "maxEntries": 100, "swrSeconds": 0}})
	for name, between := range map[string]func(*engine){
		"at once": func(*engine) {},
		"after a refresh": func(e *engine) {
			e.restart()
			if _, err := e.refresh("p"); err != nil {
				t.Fatal(err)
			}
		},
		"after another failure": func(e *engine) {
			e.api.fault = func(seenRequest) *fault { return &fault{status: 400} }
			if err := e.up("p", "Project", with(aProject, object{"description": "new"})); err == nil {
				t.Fatal("a failed update was reported as success")
			}
			e.api.fault = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.must(e.up("p", "Project", with(aProject, object{"database": slow})))
			e.api.fault = func(r seenRequest) *fault {
				if r.method == "PATCH" && strings.Contains(r.path, "/databases/") {
					return &fault{status: 400}
				}
				return nil
			}
			now := with(aProject, object{"description": "new"})
			if err := e.up("p", "Project", now); err == nil {
				t.Fatal("a failed update was reported as success")
			}
			e.api.fault = nil
			between(e)
			if d := e.diff("p", now); !d.HasChanges {
				t.Error("what was not cleared is no difference")
			}
			e.must(e.up("p", "Project", now))
			db := e.api.objects["databases"][0]
			if cache, _ := db["cache_config"].(object); db["query_timeout_ms"] != 0.0 || cache["enabled"] != false {
				t.Errorf("the database keeps %v and %v", db["query_timeout_ms"], db["cache_config"])
			}
			if d := e.diff("p", now); d.HasChanges || e.state["p"].state.Get(pendingKey).IsArray() {
				t.Errorf("afterwards: %v, %v", d.DetailedDiff, e.state["p"].state.Get(pendingKey))
			}
			// What others set later is theirs.
			e.api.set("databases", 0, object{"query_timeout_ms": 9000.0})
			e.restart()
			if drifted, err := e.refresh("p"); drifted || err != nil {
				t.Errorf("refresh: %v %v", drifted, err)
			}
		})
	}
}

// A clear that somebody else makes in the meantime is not made again.
func TestAClearMadeByOthersIsForgotten(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("p", "Project", with(aProject, object{"database": with(aDatabase, object{"queryTimeoutMs": 5000})})))
	e.api.fault = func(r seenRequest) *fault {
		if r.method == "PATCH" && strings.Contains(r.path, "/databases/") {
			return &fault{status: 400}
		}
		return nil
	}
	now := with(aProject, object{"description": "new"})
	if err := e.up("p", "Project", now); err == nil {
		t.Fatal("a failed update was reported as success")
	}
	e.api.fault = nil
	for _, timeout := range []float64{0, 9000} {
		e.api.set("databases", 0, object{"query_timeout_ms": timeout})
		e.restart()
		if _, err := e.refresh("p"); err != nil {
			t.Fatal(err)
		}
	}
	if d := e.diff("p", now); d.HasChanges {
		t.Errorf("what others set would be cleared: %v", d.DetailedDiff)
	}
}
