package proxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/pgbeam/pulumi-pgbeam/server/catalog"
	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// enforcer holds one session to its policy. toUpstream is its only user,
// except where said.
type enforcer struct {
	of       *session
	schema   *catalog.Handle
	ground   ground
	pathText string // of its path
	subject  string // of budgets
	local    int    // the policy's timeout that holds now, perhaps only to the end of a transaction

	asked   *view // the view that ruling is of
	ruling  *ruling
	engine  *engine
	catalog *policy.Catalog // of engine

	statements, portals names
	cursors             []*prepared // that SQL declared
	fetched             *rowCap     // of them all
	standing            standing
	errors              int // failures when everything was answered last

	marker  string // starts the texts that stand upstream for refused ones
	counter uint64

	// refusals wait for the errors that stand for them, in their order; failures
	// counts all errors of the upstream. of.mu guards these.
	refusals []standIn
	failures int
	replies  replies
	shield   shield

	// altered tells that DDL went upstream whose end has not come yet. Both
	// pumps use it.
	altered atomic.Bool
}

// newEnforcer holds s, whose schemas are path, to the policy of its login.
// user is the upstream's.
func newEnforcer(s *session, db *store.Database, user string, g ground) *enforcer {
	var nonce [8]byte
	rand.Read(nonce[:])
	e := &enforcer{
		of: s, ground: g, pathText: strings.Join(g.path, "\x00"),
		subject: subjectOf(s, db, user), local: s.posture.timeoutMs,
		marker: "pgbeam_refused_" + hex.EncodeToString(nonce[:]) + "_",
	}
	e.schema = s.srv.catalogs.Handle(catalog.KeyOf(s.proj.id, db), e.dial)
	return e
}

// standIn is a refusal by the number behind the marker.
type standIn struct {
	number uint64
	why    *wire.Report
}

// verdict is what becomes of a text.
type verdict struct {
	refused *wire.Report    // why it does not run
	sql     string          // what runs instead of it, when it does
	runs    []*policy.Check // of what an EXECUTE runs
	*policy.Decision
}

// reread takes the ruling from the view that the session saw last. A session
// that goes on has one.
func (e *enforcer) reread() {
	if e.asked != e.of.seen {
		e.asked, e.ruling, e.engine = e.of.seen, e.of.seen.ruling(e.of.id), nil
	}
}

// current returns the engine in force.
func (e *enforcer) current(look bool) (*engine, *wire.Report) {
	var schema *policy.Catalog
	if e.ruling.schema || look {
		var err error
		if look {
			schema, err = e.schema.Look(e.of.ctx)
		} else {
			schema, err = e.schema.Get(e.of.ctx)
		}
		if err != nil {
			e.of.srv.log.Warn("read catalog failed, statements are refused", "project", e.of.proj.id, "database", e.of.id.databaseID, "error", err)
			return nil, blockedFor("the schema of the database cannot be read, and this policy has rules about tables or kinds of statement",
				"Try again in a moment; the operator finds the reason in the log of PgBeam.")
		}
	}
	if e.engine != nil && schema == e.catalog {
		return e.engine, nil
	}
	made, err := e.of.proj.engines.get(e.ruling, schema, e.ground.path, e.pathText)
	if err != nil {
		return nil, blockedFor(fmt.Sprintf("the policy cannot be applied: %s", err), "Ask your operator to correct the policy.")
	}
	e.engine, e.catalog = made, schema
	e.of.mu.Lock()
	e.shield = made.shield
	e.of.mu.Unlock()
	return made, nil
}

// decide says what becomes of a text under what is in force now.
func (e *enforcer) decide(text []byte) verdict {
	now, refused := e.current(false)
	if refused != nil {
		return verdict{refused: refused}
	}
	d := now.decide(text)
	if d.Unresolved {
		fresh, refused := e.current(true)
		if refused != nil {
			return verdict{refused: refused}
		}
		if fresh != now {
			d = fresh.decide(text)
		}
	}
	switch {
	case d.Rule == "empty":
		// Nothing runs. Drivers ask for it to see whether the server answers.
		return verdict{Decision: d}
	case d.Verdict == policy.Block:
		return verdict{Decision: d, refused: reportOf(d)}
	}
	return verdict{Decision: d, sql: d.SQL}
}

// reportOf is what a client is told of a refusal. A mistake that PostgreSQL
// itself would refuse is told in its words: tools look for them.
func reportOf(d *policy.Decision) *wire.Report {
	r := &wire.Report{Severity: wire.SeverityError, Code: codePrivilege, Message: d.Reason, Hint: d.Hint}
	switch {
	case d.Syntax != nil:
		r.Code, r.Message, r.Hint, r.Position = codeSyntax, d.Syntax.Message, d.Syntax.Hint, d.Syntax.Position
	case d.Undefined != "":
		r.Code = d.Undefined
	}
	return r
}

// dial connects for the catalog, with the database's own credentials.
func (e *enforcer) dial(ctx context.Context) (net.Conn, error) {
	v := e.of.seen
	for i := range v.databases {
		if db := &v.databases[i]; db.ID == e.of.id.databaseID {
			t := e.of.srv.target(db, startup{params: map[string]string{"application_name": "pgbeam catalog", "client_encoding": "UTF8"}}, db.Username, db.Password)
			return e.of.srv.dialer.Dial(ctx, e.of.proj.id, t)
		}
	}
	return nil, fmt.Errorf("database removed from the project")
}

// blockedFor is a refusal that no rule of the policy named.
func blockedFor(reason, hint string) *wire.Report {
	return &wire.Report{Severity: wire.SeverityError, Code: codePrivilege, Message: "blocked by PgBeam policy: " + reason, Hint: hint}
}

