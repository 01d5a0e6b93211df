package proxy

import (
	"errors"
	"slices"
	"strconv"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// Two rules of a policy enclose statements in a transaction of the proxy's.
// Under write_mode rollback what a client runs outside a transaction of its
// own runs in one that is rolled back. Under max_affected_rows a write is kept
// from being committed until its command tag has said how many rows it
// changed; inside a transaction of the client's a savepoint does that.
//
// What the proxy asks for itself goes in the extended protocol, with names
// that a client cannot know, so that the client's unnamed statement and
// portal stay what they are.

// block says whose transaction the statements of a batch run in.
type block int

const (
	blockUnknown block = iota // the upstream's last answer will say
	blockNone                 // one that ends with the batch
	blockClient
	blockOwn
)

// savepoint is set before a write inside a transaction. Policies refuse the
// name to clients.
const savepoint = "pgbeam_cap"

// errEnding says that the session ends, for a reason that is told elsewhere.
var errEnding = errors.New("session ends")

// encloses reports whether statements may have to be enclosed.
func (e *enforcer) encloses() bool {
	return e.ruling.profile.RollBack || e.ruling.profile.MaxAffectedRows > 0
}

// await waits until cond holds, and reports whether the session goes on. What
// is to be sent is sent first. cond is called with mu held.
func (p *enforcePump) await(cond func() bool) bool {
	if !p.flush() {
		return false
	}
	alive := func() bool { return !p.over && !p.lost && p.session.ending.Load() == nil }
	p.mu.Lock()
	going, met := alive(), cond()
	p.mu.Unlock()
	if !going || met {
		return going
	}
	p.ahead.during(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for going = alive(); going && !cond(); going = alive() {
			p.settled.Wait()
		}
	})
	return going
}

// known waits until everything before the batch that is being sent has been
// answered, and returns the transaction status then, and whether a batch has
// begun.
func (p *enforcePump) known() (status byte, begun bool, err error) {
	if !p.await(p.ledger.done) {
		return 0, false, errEnding
	}
	p.mu.Lock()
	status, begun = p.ledger.status, p.ledger.open() || p.ledger.skipping
	p.mu.Unlock()
	p.catchUp()
	return status, begun, nil
}

// own has the upstream run sql for the proxy itself.
func (p *enforcePump) own(sql string) { p.ownWatched(sql, nil) }

// ownWatched is own, where how sql ends matters.
func (p *enforcePump) ownWatched(sql string, ends *tally) {
	name := append([]byte(p.marker+"own"), 0)
	// Closed first: where the last one failed, it is still there.
	p.ownFrame(reply{kind: wire.Close}, slices.Concat([]byte{'S'}, name))
	p.ownParse(reply{}, p.marker+"own", sql, []byte{0, 0})
	p.ownFrame(reply{kind: wire.Bind}, slices.Concat(name, name, make([]byte, 6)))
	p.ownFrame(reply{kind: wire.Execute, changes: ends}, slices.Concat(name, make([]byte, 4)))
	p.ownFrame(reply{kind: wire.Close}, slices.Concat([]byte{'P'}, name))
}

// ownFrame sends a frame of the proxy's, whose reply is r.
func (p *enforcePump) ownFrame(r reply, body []byte) {
	r.own = true
	p.sending(r)
	p.out = wire.AppendBody(p.out, r.kind, body)
}

// ownParse is ownFrame for a Parse.
func (p *enforcePump) ownParse(r reply, name, sql string, types []byte) {
	r.kind, r.own = wire.Parse, true
	p.sending(r)
	p.out = appendParse(p.out, name, sql, types)
}

// answered waits until a batch that goes on has been answered as far as ends
// tells, and reports whether the session goes on.
func (p *enforcePump) answered(ends *tally) bool {
	p.note(wire.Flush)
	p.out = wire.AppendBody(p.out, wire.Flush, nil)
	return p.await(func() bool { return ends.done })
}

// sync ends a batch of the proxy's.
func (p *enforcePump) sync(r reply) {
	r.kind = wire.Sync
	p.sending(r)
	p.out = wire.AppendBody(p.out, wire.Sync, nil)
}

// enclosed has a text run in a transaction of the proxy's, where one is called
// for.
func (p *enforcePump) enclosed(v verdict) error {
	status, begun, err := p.known()
	if err != nil {
		return err
	}
	if begun {
		p.end(fatal(codeNotSupported, "Send Sync first.", "a simple query inside an extended-query batch is not supported under this policy"))
		return errEnding
	}
	profile := &p.ruling.profile
	var changes *tally
	if profile.MaxAffectedRows > 0 && v.any(counted) {
		changes = &tally{max: profile.MaxAffectedRows}
	}
	switch {
	case status == 'E', status == 'T' && changes == nil,
		status == 'I' && changes == nil && (!profile.RollBack || begins(v.Statements[0].Tag) || !v.any(lasting)):
		p.ask(v, reply{})
		return nil
	}
	start, kept, undone := "BEGIN", "COMMIT", "ROLLBACK"
	if status == 'T' {
		start, kept, undone = "SAVEPOINT "+savepoint, "RELEASE "+savepoint, "ROLLBACK TO "+savepoint
	} else if profile.RollBack {
		kept = undone
	}
	p.own(start)
	p.ask(v, reply{hush: true, changes: changes})
	if changes != nil && !p.await(func() bool { return changes.done }) {
		return errEnding
	}
	switch {
	case changes == nil || !changes.over && !changes.failed:
		p.own(kept)
	case changes.over || status == 'I':
		p.own(undone)
		if status == 'T' {
			p.own("RELEASE " + savepoint)
		}
	}
	p.sync(reply{ends: status == 'I'})
	return nil
}

