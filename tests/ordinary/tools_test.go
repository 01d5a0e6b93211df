package ordinary

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
	"github.com/pgbeam/pulumi-pgbeam/tests/toolchain"
)

// installed returns a folder with a copy of testdata/NAME in which install has
// run. It is kept on this machine for as long as the files, and what else is
// in key, are the same. An install that was cut short is done again; two at
// the same time are one.
func installed(t *testing.T, name string, key []string, install func(dir string)) string {
	t.Helper()
	cache, err := toolchain.Cache()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join("testdata", name)
	files, err := os.ReadDir(source)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q", key)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(source, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n%s", f.Name(), len(text), text)
	}
	dir := filepath.Join(cache, "ordinary-"+name+"-"+hex.EncodeToString(h.Sum(nil))[:16])
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	done := filepath.Join(dir, ".installed")
	if _, err := os.Stat(done); err == nil {
		return dir
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	install(dir)
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tool runs a program at a target and returns what it prints.
func tool(t *testing.T, at target, dir string, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "PGBEAM_TEST_URL="+at.url), env...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s at %s: %v\n%s%s", filepath.Base(args[0]), at.name, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

func nodePackages(t *testing.T) (dir, node string) {
	t.Helper()
	node = harness.Program(t, "node", "Node.js 20 or newer")
	version := harness.Run(t, harness.Command{Args: []string{node, "--version"}})
	return installed(t, "node", []string{version}, func(dir string) {
		harness.Run(t, harness.Command{Dir: dir, Args: []string{harness.Program(t, "npm", "Node.js"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"}})
	}), node
}
