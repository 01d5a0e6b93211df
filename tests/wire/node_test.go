package wire

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

func TestNodePostgres(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "driver.test.mjs"} {
		content, err := os.ReadFile(filepath.Join("testdata", "node", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	harness.Run(t, harness.Command{Dir: dir, Args: []string{harness.Program(t, "npm", "Node.js"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"}})
	node := harness.Program(t, "node", "Node.js 20 or newer")
	everyTarget(t, func(t *testing.T, at target) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*replyTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, node, "--test", "--test-reporter=spec", "driver.test.mjs")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PGBEAM_TEST_URL="+at.url, "PGBEAM_TEST_CA="+at.ca)
		if at == issued {
			cmd.Env = append(cmd.Env, "PGBEAM_TEST_POLICY=1")
		}
		cmd.WaitDelay = time.Second // the runner's own child holds the pipe
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("node: %v\n%s", err, out)
		}
	})
}