// counted reports whether the rows that a statement changes count.
func counted(s *policy.Statement) bool {
	if s.Tag == "EXECUTE" { // whatever it runs
		return true
	}
	switch s.Kind {
	case policy.Insert, policy.Update, policy.Delete, policy.Merge:
		return true
	}
	return false
}

// lasting reports whether what a statement does could outlast its transaction.
// Settings and resets do, and are meant to.
func lasting(s *policy.Statement) bool {
	switch s.Kind {
	case policy.Transaction, policy.Set, policy.Show:
		return false
	}
	return !s.Resets
}

func begins(tag string) bool { return tag == "BEGIN" || tag == "START TRANSACTION" }

// openBlock makes sure that it is known whose transaction the batch runs in.
func (p *enforcePump) openBlock() error {
	if p.block != blockUnknown {
		return nil
	}
	status, _, err := p.known()
	p.block = blockClient
	if status == 'I' {
		p.block = blockNone
	}
	return err
}

// part is what matters of a statement to what encloses it.
type part struct {
	control          string // its tag when it controls transactions
	counted, lasting bool
	discards         bool // it is DISCARD ALL
}

func partOf(s *policy.Statement) part {
	p := part{counted: counted(s), lasting: lasting(s), discards: s.Tag == discardAll}
	if s.Kind == policy.Transaction {
		p.control = s.Tag
	}
	return p
}

// executeEnclosed has a portal run that stands for list, whose reply is next.
func (p *enforcePump) executeEnclosed(body []byte, list []*prepared, next reply) error {
	one := part{lasting: true} // a cursor of SQL
	if len(list) > 0 {
		one = list[0].part
	}
	switch {
	case begins(one.control):
		p.block = blockClient
	case one.control == "COMMIT", one.control == "ROLLBACK":
		p.block = blockNone
	case p.ruling.profile.RollBack && p.block == blockNone && one.lasting:
		p.own("BEGIN")
		p.block = blockOwn
	}
	limit := p.ruling.profile.MaxAffectedRows
	if limit == 0 || !one.counted {
		p.runPortal(body, next)
		return nil
	}
	if p.block == blockClient {
		p.own("SAVEPOINT " + savepoint)
	}
	changes := &tally{max: limit}
	next.changes = changes
	p.runPortal(body, next)
	if !p.answered(changes) {
		return errEnding
	}
	switch {
	case changes.over && p.block == blockClient:
		p.own("ROLLBACK TO " + savepoint)
		p.own("RELEASE " + savepoint)
	case changes.over:
		p.own("ROLLBACK")
		p.block = blockNone
	case !changes.failed && p.block == blockClient:
		p.own("RELEASE " + savepoint)
	}
	p.skip = changes.over
	return nil
}

// alike reports whether a portal that may stand for any of list is enclosed in
// the same way whichever it is.
func alike(list []*prepared) bool {
	return !slices.ContainsFunc(list, func(p *prepared) bool { return p.part != list[0].part })
}

// endBatch sends a client's Sync.
func (p *enforcePump) endBatch() {
	own := p.block == blockOwn
	p.block, p.skip = blockUnknown, false
	p.sync(reply{hush: own})
	p.statements.batch++
	p.portals.batch++
	if own {
		p.own("ROLLBACK")
		p.sync(reply{ends: true})
	}
}

// permitted is the session's, and holds the upstream to what the policy asks
// for now.
func (p *enforcePump) permitted() bool {
	if !p.session.permitted() {
		return false
	}
	p.reread()
	if p.exposed() {
		p.end(policyChanged())
		return false
	}
	if p.wanted == p.posture && p.local == p.posture.timeoutMs {
		return true
	}
	return p.repose() == nil
}

// repose tells the upstream what the policy asks for now, in place of what it
// asked for at login. Inside a transaction that has to wait for its end: SET
// would be undone with it. What a transaction wrote before its credential
// became read-only is not to be committed: that session ends. So does one whose
// upstream does not take what it is told, perhaps because of a request to
// cancel that came in between.
func (p *enforcePump) repose() error {
	status, begun, err := p.known()
	if err != nil {
		return err
	}
	want := p.wanted
	timeout := strconv.Itoa(want.timeout(p.ground.timeoutMs))
	told := watch()
	switch {
	case (begun || status != 'I') && want.readOnly && !p.posture.readOnly:
		p.end(policyChanged())
		return errEnding
	case begun, status == 'E', status == 'T' && p.local == want.timeoutMs:
		return nil
	case status == 'T':
		p.ownWatched("SET LOCAL statement_timeout = "+timeout, told)
		p.local = want.timeoutMs
	default:
		p.posture, p.local, p.ground.reposed = want, want.timeoutMs, true
		p.rebind(told)
	}
	p.sync(reply{hush: true})
	if !p.await(func() bool { return told.done && p.ledger.empty() }) {
		return errEnding
	}
	if told.failed {
		p.end(policyChanged())
		return errEnding
	}
	return nil
}

func onOff(yes bool) string {
	if yes {
		return "on"
	}
	return "off"
}
