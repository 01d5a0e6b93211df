package bench

import (
	"bytes"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// clients is how many sessions pgbench keeps busy at once.
const clients = 8

// lane is a way to the database.
type lane struct {
	name, url string
	beside    string // the lane that it is compared with, "" for none
}

// mix is what pgbench sends.
type mix struct {
	name string
	args []string
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \(without initial connection time\)$`)

// pgbench runs m through a lane for some seconds and returns how many
// transactions a second there were. A single failed statement ends it.
func pgbench(b *testing.B, at lane, m mix, seconds string) float64 {
	b.Helper()
	args := append([]string{"--no-vacuum", "--client", strconv.Itoa(clients), "--jobs", "2", "--time", seconds}, m.args...)
	cmd := exec.CommandContext(b.Context(), harness.Program(b, "pgbench", "PostgreSQL's contributed programs"), append(args, at.url)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	found := tps.FindSubmatch(stdout.Bytes())
	if err != nil || found == nil {
		b.Fatalf("pgbench, %s, %s: %v\n%s%s", at.name, m.name, err, stdout.String(), stderr.String())
	}
	rate, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

// middle is the median.
func middle(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}
