package harness

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Program returns the path of a program that a test needs. A test without it
// fails: a skipped one would look like a passed one.
func Program(t testing.TB, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs the program %s: install %s", name, from)
	}
	return path
}

// Command is a program to run to its end.
type Command struct {
	Dir  string
	Env  []string // added to this process's own
	Args []string // the program first
}

// Run runs a command that must succeed and returns its standard output.
func Run(t testing.TB, c Command) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	var stdout, both bytes.Buffer
	cmd.Stdout, cmd.Stderr = tee{&stdout, &both}, &both
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", c.Args, err, both.String())
	}
	return stdout.String()
}

type tee [2]*bytes.Buffer

func (w tee) Write(p []byte) (int, error) {
	w[0].Write(p)
	return w[1].Write(p)
}

// Eventually waits until a condition holds, asking often, and fails after a
// time that only a broken program needs.
func Eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not after %s: %s", within, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
