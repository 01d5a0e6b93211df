package proxy

import (
	"sync/atomic"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// copies is how many times a frame that is held whole may be in memory: as it
// came, as it goes on, and among what is written.
const copies = 3

// memory bounds what the sessions of a process hold, all together, of frames
// that policies need whole and that are too long for a session's buffer.
type memory struct{ left atomic.Int64 }

// take takes room for a frame with a body of n bytes, all or none.
func (m *memory) take(n int) bool {
	for {
		left := m.left.Load()
		if left < int64(copies*n) {
			return false
		}
		if m.left.CompareAndSwap(left, left-int64(copies*n)) {
			return true
		}
	}
}

// giveBack ends what take began.
func (m *memory) giveBack(n int) { m.left.Add(int64(copies * n)) }

const (
	noRoom     = "the memory of PgBeam for long statements, parameters and rows under policies is in use by other sessions"
	noRoomHint = "Try again in a moment, or send and ask for less at once; the operator can run more proxies."
)

// noRoomFor refuses a frame of the client's.
func noRoomFor() *wire.Report {
	return &wire.Report{Severity: wire.SeverityError, Code: codeOutOfMemory, Message: noRoom, Hint: noRoomHint}
}
