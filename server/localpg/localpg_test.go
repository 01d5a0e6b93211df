package localpg

import (
	"net"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

// testDir is a folder that the unprivileged PostgreSQL user can reach, which
// t.TempDir below a root-only folder is not.
func testDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "pgbeam-localpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestStartAnswersAndStops(t *testing.T) {
	ctx := t.Context()
	s, err := Start(ctx, Options{Dir: testDir(t), Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	var one int
	if err := conn.QueryRow(ctx, "select 1").Scan(&one); err != nil || one != 1 {
		t.Fatalf("select 1 gave %d, %v", one, err)
	}
	conn.Close(ctx)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(ctx, s.URL("postgres")); err == nil {
		t.Fatal("PostgreSQL still answers after Stop")
	}
}

func TestAFreePortMayBeTakenBeforePostgreSQLHasIt(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	asked := 0
	s, err := start(t.Context(), Options{Dir: testDir(t), Password: "pw"}, func() (int, error) {
		if asked++; asked < 3 {
			return taken.Addr().(*net.TCPAddr).Port, nil
		}
		return freePort()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if asked != 3 {
		t.Errorf("asked for a port %d times", asked)
	}
}
