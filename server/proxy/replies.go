package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// reply is a frame whose answer an enforcer waits for: one of the client, or
// one of the proxy's own.
type reply struct {
	kind    byte   // Query, Parse, Bind, Describe, Execute, Close or Sync
	own     bool   // the client sees nothing of the answer but errors
	hush    bool   // the client does not see the ReadyForQuery
	ends    bool   // what the ReadyForQuery ends is a transaction of the proxy's
	asIs    bool   // a Bind that was too long to get the format of its check's column
	quiet   []bool // of a Query's statements: those that the proxy put in
	nulls   []int
	notices []byte
	rows    []*rowCap // of its statements in their order; nil ones have no cap
	changes *tally    // nil where no rows are counted that it changes, nor its end is waited for
	outline *outline  // of a Describe of the proxy's own: where what it tells is kept
	// checks are those of its statements in their order; nil ones have none.
	checks []*policy.Check
}

// rowCap counts the rows of one result, which several Executes of a portal may
// share, and several FETCHes.
type rowCap struct {
	max         int
	seen, given int // given is of the command that runs
	told        bool
}

// next counts a row, and reports whether the client gets it.
func (c *rowCap) next() bool {
	c.seen++
	if c.seen > c.max {
		return false
	}
	c.given++
	return true
}

func (c *rowCap) truncated() bool { return c != nil && c.seen > c.max }

// replies are in the order of their answers. They follow the same rules as
// the ledger, and share its lock.
type replies struct {
	queue []reply
	head  int
}

// first is what the upstream answers now, nil when nothing is waited for.
func (r *replies) first() *reply {
	if r.head == len(r.queue) {
		return nil
	}
	return &r.queue[r.head]
}

func (r *replies) sent(l *ledger, next reply) {
	if l.skipping && next.kind != wire.Sync {
		next.changes.end(false)
		return
	}
	r.queue = append(r.queue, next)
}

func (r *replies) pop() {
	r.queue[r.head] = reply{}
	r.head++
	if r.head > 64 && 2*r.head > len(r.queue) || r.head == len(r.queue) {
		left := copy(r.queue, r.queue[r.head:])
		clear(r.queue[left:])
		r.queue, r.head = r.queue[:left], 0
	}
}

// received follows the answers. It is called before the ledger's.
func (r *replies) received(typ byte) {
	first := r.first()
	if first == nil {
		return
	}
	switch typ {
	case wire.ParseComplete:
		r.popIf(wire.Parse)
	case wire.BindComplete:
		r.popIf(wire.Bind)
	case wire.CloseComplete:
		r.popIf(wire.Close)
	case wire.RowDescription, wire.NoData:
		r.popIf(wire.Describe)
	case wire.CommandComplete, wire.PortalSuspended, wire.EmptyQuery:
		if c := r.cap(); c != nil {
			c.given = 0
		}
		if first.kind == wire.Execute {
			first.changes.end(true)
			r.pop()
		} else if first.inserted() {
			first.quiet = first.quiet[1:]
		} else if typ == wire.CommandComplete {
			first.quiet = first.quiet[min(1, len(first.quiet)):]
			first.notices = nil
			first.rows = first.rows[min(1, len(first.rows)):]
			first.checks = first.checks[min(1, len(first.checks)):]
		}
	case wire.ErrorResponse:
		if first.kind == wire.Query {
			first.changes.fail()
			return
		}
		for first = r.first(); first != nil && first.kind != wire.Sync; first = r.first() {
			first.changes.end(false)
			r.pop()
		}
	case wire.ReadyForQuery:
		for last := false; !last && r.first() != nil; r.pop() {
			first = r.first()
			first.changes.end(true)
			last = first.kind == wire.Sync || first.kind == wire.Query
		}
	}
}

// inserted reports whether the statement that runs is one that the proxy put in.
func (r *reply) inserted() bool { return len(r.quiet) > 0 && r.quiet[0] }

func (r *replies) popIf(kind byte) {
	if first := r.first(); first.kind == kind {
		first.changes.end(true)
		r.pop()
	}
}