// alters reports whether statements change what a catalog says.
func (v verdict) alters() bool {
	for i := range v.Statements {
		if k := v.Statements[i].Kind; k == policy.DDL || k == policy.Other && v.Statements[i].Writes {
			return true
		}
	}
	return false
}

// any reports whether one of the statements is such a one.
func (v verdict) any(is func(*policy.Statement) bool) bool {
	for i := range v.Statements {
		if is(&v.Statements[i]) {
			return true
		}
	}
	return false
}

// tagged reports whether one of the statements is of one of these commands.
func (v verdict) tagged(tags ...string) bool {
	for i := range v.Statements {
		for _, t := range tags {
			if v.Statements[i].Tag == t {
				return true
			}
		}
	}
	return false
}

// failed is called with the body of each error of the upstream, and returns
// the frame that the client gets instead, nil for the same. of.mu is held.
func (e *enforcer) failed(body []byte) []byte {
	e.failures++
	if why := e.stoodFor(body); why != nil {
		return wire.AppendReport(nil, *why)
	}
	if first := e.replies.first(); first != nil && first.asIs {
		if why := misformatted(body); why != nil {
			return wire.AppendReport(nil, *why)
		}
	}
	if o := e.replies.outlined(); o != nil && o.gone(body) {
		return wire.AppendReport(nil, *changedSince)
	}
	if c := e.replies.check(); c != nil {
		if why := unsatisfied(c, body); why != nil {
			return wire.AppendReport(nil, *why)
		}
	}
	if e.shield.quiet(body) {
		return terse(wire.ErrorResponse, body)
	}
	if first := e.replies.first(); first != nil && first.quiet != nil { // the position is in another text
		return without(wire.ErrorResponse, body, func(field byte) bool { return field == 'P' })
	}
	return nil
}

// stoodFor is the refusal that an error stands for, nil when it is one of the
// upstream's own.
func (e *enforcer) stoodFor(body []byte) *wire.Report {
	if len(e.refusals) == 0 {
		return nil
	}
	_, rest, ok := strings.Cut(wire.ParseReport(body).Message, e.marker)
	if !ok {
		return nil
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	number, err := strconv.ParseUint(rest[:end], 10, 64)
	if err != nil {
		return nil
	}
	for i, r := range e.refusals {
		if r.number == number {
			e.refusals = e.refusals[i+1:] // those before were skipped upstream
			return r.why
		}
	}
	return nil
}

// ready is called when everything up to a ReadyForQuery was answered. of.mu
// is held.
func (e *enforcer) ready(status byte) {
	if status != 'I' || !e.altered.Load() {
		return
	}
	e.schema.Expire()
	if e.of.ledger.empty() {
		e.altered.Store(false)
	}
}

// given counts a row and reports whether the client gets it. of.mu is held.
func (e *enforcer) given() bool {
	c := e.replies.cap()
	return c == nil || c.next()
}

// notices are what the client is told about a permitted text when it has run.
func (v verdict) notices() []byte {
	var b []byte
	for i := range v.Statements {
		if s := &v.Statements[i]; s.Tag == "COMMIT" && strings.HasPrefix(s.SQL, "ROLLBACK") {
			b = wire.AppendReport(b, wire.Report{Severity: wire.SeverityNotice, Code: "00000", Message: "write mode rollback: COMMIT became ROLLBACK, and nothing was kept"})
		}
	}
	for _, f := range v.Findings {
		b = wire.AppendReport(b, wire.Report{
			Severity: wire.SeverityNotice, Code: "00000", Message: fmt.Sprintf("migration safety: %s (%s). %s", f.Rule, f.Severity, f.Message), Hint: f.Hint,
		})
	}
	return b
}

// givesRows reports whether the rows of a statement count against max_rows:
// those that come out of tables.
func givesRows(s *policy.Statement) bool { return s.Kind != policy.Show && s.Kind != policy.Explain }

// caps are those of the statements of a text that runs now.
func (e *enforcer) caps(v verdict) []*rowCap {
	limit := e.ruling.profile.MaxRows
	if limit == 0 {
		return nil
	}
	list := make([]*rowCap, len(v.Statements))
	for i := range v.Statements {
		switch s := &v.Statements[i]; {
		case s.Tag == "FETCH":
			list[i] = e.cursorCap(limit)
		case givesRows(s):
			list[i] = &rowCap{max: limit}
		}
	}
	return list
}

// cursorCap is the cap of the cursors of SQL, which count together until none
// is open.
func (e *enforcer) cursorCap(limit int) *rowCap {
	if e.fetched == nil {
		e.fetched = &rowCap{}
	}
	e.of.mu.Lock()
	e.fetched.max = limit
	e.of.mu.Unlock()
	return e.fetched
}

// portalCap is the cap of what a portal gives that may be any of list, nil
// without one. s is what is known of it.
func (e *enforcer) portalCap(s *slot, list []*prepared) []*rowCap {
	limit := e.ruling.profile.MaxRows
	switch {
	case limit == 0:
		return nil
	case s == nil || len(list) == 0 || slices.ContainsFunc(list, func(p *prepared) bool { return p.fetches }):
		return []*rowCap{e.cursorCap(limit)}
	case !slices.ContainsFunc(list, func(p *prepared) bool { return p.capped }):
		return nil
	}
	if s.rows == nil {
		s.rows = &rowCap{}
	}
	e.of.mu.Lock()
	s.rows.max = limit
	e.of.mu.Unlock()
	return []*rowCap{s.rows}
}
