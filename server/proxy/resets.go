package proxy

import (
	"math"
	"slices"
	"strconv"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// Pools have a connection reset itself before somebody else gets it. To
// PostgreSQL a reset is a return to the startup packet: what the proxy put there
// holds again by itself. What it SET after that does not, and is SET again
// right behind the reset.
//
// RESET ALL and its kin work inside transactions, and so does SET: in one
// transaction the two last together or are undone together. Between them
// nothing runs, because the proxy puts them there side by side: in the text of
// a Query, or behind the Execute of a batch.
//
// DISCARD ALL runs in no transaction. Nothing of the client's goes upstream
// behind it until the settings hold again; where they do not, for whatever
// reason, the session ends.

// bonds are the statements that bind an upstream session to its policy, beyond
// what came with the startup packet.
func (g *ground) bonds(timeoutMs int, readOnly bool) []string {
	list := []string{"SET search_path = " + g.pathSQL, "SET statement_timeout = " + strconv.Itoa(timeoutMs)}
	if readOnly || g.reposed {
		list = append(list, "SET default_transaction_read_only = "+onOff(readOnly))
	}
	return list
}

// rebinding are the statements that bind the session again as the upstream was
// told last. The newest timeout holds at once. A role that ALTER ROLE … SET
// role gave is lost with the session authorization in older PostgreSQLs.
func (p *enforcePump) rebinding() []string {
	return append(p.ground.bonds(p.wanted.timeout(p.ground.timeoutMs), p.posture.readOnly), "RESET ROLE")
}

// rebind has the upstream bind the session again.
func (p *enforcePump) rebind(last *tally) {
	list := p.rebinding()
	for i, sql := range list {
		if i == len(list)-1 {
			p.ownWatched(sql, last)
		} else {
			p.own(sql)
		}
	}
}

// watch is a tally that counts nothing: it tells how a statement ended.
func watch() *tally { return &tally{max: math.MaxInt} }

// rebound is a text in which each statement that unbinds the session is
// followed by those that bind it again. quiet tells which ones those are.
func (p *enforcePump) rebound(v verdict) (sql string, quiet []bool) {
	rebinding := p.rebinding()
	texts := make([]string, 0, len(v.Statements)+len(rebinding))
	for i := range v.Statements {
		texts, quiet = append(texts, v.Statements[i].SQL), append(quiet, false)
		if v.Statements[i].Unbinds {
			texts = append(texts, rebinding...)
			quiet = append(quiet, slices.Repeat([]bool{true}, len(rebinding))...)
		}
	}
	return policy.Text(texts), quiet
}

func unbinds(s *policy.Statement) bool { return s.Unbinds }

const discardAll = "DISCARD ALL"

// discardAll runs a DISCARD ALL that came in a Query.
func (p *enforcePump) discardAll(v verdict) error {
	status, begun, err := p.known()
	switch {
	case err != nil:
		return err
	case begun:
		p.end(fatal(codeNotSupported, "Send Sync first.", "DISCARD ALL inside an extended-query batch is not supported under a policy"))
		return errEnding
	case status != 'I': // PostgreSQL refuses
		p.ask(v, reply{})
		return nil
	}
	discarded, bound := watch(), watch()
	p.ask(v, reply{hush: true, changes: discarded})
	p.rebind(bound)
	p.sync(reply{})
	return p.rebindingDone(discarded, bound)
}

// executeDiscardAll runs a DISCARD ALL by its portal, whose reply is next. It
// commits by itself, so that the Sync behind it takes nothing away; where it
// fails, the rest of the client's batch is skipped, as the upstream would.
func (p *enforcePump) executeDiscardAll(body []byte, next reply) error {
	discarded, bound := watch(), watch()
	next.changes = discarded
	p.runPortal(body, next)
	p.rebind(bound)
	p.sync(reply{hush: true})
	if err := p.rebindingDone(discarded, bound); err != nil {
		return err
	}
	p.skip = discarded.failed
	return nil
}

// rebindingDone waits until a DISCARD ALL and what binds the session again have
// been answered.
func (p *enforcePump) rebindingDone(discarded, bound *tally) error {
	switch {
	case !p.await(func() bool { return discarded.done && bound.done && p.ledger.empty() }):
		return errEnding
	case discarded.failed: // and undid itself
		return nil
	case bound.failed:
		p.end(fatal(codeShutdown, "Connect again.", "terminating connection because the policy could not be applied again after DISCARD ALL"))
		return errEnding
	}
	p.statements.clear()
	p.portals.clear()
	p.cursors, p.fetched = nil, nil
	return nil
}

// forget drops the prepared statement that DEALLOCATE names, or all of them.
func (n *names) forget(name string) {
	if name != "" {
		n.drop(name)
		return
	}
	for s := range n.all {
		n.touch(s.name).last = nil
	}
}

// deallocated notes what a text deallocates. The text is a batch by itself: if
// it fails, what comes behind it still runs.
func (p *enforcePump) deallocated(v verdict) {
	for i := range v.Statements {
		if s := &v.Statements[i]; deallocates(s) {
			p.statements.forget(s.Name)
			p.statements.batch++
		}
	}
}

func deallocates(s *policy.Statement) bool { return s.Tag == "DEALLOCATE" || s.Tag == "DEALLOCATE ALL" }