// nulls are the columns to become NULL in the rows that come now.
func (r *replies) nulls() []int {
	if first := r.first(); first != nil {
		return first.nulls
	}
	return nil
}

// cap is that of the result whose rows come now, nil without one.
func (r *replies) cap() *rowCap {
	if first := r.first(); first != nil && len(first.rows) > 0 {
		return first.rows[0]
	}
	return nil
}

// endsWithMore reports whether the end of the command that runs is not passed
// on as it is.
func (r *replies) endsWithMore() bool {
	first := r.first()
	return first != nil && (first.notices != nil || first.changes != nil || r.cap().truncated())
}

// hides reports whether a frame is an answer to the proxy itself, or belongs
// to what has been undone.
func (r *replies) hides(typ byte) bool {
	first := r.first()
	switch {
	case first == nil, typ == wire.ParameterStatus, typ == wire.NotificationResponse:
		return false
	case typ == wire.ReadyForQuery:
		return first.hush
	case first.own, first.inserted():
		return typ != wire.ErrorResponse && !first.outlines(typ)
	}
	return first.kind == wire.Query && first.changes.undone() || first.silent(typ)
}

// ended is what a client gets for the end of a command: what there is to say
// first, and a count of the rows that it got.
func (r *replies) ended(typ byte, body []byte) []byte {
	first := r.first()
	if why := first.changes.count(typ, body); why != nil {
		return wire.AppendReport(nil, *why)
	}
	out := append([]byte(nil), first.notices...)
	c := r.cap()
	if !c.truncated() {
		return wire.AppendBody(out, typ, body)
	}
	if !c.told {
		c.told = true
		out = wire.AppendReport(out, wire.Report{
			Severity: wire.SeverityNotice, Code: "00000", Message: fmt.Sprintf("result truncated to %d rows by policy", c.max),
		})
	}
	for _, tag := range []string{"SELECT ", "FETCH "} {
		if typ == wire.CommandComplete && bytes.HasPrefix(body, []byte(tag)) {
			body = fmt.Appendf(nil, "%s%d\x00", tag, c.given)
		}
	}
	return wire.AppendBody(out, typ, body)
}

var errBody = errors.New("message ends in the middle of a field")

// nullify returns a DataRow with some columns NULL.
func nullify(body []byte, columns []int) ([]byte, error) {
	if len(body) < 2 {
		return nil, errBody
	}
	out := make([]byte, 0, wire.HeaderSize+len(body)) // it gets no longer
	out = append(append(out, wire.DataRow, 0, 0, 0, 0), body[:2]...)
	n, body := int(binary.BigEndian.Uint16(body)), body[2:]
	for i := range n {
		if len(body) < 4 {
			return nil, errBody
		}
		size := int(int32(binary.BigEndian.Uint32(body)))
		end := 4 + max(size, 0)
		if size < -1 || end > len(body) {
			return nil, errBody
		}
		if slices.Contains(columns, i) {
			out = binary.BigEndian.AppendUint32(out, 0xffffffff)
		} else {
			out = append(out, body[:end]...)
		}
		body = body[end:]
	}
	binary.BigEndian.PutUint32(out[1:], uint32(len(out)-1))
	return out, nil
}

// field is one of a RowDescription.
type field struct {
	name []byte
	from policy.Attribute
	typ  uint32
}

// fields calls yield with those of a RowDescription.
func fields(body []byte, yield func(field)) error {
	if len(body) < 2 {
		return errBody
	}
	n, body := int(binary.BigEndian.Uint16(body)), body[2:]
	for range n {
		end := slices.Index(body, 0)
		if end < 0 || len(body) < end+19 {
			return errBody
		}
		name := body[:end]
		body = body[end+1:]
		yield(field{
			name: name, typ: binary.BigEndian.Uint32(body[6:]),
			from: policy.Attribute{Relation: binary.BigEndian.Uint32(body), Number: int16(binary.BigEndian.Uint16(body[4:]))},
		})
		body = body[18:]
	}
	return nil
}

