package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// A text that a client has prepared may go upstream as another one when the
// policy or the schema has changed. Where a client could not tell the two
// apart, the proxy prepares it again before it goes on: under a name of its own
// first, so that the client's name keeps what it stands for until the upstream
// has described both alike. All of it is in the client's batch, and Parse locks
// the tables until that ends, so that what was described holds for the Bind.

// errAgain says that a statement was prepared again, and that the frame which
// asked for it is to be looked at once more.
var errAgain = errors.New("prepared again")

// renewable reports whether a name stands for nothing else than one Parse of
// the client's.
func renewable(list []*prepared) bool { return len(list) == 1 && list[0].types != "" }

// again prepares what was has become, in front of a frame of the client's about
// the statement of this name. When it returns nil that frame has its answer.
func (p *enforcePump) again(name []byte, was *prepared) error {
	types := []byte(was.types)
	v := p.decide([]byte(was.text))
	under, r := p.engine, v.refused
	if r == nil {
		r = p.declares(types)
	}
	if r == nil && p.room(was.weight()) != nil {
		r = changedSince
	}
	if r != nil {
		p.refuse(wire.Parse, unstored, r)
		return nil
	}
	made := v.prepared(was.text, under)
	made.types = was.types

	of := func(name []byte) []byte { return slices.Concat([]byte{'S'}, name, []byte{0}) }
	own, ends := p.marker+"own", watch()
	before, after := outline{old: true}, outline{}
	p.ownFrame(reply{kind: wire.Describe, outline: &before, checks: was.checks}, of(name))
	p.ownFrame(reply{kind: wire.Close}, of([]byte(own)))
	p.ownParse(reply{}, own, made.sent, types)
	p.ownFrame(reply{kind: wire.Describe, outline: &after, checks: made.checks}, of([]byte(own)))
	p.ownFrame(reply{kind: wire.Close, changes: ends}, of([]byte(own)))
	switch {
	case !p.answered(ends):
		return errEnding
	case ends.failed: // the client got the error, and its frame will be skipped
		return nil
	case after.bare || !bytes.Equal(before.told, after.told):
		p.refuse(wire.Parse, unstored, changedSince)
		return nil
	}
	ends = watch()
	p.statements.set(string(name), made)
	p.ownFrame(reply{kind: wire.Close}, of(name))
	p.ownParse(reply{changes: ends}, string(name), made.sent, types)
	switch {
	case !p.answered(ends):
		return errEnding
	case ends.failed:
		return nil
	}
	p.statements.becomes(string(name), made)
	return errAgain
}

// outline is what a client learns from a Describe of a statement: the types of
// its parameters, and the names and types of its columns.
type outline struct {
	old  bool // of what was prepared before
	told []byte
	bare bool // a column is one that is masked now
}

// outlined is that of what the upstream answers now, nil without one.
func (r *replies) outlined() *outline {
	if first := r.first(); first != nil {
		return first.outline
	}
	return nil
}

// outlines reports whether a frame is part of an outline.
func (r *reply) outlines(typ byte) bool {
	return r.outline != nil && (typ == wire.ParameterDescription || typ == wire.RowDescription || typ == wire.NoData)
}

// outline adds a frame to o. of.mu is held.
func (e *enforcer) outline(o *outline, typ byte, body []byte) error {
	if typ == wire.RowDescription {
		shown, err := e.replies.description(body)
		if err != nil {
			return err
		}
		if shown != nil {
			typ, body = shown[0], shown[wire.HeaderSize:]
		}
	}
	o.told = append(o.told, typ)
	if typ != wire.RowDescription {
		o.told = append(o.told, body...)
		return nil
	}
	return fields(body, func(f field) {
		o.bare = o.bare || e.shield.masked[f.from] != ""
		o.told = binary.BigEndian.AppendUint32(append(append(o.told, f.name...), 0), f.typ)
	})
}

// gone reports whether an error says that what was prepared before is no
// statement of today's schema.
func (o *outline) gone(body []byte) bool {
	code := wire.ParseReport(body).Code
	return o.old && (code == codeNotSupported || strings.HasPrefix(code, "42"))
}
