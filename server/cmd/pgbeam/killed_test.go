package main

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// A proxy that is killed takes with it what its sessions had not committed: a
// transaction of a client's, and a write whose rows are still being counted. Its
// upstream sessions end by themselves, and another process goes on at once.
func TestKilledProxyLeavesNothingHalfDone(t *testing.T) {
	c := newCluster(t)
	victim, port := c.proxy(t)
	_, r := c.api(t, port)
	connection, _ := agentUnder(t, r, map[string]any{"name": "writer", "access_mode": "read_write", "max_affected_rows": 5})
	owner := connect(t, c.pg.URL(r.Postgres.Database))
	ctx := t.Context()
	ask := func(sql string) (n int) {
		t.Helper()
		if err := owner.QueryRow(ctx, sql).Scan(&n); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return n
	}
	const changed = "select count(*) from customers where full_name = 'half done'"
	sessions := fmt.Sprintf("select count(*) from pg_stat_activity where usename = '%s' and backend_type = 'client backend'", r.Postgres.Username)

	inside := connect(t, connection)
	open, err := inside.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.Exec(ctx, "update customers set full_name = 'half done' where id = 1"); err != nil {
		t.Fatal(err)
	}
	counted := connect(t, connection)
	held, err := connect(t, c.pg.URL(r.Postgres.Database)).Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(ctx, "select from customers where id = 2 for update"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := counted.Exec(context.Background(), "update customers set full_name = 'half done' where id = 2")
		ended <- err
	}()
	eventually(t, "the write waits for the row", func() bool {
		return ask("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%half done%'") == 1
	})
	_ = victim.end(syscall.SIGKILL)
	if err := <-ended; err == nil {
		t.Error("the client was told that its write is done")
	}
	if err := held.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the upstream sessions have ended", func() bool { return ask(sessions) == 0 })
	if n := ask(changed); n != 0 {
		t.Errorf("%d rows were changed", n)
	}
	_, again := c.proxy(t)
	next := connect(t, strings.Replace(connection, ":"+port+"/", ":"+again+"/", 1))
	if _, err := next.Exec(ctx, "update customers set full_name = 'half done' where id in (1, 2)"); err != nil {
		t.Fatal(err)
	}
	if n := ask(changed); n != 2 {
		t.Errorf("%d rows were changed by the next proxy, want 2", n)
	}
}
