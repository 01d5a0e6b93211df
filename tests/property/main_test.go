// Package property sets random policies, runs random statements through the
// real proxy, and compares every answer with the answer of a database that
// holds nothing but what the policy leaves: the same tables with the hidden
// rows taken out and the masked columns overwritten by hand.
//
// What is compared: the rows, their order where ORDER BY decides it, names and
// types of columns, whether a statement fails and as what, counts and RETURNING
// of writes. Every byte that the proxy sends is searched for the values that
// the policy hides. The generator knows of each statement whether the policy
// permits it: one that is refused without need fails the test just as one that
// is let through without right.
//
// A run is made of policies with a number of statements each, and is decided by
// its seed. The default is what CI runs, always with the same seed. The nightly
// form takes a new seed, which it prints:
//
//	cd tests/property && go test -count=1 -timeout 60m -policies 600 -statements 36 -seed 0
//
// A failure prints the policy, the smallest statement that still fails, and the
// flags that bring it back.
package property

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

var (
	policies   = flag.Int("policies", 40, "how many policies to try")
	statements = flag.Int("statements", 32, "how many statements to run under each")
	seed       = flag.Uint64("seed", 1, "what decides policies and statements; 0 takes a new one")
	only       = flag.Int("only", -1, "try this policy of the run alone")
)

var the *world // of all tests

func TestMain(m *testing.M) { harness.Main(func() (int, error) { return run(m) }) }

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	if flag.Parse(); *seed == 0 { // before views are drawn with it
		*seed = uint64(time.Now().UnixNano())>>10 | 1
	}
	var err error
	if the, err = newWorld(ctx); err != nil {
		return 0, err
	}
	defer the.close()
	return m.Run(), nil
}
