package proxy

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// PostgreSQL itself holds written rows to a row filter, with a column that
// policy.Check puts in front of those that the client asked for. Here that
// column is taken off what the client gets, and the error that a row leads to
// is put into the policy's words.

// checks are those of the statements of a text, in their order; nil where it
// has none.
func (v verdict) checks() []*policy.Check {
	if !v.Checked {
		return v.runs
	}
	list := make([]*policy.Check, len(v.Statements))
	for i := range v.Statements {
		list[i] = v.Statements[i].Check
	}
	return list
}

// checked reports whether one of a list has a check.
func checked(list []*prepared) bool {
	return slices.ContainsFunc(list, func(p *prepared) bool { return p.checks != nil })
}

// checksOf are those of a statement that may be any of a list, or why it cannot
// run: what the client gets of its rows is not known.
func checksOf(list []*prepared) ([]*policy.Check, *wire.Report) {
	if !checked(list) {
		return nil, nil
	}
	for _, p := range list {
		if p.checks == nil || *p.checks[0] != *list[0].checks[0] {
			return nil, changedSince
		}
	}
	return list[0].checks, nil
}

// checksNamed is checksOf for what EXECUTE names.
func (e *enforcer) checksNamed(name []byte) ([]*policy.Check, *wire.Report) {
	if list := e.statements.may(name); len(list) > 0 {
		return checksOf(list)
	}
	var all []*prepared
	for s := range e.statements.all {
		all = append(all, s.may...)
	}
	return checksOf(all)
}

// fetchable is stillAll for FETCH and MOVE, which it refuses while a portal is
// open that they could run and that writes: its rows have the column of a
// check, or nothing would count what it changes.
func (e *enforcer) fetchable() *wire.Report {
	if refused := e.stillAll(); refused != nil {
		return refused
	}
	counts := e.ruling.profile.MaxAffectedRows > 0
	writes := func(p *prepared) bool { return p.checks != nil || counts && p.part.counted }
	for s := range e.portals.all {
		if s.name != "" && slices.ContainsFunc(s.may, writes) {
			return &wire.Report{
				Severity: wire.SeverityError, Code: codeNotSupported,
				Message: "FETCH and MOVE are not supported under this policy while a named portal of a write is open",
				Hint:    "Close the portal first, or let the driver run it.",
			}
		}
	}
	return nil
}

// inWhole is the Execute of a portal whose rows the client does not get: asked
// for in parts they would not all come.
func inWhole(execute []byte, checks []*policy.Check) []byte {
	if len(checks) == 0 || !checks[0].Alone {
		return execute
	}
	return append(execute[:len(execute)-4:len(execute)-4], 0, 0, 0, 0)
}

// check is that of the statement whose answer comes now, nil without one.
func (r *replies) check() *policy.Check {
	if first := r.first(); first != nil && len(first.checks) > 0 {
		return first.checks[0]
	}
	return nil
}

// changesRows reports whether the client gets other rows than come now.
func (r *replies) changesRows() bool {
	first := r.first()
	return first != nil && (first.nulls != nil || len(first.checks) > 0 && first.checks[0] != nil)
}

// silent reports whether a frame is one that a client which asked for no rows
// does not get.
func (first *reply) silent(typ byte) bool {
	return len(first.checks) > 0 && (typ == wire.DataRow || typ == wire.RowDescription && first.kind != wire.Describe) &&
		first.checks[0] != nil && first.checks[0].Alone
}

// row is a DataRow as the client gets it.
func (r *replies) row(body []byte) ([]byte, error) {
	if r.check() == nil {
		return nullify(body, r.nulls())
	}
	body, err := withoutFirst(body, func(rest []byte) (int, bool) {
		if len(rest) < 4 {
			return 0, false
		}
		return 4 + max(int(int32(binary.BigEndian.Uint32(rest))), 0), true
	})
	if err != nil {
		return nil, err
	}
	return nullify(body, r.nulls())
}

// description is a RowDescription as the client gets it, nil for the same.
func (r *replies) description(body []byte) ([]byte, error) {
	c := r.check()
	switch {
	case c == nil:
		return nil, nil
	case c.Alone:
		return wire.AppendBody(nil, wire.NoData, nil), nil
	}
	body, err := withoutFirst(body, func(rest []byte) (int, bool) {
		end := slices.Index(rest, 0)
		return end + 19, end >= 0
	})
	if err != nil {
		return nil, err
	}
	return wire.AppendBody(nil, wire.RowDescription, body), nil
}

// withoutFirst takes the first item from the body of a frame that counts its
// items. size says how long it is.
func withoutFirst(body []byte, size func(rest []byte) (int, bool)) ([]byte, error) {
	if len(body) < 2 || binary.BigEndian.Uint16(body) == 0 {
		return nil, errBody
	}
	n, ok := size(body[2:])
	if !ok || len(body) < 2+n {
		return nil, errBody
	}
	return append(binary.BigEndian.AppendUint16(nil, binary.BigEndian.Uint16(body)-1), body[2+n:]...), nil
}

// unsatisfied is what the client is told of an error of a checked statement,
// nil for what the upstream says.
func unsatisfied(c *policy.Check, body []byte) *wire.Report {
	said := wire.ParseReport(body)
	if c.Violated(said.Message) {
		reason, hint := c.Refusal()
		return &wire.Report{Severity: wire.SeverityError, Code: codePrivilege, Message: reason, Hint: hint}
	}
	if !c.Fallible || ofNoRow(said.Code) {
		return nil
	}
	return &wire.Report{
		Severity: wire.SeverityError, Code: said.Code,
		Message: "this write failed for a row, in the statement itself or in the policy's row filter",
		Hint:    "Check the values that it writes. What failed is not told, because it may have been the row filter.",
	}
}

// ofNoRow reports whether an error is of a class that no evaluation of a
// predicate leads to: of connections, constraints, transactions, names of
// statements and portals, other names and syntax, resources and the operator.
func ofNoRow(code string) bool {
	switch {
	case code == codePrivilege, code == codeUndefinedObject:
		return false
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "23"), strings.HasPrefix(code, "25"), strings.HasPrefix(code, "26"),
		strings.HasPrefix(code, "34"), strings.HasPrefix(code, "40"),
		strings.HasPrefix(code, "42"), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "55"), strings.HasPrefix(code, "57"):
		return true
	}
	return false
}
