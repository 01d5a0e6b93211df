package provider

import (
	"testing"
)

func TestProjectLifeCycle(t *testing.T) {
	e := newEngine(t)
	full := with(aProject, object{"allowedCidrs": []any{"10.0.0.0/8", object{"cidr": "192.0.2.1", "label": "office"}}, "status": "suspended", "tags": []any{"a"},
		"database": with(aDatabase, object{"poolConfig": object{"poolSize": 5, "minPoolSize": 1, "poolMode": "session"}})})
	e.must(e.up("p", "Project", full))
	t.Log(e.api.seen())
	t.Log(plain(e.state["p"].state))
	if d := e.diff("p", full); d.HasChanges {
		t.Fatalf("%v", d)
	}
	drift, err := e.refresh("p")
	e.must(err)
	if drift {
		t.Fatal("drift")
	}
	if d := e.diff("p", full); d.HasChanges {
		t.Fatalf("%v", d)
	}
	e.must(e.up("p", "Project", with(full, object{"database": with(aDatabase, object{"port": 5433})})))
	t.Log(e.api.seen())
	e.must(e.destroy("p"))
}
