package proxy

import (
	"container/list"
	"sync"

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

// decisions remembers what was decided about exact texts, the most recently
// used ones. The zero value is ready.
type decisions struct {
	mu     sync.Mutex
	byText map[string]*list.Element
	recent list.List // of *remembered, the newest first
	weight int
}

type remembered struct {
	text     string
	decision *policy.Decision
	weight   int
}

// find returns what was decided about a text, nil when that is not known.
func (d *decisions) find(text []byte) *policy.Decision {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.byText[string(text)]
	if e == nil {
		return nil
	}
	d.recent.MoveToFront(e)
	return e.Value.(*remembered).decision
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
		d.byText = map[string]*list.Element{}
	}
	d.byText[text] = d.recent.PushFront(&remembered{text, decision, weight})
	for d.weight += weight; d.weight > maxDecisions; {
		last := d.recent.Back()
		old := d.recent.Remove(last).(*remembered)
		delete(d.byText, old.text)
		d.weight -= old.weight
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
