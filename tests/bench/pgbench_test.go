package bench

import (
	"bytes"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// clients is how many sessions pgbench keeps busy at once.
const clients = 8

// lane is a way to the database.
type lane struct {
	name, url string
	beside    string // the lane that it is compared with, "" for none
	pid       int    // of what stands before the database, 0 for nothing
}

// mix is what pgbench sends.
type mix struct {
	name string
	args []string
}

// run is what came of one run of pgbench.
type run struct {
	rate float64       // transactions a second
	each time.Duration // processor time for one: pgbench's, PostgreSQL's and that of what stands between
}

// pgbench runs m through a lane for some seconds. A single failed statement
// ends it. database is PostgreSQL's first process.
func pgbench(b *testing.B, at lane, m mix, seconds string, database int) run {
	b.Helper()
	args := append([]string{"--no-vacuum", "--client", strconv.Itoa(clients), "--jobs", "2", "--time", seconds}, m.args...)
	cmd := exec.CommandContext(b.Context(), harness.Program(b, "pgbench", "PostgreSQL's contributed programs"), append(args, at.url)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	sessions := len(children(database))
	before := processorTime(database) + processorTime(at.pid)
	err := cmd.Run()
	quiet(database, sessions) // what a lane leaves behind is not for the next one to bear
	used := processorTime(database) + processorTime(at.pid) - before
	rate, count := number(tps, stdout.Bytes()), number(transactions, stdout.Bytes())
	if err != nil || rate == 0 || count == 0 {
		b.Fatalf("pgbench, %s, %s: %v\n%s%s", at.name, m.name, err, stdout.String(), stderr.String())
	}
	used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return run{rate, time.Duration(float64(used) / count)}
}

var (
	tps          = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \(without initial connection time\)$`)
	transactions = regexp.MustCompile(`(?m)^number of transactions actually processed: ([0-9]+)`)
)

func number(line *regexp.Regexp, in []byte) float64 {
	found := line.FindSubmatch(in)
	if found == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(string(found[1]), 64)
	return n
}

// middle is the median.
func middle(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}
