package proxy

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

const (
	// maxDecisions bounds the bytes of texts and decisions that one engine
	// remembers.
	maxDecisions = 8 << 20
	// maxRemembered is the longest text that is: longer ones are loads of
	// data, sent once.
	maxRemembered = 64 << 10
	// perDecision is what a remembered decision weighs besides its texts.
	perDecision = 1 << 10
)

// decisions remembers what was decided about exact texts, and forgets first
// what was not asked for lately. Those who ask do not wait for one another.
// The zero value is ready.
type decisions struct {
	mu     sync.RWMutex
	byText map[string]*remembered
	line   list.List // of *remembered: the back is the next to be forgotten, if not asked for
	weight int
}

type remembered struct {
	text     string
	decision *policy.Decision
	weight   int
	asked    atomic.Bool // for it, since it entered the line
}

// find returns what was decided about a text, nil when that is not known.
func (d *decisions) find(text []byte) *policy.Decision {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r := d.byText[string(text)]
	if r == nil {
		return nil
	}
	if !r.asked.Load() { // writing it anew each time would slow others down
		r.asked.Store(true)
	}
	return r.decision
}

// keep remembers a decision.
func (d *decisions) keep(text string, decision *policy.Decision) {
	if len(text) > maxRemembered {
		return
	}
	weight := perDecision + 2*len(text) + len(decision.SQL) + len(decision.Reason)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byText[text] != nil {
		return
	}
	if d.byText == nil {
		d.byText = map[string]*remembered{}
	}
	for d.weight+weight > maxDecisions && d.line.Len() > 0 {
		d.forget()
	}
	r := &remembered{text: text, decision: decision, weight: weight}
	d.byText[text] = r
	d.line.PushFront(r)
	d.weight += weight
}

// forget makes room: the first in line goes, except that who was asked for
// goes to its end once more.
func (d *decisions) forget() {
	for {
		last := d.line.Back()
		r := last.Value.(*remembered)
		if r.asked.Swap(false) {
			d.line.MoveToFront(last)
			continue
		}
		d.line.Remove(last)
		delete(d.byText, r.text)
		d.weight -= r.weight
		return
	}
}

// decide looks a text up, or evaluates it.
func (e *engine) decide(text []byte) *policy.Decision {
	if d := e.decisions.find(text); d != nil {
		return d
	}
	sql := string(text)
	d := e.Evaluate(sql)
	e.decisions.keep(sql, d)
	return d
}
