package localpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestSampleIsTheSameTwice(t *testing.T) {
	ctx := t.Context()
	s, err := Start(ctx, Options{Dir: testDir(t), Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for range 2 {
		if err := LoadSample(ctx, s, "it's secret"); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(ctx, sampleURL(s, "it's secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var customers, orders, items int
	var revenue string
	err = conn.QueryRow(ctx, `select (select count(*) from customers), (select count(*) from orders),
		(select count(*) from order_items), (select sum(total)::text from order_totals)`).Scan(&customers, &orders, &items, &revenue)
	if err != nil {
		t.Fatal(err)
	}
	if customers != 240 || orders != 1500 || items != 3750 || revenue != "612200.00" {
		t.Errorf("sample holds %d customers, %d orders, %d items, revenue %s", customers, orders, items, revenue)
	}
	var super bool
	if err := conn.QueryRow(ctx, "select rolsuper from pg_roles where rolname = current_user").Scan(&super); err != nil || super {
		t.Errorf("the sample's role is a superuser (%v)", err)
	}
}

// A service that dies leaves its PostgreSQL behind for a moment; the next
// start must not trip over it.
func TestStartAfterTheParentWasKilled(t *testing.T) {
	ctx, dir := t.Context(), testDir(t)
	first, err := Start(ctx, Options{Dir: dir, Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	// Still running: what a killed parent leaves where the kernel does not
	// tell children.
	second, err := Start(ctx, Options{Dir: dir, Password: "pw", Port: first.Port})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.cmd.Process.Kill(); err != nil { // leaves postmaster.pid behind
		t.Fatal(err)
	}
	<-second.done
	third, err := Start(ctx, Options{Dir: dir, Password: "pw", Port: first.Port})
	if err != nil {
		t.Fatal(err)
	}
	defer third.Stop()
	conn, err := pgx.Connect(ctx, third.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(ctx)
}

func TestClusterMovesWherePostgreSQLsUserCannotGo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs PostgreSQL as another user")
	}
	closed := testDir(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "postgres")
	s, err := Start(t.Context(), Options{Dir: dir, Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(s.Dir, closed) {
		t.Errorf("the cluster is in %s, where its user cannot go", s.Dir)
	}
	again, err := place(dir, &account{uid: 65534, gid: 65534})
	if err != nil || again != s.Dir {
		t.Errorf("second start looks in %q (%v), the cluster is in %q", again, err, s.Dir)
	}
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("Remove left %s: %v", s.Dir, err)
	}
}
