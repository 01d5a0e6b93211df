//go:build unix

package localpg

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The sessions of a server that was killed end a moment after it, and keep its
// memory until then.
func TestStartWaitsForTheChildrenOfAKilledServer(t *testing.T) {
	ctx, dir := t.Context(), testDir(t)
	first, err := Start(ctx, Options{Dir: dir, Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, first.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var child int
	if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&child); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(child, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.done
	met := make(chan bool, 1)
	go func() {
		seen := false
		for deadline := time.Now().Add(time.Minute); !seen && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			seen = bytes.Contains(log, []byte("shared memory block"))
		}
		_ = syscall.Kill(child, syscall.SIGCONT)
		met <- seen
	}()
	second, err := Start(ctx, Options{Dir: dir, Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
	if !<-met {
		t.Error("the second start met no child of the first")
	}
}
