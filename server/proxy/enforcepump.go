package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

const (
	// maxExamined is the longest Query or Parse frame that is read whole to be
	// decided about: the longest text that a policy examines, with room for
	// the types of parameters.
	maxExamined = policy.MaxBytes + 512<<10
	// maxNames bounds the two names at the start of a Bind, and the frames
	// that carry little else. It leaves room in the buffer.
	maxNames = 8 << 10
)

// What becomes of the rest of a frame that has begun.
type rest int

const (
	passOn  rest = iota
	collect      // for a decision
	discard      // it was refused
)

// enforcePump is a clientPump that holds its session to a policy: frames that
// make something run are read whole, and go upstream as the policy leaves
// them. A refused one is replaced by one that is sure to fail in the same
// place, see refuse: the upstream then does all that an error does, to the
// transaction and to the rest of a pipeline.
type enforcePump struct {
	*clientPump
	*enforcer
	ahead lookahead
	out   []byte // to be sent
	rest  rest
	typ   byte   // of the frame that is collected
	body  []byte // of it
	held  int    // bytes that room was taken for
	block block
	skip  bool // the client's frames up to its Sync, as the upstream does after an error
}

// relay is clientPump's, for a session under a policy.
func (p *enforcePump) relay(data []byte) (done int, more bool) {
	for done < len(data) {
		if !p.scan.AtBoundary() {
			n := p.scan.Skip(data[done:])
			switch p.rest {
			case passOn:
				p.out = append(p.out, data[done:done+n]...)
			case collect:
				p.body = append(p.body, data[done:done+n]...)
				if p.scan.AtBoundary() {
					if !p.frame(p.typ, p.body) {
						return done, false
					}
					p.giveBack()
				}
			}
			done += n
			continue
		}
		h, ok, err := wire.ParseHeader(data[done:])
		if err == nil && ok && strings.IndexByte(fromClient, h.Type) < 0 {
			err = fmt.Errorf("invalid frontend message type %d", h.Type)
		}
		if err != nil {
			p.end(protocolViolation(err))
			return done, false
		}
		if !ok {
			break
		}
		if p.skip && h.Type != wire.Sync && h.Type != wire.Terminate {
			p.rest = discard
			p.scan.Enter(h)
			done += wire.HeaderSize
			continue
		}
		have := data[done+wire.HeaderSize:]
		whole := len(have) >= h.Body
		if whole {
			have = have[:h.Body]
		}
		switch h.Type {
		case wire.Query, wire.Parse, wire.Describe, wire.Close, wire.Execute:
			switch {
			case whole:
				p.scan.Enter(h)
				p.scan.Skip(have)
				if !p.frame(h.Type, have) {
					return done, false
				}
				done += wire.HeaderSize + h.Body
				continue
			case h.Body+wire.HeaderSize <= bufferSize:
				return done, p.flush() // the rest is on its way, and has room
			case h.Type != wire.Query && h.Type != wire.Parse:
				p.end(protocolViolation(fmt.Errorf("message type %q of %d bytes", h.Type, h.Body)))
				return done, false
			case !p.collect(h):
				return done, false
			}
			p.scan.Enter(h)
			done += wire.HeaderSize
		case wire.Bind:
			portal, statement, ok := bindNames(have)
			if !ok && !whole && len(have) < maxNames {
				return done, p.flush()
			}
			if !ok {
				p.end(protocolViolation(errors.New("invalid names in bind message")))
				return done, false
			}
			if !p.permitted() {
				return done, false
			}
			p.catchUp()
			list := p.statements.may(statement)
			masks, hasCheck := len(p.maskedOf(list)) > 0, checked(list)
			read := masks || hasCheck
			if read && !whole && h.Body+wire.HeaderSize <= bufferSize {
				return done, p.flush()
			}
			if read && !whole && (masks || h.Body <= maxExamined) {
				if !p.collect(h) {
					return done, false
				}
				p.scan.Enter(h)
				done += wire.HeaderSize
				continue
			}
			if read && whole {
				p.scan.Enter(h)
				p.scan.Skip(have)
				if !p.handle(h.Type, have) {
					return done, false
				}
				done += wire.HeaderSize + h.Body
				continue
			}
			made, err := p.bind(portal, statement, list, hasCheck)
			switch {
			case err == errAgain:
				continue
			case err != nil:
				return done, false
			case made == nil:
				p.rest = discard
			default:
				p.rest = passOn
				p.out = append(p.out, data[done:done+wire.HeaderSize]...)
			}
			p.scan.Enter(h)
			done += wire.HeaderSize
		case wire.FunctionCall:
			if !p.permitted() || !p.paced() {
				return done, false
			}
			p.refuse(wire.Query, "", &wire.Report{
				Severity: wire.SeverityError, Code: codeNotSupported,
				Message: "function call message is not supported under a policy", Hint: "Call the function in a SELECT.",
			})
			p.rest = discard
			p.scan.Enter(h)
			done += wire.HeaderSize
		case wire.Sync:
			p.rest = discard
			p.scan.Enter(h)
			done += wire.HeaderSize
			p.endBatch()
		default:
			p.note(h.Type)
			p.rest = passOn
			p.out = append(p.out, data[done:done+wire.HeaderSize]...)
			p.scan.Enter(h)
			done += wire.HeaderSize
			if h.Type == wire.Terminate {
				p.flush()
				return done, false
			}
		}
	}
	return done, p.flush()
}

