package proxy

import (
	"maps"
	"slices"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// prepared is a text that was permitted and is kept upstream, as a prepared
// statement, a portal or a cursor, to run later: perhaps under another policy.
type prepared struct {
	text    string // as the client sent it
	types   string // of its parameters, as the client's Parse declared them with their count; empty for what SQL prepared
	sent    string // what went upstream
	engine  *engine
	alters  bool
	fetches bool // it runs a cursor
	opens   bool // it declares one
	charged bool // running it counts against a budget
	unbinds bool
	capped  bool // its rows count
	part    part
	frees   *string         // the statement that it deallocates, "" for all
	masked  []int           // its rows' masked columns, in their order
	checks  []*policy.Check // one, where what it writes is checked; else nil
	notices []byte
}

func (v verdict) prepared(text string, under *engine) *prepared {
	p := &prepared{text: text, sent: v.sql, engine: under, alters: v.alters(), fetches: v.tagged("FETCH", "MOVE"), opens: v.tagged("DECLARE CURSOR"), notices: v.notices()}
	if len(v.Statements) == 1 {
		s := &v.Statements[0]
		p.masked, p.checks, p.capped, p.part, p.charged, p.unbinds = slices.Sorted(maps.Keys(s.Outputs)), v.checks(), givesRows(s), partOf(s), chargeable(s), s.Unbinds
		if deallocates(s) {
			p.frees = &s.Name
		}
	}
	return p
}

// weight is what it takes, as long as it is kept.
func (p *prepared) weight() int { return len(p.text) + len(p.types) }

// maxPrepared bounds the bytes of text that one session keeps.
const maxPrepared = 16 << 20

// names says what a name may stand for upstream. Whether a Parse, Bind or
// Close took effect is known when the answers are in, and then only if no
// error came in between: until then, and for good after an error, a name
// stands for everything that it may. Not so up to the next Sync: what the
// upstream does until then it does only if there was no error.
type names struct {
	batch   int // Syncs that were sent
	byName  map[string]*slot
	unnamed slot // that of "", which is not in byName: most drivers use no other
	touched []*slot
	weight  int
}

type slot struct {
	name    string
	known   bool // it may stand for something
	may     []*prepared
	last    []*prepared // what the last message made of it; nil after Close
	touched bool
	batch   int     // of last
	nulls   []int   // of a portal: columns of its rows that become NULL
	rows    *rowCap // of a portal
	charged bool    // a portal that has run
}

// maxPortals bounds the portals that one session has open.
const maxPortals = 10_000

// maxName is how much of a name PostgreSQL goes by: longer ones that begin
// alike are the same name.
const maxName = 63

func nameKey(name string) string {
	if len(name) > maxName {
		name = strings.Clone(name[:maxName]) // and not the megabyte that it is cut from
	}
	return name
}

// set notes that a name is made to stand for what p says, which is not changed
// after.
func (n *names) set(name string, p ...*prepared) *slot {
	s, p := n.touch(name), slices.Clip(p)
	s.last, s.nulls, s.rows, s.charged = p, nil, nil, false
	before := len(s.may)
	if before == 0 {
		s.may = p
	}
	for _, one := range p {
		if before > 0 {
			if slices.Contains(s.may, one) {
				continue
			}
			s.may = append(s.may, one)
		}
		n.weight += one.weight()
	}
	return s
}

// becomes notes what a name stands for, once the upstream has answered that.
func (n *names) becomes(name string, p *prepared) {
	s := n.touch(name)
	for _, before := range s.may {
		n.weight -= before.weight()
	}
	s.may, s.last = []*prepared{p}, []*prepared{p}
	n.weight += p.weight()
}

// drop notes that a name is to stand for nothing.
func (n *names) drop(name string) {
	if n.at([]byte(name)) != nil {
		n.touch(name).last = nil
	}
}

// at is what is known of a name, nil when nothing is.
func (n *names) at(name []byte) *slot {
	if len(name) == 0 {
		if n.unnamed.known {
			return &n.unnamed
		}
		return nil
	}
	return n.byName[string(name[:min(len(name), maxName)])]
}

// all are those names that may stand for something.
func (n *names) all(yield func(*slot) bool) {
	if n.unnamed.known && !yield(&n.unnamed) {
		return
	}
	for _, s := range n.byName {
		if !yield(s) {
			return
		}
	}
}

func (n *names) touch(name string) *slot {
	s := n.at([]byte(name))
	if s == nil {
		s = &n.unnamed
		if name != "" {
			if n.byName == nil {
				n.byName = map[string]*slot{}
			}
			s = &slot{name: nameKey(name)}
			n.byName[s.name] = s
		}
		s.known = true
		n.weight += s.weight()
	}
	s.batch = n.batch
	if !s.touched {
		s.touched = true
		n.touched = append(n.touched, s)
	}
	return s
}

// weight is what a name takes, whatever it stands for.
func (s *slot) weight() int { return len(s.name) + 256 }

// settle is called when everything was answered. clean tells that no error
// was among the answers: the last message about each name took effect.
func (n *names) settle(clean bool) {
	for _, s := range n.touched {
		s.touched = false
		if !clean {
			continue
		}
		for _, p := range s.may {
			n.weight -= p.weight()
		}
		if s.last == nil {
			n.weight -= s.weight()
			delete(n.byName, s.name)
			*s = slot{}
			continue
		}
		s.may = s.last
		for _, p := range s.may {
			n.weight += p.weight()
		}
	}
	n.touched = n.touched[:0]
}

// clear forgets all names, and keeps the room that they took.
func (n *names) clear() {
	clear(n.byName)
	n.unnamed = slot{}
	n.touched, n.weight = n.touched[:0], 0
}

// may is what a name may stand for.
func (n *names) may(name []byte) []*prepared { return n.means(n.at(name)) }

// means is what the name of a slot may stand for. s may be nil.
func (n *names) means(s *slot) []*prepared {
	switch {
	case s == nil:
		return nil
	case s.touched && s.batch == n.batch:
		return s.last
	}
	return s.may
}

// catchUp brings the names up to date with what the upstream has answered.
func (e *enforcer) catchUp() {
	e.of.mu.Lock()
	skipping := e.of.ledger.skipping
	empty, idle, errors := e.of.ledger.empty() && !skipping, e.of.ledger.idle(), e.failures
	e.of.mu.Unlock()
	if !skipping && len(e.statements.touched) == 0 && len(e.portals.touched) == 0 {
		e.errors = errors // none of them hit anything that is waited for, or that comes next
	}
	if !empty {
		return
	}
	clean := errors == e.errors
	e.errors = errors
	e.statements.settle(clean)
	e.portals.settle(clean)
	if idle { // portals end with their transaction, cursors unless held
		e.portals.clear()
		e.cursors = slices.DeleteFunc(e.cursors, func(p *prepared) bool { return !strings.Contains(strings.ToLower(p.text), "hold") })
		if len(e.cursors) == 0 {
			e.fetched = nil
		}
	}
}

// maxCursors is how many declarations are kept to be decided again.
const maxCursors = 256

// declared notes a cursor of SQL, or says that there are too many.
func (e *enforcer) declared(p *prepared) *wire.Report {
	for _, have := range e.cursors {
		if have.text == p.text && have.sent == p.sent {
			return nil
		}
	}
	if len(e.cursors) == maxCursors {
		return &wire.Report{
			Severity: wire.SeverityError, Code: codeTooComplex, Message: "too many cursors declared in this transaction",
			Hint: "End the transaction, or declare fewer than 256 different cursors in it.",
		}
	}
	e.cursors = append(e.cursors, p)
	return nil
}

// still says whether what was permitted once may run now, nil when it may.
func (e *enforcer) still(list []*prepared) *wire.Report {
	for _, p := range list {
		now, refused := e.current(false)
		if refused != nil {
			return refused
		}
		if p.engine == now {
			continue
		}
		v := e.decide([]byte(p.text))
		if v.refused != nil {
			return v.refused
		}
		if v.sql != p.sent {
			return changedSince
		}
		p.engine = e.engine
	}
	return nil
}

// changedSince refuses what is another statement than the one that was
// prepared. Most drivers know this error, and prepare again by themselves.
var changedSince = &wire.Report{
	Severity: wire.SeverityError, Code: codeNotSupported, Message: "cached plan must not change result type",
	Detail: "The policy of this login changed since the statement was prepared.", Hint: "Prepare it again.",
}

// stillAll is still for everything that FETCH and MOVE can run.
func (e *enforcer) stillAll() *wire.Report {
	if refused := e.still(e.cursors); refused != nil {
		return refused
	}
	for s := range e.portals.all {
		if refused := e.still(s.may); refused != nil {
			return refused
		}
	}
	return nil
}

// stillNamed is still for a list that a statement's name may stand for. A name
// that is not known here may be known upstream by another spelling, and stand
// for any of them.
func (e *enforcer) stillNamed(list []*prepared) *wire.Report {
	if len(list) > 0 {
		return e.still(list)
	}
	for s := range e.statements.all {
		if refused := e.still(s.may); refused != nil {
			return refused
		}
	}
	return nil
}

// maskedOf are the masked columns of the rows that any of a list gives.
func (e *enforcer) maskedOf(list []*prepared) []int {
	if len(list) == 1 && !list[0].fetches {
		return list[0].masked
	}
	var all []int
	for _, p := range list {
		all = append(all, p.masked...)
		if p.fetches { // which cursor it reads is not told: it may be any
			for _, c := range e.cursors {
				all = append(all, c.masked...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