// shield is what the upstream's answers are checked for. It does not change.
type shield struct {
	masked map[policy.Attribute]policy.MaskKind
	// terse: errors keep to themselves what rows they met.
	terse bool
	// hides says so of errors that speak of one relation, nil where none is hidden.
	hides func(policy.RelationName) bool
}

// quiet says whether an error keeps to itself what rows it met.
func (s *shield) quiet(body []byte) bool {
	if s.terse || s.hides == nil {
		return s.terse
	}
	of := relationOf(body)
	return of.Name != "" && s.hides(of)
}

// relationOf is the relation that an ErrorResponse speaks of.
func relationOf(body []byte) (n policy.RelationName) {
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := bytes.Cut(body[1:], []byte{0})
		switch {
		case !ok:
			return n
		case body[0] == 's':
			n.Schema = string(value)
		case body[0] == 't':
			n.Name = string(value)
		}
		body = rest
	}
	return n
}

// wants reports whether a frame of the upstream has to be seen whole.
func (e *enforcer) wants(typ byte) bool {
	switch typ {
	case wire.ErrorResponse:
		return true
	case wire.NoticeResponse:
		return e.shield.terse
	case wire.RowDescription:
		return len(e.shield.masked) > 0 || e.replies.check() != nil || e.replies.outlined() != nil
	case wire.ParameterDescription, wire.NoData:
		return e.replies.outlined() != nil
	case wire.DataRow:
		return e.replies.changesRows()
	case wire.CommandComplete, wire.PortalSuspended:
		return e.replies.endsWithMore()
	}
	return false
}

// examine looks at a frame that wants named, and returns the frame that the
// client gets instead, nil for the same. of.mu is held.
func (e *enforcer) examine(typ byte, body []byte) ([]byte, error) {
	if o := e.replies.outlined(); o != nil && typ != wire.ErrorResponse {
		return []byte{}, e.outline(o, typ, body)
	}
	switch typ {
	case wire.ErrorResponse:
		return e.failed(body), nil
	case wire.NoticeResponse:
		if internal(body) {
			return []byte{}, nil
		}
		return terse(typ, body), nil
	case wire.CommandComplete, wire.PortalSuspended:
		return e.replies.ended(typ, body), nil
	case wire.DataRow:
		if !e.given() {
			return []byte{}, nil
		}
		return e.replies.row(body)
	case wire.RowDescription:
		found := false
		err := fields(body, func(f field) { found = found || e.shield.masked[f.from] != "" })
		if err == nil && found {
			err = fatal(codePrivilege, "Tell your operator which statement this was.",
				"blocked by PgBeam policy: the result would show a masked column as it is")
		}
		if err != nil {
			return nil, err
		}
		return e.replies.description(body)
	}
	return nil, fmt.Errorf("message type %q is not examined", typ)
}

// internal says whether a message is one of the upstream's log, which a role's
// default may have it send: it may quote the text that went upstream.
func internal(body []byte) bool {
	severity := wire.ParseReport(body).Severity
	return severity == "LOG" || strings.HasPrefix(severity, "DEBUG")
}

// terse returns an ErrorResponse or NoticeResponse without the fields in which
// PostgreSQL quotes rows, and without positions, which are those of a text
// that the client did not send. A hint stays where no row was met yet: in
// errors of class 42.
func terse(typ byte, body []byte) []byte {
	early := strings.HasPrefix(wire.ParseReport(body).Code, "42")
	return without(typ, body, func(field byte) bool {
		return strings.IndexByte("DWqpP", field) >= 0 || field == 'H' && !early
	})
}

// without returns an ErrorResponse or NoticeResponse without some fields.
func without(typ byte, body []byte, unwanted func(field byte) bool) []byte {
	var kept []byte
	for len(body) > 1 && body[0] != 0 {
		end := bytes.IndexByte(body, 0)
		if end < 0 {
			break
		}
		if !unwanted(body[0]) {
			kept = append(kept, body[:end+1]...)
		}
		body = body[end+1:]
	}
	return wire.AppendBody(nil, typ, append(kept, 0))
}