func (p *enforcePump) flush() bool {
	ok := p.send(p.out)
	p.out = p.out[:0]
	if cap(p.out) > bufferSize {
		p.out = nil
	}
	return ok
}

// frame deals with a frame that is whole, and reports whether to go on.
func (p *enforcePump) frame(typ byte, body []byte) bool {
	if runs(typ) && (!p.permitted() || executes(typ) && !p.paced()) {
		return false
	}
	p.catchUp()
	return p.handle(typ, body)
}

// handle is frame for one that is permitted to come.
func (p *enforcePump) handle(typ byte, body []byte) bool {
	var err error
	switch typ {
	case wire.Query:
		err = p.query(body)
	case wire.Parse:
		err = p.parse(body)
	case wire.Execute:
		err = p.execute(body)
	case wire.Describe:
		err = p.describe(body)
	case wire.Close:
		err = p.close(body)
	case wire.Bind:
		err = p.bindRead(body)
	}
	switch {
	case err == errAgain:
		return p.frame(typ, body)
	case err == errEnding:
		return false
	case err != nil:
		p.end(protocolViolation(err))
		return false
	}
	return len(p.out) < bufferSize || p.flush()
}

func (p *enforcePump) query(body []byte) error {
	text, ok := bytes.CutSuffix(body, []byte{0})
	if !ok || bytes.IndexByte(text, 0) >= 0 {
		return errors.New("invalid message format")
	}
	v := p.decide(text)
	if v.refused == nil && v.tagged("FETCH", "MOVE") {
		v.refused = p.fetchable()
	}
	if v.refused == nil && v.tagged("DECLARE CURSOR") {
		v.refused = p.declared(v.prepared(string(text), p.engine))
	}
	var made *prepared
	switch {
	case v.refused != nil:
	case v.tagged("EXECUTE"):
		name := []byte(v.Statements[0].Name)
		if v.refused = p.stillNamed(p.statements.may(name)); v.refused == nil {
			v.runs, v.refused = p.checksNamed(name)
		}
	case v.tagged("PREPARE"):
		made = v.prepared(string(text), p.engine)
		v.refused = p.room(made.weight())
	}
	if v.refused == nil {
		v.refused = p.charge(v.charged())
	}
	if v.refused != nil {
		p.refuse(wire.Query, "", v.refused)
		return nil
	}
	if made != nil {
		p.statements.set(v.Statements[0].Name, made)
		p.statements.batch++ // what comes behind it runs even if it fails
	}
	p.deallocated(v)
	p.stands(v, text)
	switch {
	case v.tagged(discardAll):
		return p.discardAll(v)
	case p.encloses() && len(v.Statements) > 0:
		return p.enclosed(v)
	}
	p.ask(v, reply{})
	return nil
}

// room says whether one more statement of this weight may be kept.
func (p *enforcePump) room(weight int) *wire.Report {
	if p.statements.weight+p.portals.weight+weight <= maxPrepared {
		return nil
	}
	return &wire.Report{
		Severity: wire.SeverityError, Code: codeTooComplex, Message: "too many prepared statements for one session under a policy",
		Hint: "Close those that are not needed.",
	}
}

// ask sends a permitted text, whose reply is r.
func (p *enforcePump) ask(v verdict, r reply) {
	p.altering(v.alters())
	r.kind, r.notices, r.rows, r.checks = wire.Query, v.notices(), p.caps(v), v.checks()
	sql := v.sql
	if v.any(unbinds) {
		sql, r.quiet = p.rebound(v)
	}
	p.sending(r)
	p.out = wire.AppendQuery(p.out, sql)
}

