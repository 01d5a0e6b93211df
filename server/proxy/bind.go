package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// bind makes a portal of a statement that may be any of list, and returns what
// is known of it then, nil when that was refused. asIs is reply's.
func (p *enforcePump) bind(portal, statement []byte, list []*prepared, asIs bool) (*slot, error) {
	r := p.stillNamed(list)
	if r == changedSince && renewable(list) {
		return nil, p.again(statement, list[0])
	}
	if r == nil && len(p.portals.byName) >= maxPortals && p.portals.at(portal) == nil {
		r = &wire.Report{
			Severity: wire.SeverityError, Code: codeTooComplex, Message: "too many portals for one transaction under a policy",
			Hint: "Close those that are not needed.",
		}
	}
	if r != nil {
		p.refuse(wire.Parse, unstored, r)
		return nil, nil
	}
	made := p.portals.set(string(portal), list...)
	p.sending(reply{kind: wire.Bind, asIs: asIs})
	return made, nil
}

// bindRead is bind for rows with masked columns, of which those that are asked
// for in binary become NULL, and for rows with the column of a check.
func (p *enforcePump) bindRead(body []byte) error {
	portal, statement, ok := bindNames(body)
	if !ok {
		return errBody
	}
	list := p.statements.may(statement)
	nulls, err := binaryColumns(body, p.maskedOf(list))
	if err != nil {
		return err
	}
	checks, ambiguous := checksOf(list)
	if ambiguous != nil {
		p.refuse(wire.Parse, unstored, ambiguous)
		return nil
	}
	if checks != nil {
		if body, err = withCheck(body, checks[0]); err != nil {
			return err
		}
	}
	made, err := p.bind(portal, statement, list, false)
	if made != nil {
		made.nulls = nulls
		p.out = wire.AppendBody(p.out, wire.Bind, body)
	}
	return err
}

// bindNames reads the portal and the statement that a Bind names.
func bindNames(body []byte) (portal, statement []byte, ok bool) {
	portal, body, ok = bytes.Cut(body, []byte{0})
	if !ok {
		return nil, nil, false
	}
	statement, _, ok = bytes.Cut(body, []byte{0})
	return portal, statement, ok
}

// resultFormats is where in a Bind the count of its columns' formats stands.
// These end it.
func resultFormats(bind []byte) (at int, err error) {
	_, statement, ok := bindNames(bind)
	if !ok {
		return 0, errBody
	}
	rest := bind[slices.Index(bind, 0)+1+len(statement)+1:]
	short := func() (int, bool) {
		if len(rest) < 2 {
			return 0, false
		}
		n := int(binary.BigEndian.Uint16(rest))
		rest = rest[2:]
		return n, true
	}
	n, ok := short() // formats of parameters
	if !ok || len(rest) < 2*n {
		return 0, errBody
	}
	rest = rest[2*n:]
	if n, ok = short(); !ok { // parameters
		return 0, errBody
	}
	for range n {
		if len(rest) < 4 {
			return 0, errBody
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		if size < -1 || len(rest) < 4+max(size, 0) {
			return 0, errBody
		}
		rest = rest[4+max(size, 0):]
	}
	if n, ok = short(); !ok || len(rest) != 2*n { // formats of columns
		return 0, errBody
	}
	return len(bind) - len(rest) - 2, nil
}

// binaryColumns are those among columns that a Bind asks for in binary.
func binaryColumns(bind []byte, columns []int) ([]int, error) {
	at, err := resultFormats(bind)
	if err != nil {
		return nil, err
	}
	n, rest := int(binary.BigEndian.Uint16(bind[at:])), bind[at+2:]
	isBinary := func(i int) bool {
		switch n {
		case 0:
			return false
		case 1:
			i = 0 // one for all
		}
		return i < n && binary.BigEndian.Uint16(rest[2*i:]) == 1
	}
	var found []int
	for _, i := range columns {
		if isBinary(i) {
			found = append(found, i)
		}
	}
	return found, nil
}

// withCheck is a Bind for rows with the column of a check: its format comes
// first, where the client says one for each of its own columns.
func withCheck(bind []byte, c *policy.Check) ([]byte, error) {
	at, err := resultFormats(bind)
	if err != nil {
		return nil, err
	}
	formats := bind[at+2:]
	switch {
	case c.Alone:
		return append(bind[:at:at], 0, 0), nil
	case len(formats) <= 2: // one for all
		return bind, nil
	}
	out := binary.BigEndian.AppendUint16(bind[:at:at], uint16(len(formats)/2+1))
	return append(append(out, 0, 0), formats...), nil
}

// misformatted is what the client is told when PostgreSQL misses the format of
// a check's column in a Bind that went upstream as it came, nil for what the
// upstream says.
func misformatted(body []byte) *wire.Report {
	if routineOf(body) != "PortalSetResultFormat" {
		return nil
	}
	return &wire.Report{
		Severity: wire.SeverityError, Code: codeTooComplex,
		Message: fmt.Sprintf("parameters of more than %d bytes, with a format for each column of the result, are not supported for a write under a row filter", maxExamined),
		Hint:    "Ask for all columns of the result in one format, or send less in parameters.",
	}
}

// routineOf is the function of PostgreSQL that an ErrorResponse names.
func routineOf(body []byte) string {
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := bytes.Cut(body[1:], []byte{0})
		if !ok {
			break
		}
		if body[0] == 'R' {
			return string(value)
		}
		body = rest
	}
	return ""
}
