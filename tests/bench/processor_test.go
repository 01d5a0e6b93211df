package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// processorTime is what a process has used so far, with its children, those
// that have ended and those that run; 0 where /proc does not tell.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name of the program, in brackets, may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const user, last = 11, 14 // utime, stime, cutime, cstime; in hundredths of a second, as proc(5) has it everywhere
	var sum time.Duration
	for _, f := range fields[user : last+1] {
		n, _ := strconv.Atoi(f)
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	for _, child := range children(pid) {
		sum += processorTime(child)
	}
	return sum
}

// children are the processes that a process has started and that run.
func children(pid int) (list []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, f := range strings.Fields(string(text)) {
		n, _ := strconv.Atoi(f)
		list = append(list, n)
	}
	return list
}

// quiet waits until a process has no more than so many children.
func quiet(pid, most int) {
	for end := time.Now().Add(2 * time.Second); len(children(pid)) > most && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

// postmaster is the process that all sessions of a PostgreSQL are children of.
func postmaster(p *harness.Postgres) int {
	text, err := os.ReadFile(filepath.Join(p.Dir, "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(line)
	return pid
}