func (p *enforcePump) parse(body []byte) error {
	name, rest, ok := bytes.Cut(body, []byte{0})
	text, types, ok2 := bytes.Cut(rest, []byte{0})
	if !ok || !ok2 || len(types) < 2 || len(types) != 2+4*int(binary.BigEndian.Uint16(types)) {
		return errors.New("invalid message format")
	}
	v := p.decide(text)
	under := p.engine // also when a look at the types brings a newer one
	if v.refused == nil && v.tagged("PREPARE", "EXECUTE") {
		v.refused = &wire.Report{
			Severity: wire.SeverityError, Code: codeNotSupported, Message: "PREPARE and EXECUTE are not supported in the extended protocol under a policy",
			Hint: "Use the driver's own prepared statements, or send them as simple queries.",
		}
	}
	if v.refused == nil {
		v.refused = p.declares(types)
	}
	if v.refused == nil {
		v.refused = p.room(len(text) + len(types))
	}
	if v.refused != nil {
		if len(name) == 0 { // PostgreSQL forgets the unnamed statement first
			p.statements.drop("")
		}
		p.refuse(wire.Parse, string(name), v.refused)
		return nil
	}
	kept := string(rest)
	made := v.prepared(kept[:len(text)], under)
	made.types = kept[len(text)+1:]
	p.statements.set(string(name), made)
	p.stands(v, text)
	p.sending(reply{kind: wire.Parse})
	p.out = appendParse(p.out, string(name), v.sql, types)
	return nil
}

// declares says why a Parse may not declare parameters to be of these types,
// of which there is a count in front.
func (p *enforcePump) declares(types []byte) *wire.Report {
	oids := make([]uint32, 0, len(types)/4)
	for rest := types[2:]; len(rest) >= 4; rest = rest[4:] {
		oids = append(oids, binary.BigEndian.Uint32(rest))
	}
	d := p.engine.Parameters(oids)
	if d != nil && d.Unresolved {
		fresh, refused := p.current(true)
		if refused != nil {
			return refused
		}
		d = fresh.Parameters(oids)
	}
	if d != nil {
		return reportOf(d)
	}
	return nil
}

func (p *enforcePump) execute(body []byte) error {
	portal, rows, ok := bytes.Cut(body, []byte{0})
	if !ok || len(rows) != 4 {
		return errors.New("invalid message format")
	}
	if p.encloses() {
		if err := p.openBlock(); err != nil {
			return err
		}
	}
	at := p.portals.at(portal)
	list := p.portals.means(at)
	r := p.still(list)
	if r == nil && list == nil {
		r = p.stillAll() // a cursor of SQL is a portal as well
	}
	var alters, unbinds, discards bool
	for _, one := range list {
		if one.fetches && r == nil {
			r = p.fetchable()
		}
		if one.opens && r == nil {
			r = p.declared(one)
		}
		alters, unbinds, discards = alters || one.alters, unbinds || one.unbinds, discards || one.part.discards
	}
	if r == nil && !alike(list) && (p.encloses() || discards) {
		r = changedSince
	}
	checks, ambiguous := checksOf(list)
	if r == nil {
		r = ambiguous
	}
	if r == nil {
		r = p.chargePortal(at, list)
	}
	if r != nil {
		p.refuse(wire.Parse, unstored, r)
		return nil
	}
	p.altering(alters)
	body = inWhole(body, checks)
	next := reply{kind: wire.Execute, rows: p.portalCap(at, list), checks: checks}
	if at != nil {
		next.nulls = at.nulls
	}
	if len(list) > 0 {
		next.notices = list[len(list)-1].notices
	}
	if len(list) == 1 && list[0].frees != nil {
		p.statements.forget(*list[0].frees)
	}
	switch {
	case discards:
		return p.executeDiscardAll(body, next)
	case !p.encloses():
		p.runPortal(body, next)
	default:
		if err := p.executeEnclosed(body, list, next); err != nil {
			return err
		}
	}
	if unbinds {
		p.rebind(nil)
	}
	return nil
}

// runPortal sends an Execute.
func (p *enforcePump) runPortal(body []byte, next reply) {
	p.sending(next)
	p.out = wire.AppendBody(p.out, wire.Execute, body)
}

