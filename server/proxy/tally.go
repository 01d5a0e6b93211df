package proxy

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// tally holds the writes of a Query or of an Execute to max_affected_rows.
// Nil is one of a frame that has none. The session's mu guards it.
type tally struct {
	max    int
	over   bool // a write changed more, or could not be counted
	failed bool // the upstream refused it
	done   bool // the answer is in
}

// changing are the commands whose tags say how many rows they changed.
var changing = [][]byte{[]byte("INSERT "), []byte("UPDATE "), []byte("DELETE "), []byte("MERGE ")}

// count reads the end of a command, and returns what the client is told
// instead when it changed too much.
func (t *tally) count(typ byte, body []byte) *wire.Report {
	switch {
	case t == nil || t.over:
		return nil
	case typ == wire.PortalSuspended:
		t.over = true
		return &wire.Report{
			Severity: wire.SeverityError, Code: codeNotSupported,
			Message: "blocked by PgBeam policy: the rows that a write returns were asked for in parts, and what it changed cannot be counted then; it was undone",
			Hint:    "Ask for all rows of the write's RETURNING at once.",
		}
	}
	for _, command := range changing {
		if !bytes.HasPrefix(body, command) {
			continue
		}
		tag := bytes.TrimSuffix(body, []byte{0})
		n, err := strconv.Atoi(string(tag[bytes.LastIndexByte(tag, ' ')+1:]))
		if err == nil && n <= t.max {
			return nil
		}
		t.over = true
		return &wire.Report{
			Severity: wire.SeverityError, Code: codePrivilege,
			Message: fmt.Sprintf("blocked by PgBeam policy: this %schanged %d rows, and this credential may change at most %d at a time; it was undone", command, n, t.max),
			Hint:    "Change fewer rows with each statement, or ask your operator to raise max_affected_rows.",
		}
	}
	return nil
}

func (t *tally) undone() bool { return t != nil && t.over }

func (t *tally) fail() {
	if t != nil {
		t.failed = true
	}
}

// end notes that no more is to come; answered tells that the upstream did run
// what was asked.
func (t *tally) end(answered bool) {
	if t != nil {
		t.done = true
		t.failed = t.failed || !answered
	}
}
