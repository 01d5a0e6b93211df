package proxy

import (
	"testing"
)

func TestAgentLogsInAndQueries(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	conn := d.connect(d.as(l))
	if got := scalar[int](t, conn, "select 40 + $1::int", 2); got != 42 {
		t.Fatalf("got %d", got)
	}
	if got := scalar[string](t, conn, "select current_user"); got != "postgres" {
		t.Fatalf("current_user is %q, want the database's own user", got)
	}
}