func (p *enforcePump) describe(body []byte) error {
	kind, name, err := target(body)
	if err != nil {
		return err
	}
	var list []*prepared
	switch {
	case kind == 'P':
		list = p.portals.may(name)
	case !p.permitted(): // it may have to be prepared again
		return errEnding
	default:
		list = p.statements.may(name)
	}
	r := p.still(list)
	if r == changedSince && kind == 'S' && renewable(list) {
		return p.again(name, list[0])
	}
	checks, ambiguous := checksOf(list)
	if r == nil {
		r = ambiguous
	}
	if r != nil {
		p.refuse(wire.Parse, unstored, r)
		return nil
	}
	p.sending(reply{kind: wire.Describe, checks: checks})
	p.out = wire.AppendBody(p.out, wire.Describe, body)
	return nil
}

func (p *enforcePump) close(body []byte) error {
	kind, name, err := target(body)
	if err != nil {
		return err
	}
	if kind == 'P' {
		p.portals.drop(string(name))
	} else {
		p.statements.drop(string(name))
	}
	p.sending(reply{kind: wire.Close})
	p.out = wire.AppendBody(p.out, wire.Close, body)
	return nil
}

// target reads what a Describe or Close is about.
func target(body []byte) (kind byte, name []byte, err error) {
	if len(body) < 2 || body[0] != 'S' && body[0] != 'P' || bytes.IndexByte(body[1:], 0) != len(body)-2 {
		return 0, nil, errors.New("invalid message format")
	}
	return body[0], body[1 : len(body)-1], nil
}

// collect begins to read a frame whole that is too long for the buffer, or
// refuses it unread. It reports whether to go on.
func (p *enforcePump) collect(h wire.Header) bool {
	var why *wire.Report
	switch {
	case h.Body > maxExamined && h.Type == wire.Bind:
		why = &wire.Report{
			Severity: wire.SeverityError, Code: codeTooComplex,
			Message: fmt.Sprintf("these parameters are %d bytes long; at most %d are examined for a statement with masked columns", h.Body, maxExamined),
			Hint:    "Send less in parameters.",
		}
	case h.Body > maxExamined:
		why = blockedFor(fmt.Sprintf("this statement is %d bytes long; at most %d are examined", h.Body, policy.MaxBytes),
			"Send it in parts, or values as parameters.")
	case !p.srv.frames.take(h.Body):
		why = noRoomFor()
	default:
		p.typ, p.body, p.held, p.rest = h.Type, make([]byte, 0, h.Body), h.Body, collect
		return true
	}
	p.rest = discard
	if !p.permitted() || executes(h.Type) && !p.paced() {
		return false
	}
	if h.Type == wire.Bind {
		p.refuse(wire.Parse, unstored, why)
	} else {
		p.refuse(h.Type, "", why)
	}
	return true
}

// giveBack ends what collect began.
func (p *enforcePump) giveBack() {
	p.srv.frames.giveBack(p.held)
	p.body, p.held = nil, 0
}

// unstored is the name that a Parse gets which stands for a frame other than a
// Parse. It never comes to be.
const unstored = "pgbeam_refused"

// refuse puts a text upstream that no PostgreSQL can parse, in place of what
// was refused: a Query, a Parse, or what runs a portal. Its error is replaced
// on the way back. name is the prepared statement's, so that a refused Parse
// undoes no more than one that fails by itself.
func (p *enforcePump) refuse(typ byte, name string, why *wire.Report) {
	p.counter++
	number := strconv.FormatUint(p.counter, 10)
	p.mu.Lock()
	if p.ledger.empty() {
		p.refusals = nil // those before were skipped upstream
	}
	p.refusals = append(p.refusals, standIn{p.counter, why})
	p.mu.Unlock()
	p.sending(reply{kind: typ})
	if typ == wire.Query {
		p.out = wire.AppendQuery(p.out, p.marker+number)
	} else {
		p.out = appendParse(p.out, name, p.marker+number, []byte{0, 0})
	}
}

// sending notes a frame that is about to go upstream, and what its answer is
// to come for.
func (p *enforcePump) sending(next reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteLocked(next.kind)
	p.replies.sent(&p.ledger, next)
}

// altering notes DDL on its way upstream.
func (p *enforcePump) altering(yes bool) {
	if yes {
		p.altered.Store(true)
	}
}

func appendParse(b []byte, name, sql string, types []byte) []byte {
	at := len(b)
	b = append(b, wire.Parse, 0, 0, 0, 0)
	b = append(append(b, name...), 0)
	b = append(append(b, sql...), 0)
	b = append(b, types...)
	binary.BigEndian.PutUint32(b[at+1:], uint32(len(b)-at-1))
	return b
}
