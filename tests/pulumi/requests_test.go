package pulumi

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// Each operation on a resource costs at most one request; a list that several
// resources are found in is read once for all of them.
func TestRequestsOfEachOperation(t *testing.T) {
	beam := harness.StartBeam(t, harness.BeamOptions{})
	gate := harness.NewGate(t, beam.URL)
	program := everything(beam.Org)
	for i := range 4 {
		for _, kind := range []string{"Replica", "CustomDomain", "CacheRule", "SelfHostEnrollment", "PolicyProfile"} {
			name := kind + string(rune('a'+i))
			program[name] = resource(kind, inputs(kind, "more-"+name, 100+i*10+len(kind), beam.Org))
		}
	}
	stack := newStack(t, program, append(beam.Env(), "PGBEAM_API_URL="+gate.URL)...)
	// Of these five, four are found in lists and not by themselves.
	lists := map[string]bool{"/replicas": true, "/domains": true, "/cache-rules": true, "/self-host-enrollments": true}
	for _, o := range []struct {
		name string
		args []string
		most int
	}{
		{"preview of a new stack", []string{"preview"}, 0},
		// A cache rule and the spend limit are written without a call that creates:
		// a look at what is there keeps them from overwriting it.
		{"up", []string{"up", "--yes", "--skip-preview"}, len(program) + 1 + 5},
		{"up without change", []string{"up", "--yes", "--skip-preview"}, 0},
		{"preview", []string{"preview"}, 0},
		// One more for the project, which is two objects of the API; sixteen less
		// for those that stand in a list with another.
		{"refresh", []string{"refresh", "--yes", "--skip-preview"}, len(program) + 1 - 16},
		{"destroy", []string{"destroy", "--yes", "--skip-preview"}, len(program)},
	} {
		gate.On(nil, nil)
		stack.Must(o.args...)
		got := gate.Requests()
		if len(got) > o.most {
			slices.Sort(got)
			t.Errorf("%s of %d resources makes %d requests, want at most %d:\n%s", o.name, len(program), len(got), o.most, strings.Join(got, "\n"))
		}
		if o.name == "refresh" {
			for path := range lists {
				n := 0
				for _, r := range got {
					if strings.HasSuffix(r, path) {
						n++
					}
				}
				if n != 1 {
					t.Errorf("a refresh reads %s %d times", path, n)
				}
			}
		}
	}
	beam.Empty(t)
}
