package ordinary

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
)

func pgbench(t *testing.T, args ...string) string {
	t.Helper()
	bin, err := localpg.FindBinaries()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pgbench"), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("pgbench: %v\n%s", err, out.String())
	}
	return out.String()
}

// pgbench -S runs to its end in every protocol, with several clients, whether
// or not rules touch the table that it reads.
func TestPgbenchSelectsOnly(t *testing.T) {
	pgbench(t, "-i", "-q", "-s", "1", direct.url)
	for _, p := range []*profile{shop, accounts} {
		for _, protocol := range []string{"simple", "extended", "prepared"} {
			t.Run(p.name+" "+protocol, func(t *testing.T) {
				out := pgbench(t, "-S", "-M", protocol, "-c", "4", "-j", "2", "-t", "250", "--random-seed=7", p.at.url)
				for _, want := range []string{"query mode: " + protocol, "number of transactions actually processed: 1000/1000", "number of failed transactions: 0 ("} {
					if !strings.Contains(out, want) {
						t.Errorf("pgbench does not print %q:\n%s", want, out)
					}
				}
			})
		}
	}
}
