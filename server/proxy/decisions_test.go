package proxy

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

func TestDecisionsAreRememberedByTheirExactText(t *testing.T) {
	var d decisions
	one, other := &policy.Decision{Reason: "one"}, &policy.Decision{Reason: "other"}
	d.keep("SELECT 1", one)
	d.keep("SELECT  1", other)
	d.keep("SELECT 1", other) // the first decision stands
	for text, want := range map[string]*policy.Decision{"SELECT 1": one, "SELECT  1": other, "select 1": nil, "SELECT 1;": nil} {
		if got := d.find([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// Whatever is asked for stays while other texts pass by, in no more memory
// than is given.
func TestDecisionsAreForgottenUnlessAskedFor(t *testing.T) {
	var d decisions
	decision := &policy.Decision{}
	d.keep("SELECT ever", decision)
	filler := strings.Repeat("-", 1000)
	const passing = 4 * maxDecisions / (perDecision + 2*1000)
	for i := range passing {
		d.keep(fmt.Sprintf("SELECT %d %s", i, filler), decision)
		if i%100 == 0 && d.find([]byte("SELECT ever")) == nil {
			t.Fatalf("forgotten after %d others, though asked for all the time", i)
		}
		if d.weight > maxDecisions {
			t.Fatalf("%d bytes are remembered, of %d", d.weight, maxDecisions)
		}
	}
	if d.find(fmt.Appendf(nil, "SELECT 0 %s", filler)) != nil {
		t.Error("what nobody asked for is still there")
	}
	if d.find(fmt.Appendf(nil, "SELECT %d %s", passing-1, filler)) == nil {
		t.Error("the newest is not there")
	}
	if got := len(d.byText); got != d.line.Len() || got > maxDecisions/perDecision {
		t.Errorf("%d texts, %d in line", got, d.line.Len())
	}
	d.keep(strings.Repeat("x", maxRemembered+1), decision)
	if d.find([]byte(strings.Repeat("x", maxRemembered+1))) != nil {
		t.Error("a load of data is remembered")
	}
}

func TestSessionsAskAtOnce(t *testing.T) {
	compiled, err := policy.Compile(policy.Profile{ReadOnly: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{Engine: compiled}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 300 {
				n := i % 7
				read, write := fmt.Appendf(nil, "SELECT %d", n), fmt.Appendf(nil, "DELETE FROM t WHERE a = %d", n)
				if d := e.decide(read); d.Verdict != policy.Allow || d.SQL != string(read) {
					t.Errorf("%s: %s", read, d.Reason)
				}
				if d := e.decide(write); d.Verdict != policy.Block {
					t.Errorf("%s: permitted", write)
				}
			}
		})
	}
	group.Wait()
}
