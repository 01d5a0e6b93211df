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

// decisions remembers what was decided about exact texts, and about texts of
// one shape. It forgets first what was not asked for lately. Those who ask do
// not wait for one another. The zero value is ready.
type decisions struct {
	mu     sync.RWMutex
	byText map[string]*remembered
	line   list.List // of *remembered: the back is the next to be forgotten, if not asked for
	weight int
}

// remembered is about a text, or about a shape: then text is shapeMark and the
// shape. But for asked it does not change.
type remembered struct {
	text     string
	decision *policy.Decision
	template *policy.Template // of a shape; nil when its texts are decided about one by one
	tried    bool             // whether there may be a template
	weight   int
	asked    atomic.Bool // for it, since it entered the line
	place    *list.Element
}

// shapeMark sets shapes apart from texts: those hold no zero byte.
const shapeMark = 0

// find returns what is remembered, nil when nothing is.
func (d *decisions) find(text []byte) *remembered {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r := d.byText[string(text)]
	if r != nil && !r.asked.Load() { // writing it anew each time would slow others down
		r.asked.Store(true)
	}
	return r
}

// keep remembers a decision.
func (d *decisions) keep(text string, decision *policy.Decision) {
	d.put(&remembered{
		text: text, decision: decision, weight: perDecision + 2*len(text) + len(decision.SQL) + len(decision.Reason),
	})
}

// keepShape remembers that a text of a shape came, and if it was tried, the
// template that was found.
func (d *decisions) keepShape(shape []byte, template *policy.Template, tried bool) {
	r := &remembered{text: string(shape), template: template, tried: tried, weight: 256 + 2*len(shape)}
	if template != nil {
		r.weight += perDecision + 2*len(shape)
	}
	d.put(r)
}

func (d *decisions) put(r *remembered) {
	if len(r.text) > maxRemembered {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.byText[r.text]; old != nil {
		if !r.tried {
			return // the first stands
		}
		d.drop(old)
	}
	if d.byText == nil {
		d.byText = map[string]*remembered{}
	}
	for d.weight+r.weight > maxDecisions && d.line.Len() > 0 {
		d.forget()
	}
	d.byText[r.text] = r
	r.place = d.line.PushFront(r)
	d.weight += r.weight
}

// forget makes room: the first in line goes, except that who was asked for
// goes to its end once more.
func (d *decisions) forget() {
	for {
		r := d.line.Back().Value.(*remembered)
		if !r.asked.Swap(false) {
			d.drop(r)
			return
		}
		d.line.MoveToFront(r.place)
	}
}

func (d *decisions) drop(r *remembered) {
	d.line.Remove(r.place)
	delete(d.byText, r.text)
	d.weight -= r.weight
}

// decide looks a text up, or one that differs in nothing but values, or
// evaluates it.
func (e *engine) decide(text []byte) *policy.Decision {
	if r := e.decisions.find(text); r != nil {
		return r.decision
	}
	sql := string(text)
	var room [1 << 10]byte
	shape, open := policy.AppendShape(append(room[:0], shapeMark), text)
	var like *remembered
	if open {
		like = e.decisions.find(shape)
		if like != nil && like.template != nil {
			if d := like.template.Decide(sql); d != nil {
				return d
			}
		}
	}
	d := e.Evaluate(sql)
	switch {
	case open && like == nil:
		e.decisions.keepShape(shape, nil, false)
	case open && !like.tried:
		// The second of its shape: there will be more.
		e.decisions.keepShape(shape, e.Template(sql, d), true)
	}
	e.decisions.keep(sql, d)
	return d
}
